/*
 * Memory: for every function of a store, each of its allocations is made to fail
 * once. It answers ERROR_NO_MEMORY, the store is as it was or on hold for exactly
 * that, nothing leaks, and the same call works when it is made again.
 */

#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"

static const char small[] = "-- store s version 1\n"
							"CREATE TABLE task (id TEXT PRIMARY KEY NOT NULL);\n"
							"-- event added(id TEXT, title TEXT)\n"
							"INSERT INTO task VALUES (:id);\n";

static const char small_2[] = "-- store s version 2\n"
							  "CREATE TABLE task (id TEXT PRIMARY KEY NOT NULL, title TEXT NOT NULL);\n"
							  "-- event added(id TEXT, title TEXT)\n"
							  "INSERT INTO task VALUES (:id, :title);\n";

struct story {
	const char *name;
	void (*before)(struct place *place); /* makes the files */
	bool opens;                          /* `act` gets an open store */
	int (*act)(const struct place *place, struct store **store, struct error *error);
	void (*prepare)(struct store *store); /* on the open store */
};

static void expect_sound(struct store *store, bool failed) {
	struct error error = { 0 };
	struct state_head head;

	if (!store)
		return;
	if (failed && store->hold.code == ERROR_NO_MEMORY)
		assert_int_equal(store_roll_forward(store, &error), 0);
	if (!store->state)
		return;
	/* Half way forward is a good place to stop. */
	state_head(store->state, &head);
	if (!failed || position_equal(head.at, status_of(store).head))
		assert_is_replay(store);
}

/* One try; false when no allocation was left to fail. */
static bool try_story(const struct story *story, const struct place *origin, unsigned long k) {
	struct error error = { 0 };
	struct store *store = NULL;
	struct place place;
	bool failed;
	int r;

	place_copy(origin, &place);
	if (story->opens)
		store = try_open(&place, small);
	if (story->prepare)
		story->prepare(store);
	allocation_fail_at(k);
	r = story->act(&place, &store, &error);
	failed = allocation_has_failed();
	allocation_fail_at(0);
	if (r < 0) {
		if (r != ERROR_NO_MEMORY || !failed)
			fail_msg("%s, allocation %lu: %s", story->name, k, error.text);
		assert_int_equal(error.code, ERROR_NO_MEMORY);
		expect_sound(store, true);
		r = story->act(&place, &store, &error);
		if (r < 0)
			fail_msg("%s, again after allocation %lu: %s", story->name, k, error.text);
	}
	expect_sound(store, false);
	store_close(store);
	place_remove(&place);
	return failed;
}

static void run(const struct story *story) {
	struct place origin;
	unsigned long k = 1;

	place_make(&origin);
	if (story->before)
		story->before(&origin);
	while (try_story(story, &origin, k))
		k++;
	printf("%s: %lu allocations\n", story->name, k - 1);
	assert_true(k > 5);
	place_remove(&origin);
}

/* -- Files -- */

static void make_content(struct place *place) {
	struct store *store = try_open(place, small);

	set_has_backend(store, true);
	push(store, added(1, "a"));
	push(store, added(2, "b"));
	confirm(store, synced(1));
	store_close(store);
}

static void make_lagging(struct place *place) {
	struct store *store;
	struct event *event = added(3, "c");

	make_content(place);
	store = try_open(place, small);
	pull_unit(store, &event, 1, DIES_BEFORE_STATE);
	store_close(store);
}

static void make_stateless(struct place *place) {
	make_content(place);
	remove_state(place);
}

static void make_torn(struct place *place) {
	uint8_t *state;
	size_t n;

	make_content(place);
	state = read_file(place->state, &n);
	write_file(place->state, state, n / 2);
	free(state);
}

static void make_lost(struct place *place) {
	struct store *store;
	uint8_t *log;
	size_t n;

	make_content(place);
	log = read_file(place->log, &n);
	store = try_open(place, small);
	push(store, added(3, "c"));
	store_close(store);
	write_file(place->log, log, n);
	free(log);
}

/* -- Acts -- */

static int open_it(const struct place *place, struct store **store, struct error *error) {
	const struct store_options options = { .folder = place->folder, .create = true, .schema = small };
	int r;

	*store = store_close(*store);
	r = store_open(store, &options, error);
	if (r < 0)
		assert_null(*store);
	return r;
}

static struct event *confirmed[2];

