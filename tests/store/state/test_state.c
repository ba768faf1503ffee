/*
 * The state's stories: apply, refuse, undo, void, trim, head, bounds.
 */

#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/state_private.h"

static const char todos[] =
	"-- store todos version 1\n"
	"CREATE TABLE todo (id TEXT PRIMARY KEY NOT NULL, title TEXT NOT NULL UNIQUE, done INTEGER NOT NULL DEFAULT 0) STRICT;\n"
	"CREATE TABLE note (id INTEGER PRIMARY KEY NOT NULL, todo TEXT NOT NULL REFERENCES todo (id) ON DELETE CASCADE\n"
	"  ON UPDATE CASCADE, body) ;\n"
	"CREATE TABLE ui (session TEXT PRIMARY KEY NOT NULL, filter TEXT NOT NULL) STRICT;\n"
	"-- event todoCreated@1(text TEXT) becomes todoCreated: SELECT 'old' AS id, :text AS title\n"
	"-- event todoCreated@2(id TEXT, title TEXT)\n"
	"INSERT INTO todo (id, title) VALUES (:id, :title);\n"
	"-- event todoCompleted(id TEXT)\n"
	"SELECT refuse('no such todo') WHERE NOT EXISTS (SELECT 1 FROM todo WHERE id = :id);\n"
	"UPDATE todo SET done = 1 WHERE id = :id;\n"
	"-- event todoMoved(id TEXT, to TEXT)\n"
	"UPDATE todo SET id = :to WHERE id = :id;\n"
	"-- event renamed(id TEXT, title TEXT)\n"
	"UPDATE todo SET title = :title WHERE id = :id;\n"
	"-- event todoDeleted(id TEXT)\n"
	"DELETE FROM todo WHERE id = :id;\n"
	"-- event noted(todo TEXT, body TEXT)\n"
	"INSERT INTO note (todo, body) VALUES (:todo, :body);\n"
	"-- event notesDoubled()\n"
	"INSERT INTO note (todo, body) SELECT todo, body FROM note;\n"
	"-- event half(id TEXT)\n"
	"INSERT INTO todo (id, title) VALUES (:id, :id);\n"
	"SELECT refuse('in the middle');\n"
	"-- event parsed(text TEXT)\n"
	"SELECT json_extract(:text, '$.a');\n"
	"-- event summed(n INTEGER)\n"
	"SELECT sum(column1) FROM (VALUES (9223372036854775807), (:n));\n"
	"-- event endless()\n"
	"SELECT count(*) FROM note a, note b, note c, note d, note e, note f, note g;\n"
	"-- event filterChanged(filter TEXT) client-only\n"
	"INSERT INTO ui (session, filter) VALUES (:session_id, :filter)\n"
	"  ON CONFLICT (session) DO UPDATE SET filter = excluded.filter;\n";

static struct schema *schema;

static int load(void **data) {
	schema = make_schema(todos);
	return 0;
}

static int unload(void **data) {
	schema = schema_destroy(schema);
	return 0;
}

/* Version 2 is the one that the stories use. */
static int create(struct state *state, struct position at, const char *args, struct error *error) {
	struct event *event = make_event(at, "todoCreated", args);
	int r;

	event->version = 2;
	assert_int_equal(state_begin(state, error), 0);
	r = state_apply(state, &event, 1, error);
	if (r >= 0)
		assert_int_equal(state_commit(state, error), 0);
	event_destroy(event);
	return r;
}

static void create_good(struct state *state, struct position at, const char *args) {
	struct error error = { 0 };

	if (create(state, at, args, &error) != 0)
		fail_msg("%s", error.text);
}

static void an_event_becomes_rows_and_moves_the_head(void **data) {
	struct state *state = open_memory(schema);

	create_good(state, synced(1), "{\"id\":\"a\",\"title\":\"milk\"}");
	commit_good(state, synced(2), "todoCompleted", "{\"id\":\"a\"}");
	assert_dump(state, "todo\t\"a\"\t\"milk\"\t1\n");
	assert_head(state, synced(2));
	state_close(state);
}

