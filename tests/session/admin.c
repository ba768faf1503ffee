/* leaderd/admin.h against the real daemon. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon.h"
#include "scripted_leader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADDED(n) "{\"id\":\"" n "\",\"text\":\"t\"}"
#define PATIENCE_MS 30000

static struct daemon_home home;
static struct lds_session *session;
static struct lda_connection *connection;

static int set_up(void **state) {
	(void)state;
	daemon_home_make(&home);
	session = daemon_session(&home, "mine");
	connection = daemon_connection(&home);
	return 0;
}

static int tear_down(void **state) {
	(void)state;
	lds_close(session);
	lda_close(connection);
	daemon_home_remove(&home);
	return 0;
}

static void expect(int expected, int found) {
	if (found != expected)
		fail_msg("expected %s, found %s: %s", lds_code_name(expected), lds_code_name(found),
		         lda_last_error(connection));
}

static void commit(const char *name, const char *args, struct lds_id *ret_id) {
	assert_true(lds_commit(session, name, args, ret_id) >= 0);
	assert_int_equal(lds_wait(session, NULL, LDS_DURABLE, PATIENCE_MS), 0);
}

static void without_a_leader_there_is_no_connection(void **state) {
	struct lda_options options = { .size = sizeof(options), .socket = "/tmp/leaderd-nobody-listens-here" };
	struct lda_connection *none = NULL;
	char error[256];

	assert_int_equal(lda_open(&none, &options, error, sizeof(error)), LDS_NOT_RUNNING);
	assert_null(none);
	assert_int_equal(lda_store_list(NULL, NULL), LDS_INVALID);
	lda_close(NULL);
}

static void stores_are_created_listed_and_removed(void **state) {
	struct lda_stores *stores;

	expect(LDS_INVALID, lda_store_create(connection, "Bad Name", NOTES_1, NULL, NULL));
	expect(LDS_SCHEMA, lda_store_create(connection, "more", "nothing", "more.sql", NULL));
	assert_non_null(strstr(lda_last_error(connection), "more.sql"));
	expect(0, lda_store_create(connection, "more", NOTES_1, "more.sql", NULL));
	expect(LDS_CONFLICT, lda_store_create(connection, "more", NOTES_1, NULL, NULL));
	expect(0, lda_store_list(connection, &stores));
	assert_int_equal(stores->n, 2);
	assert_string_equal(stores->items[0].name, "more");
	assert_string_equal(stores->items[1].name, "notes");
	assert_string_equal(stores->items[0].schema_name, "notes");
	assert_int_equal(stores->items[0].schema_version, 1);
	assert_int_equal(strlen(stores->items[0].client_id), CLIENT_ID_BYTES);
	lda_stores_free(stores);
	expect(LDS_NOT_FOUND, lda_store_remove(connection, "nowhere", 0));
	commit("noteAdded", ADDED("a"), NULL);
	expect(LDS_CONFLICT, lda_store_remove(connection, "notes", 0));
	expect(0, lda_store_remove(connection, "more", 0));
	expect(0, lda_store_list(connection, &stores));
	assert_int_equal(stores->n, 1);
	lda_stores_free(stores);
	lda_stores_free(NULL);
}

static void the_status_is_told_and_followed(void **state) {
	struct lda_stores *stores;

	expect(0, lda_status(connection, "notes", &stores));
	assert_int_equal(stores->n, 1);
	assert_int_equal(stores->items[0].events, 0);
	assert_int_equal(stores->items[0].sessions, 1);
	assert_false(stores->items[0].has_backend);
	assert_string_equal(stores->items[0].trouble, "");
	lda_stores_free(stores);
	expect(LDS_TIMEOUT, lda_status_next(connection, "notes", 0, &stores));

	commit("noteAdded", ADDED("a"), NULL);
	do {
		expect(0, lda_status_next(connection, "notes", PATIENCE_MS, &stores));
		if (stores->items[0].events == 1)
			break;
		lda_stores_free(stores);
	} while (true);
	assert_int_equal(stores->items[0].head.global, 1);
	assert_true(stores->items[0].group_commits >= 1);
	lda_stores_free(stores);
	expect(LDS_NOT_FOUND, lda_status(connection, "nowhere", &stores));

	/* Another request in between does not lose the followed one. */
	commit("noteAdded", ADDED("b"), NULL);
	expect(0, lda_store_list(connection, &stores));
	lda_stores_free(stores);
	expect(0, lda_status_next(connection, "notes", PATIENCE_MS, &stores));
	assert_int_equal(stores->items[0].events, 2);
	lda_stores_free(stores);
}

static void schemas_are_checked_shown_and_installed(void **state) {
	char error[256], *schema = NULL;

	assert_int_equal(lda_schema_check(NOTES_1, "n.sql", error, sizeof(error)), 0);
	assert_int_equal(lda_schema_check("-- store n version 1\nCREATE TABLE t (a);\n", "n.sql", error, sizeof(error)),
	                 LDS_SCHEMA);
	assert_non_null(strstr(error, "n.sql:2"));
	expect(0, lda_schema_show(connection, "notes", &schema));
	assert_string_equal(schema, NOTES_1);
	free(schema);
	expect(0, lda_schema_install(connection, "notes", NOTES_1, NULL));
	expect(0, lda_schema_install(connection, "notes", NOTES_2, NULL));
	expect(LDS_CONFLICT, lda_schema_install(connection, "notes", NOTES_1, NULL));
	expect(LDS_SCHEMA, lda_schema_install(connection, "notes", "-- store notes version 3\nCREATE", "three.sql"));
	assert_non_null(strstr(lda_last_error(connection), "three.sql"));
	expect(LDS_NOT_FOUND, lda_schema_show(connection, "nowhere", &schema));
}

