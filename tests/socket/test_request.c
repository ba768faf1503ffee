/* Requests: what an administrator can ask for. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/socket/raw_client.h"
#include "tests/socket/raw_daemon.h"

static const Leaderd__Response *ask(struct raw_client *asker, Leaderd__Operation operation, const char *store,
                                    Leaderd__Request *request) {
	request->number++;
	request->operation = operation;
	request->store = (char *)store;
	return raw_request(asker, request);
}

static void stores_are_created_listed_shown_and_removed(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__Request request = LEADERD__REQUEST__INIT;
	struct raw_client asker;

	raw_connect(&asker, daemon->socket);
	request.text = (char *)RAW_SCHEMA_1;
	assert_int_equal(ask(&asker, LEADERD__OPERATION__STORE_CREATE, "b.two", &request)->code, 0);
	assert_int_equal(ask(&asker, LEADERD__OPERATION__STORE_CREATE, "a.one", &request)->code, 0);
	assert_int_equal(ask(&asker, LEADERD__OPERATION__STORE_CREATE, "a.one", &request)->code, ERROR_CONFLICT);

	const Leaderd__Response *list = ask(&asker, LEADERD__OPERATION__STORE_LIST, "", &request);
	assert_int_equal(list->n_stores, 2);
	assert_string_equal(list->stores[0]->name, "a.one");
	assert_string_equal(list->stores[1]->name, "b.two");
	assert_string_equal(list->stores[0]->schema_name, "notes");
	assert_string_equal(list->stores[0]->state, "idle");
	assert_int_equal(access(list->stores[0]->path, F_OK), 0);

	assert_int_equal(ask(&asker, LEADERD__OPERATION__STORE_REMOVE, "a.one", &request)->code, 0);
	assert_int_equal(ask(&asker, LEADERD__OPERATION__STATUS, "a.one", &request)->code, ERROR_NOT_FOUND);
	assert_int_equal(ask(&asker, LEADERD__OPERATION__STORE_LIST, "", &request)->n_stores, 1);
	raw_close(&asker);
}

static void a_store_is_not_made_of_a_bad_schema(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__Request request = LEADERD__REQUEST__INIT;
	struct raw_client asker;

	raw_connect(&asker, daemon->socket);
	request.text = (char *)"-- store notes version 1\nCREATE TABLE t (x);\n";
	const Leaderd__Response *response = ask(&asker, LEADERD__OPERATION__STORE_CREATE, "notes", &request);
	assert_int_equal(response->code, ERROR_SCHEMA);
	assert_non_null(strstr(response->error, "schema:2"));
	assert_int_equal(ask(&asker, LEADERD__OPERATION__STORE_LIST, "", &request)->n_stores, 0);
	raw_close(&asker);
}

static void a_store_with_unsynced_events_is_removed_by_force_only(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__Request request = LEADERD__REQUEST__INIT;
	struct raw_client asker, client;
	int code = 0;

	raw_connect(&asker, daemon->socket);
	raw_open(&client, daemon->socket, "a1");
	raw_push(&client, raw_note(&client, 1));
	raw_take(&client, 1, 0);
	assert_int_equal(ask(&asker, LEADERD__OPERATION__STORE_REMOVE, "notes", &request)->code, ERROR_CONFLICT);
	request.force = true;
	assert_int_equal(ask(&asker, LEADERD__OPERATION__STORE_REMOVE, "notes", &request)->code, 0);
	assert_true(raw_receive_end(&client, &code, NULL, 0));
	assert_int_equal(code, ERROR_CONFLICT);
	raw_close(&client);
	raw_close(&asker);
}

static void a_schema_is_shown_and_installed(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__Request request = LEADERD__REQUEST__INIT;
	struct raw_client asker, client;

	raw_connect(&asker, daemon->socket);
	raw_open(&client, daemon->socket, "a1");
	request.text = (char *)RAW_SCHEMA_2;
	assert_int_equal(ask(&asker, LEADERD__OPERATION__SCHEMA_INSTALL, "notes", &request)->code, 0);
	assert_int_equal(ask(&asker, LEADERD__OPERATION__SCHEMA_INSTALL, "notes", &request)->code, 0);
	assert_string_equal(ask(&asker, LEADERD__OPERATION__SCHEMA_SHOW, "notes", &request)->text, RAW_SCHEMA_2);
	request.text = (char *)RAW_SCHEMA_1;
	assert_int_equal(ask(&asker, LEADERD__OPERATION__SCHEMA_INSTALL, "notes", &request)->code, ERROR_CONFLICT);
	raw_close(&client);
	raw_close(&asker);
}

static void a_status_that_is_followed_comes_again(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__Request request = LEADERD__REQUEST__INIT;
	struct raw_client asker, client;
	const Leaderd__ToSession *message;

	raw_open(&client, daemon->socket, "a1");
	raw_connect(&asker, daemon->socket);
	request.follow = true;
	const Leaderd__Response *response = ask(&asker, LEADERD__OPERATION__STATUS, "notes", &request);
	assert_int_equal(response->stores[0]->events, 0);
	assert_int_equal(response->stores[0]->sessions, 1);
	raw_push(&client, raw_note(&client, 1));
	do
		message = raw_receive(&asker);
	while (message->response->stores[0]->events != 1);
	assert_int_equal(message->response->number, request.number);
	assert_int_equal(message->response->stores[0]->pending, 1);
	assert_int_equal(message->response->stores[0]->group_commits, 1);
	raw_close(&client);
	do
		message = raw_receive(&asker);
	while (message->response->stores[0]->sessions != 0);
	raw_close(&asker);
}

static void sessions_are_listed_with_what_they_acknowledged(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__Request request = LEADERD__REQUEST__INIT;
	Leaderd__ToLeader message = LEADERD__TO_LEADER__INIT;
	Leaderd__Acknowledge acknowledge = LEADERD__ACKNOWLEDGE__INIT;
	struct raw_client client;

	raw_open(&client, daemon->socket, "a1");
	raw_push(&client, raw_note(&client, 1));
	raw_take(&client, 1, 0);
	acknowledge.global = 1;
	acknowledge.pending = 3;
	message.body_case = LEADERD__TO_LEADER__BODY_ACKNOWLEDGE;
	message.acknowledge = &acknowledge;
	raw_send(&client, &message);
	/* On the session's own connection: it is behind the acknowledgement. */
	const Leaderd__Response *response = ask(&client, LEADERD__OPERATION__SESSIONS, "notes", &request);
	assert_int_equal(response->n_sessions, 1);
	assert_string_equal(response->sessions[0]->session_id, "a1");
	assert_int_equal(response->sessions[0]->process_id, getpid());
	assert_int_equal(response->sessions[0]->global, 1);
	assert_int_equal(response->sessions[0]->pending, 3);
	assert_int_equal(response->sessions[0]->sent_global, 1);
	raw_close(&client);
}

