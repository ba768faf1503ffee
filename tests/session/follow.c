/* What a session does with what its leader sends. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scripted_leader.h"

#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#define NOTES "SELECT count(*) FROM note"
#define ADDED(n) "{\"id\":\"" n "\",\"text\":\"t\"}"
#define REMOVED(n) "{\"id\":\"" n "\"}"

static struct scripted_leader leader;
static struct lds_session *session;

static int set_up(void **state) {
	(void)state;
	scripted_start(&leader, NOTES_1);
	session = scripted_session(&leader);
	return 0;
}

static int tear_down(void **state) {
	(void)state;
	lds_close(session);
	scripted_stop(&leader);
	return 0;
}

static const Leaderd__Push *read_push(void) {
	return scripted_read(&leader, LEADERD__TO_LEADER__BODY_PUSH)->push;
}

/* Commits an event and reads its push; the event as pushed is the caller's. */
static struct event *commit_and_push(const char *name, const char *args) {
	struct event *event = NULL;
	struct error error = { 0 };

	assert_int_equal(lds_commit(session, name, args, NULL), 0);
	assert_int_equal(wire_event_unpack(&event, read_push()->events[0], &error), 0);
	return event;
}

static void say_feed(size_t first) {
	scripted_say_feed(&leader, &(struct scripted_feed){ .first = first });
}

/* ---- advance and rebase ------------------------------------------------------------- */

static void foreign_events_are_applied_and_pending_ones_go_behind_them(void **state) {
	struct event *mine = commit_and_push("noteAdded", ADDED("mine"));

	scripted_foreign(&leader, "noteAdded", ADDED("theirs"));
	say_feed(0);
	assert_int_equal(session_settle(session), 0);

	assert_int_equal(session_count(session, NOTES), 2);
	assert_int_equal(session_status(session).leader_head.global, 1);
	assert_int_equal(session_status(session).local_head.global, 2);
	assert_int_equal(session_status(session).pending, 1);

	scripted_append(&leader, mine);
	say_feed(1);
	session_settle(session);
	assert_int_equal(session_status(session).pending, 0);
	assert_int_equal(session_status(session).leader_head.global, 2);
	assert_int_equal(session_count(session, NOTES), 2);
}

static void a_rebase_of_the_leader_takes_events_back(void **state) {
	struct event *back[4];
	size_t n;

	scripted_foreign(&leader, "noteAdded", ADDED("a"));
	scripted_foreign(&leader, "noteAdded", ADDED("b"));
	leader.has_backend = true;
	say_feed(0);
	session_settle(session);
	assert_int_equal(session_count(session, NOTES), 2);

	n = scripted_take_back(&leader, 1, back, 4);
	assert_int_equal(n, 1);
	scripted_foreign(&leader, "noteAdded", ADDED("first"));
	scripted_append(&leader, back[0]);
	scripted_say_feed(&leader, &(struct scripted_feed){ .first = 1, .rebase = true });
	session_settle(session);

	assert_int_equal(session_count(session, NOTES), 3);
	assert_int_equal(session_status(session).leader_head.global, 3);
	assert_int_equal(session_status(session).generation, 1);
}

static void a_pending_event_that_does_not_apply_is_suspended_not_refused(void **state) {
	struct event *mine = commit_and_push("noteAdded", ADDED("same"));

	scripted_foreign(&leader, "noteAdded", ADDED("same"));
	say_feed(0);
	session_settle(session);

	assert_int_equal(session_status(session).pending, 1);
	assert_int_equal(session_status(session).suspended, 1);
	assert_int_equal(session_count(session, NOTES), 1);

	scripted_say_feed(&leader, &(struct scripted_feed){ .first = leader.n_log,
	                                                    .refused = &mine,
	                                                    .n_refused = 1,
	                                                    .refused_reason = "UNIQUE constraint failed" });
	session_settle(session);
	assert_int_equal(session_status(session).pending, 0);
	assert_int_equal(session_status(session).suspended, 0);
	event_destroy(mine);
}

