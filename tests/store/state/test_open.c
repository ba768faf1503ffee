/*
 * Opening: what stands in a file is a state under this very schema, or it is
 * thrown away and made again; nothing in between.
 */

#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char first_text[] =
	"-- store s version 1\n"
	"CREATE TABLE item (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL);\n"
	"-- event added(id INTEGER, name TEXT)\n"
	"INSERT INTO item (id, name) VALUES (:id, :name);\n";
static const char second_text[] =
	"-- store s version 2\n"
	"CREATE TABLE item (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL, extra);\n"
	"-- event added(id INTEGER, name TEXT)\n"
	"INSERT INTO item (id, name) VALUES (:id, :name || '!');\n";

static struct schema *first, *second;

static int load(void **data) {
	first = make_schema(first_text);
	second = make_schema(second_text);
	return 0;
}

static int unload(void **data) {
	first = schema_destroy(first);
	second = schema_destroy(second);
	return 0;
}

static int open_at(struct state **ret, const char *path, const struct schema *schema) {
	struct state_options options = { .path = path, .schema = schema };
	struct error error = { 0 };
	int r = state_open(ret, &options, &error);

	if (r < 0)
		fail_msg("%s", error.text);
	return r;
}

static int open_read_only(struct state **ret, const char *path, const struct schema *schema, struct error *error) {
	struct state_options options = { .path = path, .schema = schema, .read_only = true };

	return state_open(ret, &options, error);
}

static void mark_complete(struct state *state) {
	struct error error = { 0 };

	assert_int_equal(state_begin(state, &error), 0);
	assert_int_equal(state_set_complete(state, true, &error), 0);
	assert_int_equal(state_commit(state, &error), 0);
}

/* A complete state of one event, closed. */
static char *make_file(void) {
	char *path = make_path();
	struct state *state = NULL;

	assert_int_equal(open_at(&state, path, first), STATE_REBUILD);
	assert_false(state_is_complete(state));
	commit_good(state, synced(1), "added", "{\"id\":1,\"name\":\"one\"}");
	mark_complete(state);
	state_close(state);
	return path;
}

static void assert_made_anew(struct state *state) {
	assert_false(state_is_complete(state));
	assert_head(state, POSITION_ROOT);
	assert_dump(state, "");
	commit_good(state, synced(1), "added", "{\"id\":5,\"name\":\"five\"}");
	state_close(state);
}

static void a_complete_state_is_found_again(void **data) {
	char *path = make_file();
	struct state *state = NULL;
	struct stat st;

	assert_int_equal(open_at(&state, path, first), 0);
	assert_true(state_is_complete(state));
	assert_head(state, synced(1));
	assert_dump(state, "item\t1\t\"one\"\n");
	assert_int_equal(undo_to(state, POSITION_ROOT), 0);
	assert_dump(state, "");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	state_close(state);
	remove_path(path);
}

static void an_unfinished_rebuild_begins_again(void **data) {
	char *path = make_path();
	struct state *state = NULL;

	assert_int_equal(open_at(&state, path, first), STATE_REBUILD);
	commit_good(state, synced(1), "added", "{\"id\":1,\"name\":\"one\"}");
	state_close(state);
	assert_int_equal(open_at(&state, path, first), STATE_REBUILD);
	assert_made_anew(state);
	remove_path(path);
}

static void another_schemas_state_is_made_anew(void **data) {
	char *path = make_file();
	struct state *state = NULL;

	assert_int_equal(open_at(&state, path, second), STATE_REBUILD);
	commit_good(state, synced(1), "added", "{\"id\":1,\"name\":\"one\"}");
	assert_dump(state, "item\t1\t\"one!\"\tnull\n");
	state_close(state);
	remove_path(path);
}

