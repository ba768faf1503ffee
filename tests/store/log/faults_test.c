/*
 * Faults below SQLite: whichever write, sync or truncation fails, a log holds
 * what was acknowledged, nothing that was refused, and of an unknown commit all
 * or nothing.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault_vfs.h"
#include "log_fixture.h"

/* -- The story: steps, each a transaction of its own -- */

static int append_one(struct eventlog *log, struct event *event, struct error *error) {
	int r = eventlog_append(log, event, error);

	event_destroy(event);
	return r;
}

static int append_numbers(struct eventlog *log, unsigned first, unsigned n, struct error *error) {
	int r = 0;

	for (unsigned i = 0; r == 0 && i < n; i++)
		r = append_one(log, make_at(first + i, position_next(status_of(log).head, false)), error);
	return r;
}

static int grow(struct eventlog *log, struct error *error) {
	return append_numbers(log, 1, 3, error);
}

static int grow_with_a_client_only_event(struct eventlog *log, struct error *error) {
	int r = append_one(log, make_at(4, client_only(3, 1)), error);

	return r == 0 ? append_numbers(log, 5, 30, error) : r;
}

static int confirm(struct eventlog *log, struct error *error) {
	struct event *event = NULL;
	int r = eventlog_get(log, synced(10), &event, error);

	if (r == 0)
		r = eventlog_set_upstream(log, synced(10), &event->chain_hash, "cursor", 6, error);
	if (r == 0)
		r = eventlog_set_sync_metadata(log, synced(10), "note", 4, error);
	event_destroy(event);
	return r;
}

static int install(struct eventlog *log, struct error *error) {
	return eventlog_install_schema(log, "-- store a version 1\n", 21, 1, error);
}

static int refuse(struct eventlog *log, struct error *error) {
	struct event *unit[3];
	struct event_id id = id_of(80);
	int r;

	make_unit(unit, 80, 3, synced(34));
	r = eventlog_refuse(log, unit, 2, "no", error);
	if (r == 0)
		r = eventlog_forget(log, &id, error);
	if (r == 0)
		r = eventlog_refuse(log, unit + 2, 1, "no", error);
	if (r == 0)
		r = eventlog_mark_reported(log, "app", 9, error);
	for (int i = 0; i < 3; i++)
		event_destroy(unit[i]);
	return r;
}

static int stage(struct eventlog *log, struct error *error) {
	struct event *page[2];
	int r;

	make_unit(page, 90, 2, synced(11));
	r = eventlog_stage(log, page, 2, "staged", 6, error);
	for (int i = 0; i < 2; i++)
		event_destroy(page[i]);
	return r;
}

static int replay(struct eventlog *log, struct error *error) {
	struct event *taken[64];
	size_t n = 0;
	int r = eventlog_displace(log, synced(10), error);

	if (r == 0)
		r = eventlog_take_staged(log, taken, 64, &n, error);
	for (size_t i = 0; i < n; i++)
		r = r == 0 ? append_one(log, taken[i], error) : (event_destroy(taken[i]), r);
	n = 0;
	if (r == 0)
		r = eventlog_take_displaced(log, taken, 64, &n, error);
	for (size_t i = 0; i < n; i++) {
		if (r == 0)
			event_move(taken[i], position_next(status_of(log).head, taken[i]->entry.client_only), 1);
		r = r == 0 ? append_one(log, taken[i], error) : (event_destroy(taken[i]), r);
	}
	return r;
}

static int grow_more(struct eventlog *log, struct error *error) {
	return append_numbers(log, 200, 1, error);
}

typedef int (*step)(struct eventlog *log, struct error *error);
static const step steps[] = { NULL /* opening */, grow, grow_with_a_client_only_event, confirm, install, refuse, stage,
	                      replay, NULL /* checkpoint */, grow_more };
#define N_STEPS (sizeof(steps) / sizeof(steps[0]))

/* What the log says after each step, when nothing fails. */
static char *contents[N_STEPS];

static int perform(struct eventlog **log, const struct place *place, size_t at, struct error *error) {
	struct eventlog_options options = { .path = place->path, .create = true };
	int r;

	if (at == 0)
		return eventlog_open(log, &options, error);
	if (!steps[at])
		return eventlog_checkpoint(*log, error);
	r = eventlog_begin(*log, error);
	if (r == 0)
		r = steps[at](*log, error);
	if (r == 0)
		r = eventlog_commit(*log, error);
	return r;
}

static void learn_contents(void) {
	struct eventlog *log = NULL;
	struct place place;
	struct error error = { 0 };

	place_make(&place);
	for (size_t i = 0; i < N_STEPS; i++) {
		if (perform(&log, &place, i, &error) < 0)
			fail_msg("step %zu: %s", i, error.text);
		contents[i] = content_of(log);
	}
	eventlog_close(log);
	place_remove(&place);
}

/* Opens again without faults and compares: the content after step `low`, or after
 * `high`. Returns which of them it was. */
