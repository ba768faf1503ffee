#ifndef LEADERD_TESTS_DAEMON_SCRATCH_H
#define LEADERD_TESTS_DAEMON_SCRATCH_H

/*
 * A temporary folder for one test: of mode 0700, removed with what is in it.
 */

#include <sys/types.h>

int scratch_setup(void **state);    /* CMocka's setup: *state is the folder's path */
int scratch_teardown(void **state);

/* "<folder>/<name>"; a few paths live side by side, borrowed until the next ones. */
const char *scratch_path(void **state, const char *name);

void scratch_write(const char *path, const char *text);
void scratch_make_folder(const char *path, mode_t mode);

#endif