static void a_refused_event_leaves_no_trace(void **data) {
	struct state *state = open_memory(schema);
	struct error error = { 0 };

	create_good(state, synced(1), "{\"id\":\"a\",\"title\":\"milk\"}");
	char *before = deep_dump_of(state);

	assert_int_equal(commit_event(state, synced(2), "todoCompleted", "{\"id\":\"b\"}", &error), STATE_REFUSED);
	assert_int_equal(error.code, ERROR_REFUSED);
	assert_string_equal(error.text, "todoCompleted: no such todo");
	assert_int_equal(commit_event(state, synced(2), "half", "{\"id\":\"b\"}", &error), STATE_REFUSED);
	assert_string_equal(error.text, "half: in the middle");
	assert_int_equal(create(state, synced(2), "{\"id\":\"b\",\"title\":\"milk\"}", &error), STATE_REFUSED);
	assert_string_equal(error.text, "todoCreated: UNIQUE constraint failed: todo.title");

	char *after = deep_dump_of(state);

	assert_string_equal(before, after);
	assert_head(state, synced(1));
	assert_int_equal(query_number(state, "SELECT count(*) FROM leaderd_journal"), 1);
	free(before);
	free(after);
	state_close(state);
}

static void what_is_the_events_own_fault_refuses_it(void **data) {
	static const struct {
		const char *name, *args, *text;
	} cases[] = {
		{ "unknown", "{}", "unknown@1: this schema has no such event" },
		{ "parsed", "{\"text\":\"{\"}", "parsed: malformed JSON" },
		{ "summed", "{\"n\":1}", "summed: integer overflow" },
		{ "filterChanged", "{\"filter\":\"x\"}",
		  "filterChanged: this schema has it as client-only, its place is a synced one" },
	};
	struct state *state = open_memory(schema);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error error = { 0 };

		assert_int_equal(commit_event(state, synced(1), cases[i].name, cases[i].args, &error), STATE_REFUSED);
		assert_string_equal(error.text, cases[i].text);
		assert_int_equal(error.code, ERROR_REFUSED);
	}
	struct error error = { 0 };

	assert_int_equal(commit_event(state, synced(1), "todoCompleted", "{\"id\":7}", &error), STATE_REFUSED);
	assert_int_equal(error.code, ERROR_REFUSED);
	assert_int_equal(commit_event(state, client_only(0, 1), "todoDeleted", "{\"id\":\"a\"}", &error), STATE_REFUSED);
	assert_string_equal(error.text, "todoDeleted: this schema has it as synced, its place is a client-only one");
	assert_head(state, POSITION_ROOT);
	state_close(state);
}

static void an_old_version_is_lifted_before_it_is_materialized(void **data) {
	struct state *state = open_memory(schema);

	commit_good(state, synced(1), "todoCreated", "{\"text\":\"milk \\\"\\u00e4\\\"\"}");
	assert_dump(state, "todo\t\"old\"\t\"milk \\\"\u00e4\\\"\"\t0\n");
	state_close(state);
}

static void a_unit_is_refused_whole_and_says_which_event_it_was(void **data) {
	struct state *state = open_memory(schema);
	struct event *unit[] = {
		make_event(synced(1), "half", "{\"id\":\"x\"}"),
		make_event(synced(2), "todoCompleted", "{\"id\":\"x\"}"),
	};
	struct event *good = make_event(synced(1), "todoCreated", "{\"text\":\"t\"}");
	struct event *mixed[] = { good, unit[1] };
	struct error error = { 0 };

	assert_int_equal(state_begin(state, &error), 0);
	assert_int_equal(state_apply(state, unit, 2, &error), STATE_REFUSED);
	assert_string_equal(error.text, "event 1 of the unit: half: in the middle");
	assert_int_equal(state_apply(state, mixed, 2, &error), STATE_REFUSED);
	assert_string_equal(error.text, "event 2 of the unit: todoCompleted: no such todo");
	assert_int_equal(good->digest, 0);
	/* The transaction is still open, and what comes next is not harmed. */
	assert_int_equal(state_apply(state, &good, 1, &error), 0);
	assert_true(good->digest != 0);
	assert_int_equal(state_commit(state, &error), 0);
	assert_dump(state, "todo\t\"old\"\t\"t\"\t0\n");
	for (size_t i = 0; i < 2; i++)
		event_destroy(unit[i]);
	event_destroy(good);
	state_close(state);
}

