/*
 * Valid frames with a few bytes changed: each is taken or refused, none costs
 * more memory than its budget, and what is taken can be used.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "samples.h"

#define MUTATIONS 10000
#define KINDS 13u /* 7 messages to the leader, 6 to the session */

/* What our own objects asked of malloc: the arena's own count is not believed. */
static size_t allocated_bytes;

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);

void *__wrap_malloc(size_t n) {
	allocated_bytes += n;
	return __real_malloc(n);
}

struct outcome {
	unsigned taken, refused, too_large;
};

static struct bytes valid_payload(unsigned kind) {
	struct samples s;
	struct bytes frame;

	samples_init(&s);
	if (kind < 7) {
		frame = samples_pack_to_leader(samples_to_leader(&s, kind + 1));
	} else {
		samples_log_events(&s);
		s.refusal.event = &s.events[2];
		samples_shorten(&s.events[1]);
		if (kind - 7 + 1 != LEADERD__TO_SESSION__BODY_FEED)
			s.page.n_events = s.response.n_events = 1;
		frame = samples_pack_to_session(samples_to_session(&s, kind - 7 + 1));
	}
	bytes_drop_front(&frame, WIRE_HEADER_BYTES);
	return frame;
}

/* A byte changed, a bit flipped, bytes inserted, bytes taken out, an end cut off. */
static void mutate(struct chance *chance, struct bytes *payload) {
	size_t at = chance_below(chance, payload->n);
	size_t n = 1 + chance_below(chance, 8);

	switch (chance_below(chance, 5)) {
	case 0:
		payload->data[at] = (uint8_t)chance_next(chance);
		break;
	case 1:
		payload->data[at] ^= (uint8_t)(1u << chance_below(chance, 8));
		break;
	case 2:
		assert_int_equal(bytes_reserve(payload, n), 0);
		memmove(payload->data + at + n, payload->data + at, payload->n - at);
		for (size_t i = 0; i < n; i++)
			payload->data[at + i] = (uint8_t)chance_next(chance);
		payload->n += n;
		break;
	case 3:
		n = n < payload->n - at ? n : payload->n - at - 1;
		memmove(payload->data + at, payload->data + at + n, payload->n - at - n);
		payload->n -= n;
		break;
	default:
		payload->n = at + 1;
		break;
	}
}

static void use_events(Leaderd__Event *const *events, size_t n_events) {
	for (size_t i = 0; i < n_events; i++) {
		struct event *event = NULL;

		if (events[i]->short_)
			continue;
		assert_int_equal(wire_event_unpack(&event, events[i], NULL), 0);
		event_destroy(event);
	}
}

static int take(unsigned kind, struct wire_arena *arena, const struct bytes *payload, struct error *error) {
	const Leaderd__ToLeader *to_leader;
	const Leaderd__ToSession *to_session;
	int r = kind < 7 ? wire_unpack_to_leader(arena, payload->data, payload->n, &to_leader, error)
	                 : wire_unpack_to_session(arena, payload->data, payload->n, &to_session, error);

	assert_true(allocated_bytes <= arena->budget);
	assert_true(arena->used >= allocated_bytes);
	if (r < 0)
		return r;
	if (kind < 7 && to_leader->body_case == LEADERD__TO_LEADER__BODY_PUSH)
		use_events(to_leader->push->events, to_leader->push->n_events);
	if (kind >= 7 && to_session->body_case == LEADERD__TO_SESSION__BODY_FEED)
		use_events(to_session->feed->events, to_session->feed->n_events);
	if (kind >= 7 && to_session->body_case == LEADERD__TO_SESSION__BODY_RESPONSE)
		use_events(to_session->response->events, to_session->response->n_events);
	return 0;
}

static void mutated_frames_never_crash_and_stay_within_the_budget(void **state) {
	struct chance chance = chance_begin(__func__);
	struct outcome outcomes[KINDS] = { 0 };

	for (int i = 0; i < MUTATIONS; i++) {
		unsigned kind = (unsigned)chance_below(&chance, KINDS);
		struct bytes payload = valid_payload(kind);
		struct wire_arena arena = { .budget = 256 + chance_below(&chance, 16 * 1024) };
		struct error error = { 0 };

		for (uint64_t times = 1 + chance_below(&chance, 3); times > 0; times--)
			mutate(&chance, &payload);
		allocated_bytes = 0;
		int r = take(kind, &arena, &payload, &error);
		assert_true(r == 0 || r == ERROR_PROTOCOL || r == ERROR_TOO_LARGE || r == ERROR_VERSION);
		assert_int_equal(error.code, r);
		assert_true(r == 0 || error.text[0] != '\0');
		outcomes[kind].taken += r == 0;
		outcomes[kind].refused += r == ERROR_PROTOCOL || r == ERROR_VERSION;
		outcomes[kind].too_large += r == ERROR_TOO_LARGE;
		wire_arena_clear(&arena);
		bytes_finish(&payload);
	}
	/* The mutations were neither all harmless nor all deadly. */
	for (unsigned kind = 0; kind < KINDS; kind++) {
		print_message("kind %u: %u taken, %u refused, %u too large\n", kind, outcomes[kind].taken,
		              outcomes[kind].refused, outcomes[kind].too_large);
		assert_true(outcomes[kind].taken > 0);
		assert_true(outcomes[kind].refused > 0);
	}
}

static void random_bytes_are_refused_or_mean_nothing(void **state) {
	struct chance chance = chance_begin(__func__);

	for (int i = 0; i < MUTATIONS; i++) {
		uint8_t data[64];
		struct bytes payload = { .data = data, .n = 1 + chance_below(&chance, sizeof(data)) };
		struct wire_arena arena = { .budget = 4096 };
		struct error error = { 0 };

		for (size_t j = 0; j < payload.n; j++)
			data[j] = (uint8_t)chance_next(&chance);
		allocated_bytes = 0;
		int r = take(i % 2 == 0 ? 0 : 7, &arena, &payload, &error);
		assert_int_equal(error.code, r);
		wire_arena_clear(&arena);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mutated_frames_never_crash_and_stay_within_the_budget),
		cmocka_unit_test(random_bytes_are_refused_or_mean_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
