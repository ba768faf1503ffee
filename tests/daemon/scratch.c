/*
 * Temporary folders.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"

int scratch_setup(void **state) {
	char *path = strdup("/tmp/leaderd-test-XXXXXX");

	if (!path || !mkdtemp(path))
		return -1;
	*state = path;
	return 0;
}

static int remove_one(const char *path, const struct stat *found, int kind, struct FTW *walk) {
	return remove(path);
}

int scratch_teardown(void **state) {
	int r = nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS);

	free(*state);
	return r;
}

const char *scratch_path(void **state, const char *name) {
	static char paths[8][PATH_MAX];
	static size_t next;
	char *path = paths[next++ % 8];

	assert_in_range(snprintf(path, PATH_MAX, "%s/%s", (const char *)*state, name), 1, PATH_MAX - 1);
	return path;
}

void scratch_write(const char *path, const char *text) {
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

void scratch_make_folder(const char *path, mode_t mode) {
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, mode), 0); /* whatever the umask is */
}
