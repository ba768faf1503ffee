/*
 * A target with a planted bug: it breaks its promise, or reads behind its input,
 * as two words tell it to. test-planted shows that either would be noticed.
 */

#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
	fuzz_expect(n < 7 || memcmp(data, "promise", 7) != 0);
	if (n == 6 && memcmp(data, "behind", 6) == 0) {
		const volatile uint8_t *end = data + n;

		(void)end[0];
	}
	return 0;
}
