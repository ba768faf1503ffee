/* The session library and the real daemon. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon.h"
#include "scripted_leader.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOTES "SELECT count(*) FROM note"
#define ADDED(n) "{\"id\":\"" n "\",\"text\":\"t\"}"
#define PATIENCE_MS 30000

static struct daemon_home home;

static int set_up(void **state) {
	(void)state;
	daemon_home_make(&home);
	return 0;
}

static int tear_down(void **state) {
	(void)state;
	daemon_home_remove(&home);
	return 0;
}

static void expect(struct lds_session *session, int expected, int found) {
	if (found != expected)
		fail_msg("expected %s, found %s: %s", lds_code_name(expected), lds_code_name(found), lds_last_error(session));
}

/* Turns of the session until a query gives this number. */
static void await(struct lds_session *session, const char *sql, int64_t expected) {
	for (int turns = 0; session_count(session, sql) != expected; turns++) {
		struct lds_id nobody = { { 1 } };

		if (turns > 2000)
			fail_msg("%s gave %lld, not %lld", sql, (long long)session_count(session, sql), (long long)expected);
		lds_wait(session, &nobody, LDS_DURABLE, PATIENCE_MS); /* a round trip to the leader */
	}
}

/* ---- commits ------------------------------------------------------------------------ */

static void a_commit_becomes_durable_and_others_see_it(void **state) {
	struct lds_session *a = daemon_session(&home, "a"), *b = daemon_session(&home, "b");
	struct lds_id id;

	expect(a, 0, lds_commit(a, "noteAdded", ADDED("1"), &id));
	expect(a, 0, lds_wait(a, &id, LDS_DURABLE, PATIENCE_MS));
	expect(a, LDS_NO_BACKEND, lds_wait(a, &id, LDS_CONFIRMED, PATIENCE_MS));
	await(b, NOTES, 1);
	expect(b, 0, lds_wait(b, &id, LDS_DURABLE, PATIENCE_MS)); /* it asks the leader */

	lds_close(a);
	lds_close(b);
}

static void two_sessions_that_commit_at_once_converge(void **state) {
	struct lds_session *a = daemon_session(&home, "a"), *b = daemon_session(&home, "b");
	struct lds_status of_a, of_b;

	for (int i = 0; i < 300; i++) {
		char args[64];

		sprintf(args, "{\"id\":\"a%d\",\"text\":\"t\"}", i);
		assert_true(lds_commit(a, "noteAdded", args, NULL) >= 0);
		args[7] = 'b';
		assert_true(lds_commit(b, "noteAdded", args, NULL) >= 0);
	}
	expect(a, 0, lds_wait(a, NULL, LDS_DURABLE, PATIENCE_MS));
	expect(b, 0, lds_wait(b, NULL, LDS_DURABLE, PATIENCE_MS));
	await(a, NOTES, 600);
	await(b, NOTES, 600);
	of_a = session_status(a);
	of_b = session_status(b);
	assert_int_equal(of_a.leader_head.global, 600);
	assert_int_equal(of_b.leader_head.global, 600);
	assert_int_equal(of_a.pending + of_b.pending, 0);

	lds_close(a);
	lds_close(b);
}

static void a_unit_that_the_leader_refuses_comes_back_with_its_reason(void **state) {
	struct lds_session *a = daemon_session(&home, "a"), *b = daemon_session(&home, "b");
	struct lds_event_input unit[] = { { "noteAdded", 0, ADDED("other") }, { "noteAdded", 0, ADDED("same") } };
	struct lds_id id;

	expect(a, 0, lds_commit(a, "noteAdded", ADDED("same"), &id));
	expect(a, 0, lds_wait(a, &id, LDS_DURABLE, PATIENCE_MS));
	assert_true(lds_commit_batch(b, unit, 2, NULL) >= 0); /* it has not read a's event yet */

	expect(b, LDS_REFUSED, lds_wait(b, NULL, LDS_DURABLE, PATIENCE_MS));
	assert_non_null(strstr(lds_last_error(b), "UNIQUE"));
	assert_int_equal(session_count(b, NOTES), 1);

	lds_close(a);
	lds_close(b);
}

/* ---- life ----------------------------------------------------------------------------- */

static void commits_live_through_a_killed_leader(void **state) {
	struct lds_session *a = daemon_session(&home, "a"), *starter;

	for (int i = 0; i < 50; i++) {
		char args[64];

		sprintf(args, "{\"id\":\"%d\",\"text\":\"t\"}", i);
		assert_true(lds_commit(a, "noteAdded", args, NULL) >= 0);
		if (i == 25)
			daemon_end(&home, SIGKILL);
	}
	lds_process(a);
	expect(a, LDS_QUEUED, lds_commit(a, "noteAdded", ADDED("while away"), NULL));
	starter = daemon_session(&home, "starter");
	expect(a, 0, lds_wait(a, NULL, LDS_DURABLE, PATIENCE_MS));

	assert_int_equal(session_count(a, NOTES), 51);
	await(starter, NOTES, 51);
	lds_close(a);
	lds_close(starter);
}

