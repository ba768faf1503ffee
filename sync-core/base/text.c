/*
 * Text: UTF-8 without a table and without a locale, so that what is printed
 * and accepted is the same in every process.
 */

#include <string.h>

#include "base/text.h"

/* How many bytes the first one announces; 0 for one that cannot be first. */
static size_t character_bytes(unsigned char first) {
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef)
		return 3;
	if (first >= 0xf0 && first <= 0xf4)
		return 4;
	return 0;
}

size_t text_character(const char *text, uint32_t *ret_code) {
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *bytes = (const unsigned char *)text;
	size_t n = character_bytes(bytes[0]);

	if (bytes[0] == '\0' || n == 0)
		return 0;

	uint32_t code = n == 1 ? bytes[0] : bytes[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		/* The terminating NUL is no continuation byte, so the text's end is never passed. */
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (bytes[i] & 0x3fu);
	}
	if (code < smallest[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;

	*ret_code = code;
	return n;
}

bool text_is_control(uint32_t code) {
	return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}

void text_make_line(char *text) {
	while (*text != '\0') {
		uint32_t code;
		size_t n = text_character(text, &code);

		if (n == 0)
			*text++ = '?';
		else if (text_is_control(code))
			for (size_t i = 0; i < n; i++)
				*text++ = ' ';
		else
			text += n;
	}
}
