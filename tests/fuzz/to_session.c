/*
 * Messages on their way to the session. What is taken can be packed again, and
 * means the same; its events can be converted; as an answer to the first frame it
 * is a welcome, a response, or a failure with a code of ours.
 */

#include <string.h>

#include "fuzz.h"
#include "proto/wire.h"

static void use_events(Leaderd__Event *const *events, size_t n_events) {
	for (size_t i = 0; i < n_events; i++) {
		struct error error = { 0 };
		struct event *event = NULL;

		if (events[i]->short_)
			continue;
		fuzz_expect(wire_event_unpack(&event, events[i], &error) == 0);
		event_destroy(event);
	}
}

static void use_refusals(Leaderd__Refusal *const *refusals, size_t n_refusals) {
	for (size_t i = 0; i < n_refusals; i++) {
		fuzz_expect(refusals[i]->event != NULL && refusals[i]->reason != NULL);
		use_events(&refusals[i]->event, 1);
	}
}

static void use(const Leaderd__ToSession *message) {
	switch (message->body_case) {
	case LEADERD__TO_SESSION__BODY_FEED:
		use_events(message->feed->events, message->feed->n_events);
		use_refusals(message->feed->refusals, message->feed->n_refusals);
		break;
	case LEADERD__TO_SESSION__BODY_RESPONSE:
		use_events(message->response->events, message->response->n_events);
		use_refusals(message->response->refusals, message->response->n_refusals);
		break;
	case LEADERD__TO_SESSION__BODY_EVENTS_PAGE:
		use_events(message->events_page->events, message->events_page->n_events);
		break;
	default:
		break;
	}
}

static void pack_again(const Leaderd__ToSession *message) {
	struct bytes first = { 0 }, second = { 0 };
	struct wire_arena arena = { 0 };
	const Leaderd__ToSession *again;
	struct error error = { 0 };

	fuzz_expect(wire_pack_to_session(&first, message, &error) == 0);
	fuzz_expect(wire_unpack_to_session(&arena, first.data + WIRE_HEADER_BYTES, first.n - WIRE_HEADER_BYTES, &again,
	                                   &error) == 0);
	fuzz_expect(wire_pack_to_session(&second, again, &error) == 0);
	fuzz_expect(first.n == second.n && memcmp(first.data, second.data, first.n) == 0);
	wire_arena_clear(&arena);
	bytes_finish(&first);
	bytes_finish(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
	struct wire_arena arena = { 0 };
	const Leaderd__ToSession *message = NULL;
	struct error error = { 0 };
	int r = wire_unpack_to_session(&arena, data, n, &message, &error);

	fuzz_expect_told(r, &error);
	fuzz_expect(arena.used <= FRAME_MEMORY_BYTES_MAX);
	if (r == 0) {
		use(message);
		pack_again(message);
		r = handshake_session(message, &error); /* a failure's text is the leader's: it may be empty */
		fuzz_expect(r == 0 || error.code == r);
	} else {
		fuzz_expect(r == ERROR_PROTOCOL || r == ERROR_TOO_LARGE || r == ERROR_VERSION);
	}
	wire_arena_clear(&arena);
	return 0;
}
