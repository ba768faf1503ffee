/* Trouble: the environment fails, nothing is lost, and it goes on by itself. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tests/socket/raw_client.h"
#include "tests/socket/raw_daemon.h"
#include "tests/socket/raw_faults.h"

static struct raw_faults *faults;

static int start(void **state) {
	faults = raw_faults();
	return raw_daemon_setup(state);
}

static void fill_disk(bool full) {
	faults->write_errno = full ? ENOSPC : 0;
}

static void on_a_full_disk_sessions_hear_of_it_and_nothing_is_lost(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client, other;

	raw_open(&client, daemon->socket, "a1");
	raw_open(&other, daemon->socket, "a2");
	raw_push(&client, raw_note(&client, 1));
	raw_take(&client, 1, 0);
	fill_disk(true);
	raw_push(&client, raw_note(&client, 2));
	raw_push(&other, raw_note(&other, 3));
	raw_take_trouble(&client, ERROR_FULL);
	raw_take_trouble(&other, ERROR_FULL);
	assert_int_equal(client.n_events, 1);

	fill_disk(false);
	raw_take_trouble(&client, 0);
	raw_take_until(&client, 3);
	assert_int_equal(client.n_events, 3);
	assert_int_equal(client.n_short, 2);
	raw_take_until(&other, 3);
	assert_memory_equal(&client.last_hash, &other.last_hash, sizeof(client.last_hash));
	raw_close(&client);
	raw_close(&other);
}

static void a_full_disk_is_no_failure_of_what_needs_no_writing(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__Request request = LEADERD__REQUEST__INIT;
	struct raw_client client;

	raw_open(&client, daemon->socket, "a1");
	raw_push(&client, raw_note(&client, 1));
	raw_take(&client, 1, 0);
	fill_disk(true);
	raw_push(&client, raw_note(&client, 2));
	raw_take_trouble(&client, ERROR_FULL);
	request.operation = LEADERD__OPERATION__CHAIN;
	request.store = (char *)"notes";
	const Leaderd__Response *response = raw_request(&client, &request);
	assert_int_equal(response->code, 0);
	assert_int_equal(response->n_events, 1);
	fill_disk(false);
	raw_take_until(&client, 2);
	raw_close(&client);
}

static void a_unit_that_waited_is_recognised_when_it_is_sent_again(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client, back;
	Leaderd__Hello hello;
	struct event_id id;

	raw_open(&client, daemon->socket, "a1");
	raw_push(&client, raw_note(&client, 1));
	raw_take(&client, 1, 0);
	fill_disk(true);
	struct event *event = raw_note(&client, 2);
	raw_push_events(&client, &event, 1);
	raw_take_trouble(&client, ERROR_FULL);
	raw_close(&client);

	/* The same incarnation comes back; nobody knows its pending event yet. */
	raw_event_id(&id, 2);
	raw_connect(&back, daemon->socket);
	raw_hello_init(&hello, &back, "a1");
	hello.pending.data = id.bytes;
	hello.pending.len = sizeof(id.bytes);
	const Leaderd__Welcome *welcome = raw_hello(&back, &hello);
	assert_int_equal(welcome->verdicts.data[0], 0);
	assert_int_equal(welcome->heads->trouble_code, ERROR_FULL);
	raw_push_events(&back, &event, 1);
	event_destroy(event);
	fill_disk(false);
	raw_take_until(&back, 2);
	raw_push(&back, raw_note(&back, 3));
	raw_take_until(&back, 3);
	assert_int_equal(back.last_at.global, 3);
	assert_int_equal(back.n_events, 3);
	raw_close(&back);
}

static void what_a_dead_session_pushed_before_the_trouble_is_kept(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client, reader;

	raw_open(&reader, daemon->socket, "a2");
	raw_open(&client, daemon->socket, "a1");
	fill_disk(true);
	for (uint64_t i = 1; i <= 20; i++)
		raw_push(&client, raw_note(&client, i));
	raw_close(&client);
	raw_take_trouble(&reader, ERROR_FULL);
	fill_disk(false);
	raw_take_until(&reader, 20);
	assert_int_equal(reader.n_events, 20);
	raw_close(&reader);
}

/* The log's commit succeeds, the state's does not: the events are durable, and
 * told when the state has caught up. */
static void a_state_that_falls_behind_the_log_catches_up(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client;

	raw_open(&client, daemon->socket, "a1");
	raw_push(&client, raw_note(&client, 1));
	raw_take(&client, 1, 0);
	strcpy(faults->path, "state.db");
	fill_disk(true);
	raw_push(&client, raw_note(&client, 2));
	raw_take_trouble(&client, ERROR_FULL);
	assert_int_equal(client.n_events, 1);
	fill_disk(false);
	raw_take_until(&client, 2);
	raw_push(&client, raw_note(&client, 3));
	raw_take_until(&client, 3);
	assert_int_equal(client.n_short, 3);
	raw_close(&client);
}

