/* Folders and the lock: what another user could have prepared is refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "leaderd/src/folder.h"
#include "leaderd/src/lock.h"
#include "scratch.h"

static void expect_named(const struct error *error, const char *named) {
	if (!strstr(error->text, named))
		fail_msg("\"%s\" does not name %s", error->text, named);
}

static void expect_mode(const char *path, mode_t mode) {
	struct stat found;

	assert_int_equal(stat(path, &found), 0);
	assert_int_equal(found.st_mode & 07777, mode);
}

/* ---- the data directory -------------------------------------------------------- */

static void the_data_directory_is_made_with_its_parents(void **state) {
	const char *path = scratch_path(state, "a/b/data");
	char real[PATH_MAX];
	struct error error;

	assert_int_equal(folder_prepare_data(real, path, &error), 0);
	assert_string_equal(real, path);
	expect_mode(path, 0700);
	expect_mode(scratch_path(state, "a"), 0700);
	assert_int_equal(folder_prepare_data(real, path, &error), 0); /* and found again */
}

static void a_data_directory_behind_a_link_is_known_by_its_own_path(void **state) {
	const char *link = scratch_path(state, "link"), *there = scratch_path(state, "there");
	char real[PATH_MAX];
	struct error error;

	scratch_make_folder(there, 0755);
	assert_int_equal(symlink(there, link), 0);
	assert_int_equal(folder_prepare_data(real, link, &error), 0);
	assert_string_equal(real, there);
}

static void a_data_directory_that_others_may_write_to_is_refused(void **state) {
	const char *path = scratch_path(state, "data");
	char real[PATH_MAX] = "untouched";
	struct error error;

	scratch_make_folder(path, 0770);
	assert_int_equal(folder_prepare_data(real, path, &error), ERROR_PERMISSION);
	expect_named(&error, path);
	expect_named(&error, "0770");
	assert_string_equal(real, "untouched");
}

static void a_file_in_the_place_of_the_data_directory_is_refused(void **state) {
	const char *path = scratch_path(state, "data");
	char real[PATH_MAX];
	struct error error;

	scratch_write(path, "mine");
	assert_int_equal(folder_prepare_data(real, path, &error), ERROR_INVALID);
	expect_named(&error, path);
	assert_int_equal(folder_prepare_data(real, scratch_path(state, "data/below"), &error), ERROR_INVALID);
}

static void a_folder_of_another_user_is_refused(void **state) {
	const char *path = scratch_path(state, "data");
	char real[PATH_MAX];
	struct error error;
	int fd;

	if (geteuid() != 0) {
		/* Root's own: the one folder of another user that is there everywhere. */
		assert_int_equal(folder_prepare_data(real, "/usr", &error), ERROR_PERMISSION);
		assert_int_equal(folder_open_runtime(&fd, "/usr", &error), ERROR_PERMISSION);
		expect_named(&error, "user 0");
		return;
	}
	scratch_make_folder(path, 0700);
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_int_equal(folder_prepare_data(real, path, &error), ERROR_PERMISSION);
	expect_named(&error, "user 65534");
	assert_int_equal(folder_open_runtime(&fd, path, &error), ERROR_PERMISSION);
	expect_named(&error, "user 65534");
}

/* ---- the socket's folder ------------------------------------------------------- */

static void the_sockets_folder_is_made_for_us_alone(void **state) {
	const char *path = scratch_path(state, "run");
	struct error error;
	int fd;

	assert_int_equal(folder_open_runtime(&fd, path, &error), 0);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	close(fd);
	expect_mode(path, 0700);
}

static void the_sockets_folder_needs_its_parent(void **state) {
	const char *path = scratch_path(state, "no/run");
	struct error error;
	int fd = -7;

	assert_int_equal(folder_open_runtime(&fd, path, &error), ERROR_NOT_FOUND);
	expect_named(&error, path);
	assert_int_equal(fd, -7);
}

