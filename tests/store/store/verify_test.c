/*
 * What tools do with a store's folder, with or without a leader on it.
 */

#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"

static int set_up(void **data) {
	struct place *place = malloc(sizeof(*place));

	assert_non_null(place);
	place_make(place);
	*data = place;
	return 0;
}

static int tear_down(void **data) {
	place_remove(*data);
	free(*data);
	return 0;
}

static struct store *make_content(const struct place *place) {
	struct store *store = open_store(place);
	struct event *refused = renamed(90, "nobody", "x");

	set_has_backend(store, true);
	pull(store, added(1, "a"));
	pull(store, renamed(2, "nobody", "x")); /* void */
	push(store, added(3, "b"));
	push(store, make_event(4, "looked", "{\"id\":\"b\"}"));
	push(store, make_event(5, "looked", "{\"id\":\"b\"}"));
	assert_int_equal(push_unit(store, &refused, 1, LIVES), STATE_REFUSED);
	push(store, renamed(6, "b", "B"));
	return store;
}

static int verify(const struct place *place, struct store_verification *ret, struct error *error) {
	return store_verify(place->folder, NULL, NULL, NULL, ret, error);
}

static void expect_sound(const struct place *place, struct store_verification *ret) {
	struct error error = { 0 };

	*ret = (struct store_verification){ 0 };
	if (verify(place, ret, &error) != 0)
		fail_msg("%s", error.text);
}

static void expect_damage(const struct place *place, const char *part) {
	struct store_verification result = { .events = 77 };
	struct error error = { 0 };

	assert_int_equal(verify(place, &result, &error), ERROR_CORRUPT);
	if (!strstr(error.text, part))
		fail_msg("\"%s\" does not say \"%s\"", error.text, part);
	assert_int_equal(result.events, 77);
}

/* -- Verifying -- */

static void expect_content(const struct store_verification *result) {
	assert_int_equal(result->events, 6);
	assert_int_equal(result->client_only, 2);
	assert_int_equal(result->refused, 1);
	assert_int_equal(result->voids, 1);
	assert_int_equal(result->head.global, 4);
	assert_int_equal(result->state_head.global, 4);
}

static void a_sound_store_is_counted_beside_a_leader_and_without_one(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);
	struct store_verification result;

	expect_sound(place, &result);
	expect_content(&result);
	push(store, added(7, "c")); /* the leader was not disturbed */
	store = reopen(store, place);
	assert_is_replay(store);
	store_close(store);
	expect_sound(place, &result);
	assert_int_equal(result.events, 7);
	store = open_store(place);
	assert_is_replay(store);
	store_close(store);
}

static void a_new_store_is_sound(void **data) {
	struct store_verification result;

	store_close(open_store(*data));
	expect_sound(*data, &result);
	assert_int_equal(result.events, 0);
}

static unsigned count_files(const char *path) {
	DIR *folder = opendir(path);
	unsigned n = 0;

	assert_non_null(folder);
	for (struct dirent *entry; (entry = readdir(folder));)
		n += entry->d_name[0] != '.';
	closedir(folder);
	return n;
}

static void a_scratch_folder_is_left_as_it_was(void **data) {
	const struct place *place = *data;
	struct store_verification result;
	struct error error = { 0 };
	struct place scratch;

	place_make(&scratch);
	store_close(make_content(place));
	assert_int_equal(store_verify(place->folder, scratch.folder, NULL, NULL, &result, &error), 0);
	expect_content(&result);
	assert_int_equal(count_files(scratch.folder), 0);
	change_file(place->state, "DELETE FROM task WHERE id = 'a'");
	assert_int_equal(store_verify(place->folder, scratch.folder, NULL, NULL, &result, &error), ERROR_CORRUPT);
	assert_int_equal(count_files(scratch.folder), 0);
	assert_int_equal(store_verify(place->folder, "/nonexistent", NULL, NULL, &result, &error), ERROR_IO);
	place_remove(&scratch);
}

