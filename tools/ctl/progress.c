/* Progress; see progress.h. */

#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connect.h"

#define DRAW_EVERY_US 100000u

void progress_init(struct progress *progress) {
	const char *terminal = getenv("TERM");

	*progress = (struct progress){ .is_on = isatty(STDERR_FILENO) && terminal && strcmp(terminal, "dumb") != 0 };
}

void progress_show(struct progress *progress, const char *what, uint64_t done, uint64_t all) {
	uint64_t now;

	if (!progress->is_on)
		return;
	now = clock_us();
	if (now < progress->next_us)
		return;
	progress->next_us = now + DRAW_EVERY_US;
	progress->is_shown = true;
	if (all > 0)
		fprintf(stderr, "\r%s: %" PRIu64 " of %" PRIu64 " (%u %%)\033[K", what, done, all,
		        (unsigned)(done >= all ? 100 : done * 100 / all));
	else
		fprintf(stderr, "\r%s: %" PRIu64 "\033[K", what, done);
}

void progress_end(struct progress *progress) {
	if (progress->is_shown)
		fputs("\r\033[K", stderr);
	progress->is_shown = false;
}

void progress_on_phase(const char *phase, uint64_t done, uint64_t all, void *data) {
	progress_show(data, phase, done, all);
}