static void push_refused(struct raw_client *client, uint64_t number) {
	raw_push(client, raw_event(client, number, "noteAdded", "{\"id\":\"n1\",\"text\":\"again\"}"));
	raw_take(client, 0, 1);
}

static void refused_events_are_listed_and_dropped(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__Request request = LEADERD__REQUEST__INIT;
	struct raw_client asker, client;
	struct event_id id;

	raw_connect(&asker, daemon->socket);
	raw_open(&client, daemon->socket, "a1");
	raw_push(&client, raw_note(&client, 1));
	raw_take(&client, 1, 0);
	push_refused(&client, 2);
	push_refused(&client, 3);
	const Leaderd__Response *response = ask(&asker, LEADERD__OPERATION__REFUSED_LIST, "notes", &request);
	assert_int_equal(response->n_refusals, 2);
	assert_string_equal(response->refusals[0]->event->name, "noteAdded");
	assert_non_null(strstr(response->refusals[0]->reason, "UNIQUE"));

	raw_event_id(&id, 2);
	request.ids.data = id.bytes;
	request.ids.len = sizeof(id.bytes);
	assert_int_equal(ask(&asker, LEADERD__OPERATION__REFUSED_DROP, "notes", &request)->code, 0);
	assert_int_equal(ask(&asker, LEADERD__OPERATION__REFUSED_DROP, "notes", &request)->code, ERROR_NOT_FOUND);
	assert_int_equal(ask(&asker, LEADERD__OPERATION__REFUSED_LIST, "notes", &request)->n_refusals, 1);
	request.ids.len = 0;
	request.all = true;
	assert_int_equal(ask(&asker, LEADERD__OPERATION__REFUSED_DROP, "notes", &request)->code, 0);
	assert_int_equal(ask(&asker, LEADERD__OPERATION__REFUSED_LIST, "notes", &request)->n_refusals, 0);
	raw_close(&client);
	raw_close(&asker);
}

