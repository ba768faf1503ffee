#ifndef LEADERD_TESTS_CHANCE_H
#define LEADERD_TESTS_CHANCE_H

/* Stands in for tests/model/chance.h where chance comes from a fuzzer's bytes (story.c). */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct chance {
	uint64_t state;
};

uint64_t chance_next(struct chance *chance);

static inline uint64_t chance_below(struct chance *chance, uint64_t n) {
	return chance_next(chance) % n;
}

static inline uint64_t chance_number(struct chance *chance, unsigned bits) {
	uint64_t n = chance_below(chance, bits + 1);

	return n == 0 ? 0 : chance_next(chance) >> (64 - n);
}

#endif
