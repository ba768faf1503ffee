#ifndef LEADERCTL_PROGRESS_H
#define LEADERCTL_PROGRESS_H

/* One line on standard error that tells how far something is; only on a terminal. */

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool is_on;
	bool is_shown;
	uint64_t next_us; /* when it may be drawn again */
};

void progress_init(struct progress *progress);
/* `all` 0: not known. */
void progress_show(struct progress *progress, const char *what, uint64_t done, uint64_t all);
void progress_end(struct progress *progress); /* clears the line */

/* As the callback of sync-core/store/store.h; `data` is a struct progress. */
void progress_on_phase(const char *phase, uint64_t done, uint64_t all, void *data);

#endif