static void a_sync_that_failed_stops_writing_until_a_restart(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client, back;
	Leaderd__Hello hello;

	raw_open(&client, daemon->socket, "a1");
	raw_push(&client, raw_note(&client, 1));
	raw_take(&client, 1, 0);
	faults->sync_errno = EIO;
	raw_push(&client, raw_note(&client, 2));
	raw_take_trouble(&client, ERROR_IO);
	faults->sync_errno = 0;
	raw_close(&client);
	raw_connect(&back, daemon->socket);
	raw_hello_init(&hello, &back, "a1");
	memset(back.nonce, 'n', sizeof(back.nonce));
	assert_int_equal(raw_hello(&back, &hello)->heads->trouble_code, ERROR_IO);
	raw_close(&back);

	raw_daemon_kill(daemon);
	raw_daemon_start(daemon);
	raw_connect(&back, daemon->socket);
	raw_hello_init(&hello, &back, "a1");
	const Leaderd__Welcome *welcome = raw_hello(&back, &hello);
	assert_int_equal(welcome->heads->trouble_code, 0);
	raw_push(&back, raw_note(&back, 3));
	raw_take_until(&back, 3);
	raw_close(&back);
}

/* All that is readable in one turn is one group: fewer syncs than events, and
 * none that is not a group's. */
static void a_group_costs_one_sync(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__Request request = LEADERD__REQUEST__INIT;
	struct raw_client client;

	raw_open(&client, daemon->socket, "a1");
	raw_push(&client, raw_note(&client, 1));
	raw_take_until(&client, 1);
	unsigned before = faults->log_syncs, state_before = faults->state_syncs;
	for (uint64_t i = 2; i <= 501; i++)
		raw_push(&client, raw_note(&client, i));
	raw_take_until(&client, 501);
	request.operation = LEADERD__OPERATION__STATUS;
	request.store = (char *)"notes";
	const Leaderd__Response *response = raw_request(&client, &request);
	unsigned groups = (unsigned)response->stores[0]->group_commits - 1;
	assert_true(groups < 500);
	assert_int_equal(faults->log_syncs - before, groups);
	assert_int_equal(faults->state_syncs - state_before, 0);
	raw_close(&client);
}

static void a_runaway_materializer_holds_the_store(void **state) {
	static const char *const schema =
		"-- store notes version 1\n"
		"CREATE TABLE note (id INTEGER PRIMARY KEY NOT NULL, text TEXT NOT NULL) STRICT;\n"
		"-- event noteAdded(id TEXT, text TEXT)\n"
		"INSERT INTO note (text) VALUES (:text);\n"
		"-- event noteCounted()\n"
		"UPDATE note SET text = (SELECT count(*) FROM note a, note b, note c, note d, note e) WHERE id = 1;\n";
	struct raw_daemon *daemon = *state;
	struct raw_client client;
	Leaderd__Request request = LEADERD__REQUEST__INIT;
	Leaderd__Hello hello;

	raw_connect(&client, daemon->socket);
	raw_hello_init(&hello, &client, "a1");
	hello.schema = (char *)schema;
	raw_hello(&client, &hello);
	for (uint64_t i = 1; i <= 60; i++)
		raw_push(&client, raw_note(&client, i));
	raw_take_until(&client, 60);
	raw_push(&client, raw_event(&client, 61, "noteCounted", "{}"));
	raw_take_trouble(&client, ERROR_HOLD);
	raw_close(&client);

	/* It is told, and everything else can still be read. */
	raw_connect(&client, daemon->socket);
	request.operation = LEADERD__OPERATION__STATUS;
	request.store = (char *)"notes";
	const Leaderd__Response *response = raw_request(&client, &request);
	assert_int_equal(response->stores[0]->heads->trouble_code, ERROR_HOLD);
	assert_int_equal(response->stores[0]->events, 60);
	raw_close(&client);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, start, raw_daemon_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		STORY(on_a_full_disk_sessions_hear_of_it_and_nothing_is_lost),
		STORY(a_full_disk_is_no_failure_of_what_needs_no_writing),
		STORY(a_unit_that_waited_is_recognised_when_it_is_sent_again),
		STORY(what_a_dead_session_pushed_before_the_trouble_is_kept),
		STORY(a_state_that_falls_behind_the_log_catches_up),
		STORY(a_sync_that_failed_stops_writing_until_a_restart),
		STORY(a_group_costs_one_sync),
		STORY(a_runaway_materializer_holds_the_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
