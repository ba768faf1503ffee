/*
 * The handshake as two columns: the bytes that come in, and the bytes that go
 * out. A failure's code is an int32: -9, ERROR_PROTOCOL, is f7 ff .. 01.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "allocation.h"
#include "samples.h"

#define NEGATIVE " ff ff ff ff ff ff ff ff 01 "
#define PROTOCOL "08 f7" NEGATIVE
#define VERSION "08 ef" NEGATIVE
#define TOO_LARGE "08 f5" NEGATIVE
#define HELLO "[ 0a (08 01 12 ('todos') 1a ('app.1') 22 ('nonce of 16 byte')) ]"
#define REQUEST "[ 3a (08 05 10 02 18 01) ]"

static const struct {
	const char *in;
	int outcome;
	const char *out;
} leader_side[] = {
	/* Not yet a frame: nothing is said. */
	{ "", HANDSHAKE_MORE, "" },
	{ "24 00 00", HANDSHAKE_MORE, "" },
	{ "24 00 00 00 0a", HANDSHAKE_MORE, "" },
	/* A session, a tool; what follows is not the handshake's business. */
	{ HELLO, HANDSHAKE_SESSION, "" },
	{ REQUEST, HANDSHAKE_REQUEST, "" },
	{ HELLO "'not a frame'", HANDSHAKE_SESSION, "" },
	{ HELLO HELLO, HANDSHAKE_SESSION, "" },
	/* No frame at all. */
	{ "00 00 00 00", ERROR_PROTOCOL, "[ 32 (" PROTOCOL "12 ('a frame announced 0 bytes, expected 1 to 1048576')) ]" },
	{ "'GET / HTTP/1.1'", ERROR_PROTOCOL,
	  "[ 32 (" PROTOCOL "12 ('a frame announced 542393671 bytes, expected 1 to 1048576')) ]" },
	/* A frame, but no message. */
	{ "[ ff ]", ERROR_PROTOCOL, "[ 32 (" PROTOCOL "12 ('ToLeader had no valid field number at byte 0')) ]" },
	{ "[ 7a ('?') ]", ERROR_PROTOCOL, "[ 32 (" PROTOCOL "12 ('ToLeader had no body that is known here')) ]" },
	/* A message, but not a first one. */
	{ "[ 1a () ]", ERROR_PROTOCOL,
	  "[ 32 (" PROTOCOL "12 ('a connection began with neither a hello nor a request')) ]" },
	{ "[ 2a (08 01 10 01) ]", ERROR_PROTOCOL,
	  "[ 32 (" PROTOCOL "12 ('a connection began with neither a hello nor a request')) ]" },
	/* Versions: the answer is the same whatever else a newer hello says. */
	{ "[ 0a (08 02 12 ('todos') 1a ('app.1') 22 ('nonce of 16 byte')) ]", ERROR_VERSION,
	  "[ 32 (" VERSION "12 ('Hello.protocol was version 2, this program speaks version 1')) ]" },
	{ "[ 0a () ]", ERROR_VERSION,
	  "[ 32 (" VERSION "12 ('Hello.protocol was version 0, this program speaks version 1')) ]" },
	{ "[ 3a (18 09) ]", ERROR_VERSION,
	  "[ 32 (" VERSION "12 ('Request.protocol was version 9, this program speaks version 1')) ]" },
	/* Names that become folders and rows. */
	{ "[ 0a (08 01 12 ('../todos') 1a ('app.1') 22 ('nonce of 16 byte')) ]", ERROR_PROTOCOL,
	  "[ 32 (" PROTOCOL "12 ('Hello.store was no store name, expected 1 to 64 of a-z 0-9 . _ -, "
	  "a letter or digit first')) ]" },
	{ "[ 0a (08 01 12 ('todos') 1a ('app 1') 22 ('nonce of 16 byte')) ]", ERROR_PROTOCOL,
	  "[ 32 (" PROTOCOL "12 ('Hello.session_id was no session id, expected 1 to 64 of A-Z a-z 0-9 . _ -')) ]" },
	{ "[ 0a (08 01 12 ('todos' 00 '/') 1a ('app.1') 22 ('nonce of 16 byte')) ]", ERROR_PROTOCOL,
	  "[ 32 (" PROTOCOL "12 ('Hello.store was no UTF-8 text without NUL at byte 6')) ]" },
	{ "[ 0a (08 01 12 ('todos') 1a ('app.1') 22 ('nonce')) ]", ERROR_PROTOCOL,
	  "[ 32 (" PROTOCOL "12 ('Hello.nonce had 5 bytes, expected 16')) ]" },
};

static void a_leader_answers_the_first_bytes_of_a_connection(void **state) {
	for (size_t i = 0; i < sizeof(leader_side) / sizeof(leader_side[0]); i++) {
		struct bytes in = bytes_of_text(leader_side[i].in), out = bytes_of_text(leader_side[i].out), reply = { 0 };
		struct wire_reader reader = { 0 };
		struct wire_arena arena = { 0 };
		struct error error = { 0 };
		const Leaderd__ToLeader *message = NULL;

		assert_int_equal(wire_reader_add(&reader, in.data, in.n), 0);
		int r = handshake_leader(&reader, &arena, &message, &reply, &error);
		print_message("%s\n    -> %s\n", leader_side[i].in, error.code == 0 ? "(nothing)" : error.text);
		assert_int_equal(r, leader_side[i].outcome);
		assert_int_equal(error.code, r < 0 ? r : 0);
		assert_true((message != NULL) == (r > 0));
		assert_int_equal(reply.n, out.n);
		if (out.n > 0)
			assert_memory_equal(reply.data, out.data, out.n);
		wire_arena_clear(&arena);
		wire_reader_finish(&reader);
		bytes_finish(&reply);
		bytes_finish(&in);
		bytes_finish(&out);
	}
}

