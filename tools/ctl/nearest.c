/* What somebody may have meant: the optimal string alignment distance. */

#include "nearest.h"

#include <string.h>

#define LETTERS_MAX 40

static unsigned least(unsigned a, unsigned b) {
	return a < b ? a : b;
}

unsigned word_distance(const char *a, const char *b) {
	unsigned rows[3][LETTERS_MAX + 1] = { { 0 } };
	unsigned *before_last = rows[0], *last = rows[1], *row = rows[2];
	size_t n_a = strlen(a), n_b = strlen(b);

	if (n_a > LETTERS_MAX || n_b > LETTERS_MAX)
		return LETTERS_MAX;
	for (size_t j = 0; j <= n_b; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= n_a; i++) {
		unsigned *free_row = before_last;

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= n_b; j++) {
			row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before_last[j - 2] + 1);
		}
		before_last = last;
		last = row;
		row = free_row;
	}
	return last[n_b];
}

int word_is_near(const char *word, const char *meant) {
	size_t n = strlen(meant);

	return word_distance(word, meant) <= (n <= 4 ? 1u : n <= 8 ? 2u : 3u);
}