static void cascades_are_undone_row_by_row(void **data) {
	struct state *state = open_memory(schema);

	create_good(state, synced(1), "{\"id\":\"a\",\"title\":\"milk\"}");
	commit_good(state, synced(2), "noted", "{\"todo\":\"a\",\"body\":\"one\"}");
	commit_good(state, synced(3), "noted", "{\"todo\":\"a\",\"body\":\"two\"}");
	char *before = deep_dump_of(state);

	commit_good(state, synced(4), "todoMoved", "{\"id\":\"a\",\"to\":\"b\"}");
	assert_int_equal(query_number(state, "SELECT count(*) FROM note WHERE todo = 'b'"), 2);
	commit_good(state, synced(5), "todoDeleted", "{\"id\":\"b\"}");
	assert_dump(state, "");
	assert_int_equal(undo_to(state, synced(3)), 0);
	char *after = deep_dump_of(state);

	assert_string_equal(before, after);
	assert_head(state, synced(3));
	assert_sound(state);
	/* Foreign keys are on again. */
	struct error error = { 0 };

	assert_int_equal(commit_event(state, synced(4), "noted", "{\"todo\":\"none\",\"body\":\"x\"}", &error), STATE_REFUSED);
	free(before);
	free(after);
	state_close(state);
}

/* SQLite copies tables of one shape page by page and empties a table in one go,
 * but not where a hook looks on. */
static void whole_tables_are_copied_and_emptied_row_by_row(void **data) {
	struct schema *bulk = make_schema(
		"-- store s version 1\n"
		"CREATE TABLE a (k TEXT PRIMARY KEY NOT NULL, v) WITHOUT ROWID;\n"
		"CREATE TABLE b (k TEXT PRIMARY KEY NOT NULL, v) WITHOUT ROWID;\n"
		"CREATE TABLE c (k INTEGER PRIMARY KEY NOT NULL, v);\n"
		"CREATE TABLE d (k INTEGER PRIMARY KEY NOT NULL, v);\n"
		"-- event added(k INTEGER)\n"
		"INSERT INTO a VALUES (:k, :k);\n"
		"INSERT INTO c VALUES (:k, :k);\n"
		"-- event copied()\n"
		"INSERT INTO b SELECT * FROM a;\n"
		"INSERT INTO d SELECT * FROM c;\n"
		"-- event emptied()\n"
		"DELETE FROM a;\nDELETE FROM b;\nDELETE FROM c;\nDELETE FROM d;\n");
	struct state *state = open_memory(bulk);

	commit_good(state, synced(1), "added", "{\"k\":1}");
	commit_good(state, synced(2), "added", "{\"k\":-2}");
	char *before = deep_dump_of(state);

	commit_good(state, synced(3), "copied", "{}");
	assert_int_equal(query_number(state, "SELECT (SELECT count(*) FROM b) + (SELECT count(*) FROM d)"), 4);
	commit_good(state, synced(4), "emptied", "{}");
	assert_dump(state, "");
	assert_int_equal(undo_to(state, synced(2)), 0);
	char *after = deep_dump_of(state);

	assert_string_equal(before, after);
	free(before);
	free(after);
	state_close(state);
	schema_destroy(bulk);
}

static void undo_gives_back_head_hash_and_journal(void **data) {
	struct state *state = open_memory(schema);
	struct state_head first, back;

	create_good(state, synced(1), "{\"id\":\"a\",\"title\":\"milk\"}");
	state_head(state, &first);
	commit_good(state, client_only(1, 1), "filterChanged", "{\"filter\":\"all\"}");
	commit_good(state, synced(2), "todoCompleted", "{\"id\":\"a\"}");
	assert_int_equal(undo_to(state, synced(1)), 0);
	state_head(state, &back);
	assert_memory_equal(&first, &back, sizeof(first));
	assert_int_equal(undo_to(state, synced(1)), 0);
	assert_int_equal(undo_to(state, POSITION_ROOT), 0);
	assert_head(state, POSITION_ROOT);
	assert_dump(state, "");
	assert_int_equal(query_number(state, "SELECT count(*) FROM leaderd_journal"), 0);
	state_close(state);
}

