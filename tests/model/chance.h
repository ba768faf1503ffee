#ifndef LEADERD_TESTS_CHANCE_H
#define LEADERD_TESTS_CHANCE_H

/*
 * Chance that can be had again: one fixed seed, printed, or another one from
 * the environment variable LEADERD_SEED.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct chance {
	uint64_t state;
};

static inline struct chance chance_begin(const char *test) {
	const char *given = getenv("LEADERD_SEED");
	struct chance chance = { given != NULL ? strtoull(given, NULL, 0) : 20240229 };

	printf("%s: LEADERD_SEED=%" PRIu64 "\n", test, chance.state);
	return chance;
}

/* An additive counter whose bits are mixed: every seed is as good as another. */
static inline uint64_t chance_next(struct chance *chance) {
	uint64_t bits = chance->state += UINT64_C(0x9e3779b97f4a7c15);

	bits = (bits ^ bits >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	bits = (bits ^ bits >> 27) * UINT64_C(0x94d049bb133111eb);
	return bits ^ bits >> 31;
}

/* 0 .. n - 1 */
static inline uint64_t chance_below(struct chance *chance, uint64_t n) {
	return chance_next(chance) % n;
}

/* As often small as large: a number of 0 to `bits` bits. */
static inline uint64_t chance_number(struct chance *chance, unsigned bits) {
	uint64_t n = chance_below(chance, bits + 1);

	return n == 0 ? 0 : chance_next(chance) >> (64 - n);
}

#endif
