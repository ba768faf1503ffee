/* How a session finds its leader, loses it, and comes back. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "leaderd/admin.h"
#include "scripted_leader.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOTES "SELECT count(*) FROM note"
#define ADDED(n) "{\"id\":\"" n "\",\"text\":\"t\"}"

static struct scripted_leader leader;
static struct lds_session *session;
static char error_text[256];

static int set_up(void **state) {
	(void)state;
	scripted_start(&leader, NOTES_1);
	session = NULL;
	error_text[0] = '\0';
	return 0;
}

static int tear_down(void **state) {
	(void)state;
	lds_close(session);
	scripted_stop(&leader);
	return 0;
}

/* ---- options ---------------------------------------------------------------------- */

static int open_with(struct lds_options options) {
	return lds_open(&session, &options, error_text, sizeof(error_text));
}

static void bad_options_are_named(void **state) {
	struct lds_options options = scripted_options(&leader);
	char long_path[200];

	memset(long_path, 'p', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	options.store = "Notes";
	assert_int_equal(open_with(options), LDS_INVALID);
	assert_non_null(strstr(error_text, "store"));
	options = scripted_options(&leader);
	options.session_id = "no spaces";
	assert_int_equal(open_with(options), LDS_INVALID);
	options = scripted_options(&leader);
	options.socket = long_path;
	assert_int_equal(open_with(options), LDS_INVALID);
	assert_non_null(strstr(error_text, "longer than"));
	options = scripted_options(&leader);
	options.schema = "-- store notes version 1\nCREATE TABLE t (a TEXT);\n";
	options.schema_label = "app.sql";
	assert_int_equal(open_with(options), LDS_SCHEMA);
	assert_non_null(strstr(error_text, "app.sql:2"));
	assert_int_equal(lds_open(&session, NULL, NULL, 0), LDS_INVALID);
	assert_int_equal(lds_open(NULL, &options, NULL, 0), LDS_INVALID);
	assert_null(session);
}

static void without_a_leader_open_says_so(void **state) {
	struct lds_options options = scripted_options(&leader);

	scripted_leave(&leader);
	assert_int_equal(open_with(options), LDS_NOT_RUNNING);
	assert_non_null(strstr(error_text, leader.socket));
}

static void the_socket_comes_from_the_environment(void **state) {
	char path[4096];
	struct lds_options options = scripted_options(&leader);

	setenv("LEADERD_SOCKET", leader.socket, 1);
	assert_int_equal(lda_default_socket(path, sizeof(path)), 0);
	assert_string_equal(path, leader.socket);
	options.socket = NULL;
	assert_int_equal(scripted_open(&leader, &options, false, &session), 0);
	unsetenv("LEADERD_SOCKET");
	setenv("XDG_RUNTIME_DIR", "/run/user/1", 1);
	assert_int_equal(lda_default_socket(path, sizeof(path)), 0);
	assert_string_equal(path, "/run/user/1/leaderd/socket");
	unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(lda_default_socket(path, sizeof(path)), LDS_INVALID);
	assert_int_equal(lda_default_socket(path, 3), LDS_INVALID);
}

static void a_silent_leader_runs_into_the_time_out(void **state) {
	struct lds_options options = scripted_options(&leader);

	options.timeout_ms = 50;
	assert_int_equal(open_with(options), LDS_TIMEOUT);
}

/* An older app's options struct is shorter; its missing fields are absent. */
static void a_shorter_options_struct_is_taken(void **state) {
	struct lds_options options = scripted_options(&leader);

	options.size = offsetof(struct lds_options, leader_path);
	options.leader_path = (const char *)1; /* must not be read */
	assert_int_equal(scripted_open(&leader, &options, false, &session), 0);
	assert_string_equal(lds_session_id(session), "mine");
	assert_int_equal(strlen(lds_client_id(session)), CLIENT_ID_BYTES);
}

/* ---- the first words ----------------------------------------------------------------- */

struct opening {
	struct lds_options options;
	int r;
	pthread_t thread;
};

static void *run_open(void *data) {
	struct opening *opening = data;

	opening->r = lds_open(&session, &opening->options, error_text, sizeof(error_text));
	return NULL;
}

static const Leaderd__Hello *begin_open(struct opening *opening, struct lds_options options) {
	opening->options = options;
	assert_int_equal(pthread_create(&opening->thread, NULL, run_open, opening), 0);
	scripted_accept(&leader);
	return scripted_read(&leader, LEADERD__TO_LEADER__BODY_HELLO)->hello;
}

static int end_open(struct opening *opening) {
	assert_int_equal(pthread_join(opening->thread, NULL), 0);
	return opening->r;
}

static void the_hello_says_who_we_are(void **state) {
	struct opening opening;
	const Leaderd__Hello *hello = begin_open(&opening, scripted_options(&leader));

	assert_int_equal(hello->protocol, WIRE_PROTOCOL_VERSION);
	assert_string_equal(hello->store, "notes");
	assert_string_equal(hello->session_id, "mine");
	assert_int_equal(hello->nonce.len, 16);
	assert_string_equal(hello->schema, NOTES_1);
	assert_memory_equal(hello->fingerprint.data, leader.schema->fingerprint.bytes, 32);
	assert_false(hello->want_image);
	scripted_say_welcome(&leader, &(struct scripted_welcome){ 0 });
	assert_int_equal(end_open(&opening), 0);
}

static void a_failure_is_the_answer_of_open(void **state) {
	static const int codes[] = { LDS_NOT_FOUND, LDS_CONFLICT, LDS_VERSION, LDS_SCHEMA, LDS_IO };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		struct opening opening;

		begin_open(&opening, scripted_options(&leader));
		scripted_say_failure(&leader, codes[i], "because the story says so");
		assert_int_equal(end_open(&opening), codes[i]);
		assert_string_equal(error_text, "because the story says so");
	}
}

