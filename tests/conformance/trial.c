/* One story under way: chance, hooks, and how it fails. */

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "conformance.h"

void trial_fail(struct trial *trial, const char *file, int line, const char *format, ...) {
	const char *name = strrchr(file, '/');
	va_list arguments;
	int n = snprintf(trial->failure, sizeof(trial->failure), "%s:%d: ", name == NULL ? file : name + 1, line);

	va_start(arguments, format);
	vsnprintf(trial->failure + n, sizeof(trial->failure) - (size_t)n, format, arguments);
	va_end(arguments);
	longjmp(*trial->end, 1);
}

/* xorshift64* */
uint64_t trial_random(struct trial *trial) {
	trial->chance ^= trial->chance >> 12;
	trial->chance ^= trial->chance << 25;
	trial->chance ^= trial->chance >> 27;
	return trial->chance * UINT64_C(2685821657736338717);
}

size_t trial_between(struct trial *trial, size_t low, size_t high) {
	return low + (size_t)((trial_random(trial) >> 11) % (high - low + 1));
}

/* Runs against a backend that others use as well, so names are not taken from the seed. */
void trial_new_store(struct trial *trial) {
	uint8_t random[8];
	char text[2 * sizeof(random) + 1];

	arc4random_buf(random, sizeof(random));
	hex_print(text, random, sizeof(random));
	snprintf(trial->store, sizeof(trial->store), "conformance-%s", text);
}

void trial_command(struct trial *trial, const char *command, const char *what) {
	setenv("STORE", trial->store, 1);
	int status = system(command);

	expect(trial, status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0, "the command to %s failed: %s", what,
	       command);
}

int64_t now_ms(void) {
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