static void a_row_changed_by_hand_is_named(void **data) {
	const struct place *place = *data;

	store_close(make_content(place));
	change_file(place->state, "UPDATE task SET title = 'by hand' WHERE id = 'b'");
	expect_damage(place, "in table task, key \"b\"");
	change_file(place->state, "UPDATE task SET title = 'B' WHERE id = 'b'; UPDATE ui SET looks = 3");
	expect_damage(place, "in table ui, key \"b\"");
}

static void a_row_too_many_or_too_few_is_named(void **data) {
	const struct place *place = *data;

	store_close(make_content(place));
	change_file(place->state, "DELETE FROM task WHERE id = 'a'");
	expect_damage(place, "table task, key \"b\", where the replay has table task, key \"a\"");
	change_file(place->state, "INSERT INTO task VALUES ('a', 'title of a', 0); INSERT INTO ui VALUES ('c', 1)");
	expect_damage(place, "table ui, key \"c\", where the replay has no further row");
	change_file(place->state, "DELETE FROM ui");
	expect_damage(place, "no further row, where the replay has table ui, key \"b\"");
}

static void one_wrong_row_among_many_is_found(void **data) {
	const struct place *place = *data;
	struct store *store = open_store(place);
	struct store_verification result;

	for (unsigned i = 1; i <= 300; i++) {
		char id[16];

		snprintf(id, sizeof(id), "t%03u", i);
		push(store, added(i, id));
	}
	store_close(store);
	expect_sound(place, &result);
	for (unsigned i = 1; i <= 300; i += 37) {
		char sql[128], part[32];

		snprintf(sql, sizeof(sql), "UPDATE task SET changes = changes + 1 WHERE id = 't%03u'", i);
		change_file(place->state, sql);
		snprintf(part, sizeof(part), "key \"t%03u\"", i);
		expect_damage(place, part);
		snprintf(sql, sizeof(sql), "UPDATE task SET changes = changes - 1 WHERE id = 't%03u'", i);
		change_file(place->state, sql);
	}
	expect_sound(place, &result);
}

static void voids_are_compared_too(void **data) {
	const struct place *place = *data;

	store_close(make_content(place));
	change_file(place->state, "UPDATE leaderd_state SET voids = 5");
	expect_damage(place, "counts 5 void events, a replay of the log 1");
}

/* Every page of the log, one bit each. What is in no row's way may be missed,
 * but not what is in the rows: arguments are the most of them. */
static void a_flipped_bit_in_the_log_is_found(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);
	struct store_verification result;
	struct error error = { 0 };
	uint8_t *log;
	size_t n;

	store_close(store);
	log = read_file(place->log, &n);
	for (uint8_t *at = log; (at = memmem(at, n - (size_t)(at - log), "title of a", 10)); at++) {
		*at ^= 1;
		write_file(place->log, log, n);
		assert_int_equal(verify(place, &result, &error), ERROR_CORRUPT);
		assert_non_null(strstr(error.text, "e1 "));
		*at ^= 1;
	}
	write_file(place->log, log, n);
	expect_sound(place, &result);
	free(log);
}

static void a_log_older_than_its_state_is_found(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);
	uint8_t *log;
	size_t n;

	store_close(store);
	log = read_file(place->log, &n);
	store = open_store(place);
	push(store, added(7, "c"));
	store_close(store);
	write_file(place->log, log, n);
	expect_damage(place, "the event log is not the one of its state, which stands at e5");
	free(log);
}

static void a_state_that_lags_is_compared_as_far_as_it_goes(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);
	struct event *event = make_event(7, "looked", "{\"id\":\"a\"}");
	struct store_verification result;

	push_unit(store, &event, 1, DIES_BEFORE_STATE);
	expect_sound(place, &result);
	assert_int_equal(result.events, 7);
	assert_int_equal(result.client_only, 3);
	assert_int_equal(result.head.client, 1);
	assert_int_equal(result.state_head.client, 0);
	store_close(store);
}