static void a_change_of_the_fingerprint_is_seen(void **data) {
	static const char *const changes[] = {
		"UPDATE leaderd_state SET format = format + 1",
		"UPDATE leaderd_state SET format = 0",
		"UPDATE leaderd_state SET sqlite = 'another'",
		"UPDATE leaderd_state SET schema = zeroblob(32)",
		"UPDATE leaderd_state SET head_hash = x'00'",
		"UPDATE leaderd_state SET journal_events = 7",
		"DELETE FROM leaderd_state",
		"DROP TABLE leaderd_state",
		"DROP TABLE item",
		"ALTER TABLE item ADD COLUMN more",
		"ALTER TABLE leaderd_state DROP COLUMN voids",
	};

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		char *path = make_file();
		struct state *state = NULL;
		sqlite3 *db = NULL;

		assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
		assert_int_equal(sqlite3_exec(db, changes[i], NULL, NULL, NULL), SQLITE_OK);
		sqlite3_close(db);
		assert_int_equal(open_at(&state, path, first), STATE_REBUILD);
		assert_made_anew(state);
		remove_path(path);
	}
}

static off_t size_of(const char *path) {
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void a_shortened_file_is_made_anew(void **data) {
	static const off_t sizes[] = { 0, 1, 50, 100, 512, 4095, 4096, 5000, 8192, 12288 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *path = make_file();
		struct state *state = NULL;

		assert_true(sizes[i] < size_of(path));
		assert_int_equal(truncate(path, sizes[i]), 0);
		assert_int_equal(open_at(&state, path, first), STATE_REBUILD);
		assert_made_anew(state);
		remove_path(path);
	}
}

static void garbage_is_made_anew_and_its_side_files_go_with_it(void **data) {
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
	char *path = make_file();
	struct state *state = NULL;

	for (size_t i = 0; i < 4; i++) {
		char file[200], junk[10000];

		snprintf(file, sizeof(file), "%s%s", path, suffixes[i]);
		memset(junk, 'x' + (int)i, sizeof(junk));
		int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

		assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
		close(fd);
	}
	assert_int_equal(open_at(&state, path, first), STATE_REBUILD);
	assert_made_anew(state);
	remove_path(path);
}

static void orphaned_side_files_are_not_taken_for_the_new_states(void **data) {
	char *path = make_file();
	struct state *state = NULL;
	char kept[200], wal[200];

	/* A WAL full of commits whose database is deleted. */
	assert_int_equal(open_at(&state, path, first), 0);
	commit_good(state, synced(2), "added", "{\"id\":2,\"name\":\"two\"}");
	snprintf(wal, sizeof(wal), "%s-wal", path);
	snprintf(kept, sizeof(kept), "%s-kept", path);
	assert_int_equal(link(wal, kept), 0);
	state_close(state);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rename(kept, wal), 0);
	assert_int_equal(open_at(&state, path, first), STATE_REBUILD);
	assert_made_anew(state);
	remove_path(path);
}

/* The wrapped functions are deterministic and SQLite's own date() is not: it must
 * not be in the way when the file is read again. */
static void an_index_on_a_date_is_found_again(void **data) {
	struct schema *dates = make_schema(
		"-- store s version 1\n"
		"CREATE TABLE day (id INTEGER PRIMARY KEY NOT NULL, at TEXT CHECK (date(at) IS NOT NULL));\n"
		"CREATE INDEX by_day ON day (date(at)) WHERE strftime('%Y', at) > '2000';\n"
		"-- event added(id INTEGER, name TEXT)\n"
		"INSERT INTO day (id, at) VALUES (:id, :name);\n");
	char *path = make_path();
	struct state *state = NULL;

	assert_int_equal(open_at(&state, path, dates), STATE_REBUILD);
	commit_good(state, synced(1), "added", "{\"id\":1,\"name\":\"2024-02-29\"}");
	mark_complete(state);
	state_close(state);
	assert_int_equal(open_at(&state, path, dates), 0);
	commit_good(state, synced(2), "added", "{\"id\":2,\"name\":\"2024-03-01\"}");
	assert_int_equal(undo_to(state, POSITION_ROOT), 0);
	state_close(state);
	remove_path(path);
	schema_destroy(dates);
}

