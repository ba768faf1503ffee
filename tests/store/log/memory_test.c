/* Memory that runs out, in our own objects and in SQLite, at every allocation of a story. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "log_fixture.h"

/* What the story gives to the log; made before memory becomes scarce. */
struct gifts {
	struct event *events[8];
	struct event *unit[3];
	struct event *page[2];
};

static struct gifts make_gifts(void) {
	struct gifts gifts;

	for (unsigned i = 0; i < 8; i++)
		gifts.events[i] = make_at(1 + i, synced(1 + i));
	make_unit(gifts.unit, 50, 3, synced(9));
	make_unit(gifts.page, 60, 2, synced(9));
	return gifts;
}

static void free_gifts(struct gifts *gifts) {
	for (unsigned i = 0; i < 8; i++)
		event_destroy(gifts->events[i]);
	for (unsigned i = 0; i < 3; i++)
		event_destroy(gifts->unit[i]);
	for (unsigned i = 0; i < 2; i++)
		event_destroy(gifts->page[i]);
}

static int take_all(struct eventlog *log, struct error *error) {
	struct event *taken[8];
	size_t n = 0;
	int r = eventlog_take_displaced(log, taken, 8, &n, error);

	for (size_t i = 0; i < n; i++)
		event_destroy(taken[i]);
	n = 0;
	if (r == 0)
		r = eventlog_take_staged(log, taken, 8, &n, error);
	for (size_t i = 0; i < n; i++)
		event_destroy(taken[i]);
	return r;
}

static int change(struct eventlog *log, const struct gifts *gifts, struct error *error) {
	int r = eventlog_begin(log, error);

	for (unsigned i = 0; r == 0 && i < 8; i++)
		r = eventlog_append(log, gifts->events[i], error);
	if (r == 0)
		r = eventlog_refuse(log, gifts->unit, 3, "no such todo", error);
	if (r == 0)
		r = eventlog_mark_reported(log, "app", 2, error);
	if (r == 0)
		r = eventlog_forget(log, &gifts->unit[1]->entry.id, error);
	if (r == 0)
		r = eventlog_stage(log, gifts->page, 2, "cursor", 6, error);
	if (r == 0)
		r = eventlog_install_schema(log, "-- store", 8, 1, error);
	if (r == 0)
		r = eventlog_set_sync_metadata(log, synced(2), "note", 4, error);
	if (r == 0)
		r = eventlog_set_upstream(log, synced(2), &gifts->events[1]->chain_hash, "cursor", 6, error);
	if (r == 0)
		r = eventlog_displace(log, synced(5), error);
	if (r == 0)
		r = take_all(log, error);
	if (r == 0)
		r = eventlog_commit(log, error);
	return r;
}

static int look(struct eventlog *log, const struct gifts *gifts, struct error *error) {
	struct eventlog_query query = { .n_max = 8, .bytes_max = 9999 };
	struct event *page[8], *event = NULL;
	struct refused_event refused[4];
	struct bytes text = { 0 };
	enum eventlog_known known;
	uint32_t version;
	size_t n = 0;
	int r = eventlog_read(log, &query, page, &n, NULL, error);

	for (size_t i = 0; i < n; i++)
		event_destroy(page[i]);
	if (r == 0)
		r = eventlog_find(log, &gifts->events[1]->entry.id, &event, error);
	event_destroy(event);
	if (r == 0)
		r = eventlog_known(log, &gifts->unit[0]->entry.id, &gifts->unit[0]->entry.content, &known, NULL, error);
	n = 0;
	if (r == 0)
		r = eventlog_refused(log, 0, NULL, false, refused, 4, &n, error);
	for (size_t i = 0; i < n; i++)
		refused_event_finish(&refused[i]);
	if (r == 0)
		r = eventlog_schema(log, &text, &version, error);
	bytes_clear(&text);
	if (r == 0)
		r = eventlog_cursor(log, &text, error);
	bytes_finish(&text);
	return r == 0 ? eventlog_verify(log, NULL, NULL, error) : r;
}

struct outcome {
	int code;
	bool changed; /* the change was committed before memory ran out */
};

/* Opens, changes, opens again, looks. */
static struct outcome run_story(const struct place *place, const struct gifts *gifts, struct error *error) {
	struct eventlog_options options = { .path = place->path, .create = true };
	struct eventlog *log = NULL;
	struct outcome outcome = { .code = eventlog_open(&log, &options, error) };

