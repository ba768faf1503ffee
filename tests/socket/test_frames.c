/* Bad frames: each ends its own connection, and nothing else. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/socket/raw_client.h"
#include "tests/socket/raw_daemon.h"

/* One daemon for all: it has to outlive everything that is done to it. */
static int start(void **state) {
	return raw_daemon_setup(state);
}

static int stop(void **state) {
	return raw_daemon_teardown(state);
}

/* Somebody else's connection goes on: it pushes one more event and is told of it. */
struct witness {
	struct raw_client client;
	uint64_t pushed;
};

static void witness_open(struct witness *witness, struct raw_daemon *daemon) {
	static uint64_t number;
	char id[32];

	snprintf(id, sizeof(id), "witness%llu", (unsigned long long)++number);
	raw_open(&witness->client, daemon->socket, id);
	witness->pushed = 1000000 * number;
}

static void witness_expect_life(struct witness *witness) {
	raw_push(&witness->client, raw_note(&witness->client, ++witness->pushed));
	raw_take_until(&witness->client, witness->pushed);
	raw_close(&witness->client);
}

static void random_bytes_end_their_connection_only(void **state) {
	const char *given = getenv("LEADERD_SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : 20260101u;
	struct witness witness;

	print_message("seed %u\n", seed);
	srandom(seed);
	witness_open(&witness, *state);
	for (int round = 0; round < 200; round++) {
		struct raw_client client;
		uint8_t bytes[300];
		size_t n = 1 + (size_t)random() % sizeof(bytes);

		for (size_t i = 0; i < n; i++)
			bytes[i] = (uint8_t)random();
		/* Half of them begin with a length that could be one. */
		if (n > 4 && round % 2 == 0)
			memcpy(bytes, (uint8_t[]){ (uint8_t)(n - 4), (uint8_t)((n - 4) >> 8), 0, 0 }, 4);
		raw_connect(&client, ((struct raw_daemon *)*state)->socket);
		(void)!send(client.fd, bytes, n, MSG_NOSIGNAL);
		shutdown(client.fd, SHUT_WR);
		raw_receive_end(&client, NULL, NULL, 0);
		raw_close(&client);
	}
	witness_expect_life(&witness);
}

static void expect_failure(struct raw_client *client, int expected) {
	int code = 0;
	char text[480] = "";

	assert_true(raw_receive_end(client, &code, text, sizeof(text)));
	if (code != expected)
		fail_msg("expected code %d, found %d: %s", expected, code, text);
	raw_close(client);
}

static void an_oversized_frame_is_a_failure(void **state) {
	struct witness witness;
	struct raw_client client;

	witness_open(&witness, *state);
	raw_connect(&client, ((struct raw_daemon *)*state)->socket);
	raw_send_bytes(&client, "\xff\xff\xff\x7f", 4);
	expect_failure(&client, ERROR_PROTOCOL);
	witness_expect_life(&witness);
}

static void an_empty_frame_is_a_failure(void **state) {
	struct raw_client client;

	raw_connect(&client, ((struct raw_daemon *)*state)->socket);
	raw_send_bytes(&client, "\0\0\0\0", 4);
	expect_failure(&client, ERROR_PROTOCOL);
}

static void a_truncated_frame_is_dropped(void **state) {
	struct witness witness;
	struct raw_client client;

	witness_open(&witness, *state);
	raw_open(&client, ((struct raw_daemon *)*state)->socket, "t1");
	raw_send_bytes(&client, "\x40\0\0\0half a frame", 16);
	raw_close(&client);
	witness_expect_life(&witness);
}

static void a_push_before_the_hello_is_a_failure(void **state) {
	struct raw_client client;

	raw_connect(&client, ((struct raw_daemon *)*state)->socket);
	strcpy(client.session_id, "p1");
	memset(client.client_id, 'a', CLIENT_ID_BYTES);
	raw_push(&client, raw_note(&client, 1));
	expect_failure(&client, ERROR_PROTOCOL);
}

static void a_push_on_an_administrative_connection_is_a_failure(void **state) {
	struct raw_client client;
	Leaderd__Request request = LEADERD__REQUEST__INIT;

	raw_connect(&client, ((struct raw_daemon *)*state)->socket);
	request.operation = LEADERD__OPERATION__STORE_LIST;
	raw_request(&client, &request);
	strcpy(client.session_id, "p1");
	memset(client.client_id, 'a', CLIENT_ID_BYTES);
	raw_push(&client, raw_note(&client, 1));
	expect_failure(&client, ERROR_PROTOCOL);
}

static void an_acknowledgement_before_the_hello_is_a_failure(void **state) {
	Leaderd__ToLeader message = LEADERD__TO_LEADER__INIT;
	Leaderd__Acknowledge body = LEADERD__ACKNOWLEDGE__INIT;
	struct raw_client client;

	message.body_case = LEADERD__TO_LEADER__BODY_ACKNOWLEDGE;
	message.acknowledge = &body;
	raw_connect(&client, ((struct raw_daemon *)*state)->socket);
	raw_send(&client, &message);
	expect_failure(&client, ERROR_PROTOCOL);
}

static void a_second_hello_as_another_session_is_a_failure(void **state) {
	struct raw_client client;
	Leaderd__ToLeader message = LEADERD__TO_LEADER__INIT;
	Leaderd__Hello hello;

	raw_open(&client, ((struct raw_daemon *)*state)->socket, "s1");
	raw_hello_init(&hello, &client, "s2");
	message.body_case = LEADERD__TO_LEADER__BODY_HELLO;
	message.hello = &hello;
	raw_send(&client, &message);
	expect_failure(&client, ERROR_PROTOCOL);
}

static void another_protocol_version_is_told_as_such(void **state) {
	Leaderd__ToLeader message = LEADERD__TO_LEADER__INIT;
	Leaderd__Hello hello;
	struct raw_client client;

	raw_connect(&client, ((struct raw_daemon *)*state)->socket);
	raw_hello_init(&hello, &client, "v1");
	hello.protocol = WIRE_PROTOCOL_VERSION + 1;
	message.body_case = LEADERD__TO_LEADER__BODY_HELLO;
	message.hello = &hello;
	raw_send(&client, &message);
	expect_failure(&client, ERROR_VERSION);
}

static void a_push_of_two_units_is_a_failure(void **state) {
	struct raw_client client;
	struct event *events[2];

	raw_open(&client, ((struct raw_daemon *)*state)->socket, "u1");
	events[0] = raw_note(&client, 501);
	events[1] = raw_note(&client, 502);
	raw_push_events(&client, events, 2);
	expect_failure(&client, ERROR_PROTOCOL);
	event_destroy(events[0]);
	event_destroy(events[1]);
}

static void descriptors_that_a_session_sends_are_not_kept(void **state) {
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr aligned;
	} control = { 0 };
	struct iovec piece = { (void *)"\0", 1 };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.bytes,
		                      .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	struct raw_client client;
	char byte;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	raw_open(&client, ((struct raw_daemon *)*state)->socket, "d1");
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &ends[1], sizeof(int));
	assert_int_equal(sendmsg(client.fd, &message, 0), 1);
	/* The rest of a bad length: the daemon has read the byte that the descriptor came with. */
	raw_send_bytes(&client, "\0\0\0", 3);
	expect_failure(&client, ERROR_PROTOCOL);
	close(ends[1]);

	/* Nobody holds the writing end any more. */
	assert_int_equal(read(ends[0], &byte, 1), 0);
	close(ends[0]);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_bytes_end_their_connection_only),
		cmocka_unit_test(an_oversized_frame_is_a_failure),
		cmocka_unit_test(an_empty_frame_is_a_failure),
		cmocka_unit_test(a_truncated_frame_is_dropped),
		cmocka_unit_test(a_push_before_the_hello_is_a_failure),
		cmocka_unit_test(a_push_on_an_administrative_connection_is_a_failure),
		cmocka_unit_test(an_acknowledgement_before_the_hello_is_a_failure),
		cmocka_unit_test(a_second_hello_as_another_session_is_a_failure),
		cmocka_unit_test(another_protocol_version_is_told_as_such),
		cmocka_unit_test(a_push_of_two_units_is_a_failure),
		cmocka_unit_test(descriptors_that_a_session_sends_are_not_kept),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
