/*
 * The first bytes of a connection, as a leader reads them. Whoever is refused is
 * told so, in one frame that a session can read, with the code that was meant.
 */

#include "fuzz.h"
#include "proto/wire.h"

static void expect_refusal(const struct bytes *reply, int code) {
	struct wire_reader reader = { 0 };
	struct wire_arena arena = { 0 };
	const Leaderd__ToSession *message = NULL;
	struct error error = { 0 };
	const uint8_t *payload;
	size_t n;

	fuzz_expect(wire_reader_add(&reader, reply->data, reply->n) == 0);
	fuzz_expect(wire_reader_next(&reader, &payload, &n, &error) == WIRE_FRAME);
	fuzz_expect(wire_unpack_to_session(&arena, payload, n, &message, &error) == 0);
	fuzz_expect(handshake_session(message, &error) == code);
	wire_arena_clear(&arena);
	fuzz_expect(wire_reader_next(&reader, &payload, &n, &error) == 0);
	wire_reader_finish(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
	struct wire_reader reader = { 0 };
	struct wire_arena arena = { 0 };
	const Leaderd__ToLeader *message = NULL;
	struct bytes reply = { 0 };
	struct error error = { 0 };
	int r;

	fuzz_expect(wire_reader_add(&reader, data, n) == 0);
	r = handshake_leader(&reader, &arena, &message, &reply, &error);
	fuzz_expect_told(r, &error);
	if (r < 0)
		expect_refusal(&reply, r);
	else
		fuzz_expect(reply.n == 0);
	if (r == HANDSHAKE_SESSION)
		fuzz_expect(message->body_case == LEADERD__TO_LEADER__BODY_HELLO &&
		            store_name_is_valid(message->hello->store) && session_id_is_valid(message->hello->session_id));
	if (r == HANDSHAKE_REQUEST)
		fuzz_expect(message->body_case == LEADERD__TO_LEADER__BODY_REQUEST);
	wire_arena_clear(&arena);
	wire_reader_finish(&reader);
	bytes_finish(&reply);
	return 0;
}
