/*
 * Folders that only we may change. They are opened first and looked at through
 * the descriptor, so that what was checked is what is used.
 */

#include "leaderd/src/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "leaderd/src/paths.h"

static int fail(const char *doing, const char *path, struct error *error) {
	int number = errno, code = ERROR_IO;

	if (number == ENOENT)
		code = ERROR_NOT_FOUND;
	else if (number == EACCES || number == EPERM || number == EROFS)
		code = ERROR_PERMISSION;
	else if (number == ENOTDIR)
		code = ERROR_INVALID;
	else if (number == ENOSPC || number == EDQUOT)
		code = ERROR_FULL;
	return error_set(error, code, "cannot %s the folder %s: %s", doing, path, strerror(number));
}

static int make(const char *path, struct error *error) {
	return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : fail("make", path, error);
}

/* Every folder on the way; `path` is changed in between and whole again at the end. */
static int make_parents(char *path, struct error *error) {
	for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		struct stat found;
		int r = 0;

		if (slash == path)
			continue;
		*slash = '\0';
		/* Asked first: mkdir on a read-only file system may fail for a folder that is there. */
		if (stat(path, &found) < 0)
			r = make(path, error);
		*slash = '/';
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_owner(const struct stat *found, const char *path, struct error *error) {
	if (found->st_uid == geteuid())
		return 0;
	return error_set(error, ERROR_PERMISSION, "the folder %s belonged to user %u, and had to be ours (user %u)", path,
	                 (unsigned)found->st_uid, (unsigned)geteuid());
}

/* Others may have none of the permission bits `closed`. */
static int check_mode(const struct stat *found, mode_t closed, const char *path, struct error *error) {
	if ((found->st_mode & closed) == 0)
		return 0;
	return error_set(error, ERROR_PERMISSION, "the folder %s had mode %04o, and nobody else may %s", path,
	                 (unsigned)found->st_mode & 07777,
	                 closed == 0022 ? "write to it" : "enter it: use one of mode 0700");
}

static int open_checked(int *ret_fd, const char *path, int flags, mode_t closed, struct error *error) {
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags), r;
	struct stat found;

	if (fd < 0)
		return fail("open", path, error);
	if (fstat(fd, &found) < 0)
		r = fail("look at", path, error);
	else if ((r = check_owner(&found, path, error)) == 0)
		r = check_mode(&found, closed, path, error);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int folder_prepare_data(char ret_real[PATH_MAX], const char *path, struct error *error) {
	char copy[PATH_MAX], real[PATH_MAX];
	struct stat found;
	int fd, r = paths_copy(copy, path, "the data directory", error);

	if (r == 0 && stat(path, &found) < 0) {
		r = make_parents(copy, error);
		if (r == 0)
			r = make(copy, error);
	}
	if (r == 0)
		r = open_checked(&fd, copy, 0, 0022, error);
	if (r < 0)
		return r;
	close(fd);
	if (!realpath(copy, real))
		return fail("resolve", path, error);
	strcpy(ret_real, real);
	return 0;
}

int folder_open_runtime(int *ret_fd, const char *path, struct error *error) {
	struct stat found;
	int r = 0;

	if (lstat(path, &found) < 0)
		r = make(path, error);
	else if (S_ISLNK(found.st_mode))
		r = error_set(error, ERROR_PERMISSION, "the socket's folder %s was a symbolic link, and had to be a folder",
		              path);
	return r < 0 ? r : open_checked(ret_fd, path, O_NOFOLLOW, 0077, error);
}