	if (outcome.code == 0) {
		struct eventlog_status before = status_of(log), after;

		outcome.code = change(log, gifts, error);
		outcome.changed = outcome.code == 0;
		after = status_of(log);
		if (!outcome.changed)
			assert_memory_equal(&before, &after, sizeof(before));
	}
	if (outcome.code == 0) {
		log = eventlog_close(log);
		outcome.code = eventlog_open(&log, &options, error);
	}
	if (outcome.code == 0)
		outcome.code = look(log, gifts, error);
	eventlog_close(log);
	return outcome;
}

/* What is there once memory is back. `unknown`: the change may be there or not. */
static void check_after(const struct place *place, bool changed, bool unknown) {
	struct eventlog *log = open_log(place);

	assert_verifies(log);
	if (!unknown)
		assert_int_equal(status_of(log).n_events, changed ? 5 : 0);
	else
		assert_true(status_of(log).n_events == 5 || status_of(log).n_events == 0);
	eventlog_close(log);
}

static void whichever_allocation_of_ours_fails_nothing_has_happened(void **state) {
	unsigned long n_failed = 0;
	bool failed = true;

	for (unsigned long k = 1; failed; k++) {
		struct gifts gifts = make_gifts();
		struct error error = { 0 };
		struct place place;

		place_make(&place);
		long live = allocation_live();
		allocation_fail_at(k);
		struct outcome outcome = run_story(&place, &gifts, &error);
		failed = allocation_has_failed();
		allocation_fail_at(0);

		assert_int_equal(allocation_live(), live);
		assert_int_equal(outcome.code, failed ? ERROR_NO_MEMORY : 0);
		assert_int_equal(error.code, outcome.code);
		n_failed += failed;
		check_after(&place, outcome.changed, false);
		free_gifts(&gifts);
		place_remove(&place);
	}
	assert_true(n_failed > 50);
}

/* -- SQLite's own memory -- */

static sqlite3_mem_methods real_memory;
static unsigned long sqlite_countdown;
static bool sqlite_failed;

static bool sqlite_fails_now(void) {
	if (sqlite_countdown == 0 || --sqlite_countdown > 0)
		return false;
	sqlite_failed = true;
	return true;
}

static void *scarce_malloc(int n) {
	return sqlite_fails_now() ? NULL : real_memory.xMalloc(n);
}

static void *scarce_realloc(void *old, int n) {
	return sqlite_fails_now() ? NULL : real_memory.xRealloc(old, n);
}

static int make_memory_scarce(void **state) {
	sqlite3_mem_methods scarce;

	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory) != SQLITE_OK)
		return -1;
	scarce = real_memory;
	scarce.xMalloc = scarce_malloc;
	scarce.xRealloc = scarce_realloc;
	return sqlite3_config(SQLITE_CONFIG_MALLOC, &scarce) == SQLITE_OK ? 0 : -1;
}

/* SQLite may do without some of its allocations; where it cannot, a change is
 * over, and only a commit may have to say that it does not know. */
static void whichever_allocation_of_sqlite_fails_the_log_stays_whole(void **state) {
	unsigned long n_failed = 0, n_no_memory = 0;
	bool failed = true;

	/* Neighbours fail in the same place: every allocation at first, then every seventh. */
	for (unsigned long k = 1; failed; k += k < 100 ? 1 : 7) {
		struct gifts gifts = make_gifts();
		struct error error = { 0 };
		struct place place;

		place_make(&place);
		long live = allocation_live();
		sqlite_failed = false;
		sqlite_countdown = k;
		struct outcome outcome = run_story(&place, &gifts, &error);
		failed = sqlite_failed;
		sqlite_countdown = 0;

		assert_int_equal(allocation_live(), live);
		if (outcome.code != 0 && outcome.code != ERROR_NO_MEMORY && outcome.code != ERROR_UNKNOWN)
			fail_msg("allocation %lu: %s", k, error.text);
		n_failed += failed;
		n_no_memory += outcome.code != 0;
		check_after(&place, outcome.changed, outcome.code == ERROR_UNKNOWN);
		free_gifts(&gifts);
		place_remove(&place);
	}
	print_message("%lu allocations failed, %lu of them were told\n", n_failed, n_no_memory);
	assert_true(n_failed > 200 && n_no_memory > 100);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whichever_allocation_of_ours_fails_nothing_has_happened),
		cmocka_unit_test(whichever_allocation_of_sqlite_fails_the_log_stays_whole),
	};

	return cmocka_run_group_tests(tests, make_memory_scarce, NULL);
}