static void a_state_that_will_be_made_again_is_no_damage(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);
	struct event *event = added(7, "c");
	struct store_verification result;

	pull_unit(store, &event, 1, DIES_BEFORE_STATE); /* it stands on an abandoned branch */
	expect_sound(place, &result);
	assert_int_equal(result.state_head.global, 0);
	assert_int_equal(result.events, 7);
	assert_int_equal(result.client_only, 2);
	store_close(store);
	change_file(place->state, "UPDATE leaderd_state SET complete = 0");
	expect_sound(place, &result);
	remove_state(place);
	expect_sound(place, &result);
	assert_int_equal(result.events, 7);
	assert_false(exists(place->state));
}

static void a_state_file_that_is_garbage_is_damage(void **data) {
	const struct place *place = *data;

	store_close(make_content(place));
	remove_state(place);
	write_file(place->state, no_database, sizeof(no_database));
	expect_damage(place, "state.db: ");
}

static void an_absent_store_is_told(void **data) {
	struct store_verification result;
	struct error error = { 0 };

	assert_int_equal(verify(*data, &result, &error), ERROR_NOT_FOUND);
	assert_int_equal(count_files(((struct place *)*data)->folder), 0);
}

struct phases {
	char seen[64];
};

static void note_phase(const char *phase, uint64_t done, uint64_t all, void *data) {
	struct phases *phases = data;

	if (!strstr(phases->seen, phase)) {
		strcat(phases->seen, phase);
		strcat(phases->seen, " ");
	}
	assert_true(done <= all);
}

static void progress_is_told_by_phase(void **data) {
	struct phases phases = { "" };
	struct store_verification result;
	struct error error = { 0 };
	const struct place *place = *data;

	store_close(make_content(place));
	assert_int_equal(store_verify(place->folder, NULL, note_phase, &phases, &result, &error), 0);
	assert_string_equal(phases.seen, "log replay compare ");
}

/* -- A leader that works while the tool reads -- */

struct disturbance {
	struct store *store;
	const struct place *place;
	unsigned n, limit;
	const char *phase;
	void (*disturb)(struct disturbance *disturbance);
};

static void disturb(const char *phase, uint64_t done, uint64_t all, void *data) {
	struct disturbance *disturbance = data;

	if (strcmp(phase, disturbance->phase) == 0 && disturbance->n < disturbance->limit) {
		disturbance->n++;
		disturbance->disturb(disturbance);
	}
}

static void rebase_once(struct disturbance *disturbance) {
	char id[16];

	snprintf(id, sizeof(id), "p%u", disturbance->n);
	pull(disturbance->store, added(1000 + disturbance->n, id));
}

static void append_once(struct disturbance *disturbance) {
	push(disturbance->store, renamed(2000 + disturbance->n, "b", "again"));
}

static void rebuild_now(struct disturbance *disturbance) {
	struct error error = { 0 };

	assert_int_equal(store_rebuild(disturbance->store, false, &error), 0);
}

static void install_now(struct disturbance *disturbance) {
	struct error error = { 0 };

	assert_int_equal(store_install_schema(disturbance->store, schema_2, NULL, &error), 0);
}

static int verify_disturbed(struct disturbance *disturbance, struct store_verification *result, struct error *error) {
	return store_verify(disturbance->place->folder, NULL, disturb, disturbance, result, error);
}

