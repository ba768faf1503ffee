#ifndef LEADERD_BASE_TEXT_H
#define LEADERD_BASE_TEXT_H

/*
 * Text: the little UTF-8 that errors, log lines and the notation need.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The length (1 to 4 bytes) of the UTF-8 character at `text`, which ends in a
 * NUL; `ret_code` gets its code point. 0 at the end of the text and where the
 * bytes are no UTF-8: surrogates, overlong forms and what is past U+10FFFF. */
size_t text_character(const char *text, uint32_t *ret_code);

/* The control characters of ASCII and of Latin-1, DEL included. */
bool text_is_control(uint32_t code);

/* Makes `text` fit for one line of a terminal or a log: control characters
 * become spaces, bytes that are no UTF-8 become question marks. */
void text_make_line(char *text);

#endif