static void sessions_and_chains_are_listed(void **state) {
	struct lda_sessions *sessions;
	struct lda_events *events;

	commit("noteAdded", ADDED("a"), NULL);
	commit("filterChanged", "{\"filter\":\"x\"}", NULL);
	commit("noteAdded", ADDED("b"), NULL);
	lds_process(session);
	expect(0, lda_sessions_list(connection, "notes", &sessions));
	assert_int_equal(sessions->n, 1);
	assert_string_equal(sessions->items[0].session_id, "mine");
	assert_int_equal(sessions->items[0].process_id, getpid());
	assert_int_equal(sessions->items[0].sent.global, 2);
	lda_sessions_free(sessions);

	expect(0, lda_chain(connection, "notes", 2, &events));
	assert_int_equal(events->n, 2);
	assert_int_equal(events->items[0].position.global, 1);
	assert_int_equal(events->items[0].position.client, 1);
	assert_true(events->items[0].client_only);
	assert_string_equal(events->items[1].args, ADDED("b"));
	assert_false(events->items[1].confirmed);
	lda_events_free(events);
	expect(LDS_INVALID, lda_chain(connection, "notes", 0, &events));
}

/* Makes the leader refuse an event of `other`: it does not read before it commits. */
static void make_refusal(struct lds_session *other, const char *args, struct lds_id *ret_id) {
	commit("noteAdded", args, NULL);
	assert_true(lds_commit(other, "noteAdded", args, ret_id) >= 0);
	assert_int_equal(lds_wait(other, ret_id, LDS_DURABLE, PATIENCE_MS), LDS_REFUSED);
}

static void refused_events_are_listed_retried_and_dropped(void **state) {
	struct lds_session *other = daemon_session(&home, "other");
	struct lda_refusals *refusals;
	struct lds_id first, second, unknown = { { 9 } };
	enum lda_fate fate;
	struct lds_position position;

	make_refusal(other, ADDED("a"), &first);
	make_refusal(other, ADDED("b"), &second);
	expect(0, lda_refused_list(connection, "notes", &refusals));
	assert_int_equal(refusals->n, 2);
	assert_memory_equal(&refusals->items[0].event.id, &first, sizeof(first));
	assert_string_equal(refusals->items[0].event.session_id, "other");
	assert_non_null(strstr(refusals->items[0].reason, "UNIQUE"));
	assert_true(refusals->items[0].ordinal < refusals->items[1].ordinal);
	lda_refusals_free(refusals);

	expect(0, lda_lookup(connection, "notes", &first, &fate, NULL));
	assert_int_equal(fate, LDA_FATE_REFUSED);
	expect(LDS_REFUSED, lda_refused_retry(connection, "notes", &first, 1, 0));
	commit("noteRemoved", "{\"id\":\"a\"}", NULL);
	expect(0, lda_refused_retry(connection, "notes", &first, 1, 0));
	expect(0, lda_refused_drop(connection, "notes", NULL, 0, 1));
	expect(0, lda_refused_list(connection, "notes", &refusals));
	assert_int_equal(refusals->n, 0);
	lda_refusals_free(refusals);
	expect(0, lda_lookup(connection, "notes", &second, &fate, NULL));
	assert_int_equal(fate, LDA_FATE_DROPPED);
	expect(0, lda_lookup(connection, "notes", &unknown, &fate, NULL));
	assert_int_equal(fate, LDA_FATE_UNKNOWN);
	commit("noteAdded", ADDED("c"), &first);
	expect(0, lda_lookup(connection, "notes", &first, &fate, &position));
	assert_int_equal(fate, LDA_FATE_DURABLE);
	assert_int_equal(position.client, 0);
	lds_close(other);
}

static void a_rebuild_leaves_the_state_as_it_was(void **state) {
	commit("noteAdded", ADDED("a"), NULL);
	expect(0, lda_rebuild(connection, "notes", 0));
	commit("noteAdded", ADDED("b"), NULL);
	assert_int_equal(session_count(session, "SELECT count(*) FROM note"), 2);
}

static void a_lost_leader_is_told(void **state) {
	struct lda_stores *stores;

	daemon_end(&home, 9);
	expect(LDS_NOT_RUNNING, lda_store_list(connection, &stores));
	expect(LDS_NOT_RUNNING, lda_store_list(connection, &stores));
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {
		STORY(without_a_leader_there_is_no_connection), STORY(stores_are_created_listed_and_removed),
		STORY(the_status_is_told_and_followed),         STORY(schemas_are_checked_shown_and_installed),
		STORY(sessions_and_chains_are_listed),          STORY(refused_events_are_listed_retried_and_dropped),
		STORY(a_rebuild_leaves_the_state_as_it_was),    STORY(a_lost_leader_is_told),
	};

	if (argc != 2)
		return 2;
	daemon_program = argv[1];
	return cmocka_run_group_tests_name("session/admin", tests, NULL, NULL);
}
