/* What leaves the log and what waits for it: displaced events, staged pages. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "log_fixture.h"

/* -- Displacing -- */

/* The numbers of what is taken, in order; "|" between two takes. */
static void assert_taken(struct eventlog *log, size_t n_max, const char *expected) {
	struct event *taken[64];
	struct error error = { 0 };
	char text[256] = "";
	size_t n;

	do {
		if (eventlog_take_displaced(log, taken, n_max, &n, &error) < 0)
			fail_msg("%s", error.text);
		for (size_t i = 0; i < n; i++) {
			sprintf(text + strlen(text), "%u ", taken[i]->entry.id.bytes[15]);
			event_destroy(taken[i]);
		}
		if (n > 0)
			strcat(text, "| ");
	} while (n > 0);
	assert_string_equal(text, expected);
}

static void append_unit(struct eventlog *log, unsigned number, unsigned n) {
	struct event *unit[16];

	make_unit(unit, number, n, position_next(status_of(log).head, false));
	for (unsigned i = 0; i < n; i++)
		append(log, unit[i]);
}

/* e1, e2 e3 e4 (a unit: 2 3 4), e4.1 (5), e4.2 (6), e5 e6 (a unit: 7 8), e7 (9) */
static void commit_mixed(struct eventlog *log) {
	begin(log);
	append(log, make_at(1, synced(1)));
	append_unit(log, 2, 3);
	append(log, make_at(5, client_only(4, 1)));
	append(log, make_at(6, client_only(4, 2)));
	append_unit(log, 7, 2);
	append(log, make_at(9, synced(7)));
	commit(log);
}

static void displaced_events_are_taken_in_old_order_and_units_whole(void **state) {
	struct eventlog *log = *state;

	commit_mixed(log);
	begin(log);
	assert_int_equal(eventlog_displace(log, synced(1), NULL), 0);
	assert_at(status_of(log).head, synced(1));
	assert_int_equal(status_of(log).generation, 1);
	assert_int_equal(status_of(log).n_events, 1);
	assert_taken(log, 4, "2 3 4 5 | 6 7 8 9 | ");
	commit(log);
	assert_chain(log, "e1");

	log = reopen(state);
	assert_int_equal(status_of(log).generation, 1);
	assert_verifies(log);
}

static void a_unit_that_does_not_fit_any_more_waits_for_the_next_call(void **state) {
	struct eventlog *log = *state;

	commit_mixed(log);
	begin(log);
	assert_int_equal(eventlog_displace(log, synced(1), NULL), 0);
	assert_taken(log, 3, "2 3 4 | 5 6 | 7 8 9 | ");
	commit(log);
}

static void a_take_that_cannot_hold_one_unit_is_the_callers_mistake(void **state) {
	struct eventlog *log = *state;
	struct event *taken[2];
	size_t n;

	commit_mixed(log);
	begin(log);
	assert_int_equal(eventlog_displace(log, synced(1), NULL), 0);
	assert_int_equal(eventlog_take_displaced(log, taken, 2, &n, NULL), ERROR_INVALID);
	assert_chain(log, "e1 e2 e3 e4 e4.1 e4.2 e5 e6 e7");
}

static void displaced_events_that_came_back_are_passed_over(void **state) {
	struct eventlog *log = *state;

	commit_mixed(log);
	begin(log);
	assert_int_equal(eventlog_displace(log, synced(1), NULL), 0);
	/* The backend had put another event before ours. */
	append(log, make_at(50, synced(2)));
	append_unit(log, 2, 3);
	append_unit(log, 7, 2);
	assert_taken(log, 8, "5 6 9 | ");
	commit(log);
	assert_chain(log, "e1 e2 e3 e4 e5 e6 e7");
	assert_verifies(log);
}

static void what_is_displaced_and_not_taken_forbids_the_commit(void **state) {
	struct eventlog *log = *state;
	struct error error = { 0 };

	commit_numbers(log, 1, 3);
	begin(log);
	assert_int_equal(eventlog_displace(log, synced(1), NULL), 0);
	assert_int_equal(eventlog_commit(log, &error), ERROR_INVALID);
	assert_chain(log, "e1 e2 e3");
	assert_int_equal(status_of(log).generation, 0);
}