static void undo_stops_at_the_journals_base(void **data) {
	struct state *state = open_memory(schema);
	struct error error = { 0 };

	create_good(state, synced(1), "{\"id\":\"a\",\"title\":\"1\"}");
	create_good(state, synced(2), "{\"id\":\"b\",\"title\":\"2\"}");
	create_good(state, synced(3), "{\"id\":\"c\",\"title\":\"3\"}");
	assert_int_equal(state_begin(state, &error), 0);
	assert_int_equal(state_trim(state, synced(2), &error), 0);
	assert_int_equal(state_commit(state, &error), 0);
	assert_true(position_equal(state_journal_base(state), synced(2)));
	assert_int_equal(undo_to(state, synced(1)), STATE_BEYOND_JOURNAL);
	assert_head(state, synced(3));
	assert_int_equal(undo_to(state, synced(2)), 0);
	assert_head(state, synced(2));
	assert_dump(state, "todo\t\"a\"\t\"1\"\t0\ntodo\t\"b\"\t\"2\"\t0\n");
	state_close(state);
}

static void a_rolled_back_transaction_has_not_happened(void **data) {
	struct state *state = open_memory(schema);
	struct event *event = make_event(synced(2), "todoDeleted", "{\"id\":\"a\"}");
	struct error error = { 0 };

	create_good(state, synced(1), "{\"id\":\"a\",\"title\":\"1\"}");
	char *before = deep_dump_of(state);

	assert_int_equal(state_begin(state, &error), 0);
	assert_int_equal(state_apply(state, &event, 1, &error), 0);
	assert_int_equal(state_undo(state, POSITION_ROOT, &error), 0);
	state_rollback(state);
	state_rollback(state);
	char *after = deep_dump_of(state);

	assert_string_equal(before, after);
	assert_head(state, synced(1));
	assert_int_equal(undo_to(state, POSITION_ROOT), 0);
	event_destroy(event);
	free(before);
	free(after);
	state_close(state);
}

static void a_void_is_counted_and_taken_back(void **data) {
	struct state *state = open_memory(schema);
	struct event *event = make_event(synced(2), "strange", "{}");
	struct error error = { 0 };

	create_good(state, synced(1), "{\"id\":\"a\",\"title\":\"1\"}");
	assert_int_equal(state_begin(state, &error), 0);
	assert_int_equal(state_skip(state, event, "this schema has no such event", &error), 0);
	assert_int_equal(state_commit(state, &error), 0);
	assert_int_equal(state_voids(state), 1);
	assert_head(state, synced(2));
	assert_int_equal(query_number(state, "SELECT global FROM leaderd_void"), 2);
	create_good(state, synced(3), "{\"id\":\"b\",\"title\":\"2\"}");
	assert_int_equal(undo_to(state, synced(2)), 0);
	assert_int_equal(state_voids(state), 1);
	assert_int_equal(undo_to(state, synced(1)), 0);
	assert_int_equal(state_voids(state), 0);
	assert_int_equal(query_number(state, "SELECT count(*) FROM leaderd_void"), 0);
	event_destroy(event);
	state_close(state);
}

static void an_event_before_the_head_is_refused_as_a_mistake(void **data) {
	struct state *state = open_memory(schema);
	struct error error = { 0 };

	create_good(state, synced(2), "{\"id\":\"a\",\"title\":\"1\"}");
	assert_int_equal(create(state, synced(2), "{\"id\":\"b\",\"title\":\"2\"}", &error), ERROR_INVALID);
	assert_int_equal(state_begin(state, &error), 0); /* that transaction is over */
	state_rollback(state);
	state_close(state);
}

