/* Every allocation of a session's story is made to fail once, and nothing is lost by it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scripted_leader.h"

#include <stdio.h>
#include <string.h>

#include "../model/allocation.h"

#define NOTES "SELECT count(*) FROM note"
#define ADDED(n) "{\"id\":\"" n "\",\"text\":\"t\"}"

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

static bool tried(int r) {
	bool failed = allocation_has_failed();

	allocation_fail_at(0);
	assert_true(r >= 0 || (failed && r == LDS_NO_MEMORY));
	return failed;
}

static void a_commit_without_memory_has_not_happened(void **state) {
	struct lds_event_input unit[] = { { "noteAdded", 0, ADDED("a") }, { "noteAdded", 0, ADDED("b") } };
	int r = LDS_NO_MEMORY;

	for (unsigned long k = 1; r < 0; k++) {
		assert_int_equal(session_count(session, NOTES), 0);
		assert_int_equal(session_status(session).pending, 0);
		allocation_fail_at(k);
		r = lds_commit_batch(session, unit, 2, NULL);
		tried(r);
	}
	/* It may only have failed to be packed: then it waits, and goes out later. */
	assert_true(r == 0 || r == LDS_QUEUED);
	session_settle(session);
	assert_int_equal(scripted_read(&leader, LEADERD__TO_LEADER__BODY_PUSH)->push->n_events, 2);
	assert_int_equal(session_count(session, NOTES), 2);
}

static void a_feed_without_memory_is_taken_at_the_next_turn(void **state) {
	bool failed = true;
	size_t n = 0;

	assert_int_equal(lds_commit(session, "noteAdded", ADDED("mine"), NULL), 0);
	scripted_read(&leader, LEADERD__TO_LEADER__BODY_PUSH);
	for (unsigned long k = 1; failed; k++) {
		char args[64];

		snprintf(args, sizeof(args), "{\"id\":\"%lu\",\"text\":\"t\"}", k);
		scripted_foreign(&leader, "noteAdded", args);
		scripted_say_feed(&leader, &(struct scripted_feed){ .first = n++ });
		allocation_fail_at(k);
		failed = tried(lds_process(session));
		while (session_status(session).leader_head.global < n)
			assert_true(lds_process(session) >= 0);
		assert_int_equal(session_count(session, NOTES), (int64_t)n + 1);
		assert_int_equal(session_status(session).pending, 1);
		assert_int_equal(session_status(session).connection, LDS_CONNECTED);
	}
}

static void reading_without_memory_is_told(void **state) {
	struct lds_parameter parameter = { "id", { .type = LDS_TEXT, .text = "a", .bytes = 1 } };
	struct lds_rows *rows = NULL;
	struct lds_events *events = NULL;
	struct lds_events_options options = { .size = sizeof(options), .flags = LDS_EVENTS_PENDING, .name = "noteAdded" };
	int r = LDS_NO_MEMORY;

	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), 0);
	for (unsigned long k = 1; r < 0; k++) {
		allocation_fail_at(k);
		r = lds_query(session, "SELECT 1 FROM note WHERE id = :id", &parameter, 1, &rows);
		tried(r);
	}
	lds_rows_close(rows);
	r = LDS_NO_MEMORY;
	for (unsigned long k = 1; r < 0; k++) {
		allocation_fail_at(k);
		r = lds_events_open(session, &options, &events);
		tried(r);
	}
	lds_events_close(events);
}

/* The leader is told nothing before there is a connection: so a whole open is
 * tried against an address where nobody listens, up to that point. What leaks on
 * the way is the sanitizers' to see. */
static void opening_without_memory_is_told(void **state) {
	struct lds_options options = scripted_options(&leader);
	struct lds_session *none = NULL;
	char text[256] = "";
	int r = LDS_NO_MEMORY;

	options.socket = "/tmp/leaderd-nobody-listens-here";
	for (unsigned long k = 1; r == LDS_NO_MEMORY; k++) {
		allocation_fail_at(k);
		r = lds_open(&none, &options, text, sizeof(text));
		allocation_fail_at(0);
	}
	if (r != LDS_NOT_RUNNING)
		fail_msg("%s: %s", lds_code_name(r), text);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		STORY(a_commit_without_memory_has_not_happened),
		STORY(a_feed_without_memory_is_taken_at_the_next_turn),
		STORY(reading_without_memory_is_told),
		STORY(opening_without_memory_is_told),
	};

	return cmocka_run_group_tests_name("session/allocation", tests, NULL, NULL);
}
