/*
 * The daemon's socket.
 *
 * A socket that nobody listens on any more looks like any other until one
 * connects: refused means dead. Between that answer and our own bind another
 * leader could do the same, and the later of the two would remove the socket of
 * the earlier; so both happen under a lock on the folder.
 */

#include "leaderd/src/socket_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "leaderd/src/folder.h"
#include "leaderd/src/paths.h"

#define INHERITED_FD 3 /* the first that a service manager hands over */

static int fail(const char *doing, const char *path, struct error *error) {
	int number = errno, code = ERROR_IO;

	if (number == EACCES || number == EPERM || number == EROFS)
		code = ERROR_PERMISSION;
	else if (number == ENOSPC || number == EDQUOT)
		code = ERROR_FULL;
	return error_set(error, code, "cannot %s the socket %s: %s", doing, path, strerror(number));
}

static int fail_live(int fd, const char *path, struct error *error) {
	struct ucred peer;
	socklen_t bytes = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) < 0 || peer.pid <= 0)
		return error_set(error, ERROR_CONFLICT, "another program listens on %s", path);
	return error_set(error, ERROR_CONFLICT, "another program, process %ld, listens on %s", (long)peer.pid, path);
}

/* 0: nobody listens there. */
static int check_dead(const struct sockaddr_un *address, struct error *error) {
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r = 0;

	if (fd < 0)
		return fail("make", address->sun_path, error);
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		r = fail_live(fd, address->sun_path, error);
	else if (errno == EAGAIN || errno == EPROTOTYPE) /* too busy to take us, or no stream */
		r = error_set(error, ERROR_CONFLICT, "another program listens on %s", address->sun_path);
	else if (errno != ECONNREFUSED && errno != ENOENT)
		r = fail("try", address->sun_path, error);
	close(fd);
	return r;
}

/* Makes the path free, or says why it is not. */
static int clear_path(const struct sockaddr_un *address, struct error *error) {
	struct stat found;
	int r;

	if (lstat(address->sun_path, &found) < 0)
		return errno == ENOENT ? 0 : fail("look at", address->sun_path, error);
	if (!S_ISSOCK(found.st_mode))
		return error_set(error, ERROR_CONFLICT, "%s is there and no socket; it was left as it is", address->sun_path);
	r = check_dead(address, error);
	if (r == 0 && unlink(address->sun_path) < 0 && errno != ENOENT)
		r = fail("replace", address->sun_path, error);
	return r;
}

static int bind_and_listen(int fd, const struct sockaddr_un *address, struct error *error) {
	mode_t before = umask(0177); /* for nobody else from birth on */
	int bound = bind(fd, (const struct sockaddr *)address, sizeof(*address)), number = errno;

	umask(before);
	errno = number;
	if (bound < 0)
		return fail("bind", address->sun_path, error);
	if (listen(fd, SOMAXCONN) < 0) {
		fail("listen on", address->sun_path, error);
		unlink(address->sun_path);
		return ERROR_IO;
	}
	return 0;
}

static int listen_locked(int *ret_fd, const struct sockaddr_un *address, struct error *error) {
	int fd, r = clear_path(address, error);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail("make", address->sun_path, error);
	r = bind_and_listen(fd, address, error);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int socket_file_listen(int *ret_fd, const char *path, struct error *error) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char folder[PATH_MAX];
	int folder_fd, r = paths_check_socket(path, error);

	if (r < 0)
		return r;
	strcpy(address.sun_path, path);
	paths_folder_of(folder, path);
	r = folder_open_runtime(&folder_fd, folder, error);
	if (r < 0)
		return r;
	if (flock(folder_fd, LOCK_EX | LOCK_NB) == 0)
		r = listen_locked(ret_fd, &address, error);
	else if (errno == EWOULDBLOCK)
		r = error_set(error, ERROR_CONFLICT, "another leader was just starting on %s", path);
	else
		r = fail("lock the folder of", path, error);
	close(folder_fd);
	return r;
}

void socket_file_remove(const char *path) {
	unlink(path);
}

/* ---- from the service manager ------------------------------------------------- */

bool socket_file_is_inherited(void) {
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");

	/* Meant for another process when the number is not ours: a parent that did not clean up. */
	return pid && count && strtol(pid, NULL, 10) == (long)getpid() && strcmp(count, "0") != 0;
}

static int option_of(int fd, int option) {
	int value = -1;
	socklen_t bytes = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &bytes) < 0 ? -1 : value;
}

static int check_inherited(int fd, struct error *error) {
	int flags;

	if (strcmp(getenv("LISTEN_FDS"), "1") != 0)
		return error_set(error, ERROR_INVALID, "the service manager handed over %s sockets, and one was expected",
		                 getenv("LISTEN_FDS"));
	if (option_of(fd, SO_DOMAIN) != AF_UNIX || option_of(fd, SO_TYPE) != SOCK_STREAM ||
	    option_of(fd, SO_ACCEPTCONN) != 1)
		return error_set(error, ERROR_INVALID,
		                 "the service manager handed over something else than a listening Unix stream socket");
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return error_set(error, ERROR_IO, "cannot set up the socket of the service manager: %s", strerror(errno));
	return 0;
}

int socket_file_inherited(int *ret_fd, struct error *error) {
	bool inherited = socket_file_is_inherited();
	int r = inherited ? check_inherited(INHERITED_FD, error) : 0;

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (r == 0)
		*ret_fd = inherited ? INHERITED_FD : -1;
	return r;
}