static void the_head_learns_its_hash_when_a_pending_event_is_confirmed(void **data) {
	struct state *state = open_memory(schema);
	struct state_head head, row;
	struct error error = { 0 };

	create_good(state, synced(1), "{\"id\":\"a\",\"title\":\"1\"}");
	create_good(state, synced(2), "{\"id\":\"b\",\"title\":\"2\"}");
	state_head(state, &head);
	head.generation = 9;
	memset(head.local_hash.bytes, 0x5a, sizeof(head.local_hash.bytes));
	assert_int_equal(state_begin(state, &error), 0);
	assert_int_equal(state_set_head(state, &head, &error), 0);
	assert_int_equal(state_commit(state, &error), 0);
	assert_true(state_journal_row(state, synced(7), &row));
	assert_memory_equal(&row, &head, sizeof(row));

	/* An older one too, and the head stays where it is. */
	assert_true(state_journal_row(state, synced(1), &row));
	row.generation = 9;
	assert_int_equal(state_begin(state, &error), 0);
	assert_int_equal(state_set_head(state, &row, &error), 0);
	assert_int_equal(state_commit(state, &error), 0);
	assert_head(state, synced(2));
	assert_int_equal(undo_to(state, synced(1)), 0);
	state_head(state, &head);
	assert_memory_equal(&row, &head, sizeof(row));

	/* Another event's id at that place is a mistake. */
	head.id.bytes[0] ^= 1;
	assert_int_equal(state_begin(state, &error), 0);
	assert_int_equal(state_set_head(state, &head, &error), ERROR_INVALID);
	state_close(state);
}

static void the_journals_row_at_or_before_a_position_is_found(void **data) {
	struct state *state = open_memory(schema);
	struct state_head row;
	struct error error = { 0 };
	char args[64];

	for (unsigned i = 1; i <= 20; i++) {
		snprintf(args, sizeof(args), "{\"id\":\"%u\",\"title\":\"%u\"}", i, i);
		create_good(state, synced(i * 2), args);
	}
	for (unsigned i = 1; i <= 20; i++) {
		assert_true(state_journal_row(state, synced(i * 2), &row));
		assert_int_equal(row.at.global, i * 2);
		assert_true(state_journal_row(state, client_only(i * 2, 3), &row));
		assert_int_equal(row.at.global, i * 2);
		assert_true(state_journal_row(state, synced(i * 2 + 1), &row));
		assert_int_equal(row.at.global, i * 2);
	}
	assert_true(state_journal_row(state, synced(1), &row));
	assert_true(position_is_root(row.at));
	assert_int_equal(state_begin(state, &error), 0);
	assert_int_equal(state_trim(state, synced(11), &error), 0);
	assert_int_equal(state_commit(state, &error), 0);
	assert_true(state_journal_row(state, synced(11), &row));
	assert_int_equal(row.at.global, 10);
	assert_false(state_journal_row(state, synced(9), &row));
	/* A place without an event: undone down to the newest one before it. */
	assert_int_equal(undo_to(state, synced(15)), 0);
	assert_head(state, synced(14));
	state_close(state);
}

static void the_journal_is_bounded_by_number_and_bytes(void **data) {
	struct state *state = open_memory(schema);
	char args[64];

	state->journal_events_max = 3;
	for (unsigned i = 1; i <= 5; i++) {
		snprintf(args, sizeof(args), "{\"id\":\"%u\",\"title\":\"%u\"}", i, i);
		create_good(state, synced(i), args);
	}
	assert_int_equal(query_number(state, "SELECT count(*) FROM leaderd_journal"), 3);
	assert_int_equal(state_journal_base(state).global, 2);
	state->journal_bytes_max = (uint64_t)query_number(state, "SELECT sum(length(images)) FROM leaderd_journal") - 1;
	create_good(state, synced(6), "{\"id\":\"6\",\"title\":\"6\"}");
	assert_int_equal(state_journal_base(state).global, 4);
	assert_int_equal(undo_to(state, synced(4)), 0);
	assert_int_equal(query_number(state, "SELECT count(*) FROM todo"), 4);
	state_close(state);
}

