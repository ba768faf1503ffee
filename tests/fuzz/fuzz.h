#ifndef LEADERD_TESTS_FUZZ_H
#define LEADERD_TESTS_FUZZ_H

/*
 * What the fuzz targets share. A target is one file with one function: it takes
 * any bytes, and crashes when a promise is broken. libFuzzer calls it with bytes
 * that it invents (tools/fuzz), replay.c with the files of a corpus (tools/check).
 *
 * A promise is checked with fuzz_expect, which stays on in every build.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/must.h"

/* The target. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define fuzz_expect(condition) must(condition)

/* A negative code comes with one line of text, and with that very code. */
void fuzz_expect_told(int r, const struct error *error);

/* Bytes taken from the front; what is taken behind the end is zero. */
struct fuzz_input {
	const uint8_t *at;
	size_t n;
};

uint8_t fuzz_u8(struct fuzz_input *input);
uint32_t fuzz_u32(struct fuzz_input *input);
uint64_t fuzz_u64(struct fuzz_input *input);
unsigned fuzz_below(struct fuzz_input *input, unsigned n); /* 0 .. n - 1, n <= 256 */
/* Small ones often, and now and then one at an edge of its type. */
uint64_t fuzz_number(struct fuzz_input *input);

/* A copy of the rest with a NUL behind it, which the caller frees. */
char *fuzz_text(struct fuzz_input *input);

/* Patches: {offset u16, n u8, n bytes}, as often as there are bytes left. */
void fuzz_patch(struct fuzz_input *input, uint8_t *data, size_t n);

/* A sealed-off file in memory with these bytes; its descriptor, and its name. */
#define FUZZ_PATH_BYTES 32u
int fuzz_file(const void *data, size_t n, char ret_path[FUZZ_PATH_BYTES]);

/* A folder of this process's own, in memory where the machine has room for it. It
 * is removed at exit, with the databases in it. */
const char *fuzz_folder(void);

#endif