static void a_suspended_event_applies_again_when_its_obstacle_is_gone(void **state) {
	struct event *mine = commit_and_push("noteAdded", ADDED("same")), *back[2];

	leader.has_backend = true;
	scripted_foreign(&leader, "noteAdded", ADDED("same"));
	say_feed(0);
	session_settle(session);
	assert_int_equal(session_status(session).suspended, 1);

	event_destroy((scripted_take_back(&leader, 0, back, 2), back[0]));
	scripted_append(&leader, mine);
	scripted_say_feed(&leader, &(struct scripted_feed){ .first = 0, .rebase = true });
	session_settle(session);

	assert_int_equal(session_status(session).suspended, 0);
	assert_int_equal(session_status(session).pending, 0);
	assert_int_equal(session_count(session, NOTES), 1);
}

static void an_event_that_no_schema_here_knows_is_void(void **state) {
	scripted_foreign(&leader, "noteAdded", ADDED("a"));
	scripted_foreign(&leader, "fromAFutureProgram", "{}");
	scripted_foreign(&leader, "noteAdded", ADDED("b"));
	say_feed(0);

	session_settle(session);

	assert_int_equal(session_count(session, NOTES), 2);
	assert_int_equal(session_status(session).leader_head.global, 3);
}

/* ---- refusals ------------------------------------------------------------------------- */

struct told {
	unsigned n;
	char reason[64], name[64];
	int64_t notes; /* as the callback saw them */
};

static void on_refused(struct lds_session *of, const struct lds_event *event, const char *reason, void *data) {
	struct told *told = data;

	told->n++;
	snprintf(told->reason, sizeof(told->reason), "%s", reason);
	snprintf(told->name, sizeof(told->name), "%s", event->name);
	told->notes = session_count(of, NOTES);
	assert_int_equal(lds_process(of), LDS_INVALID);
	assert_int_equal(lds_wait(of, NULL, LDS_DURABLE, 0), LDS_INVALID);
	assert_int_equal(lds_close(of), LDS_INVALID);
}

static void a_refused_event_is_taken_out_and_told_once(void **state) {
	struct event *mine = commit_and_push("noteAdded", ADDED("a"));
	struct told told = { 0 };
	const Leaderd__Acknowledge *acknowledge;

	lds_on_refused(session, on_refused, &told);
	assert_int_equal(lds_commit(session, "noteAdded", ADDED("b"), NULL), 0);
	read_push();
	scripted_say_feed(&leader,
	                  &(struct scripted_feed){ .refused = &mine, .n_refused = 1, .refused_reason = "not now" });
	session_settle(session);

	assert_int_equal(told.n, 1);
	assert_string_equal(told.reason, "not now");
	assert_string_equal(told.name, "noteAdded");
	assert_int_equal(told.notes, 1); /* the callback came after the change */
	assert_int_equal(session_status(session).pending, 1);
	session_settle(session);
	do
		acknowledge = scripted_read(&leader, LEADERD__TO_LEADER__BODY_ACKNOWLEDGE)->acknowledge;
	while (acknowledge->refused_seen == 0);
	assert_int_equal(acknowledge->refused_seen, 1);

	leader.refused_ordinal = 0; /* the same once more, as after a reconnect */
	scripted_say_feed(&leader,
	                  &(struct scripted_feed){ .refused = &mine, .n_refused = 1, .refused_reason = "not now" });
	session_settle(session);
	assert_int_equal(told.n, 1);
	event_destroy(mine);
}