static void a_sockets_folder_open_to_others_is_refused(void **state) {
	static const mode_t modes[] = { 0710, 0701, 0750, 0755, 0777, 01777 };

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		char name[16], mode[16];
		struct error error;
		int fd;

		snprintf(name, sizeof(name), "run-%zu", i);
		snprintf(mode, sizeof(mode), "%04o", (unsigned)modes[i]);
		scratch_make_folder(scratch_path(state, name), modes[i]);
		assert_int_equal(folder_open_runtime(&fd, scratch_path(state, name), &error), ERROR_PERMISSION);
		expect_named(&error, name);
		expect_named(&error, mode);
	}
}

static void a_link_in_the_place_of_the_sockets_folder_is_refused(void **state) {
	const char *link = scratch_path(state, "link"), *there = scratch_path(state, "there");
	struct error error;
	int fd;

	scratch_make_folder(there, 0700);
	assert_int_equal(symlink(there, link), 0);
	assert_int_equal(folder_open_runtime(&fd, link, &error), ERROR_PERMISSION);
	expect_named(&error, "symbolic link");
}

/* ---- the lock ------------------------------------------------------------------ */

static void a_second_lock_is_refused_and_names_the_holder(void **state) {
	char pid[32];
	struct error error;
	int fd, second = -7;

	assert_int_equal(lock_take(&fd, *state, &error), 0);
	assert_int_equal(lock_take(&second, *state, &error), ERROR_CONFLICT);
	assert_int_equal(second, -7);
	snprintf(pid, sizeof(pid), "process %ld,", (long)getpid());
	expect_named(&error, pid);
	expect_named(&error, *state);
	close(fd);
	assert_int_equal(lock_take(&second, *state, &error), 0);
	close(second);
}

static void the_lock_is_for_its_owner_alone_and_close_on_exec(void **state) {
	struct error error;
	int fd;

	assert_int_equal(lock_take(&fd, *state, &error), 0);
	expect_mode(scratch_path(state, "lock"), 0600);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	close(fd);
}

static void the_lock_of_a_killed_process_is_free(void **state) {
	struct error error;
	int told[2], fd;
	char byte;
	pid_t child;

	assert_int_equal(pipe(told), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (lock_take(&fd, *state, &error) < 0 || write(told[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(told[0], &byte, 1), 1);
	assert_int_equal(lock_take(&fd, *state, &error), ERROR_CONFLICT);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(lock_take(&fd, *state, &error), 0);
	close(fd);
	close(told[0]);
	close(told[1]);
}

static void a_holder_that_has_not_written_its_number_is_not_named_wrongly(void **state) {
	struct error error;
	int fd, second;

	assert_int_equal(lock_take(&fd, *state, &error), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(lock_take(&second, *state, &error), ERROR_CONFLICT);
	expect_named(&error, "just starting");
	scratch_write(scratch_path(state, "lock"), "-1\n");
	assert_int_equal(lock_take(&second, *state, &error), ERROR_CONFLICT);
	expect_named(&error, "just starting");
	close(fd);
}

static void a_lock_that_is_a_link_is_refused(void **state) {
	struct error error;
	int fd;

	assert_int_equal(symlink(scratch_path(state, "elsewhere"), scratch_path(state, "lock")), 0);
	assert_int_equal(lock_take(&fd, *state, &error), ERROR_PERMISSION);
	assert_int_equal(access(scratch_path(state, "elsewhere"), F_OK), -1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_data_directory_is_made_with_its_parents),
		TEST(a_data_directory_behind_a_link_is_known_by_its_own_path),
		TEST(a_data_directory_that_others_may_write_to_is_refused),
		TEST(a_file_in_the_place_of_the_data_directory_is_refused),
		TEST(a_folder_of_another_user_is_refused),
		TEST(the_sockets_folder_is_made_for_us_alone),
		TEST(the_sockets_folder_needs_its_parent),
		TEST(a_sockets_folder_open_to_others_is_refused),
		TEST(a_link_in_the_place_of_the_sockets_folder_is_refused),
		TEST(a_second_lock_is_refused_and_names_the_holder),
		TEST(the_lock_is_for_its_owner_alone_and_close_on_exec),
		TEST(the_lock_of_a_killed_process_is_free),
		TEST(a_holder_that_has_not_written_its_number_is_not_named_wrongly),
		TEST(a_lock_that_is_a_link_is_refused),
	};

	return cmocka_run_group_tests_name("daemon/folder", tests, NULL, NULL);
}