static void a_retry_that_is_refused_again_stays(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__Request request = LEADERD__REQUEST__INIT;
	struct raw_client asker, client;

	raw_connect(&asker, daemon->socket);
	raw_open(&client, daemon->socket, "a1");
	raw_push(&client, raw_note(&client, 1));
	raw_take(&client, 1, 0);
	push_refused(&client, 2);
	request.all = true;
	const Leaderd__Response *response = ask(&asker, LEADERD__OPERATION__REFUSED_RETRY, "notes", &request);
	assert_int_equal(response->code, ERROR_REFUSED);
	assert_non_null(strstr(response->error, "UNIQUE"));
	assert_int_equal(ask(&asker, LEADERD__OPERATION__REFUSED_LIST, "notes", &request)->n_refusals, 1);
	raw_close(&client);
	raw_close(&asker);
}

static void a_retry_commits_the_fact_under_a_new_id(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__Request request = LEADERD__REQUEST__INIT;
	struct raw_client asker, client;

	raw_connect(&asker, daemon->socket);
	raw_open(&client, daemon->socket, "a1");
	/* Unknown under version 1, known under the next. */
	raw_push(&client, raw_event(&client, 1, "noteBurnt", "{}"));
	raw_take(&client, 0, 1);
	raw_close(&client);
	request.text = (char *)"-- store notes version 2\n"
	                       "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, text TEXT NOT NULL) STRICT;\n"
	                       "-- event noteAdded(id TEXT, text TEXT)\n"
	                       "INSERT INTO note (id, text) VALUES (:id, :text);\n"
	                       "-- event noteBurnt()\n"
	                       "DELETE FROM note;\n";
	const Leaderd__Response *response = ask(&asker, LEADERD__OPERATION__SCHEMA_INSTALL, "notes", &request);
	if (response->code != 0)
		fail_msg("%s", response->error);
	request.all = true;
	response = ask(&asker, LEADERD__OPERATION__REFUSED_RETRY, "notes", &request);
	if (response->code != 0)
		fail_msg("%s", response->error);
	assert_int_equal(ask(&asker, LEADERD__OPERATION__REFUSED_LIST, "notes", &request)->n_refusals, 0);
	response = ask(&asker, LEADERD__OPERATION__CHAIN, "notes", &request);
	assert_int_equal(response->n_events, 1);
	assert_string_equal(response->events[0]->name, "noteBurnt");
	assert_int_equal(response->events[0]->n_origins, 0);
	assert_string_equal(response->events[0]->session_id, "a1");
	raw_close(&asker);
}

static void a_lookup_tells_what_became_of_an_event(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__Request request = LEADERD__REQUEST__INIT;
	struct raw_client asker, client;
	uint8_t ids[3][16];

	raw_connect(&asker, daemon->socket);
	raw_open(&client, daemon->socket, "a1");
	raw_push(&client, raw_note(&client, 1));
	raw_take(&client, 1, 0);
	push_refused(&client, 2);
	for (uint64_t i = 0; i < 3; i++)
		raw_event_id((struct event_id *)ids[i], i + 1);
	request.ids.data = ids[0];
	request.ids.len = sizeof(ids);
	const Leaderd__Response *response = ask(&asker, LEADERD__OPERATION__LOOKUP, "notes", &request);
	assert_int_equal(response->n_known, 3);
	assert_int_equal(response->known[0]->what, 1);
	assert_int_equal(response->known[0]->global, 1);
	assert_int_equal(response->known[1]->what, 3);
	assert_non_null(strstr(response->known[1]->reason, "UNIQUE"));
	assert_int_equal(response->known[2]->what, 0);

	request.ids.data = ids[1];
	request.ids.len = 16;
	ask(&asker, LEADERD__OPERATION__REFUSED_DROP, "notes", &request);
	assert_int_equal(ask(&asker, LEADERD__OPERATION__LOOKUP, "notes", &request)->known[0]->what, 4);
	raw_close(&client);
	raw_close(&asker);
}

