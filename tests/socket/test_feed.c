/* Feeds: welcomes, images, resuming, lag, schema changes. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/schema.h"
#include "store/state.h"
#include "tests/socket/raw_client.h"
#include "tests/socket/raw_daemon.h"

/* Pushes numbers [from, to] and takes them back. */
static void push_many(struct raw_client *client, uint64_t from, uint64_t to) {
	for (uint64_t i = from; i <= to; i++)
		raw_push(client, raw_note(client, i));
	raw_take(client, to - from + 1, 0);
}

static void hello_at(Leaderd__Hello *hello, Leaderd__Point *point, const struct raw_client *seen) {
	leaderd__point__init(point);
	wire_point_set(point, seen->last_at, &seen->last_hash);
	hello->newest = point;
}

static void a_new_store_is_resumed_from_root(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client;
	Leaderd__Hello hello;

	raw_connect(&client, daemon->socket);
	raw_hello_init(&hello, &client, "a1");
	const Leaderd__Welcome *welcome = raw_hello(&client, &hello);
	assert_false(welcome->image);
	assert_int_equal(welcome->at->global, 0);
	assert_int_equal(welcome->schema[0], '\0');
	assert_false(welcome->heads->has_backend);
	raw_close(&client);
}

static void without_a_schema_a_store_must_exist(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client;
	Leaderd__ToLeader message = LEADERD__TO_LEADER__INIT;
	Leaderd__Hello hello;
	int code = 0;

	raw_connect(&client, daemon->socket);
	raw_hello_init(&hello, &client, "a1");
	hello.schema = (char *)"";
	message.body_case = LEADERD__TO_LEADER__BODY_HELLO;
	message.hello = &hello;
	raw_send(&client, &message);
	assert_true(raw_receive_end(&client, &code, NULL, 0));
	assert_int_equal(code, ERROR_NOT_FOUND);
	raw_close(&client);
}

static void a_long_log_comes_as_an_image(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client, late;
	Leaderd__Hello hello;

	raw_open(&client, daemon->socket, "a1");
	push_many(&client, 1, 300);

	raw_connect(&late, daemon->socket);
	raw_hello_init(&hello, &late, "a2");
	const Leaderd__Welcome *welcome = raw_hello(&late, &hello);
	assert_true(welcome->image);
	assert_int_equal(welcome->at->global, 300);
	assert_true(late.image_fd >= 0);

	/* Sealed, of the size that was told, and a state under this schema. */
	struct schema *schema = NULL;
	struct state *image = NULL;
	struct state_head head;
	struct error error;
	struct stat info;
	assert_int_equal(fstat(late.image_fd, &info), 0);
	assert_int_equal(info.st_size, welcome->image_bytes);
	assert_true(fcntl(late.image_fd, F_GET_SEALS) & F_SEAL_WRITE);
	assert_int_equal(ftruncate(late.image_fd, 0), -1);
	assert_int_equal(schema_load(&schema, RAW_SCHEMA_1, strlen(RAW_SCHEMA_1), "schema", &error), 0);
	assert_int_equal(state_open(&image, &(struct state_options){ .schema = schema }, &error), 0);
	assert_int_equal(state_image_read(image, late.image_fd, welcome->image_bytes, schema, &error), 0);
	state_head(image, &head);
	assert_int_equal(head.at.global, 300);
	assert_memory_equal(head.local_hash.bytes, late.last_hash.bytes, sizeof(head.local_hash.bytes));
	state_close(image);
	schema_destroy(schema);

	/* The feed goes on behind it. */
	raw_push(&client, raw_note(&client, 301));
	raw_take(&late, 1, 0);
	assert_int_equal(late.last_at.global, 301);
	raw_close(&client);
	raw_close(&late);
}

