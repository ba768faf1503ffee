/* The schemas that leaderd brings along do what docs/schema.md says of them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/database.h"
#include "support.h"

#define FACTS 60
#define PERMUTATIONS 40
#define STEPS 400

static const char all_facts[] = "SELECT entity, attribute, value, hlc FROM attribute ORDER BY entity, attribute";

static int commit(sqlite3 *db, const struct schema *schema, const char *name, const char *args, unsigned n) {
	struct event *event = make_event(name, args, 'a', n);
	int rc = materialize(db, schema, event);

	event_destroy(event);
	return rc;
}

static void expect_rows(sqlite3 *db, const char *sql, const char *expected) {
	struct bytes found = { 0 };

	dump(&found, db, sql);
	assert_string_equal((const char *)found.data, expected);
	bytes_finish(&found);
}

static void todos_are_created_renamed_completed_and_deleted(void **state) {
	struct schema *schema = load_shipped("todos.sql");
	sqlite3 *db = open_tables(schema);

	assert_int_equal(commit(db, schema, "todoCreated", "{\"id\":\"x\",\"title\":\"milk\"}", 1), SQLITE_DONE);
	assert_int_equal(commit(db, schema, "todoCreated", "{\"id\":\"y\",\"title\":\"bread\"}", 2), SQLITE_DONE);
	assert_int_equal(commit(db, schema, "todoCreated", "{\"id\":\"x\",\"title\":\"again\"}", 3),
	                 SQLITE_CONSTRAINT_PRIMARYKEY);
	assert_int_equal(commit(db, schema, "todoRenamed", "{\"id\":\"x\",\"title\":\"oat milk\"}", 4), SQLITE_DONE);
	assert_int_equal(commit(db, schema, "todoCompleted", "{\"id\":\"x\"}", 5), SQLITE_DONE);
	assert_int_equal(commit(db, schema, "todoDeleted", "{\"id\":\"y\"}", 6), SQLITE_DONE);
	assert_int_equal(commit(db, schema, "todoCompleted", "{\"id\":\"y\"}", 7), SQLITE_ERROR);
	assert_int_equal(commit(db, schema, "filterChanged", "{\"filter\":\"open\"}", 8), SQLITE_DONE);
	assert_int_equal(commit(db, schema, "filterChanged", "{\"filter\":\"all\"}", 9), SQLITE_DONE);

	expect_rows(db, "SELECT id, title, done FROM todo", "x|oat milk|1\n");
	expect_rows(db, "SELECT session, filter FROM ui", "session-a|all\n");
	assert_int_equal(schema->tables[schema_find_table(schema, "todo")].world, WORLD_SYNCED);
	assert_int_equal(schema->tables[schema_find_table(schema, "ui")].world, WORLD_CLIENT_ONLY);
	database_close(db);
	schema_destroy(schema);
}

static void files_follow_their_history(void **state) {
	static const char added[] = "{\"path\":\"a.c\",\"mode\":\"100644\",\"blob\":\"1\",\"commit\":\"s\"}";
	static const char modified[] = "{\"path\":\"a.c\",\"mode\":\"100755\",\"blob\":\"2\",\"commit\":\"s\"}";
	struct schema *schema = load_shipped("files.sql");
	sqlite3 *db = open_tables(schema);

	assert_int_equal(commit(db, schema, "commitRecorded", "{\"sha\":\"s\",\"time\":1018365246}", 1), SQLITE_DONE);
	assert_int_equal(commit(db, schema, "fileModified", modified, 2), SQLITE_ERROR);
	assert_int_equal(commit(db, schema, "fileAdded", added, 3), SQLITE_DONE);
	assert_int_equal(commit(db, schema, "fileAdded", added, 4), SQLITE_CONSTRAINT_PRIMARYKEY);
	assert_int_equal(commit(db, schema, "fileModified", modified, 5), SQLITE_DONE);
	expect_rows(db, "SELECT path, mode, blob FROM file", "a.c|100755|2\n");
	assert_int_equal(commit(db, schema, "fileDeleted", "{\"path\":\"a.c\",\"commit\":\"s\"}", 6), SQLITE_DONE);
	assert_int_equal(commit(db, schema, "fileDeleted", "{\"path\":\"a.c\",\"commit\":\"s\"}", 7), SQLITE_ERROR);
	expect_rows(db, "SELECT count(*) FROM file", "0\n");
	expect_rows(db, "SELECT sha, time FROM history", "s|1018365246\n");
	database_close(db);
	schema_destroy(schema);
}

static void set_fact(sqlite3 *db, const struct schema *schema, const char *entity, const char *attribute,
                     const char *value, unsigned n) {
	char args[200];

	snprintf(args, sizeof(args), "{\"entity\":\"%s\",\"attribute\":\"%s\",\"value\":\"%s\"}", entity, attribute, value);
	assert_int_equal(commit(db, schema, "attributeSet", args, n), SQLITE_DONE);
}

/* The single query of docs/schema.md. */
static void one_query_gives_all_entities_of_a_type_with_their_attributes(void **state) {
	struct schema *schema = load_shipped("attributes.sql");
	sqlite3 *db = open_tables(schema);

	set_fact(db, schema, "ann", "type", "person", 1);
	set_fact(db, schema, "ann", "name", "Ann", 2);
	set_fact(db, schema, "rex", "type", "dog", 3);
	set_fact(db, schema, "rex", "name", "Rex", 4);
	set_fact(db, schema, "bob", "name", "Bob", 5);
	set_fact(db, schema, "bob", "type", "person", 6);
	set_fact(db, schema, "bob", "name", "Robert", 7);
	set_fact(db, schema, "cat", "type", "person", 8);
	set_fact(db, schema, "cat", "type", "cat", 9);

	expect_rows(db,
	            "SELECT fact.entity, fact.attribute, fact.value"
	            "  FROM attribute AS kind JOIN attribute AS fact USING (entity)"
	            " WHERE kind.attribute = 'type' AND kind.value = 'person'"
	            " ORDER BY fact.entity, fact.attribute",
	            "ann|name|Ann\nann|type|person\nbob|name|Robert\nbob|type|person\n");
	database_close(db);
	schema_destroy(schema);
}