/* As a leader would: the log is written only behind the state. */
static int apply_it(const struct place *place, struct store **store, struct error *error) {
	struct eventlog *log = (*store)->log;
	struct eventlog_status status;
	int r = state_begin((*store)->state, error);

	if (r < 0)
		return r;
	r = eventlog_begin(log, error);
	eventlog_status(log, &status);
	for (size_t i = 0; i < 2; i++) {
		confirmed[i]->entry.at = synced(status.head.global + 1 + i);
		eventlog_hashes(log, i ? confirmed[0] : NULL, confirmed[i]);
	}
	if (r == 0)
		r = store_apply_confirmed(*store, confirmed, 2, error);
	for (size_t i = 0; r == 0 && i < 2; i++)
		r = eventlog_append(log, confirmed[i], error);
	if (r == 0)
		r = eventlog_commit(log, error);
	if (r == 0)
		return store_commit_state(*store, status.upstream_head, error);
	state_rollback((*store)->state);
	eventlog_rollback(log);
	return r;
}

static int roll_it_forward(const struct place *place, struct store **store, struct error *error) {
	return store_roll_forward(*store, error);
}

static void fall_behind(struct store *store) {
	struct event *event = added(3, "c");

	pull_unit(store, &event, 1, DIES_BEFORE_STATE);
}

static int rebuild_it(const struct place *place, struct store **store, struct error *error) {
	return store_rebuild(*store, true, error);
}

static int upgrade_it(const struct place *place, struct store **store, struct error *error) {
	return store_install_schema(*store, small_2, NULL, error);
}

static int verify_it(const struct place *place, struct store **store, struct error *error) {
	struct store_verification result;

	return store_verify(place->folder, NULL, NULL, NULL, &result, error);
}

static int ignore(const char *text, size_t n, void *data) {
	return 0;
}

static int dump_it(const struct place *place, struct store **store, struct error *error) {
	return store_dump(place->folder, false, ignore, NULL, error);
}

static int rebuild_elsewhere(const struct place *place, struct store **store, struct error *error) {
	char file[128];
	int r;

	snprintf(file, sizeof(file), "%s/other.db", place->folder);
	r = store_rebuild_to(place->folder, file, NULL, NULL, error);
	assert_true(exists(file) == (r == 0));
	return r;
}

/* A state that differs: what names the row allocates too. */
static int find_difference(const struct place *place, struct store **store, struct error *error) {
	struct store_verification result;
	int r;

	r = store_verify(place->folder, NULL, NULL, NULL, &result, error);
	return r == ERROR_CORRUPT ? 0 : r;
}

static void make_different(struct place *place) {
	make_content(place);
	change_file(place->state, "INSERT INTO task VALUES ('z')");
}

#define STORY(function, ...)                            \
	static void function(void **data) {                 \
		run(&(struct story){ #function, __VA_ARGS__ }); \
	}

STORY(a_store_is_made, NULL, false, open_it)
STORY(a_store_is_opened, make_content, false, open_it)
STORY(a_store_without_state_is_opened, make_stateless, false, open_it)
STORY(a_store_with_a_torn_state_is_opened, make_torn, false, open_it)
STORY(a_state_on_an_abandoned_branch_is_opened, make_lagging, false, open_it)
STORY(a_lost_log_is_opened, make_lost, false, open_it)
STORY(confirmed_events_are_applied, make_content, true, apply_it)
STORY(a_state_is_rolled_forward, make_content, true, roll_it_forward, fall_behind)
STORY(a_state_is_rebuilt, make_content, true, rebuild_it)
STORY(a_loss_is_accepted, make_lost, true, rebuild_it)
STORY(a_schema_is_installed, make_content, true, upgrade_it)
STORY(a_store_is_verified, make_content, false, verify_it)
STORY(a_difference_is_named, make_different, false, find_difference)
STORY(a_store_is_dumped, make_content, false, dump_it)
STORY(a_log_is_replayed_elsewhere, make_content, false, rebuild_elsewhere)

static int make_events(void **data) {
	confirmed[0] = added(10, "x");
	confirmed[1] = added(11, "y");
	join(confirmed, 2);
	return 0;
}

static int destroy_events(void **data) {
	event_destroy(confirmed[0]);
	event_destroy(confirmed[1]);
	return 0;
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_store_is_made),
		cmocka_unit_test(a_store_is_opened),
		cmocka_unit_test(a_store_without_state_is_opened),
		cmocka_unit_test(a_store_with_a_torn_state_is_opened),
		cmocka_unit_test(a_state_on_an_abandoned_branch_is_opened),
		cmocka_unit_test(a_lost_log_is_opened),
		cmocka_unit_test(confirmed_events_are_applied),
		cmocka_unit_test(a_state_is_rolled_forward),
		cmocka_unit_test(a_state_is_rebuilt),
		cmocka_unit_test(a_loss_is_accepted),
		cmocka_unit_test(a_schema_is_installed),
		cmocka_unit_test(a_store_is_verified),
		cmocka_unit_test(a_difference_is_named),
		cmocka_unit_test(a_store_is_dumped),
		cmocka_unit_test(a_log_is_replayed_elsewhere),
	};

	return cmocka_run_group_tests(tests, make_events, destroy_events);
}
