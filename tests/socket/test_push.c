/* Pushing: what a session sends is placed, made durable, and fed back. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/hash.h"
#include "tests/socket/raw_client.h"
#include "tests/socket/raw_daemon.h"

static void expect_log(struct raw_daemon *daemon, const uint64_t *numbers, size_t n) {
	Leaderd__Request request = LEADERD__REQUEST__INIT;
	struct raw_client asker;

	raw_connect(&asker, daemon->socket);
	request.number = 1;
	request.operation = LEADERD__OPERATION__CHAIN;
	request.store = (char *)"notes";
	const Leaderd__Response *response = raw_request(&asker, &request);
	assert_int_equal(response->code, 0);
	assert_int_equal(response->n_events, n);
	for (size_t i = 0; i < n; i++) {
		struct event_id id;

		raw_event_id(&id, numbers[i]);
		assert_memory_equal(response->events[i]->id.data, id.bytes, sizeof(id.bytes));
	}
	raw_close(&asker);
}

static void a_push_is_durable_and_fed_back_short(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client;

	raw_open(&client, daemon->socket, "a1");
	raw_push(&client, raw_note(&client, 1));
	raw_take(&client, 1, 0);
	assert_int_equal(client.n_short, 1);
	assert_int_equal(client.last_at.global, 1);
	raw_daemon_kill(daemon);
	raw_close(&client);

	raw_daemon_start(daemon);
	expect_log(daemon, (uint64_t[]){ 1 }, 1);
}

static void pushed_on_an_old_head_is_placed_behind_the_leaders(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client one, two;

	raw_open(&one, daemon->socket, "a1");
	raw_open(&two, daemon->socket, "a2");
	struct event *event = raw_note(&two, 2);
	assert_int_equal(event->entry.at.global, 1);

	raw_push(&one, raw_note(&one, 1));
	raw_take(&one, 1, 0);
	raw_push(&two, event);
	raw_take(&two, 2, 0);

	assert_int_equal(two.last_at.global, 2);
	assert_int_equal(two.n_short, 1);
	raw_take(&one, 1, 0);
	assert_int_equal(one.last_at.global, 2);
	assert_int_equal(one.n_short, 1);
	raw_close(&one);
	raw_close(&two);

	Leaderd__Request request = LEADERD__REQUEST__INIT;
	request.number = 7;
	request.operation = LEADERD__OPERATION__CHAIN;
	request.store = (char *)"notes";
	raw_connect(&one, daemon->socket);
	const Leaderd__Response *response = raw_request(&one, &request);
	assert_int_equal(response->events[1]->n_origins, 2);
	assert_int_equal(response->events[1]->origins[0], 1);
	raw_close(&one);
}

static void two_sessions_get_the_same_log_with_the_same_hashes(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client one, two;

	raw_open(&one, daemon->socket, "a1");
	raw_open(&two, daemon->socket, "a2");
	for (uint64_t i = 1; i <= 20; i++)
		raw_push(i % 2 ? &one : &two, raw_note(i % 2 ? &one : &two, i));
	raw_take(&one, 20, 0);
	raw_take(&two, 20, 0);

	assert_int_equal(one.n_short, 10);
	assert_int_equal(two.n_short, 10);
	assert_memory_equal(&one.last_hash, &two.last_hash, sizeof(one.last_hash));
	raw_close(&one);
	raw_close(&two);
}

static void a_re_sent_event_is_not_doubled(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client;

	raw_open(&client, daemon->socket, "a1");
	struct event *event = raw_note(&client, 1);
	raw_push_events(&client, &event, 1);
	raw_push_events(&client, &event, 1);
	event_destroy(event);
	raw_push(&client, raw_note(&client, 2));
	raw_take(&client, 2, 0);

	expect_log(daemon, (uint64_t[]){ 1, 2 }, 2);
	raw_close(&client);
}

static void a_known_id_with_other_content_ends_the_connection(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client;
	int code = 0;

	raw_open(&client, daemon->socket, "a1");
	raw_push(&client, raw_note(&client, 1));
	raw_take(&client, 1, 0);
	raw_push(&client, raw_event(&client, 1, "noteAdded", "{\"id\":\"other\",\"text\":\"t\"}"));

	assert_true(raw_receive_end(&client, &code, NULL, 0));
	assert_int_equal(code, ERROR_CONFLICT);
	expect_log(daemon, (uint64_t[]){ 1 }, 1);
	raw_close(&client);
}

static void a_unit_whose_materializer_refuses_is_refused_alone(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client;

	raw_open(&client, daemon->socket, "a1");
	raw_push(&client, raw_note(&client, 1));
	raw_push(&client, raw_event(&client, 2, "noteAdded", "{\"id\":\"n1\",\"text\":\"again\"}"));
	raw_push(&client, raw_note(&client, 3));
	raw_take(&client, 2, 1);

	assert_non_null(strstr(client.last_reason, "UNIQUE"));
	expect_log(daemon, (uint64_t[]){ 1, 3 }, 2);
	raw_close(&client);
}

static void an_unknown_event_and_bad_arguments_are_refusals(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client;

	raw_open(&client, daemon->socket, "a1");
	raw_push(&client, raw_event(&client, 1, "noteBurnt", "{}"));
	raw_take(&client, 0, 1);
	assert_non_null(strstr(client.last_reason, "noteBurnt"));
	raw_push(&client, raw_event(&client, 2, "noteAdded", "{\"id\":\"x\"}"));
	raw_take(&client, 0, 1);
	assert_non_null(strstr(client.last_reason, "text"));
	raw_push(&client, raw_note(&client, 3));
	raw_take(&client, 1, 0);

	expect_log(daemon, (uint64_t[]){ 3 }, 1);
	raw_close(&client);
}

static void a_unit_is_refused_whole(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client;
	struct event *events[2];

	raw_open(&client, daemon->socket, "a1");
	for (uint32_t i = 0; i < 2; i++) {
		events[i] = raw_event(&client, 10 + i, "noteAdded", "{\"id\":\"same\",\"text\":\"t\"}");
		events[i]->entry.unit = events[0]->entry.id;
		events[i]->entry.unit_index = i;
		events[i]->entry.unit_count = 2;
	}
	raw_push_events(&client, events, 2);
	raw_take(&client, 0, 2);

	expect_log(daemon, NULL, 0);
	event_destroy(events[0]);
	event_destroy(events[1]);
	raw_close(&client);
}

static void a_client_only_event_stands_behind_the_synced_one(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client;

	raw_open(&client, daemon->socket, "a1");
	raw_push(&client, raw_note(&client, 1));
	raw_push(&client, raw_event(&client, 2, "noteMarked", "{\"id\":\"n1\"}"));
	raw_take(&client, 2, 0);

	assert_int_equal(client.last_at.global, 1);
	assert_int_equal(client.last_at.client, 1);
	raw_close(&client);
}

static void a_peer_that_hangs_up_after_a_whole_frame_is_read_to_the_end(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client, reader;

	raw_open(&client, daemon->socket, "a1");
	for (uint64_t i = 1; i <= 50; i++)
		raw_push(&client, raw_note(&client, i));
	raw_close(&client);

	raw_open(&reader, daemon->socket, "a2");
	raw_take(&reader, 50, 0);
	assert_int_equal(reader.n_short, 0);
	raw_close(&reader);
}

static void what_a_dead_session_pushed_is_in_the_log_when_its_id_comes_again(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client, again;
	Leaderd__Hello hello;

	raw_open(&client, daemon->socket, "a1");
	for (uint64_t i = 1; i <= 30; i++)
		raw_push(&client, raw_note(&client, i));
	raw_close(&client);

	raw_connect(&again, daemon->socket);
	raw_hello_init(&hello, &again, "a1");
	memset(again.nonce, 'x', sizeof(again.nonce));
	raw_hello(&again, &hello);
	raw_take(&again, 30, 0);
	assert_int_equal(again.n_short, 0);
	raw_close(&again);
}

static void a_foreign_session_id_ends_the_connection(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client;
	int code = 0;

	raw_open(&client, daemon->socket, "a1");
	struct event *event = raw_note(&client, 1);
	strcpy(event->session_id, "b9");
	raw_push(&client, event);

	assert_true(raw_receive_end(&client, &code, NULL, 0));
	assert_int_equal(code, ERROR_INVALID);
	raw_close(&client);
}

static void a_foreign_client_id_ends_the_connection(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client;
	int code = 0;

	raw_open(&client, daemon->socket, "a1");
	struct event *event = raw_note(&client, 1);
	memset(event->client_id, '0', CLIENT_ID_BYTES);
	raw_push(&client, event);

	assert_true(raw_receive_end(&client, &code, NULL, 0));
	assert_int_equal(code, ERROR_INVALID);
	raw_close(&client);
}

static void a_read_only_session_creates_nothing(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client;
	Leaderd__ToLeader message = LEADERD__TO_LEADER__INIT;
	Leaderd__Hello hello;
	int code = 0;

	raw_connect(&client, daemon->socket);
	raw_hello_init(&hello, &client, "a1");
	hello.read_only = true;
	message.body_case = LEADERD__TO_LEADER__BODY_HELLO;
	message.hello = &hello;
	raw_send(&client, &message);
	assert_true(raw_receive_end(&client, &code, NULL, 0));
	assert_int_equal(code, ERROR_NOT_FOUND);
	raw_close(&client);
}

static void a_read_only_session_cannot_push(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client, creator;
	Leaderd__Hello hello;
	int code = 0;

	raw_connect(&creator, daemon->socket);
	raw_hello_init(&hello, &creator, "creator");
	raw_hello(&creator, &hello);
	raw_close(&creator);
	raw_connect(&client, daemon->socket);
	raw_hello_init(&hello, &client, "a1");
	hello.read_only = true;
	raw_hello(&client, &hello);
	raw_push(&client, raw_note(&client, 1));

	assert_true(raw_receive_end(&client, &code, NULL, 0));
	assert_int_equal(code, ERROR_INVALID);
	raw_close(&client);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, raw_daemon_setup, raw_daemon_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		STORY(a_push_is_durable_and_fed_back_short),
		STORY(pushed_on_an_old_head_is_placed_behind_the_leaders),
		STORY(two_sessions_get_the_same_log_with_the_same_hashes),
		STORY(a_re_sent_event_is_not_doubled),
		STORY(a_known_id_with_other_content_ends_the_connection),
		STORY(a_unit_whose_materializer_refuses_is_refused_alone),
		STORY(an_unknown_event_and_bad_arguments_are_refusals),
		STORY(a_unit_is_refused_whole),
		STORY(a_client_only_event_stands_behind_the_synced_one),
		STORY(a_peer_that_hangs_up_after_a_whole_frame_is_read_to_the_end),
		STORY(what_a_dead_session_pushed_is_in_the_log_when_its_id_comes_again),
		STORY(a_foreign_session_id_ends_the_connection),
		STORY(a_foreign_client_id_ends_the_connection),
		STORY(a_read_only_session_creates_nothing),
		STORY(a_read_only_session_cannot_push),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