static void an_event_whose_images_are_too_large_becomes_the_base(void **data) {
	struct state *state = open_memory(schema);

	create_good(state, synced(1), "{\"id\":\"a\",\"title\":\"1\"}");
	commit_good(state, synced(2), "noted", "{\"todo\":\"a\",\"body\":\"a long body it is\"}");
	for (unsigned i = 3; i <= 6; i++)
		commit_good(state, synced(i), "notesDoubled", "{}");
	state->capture.bytes_max = 100;
	commit_good(state, synced(7), "todoDeleted", "{\"id\":\"a\"}");
	assert_dump(state, "");
	assert_int_equal(state_journal_base(state).global, 7);
	assert_int_equal(undo_to(state, synced(6)), STATE_BEYOND_JOURNAL);
	create_good(state, synced(8), "{\"id\":\"a\",\"title\":\"1\"}");
	assert_int_equal(undo_to(state, synced(7)), 0);
	assert_dump(state, "");
	state_close(state);
}

static void a_statement_over_its_budget_holds_the_store(void **data) {
	struct state *state = open_memory(schema);
	struct error error = { 0 };

	create_good(state, synced(1), "{\"id\":\"a\",\"title\":\"1\"}");
	commit_good(state, synced(2), "noted", "{\"todo\":\"a\",\"body\":\"b\"}");
	for (unsigned i = 3; i <= 9; i++)
		commit_good(state, synced(i), "notesDoubled", "{}");
	char *before = deep_dump_of(state);

	state->statement_looks_max = 10;
	assert_int_equal(commit_event(state, synced(10), "endless", "{}", &error), ERROR_HOLD);
	assert_non_null(strstr(error.text, "took more than 1000000 steps"));
	assert_head(state, synced(9));
	char *after = deep_dump_of(state);

	assert_string_equal(before, after);
	/* The budget is each statement's own. */
	for (unsigned i = 10; i <= 13; i++)
		commit_good(state, synced(i), "todoCompleted", "{\"id\":\"a\"}");
	free(before);
	free(after);
	state_close(state);
}

/* The digest of one event on a state that holds todo a, taken back at once. */
static uint64_t digest_of(struct state *state, const char *name, const char *args) {
	struct event *event = make_event(synced(2), name, args);
	struct error error = { 0 };
	uint64_t digest;

	assert_int_equal(state_begin(state, &error), 0);
	assert_int_equal(state_apply(state, &event, 1, &error), 0);
	state_rollback(state);
	digest = event->digest;
	event_destroy(event);
	return digest;
}

static void the_same_change_has_the_same_digest_and_another_another(void **data) {
	static const char *const cases[][2] = {
		{ "noted", "{\"todo\":\"a\",\"body\":\"1\"}" }, { "noted", "{\"todo\":\"a\",\"body\":\"2\"}" },
		{ "todoMoved", "{\"id\":\"a\",\"to\":\"b\"}" }, { "todoMoved", "{\"id\":\"a\",\"to\":\"c\"}" },
		{ "todoMoved", "{\"id\":\"none\",\"to\":\"c\"}" }, { "renamed", "{\"id\":\"a\",\"title\":\"x\"}" },
		{ "renamed", "{\"id\":\"a\",\"title\":\"y\"}" }, { "todoDeleted", "{\"id\":\"a\"}" },
	};
	struct state *one = open_memory(schema), *two = open_memory(schema);
	uint64_t digests[8];

	create_good(one, synced(1), "{\"id\":\"a\",\"title\":\"1\"}");
	create_good(two, synced(1), "{\"id\":\"a\",\"title\":\"1\"}");
	for (size_t i = 0; i < 8; i++) {
		digests[i] = digest_of(one, cases[i][0], cases[i][1]);
		assert_true(digests[i] != 0);
		assert_true(digests[i] == digest_of(two, cases[i][0], cases[i][1]));
		for (size_t j = 0; j < i; j++)
			assert_true(digests[i] != digests[j]);
	}
	state_close(one);
	state_close(two);
}

static void count_change(int table, void *data) {
	((unsigned *)data)[table]++;
}