static void a_commit_that_returned_0_outlives_its_process(void **state) {
	struct lds_session *b = daemon_session(&home, "b");
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct lds_session *a = daemon_session(&home, "a");

		if (lds_commit(a, "noteAdded", ADDED("last words"), NULL) != 0)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	await(b, NOTES, 1);
	lds_close(b);
}

static void many_starters_start_one_leader(void **state) {
	struct lds_session *after;
	pid_t children[8];
	int status;

	for (size_t i = 0; i < 8; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			char id[16], args[64];
			struct lds_session *session;

			sprintf(id, "s%zu", i);
			session = daemon_session(&home, id);
			sprintf(args, "{\"id\":\"%zu\",\"text\":\"t\"}", i);
			if (lds_commit(session, "noteAdded", args, NULL) < 0)
				_exit(1);
			_exit(lds_wait(session, NULL, LDS_DURABLE, PATIENCE_MS) == 0 ? 0 : 1);
		}
	}
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	after = daemon_session(&home, "after");
	await(after, NOTES, 8);
	lds_close(after);
}

static void a_leader_that_cannot_be_started_is_told(void **state) {
	struct lds_options options = daemon_options(&home, "a");
	struct lds_session *session = NULL;
	char error[512];

	options.leader_path = "/nowhere/leaderd";
	assert_int_equal(lds_open(&session, &options, error, sizeof(error)), LDS_NOT_RUNNING);
	assert_non_null(strstr(error, "/nowhere/leaderd"));
	options.leader_path = "/bin/false"; /* starts, and ends at once */
	assert_int_equal(lds_open(&session, &options, error, sizeof(error)), LDS_NOT_RUNNING);
	assert_non_null(strstr(error, "ended"));
}

static void one_session_id_has_one_process(void **state) {
	struct lds_session *a = daemon_session(&home, "a"), *again = NULL;
	struct lds_options options = daemon_options(&home, "a");
	char error[512];

	assert_int_equal(lds_open(&again, &options, error, sizeof(error)), LDS_CONFLICT);
	lds_close(a);
	lds_close(daemon_session(&home, "a"));
}

static void client_only_state_stays_with_a_stable_session_id(void **state) {
	struct lds_session *a = daemon_session(&home, "a");

	expect(a, 0, lds_commit(a, "filterChanged", "{\"filter\":\"mine\"}", NULL));
	expect(a, 0, lds_wait(a, NULL, LDS_DURABLE, PATIENCE_MS));
	lds_close(a);
	a = daemon_session(&home, "a");
	await(a, "SELECT count(*) FROM ui WHERE session = 'a' AND filter = 'mine'", 1);
	lds_close(a);
}

/* A log longer than a page comes as an image. */
static void a_long_log_comes_as_an_image(void **state) {
	struct lds_session *a = daemon_session(&home, "a"), *b;

	for (int i = 0; i < 700; i++) {
		char args[64];

		sprintf(args, "{\"id\":\"%d\",\"text\":\"t\"}", i);
		assert_true(lds_commit(a, "noteAdded", args, NULL) >= 0);
		session_settle(a);
	}
	expect(a, 0, lds_wait(a, NULL, LDS_DURABLE, PATIENCE_MS));
	b = daemon_session(&home, "b");
	assert_int_equal(session_count(b, NOTES), 700); /* at once, without a turn */
	expect(b, 0, lds_commit(b, "noteRemoved", "{\"id\":\"5\"}", NULL));
	expect(b, 0, lds_wait(b, NULL, LDS_DURABLE, PATIENCE_MS));
	await(a, NOTES, 699);
	lds_close(a);
	lds_close(b);
}

/* ---- schemas ---------------------------------------------------------------------------- */

static void on_schema(struct lds_session *session, uint32_t version, void *data) {
	(void)session;
	*(uint32_t *)data = version;
}

static void a_higher_schema_reaches_open_sessions(void **state) {
	struct lds_session *a = daemon_session(&home, "a"), *b = NULL, *c = NULL;
	struct lds_options options = daemon_options(&home, "b");
	uint32_t told = 0;

	lds_on_schema(a, on_schema, &told);
	expect(a, 0, lds_commit(a, "noteAdded", ADDED("1"), NULL));
	options.schema = NOTES_2;
	assert_int_equal(lds_open(&b, &options, NULL, 0), 0);
	expect(b, 0, lds_commit(b, "noteStarred", "{\"id\":\"1\"}", NULL));
	while (told == 0) {
		struct lds_id nobody = { { 1 } };

		lds_wait(a, &nobody, LDS_DURABLE, PATIENCE_MS);
	}
	assert_int_equal(told, 2);
	await(a, "SELECT stars FROM note", 1);
	expect(a, 0, lds_commit(a, "noteAdded", ADDED("2"), NULL));
	expect(a, 0, lds_wait(a, NULL, LDS_DURABLE, PATIENCE_MS));

	options = daemon_options(&home, "c");
	assert_int_equal(lds_open(&c, &options, NULL, 0), LDS_NEWER);
	await(c, NOTES, 2);
	lds_close(a);
	lds_close(b);
	lds_close(c);
}