static void a_refusal_without_a_callback_is_not_acknowledged(void **state) {
	struct event *mine = commit_and_push("noteAdded", ADDED("a"));
	const Leaderd__Hello *hello;

	scripted_say_feed(&leader, &(struct scripted_feed){ .refused = &mine, .n_refused = 1, .refused_reason = "no" });
	session_settle(session);
	assert_int_equal(session_count(session, NOTES), 0);

	scripted_hang_up(&leader);
	session_reconnect(session, &leader);
	hello = scripted_read(&leader, LEADERD__TO_LEADER__BODY_HELLO)->hello;
	assert_int_equal(hello->refused_seen, 0);
	event_destroy(mine);
}

/* ---- held ------------------------------------------------------------------------------ */

static void an_open_select_never_sees_half_of_a_rebase(void **state) {
	struct event *back[4];
	sqlite3_stmt *statement;

	leader.has_backend = true;
	scripted_foreign(&leader, "noteAdded", ADDED("a"));
	scripted_foreign(&leader, "noteAdded", ADDED("b"));
	say_feed(0);
	session_settle(session);
	assert_int_equal(sqlite3_prepare_v2(lds_db(session), "SELECT id FROM note ORDER BY id", -1, &statement, NULL), 0);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);

	scripted_take_back(&leader, 0, back, 4);
	scripted_foreign(&leader, "noteAdded", ADDED("c"));
	scripted_foreign(&leader, "noteAdded", ADDED("d"));
	scripted_say_feed(&leader, &(struct scripted_feed){ .first = 0, .rebase = true });

	assert_int_equal(lds_process(session), LDS_HELD);
	assert_int_equal(lds_process(session), LDS_HELD);
	assert_true(lds_get_deadline(session) != UINT64_MAX);
	assert_int_equal(lds_wait(session, NULL, LDS_DURABLE, 0), 0); /* nothing is pending: no turn is needed */
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_string_equal(sqlite3_column_text(statement, 0), "b");
	assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
	sqlite3_reset(statement);

	assert_int_equal(session_settle(session), 0);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_string_equal(sqlite3_column_text(statement, 0), "c");
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_string_equal(sqlite3_column_text(statement, 0), "d");
	sqlite3_finalize(statement);
	event_destroy(back[0]);
	event_destroy(back[1]);
}

static void open_rows_hold_back_too_and_commits_go_on(void **state) {
	struct lds_rows *rows;

	event_destroy(commit_and_push("noteAdded", ADDED("a")));
	assert_int_equal(lds_query(session, "SELECT id FROM note", NULL, 0, &rows), 0);
	assert_int_equal(lds_rows_next(rows), LDS_ROW);
	scripted_foreign(&leader, "noteAdded", ADDED("x"));
	say_feed(0);
	assert_int_equal(lds_process(session), LDS_HELD);

	assert_int_equal(lds_commit(session, "noteAdded", ADDED("b"), NULL), 0);
	assert_int_equal(lds_wait(session, NULL, LDS_DURABLE, -1), LDS_HELD);

	lds_rows_close(rows);
	assert_int_equal(session_settle(session), 0);
	assert_int_equal(session_count(session, NOTES), 3);
}

/* A held frame and a leader that hung up must not make the app's loop spin. */
static void what_a_dead_leader_said_is_taken_when_the_rows_are_closed(void **state) {
	struct lds_rows *rows;

	scripted_foreign(&leader, "noteAdded", ADDED("a"));
	say_feed(0);
	session_settle(session);
	assert_int_equal(lds_query(session, "SELECT id FROM note", NULL, 0, &rows), 0);
	assert_int_equal(lds_rows_next(rows), LDS_ROW);
	scripted_foreign(&leader, "noteAdded", ADDED("b"));
	say_feed(1);
	scripted_leave(&leader);

	assert_int_equal(lds_process(session), LDS_HELD);
	assert_int_equal(lds_get_fd(session), -1);
	lds_rows_close(rows);
	session_settle(session);

	assert_int_equal(session_count(session, NOTES), 2);
	assert_int_equal(session_status(session).connection, LDS_DISCONNECTED);
}

/* ---- contradictions ---------------------------------------------------------------------- */