static void a_dropped_event_that_comes_again_is_not_taken(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__Request request = LEADERD__REQUEST__INIT;
	struct raw_client asker, client;

	raw_connect(&asker, daemon->socket);
	raw_open(&client, daemon->socket, "a1");
	raw_push(&client, raw_note(&client, 1));
	struct event *event = raw_event(&client, 2, "noteAdded", "{\"id\":\"n1\",\"text\":\"again\"}");
	raw_push_events(&client, &event, 1);
	raw_take(&client, 1, 1);
	request.all = true;
	assert_int_equal(ask(&asker, LEADERD__OPERATION__REFUSED_DROP, "notes", &request)->code, 0);
	raw_push_events(&client, &event, 1);
	raw_push(&client, raw_note(&client, 3));
	raw_take_until(&client, 3);
	assert_int_equal(ask(&asker, LEADERD__OPERATION__CHAIN, "notes", &request)->n_events, 2);
	assert_int_equal(ask(&asker, LEADERD__OPERATION__REFUSED_LIST, "notes", &request)->n_refusals, 0);
	event_destroy(event);
	raw_close(&client);
	raw_close(&asker);
}

static void a_rebuild_gives_sessions_a_fresh_image(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__Request request = LEADERD__REQUEST__INIT;
	Leaderd__Hello hello;
	struct raw_client asker, client;

	raw_connect(&asker, daemon->socket);
	raw_open(&client, daemon->socket, "a1");
	raw_push(&client, raw_note(&client, 1));
	raw_take(&client, 1, 0);
	const Leaderd__Response *response = ask(&asker, LEADERD__OPERATION__REBUILD, "notes", &request);
	if (response->code != 0)
		fail_msg("%s", response->error);
	const Leaderd__ToSession *message;
	do
		message = raw_receive(&client);
	while (message->body_case == LEADERD__TO_SESSION__BODY_FEED);
	assert_int_equal(message->body_case, LEADERD__TO_SESSION__BODY_HELLO_AGAIN);
	raw_hello_init(&hello, &client, "a1");
	assert_true(raw_hello(&client, &hello)->image);
	raw_push(&client, raw_note(&client, 2));
	raw_take_until(&client, 2);
	raw_close(&client);
	raw_close(&asker);
}

static void what_is_not_known_is_answered_as_such(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__Request request = LEADERD__REQUEST__INIT;
	struct raw_client asker;

	raw_connect(&asker, daemon->socket);
	request.text = (char *)RAW_SCHEMA_1;
	assert_int_equal(ask(&asker, LEADERD__OPERATION__STORE_CREATE, "notes", &request)->code, 0);
	assert_int_equal(ask(&asker, (Leaderd__Operation)77, "notes", &request)->code, ERROR_INVALID);
	assert_int_equal(ask(&asker, LEADERD__OPERATION__CHAIN, "nowhere", &request)->code, ERROR_NOT_FOUND);
	assert_int_equal(ask(&asker, LEADERD__OPERATION__CHAIN, "", &request)->code, ERROR_INVALID);
	request.backend = (char *)"nosuch:/nowhere"; /* no adapter program has that name */
	assert_int_equal(ask(&asker, LEADERD__OPERATION__STORE_CREATE, "other", &request)->code, ERROR_NOT_FOUND);
	raw_close(&asker);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, raw_daemon_setup, raw_daemon_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		STORY(stores_are_created_listed_shown_and_removed),
		STORY(a_store_is_not_made_of_a_bad_schema),
		STORY(a_store_with_unsynced_events_is_removed_by_force_only),
		STORY(a_schema_is_shown_and_installed),
		STORY(a_status_that_is_followed_comes_again),
		STORY(sessions_are_listed_with_what_they_acknowledged),
		STORY(refused_events_are_listed_and_dropped),
		STORY(a_retry_that_is_refused_again_stays),
		STORY(a_retry_commits_the_fact_under_a_new_id),
		STORY(a_lookup_tells_what_became_of_an_event),
		STORY(a_dropped_event_that_comes_again_is_not_taken),
		STORY(a_rebuild_gives_sessions_a_fresh_image),
		STORY(what_is_not_known_is_answered_as_such),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
