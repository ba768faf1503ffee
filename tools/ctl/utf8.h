#ifndef LEADERCTL_UTF8_H
#define LEADERCTL_UTF8_H

/* What standard output needs to know of UTF-8. */

#include <stdbool.h>
#include <stddef.h>

/* The length of the character at `text`, 1 to 4; 0 if the bytes are no UTF-8. */
size_t utf8_character(const char *text, size_t n);
/* A control character of ASCII or Latin-1, or DEL; `text` is a valid character. */
bool utf8_is_control(const char *text, size_t length);
/* A copy in which each byte that is no UTF-8 became U+FFFD; NULL: no memory. */
char *utf8_repair(const char *text, size_t n, size_t *ret_n);

#endif
