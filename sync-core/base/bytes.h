#ifndef LEADERD_BASE_BYTES_H
#define LEADERD_BASE_BYTES_H

/*
 * Bytes: a growing buffer, and the few conversions that formats need.
 * A zeroed struct bytes is empty and valid.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
	uint8_t *data; /* owned; NULL while nothing was ever added */
	size_t n;      /* bytes in use */
	size_t allocated;
};

void bytes_finish(struct bytes *b);              /* frees; leaves an empty buffer */
void bytes_clear(struct bytes *b);               /* forgets the content, keeps the memory */
int bytes_reserve(struct bytes *b, size_t more); /* 0 or ERROR_NO_MEMORY */
int bytes_add(struct bytes *b, const void *data, size_t n);
int bytes_add_u8(struct bytes *b, uint8_t value);
int bytes_add_u32(struct bytes *b, uint32_t value); /* little-endian */
int bytes_add_u64(struct bytes *b, uint64_t value); /* little-endian */
void bytes_drop_front(struct bytes *b, size_t n);   /* n <= b->n */

/* Writes 2 * n hexadecimal digits and a NUL; `ret` has room for them. */
void hex_print(char *ret, const uint8_t *data, size_t n);

/* Reads exactly 2 * n hexadecimal digits; false if `text` is anything else. */
bool hex_parse(uint8_t *ret, size_t n, const char *text);

#endif
