/*
 * The lock file: an open file description lock, and the holder's process id as
 * text, for people. The file is never deleted: another leader may have opened it
 * already and would then lock a file that nobody finds again.
 */

#include "leaderd/src/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fail(const char *doing, const char *path, struct error *error) {
	int number = errno, code = ERROR_IO;

	if (number == EACCES || number == EPERM || number == EROFS || number == ELOOP)
		code = ERROR_PERMISSION;
	else if (number == ENOSPC || number == EDQUOT)
		code = ERROR_FULL;
	return error_set(error, code, "cannot %s the lock %s: %s", doing, path, strerror(number));
}

/* 0: it has not written it yet. An OFD lock belongs to no process, so the kernel cannot tell. */
static long read_holder(int fd) {
	char text[24] = "";
	long pid;

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	pid = strtol(text, NULL, 10);
	return pid > 0 && pid <= INT_MAX ? pid : 0;
}

static int fail_taken(int fd, const char *data_dir, struct error *error) {
	long pid = read_holder(fd);

	if (pid == 0)
		return error_set(error, ERROR_CONFLICT, "another leader was just starting on %s", data_dir);
	return error_set(error, ERROR_CONFLICT, "another leader, process %ld, has the data directory %s", pid, data_dir);
}

/* Told by the file only: a full disk must not keep a leader from starting. */
static void write_holder(int fd) {
	char text[24];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) < 0)
		return;
}

static int take(int fd, const char *path, const char *data_dir, struct error *error) {
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_SETLK, &whole) < 0)
		return errno == EAGAIN || errno == EACCES ? fail_taken(fd, data_dir, error) : fail("take", path, error);
	write_holder(fd);
	return 0;
}

int lock_take(int *ret_fd, const char *data_dir, struct error *error) {
	char path[PATH_MAX];
	int fd, r, n = snprintf(path, sizeof(path), "%s/lock", data_dir);

	if (n < 0 || (size_t)n >= sizeof(path))
		return error_set(error, ERROR_INVALID, "the data directory's path was too long");
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail("open", path, error);
	r = take(fd, path, data_dir, error);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}