static void every_changed_row_is_told_in_undo_too(void **data) {
	unsigned changes[3] = { 0 };
	struct state_options options = { .schema = schema, .on_change = count_change, .on_change_data = changes };
	struct state *state = NULL;
	struct error error = { 0 };
	int note = schema_find_table(schema, "note"), todo = schema_find_table(schema, "todo");

	assert_int_equal(state_open(&state, &options, &error), 0);
	create_good(state, synced(1), "{\"id\":\"a\",\"title\":\"1\"}");
	commit_good(state, synced(2), "noted", "{\"todo\":\"a\",\"body\":\"b\"}");
	commit_good(state, synced(3), "todoDeleted", "{\"id\":\"a\"}");
	assert_int_equal(changes[todo], 2);
	assert_int_equal(changes[note], 2);
	assert_int_equal(undo_to(state, synced(2)), 0);
	assert_int_equal(changes[todo], 3);
	assert_int_equal(changes[note], 3);
	state_close(state);
}

/* A full disk ends SQLite's transaction by itself. */
static void a_full_disk_leaves_the_state_as_it_was(void **data) {
	struct state *state = open_memory(schema);
	struct error error = { 0 };
	char sql[64], *args = NULL;
	int r;

	create_good(state, synced(1), "{\"id\":\"a\",\"title\":\"1\"}");
	commit_good(state, synced(2), "noted", "{\"todo\":\"a\",\"body\":\"b\"}");
	char *before = deep_dump_of(state);

	snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %lld", (long long)query_number(state, "PRAGMA page_count") + 3);
	query_number(state, sql);
	assert_true(asprintf(&args, "{\"todo\":\"a\",\"body\":\"%030000d\"}", 7) > 0);
	r = commit_event(state, synced(3), "noted", args, &error);
	assert_int_equal(r, ERROR_FULL);
	assert_int_equal(error.code, ERROR_FULL);
	assert_head(state, synced(2));
	char *after = deep_dump_of(state);

	assert_string_equal(before, after);
	query_number(state, "PRAGMA max_page_count = 100000");
	commit_good(state, synced(3), "noted", args);
	assert_int_equal(undo_to(state, POSITION_ROOT), 0);
	assert_dump(state, "");
	free(args);
	free(before);
	free(after);
	state_close(state);
}

static void interrupt(int table, void *data) {
	if (*(struct state **)data)
		sqlite3_interrupt(state_database(*(struct state **)data));
}

static void an_interrupt_is_no_refusal(void **data) {
	struct state *state = NULL, *interrupted = NULL;
	struct state_options options = { .schema = schema, .on_change = interrupt, .on_change_data = &interrupted };
	struct error error = { 0 };

	assert_int_equal(state_open(&state, &options, &error), 0);
	create_good(state, synced(1), "{\"id\":\"a\",\"title\":\"1\"}");
	for (unsigned i = 2; i <= 4; i++)
		commit_good(state, synced(i), i == 2 ? "noted" : "notesDoubled", i == 2 ? "{\"todo\":\"a\",\"body\":\"b\"}" : "{}");
	interrupted = state;
	assert_int_equal(commit_event(state, synced(5), "notesDoubled", "{}", &error), ERROR_BUSY);
	interrupted = NULL;
	assert_head(state, synced(4));
	assert_int_equal(query_number(state, "SELECT count(*) FROM note"), 4);
	commit_good(state, synced(5), "notesDoubled", "{}");
	assert_int_equal(undo_to(state, synced(1)), 0);
	state_close(state);
}

