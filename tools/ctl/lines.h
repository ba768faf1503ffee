#ifndef LEADERCTL_LINES_H
#define LEADERCTL_LINES_H

/*
 * Lines of a file, of standard input, or of what zstd made of one, in bounded
 * memory. Reading and taking lines are apart, so that a poll loop can wait.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_BYTES_MAX (1024u * 1024u) /* four times what an event's arguments may have */

struct lines;

/* "-" is standard input; a name that ends in .zst is decompressed. 0, or a
 * STATUS_* that was reported. */
int lines_open(struct lines **ret, const char *path);
struct lines *lines_close(struct lines *lines); /* accepts NULL; returns NULL */

int lines_fd(const struct lines *lines); /* to poll for reading */
const char *lines_label(const struct lines *lines);

enum { LINES_LINE = 1, LINES_MORE = 2 };

/* The next line, without its end; borrowed until the next call on `lines`.
 * LINES_LINE; LINES_MORE: lines_read first; 0: the end; or negative with a reason. */
int lines_next(struct lines *lines, const char **ret_line, size_t *ret_n, uint64_t *ret_number);

/* Reads once; blocks only if nothing is there to be read. 0, or negative with a reason. */
int lines_read(struct lines *lines);
/* lines_read would not touch the file: polling it tells nothing. */
bool lines_has_input(const struct lines *lines);
const char *lines_reason(const struct lines *lines);

#endif
