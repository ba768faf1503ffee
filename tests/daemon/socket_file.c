/* The socket file: dead ones are replaced, everything else is left alone. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "leaderd/src/socket_file.h"
#include "scratch.h"

static void expect_named(const struct error *error, const char *named) {
	if (!strstr(error->text, named))
		fail_msg("\"%s\" does not name %s", error->text, named);
}

static struct sockaddr_un address_of(const char *path) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	assert_in_range(strlen(path), 1, sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	return address;
}

/* A bound socket that nobody listens on. */
static int bind_at(const char *path, int type) {
	struct sockaddr_un address = address_of(path);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void expect_connection(const char *path) {
	struct sockaddr_un address = address_of(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

static void the_socket_is_for_its_owner_alone(void **state) {
	const char *path = scratch_path(state, "run/socket");
	mode_t before = umask(0);
	struct stat found;
	struct error error;
	int fd;

	assert_int_equal(socket_file_listen(&fd, path, &error), 0);
	assert_int_equal(umask(before), 0);
	assert_int_equal(lstat(path, &found), 0);
	assert_true(S_ISSOCK(found.st_mode));
	assert_int_equal(found.st_mode & 0777, 0600);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	expect_connection(path);
	socket_file_remove(path);
	assert_int_equal(lstat(path, &found), -1);
	close(fd);
}

static void a_dead_socket_is_replaced(void **state) {
	const char *path = scratch_path(state, "socket");
	struct error error;
	int fd;

	close(bind_at(path, SOCK_STREAM));
	assert_int_equal(socket_file_listen(&fd, path, &error), 0);
	expect_connection(path);
	close(fd);
}

static void a_live_socket_is_left_alone_and_its_process_named(void **state) {
	const char *path = scratch_path(state, "socket");
	struct error error;
	char pid[32];
	int fd, second = -7;

	assert_int_equal(socket_file_listen(&fd, path, &error), 0);
	assert_int_equal(socket_file_listen(&second, path, &error), ERROR_CONFLICT);
	assert_int_equal(second, -7);
	snprintf(pid, sizeof(pid), "process %ld,", (long)getpid());
	expect_named(&error, pid);
	expect_named(&error, path);
	expect_connection(path);
	close(fd);
}

static void a_socket_of_another_kind_is_left_alone(void **state) {
	const char *path = scratch_path(state, "socket");
	struct stat found;
	struct error error;
	int fd, other = bind_at(path, SOCK_DGRAM);

	assert_int_equal(socket_file_listen(&fd, path, &error), ERROR_CONFLICT);
	assert_int_equal(lstat(path, &found), 0);
	close(other);
}

static void what_is_no_socket_is_never_removed(void **state) {
	const char *file = scratch_path(state, "file"), *folder = scratch_path(state, "folder");
	const char *link = scratch_path(state, "link"), *dead = scratch_path(state, "dead");
	const char *const paths[] = { file, folder, link };
	struct stat found;

	scratch_write(file, "mine");
	scratch_make_folder(folder, 0700);
	close(bind_at(dead, SOCK_STREAM));
	assert_int_equal(symlink(dead, link), 0);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct error error;
		int fd;

		assert_int_equal(socket_file_listen(&fd, paths[i], &error), ERROR_CONFLICT);
		expect_named(&error, paths[i]);
		assert_int_equal(lstat(paths[i], &found), 0);
		assert_false(S_ISSOCK(found.st_mode));
	}
	assert_int_equal(lstat(dead, &found), 0);
}

static void a_path_that_is_too_long_is_refused_before_anything_is_made(void **state) {
	char name[120];
	struct error error;
	int fd;

	memset(name, 'x', sizeof(name));
	memcpy(name, "run/", 4);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(socket_file_listen(&fd, scratch_path(state, name), &error), ERROR_INVALID);
	expect_named(&error, "107");
	assert_int_equal(access(scratch_path(state, "run"), F_OK), -1);
}

static void a_folder_that_another_leader_is_binding_in_is_left_to_it(void **state) {
	int folder = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;
	struct error error;

	assert_int_equal(flock(folder, LOCK_EX), 0);
	assert_int_equal(socket_file_listen(&fd, scratch_path(state, "socket"), &error), ERROR_CONFLICT);
	expect_named(&error, "just starting");
	close(folder);
	assert_int_equal(socket_file_listen(&fd, scratch_path(state, "socket"), &error), 0);
	close(fd);
}

/* ---- inherited sockets: each in a child, whose descriptor 3 is free to be used -- */

struct inheritance {
	const char *fds;
	bool is_ours;   /* LISTEN_PID */
	int fd;         /* becomes 3 */
	int r;          /* expected */
	int got;        /* descriptor, expected */
};

/* The child's findings as an exit status, since CMocka lives in the parent. */
static int try_inheriting(const struct inheritance *wanted) {
	struct error error;
	char pid[32];
	int fd = -7;

	snprintf(pid, sizeof(pid), "%ld", (long)getpid() + (wanted->is_ours ? 0 : 1));
	if (wanted->fd != 3 && dup2(wanted->fd, 3) < 0)
		return 1;
	setenv("LISTEN_FDS", wanted->fds, 1);
	setenv("LISTEN_PID", pid, 1);
	if (socket_file_is_inherited() != (wanted->is_ours && strcmp(wanted->fds, "0") != 0))
		return 2;
	if (socket_file_inherited(&fd, &error) != wanted->r)
		return 3;
	if (fd != wanted->got)
		return 4;
	if (getenv("LISTEN_FDS") || getenv("LISTEN_PID"))
		return 5;
	if (fd == 3 && (fcntl(3, F_GETFD) != FD_CLOEXEC || !(fcntl(3, F_GETFL) & O_NONBLOCK)))
		return 6;
	return 0;
}

static void expect_inheritance(const struct inheritance *wanted) {
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0)
		_exit(try_inheriting(wanted));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_listening_socket_is_inherited(void **state) {
	int fd = bind_at(scratch_path(state, "socket"), SOCK_STREAM);

	assert_int_equal(listen(fd, 1), 0);
	expect_inheritance(&(struct inheritance){ .fds = "1", .is_ours = true, .fd = fd, .r = 0, .got = 3 });
	close(fd);
}

static void a_socket_meant_for_another_process_is_none(void **state) {
	int fd = bind_at(scratch_path(state, "socket"), SOCK_STREAM);

	expect_inheritance(&(struct inheritance){ .fds = "1", .is_ours = false, .fd = fd, .r = 0, .got = -1 });
	expect_inheritance(&(struct inheritance){ .fds = "0", .is_ours = true, .fd = fd, .r = 0, .got = -1 });
	close(fd);
}

static void anything_else_that_is_handed_over_is_refused(void **state) {
	int silent = bind_at(scratch_path(state, "silent"), SOCK_STREAM);
	int datagram = bind_at(scratch_path(state, "datagram"), SOCK_DGRAM);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), internet = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int others[] = { silent, datagram, null, internet };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		expect_inheritance(&(struct inheritance){
			.fds = "1", .is_ours = true, .fd = others[i], .r = ERROR_INVALID, .got = -7 });
	assert_int_equal(listen(silent, 1), 0);
	expect_inheritance(&(struct inheritance){
		.fds = "2", .is_ours = true, .fd = silent, .r = ERROR_INVALID, .got = -7 });
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		close(others[i]);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_socket_is_for_its_owner_alone),
		TEST(a_dead_socket_is_replaced),
		TEST(a_live_socket_is_left_alone_and_its_process_named),
		TEST(a_socket_of_another_kind_is_left_alone),
		TEST(what_is_no_socket_is_never_removed),
		TEST(a_path_that_is_too_long_is_refused_before_anything_is_made),
		TEST(a_folder_that_another_leader_is_binding_in_is_left_to_it),
		TEST(a_listening_socket_is_inherited),
		TEST(a_socket_meant_for_another_process_is_none),
		TEST(anything_else_that_is_handed_over_is_refused),
	};

	return cmocka_run_group_tests_name("daemon/socket_file", tests, NULL, NULL);
}