/* ---- events ------------------------------------------------------------------------------- */

static void a_stream_reads_the_log_both_ways_and_follows(void **state) {
	struct lds_session *a = daemon_session(&home, "a");
	struct lds_events_options options = { .size = sizeof(options) };
	struct lds_position until = { 4, 0 };
	const struct lds_event *event;
	struct lds_events *events;

	for (int i = 0; i < 5; i++) {
		char args[64];

		sprintf(args, "{\"id\":\"%d\",\"text\":\"t\"}", i);
		expect(a, 0, lds_commit(a, "noteAdded", args, NULL));
	}
	expect(a, 0, lds_wait(a, NULL, LDS_DURABLE, PATIENCE_MS));
	options.since.global = 1;
	options.until = &until;
	assert_int_equal(lds_events_open(a, &options, &events), 0);
	for (uint64_t at = 2; at <= 4; at++) {
		expect(a, LDS_EVENT, lds_events_next(events, PATIENCE_MS, &event));
		assert_int_equal(event->position.global, at);
	}
	expect(a, 0, lds_events_next(events, PATIENCE_MS, &event));
	lds_events_close(events);

	options.flags = LDS_EVENTS_REVERSE;
	assert_int_equal(lds_events_open(a, &options, &events), 0);
	for (uint64_t at = 4; at >= 2; at--) {
		expect(a, LDS_EVENT, lds_events_next(events, PATIENCE_MS, &event));
		assert_int_equal(event->position.global, at);
	}
	expect(a, 0, lds_events_next(events, PATIENCE_MS, &event));
	lds_events_close(events);

	options = (struct lds_events_options){ .size = sizeof(options), .flags = LDS_EVENTS_FOLLOW, .since = { 5, 0 } };
	assert_int_equal(lds_events_open(a, &options, &events), 0);
	assert_int_equal(lds_events_next(events, 0, &event), LDS_TIMEOUT);
	expect(a, 0, lds_commit(a, "noteAdded", ADDED("new"), NULL));
	expect(a, LDS_EVENT, lds_events_next(events, PATIENCE_MS, &event));
	assert_string_equal(event->args, ADDED("new"));
	assert_int_equal(event->position.global, 6);
	lds_events_close(events);
	lds_close(a);
}

/* Pages, credit and resuming: every event once and in order, with a leader that dies in between. */
static void a_follower_reads_every_event_once_across_a_restart(void **state) {
	struct lds_session *a = daemon_session(&home, "a"), *starter = NULL;
	struct lds_events_options options = { .size = sizeof(options), .flags = LDS_EVENTS_FOLLOW };
	const struct lds_event *event;
	struct lds_events *events;

	for (int i = 0; i < 2000; i++) {
		char args[64];

		sprintf(args, "{\"id\":\"%d\",\"text\":\"t\"}", i);
		assert_true(lds_commit(a, "noteAdded", args, NULL) >= 0);
		if (i % 100 == 0)
			session_settle(a);
	}
	expect(a, 0, lds_wait(a, NULL, LDS_DURABLE, PATIENCE_MS));
	assert_int_equal(lds_events_open(a, &options, &events), 0);
	for (uint64_t at = 1; at <= 2000; at++) {
		expect(a, LDS_EVENT, lds_events_next(events, PATIENCE_MS, &event));
		assert_int_equal(event->position.global, at);
		if (at == 700) {
			daemon_end(&home, SIGKILL);
			starter = daemon_session(&home, "starter");
		}
	}
	lds_events_close(events);
	lds_close(a);
	lds_close(starter);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {
		STORY(a_commit_becomes_durable_and_others_see_it),
		STORY(two_sessions_that_commit_at_once_converge),
		STORY(a_unit_that_the_leader_refuses_comes_back_with_its_reason),
		STORY(commits_live_through_a_killed_leader),
		STORY(a_commit_that_returned_0_outlives_its_process),
		STORY(many_starters_start_one_leader),
		STORY(a_leader_that_cannot_be_started_is_told),
		STORY(one_session_id_has_one_process),
		STORY(client_only_state_stays_with_a_stable_session_id),
		STORY(a_long_log_comes_as_an_image),
		STORY(a_higher_schema_reaches_open_sessions),
		STORY(a_stream_reads_the_log_both_ways_and_follows),
		STORY(a_follower_reads_every_event_once_across_a_restart),
	};

	if (argc != 2)
		return 2;
	daemon_program = argv[1];
	return cmocka_run_group_tests_name("session/with_daemon", tests, NULL, NULL);
}