static void a_store_without_a_schema_of_ours_comes_as_an_image(void **state) {
	struct lds_options options = scripted_options(&leader);

	scripted_foreign(&leader, "noteAdded", ADDED("a"));
	options.schema = NULL;
	assert_int_equal(scripted_open(&leader, &options, true, &session), 0);

	assert_int_equal(session_count(session, NOTES), 1);
	assert_int_equal(session_status(session).leader_head.global, 1);
	assert_int_equal(lds_commit(session, "noteAdded", ADDED("b"), NULL), 0);
	assert_int_equal(scripted_read(&leader, LEADERD__TO_LEADER__BODY_PUSH)->push->events[0]->global, 2);
}

static void a_newer_schema_is_opened_with_notice(void **state) {
	struct opening opening;

	scripted_change_schema(&leader, NOTES_2);
	begin_open(&opening, scripted_options(&leader));
	scripted_say_welcome(&leader,
	                     &(struct scripted_welcome){ .image = true, .with_schema = true, .schema_is_newer = true });
	assert_int_equal(end_open(&opening), LDS_NEWER);
	assert_int_equal(session_status(session).schema_version, 2);
}

static void a_welcome_that_cannot_be_is_no_session(void **state) {
	struct opening opening;

	begin_open(&opening, scripted_options(&leader));
	scripted_say_welcome(&leader, &(struct scripted_welcome){ .image = true, .no_descriptor = true });
	assert_int_equal(end_open(&opening), LDS_PROTOCOL);
	begin_open(&opening, scripted_options(&leader));
	scripted_say_welcome(&leader, &(struct scripted_welcome){ .protocol = 2 });
	assert_int_equal(end_open(&opening), LDS_VERSION);
	begin_open(&opening, scripted_options(&leader));
	scripted_say_hello_again(&leader);
	assert_int_equal(end_open(&opening), LDS_PROTOCOL);
	assert_null(session);
}

/* ---- losing and coming back ------------------------------------------------------------ */

static void a_session_resumes_where_it_was(void **state) {
	const Leaderd__Hello *hello;

	session = scripted_session(&leader);
	scripted_foreign(&leader, "noteAdded", ADDED("a"));
	scripted_foreign(&leader, "noteAdded", ADDED("b"));
	scripted_say_feed(&leader, &(struct scripted_feed){ .first = 0 });
	session_settle(session);

	scripted_hang_up(&leader);
	session_reconnect(session, &leader);
	hello = scripted_read(&leader, LEADERD__TO_LEADER__BODY_HELLO)->hello;
	assert_int_equal(hello->newest->global, 2);
	assert_memory_equal(hello->newest->local_hash.data, leader.log[1]->local_hash.bytes, 32);
	assert_int_equal(hello->confirmed->global, 2);
	scripted_foreign(&leader, "noteAdded", ADDED("c"));
	scripted_say_welcome(&leader, &(struct scripted_welcome){ .n_resumed = 2 });
	scripted_say_feed(&leader, &(struct scripted_feed){ .first = 2 });
	session_settle(session);

	assert_int_equal(session_count(session, NOTES), 3);
}

