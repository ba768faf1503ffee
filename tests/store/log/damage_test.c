/*
 * Damage: a flipped bit anywhere in the file or its WAL is found by opening or
 * by verify, or it changes nothing that can be read. In the WAL it may also end
 * the log at an earlier commit: that is what the state head is for.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chance.h"
#include "log_fixture.h"
#include "store/database.h"

#define BLOCK_BYTES 512u
#define FLIPS_PER_BLOCK 4u
#define COMMITS_MAX 16u

/* A log on disk as a crash leaves it: a file, and a WAL with some commits. */
struct specimen {
	uint8_t *db, *wal;
	size_t db_bytes, wal_bytes;
	char *contents[COMMITS_MAX]; /* after each commit that may be the last one read */
	unsigned n_contents;
};

static void remember(struct specimen *specimen, struct eventlog *log) {
	assert_true(specimen->n_contents < COMMITS_MAX);
	specimen->contents[specimen->n_contents++] = content_of(log);
}

/* Something in every table, and an index of more than one page. */
static void fill(struct eventlog *log) {
	struct event *unit[3], *taken[16], *page[2];
	struct event_id forgotten = id_of(91);
	size_t n;

	commit_numbers(log, 1, 40);
	begin(log);
	append(log, make_at(41, client_only(40, 1)));
	make_unit(unit, 42, 3, synced(41));
	for (int i = 0; i < 3; i++)
		append(log, unit[i]);
	append(log, make(&(struct recipe){ .number = 45, .at = synced(44), .args_bytes = 9000 }));
	assert_int_equal(eventlog_displace(log, synced(40), NULL), 0);
	append(log, make_at(46, synced(41)));
	assert_int_equal(eventlog_take_displaced(log, taken, 16, &n, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		event_move(taken[i], position_next(status_of(log).head, taken[i]->entry.client_only), 1);
		append(log, taken[i]);
	}
	struct hash chain = status_of(log).chain_hash;
	assert_int_equal(eventlog_set_upstream(log, status_of(log).head, &chain, "the cursor", 10, NULL), 0);
	assert_int_equal(eventlog_set_sync_metadata(log, synced(7), "the note", 8, NULL), 0);
	commit(log);
	begin(log);
	make_unit(unit, 90, 3, synced(50));
	assert_int_equal(eventlog_refuse(log, unit, 3, "the reason", NULL), 0);
	assert_int_equal(eventlog_forget(log, &forgotten, NULL), 0);
	make_unit(page, 94, 2, synced(60));
	assert_int_equal(eventlog_refuse(log, page, 2, "the other reason", NULL), 0);
	assert_int_equal(eventlog_stage(log, page, 2, "the staged cursor", 17, NULL), 0);
	assert_int_equal(eventlog_install_schema(log, "-- store the schema", 19, 1, NULL), 0);
	assert_int_equal(eventlog_install_schema(log, "-- store the second schema", 26, 2, NULL), 0);
	commit(log);
	for (int i = 0; i < 3; i++)
		event_destroy(unit[i]);
	for (int i = 0; i < 2; i++)
		event_destroy(page[i]);
	commit_numbers(log, 300, 120);
}

static struct specimen make_specimen(void) {
	struct specimen specimen = { 0 };
	struct place place;

	place_make(&place);
	struct eventlog *log = open_log(&place);
	fill(log);
	assert_int_equal(eventlog_checkpoint(log, NULL), 0);
	remember(&specimen, log);
	for (unsigned i = 0; i < 6; i++) {
		commit_numbers(log, 500 + 10 * i, 1 + i % 3);
		remember(&specimen, log);
	}
	specimen.db = read_file(place.path, &specimen.db_bytes);
	specimen.wal = read_file(place.wal, &specimen.wal_bytes);
	assert_true(specimen.wal_bytes > 0);
	eventlog_close(log);
	place_remove(&place);
	return specimen;
}

static void free_specimen(struct specimen *specimen) {
	free(specimen->db);
	free(specimen->wal);
	for (unsigned i = 0; i < specimen->n_contents; i++)
		free(specimen->contents[i]);
}

enum finding { FOUND, HARMLESS, SHORTENED, MISSED };

/* Opens what lies at `place` and verifies it. */
static enum finding examine(const struct place *place, const struct specimen *specimen, char *ret_text) {
	struct eventlog_options options = { .path = place->path };
	struct eventlog *log = NULL;
	struct error error = { 0 };
	enum finding finding = FOUND;
	int code = 0;

	ret_text[0] = '\0';
	if (eventlog_open(&log, &options, &error) == 0 && eventlog_verify(log, NULL, NULL, &error) == 0) {
		char *content = try_content_of(log, &code, &error);

		finding = MISSED;
		for (unsigned i = 0; content && i < specimen->n_contents; i++)
			if (strcmp(content, specimen->contents[i]) == 0)
				finding = i + 1 == specimen->n_contents ? HARMLESS : SHORTENED;
		free(content);
	} else {
		strcpy(ret_text, error.text);
		/* Damage is never taken for something that passes by itself. */
		if (error.code != ERROR_CORRUPT && error.code != ERROR_VERSION && error.code != ERROR_NOT_FOUND) {
			print_error("%s: %s\n", error_name(error.code), error.text);
			finding = MISSED;
		}
	}
	eventlog_close(log);
	return finding;
}

static void lay_out(const struct place *place, const struct specimen *specimen) {
	char shm[128];

	snprintf(shm, sizeof(shm), "%s-shm", place->path);
	unlink(shm);
	write_file(place->path, specimen->db, specimen->db_bytes);
	write_file(place->wal, specimen->wal, specimen->wal_bytes);
}

/* Flips bits of every block of one of the two files. */
static void flip_everywhere(struct specimen *specimen, uint8_t *data, size_t n_bytes, bool in_wal,
                            unsigned counts[4]) {
	struct chance chance = chance_begin(in_wal ? "store/log/damage wal" : "store/log/damage db");
	struct place place;
	char text[512];

	place_make(&place);
	for (size_t block = 0; block < n_bytes; block += BLOCK_BYTES) {
		size_t in_block = n_bytes - block < BLOCK_BYTES ? n_bytes - block : BLOCK_BYTES;

		for (unsigned i = 0; i < FLIPS_PER_BLOCK; i++) {
			size_t at = block + chance_below(&chance, in_block);
			uint8_t bit = (uint8_t)(1u << chance_below(&chance, 8));

			data[at] ^= bit;
			lay_out(&place, specimen);
			enum finding finding = examine(&place, specimen, text);
			if (finding == MISSED || (finding == SHORTENED && !in_wal))
				fail_msg("bit %u of byte %zu was flipped and passed", bit, at);
			counts[finding]++;
			data[at] ^= bit;
		}
	}
	place_remove(&place);
}

static void a_flipped_bit_in_any_block_of_the_file_is_found_or_harmless(void **state) {
	struct specimen specimen = make_specimen();
	unsigned counts[4] = { 0 };
	size_t wal_bytes = specimen.wal_bytes;

	/* Without the WAL, whose pages would hide the damaged ones. */
	specimen.wal_bytes = 0;
	specimen.n_contents = 1;
	flip_everywhere(&specimen, specimen.db, specimen.db_bytes, false, counts);
	print_message("%zu bytes: %u flips found, %u harmless\n", specimen.db_bytes, counts[FOUND], counts[HARMLESS]);
	assert_true(counts[FOUND] > counts[HARMLESS]);
	specimen.wal_bytes = wal_bytes;
	specimen.n_contents = 7;
	free_specimen(&specimen);
}

static void a_flipped_bit_in_any_block_of_the_wal_is_found_or_ends_the_log_at_a_commit(void **state) {
	struct specimen specimen = make_specimen();
	unsigned counts[4] = { 0 };

	flip_everywhere(&specimen, specimen.wal, specimen.wal_bytes, true, counts);
	print_message("%zu bytes: %u flips found, %u shortened the log, %u harmless\n", specimen.wal_bytes, counts[FOUND],
	              counts[SHORTENED], counts[HARMLESS]);
	assert_true(counts[SHORTENED] > 0);
	free_specimen(&specimen);
}

static void a_wal_cut_anywhere_ends_the_log_at_a_commit(void **state) {
	struct specimen specimen = make_specimen();
	size_t all = specimen.wal_bytes;
	struct place place;
	char text[512];

	place_make(&place);
	for (specimen.wal_bytes = 0; specimen.wal_bytes < all; specimen.wal_bytes += 1000) {
		lay_out(&place, &specimen);
		assert_in_range(examine(&place, &specimen, text), HARMLESS, SHORTENED);
	}
	place_remove(&place);
	free_specimen(&specimen);
}

static void a_file_cut_anywhere_is_found(void **state) {
	struct specimen specimen = make_specimen();
	size_t all = specimen.db_bytes;
	struct place place;
	char text[512];

	specimen.wal_bytes = 0;
	place_make(&place);
	for (specimen.db_bytes = 0; specimen.db_bytes < all; specimen.db_bytes += 1777) {
		lay_out(&place, &specimen);
		assert_int_equal(examine(&place, &specimen, text), FOUND);
	}
	place_remove(&place);
	free_specimen(&specimen);
}

/* -- Planted: each of these bytes is known, and so is who finds it -- */

/* Flips a bit near `needle` wherever it stands: free pages keep old copies. */
static void plant(struct specimen *specimen, const char *needle) {
	uint8_t *at = specimen->db, *end = specimen->db + specimen->db_bytes;
	unsigned n_found = 0;

	while ((at = memmem(at, (size_t)(end - at), needle, strlen(needle)))) {
		at += strlen(needle) - 1;
		*at ^= 0x01;
		n_found++;
	}
	assert_true(n_found > 0);
}

static void what_is_damaged_is_named(void **state) {
	static const struct {
		const char *bytes, *named;
	} cases[] = {
		{ "{\"number\":3,", "the event at e3 in event_log contradicts its content hash" },
		{ "{\"number\":41,", "the event at e41.1 in event_log contradicts its content hash" },
		{ "the note", "the row at e7 in event_log contradicts its checksum" },
		{ "the other reason", "the row at e60 in refused contradicts its checksum" },
		{ "-- store the schema", "schema 1 in the event log contradicts its checksum" },
		{ "-- store the second", "schema 2 in the event log contradicts its checksum" },
		{ "the cursor", "the status row of " },
		{ "the staged cursor", "the status row of " },
		{ "name TEXT NOT NULL, args", "the tables of " },
	};
	struct specimen specimen = make_specimen();
	uint8_t *whole = malloc(specimen.db_bytes);
	struct place place;
	char text[512];

	assert_non_null(whole);
	memcpy(whole, specimen.db, specimen.db_bytes);
	specimen.wal_bytes = 0;
	place_make(&place);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		plant(&specimen, cases[i].bytes);
		lay_out(&place, &specimen);
		if (examine(&place, &specimen, text) != FOUND || !strstr(text, cases[i].named))
			fail_msg("%s: found \"%s\", expected \"%s\"", cases[i].bytes, text, cases[i].named);
		memcpy(specimen.db, whole, specimen.db_bytes);
	}
	place_remove(&place);
	free(whole);
	free_specimen(&specimen);
}

