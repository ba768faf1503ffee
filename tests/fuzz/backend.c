/*
 * Messages between leader and adapter. The first byte says which way: 0 to the
 * adapter, 1 from it, 2 an event as backends store it. What is taken can be packed
 * again, and means the same.
 */

#include <string.h>

#include "fuzz.h"
#include "proto/backend_wire.h"

static void use_events(Leaderd__Event *const *events, size_t n_events) {
	for (size_t i = 0; i < n_events; i++) {
		struct error error = { 0 };
		struct event *event = NULL;

		fuzz_expect(wire_event_unpack(&event, events[i], &error) == 0);
		fuzz_expect(event->entry.at.client == 0 && !event->entry.client_only);
		event_destroy(event);
	}
}

static void expect_equal(struct bytes *first, struct bytes *second) {
	fuzz_expect(first->n == second->n && memcmp(first->data, second->data, first->n) == 0);
	bytes_finish(first);
	bytes_finish(second);
}

static int to_adapter(const uint8_t *data, size_t n, struct bytes *ret, struct error *error) {
	struct wire_arena arena = { 0 };
	const Leaderd__ToAdapter *message = NULL;
	int r = backend_unpack_to_adapter(&arena, data, n, &message, error);

	if (r == 0) {
		if (message->body_case == LEADERD__TO_ADAPTER__BODY_PUSH)
			use_events(message->push->events, message->push->n_events);
		fuzz_expect(backend_pack_to_adapter(ret, message, error) == 0);
	}
	wire_arena_clear(&arena);
	return r;
}

static int from_adapter(const uint8_t *data, size_t n, struct bytes *ret, struct error *error) {
	struct wire_arena arena = { 0 };
	const Leaderd__FromAdapter *message = NULL;
	int r = backend_unpack_from_adapter(&arena, data, n, &message, error);

	if (r == 0) {
		if (message->body_case == LEADERD__FROM_ADAPTER__BODY_PAGE)
			use_events(message->page->events, message->page->n_events);
		fuzz_expect(backend_pack_from_adapter(ret, message, error) == 0);
	}
	wire_arena_clear(&arena);
	return r;
}

static void take_message(int (*take)(const uint8_t *, size_t, struct bytes *, struct error *),
                         const struct fuzz_input *input) {
	struct bytes first = { 0 }, second = { 0 };
	struct error error = { 0 };
	int r = take(input->at, input->n, &first, &error);

	fuzz_expect_told(r, &error);
	if (r < 0) {
		fuzz_expect(r == ERROR_PROTOCOL || r == ERROR_TOO_LARGE || r == ERROR_VERSION);
		return;
	}
	fuzz_expect(take(first.data + WIRE_HEADER_BYTES, first.n - WIRE_HEADER_BYTES, &second, &error) == 0);
	expect_equal(&first, &second);
}

static void take_event(const struct fuzz_input *input) {
	struct bytes first = { 0 }, second = { 0 };
	struct event *event = NULL, *again = NULL;
	struct error error = { 0 };
	int r = backend_event_read(&event, input->at, input->n, &error);

	fuzz_expect_told(r, &error);
	if (r < 0)
		return;
	fuzz_expect(backend_event_write(&first, event) == 0);
	fuzz_expect(backend_event_read(&again, first.data, first.n, &error) == 0);
	fuzz_expect(hash_equal(&event->entry.content, &again->entry.content));
	fuzz_expect(backend_event_write(&second, again) == 0);
	expect_equal(&first, &second);
	event_destroy(event);
	event_destroy(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
	struct fuzz_input input = { data, n };

	switch (fuzz_below(&input, 3)) {
	case 0:
		take_message(to_adapter, &input);
		break;
	case 1:
		take_message(from_adapter, &input);
		break;
	default:
		take_event(&input);
		break;
	}
	return 0;
}
