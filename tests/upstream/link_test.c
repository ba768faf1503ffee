/* The link to an adapter, which may be anyone's program: here they are shell scripts, all of them wrong. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "leaderd/src/adapter_link.h"

struct fixture {
	char folder[64];
	struct event_base *base;
	struct adapter_link link;
	unsigned n_messages, n_gone;
	struct error why;
};

static void on_message(const Leaderd__FromAdapter *message, void *data) {
	((struct fixture *)data)->n_messages++;
}

static void on_gone(const struct error *why, void *data) {
	struct fixture *fixture = data;

	fixture->n_gone++;
	fixture->why = *why;
}

static int start(void **state) {
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct adapter_link_options options = { .on_message = on_message, .on_gone = on_gone, .data = fixture };

	strcpy(fixture->folder, "/tmp/leaderd-test-XXXXXX");
	assert_non_null(mkdtemp(fixture->folder));
	setenv("LEADERD_BACKEND_PATH", fixture->folder, 1);
	options.base = fixture->base = event_base_new();
	adapter_link_init(&fixture->link, &options);
	*state = fixture;
	return 0;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place) {
	return remove(path);
}

/* Whatever the story was: no process of it is left, dead or alive. */
static int stop(void **state) {
	struct fixture *fixture = *state;

	adapter_link_finish(&fixture->link);
	assert_true(LIST_EMPTY(&fixture->link.processes));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	event_base_free(fixture->base);
	nftw(fixture->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(fixture);
	return 0;
}

static void write_adapter(struct fixture *fixture, const char *name, const char *script) {
	char path[128];

	snprintf(path, sizeof(path), "%s/leaderd-backend-%s", fixture->folder, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "#!/bin/sh\n%s\n", script);
	fclose(file);
	assert_int_equal(chmod(path, 0700), 0);
}

static void start_adapter(struct fixture *fixture, const char *script) {
	struct error error;

	write_adapter(fixture, "test", script);
	if (adapter_link_start(&fixture->link, "test", &error) < 0)
		fail_msg("%s", error.text);
}

static void give_up(evutil_socket_t fd, short what, void *data) {
	fail_msg("nothing happened in 20 s");
}

static void turn(struct fixture *fixture) {
	const struct timeval longest = { .tv_sec = 20 };
	struct event *deadline = evtimer_new(fixture->base, give_up, NULL);

	event_add(deadline, &longest);
	event_base_loop(fixture->base, EVLOOP_ONCE);
	event_free(deadline);
}

static void wait_until_gone(struct fixture *fixture) {
	while (fixture->n_gone == 0)
		turn(fixture);
	assert_int_equal(fixture->n_gone, 1);
	assert_int_equal(fixture->link.fd, -1);
}

static void send_ping(struct fixture *fixture) {
	Leaderd__ToAdapter message = LEADERD__TO_ADAPTER__INIT;
	Leaderd__Ping ping = LEADERD__PING__INIT;
	struct error error;

	ping.number = 7;
	message.body_case = LEADERD__TO_ADAPTER__BODY_PING;
	message.ping = &ping;
	assert_int_equal(adapter_link_send(&fixture->link, &message, &error), 0);
}

/* ---- stories ------------------------------------------------------------------------ */

static void an_adapter_that_ends_is_gone_and_reaped(void **state) {
	start_adapter(*state, "exit 3");

	wait_until_gone(*state);
	assert_int_equal(((struct fixture *)*state)->why.code, ERROR_NOT_RUNNING);
}

static void a_frame_of_impossible_length_is_nonsense(void **state) {
	struct fixture *fixture = *state;

	start_adapter(fixture, "printf '\\377\\377\\377\\377' >&3; exec sleep 60");

	wait_until_gone(fixture);
	assert_int_equal(fixture->why.code, ERROR_PROTOCOL);
	assert_non_null(strstr(fixture->why.text, "nonsense"));
}

static void a_message_that_breaks_the_rules_is_nonsense(void **state) {
	struct fixture *fixture = *state;

	start_adapter(fixture, "printf '\\2\\0\\0\\0\\42\\0' >&3; exec sleep 60"); /* a Pong of number 0 */

	wait_until_gone(fixture);
	assert_int_equal(fixture->n_messages, 0);
	assert_non_null(strstr(fixture->why.text, "Pong.number"));
}

static void what_was_said_before_the_end_is_heard(void **state) {
	struct fixture *fixture = *state;

	start_adapter(fixture, "for i in 1 2 3 4 5 6 7 8 9; do printf '\\4\\0\\0\\0\\42\\2\\10\\7' >&3; done; "
	                       "printf '\\4' >&3");

	wait_until_gone(fixture);
	assert_int_equal(fixture->n_messages, 9);
	assert_int_equal(fixture->why.code, ERROR_NOT_RUNNING);
}

static void an_adapter_without_its_end_of_the_socket_is_gone_though_it_lives(void **state) {
	start_adapter(*state, "exec sleep 60 3>&-");

	wait_until_gone(*state);
}

static void one_that_does_not_listen_is_sent_to_until_its_room_is_full(void **state) {
	struct fixture *fixture = *state;

	start_adapter(fixture, "exec sleep 60");
	for (int i = 0; i < 1000; i++)
		send_ping(fixture);
	adapter_link_stop(&fixture->link);
	assert_int_equal(fixture->n_gone, 0);
}

static void sending_to_one_that_has_ended_is_told_by_the_input(void **state) {
	struct fixture *fixture = *state;

	start_adapter(fixture, "printf '\\4\\0\\0\\0\\42\\2\\10\\7' >&3; exit 0");
	while (fixture->n_messages == 0)
		turn(fixture);
	for (int i = 0; i < 100 && fixture->link.fd >= 0; i++)
		send_ping(fixture);

	wait_until_gone(fixture);
}

static void it_gets_the_socket_as_descriptor_3_and_no_other(void **state) {
	struct fixture *fixture = *state;

	/* ls itself has one descriptor more, of the folder that it reads. */
	start_adapter(fixture, "n=$(ls /proc/self/fd | wc -l); [ \"$n\" = 5 ] && [ -S /proc/self/fd/3 ] && "
	                       "printf '\\4\\0\\0\\0\\42\\2\\10\\7' >&3");

	wait_until_gone(fixture);
	assert_int_equal(fixture->n_messages, 1);
}

static void it_can_be_started_again_at_once(void **state) {
	struct fixture *fixture = *state;

	for (int i = 0; i < 20; i++) {
		start_adapter(fixture, "exec sleep 60");
		adapter_link_stop(&fixture->link);
		while (!LIST_EMPTY(&fixture->link.processes))
			turn(fixture);
	}
	assert_int_equal(fixture->n_gone, 0);
}

static void the_first_folder_of_the_path_goes_first(void **state) {
	struct fixture *fixture = *state;
	char folders[256], expected[128], *path = NULL;
	struct error error;

	write_adapter(fixture, "test", "exit 0");
	snprintf(folders, sizeof(folders), "relative:/nowhere:%s", fixture->folder);
	setenv("LEADERD_BACKEND_PATH", folders, 1);
	assert_int_equal(adapter_process_find(&path, "test", &error), 0);
	snprintf(expected, sizeof(expected), "%s/leaderd-backend-test", fixture->folder);
	assert_string_equal(path, expected);
	free(path);
}

static void a_missing_adapter_is_named_with_the_folders(void **state) {
	struct fixture *fixture = *state;
	struct error error;

	assert_int_equal(adapter_link_start(&fixture->link, "pigeon", &error), ERROR_NOT_FOUND);
	assert_non_null(strstr(error.text, "leaderd-backend-pigeon"));
	assert_non_null(strstr(error.text, fixture->folder));
	assert_int_equal(fixture->link.fd, -1);
}

static void a_program_that_cannot_run_is_told(void **state) {
	struct fixture *fixture = *state;
	char path[128];
	struct error error;

	write_adapter(fixture, "test", "");
	snprintf(path, sizeof(path), "%s/leaderd-backend-test", fixture->folder);
	FILE *file = fopen(path, "w");
	fputs("#!/nowhere/sh\n", file);
	fclose(file);
	assert_int_equal(adapter_link_start(&fixture->link, "test", &error), ERROR_IO);
	assert_non_null(strstr(error.text, "cannot start"));
	assert_int_equal(fixture->link.fd, -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(an_adapter_that_ends_is_gone_and_reaped),
		TEST(a_frame_of_impossible_length_is_nonsense),
		TEST(a_message_that_breaks_the_rules_is_nonsense),
		TEST(what_was_said_before_the_end_is_heard),
		TEST(an_adapter_without_its_end_of_the_socket_is_gone_though_it_lives),
		TEST(one_that_does_not_listen_is_sent_to_until_its_room_is_full),
		TEST(sending_to_one_that_has_ended_is_told_by_the_input),
		TEST(it_gets_the_socket_as_descriptor_3_and_no_other),
		TEST(it_can_be_started_again_at_once),
		TEST(the_first_folder_of_the_path_goes_first),
		TEST(a_missing_adapter_is_named_with_the_folders),
		TEST(a_program_that_cannot_run_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