static void a_session_resumes_where_it_was(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client, away, back;
	Leaderd__Hello hello;
	Leaderd__Point point;

	raw_open(&client, daemon->socket, "a1");
	raw_open(&away, daemon->socket, "a2");
	push_many(&client, 1, 300);
	raw_take(&away, 300, 0);
	raw_close(&away);
	push_many(&client, 301, 310);

	raw_connect(&back, daemon->socket);
	raw_hello_init(&hello, &back, "a2");
	hello_at(&hello, &point, &away);
	const Leaderd__Welcome *welcome = raw_hello(&back, &hello);
	assert_false(welcome->image);
	assert_int_equal(welcome->at->global, 300);
	raw_take(&back, 10, 0);
	assert_memory_equal(&back.last_hash, &client.last_hash, sizeof(back.last_hash));
	raw_close(&client);
	raw_close(&back);
}

static void a_point_with_another_hash_is_answered_by_an_image(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client, back;
	Leaderd__Hello hello;
	Leaderd__Point point;

	raw_open(&client, daemon->socket, "a1");
	push_many(&client, 1, 300);
	client.last_hash.bytes[0] ^= 1;
	raw_connect(&back, daemon->socket);
	raw_hello_init(&hello, &back, "a2");
	hello_at(&hello, &point, &client);
	assert_true(raw_hello(&back, &hello)->image);
	raw_close(&client);
	raw_close(&back);
}

static void pending_events_get_their_verdicts(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client, back;
	Leaderd__Hello hello;
	uint8_t ids[3][16];

	raw_open(&client, daemon->socket, "a1");
	raw_push(&client, raw_note(&client, 1));
	raw_push(&client, raw_event(&client, 2, "noteAdded", "{\"id\":\"n1\",\"text\":\"t\"}"));
	raw_close(&client);

	for (uint64_t i = 0; i < 3; i++) {
		struct event_id id;

		raw_event_id(&id, i + 1);
		memcpy(ids[i], id.bytes, 16);
	}
	raw_connect(&back, daemon->socket);
	raw_hello_init(&hello, &back, "a1");
	hello.pending.data = ids[0];
	hello.pending.len = sizeof(ids);
	const Leaderd__Welcome *welcome = raw_hello(&back, &hello);
	assert_int_equal(welcome->verdicts.len, 3);
	assert_int_equal(welcome->verdicts.data[0], 1);
	assert_int_equal(welcome->verdicts.data[1], 2);
	assert_int_equal(welcome->verdicts.data[2], 0);
	raw_take(&back, 1, 1);
	assert_int_equal(back.n_short, 0);
	raw_close(&back);
}

static void a_refusal_that_was_acknowledged_is_not_told_again(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client, back;
	Leaderd__ToLeader message = LEADERD__TO_LEADER__INIT;
	Leaderd__Acknowledge acknowledge = LEADERD__ACKNOWLEDGE__INIT;
	Leaderd__Hello hello;

	raw_open(&client, daemon->socket, "a1");
	raw_push(&client, raw_event(&client, 1, "noteBurnt", "{}"));
	raw_take(&client, 0, 1);
	acknowledge.refused_seen = 1;
	message.body_case = LEADERD__TO_LEADER__BODY_ACKNOWLEDGE;
	message.acknowledge = &acknowledge;
	raw_send(&client, &message);
	raw_close(&client);

	raw_connect(&back, daemon->socket);
	raw_hello_init(&hello, &back, "a1");
	memset(back.nonce, 'y', sizeof(back.nonce));
	raw_hello(&back, &hello);
	raw_push(&back, raw_note(&back, 2));
	raw_take(&back, 1, 0);
	raw_close(&back);
}

static void a_living_session_keeps_its_id(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client, thief;
	Leaderd__ToLeader message = LEADERD__TO_LEADER__INIT;
	Leaderd__Hello hello;
	int code = 0;

	raw_open(&client, daemon->socket, "a1");
	raw_connect(&thief, daemon->socket);
	raw_hello_init(&hello, &thief, "a1");
	memset(thief.nonce, 'z', sizeof(thief.nonce));
	message.body_case = LEADERD__TO_LEADER__BODY_HELLO;
	message.hello = &hello;
	raw_send(&thief, &message);
	assert_true(raw_receive_end(&thief, &code, NULL, 0));
	assert_int_equal(code, ERROR_CONFLICT);

	push_many(&client, 1, 1);
	raw_close(&client);
	raw_close(&thief);
}