static void a_session_goes_back_to_the_confirmed_point(void **state) {
	const Leaderd__Hello *hello;
	struct event *back[2];

	session = scripted_session(&leader);
	leader.has_backend = true;
	leader.backend = (struct position){ 1, 0 };
	scripted_foreign(&leader, "noteAdded", ADDED("a"));
	scripted_foreign(&leader, "noteAdded", ADDED("b"));
	scripted_say_feed(&leader, &(struct scripted_feed){ .first = 0 });
	session_settle(session);

	scripted_hang_up(&leader);
	event_destroy((scripted_take_back(&leader, 1, back, 2), back[0]));
	scripted_foreign(&leader, "noteAdded", ADDED("other"));
	session_reconnect(session, &leader);
	hello = scripted_read(&leader, LEADERD__TO_LEADER__BODY_HELLO)->hello;
	assert_int_equal(hello->confirmed->global, 1);
	assert_memory_equal(hello->confirmed->local_hash.data, leader.log[0]->local_hash.bytes, 32);
	scripted_say_welcome(&leader, &(struct scripted_welcome){ .n_resumed = 1 });
	scripted_say_feed(&leader, &(struct scripted_feed){ .first = 1 });
	session_settle(session);

	assert_int_equal(session_count(session, "SELECT count(*) FROM note WHERE id = 'other'"), 1);
	assert_int_equal(session_count(session, NOTES), 2);
}

static void say_whole_log_in_full(void) {
	scripted_say_feed(&leader, &(struct scripted_feed){ .first = 0, .full = true });
	session_settle(session);
}

static void verdicts_say_what_to_send_again(void **state) {
	static const uint8_t verdicts[] = { 1, 2, 0 };
	const Leaderd__Hello *hello;
	const Leaderd__Push *push;
	struct event *logged = NULL;
	struct error error = { 0 };

	session = scripted_session(&leader);
	lds_commit(session, "noteAdded", ADDED("logged"), NULL);
	lds_commit(session, "noteAdded", ADDED("refused"), NULL);
	lds_commit(session, "noteAdded", ADDED("unknown"), NULL);
	push = scripted_read(&leader, LEADERD__TO_LEADER__BODY_PUSH)->push;
	assert_int_equal(wire_event_unpack(&logged, push->events[0], &error), 0);
	scripted_hang_up(&leader);
	scripted_append(&leader, logged);

	session_reconnect(session, &leader);
	hello = scripted_read(&leader, LEADERD__TO_LEADER__BODY_HELLO)->hello;
	assert_int_equal(hello->pending.len, 48);
	assert_memory_equal(hello->pending.data, logged->entry.id.bytes, 16);
	scripted_say_welcome(&leader, &(struct scripted_welcome){ .verdicts = verdicts, .n_verdicts = 3 });
	session_settle(session);

	push = scripted_read(&leader, LEADERD__TO_LEADER__BODY_PUSH)->push;
	assert_memory_equal(push->events[0]->args.data, ADDED("unknown"), strlen(ADDED("unknown")));
	assert_int_equal(push->events[0]->global, 2);
	assert_int_equal(session_status(session).pending, 2);
	say_whole_log_in_full();
	assert_int_equal(session_status(session).pending, 1);
	assert_int_equal(session_count(session, NOTES), 2);
}

static void some_failures_are_for_good(void **state) {
	static const int codes[] = { LDS_CONFLICT, LDS_VERSION, LDS_INVALID };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		session = scripted_session(&leader);
		scripted_say_failure(&leader, codes[i], "no more of you");
		session_settle(session);

		assert_int_equal(session_status(session).connection, LDS_DISCONNECTED);
		assert_string_equal(lds_last_error(session), "no more of you");
		assert_int_equal(lds_get_deadline(session), UINT64_MAX);
		assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), codes[i]);
		assert_int_equal(session_count(session, NOTES), 0);
		lds_close(session);
	}
	session = NULL;
}

static void other_failures_are_tried_again(void **state) {
	session = scripted_session(&leader);
	scripted_say_failure(&leader, LDS_IO, "the disk has a headache");
	session_settle(session);
	scripted_hang_up(&leader);

	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), LDS_QUEUED);
	session_reconnect(session, &leader);
	assert_int_equal(scripted_read(&leader, LEADERD__TO_LEADER__BODY_HELLO)->hello->pending.len, 16);
}

static void a_store_that_was_replaced_is_not_mixed_with_ours(void **state) {
	uint8_t unknown = 0;

	session = scripted_session(&leader);
	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), 0);
	scripted_hang_up(&leader);
	session_reconnect(session, &leader);
	scripted_read(&leader, LEADERD__TO_LEADER__BODY_HELLO);
	memset(leader.client_id, 'd', CLIENT_ID_BYTES);
	scripted_say_welcome(&leader, &(struct scripted_welcome){ .verdicts = &unknown, .n_verdicts = 1 });
	session_settle(session);

	assert_int_equal(session_status(session).connection, LDS_DISCONNECTED);
	assert_non_null(strstr(lds_last_error(session), "replaced"));
	assert_int_equal(session_count(session, NOTES), 1);
}

/* ---- rubbish --------------------------------------------------------------------------- */

static void send_bytes(const void *data, size_t n) {
	assert_int_equal(write(leader.fd, data, n), (ssize_t)n);
}