static void a_leader_may_commit_rebase_rebuild_and_upgrade_meanwhile(void **data) {
	const struct place *place = *data;
	static const char *const phases[] = { "log", "replay", "compare" };
	struct store *store = make_content(place);
	struct disturbance disturbance = { .store = store, .place = place };
	void (*const disturbances[])(struct disturbance *) = { append_once, rebase_once, rebuild_now, install_now };
	struct store_verification result;
	struct error error = { 0 };

	/* More than a page, so that a rebase comes between two. */
	for (unsigned i = 0; i < 300; i++)
		push(store, renamed(100 + i, "b", "again"));
	for (size_t i = 0; i < sizeof(disturbances) / sizeof(disturbances[0]); i++) {
		for (size_t j = 0; j < 3; j++) {
			disturbance.disturb = disturbances[i];
			disturbance.phase = phases[j];
			disturbance.limit = disturbance.n + 1;
			if (verify_disturbed(&disturbance, &result, &error) != 0)
				fail_msg("disturbance %zu while %s: %s", i, phases[j], error.text);
			assert_is_replay(store);
		}
	}
	store_close(store);
}

static void a_leader_that_rebases_all_the_time_is_told_from_damage(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);
	struct disturbance disturbance = {
		.store = store, .place = place, .limit = 100, .phase = "log", .disturb = rebase_once
	};
	struct store_verification result;
	struct error error = { 0 };

	assert_int_equal(verify_disturbed(&disturbance, &result, &error), ERROR_BUSY);
	assert_non_null(strstr(error.text, "changed"));
	store_close(store);
}

/* -- Replaying into another file, and dumping -- */

static int add_text(const char *text, size_t n, void *data) {
	assert_int_equal(bytes_add(data, text, n), 0);
	return 0;
}

static void expect_dump(const struct place *place, bool synced_only, const char *expected) {
	struct bytes text = { 0 };
	struct error error = { 0 };

	if (store_dump(place->folder, synced_only, add_text, &text, &error) != 0)
		fail_msg("%s", error.text);
	add_text("", 1, &text);
	assert_string_equal((char *)text.data, expected);
	bytes_finish(&text);
}

static void a_dump_shows_the_state_as_it_stands(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);

	expect_dump(place, false, "task\t\"a\"\t\"title of a\"\t0\ntask\t\"b\"\t\"B\"\t1\nui\t\"b\"\t2\n");
	store_close(store);
	expect_dump(place, true, "task\t\"a\"\t\"title of a\"\t0\ntask\t\"b\"\t\"B\"\t1\n");
	change_file(place->state, "UPDATE ui SET looks = 7");
	expect_dump(place, false, "task\t\"a\"\t\"title of a\"\t0\ntask\t\"b\"\t\"B\"\t1\nui\t\"b\"\t7\n");
}

static int stop_at_once(const char *text, size_t n, void *data) {
	(*(unsigned *)data)++;
	return 1;
}

static void a_dump_stops_when_its_reader_does(void **data) {
	const struct place *place = *data;
	struct error error = { 0 };
	unsigned calls = 0;

	store_close(make_content(place));
	assert_int_equal(store_dump(place->folder, false, stop_at_once, &calls, &error), 1);
	assert_int_equal(calls, 1);
}

static void a_state_that_is_not_there_cannot_be_dumped(void **data) {
	const struct place *place = *data;
	struct bytes text = { 0 };
	struct error error = { 0 };

	store_close(make_content(place));
	change_file(place->state, "UPDATE leaderd_state SET complete = 0");
	assert_int_equal(store_dump(place->folder, false, add_text, &text, &error), ERROR_BUSY);
	remove_state(place);
	assert_int_equal(store_dump(place->folder, false, add_text, &text, &error), ERROR_NOT_FOUND);
	assert_int_equal(text.n, 0);
}

static char *dump_file(const char *path, const struct schema *schema) {
	const struct state_options options = { .path = path, .schema = schema, .read_only = true };
	struct state *state = NULL;
	struct error error = { 0 };
	char *dump;

	if (state_open(&state, &options, &error) != 0)
		fail_msg("%s", error.text);
	dump = dump_of(state);
	state_close(state);
	return dump;
}

