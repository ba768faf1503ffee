#ifndef LEADERCTL_JSON_LINE_H
#define LEADERCTL_JSON_LINE_H

/*
 * One line of a JSON Lines file: {"name":"todoCreated","args":{...}}, and
 * "version" if it is not the newest. The arguments are taken as the bytes that
 * stand there, because they are kept, hashed and returned byte for byte;
 * whether they are right is the library's to say.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_line {
	char *name;       /* owned */
	uint32_t version; /* 0: the newest */
	const char *args; /* borrowed from the line */
	size_t args_bytes;
};

/* 0, or -1 with a reason, in one line, in `ret_reason`. */
int json_line_read(struct json_line *ret, const char *line, size_t n, char *ret_reason, size_t reason_bytes);
void json_line_finish(struct json_line *line);

/* The bytes of one member of an object; false if the line is no object or has no such member. */
bool json_line_member(const char *line, size_t n, const char *name, const char **ret, size_t *ret_bytes);

#endif