static void the_same_incarnation_replaces_its_old_connection(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client old, new;

	raw_open(&old, daemon->socket, "a1");
	raw_open(&new, daemon->socket, "a1");
	push_many(&new, 1, 1);
	raw_close(&old);
	push_many(&new, 2, 2);
	assert_int_equal(new.n_short, 2);
	raw_close(&new);
}

static void a_session_that_does_not_read_is_served_from_the_log(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client writer, paused;
	char args[3100], text[3001];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	raw_open(&writer, daemon->socket, "a1");
	raw_open(&paused, daemon->socket, "a2");
	/* More than socket and output can hold. */
	for (uint64_t i = 1; i <= 1500; i++) {
		snprintf(args, sizeof(args), "{\"id\":\"n%llu\",\"text\":\"%s\"}", (unsigned long long)i, text);
		raw_push(&writer, raw_event(&writer, i, "noteAdded", args));
		if (i % 100 == 0)
			raw_take(&writer, 100, 0);
	}
	/* A paused session can still commit. */
	raw_push(&paused, raw_note(&paused, 2000));
	raw_take(&writer, 1, 0);

	raw_take(&paused, 1501, 0);
	assert_int_equal(paused.n_short, 1);
	assert_memory_equal(&paused.last_hash, &writer.last_hash, sizeof(paused.last_hash));
	raw_close(&writer);
	raw_close(&paused);
}

static void a_higher_schema_is_installed_and_others_say_hello_again(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client old, new;
	Leaderd__Hello hello;

	raw_open(&old, daemon->socket, "a1");
	push_many(&old, 1, 3);
	raw_connect(&new, daemon->socket);
	raw_hello_init(&hello, &new, "a2");
	hello.schema = (char *)RAW_SCHEMA_2;
	const Leaderd__Welcome *welcome = raw_hello(&new, &hello);
	assert_true(welcome->image);
	assert_string_equal(welcome->schema, RAW_SCHEMA_2);
	assert_false(welcome->schema_is_newer);

	assert_int_equal(raw_receive(&old)->body_case, LEADERD__TO_SESSION__BODY_HELLO_AGAIN);
	/* What was on its way is taken all the same. */
	raw_push(&old, raw_note(&old, 4));
	raw_hello_init(&hello, &old, "a1");
	welcome = raw_hello(&old, &hello);
	assert_true(welcome->schema_is_newer);
	assert_true(welcome->image);
	raw_take_until(&old, 4);
	raw_take_until(&new, 4);
	assert_memory_equal(&old.last_hash, &new.last_hash, sizeof(old.last_hash));
	raw_close(&old);
	raw_close(&new);
}

static void the_same_version_with_other_content_is_a_conflict(void **state) {
	struct raw_daemon *daemon = *state;
	struct raw_client client, other;
	Leaderd__ToLeader message = LEADERD__TO_LEADER__INIT;
	Leaderd__Hello hello;
	int code = 0;

	raw_open(&client, daemon->socket, "a1");
	raw_connect(&other, daemon->socket);
	raw_hello_init(&hello, &other, "a2");
	hello.schema = (char *)RAW_SCHEMA_1 "-- another word\n";
	message.body_case = LEADERD__TO_LEADER__BODY_HELLO;
	message.hello = &hello;
	raw_send(&other, &message);
	assert_true(raw_receive_end(&other, &code, NULL, 0));
	assert_int_equal(code, ERROR_CONFLICT);
	raw_close(&client);
	raw_close(&other);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, raw_daemon_setup, raw_daemon_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		STORY(a_new_store_is_resumed_from_root),
		STORY(without_a_schema_a_store_must_exist),
		STORY(a_long_log_comes_as_an_image),
		STORY(a_session_resumes_where_it_was),
		STORY(a_point_with_another_hash_is_answered_by_an_image),
		STORY(pending_events_get_their_verdicts),
		STORY(a_refusal_that_was_acknowledged_is_not_told_again),
		STORY(a_living_session_keeps_its_id),
		STORY(the_same_incarnation_replaces_its_old_connection),
		STORY(a_session_that_does_not_read_is_served_from_the_log),
		STORY(a_higher_schema_is_installed_and_others_say_hello_again),
		STORY(the_same_version_with_other_content_is_a_conflict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
