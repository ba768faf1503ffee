/*
 * Bytes: a buffer that doubles, so that adding n bytes one by one costs O(n).
 */

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/must.h"

#define FIRST_ALLOCATION_BYTES 64u

void bytes_finish(struct bytes *b) {
	free(b->data);
	*b = (struct bytes){ 0 };
}

void bytes_clear(struct bytes *b) {
	b->n = 0;
}

int bytes_reserve(struct bytes *b, size_t more) {
	/* Half of the address space, so that doubling cannot overflow. */
	if (b->n > SIZE_MAX / 2 || more > SIZE_MAX / 2 - b->n)
		return ERROR_NO_MEMORY;

	size_t needed = b->n + more;
	if (needed <= b->allocated)
		return 0;

	size_t allocated = b->allocated < FIRST_ALLOCATION_BYTES ? FIRST_ALLOCATION_BYTES : b->allocated;
	while (allocated < needed)
		allocated *= 2;

	uint8_t *data = realloc(b->data, allocated);
	if (data == NULL)
		return ERROR_NO_MEMORY;
	b->data = data;
	b->allocated = allocated;
	return 0;
}

int bytes_add(struct bytes *b, const void *data, size_t n) {
	if (n == 0)
		return 0;

	int r = bytes_reserve(b, n);
	if (r < 0)
		return r;
	memcpy(b->data + b->n, data, n);
	b->n += n;
	return 0;
}

/* Byte by byte: the format is little-endian whatever the machine is. */
static int add_little_endian(struct bytes *b, uint64_t value, size_t n) {
	uint8_t data[8];

	for (size_t i = 0; i < n; i++)
		data[i] = (uint8_t)(value >> (8 * i));
	return bytes_add(b, data, n);
}

int bytes_add_u8(struct bytes *b, uint8_t value) {
	return bytes_add(b, &value, 1);
}

int bytes_add_u32(struct bytes *b, uint32_t value) {
	return add_little_endian(b, value, 4);
}

int bytes_add_u64(struct bytes *b, uint64_t value) {
	return add_little_endian(b, value, 8);
}

void bytes_drop_front(struct bytes *b, size_t n) {
	must(n <= b->n);
	if (n == 0)
		return;
	b->n -= n;
	memmove(b->data, b->data + n, b->n);
}

void hex_print(char *ret, const uint8_t *data, size_t n) {
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*ret++ = digits[data[i] >> 4];
		*ret++ = digits[data[i] & 0x0f];
	}
	*ret = '\0';
}

/* -1 for what is no hexadecimal digit, the terminating NUL included. */
static int hex_digit(char c) {
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool hex_parse(uint8_t *ret, size_t n, const char *text) {
	/* Looked through before anything is written: a failure leaves `ret` alone. */
	for (size_t i = 0; i < 2 * n; i++)
		if (hex_digit(text[i]) < 0)
			return false;
	if (text[2 * n] != '\0')
		return false;

	for (size_t i = 0; i < n; i++)
		ret[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
	return true;
}