static void rubbish_ends_the_connection_and_nothing_else(void **state) {
	static const uint8_t oversized[] = { 0xff, 0xff, 0xff, 0x7f }, empty[] = { 0, 0, 0, 0 };
	static const uint8_t nonsense[] = { 4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff };
	static const uint8_t truncated[] = { 100, 0, 0, 0, 1, 2, 3 };
	static const struct {
		const uint8_t *data;
		size_t n;
	} cases[] = { { oversized, sizeof(oversized) },
		          { empty, sizeof(empty) },
		          { nonsense, sizeof(nonsense) },
		          { truncated, sizeof(truncated) } };

	session = scripted_session(&leader);
	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t unknown = 0;

		send_bytes(cases[i].data, cases[i].n);
		if (cases[i].data == truncated)
			scripted_hang_up(&leader);
		session_settle(session);
		assert_int_equal(session_status(session).connection, LDS_DISCONNECTED);
		assert_int_equal(session_count(session, NOTES), 1);

		session_reconnect(session, &leader);
		scripted_read(&leader, LEADERD__TO_LEADER__BODY_HELLO);
		scripted_say_welcome(&leader, &(struct scripted_welcome){ .verdicts = &unknown, .n_verdicts = 1 });
		session_settle(session);
		assert_int_equal(session_status(session).connection, LDS_CONNECTED);
	}
}

/* Whatever a feed's bytes say, the session stays whole: its own commit is there. */
static void damaged_feeds_do_no_harm(void **state) {
	const char *chosen = getenv("LEADERD_SEED");
	unsigned seed = chosen ? (unsigned)strtoul(chosen, NULL, 10) : 20240607;
	uint8_t unknown = 0;

	print_message("LEADERD_SEED=%u\n", seed);
	session = scripted_session(&leader);
	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), 0);
	scripted_foreign(&leader, "noteAdded", ADDED("b"));
	scripted_foreign(&leader, "noteAdded", ADDED("c"));
	for (int i = 0; i < 60; i++) {
		leader.damage_seed = &seed;
		scripted_say_feed(&leader, &(struct scripted_feed){ 0 });
		leader.damage_seed = NULL;
		scripted_hang_up(&leader);
		session_settle(session);
		assert_int_equal(session_count(session, "SELECT count(*) FROM note WHERE id = 'a'"), 1);
		assert_int_equal(session_status(session).pending, 1);

		session_reconnect(session, &leader);
		scripted_read(&leader, LEADERD__TO_LEADER__BODY_HELLO);
		scripted_say_welcome(&leader,
		                     &(struct scripted_welcome){ .image = true, .verdicts = &unknown, .n_verdicts = 1 });
		session_settle(session);
		assert_int_equal(session_count(session, NOTES), 3);
	}
}

/* A frame that comes byte by byte is one frame. */
static void frames_are_put_together(void **state) {
	Leaderd__ToSession message = LEADERD__TO_SESSION__INIT;
	Leaderd__HelloAgain again = LEADERD__HELLO_AGAIN__INIT;
	struct bytes frame = { 0 };
	struct error error = { 0 };

	session = scripted_session(&leader);
	message.body_case = LEADERD__TO_SESSION__BODY_HELLO_AGAIN;
	message.hello_again = &again;
	again.reason = (char *)"bit by bit";
	assert_int_equal(wire_pack_to_session(&frame, &message, &error), 0);
	for (size_t i = 0; i < frame.n; i++) {
		assert_null(scripted_try_read(&leader));
		send_bytes(frame.data + i, 1);
		session_settle(session);
	}
	scripted_read(&leader, LEADERD__TO_LEADER__BODY_HELLO);
	bytes_finish(&frame);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		STORY(bad_options_are_named),
		STORY(without_a_leader_open_says_so),
		STORY(the_socket_comes_from_the_environment),
		STORY(a_silent_leader_runs_into_the_time_out),
		STORY(a_shorter_options_struct_is_taken),
		STORY(the_hello_says_who_we_are),
		STORY(a_failure_is_the_answer_of_open),
		STORY(a_store_without_a_schema_of_ours_comes_as_an_image),
		STORY(a_newer_schema_is_opened_with_notice),
		STORY(a_welcome_that_cannot_be_is_no_session),
		STORY(a_session_resumes_where_it_was),
		STORY(a_session_goes_back_to_the_confirmed_point),
		STORY(verdicts_say_what_to_send_again),
		STORY(some_failures_are_for_good),
		STORY(other_failures_are_tried_again),
		STORY(a_store_that_was_replaced_is_not_mixed_with_ours),
		STORY(rubbish_ends_the_connection_and_nothing_else),
		STORY(damaged_feeds_do_no_harm),
		STORY(frames_are_put_together),
	};

	return cmocka_run_group_tests_name("session/connect", tests, NULL, NULL);
}