static void shuffle(struct event **events, size_t n, uint64_t *random) {
	for (size_t i = n - 1; i > 0; i--) {
		size_t k = next_random(random) % (i + 1);
		struct event *event = events[i];

		events[i] = events[k];
		events[k] = event;
	}
}

/* Three devices, few entities, clocks that meet: some differ in the device only. */
static void make_facts(struct event **ret, uint64_t *random) {
	for (unsigned i = 0; i < FACTS; i++) {
		char args[200];

		snprintf(args, sizeof(args), "{\"entity\":\"e%u\",\"attribute\":\"a%u\",\"value\":\"v%u\"}",
		         (unsigned)(next_random(random) % 3), (unsigned)(next_random(random) % 3), i);
		ret[i] = make_event("attributeSet", args, (char)('a' + i % 3), i / 3);
	}
}

static void dump_after(struct bytes *ret, const struct schema *schema, struct event *const *events) {
	sqlite3 *db = open_tables(schema);

	for (size_t i = 0; i < FACTS; i++)
		assert_int_equal(materialize(db, schema, events[i]), SQLITE_DONE);
	bytes_clear(ret);
	dump(ret, db, all_facts);
	database_close(db);
}

static void the_state_of_attributes_does_not_depend_on_the_order_of_arrival(void **state) {
	uint64_t random = seed_of_test();
	struct schema *schema = load_shipped("attributes.sql");
	struct event *events[FACTS];
	struct bytes first = { 0 }, other = { 0 };

	make_facts(events, &random);
	dump_after(&first, schema, events);
	for (int i = 0; i < PERMUTATIONS; i++) {
		shuffle(events, FACTS, &random);
		dump_after(&other, schema, events);
		assert_string_equal((const char *)other.data, (const char *)first.data);
	}

	for (size_t i = 0; i < FACTS; i++)
		event_destroy(events[i]);
	bytes_finish(&first);
	bytes_finish(&other);
	schema_destroy(schema);
}

static void make_args(char *ret, size_t n, const struct schema_event *definition, uint64_t *random) {
	sqlite3_snprintf((int)n, ret, "{");
	for (size_t i = 0; i < definition->n_arguments; i++) {
		size_t used = strlen(ret);
		unsigned value = (unsigned)(next_random(random) % 5);

		sqlite3_snprintf((int)(n - used), ret + used,
		                 definition->arguments[i].type == ARGUMENT_TEXT ? "%s\"%s\":\"%u\"" : "%s\"%s\":%u",
		                 i ? "," : "", definition->arguments[i].name, value);
	}
	sqlite3_snprintf((int)(n - strlen(ret)), ret + strlen(ret), "}");
}

static void expect_same_tables(const struct schema *schema, sqlite3 *one, sqlite3 *other) {
	for (size_t i = 0; i < schema->n_tables; i++) {
		struct bytes a = { 0 }, b = { 0 };
		char sql[200];

		sqlite3_snprintf(sizeof(sql), sql, "SELECT * FROM \"%w\" ORDER BY 1, 2", schema->tables[i].name);
		dump(&a, one, sql);
		dump(&b, other, sql);
		assert_string_equal((const char *)a.data, (const char *)b.data);
		bytes_finish(&a);
		bytes_finish(&b);
	}
}

static void expect_same_in_reverse(const char *name, uint64_t *random) {
	struct schema *schema = load_shipped(name);
	sqlite3 *forward = open_tables(schema);
	sqlite3 *reverse = open_tables(schema);
	int n_applied = 0;

	run(reverse, "PRAGMA reverse_unordered_selects = ON");
	for (unsigned i = 0; i < STEPS; i++) {
		const struct schema_event *definition = &schema->events[next_random(random) % schema->n_events];
		char args[300];
		struct event *event;

		make_args(args, sizeof(args), definition, random);
		event = make_event(definition->name, args, 'a', i);
		int rc = materialize(forward, schema, event);

		assert_int_equal(materialize(reverse, schema, event), rc);
		n_applied += rc == SQLITE_DONE;
		event_destroy(event);
	}
	assert_true(n_applied > STEPS / 10);
	expect_same_tables(schema, forward, reverse);
	database_close(forward);
	database_close(reverse);
	schema_destroy(schema);
}

static void no_shipped_schema_depends_on_an_order_it_did_not_ask_for(void **state) {
	uint64_t random = seed_of_test();

	expect_same_in_reverse("todos.sql", &random);
	expect_same_in_reverse("files.sql", &random);
	expect_same_in_reverse("attributes.sql", &random);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(todos_are_created_renamed_completed_and_deleted),
		cmocka_unit_test(files_follow_their_history),
		cmocka_unit_test(one_query_gives_all_entities_of_a_type_with_their_attributes),
		cmocka_unit_test(the_state_of_attributes_does_not_depend_on_the_order_of_arrival),
		cmocka_unit_test(no_shipped_schema_depends_on_an_order_it_did_not_ask_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