static void what_is_displaced_later_stood_before_what_waits(void **state) {
	struct eventlog *log = *state;

	commit_numbers(log, 1, 5);
	begin(log);
	assert_int_equal(eventlog_displace(log, synced(3), NULL), 0);
	append(log, make_at(50, synced(4)));
	assert_int_equal(eventlog_displace(log, synced(1), NULL), 0);
	assert_taken(log, 64, "2 3 50 4 5 | ");
	commit(log);
	assert_int_equal(status_of(log).generation, 2);
}

static void the_whole_log_can_be_displaced_and_replayed(void **state) {
	struct eventlog *log = *state;
	struct event *taken[64];
	size_t n;

	commit_mixed(log);
	begin(log);
	assert_int_equal(eventlog_displace(log, POSITION_ROOT, NULL), 0);
	append(log, make_at(50, synced(1)));
	assert_int_equal(eventlog_take_displaced(log, taken, 64, &n, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		event_move(taken[i], position_next(status_of(log).head, taken[i]->entry.client_only),
		           status_of(log).generation);
		append(log, taken[i]);
	}
	commit(log);
	assert_chain(log, "e1 e2 e3 e4 e5 e5.1 e5.2 e6 e7 e8");
	assert_verifies(log);
	log = reopen(state);
	assert_verifies(log);
}

static void displacing_to_a_place_that_is_not_there_is_refused(void **state) {
	commit_numbers(*state, 1, 3);
	begin(*state);
	assert_int_equal(eventlog_displace(*state, synced(4), NULL), ERROR_NOT_FOUND);
	assert_chain(*state, "e1 e2 e3");
}

/* -- Staged pages -- */

static void staged_pages_come_back_in_order_with_the_newest_cursor(void **state) {
	struct eventlog *log = *state;
	struct event *page[3], *taken[8];
	struct bytes cursor = { 0 };
	uint64_t count;
	size_t n;

	make_unit(page, 1, 3, synced(1));
	begin(log);
	assert_int_equal(eventlog_stage(log, page, 2, "c2", 2, NULL), 0);
	commit(log);
	log = reopen(state);
	begin(log);
	assert_int_equal(eventlog_stage(log, page + 2, 1, "c3", 2, NULL), 0);
	commit(log);
	log = reopen(state);

	assert_int_equal(eventlog_staged_count(log, &count, NULL), 0);
	assert_int_equal(count, 3);
	assert_int_equal(eventlog_staged_cursor(log, &cursor, NULL), 0);
	assert_int_equal(cursor.n, 2);
	assert_memory_equal(cursor.data, "c3", 2);
	assert_verifies(log);
	begin(log);
	assert_int_equal(eventlog_take_staged(log, taken, 8, &n, NULL), 0);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++) {
		assert_true(event_id_equal(&taken[i]->entry.id, &page[i]->entry.id));
		append(log, taken[i]);
		event_destroy(page[i]);
	}
	assert_int_equal(eventlog_take_staged(log, taken, 8, &n, NULL), 0);
	assert_int_equal(n, 0);
	commit(log);
	bytes_clear(&cursor);
	assert_int_equal(eventlog_staged_cursor(log, &cursor, NULL), 0);
	assert_int_equal(cursor.n, 0);
	assert_chain(log, "e1 e2 e3");
	assert_verifies(log);
	bytes_finish(&cursor);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		story(displaced_events_are_taken_in_old_order_and_units_whole),
		story(a_unit_that_does_not_fit_any_more_waits_for_the_next_call),
		story(a_take_that_cannot_hold_one_unit_is_the_callers_mistake),
		story(displaced_events_that_came_back_are_passed_over),
		story(what_is_displaced_and_not_taken_forbids_the_commit),
		story(what_is_displaced_later_stood_before_what_waits),
		story(the_whole_log_can_be_displaced_and_replayed),
		story(displacing_to_a_place_that_is_not_there_is_refused),
		story(staged_pages_come_back_in_order_with_the_newest_cursor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