static void a_row_that_the_journal_does_not_explain_is_corruption(void **data) {
	struct state *state = open_memory(schema);
	struct error error = { 0 };

	create_good(state, synced(1), "{\"id\":\"a\",\"title\":\"1\"}");
	commit_good(state, synced(2), "todoCompleted", "{\"id\":\"a\"}");
	assert_int_equal(sqlite3_exec(state_database(state), "DELETE FROM todo", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(state_begin(state, &error), 0);
	assert_int_equal(state_undo(state, synced(1), &error), ERROR_CORRUPT);
	assert_non_null(strstr(error.text, "unexplained"));
	assert_head(state, synced(2));
	state_close(state);
}

static void damaged_images_are_corruption_and_nothing_worse(void **data) {
	static const char *const damages[] = {
		"x'00'", "x'ffffffff'", "x'0100000000'", "x'01ff01ff02000000'", "zeroblob(40)", "x'020103000000'",
		"x'0301000003000000'", "substr(images, 2)", "substr(images, 1, length(images) - 1)", "images || x'00'",
		"substr(images, 1, 3) || x'ff' || substr(images, 5)",
	};

	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		struct state *state = open_memory(schema);
		struct error error = { 0 };
		char sql[200];

		create_good(state, synced(1), "{\"id\":\"a\",\"title\":\"1\"}");
		commit_good(state, synced(2), "todoCompleted", "{\"id\":\"a\"}");
		snprintf(sql, sizeof(sql), "UPDATE leaderd_journal SET images = CAST(%s AS BLOB) WHERE ordinal = 2", damages[i]);
		assert_int_equal(sqlite3_exec(state_database(state), sql, NULL, NULL, NULL), SQLITE_OK);
		assert_int_equal(state_begin(state, &error), 0);
		assert_int_equal(state_undo(state, synced(1), &error), ERROR_CORRUPT);
		assert_head(state, synced(2));
		state_close(state);
	}
}

static void one_durable_event_costs_few_pages(void **data) {
	char *path = make_path();
	struct state_options options = { .path = path, .schema = schema };
	struct state *state = NULL;
	struct error error = { 0 };
	int frames, checkpointed;

	assert_int_equal(state_open(&state, &options, &error), STATE_REBUILD);
	create_good(state, synced(1), "{\"id\":\"a\",\"title\":\"1\"}");
	assert_int_equal(sqlite3_wal_checkpoint_v2(state_database(state), NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL),
	                 SQLITE_OK);
	create_good(state, synced(2), "{\"id\":\"b\",\"title\":\"2\"}");
	assert_int_equal(sqlite3_wal_checkpoint_v2(state_database(state), NULL, SQLITE_CHECKPOINT_PASSIVE, &frames,
	                                           &checkpointed), SQLITE_OK);
	/* The table, its two indexes, the journal, the head. */
	assert_in_range(frames, 1, 5);
	state_close(state);
	remove_path(path);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_becomes_rows_and_moves_the_head),
		cmocka_unit_test(a_refused_event_leaves_no_trace),
		cmocka_unit_test(what_is_the_events_own_fault_refuses_it),
		cmocka_unit_test(an_old_version_is_lifted_before_it_is_materialized),
		cmocka_unit_test(a_unit_is_refused_whole_and_says_which_event_it_was),
		cmocka_unit_test(cascades_are_undone_row_by_row),
		cmocka_unit_test(whole_tables_are_copied_and_emptied_row_by_row),
		cmocka_unit_test(undo_gives_back_head_hash_and_journal),
		cmocka_unit_test(undo_stops_at_the_journals_base),
		cmocka_unit_test(a_rolled_back_transaction_has_not_happened),
		cmocka_unit_test(a_void_is_counted_and_taken_back),
		cmocka_unit_test(an_event_before_the_head_is_refused_as_a_mistake),
		cmocka_unit_test(the_head_learns_its_hash_when_a_pending_event_is_confirmed),
		cmocka_unit_test(the_journals_row_at_or_before_a_position_is_found),
		cmocka_unit_test(the_journal_is_bounded_by_number_and_bytes),
		cmocka_unit_test(an_event_whose_images_are_too_large_becomes_the_base),
		cmocka_unit_test(a_statement_over_its_budget_holds_the_store),
		cmocka_unit_test(the_same_change_has_the_same_digest_and_another_another),
		cmocka_unit_test(every_changed_row_is_told_in_undo_too),
		cmocka_unit_test(a_full_disk_leaves_the_state_as_it_was),
		cmocka_unit_test(an_interrupt_is_no_refusal),
		cmocka_unit_test(a_row_that_the_journal_does_not_explain_is_corruption),
		cmocka_unit_test(damaged_images_are_corruption_and_nothing_worse),
		cmocka_unit_test(one_durable_event_costs_few_pages),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