static void expect_image(void) {
	const Leaderd__Hello *hello = scripted_read(&leader, LEADERD__TO_LEADER__BODY_HELLO)->hello;

	assert_true(hello->want_image);
}

static void a_wrong_hash_is_noticed_and_an_image_taken(void **state) {
	scripted_foreign(&leader, "noteAdded", ADDED("a"));
	scripted_say_feed(&leader, &(struct scripted_feed){ .break_hash = true });
	session_settle(session);

	expect_image();
	assert_int_equal(session_count(session, NOTES), 0);
	scripted_say_welcome(&leader, &(struct scripted_welcome){ .image = true });
	session_settle(session);

	assert_int_equal(session_count(session, NOTES), 1);
	assert_int_equal(session_status(session).connection, LDS_CONNECTED);
}

static void a_state_that_differs_by_its_digest_is_taken_afresh(void **state) {
	struct event *mine = commit_and_push("noteAdded", ADDED("a"));
	const uint8_t *verdicts = NULL;

	scripted_append(&leader, mine);
	scripted_say_feed(&leader, &(struct scripted_feed){ .break_digest = true });
	session_settle(session);

	expect_image();
	scripted_foreign(&leader, "noteAdded", ADDED("b"));
	scripted_say_welcome(&leader, &(struct scripted_welcome){ .image = true, .verdicts = verdicts });
	session_settle(session);
	assert_int_equal(session_count(session, NOTES), 2);
	assert_int_equal(session_status(session).leader_head.global, 2);
}

static void a_digest_that_differs_in_an_applied_event_counts_as_well(void **state) {
	scripted_foreign(&leader, "noteAdded", ADDED("a"));
	scripted_say_feed(&leader, &(struct scripted_feed){ .break_digest = true });
	session_settle(session);

	expect_image();
}

static void a_short_event_that_is_not_pending_is_a_contradiction(void **state) {
	scripted_foreign(&leader, "noteAdded", ADDED("a"));
	scripted_say_feed(&leader, &(struct scripted_feed){ .short_session = "theirs" });
	session_settle(session);

	expect_image();
}

static void an_image_keeps_what_is_pending_behind_it(void **state) {
	uint8_t unknown = 0;

	event_destroy(commit_and_push("noteAdded", ADDED("mine")));
	scripted_foreign(&leader, "noteAdded", ADDED("a"));
	scripted_say_feed(&leader, &(struct scripted_feed){ .break_hash = true });
	session_settle(session);
	expect_image();

	scripted_say_welcome(&leader, &(struct scripted_welcome){ .image = true, .verdicts = &unknown, .n_verdicts = 1 });
	session_settle(session);

	assert_int_equal(session_count(session, NOTES), 2);
	assert_int_equal(session_status(session).local_head.global, 2);
	assert_int_equal(read_push()->events[0]->global, 2);
}

static void a_leader_that_goes_on_contradicting_is_left_alone(void **state) {
	scripted_foreign(&leader, "noteAdded", ADDED("a"));
	for (unsigned i = 0; i < 4; i++) {
		scripted_say_feed(&leader, &(struct scripted_feed){ .first = i, .break_hash = true });
		session_settle(session);
		if (session_status(session).connection == LDS_DISCONNECTED)
			break;
		expect_image();
		scripted_say_welcome(&leader, &(struct scripted_welcome){ .image = true });
		session_settle(session);
		scripted_foreign(&leader, "fromAFutureProgram", "{}");
	}
	assert_int_equal(session_status(session).connection, LDS_DISCONNECTED);
}

/* ---- schema ------------------------------------------------------------------------------- */

struct schema_told {
	unsigned n;
	uint32_t version;
};

static void on_schema(struct lds_session *of, uint32_t version, void *data) {
	struct schema_told *told = data;

	(void)of;
	told->n++;
	told->version = version;
}