static size_t check_reopened(struct eventlog **log, const struct place *place, size_t low, size_t high) {
	fault_set(FAULT_NONE, 0, false);
	*log = open_log(place);
	assert_verifies(*log);
	char *content = content_of(*log);
	size_t found = strcmp(content, contents[low]) == 0 ? low : high;

	assert_string_equal(content, contents[found]);
	free(content);
	return found;
}

/* After the fault the log either goes on as if nothing had happened, or says
 * that it stopped, and goes on when it is opened again. */
static void recover(struct eventlog **log, const struct place *place, size_t at, int code) {
	size_t before = at == 0 ? 0 : at - 1;
	struct error error = { 0 };

	if (code == ERROR_UNKNOWN) {
		assert_int_equal(eventlog_begin(*log, &error), ERROR_IO);
		*log = eventlog_close(*log);
		size_t found = check_reopened(log, place, before, at);
		if (found == at)
			return;
	} else if (*log) {
		assert_int_equal(status_of(*log).head.global > 0, before > 0);
	}
	fault_set(FAULT_NONE, 0, false);
	if (perform(log, place, at, &error) < 0)
		fail_msg("step %zu again: %s", at, error.text);
}

static void expect_clean_code(enum fault_kind kind, size_t at, int code, const struct error *error) {
	assert_int_equal(error->code, code);
	assert_true(error->text[0] != '\0');
	/* Only a full disk is told for sure; only a commit can be unknown. */
	if (kind == FAULT_WRITE_FULL)
		assert_int_equal(code, ERROR_FULL);
	else if (steps[at])
		assert_true(code == ERROR_UNKNOWN || code == ERROR_IO);
	else
		assert_int_equal(code, ERROR_IO);
}

/* The story with one fault, or with all from the k-th on. False if it did not fire. */
static bool run_with_fault(enum fault_kind kind, unsigned long k, bool forever) {
	struct eventlog *log = NULL;
	struct place place;
	bool fired = false;

	place_make(&place);
	fault_set(kind, k, forever);
	for (size_t i = 0; i < N_STEPS; i++) {
		struct error error = { 0 };
		int code = perform(&log, &place, i, &error);

		if (code == 0)
			continue;
		assert_true(fault_counts().fired > 0);
		fired = true;
		expect_clean_code(kind, i, code, &error);
		recover(&log, &place, i, code);
	}
	/* A fault that a step survived (a checkpoint that is put off) counts too. */
	fired |= fault_counts().fired > 0;
	fault_set(FAULT_NONE, 0, false);
	eventlog_close(log);
	check_reopened(&log, &place, N_STEPS - 1, N_STEPS - 1);
	eventlog_close(log);
	place_remove(&place);
	return fired;
}

static void run_every_fault(enum fault_kind kind) {
	unsigned long n_fired = 0;

	for (int forever = 0; forever < 2; forever++)
		for (unsigned long k = 1; run_with_fault(kind, k, forever); k++)
			n_fired++;
	print_message("%lu faults fired\n", n_fired);
	assert_true(n_fired > (kind == FAULT_SYNC ? 20 : 200));
}

static void whichever_write_fails_the_log_holds_what_was_acknowledged(void **state) {
	run_every_fault(FAULT_WRITE_IO);
}

static void whichever_write_is_torn_the_log_holds_what_was_acknowledged(void **state) {
	run_every_fault(FAULT_WRITE_TORN);
}

static void whenever_the_disk_is_full_nothing_has_happened(void **state) {
	run_every_fault(FAULT_WRITE_FULL);
}

static void whichever_sync_fails_the_outcome_is_unknown_until_the_log_is_opened_again(void **state) {
	run_every_fault(FAULT_SYNC);
}

/* The process dies at the k-th write: what lies on the disk then is opened again. */
static void whenever_the_process_dies_the_log_ends_at_a_commit(void **state) {
	bool fired = true;
	unsigned long n_fired = 0;

	for (unsigned long k = 1; fired; k++) {
		struct eventlog *log = NULL, *after = NULL;
		struct place place, copy;
		struct error error = { 0 };
		size_t acknowledged = 0, n, i;

		place_make(&place);
		place_make(&copy);
		fault_set(FAULT_WRITE_TORN, k, true);
		for (i = 0; i < N_STEPS && perform(&log, &place, i, &error) == 0; i++)
			acknowledged = i;
		fired = fault_counts().fired > 0;
		n_fired += fired;
		/* A copy of the files, and no shared memory: as the next process finds them. */
		uint8_t *data = read_file(place.path, &n);
		write_file(copy.path, data, n);
		free(data);
		data = read_file(place.wal, &n);
		if (data)
			write_file(copy.wal, data, n);
		free(data);
		check_reopened(&after, &copy, acknowledged, i < N_STEPS ? i : acknowledged);
		eventlog_close(after);
		eventlog_close(log);
		place_remove(&place);
		place_remove(&copy);
	}
	assert_true(n_fired > 100);
}

/* -- A transaction larger than SQLite's cache writes before it commits -- */

static int append_large(struct eventlog *log, unsigned n, struct error *error) {
	int r = 0;

	for (unsigned i = 0; r == 0 && i < n; i++)
		r = append_one(log, make(&(struct recipe){ .number = 1000 + i, .args_bytes = 20000,
		                                           .at = position_next(status_of(log).head, false) }), error);
	return r;
}