static void a_reset_starts_empty_under_another_schema(void **data) {
	char *path = make_file();

	for (int in_memory = 0; in_memory < 2; in_memory++) {
		struct state *state = NULL;
		struct error error = { 0 };

		if (in_memory)
			state = open_memory(first);
		else
			assert_int_equal(open_at(&state, path, first), 0);
		commit_good(state, synced(2), "added", "{\"id\":2,\"name\":\"two\"}");
		assert_int_equal(state_reset(state, second, &error), 0);
		assert_head(state, POSITION_ROOT);
		assert_false(state_is_complete(state));
		assert_int_equal(state_journal_base(state).global, 0);
		commit_good(state, synced(1), "added", "{\"id\":1,\"name\":\"one\"}");
		assert_dump(state, "item\t1\t\"one!\"\tnull\n");
		assert_int_equal(undo_to(state, POSITION_ROOT), 0);
		assert_dump(state, "");
		state_close(state);
	}
	remove_path(path);
}

static void a_tool_reads_beside_the_writer_as_of_one_moment(void **data) {
	char *path = make_file();
	struct state *writer = NULL, *reader = NULL;
	struct error error = { 0 };

	assert_int_equal(open_at(&writer, path, first), 0);
	assert_int_equal(open_read_only(&reader, path, first, &error), 0);
	assert_head(reader, synced(1));
	assert_int_equal(state_begin(reader, &error), 0);
	commit_good(writer, synced(2), "added", "{\"id\":2,\"name\":\"two\"}");
	assert_head(reader, synced(1));
	assert_dump(reader, "item\t1\t\"one\"\n");
	state_rollback(reader);
	assert_int_equal(state_begin(reader, &error), 0);
	assert_head(reader, synced(2));
	assert_dump(reader, "item\t1\t\"one\"\nitem\t2\t\"two\"\n");
	state_rollback(reader);
	assert_int_equal(state_reset(reader, first, &error), ERROR_INVALID);
	state_close(reader);
	state_close(writer);
	remove_path(path);
}

static void a_tool_changes_nothing_and_says_why_it_cannot_read(void **data) {
	char *path = make_file();
	struct state *state = NULL;
	struct error error = { 0 };
	off_t bytes = size_of(path);

	assert_int_equal(open_read_only(&state, path, second, &error), ERROR_VERSION);
	assert_int_equal(open_read_only(&state, NULL, first, &error), ERROR_INVALID);
	assert_int_equal(size_of(path), bytes);
	assert_int_equal(truncate(path, 5000), 0);
	assert_int_equal(open_read_only(&state, path, first, &error), ERROR_CORRUPT);
	assert_int_equal(size_of(path), 5000);
	unlink(path);
	assert_int_equal(open_read_only(&state, path, first, &error), ERROR_NOT_FOUND);
	assert_int_equal(open_at(&state, path, first), STATE_REBUILD);
	state_close(state);
	state = NULL;
	assert_int_equal(open_read_only(&state, path, first, &error), ERROR_BUSY);
	assert_null(state);
	remove_path(path);
}

static void what_the_system_refuses_is_told_and_not_thrown_away(void **data) {
	char *path = make_path();
	struct state_options options = { .path = path, .schema = first };
	struct state *state = NULL;
	struct error error = { 0 };

	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(state_open(&state, &options, &error) < 0);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(symlink("/nowhere/else", path), 0);
	assert_true(state_open(&state, &options, &error) < 0);
	assert_null(state);
	remove_path(path);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_complete_state_is_found_again),
		cmocka_unit_test(an_unfinished_rebuild_begins_again),
		cmocka_unit_test(another_schemas_state_is_made_anew),
		cmocka_unit_test(a_change_of_the_fingerprint_is_seen),
		cmocka_unit_test(a_shortened_file_is_made_anew),
		cmocka_unit_test(garbage_is_made_anew_and_its_side_files_go_with_it),
		cmocka_unit_test(orphaned_side_files_are_not_taken_for_the_new_states),
		cmocka_unit_test(an_index_on_a_date_is_found_again),
		cmocka_unit_test(a_reset_starts_empty_under_another_schema),
		cmocka_unit_test(a_tool_reads_beside_the_writer_as_of_one_moment),
		cmocka_unit_test(a_tool_changes_nothing_and_says_why_it_cannot_read),
		cmocka_unit_test(what_the_system_refuses_is_told_and_not_thrown_away),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