/* What a wrong program could do, and no flipped bit: rows that fit themselves. */
static void rows_that_contradict_each_other_are_found(void **state) {
	static const struct {
		const char *sql, *named;
	} cases[] = {
		{ "DELETE FROM event_log WHERE number = 5", "e6 in the event log, after e4, is not the next position" },
		{ "DELETE FROM event_log WHERE number > 30", "the backend's head e45 does not stand in the event log" },
		{ "DELETE FROM status", "the status row of " },
		{ "DELETE FROM schema_text WHERE ordinal = 1", "schema 2 in the event log does not follow" },
		{ "UPDATE refused SET reported = 1 WHERE ordinal > 3", "in refused contradicts its checksum" },
		{ "UPDATE forgotten SET content_hash = zeroblob(32)", "a forgotten refusal contradicts its checksum" },
		{ "UPDATE event_log SET generation = 0 WHERE number = 42", "e41.1 in event_log contradicts its checksum" },
		{ "UPDATE event_log SET digest = digest + 1 WHERE number = 9", "e9 in event_log contradicts its checksum" },
		{ "UPDATE event_log SET chain_hash = zeroblob(32) WHERE number = 9", "e9 in event_log contradicts" },
		{ "INSERT INTO displaced SELECT 1, * FROM event_log WHERE number = 1", "holds displaced events" },
		{ "UPDATE status SET generation = 0", "the status row of " },
		{ "DROP TABLE staged", "the tables of " },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct specimen specimen = { 0 };
		struct error error = { 0 };
		struct place place;
		sqlite3 *db = NULL;
		char text[512];

		place_make(&place);
		struct eventlog *log = open_log(&place);
		fill(log);
		eventlog_close(log);
		assert_int_equal(database_open(&db, place.path, DATABASE_DURABLE, &error), 0);
		if (database_execute(db, cases[i].sql, &error) < 0)
			fail_msg("%s", error.text);
		database_close(db);

		if (examine(&place, &specimen, text) != FOUND || !strstr(text, cases[i].named))
			fail_msg("%s: found \"%s\", expected \"%s\"", cases[i].sql, text, cases[i].named);
		place_remove(&place);
	}
}