static void the_log_is_replayed_into_another_file_and_nothing_is_touched(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);
	struct phases phases = { "" };
	struct error error = { 0 };
	char file[128], *expected, *found;

	snprintf(file, sizeof(file), "%s/other.db", place->folder);
	expected = dump_of_store(store);
	change_file(place->state, "UPDATE ui SET looks = 7"); /* it is the log that counts */
	assert_int_equal(store_rebuild_to(place->folder, file, note_phase, &phases, &error), 0);
	found = dump_file(file, store->schema);
	assert_string_equal(found, expected);
	assert_string_equal(phases.seen, "replay ");
	/* What exists is never overwritten. */
	assert_int_equal(store_rebuild_to(place->folder, file, NULL, NULL, &error), ERROR_CONFLICT);
	free(found);
	found = dump_file(file, store->schema);
	assert_string_equal(found, expected);
	store_close(store);
	free(expected);
	free(found);
}

static void a_replay_that_a_rebase_overtakes_begins_again(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);
	struct disturbance disturbance = {
		.store = store, .place = place, .limit = 1, .phase = "replay", .disturb = rebase_once
	};
	struct error error = { 0 };
	char file[128], *expected, *found;

	/* More than a page, so that the rebase comes between two. */
	for (unsigned i = 0; i < 600; i++)
		push(store, renamed(100 + i, "b", "again"));
	snprintf(file, sizeof(file), "%s/other.db", place->folder);
	assert_int_equal(store_rebuild_to(place->folder, file, disturb, &disturbance, &error), 0);
	assert_int_equal(disturbance.n, 1);
	expected = replay_of(store);
	found = dump_file(file, store->schema);
	assert_string_equal(found, expected);
	free(expected);
	free(found);
	store_close(store);
}

static void a_damaged_log_is_not_replayed_and_leaves_no_file(void **data) {
	const struct place *place = *data;
	struct store *store = make_content(place);
	struct error error = { 0 };
	char file[128];

	for (unsigned i = 0; i < 100; i++)
		push(store, renamed(100 + i, "a", "again"));
	store_close(store);
	change_file(place->log, "DELETE FROM event_log WHERE global = 2");
	snprintf(file, sizeof(file), "%s/other.db", place->folder);
	assert_int_equal(store_rebuild_to(place->folder, file, NULL, NULL, &error), ERROR_CORRUPT);
	assert_non_null(strstr(error.text, "event log"));
	assert_false(exists(file));
}

int main(void) {
#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		STORY(a_sound_store_is_counted_beside_a_leader_and_without_one),
		STORY(a_new_store_is_sound),
		STORY(a_scratch_folder_is_left_as_it_was),
		STORY(a_row_changed_by_hand_is_named),
		STORY(a_row_too_many_or_too_few_is_named),
		STORY(one_wrong_row_among_many_is_found),
		STORY(voids_are_compared_too),
		STORY(a_flipped_bit_in_the_log_is_found),
		STORY(a_log_older_than_its_state_is_found),
		STORY(a_state_that_lags_is_compared_as_far_as_it_goes),
		STORY(a_state_that_will_be_made_again_is_no_damage),
		STORY(a_state_file_that_is_garbage_is_damage),
		STORY(an_absent_store_is_told),
		STORY(progress_is_told_by_phase),
		STORY(a_leader_may_commit_rebase_rebuild_and_upgrade_meanwhile),
		STORY(a_leader_that_rebases_all_the_time_is_told_from_damage),
		STORY(a_dump_shows_the_state_as_it_stands),
		STORY(a_dump_stops_when_its_reader_does),
		STORY(a_state_that_is_not_there_cannot_be_dumped),
		STORY(the_log_is_replayed_into_another_file_and_nothing_is_touched),
		STORY(a_replay_that_a_rebase_overtakes_begins_again),
		STORY(a_damaged_log_is_not_replayed_and_leaves_no_file),
	};
#undef STORY

	return cmocka_run_group_tests(tests, NULL, NULL);
}