static void a_hello_is_the_same_in_every_split_of_its_bytes(void **state) {
	struct bytes in = bytes_of_text(HELLO);

	for (size_t split = 0; split < in.n; split++) {
		struct wire_reader reader = { 0 };
		struct wire_arena arena = { 0 };
		struct bytes reply = { 0 };
		const Leaderd__ToLeader *message = NULL;

		assert_int_equal(wire_reader_add(&reader, in.data, split), 0);
		assert_int_equal(handshake_leader(&reader, &arena, &message, &reply, NULL), HANDSHAKE_MORE);
		assert_int_equal(wire_reader_add(&reader, in.data + split, in.n - split), 0);
		assert_int_equal(handshake_leader(&reader, &arena, &message, &reply, NULL), HANDSHAKE_SESSION);
		assert_string_equal(message->hello->session_id, "app.1");
		assert_int_equal(reply.n, 0);
		wire_arena_clear(&arena);
		wire_reader_finish(&reader);
	}
	bytes_finish(&in);
}

static void what_follows_the_first_frame_stays_in_the_reader(void **state) {
	struct bytes in = bytes_of_text(HELLO "['next']");
	struct wire_reader reader = { 0 };
	struct wire_arena arena = { 0 };
	struct bytes reply = { 0 };
	const Leaderd__ToLeader *message;
	const uint8_t *payload;
	size_t n;

	assert_int_equal(wire_reader_add(&reader, in.data, in.n), 0);
	assert_int_equal(handshake_leader(&reader, &arena, &message, &reply, NULL), HANDSHAKE_SESSION);
	assert_int_equal(wire_reader_next(&reader, &payload, &n, NULL), WIRE_FRAME);
	assert_int_equal(n, 4);
	assert_memory_equal(payload, "next", 4);
	wire_arena_clear(&arena);
	wire_reader_finish(&reader);
	bytes_finish(&in);
}

static void a_session_takes_a_welcome_a_response_or_a_failure_first(void **state) {
	static const struct {
		Leaderd__ToSession__BodyCase body;
		int32_t code; /* of the failure */
		int outcome;
		const char *text;
	} cases[] = {
		{ LEADERD__TO_SESSION__BODY_WELCOME, 0, 0, "" },
		{ LEADERD__TO_SESSION__BODY_RESPONSE, 0, 0, "" },
		{ LEADERD__TO_SESSION__BODY_FAILURE, ERROR_NOT_FOUND, ERROR_NOT_FOUND, "no such store" },
		{ LEADERD__TO_SESSION__BODY_FAILURE, ERROR_VERSION, ERROR_VERSION, "no such store" },
		{ LEADERD__TO_SESSION__BODY_FAILURE, ERROR_LAST - 1, ERROR_PROTOCOL, "no such store" },
		{ LEADERD__TO_SESSION__BODY_FEED, 0, ERROR_PROTOCOL,
		  "a leader answered with neither a welcome, a response nor a failure" },
		{ LEADERD__TO_SESSION__BODY_HELLO_AGAIN, 0, ERROR_PROTOCOL,
		  "a leader answered with neither a welcome, a response nor a failure" },
		{ LEADERD__TO_SESSION__BODY_EVENTS_PAGE, 0, ERROR_PROTOCOL,
		  "a leader answered with neither a welcome, a response nor a failure" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct samples s;
		struct error error = { 0 };

		samples_init(&s);
		s.failure.code = cases[i].code;
		assert_int_equal(handshake_session(samples_to_session(&s, cases[i].body), &error), cases[i].outcome);
		assert_string_equal(error.text, cases[i].text);
	}
}

/* The refusal itself is what counts: without memory for the reply, or for the
 * message, the code is told all the same and nothing leaks. */
static void the_handshake_fails_cleanly_at_each_allocation(void **state) {
	static const struct {
		const char *in;
		int outcome;
	} cases[] = { { HELLO, HANDSHAKE_SESSION }, { "[ ff ]", ERROR_PROTOCOL } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes in = bytes_of_text(cases[i].in);
		long before = allocation_live();
		bool failed = true;

		for (unsigned long k = 1; failed; k++) {
			struct wire_reader reader = { 0 };
			struct wire_arena arena = { 0 };
			struct bytes reply = { 0 };
			struct error error = { 0 };
			const Leaderd__ToLeader *message = NULL;

			assert_int_equal(wire_reader_add(&reader, in.data, in.n), 0);
			allocation_fail_at(k);
			int r = handshake_leader(&reader, &arena, &message, &reply, &error);
			failed = allocation_has_failed();
			allocation_fail_at(0);
			if (!failed || cases[i].outcome < 0)
				assert_int_equal(r, cases[i].outcome);
			else
				assert_int_equal(r, ERROR_NO_MEMORY);
			assert_int_equal(error.code, r < 0 ? r : 0);
			assert_true(failed || k > 1);
			wire_arena_clear(&arena);
			wire_reader_finish(&reader);
			bytes_finish(&reply);
			assert_int_equal(allocation_live(), before);
		}
		bytes_finish(&in);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_leader_answers_the_first_bytes_of_a_connection),
		cmocka_unit_test(a_hello_is_the_same_in_every_split_of_its_bytes),
		cmocka_unit_test(what_follows_the_first_frame_stays_in_the_reader),
		cmocka_unit_test(a_session_takes_a_welcome_a_response_or_a_failure_first),
		cmocka_unit_test(the_handshake_fails_cleanly_at_each_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
