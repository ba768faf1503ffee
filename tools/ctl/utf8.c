/* UTF-8; see utf8.h. */

#include "utf8.h"

#include <stdlib.h>
#include <string.h>

static bool is_follower(unsigned char c) {
	return (c & 0xc0) == 0x80;
}

static size_t expected_length(unsigned char c) {
	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c < 0xe0)
		return 2;
	if (c >= 0xe0 && c < 0xf0)
		return 3;
	return c >= 0xf0 && c < 0xf5 ? 4 : 0;
}

size_t utf8_character(const char *text, size_t n) {
	const unsigned char *c = (const unsigned char *)text;
	size_t length = n > 0 ? expected_length(c[0]) : 0;

	if (length == 0 || length > n)
		return 0;
	for (size_t i = 1; i < length; i++)
		if (!is_follower(c[i]))
			return 0;
	/* Overlong forms, surrogates, and what is past U+10FFFF. */
	if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] >= 0xa0) || (c[0] == 0xf0 && c[1] < 0x90) ||
	    (c[0] == 0xf4 && c[1] >= 0x90))
		return 0;
	return length;
}

bool utf8_is_control(const char *text, size_t length) {
	const unsigned char *c = (const unsigned char *)text;

	if (length == 1)
		return c[0] < 0x20 || c[0] == 0x7f;
	return length == 2 && c[0] == 0xc2 && c[1] < 0xa0;
}

char *utf8_repair(const char *text, size_t n, size_t *ret_n) {
	char *repaired = malloc(3 * n + 1);

	if (!repaired)
		return NULL;
	*ret_n = 0;
	for (size_t i = 0; i < n;) {
		size_t length = utf8_character(text + i, n - i);

		memcpy(repaired + *ret_n, length ? text + i : "\xef\xbf\xbd", length ? length : 3);
		*ret_n += length ? length : 3;
		i += length ? length : 1;
	}
	return repaired;
}
