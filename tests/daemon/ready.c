/* Readiness: what a service manager hears. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "leaderd/src/ready.h"
#include "scratch.h"

static unsigned n_lines;

static void on_line(enum log_level level, const char *line, void *data) {
	n_lines++;
}

static int setup(void **state) {
	n_lines = 0;
	log_set_sink(on_line, NULL, LOG_LEVEL_DEBUG);
	return scratch_setup(state);
}

/* The manager's end; the abstract namespace begins with a NUL. */
static int listen_at(const char *name, size_t n) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memcpy(address.sun_path, name, n);
	assert_int_equal(
		bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)), 0);
	return fd;
}

static void expect_heard(int fd, const char *text) {
	char heard[128] = "";

	assert_true(recv(fd, heard, sizeof(heard) - 1, MSG_DONTWAIT) > 0);
	assert_memory_equal(heard, text, strlen(text));
}

static void expect_silence(int fd) {
	char heard[128];

	assert_int_equal(recv(fd, heard, sizeof(heard), MSG_DONTWAIT), -1);
}

static void the_manager_hears_the_whole_life(void **state) {
	const char *path = scratch_path(state, "notify");
	int fd = listen_at(path, strlen(path) + 1);
	struct ready ready;

	setenv("NOTIFY_SOCKET", path, 1);
	ready_init(&ready);
	expect_silence(fd);
	ready_tell_ready(&ready);
	expect_heard(fd, "READY=1");
	ready_tell_reloading(&ready);
	expect_heard(fd, "RELOADING=1\nMONOTONIC_USEC=");
	ready_tell_stopping(&ready);
	expect_heard(fd, "STOPPING=1");
	expect_silence(fd);
	assert_int_equal(n_lines, 0);
	close(fd);
}

static void the_abstract_namespace_is_understood(void **state) {
	char name[64];
	int n = snprintf(name, sizeof(name), "@leaderd-test-%ld", (long)getpid()), fd;
	struct ready ready;

	setenv("NOTIFY_SOCKET", name, 1);
	name[0] = '\0';
	fd = listen_at(name, (size_t)n);
	ready_init(&ready);
	ready_tell_ready(&ready);
	expect_heard(fd, "READY=1");
	close(fd);
}

static void programs_that_we_start_do_not_inherit_it(void **state) {
	struct ready ready;

	setenv("NOTIFY_SOCKET", "/x", 1);
	ready_init(&ready);
	assert_null(getenv("NOTIFY_SOCKET"));
}

static void nothing_is_sent_when_nobody_asked(void **state) {
	struct ready ready;

	unsetenv("NOTIFY_SOCKET");
	ready_init(&ready);
	ready_tell_ready(&ready);
	setenv("NOTIFY_SOCKET", "", 1);
	ready_init(&ready);
	ready_tell_ready(&ready);
	assert_int_equal(n_lines, 0);
}

static void a_name_that_is_none_costs_a_warning(void **state) {
	char long_name[300];
	struct ready ready;

	memset(long_name, '/', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	setenv("NOTIFY_SOCKET", long_name, 1);
	ready_init(&ready);
	assert_int_equal(n_lines, 1);
	setenv("NOTIFY_SOCKET", "vsock:2:1", 1);
	ready_init(&ready);
	assert_int_equal(n_lines, 2);
	ready_tell_ready(&ready);
	assert_int_equal(n_lines, 2);
}

static void a_manager_that_is_gone_costs_a_warning(void **state) {
	struct ready ready;

	setenv("NOTIFY_SOCKET", scratch_path(state, "nobody"), 1);
	ready_init(&ready);
	ready_tell_ready(&ready);
	assert_int_equal(n_lines, 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_manager_hears_the_whole_life),
		TEST(the_abstract_namespace_is_understood),
		TEST(programs_that_we_start_do_not_inherit_it),
		TEST(nothing_is_sent_when_nobody_asked),
		TEST(a_name_that_is_none_costs_a_warning),
		TEST(a_manager_that_is_gone_costs_a_warning),
	};

	return cmocka_run_group_tests_name("daemon/ready", tests, NULL, NULL);
}