static void a_damaged_row_is_not_given_out(void **state) {
	struct specimen specimen = make_specimen();
	struct eventlog_options options;
	struct eventlog *log = NULL;
	struct event *event = NULL;
	struct error error = { 0 };
	struct place place;

	specimen.wal_bytes = 0;
	place_make(&place);
	options = (struct eventlog_options){ .path = place.path };
	plant(&specimen, "{\"number\":3,");
	lay_out(&place, &specimen);

	assert_int_equal(eventlog_open(&log, &options, &error), 0); /* too far from the end */
	assert_int_equal(eventlog_get(log, synced(3), &event, &error), ERROR_CORRUPT);
	assert_null(event);
	eventlog_close(log);
	place_remove(&place);
	free_specimen(&specimen);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flipped_bit_in_any_block_of_the_file_is_found_or_harmless),
		cmocka_unit_test(a_flipped_bit_in_any_block_of_the_wal_is_found_or_ends_the_log_at_a_commit),
		cmocka_unit_test(a_wal_cut_anywhere_ends_the_log_at_a_commit),
		cmocka_unit_test(a_file_cut_anywhere_is_found),
		cmocka_unit_test(what_is_damaged_is_named),
		cmocka_unit_test(rows_that_contradict_each_other_are_found),
		cmocka_unit_test(a_damaged_row_is_not_given_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
