/*
 * Frames and messages on their way to the leader. An even first byte: the rest is
 * one message. An odd one: the rest is a stream of frames, which comes in pieces.
 * What is taken can be packed again, and means the same.
 */

#include <string.h>

#include "fuzz.h"
#include "proto/wire.h"

static void use_push(const Leaderd__Push *push) {
	for (size_t i = 0; i < push->n_events; i++) {
		struct error error = { 0 };
		struct event *event = NULL;

		fuzz_expect(wire_event_unpack(&event, push->events[i], &error) == 0);
		fuzz_expect(event->args_bytes <= EVENT_ARGS_BYTES_MAX && event->args[event->args_bytes] == '\0');
		fuzz_expect(event->entry.unit_index == i && event->entry.unit_count == push->n_events);
		event_destroy(event);
	}
}

static void pack_again(const Leaderd__ToLeader *message) {
	struct bytes first = { 0 }, second = { 0 };
	struct wire_arena arena = { 0 };
	const Leaderd__ToLeader *again;
	struct error error = { 0 };

	fuzz_expect(wire_pack_to_leader(&first, message, &error) == 0);
	fuzz_expect(wire_unpack_to_leader(&arena, first.data + WIRE_HEADER_BYTES, first.n - WIRE_HEADER_BYTES, &again,
	                                  &error) == 0);
	fuzz_expect(wire_pack_to_leader(&second, again, &error) == 0);
	fuzz_expect(first.n == second.n && memcmp(first.data, second.data, first.n) == 0);
	wire_arena_clear(&arena);
	bytes_finish(&first);
	bytes_finish(&second);
}

static void take_message(const uint8_t *payload, size_t n) {
	struct wire_arena arena = { 0 };
	const Leaderd__ToLeader *message = NULL;
	struct error error = { 0 };
	int r = wire_unpack_to_leader(&arena, payload, n, &message, &error);

	fuzz_expect_told(r, &error);
	fuzz_expect(arena.used <= FRAME_MEMORY_BYTES_MAX);
	if (r == 0) {
		if (message->body_case == LEADERD__TO_LEADER__BODY_PUSH)
			use_push(message->push);
		pack_again(message);
	} else {
		fuzz_expect(r == ERROR_PROTOCOL || r == ERROR_TOO_LARGE || r == ERROR_VERSION);
	}
	wire_arena_clear(&arena);
}

static void take_stream(struct fuzz_input *input, size_t piece) {
	struct wire_reader reader = { 0 };
	int r = 0;

	while (input->n > 0 && r >= 0) {
		size_t n = input->n < piece ? input->n : piece;
		struct error error = { 0 };
		const uint8_t *payload;
		size_t n_payload;

		fuzz_expect(wire_reader_add(&reader, input->at, n) == 0);
		input->at += n;
		input->n -= n;
		while ((r = wire_reader_next(&reader, &payload, &n_payload, &error)) == WIRE_FRAME)
			take_message(payload, n_payload);
		fuzz_expect_told(r, &error);
	}
	wire_reader_finish(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
	struct fuzz_input input = { data, n };
	uint8_t first = fuzz_u8(&input);

	if (first % 2 == 0)
		take_message(input.at, input.n);
	else
		take_stream(&input, 1 + (size_t)first / 2);
	return 0;
}