static void a_new_schema_comes_with_its_state_on_the_same_connection(void **state) {
	struct schema_told told = { 0 };
	sqlite3 *db = lds_db(session);

	lds_on_schema(session, on_schema, &told);
	scripted_foreign(&leader, "noteAdded", ADDED("a"));
	say_feed(0);
	session_settle(session);

	scripted_change_schema(&leader, NOTES_2);
	scripted_say_hello_again(&leader);
	session_settle(session);
	scripted_read(&leader, LEADERD__TO_LEADER__BODY_HELLO);
	say_feed(1); /* sent before the leader read the hello: passed over */
	scripted_say_welcome(&leader,
	                     &(struct scripted_welcome){ .image = true, .with_schema = true, .schema_is_newer = true });
	assert_int_equal(session_settle(session), 0);

	assert_int_equal(told.n, 1);
	assert_int_equal(told.version, 2);
	assert_int_equal(session_status(session).schema_version, 2);
	assert_ptr_equal(lds_db(session), db);
	assert_int_equal(session_count(session, "SELECT stars FROM note"), 0);
	assert_int_equal(lds_commit(session, "noteAdded", ADDED("b"), NULL), 0);
	/* The app's own schema text has no such event, and the one in force no filter. */
	assert_int_equal(lds_commit(session, "noteStarred", REMOVED("a"), NULL), LDS_INVALID);
	assert_int_equal(lds_commit(session, "filterChanged", "{\"filter\":\"x\"}", NULL), LDS_INVALID);
}

static void an_image_is_not_exchanged_under_an_open_statement(void **state) {
	struct lds_rows *rows;

	scripted_foreign(&leader, "noteAdded", ADDED("a"));
	say_feed(0);
	session_settle(session);
	assert_int_equal(lds_query(session, "SELECT id FROM note", NULL, 0, &rows), 0);
	assert_int_equal(lds_rows_next(rows), LDS_ROW);
	scripted_change_schema(&leader, NOTES_2);
	scripted_say_hello_again(&leader);
	session_settle(session);
	scripted_read(&leader, LEADERD__TO_LEADER__BODY_HELLO);
	scripted_say_welcome(&leader, &(struct scripted_welcome){ .image = true, .with_schema = true });

	assert_int_equal(lds_process(session), LDS_HELD);
	assert_int_equal(session_status(session).schema_version, 1);
	lds_rows_close(rows);
	assert_int_equal(session_settle(session), 0);
	assert_int_equal(session_status(session).schema_version, 2);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		STORY(foreign_events_are_applied_and_pending_ones_go_behind_them),
		STORY(a_rebase_of_the_leader_takes_events_back),
		STORY(a_pending_event_that_does_not_apply_is_suspended_not_refused),
		STORY(a_suspended_event_applies_again_when_its_obstacle_is_gone),
		STORY(an_event_that_no_schema_here_knows_is_void),
		STORY(a_refused_event_is_taken_out_and_told_once),
		STORY(a_refusal_without_a_callback_is_not_acknowledged),
		STORY(an_open_select_never_sees_half_of_a_rebase),
		STORY(open_rows_hold_back_too_and_commits_go_on),
		STORY(what_a_dead_leader_said_is_taken_when_the_rows_are_closed),
		STORY(a_wrong_hash_is_noticed_and_an_image_taken),
		STORY(a_state_that_differs_by_its_digest_is_taken_afresh),
		STORY(a_digest_that_differs_in_an_applied_event_counts_as_well),
		STORY(a_short_event_that_is_not_pending_is_a_contradiction),
		STORY(an_image_keeps_what_is_pending_behind_it),
		STORY(a_leader_that_goes_on_contradicting_is_left_alone),
		STORY(a_new_schema_comes_with_its_state_on_the_same_connection),
		STORY(an_image_is_not_exchanged_under_an_open_statement),
	};

	return cmocka_run_group_tests_name("session/follow", tests, NULL, NULL);
}