static void a_disk_that_fills_in_the_middle_of_a_transaction_leaves_nothing_of_it(void **state) {
	static const enum fault_kind kinds[] = { FAULT_WRITE_FULL, FAULT_WRITE_TORN };

	for (unsigned i = 0; i < 2; i++) {
		struct error error = { 0 };
		struct place place;

		place_make(&place);
		struct eventlog *log = open_log(&place);
		commit_numbers(log, 1, 3);
		char *before = content_of(log);
		fault_set(kinds[i], 20, true);
		begin(log);
		assert_int_equal(append_large(log, 200, &error), i == 0 ? ERROR_FULL : ERROR_IO);
		assert_int_equal(fault_counts().fired > 0, 1);
		assert_int_equal(eventlog_commit(log, &error), ERROR_INVALID);
		fault_set(FAULT_NONE, 0, false);
		char *after = content_of(log);
		assert_string_equal(before, after);
		begin(log);
		assert_int_equal(append_large(log, 200, &error), 0);
		commit(log);
		assert_verifies(log);
		log = eventlog_close(log);
		log = open_log(&place);
		assert_int_equal(status_of(log).head.global, 203);
		assert_verifies(log);
		eventlog_close(log);
		place_remove(&place);
		free(before);
		free(after);
	}
}

/* -- What a commit costs -- */

static void a_commit_is_one_sync_and_a_single_event_few_writes(void **state) {
	unsigned n_cheap = 0;
	struct place place;

	place_make(&place);
	struct eventlog *log = open_log(&place);
	commit_numbers(log, 1, 1); /* the first one writes the WAL's header too */
	for (unsigned i = 0; i < 500; i++) {
		fault_set(FAULT_NONE, 0, false);
		commit_numbers(log, 2 + i, 1);
		assert_int_equal(fault_counts().syncs, 1);
		n_cheap += fault_counts().writes <= 8;
	}
	/* The rest adds a page to the index. */
	assert_true(n_cheap >= 470);

	fault_set(FAULT_NONE, 0, false);
	commit_numbers(log, 600, 1000);
	assert_int_equal(fault_counts().syncs, 1);
	eventlog_close(log);
	place_remove(&place);
}

static void reading_and_rolling_back_write_nothing(void **state) {
	struct place place;

	place_make(&place);
	struct eventlog *log = open_log(&place);
	commit_numbers(log, 1, 100);
	fault_set(FAULT_NONE, 0, false);
	free(content_of(log));
	begin(log);
	append(log, make_at(101, synced(101)));
	eventlog_rollback(log);
	begin(log);
	commit(log);
	assert_int_equal(fault_counts().writes, 0);
	assert_int_equal(fault_counts().syncs, 0);
	eventlog_close(log);
	place_remove(&place);
}

static void a_log_that_stopped_can_still_be_read_and_writes_nothing_more(void **state) {
	struct error error = { 0 };
	struct event *event = NULL;
	struct place place;

	place_make(&place);
	struct eventlog *log = open_log(&place);
	commit_numbers(log, 1, 3);
	fault_set(FAULT_SYNC, 1, false);
	begin(log);
	append(log, make_at(4, synced(4)));
	assert_int_equal(eventlog_commit(log, &error), ERROR_UNKNOWN);
	assert_int_equal(error.code, ERROR_UNKNOWN);

	fault_set(FAULT_NONE, 0, false);
	assert_int_equal(status_of(log).head.global, 3);
	assert_int_equal(eventlog_get(log, synced(3), &event, &error), 0);
	assert_int_equal(eventlog_begin(log, &error), ERROR_IO);
	assert_non_null(strstr(error.text, "a sync failed"));
	assert_true(eventlog_checkpoint(log, &error) < 0);
	eventlog_close(log);
	assert_int_equal(fault_counts().writes + fault_counts().syncs, 0);
	event_destroy(event);
	place_remove(&place);
}

static int set_up_all(void **state) {
	fault_vfs_install();
	learn_contents();
	return 0;
}

static int tear_down_all(void **state) {
	for (size_t i = 0; i < N_STEPS; i++)
		free(contents[i]);
	return 0;
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whichever_write_fails_the_log_holds_what_was_acknowledged),
		cmocka_unit_test(whichever_write_is_torn_the_log_holds_what_was_acknowledged),
		cmocka_unit_test(whenever_the_disk_is_full_nothing_has_happened),
		cmocka_unit_test(whichever_sync_fails_the_outcome_is_unknown_until_the_log_is_opened_again),
		cmocka_unit_test(whenever_the_process_dies_the_log_ends_at_a_commit),
		cmocka_unit_test(a_disk_that_fills_in_the_middle_of_a_transaction_leaves_nothing_of_it),
		cmocka_unit_test(a_commit_is_one_sync_and_a_single_event_few_writes),
		cmocka_unit_test(reading_and_rolling_back_write_nothing),
		cmocka_unit_test(a_log_that_stopped_can_still_be_read_and_writes_nothing_more),
	};

	return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
