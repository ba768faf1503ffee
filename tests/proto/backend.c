/*
 * The adapters' messages: each field's check, as a table of what is spoiled in
 * a valid message; and events as a backend keeps them.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "chance.h"
#include "proto/backend_wire.h"
#include "samples.h"
#include "store/hash.h"

struct backend_samples {
	struct samples s; /* its events, as a backend gets them */
	uint8_t cursor[BACKEND_CURSOR_BYTES_MAX + 1];
	Leaderd__BackendPoint point, other;
	Leaderd__Open open;
	Leaderd__PushBatch push;
	Leaderd__Pull pull;
	Leaderd__Ping ping;
	Leaderd__Opened opened;
	Leaderd__PushAnswer answer;
	Leaderd__Page page;
	Leaderd__Pong pong;
	Leaderd__Problem problem;
};

static ProtobufCBinaryData lend(const void *data, size_t n) {
	return (ProtobufCBinaryData){ .len = n, .data = (uint8_t *)data };
}

static void init_requests(struct backend_samples *b) {
	leaderd__open__init(&b->open);
	b->open.number = 1;
	b->open.protocol = BACKEND_PROTOCOL_VERSION;
	b->open.store = "todos";
	b->open.url = "file:/var/lib/todos.db";
	b->open.lineage = lend("lineage 16 bytes", 16);
	b->open.epoch = 3;
	b->open.confirmed = &b->point;
	b->open.client_id = "00112233445566778899aabbccddeeff";
	b->open.new_lineage = lend("another 16 bytes", 16);
	leaderd__push_batch__init(&b->push);
	b->push.number = 2;
	b->push.parent = &b->point;
	b->push.events = b->s.list;
	b->push.n_events = SAMPLE_EVENTS;
	leaderd__pull__init(&b->pull);
	b->pull.number = 3;
	b->pull.after = &b->point;
	b->pull.events_max = 512;
	b->pull.bytes_max = 4096;
	leaderd__ping__init(&b->ping);
	b->ping.number = 4;
}

static void init_answers(struct backend_samples *b) {
	leaderd__opened__init(&b->opened);
	b->opened.number = 1;
	b->opened.lineage = b->open.lineage;
	b->opened.epoch = 3;
	b->opened.head = &b->point;
	b->opened.batch_events_max = 100;
	b->opened.batch_bytes_max = b->opened.event_bytes_max = 100000;
	leaderd__push_answer__init(&b->answer);
	b->answer.number = 2;
	b->answer.result = LEADERD__PUSH_RESULT__PUSH_ACCEPTED;
	b->answer.head = &b->point;
	leaderd__page__init(&b->page);
	b->page.number = 3;
	b->page.events = b->s.list;
	b->page.n_events = SAMPLE_EVENTS;
	b->page.end = &b->point;
	b->page.head = &b->other;
	b->page.more = true;
	leaderd__pong__init(&b->pong);
	b->pong.number = 4;
	leaderd__problem__init(&b->problem);
	b->problem.code = ERROR_CONFLICT;
	b->problem.text = "another store's";
	b->problem.lineage = b->open.lineage;
}

static void backend_samples_init(struct backend_samples *b) {
	memset(b, 0, sizeof(*b));
	samples_init(&b->s);
	for (size_t i = 0; i < SAMPLE_EVENTS; i++) {
		b->s.events[i].generation = 0;
		b->s.events[i].chain_hash = lend(b->s.hash, sizeof(b->s.hash));
	}
	leaderd__backend_point__init(&b->point);
	b->point.global = 6;
	b->point.chain_hash = lend(b->s.hash, sizeof(b->s.hash));
	b->point.cursor = lend(b->cursor, 8);
	b->other = b->point;
	init_requests(b);
	init_answers(b);
}

static int unpack_to_adapter(struct backend_samples *b, Leaderd__ToAdapter__BodyCase body, struct error *error) {
	void *bodies[] = { NULL, &b->open, &b->push, &b->pull, &b->ping };
	Leaderd__ToAdapter message = LEADERD__TO_ADAPTER__INIT;
	const Leaderd__ToAdapter *unpacked = NULL;
	struct wire_arena arena = { 0 };
	struct bytes frame = { 0 };

	message.body_case = body;
	message.open = bodies[body]; /* the bodies are one union */
	assert_int_equal(backend_pack_to_adapter(&frame, &message, error), 0);
	int r = backend_unpack_to_adapter(&arena, frame.data + WIRE_HEADER_BYTES, frame.n - WIRE_HEADER_BYTES, &unpacked,
	                                  error);
	assert_true((r == 0) == (unpacked != NULL));
	wire_arena_clear(&arena);
	bytes_finish(&frame);
	return r;
}

static int unpack_from_adapter(struct backend_samples *b, Leaderd__FromAdapter__BodyCase body, struct error *error) {
	void *bodies[] = { NULL, &b->opened, &b->answer, &b->page, &b->pong, &b->problem };
	Leaderd__FromAdapter message = LEADERD__FROM_ADAPTER__INIT;
	const Leaderd__FromAdapter *unpacked = NULL;
	struct wire_arena arena = { 0 };
	struct bytes frame = { 0 };

	message.body_case = body;
	message.opened = bodies[body];
	assert_int_equal(backend_pack_from_adapter(&frame, &message, error), 0);
	int r = backend_unpack_from_adapter(&arena, frame.data + WIRE_HEADER_BYTES, frame.n - WIRE_HEADER_BYTES, &unpacked,
	                                    error);
	assert_true((r == 0) == (unpacked != NULL));
	wire_arena_clear(&arena);
	bytes_finish(&frame);
	return r;
}

/* One row each: body, what is spoiled, expected code and text. */
#define ROW(direction, body, spoil, expected, line)                                 \
	do {                                                                            \
		struct backend_samples b;                                                   \
		struct error error = { 0 };                                                 \
		backend_samples_init(&b);                                                   \
		spoil;                                                                      \
		assert_int_equal(unpack_##direction##_adapter(&b, body, &error), expected); \
		assert_string_equal(error.text, line);                                      \
	} while (0)
#define TO(body, spoil, expected, line) ROW(to, LEADERD__TO_ADAPTER__BODY_##body, spoil, expected, line)
#define FROM(body, spoil, expected, line) ROW(from, LEADERD__FROM_ADAPTER__BODY_##body, spoil, expected, line)
#define CUT(data, n) ((data).len = (n))
#define LARGE (UINT64_C(1) << 63)
#define RESULT(name) (b.answer.result = LEADERD__PUSH_RESULT__PUSH_##name)

static char long_text[BACKEND_URL_BYTES_MAX + 2];

static int fill(void **state) {
	memset(long_text, 'x', sizeof(long_text) - 1);
	return 0;
}

static void every_sample_is_valid(void **state) {
	TO(OPEN, , 0, "");
	TO(PUSH, , 0, "");
	TO(PULL, , 0, "");
	TO(PING, , 0, "");
	FROM(OPENED, , 0, "");
	FROM(PUSH_ANSWER, , 0, "");
	FROM(PAGE, , 0, "");
	FROM(PONG, , 0, "");
	FROM(PROBLEM, , 0, "");
}

static void what_may_be_absent_is_valid_when_absent(void **state) {
	TO(OPEN, (CUT(b.open.lineage, 0), b.open.epoch = 0, b.open.confirmed = NULL), 0, "");
	TO(PUSH, b.push.parent = NULL, 0, "");
	TO(PULL, (b.point.global = 0, CUT(b.point.chain_hash, 0), CUT(b.point.cursor, 0)), 0, "");
	TO(PULL, (b.point.global = 0, CUT(b.point.chain_hash, 0)), 0, ""); /* a cursor may say where to begin */
	FROM(OPENED, b.opened.head = NULL, 0, "");
	FROM(PUSH_ANSWER, (RESULT(LATER), b.answer.head = NULL), 0, "");
	FROM(PUSH_ANSWER, (RESULT(BEHIND), b.answer.reason = "pull first"), 0, "");
	FROM(PUSH_ANSWER, (RESULT(REFUSED), b.answer.permanent = true), 0, "");
	FROM(PUSH_ANSWER, (RESULT(REFUSED), b.answer.refused = lend(b.s.ids, sizeof(b.s.ids))), 0, "");
	FROM(PAGE, (b.page.n_events = 0, b.page.more = false), 0, "");
	FROM(PAGE, (b.page.n_events = 0, b.page.more = false, b.page.diverged = true), 0, "");
	FROM(PAGE, b.s.events[0].sync_metadata = lend("sequence 12", 11), 0, "");
	FROM(PROBLEM, (CUT(b.problem.lineage, 0), b.problem.text = ""), 0, "");
}

static void open_is_checked(void **state) {
	TO(OPEN, b.open.protocol = 2, ERROR_VERSION, "Open.protocol was version 2, this program speaks version 1");
	TO(OPEN, (b.open.protocol = 2, b.open.store = ""), ERROR_VERSION,
	   "Open.protocol was version 2, this program speaks version 1");
	TO(OPEN, b.open.number = 0, ERROR_PROTOCOL, "Open.number was 0, expected at least 1");
	TO(OPEN, b.open.store = "../x", ERROR_PROTOCOL,
	   "Open.store was no store name, expected 1 to 64 of a-z 0-9 . _ -, a letter or digit first");
	TO(OPEN, b.open.url = long_text, ERROR_TOO_LARGE, "Open.url had 4097 bytes, at most 4096");
	TO(OPEN, CUT(b.open.lineage, 15), ERROR_PROTOCOL, "Open.lineage had 15 bytes, expected 16");
	TO(OPEN, b.open.epoch = LARGE, ERROR_PROTOCOL,
	   "Open.epoch was 9223372036854775808, expected at most 9223372036854775806");
	TO(OPEN, b.open.client_id = "A", ERROR_PROTOCOL,
	   "Open.client_id was no client id, expected 32 lower-case hexadecimal digits");
	TO(OPEN, CUT(b.open.new_lineage, 0), ERROR_PROTOCOL, "Open.new_lineage had 0 bytes, expected 16");
	TO(OPEN, b.point.global = LARGE, ERROR_PROTOCOL, "Open.confirmed.global was no position: 9223372036854775808, 0");
}

static void points_are_checked(void **state) {
	TO(PULL, CUT(b.point.chain_hash, 0), ERROR_PROTOCOL, "Pull.after.chain_hash had 0 bytes, expected 32");
	TO(PULL, b.point.global = 0, ERROR_PROTOCOL, "Pull.after.chain_hash had 32 bytes, expected 0");
	TO(PULL, b.point.cursor = lend(b.cursor, 257), ERROR_TOO_LARGE, "Pull.after.cursor had 257 bytes, at most 256");
	FROM(PAGE, CUT(b.other.chain_hash, 31), ERROR_PROTOCOL, "Page.head.chain_hash had 31 bytes, expected 32");
	FROM(OPENED, CUT(b.point.chain_hash, 31), ERROR_PROTOCOL, "Opened.head.chain_hash had 31 bytes, expected 32");
}

static void requests_are_checked(void **state) {
	TO(PUSH, b.push.number = 0, ERROR_PROTOCOL, "PushBatch.number was 0, expected at least 1");
	TO(PUSH, b.push.n_events = 0, ERROR_PROTOCOL, "PushBatch.events was empty");
	TO(PUSH, CUT(b.point.chain_hash, 2), ERROR_PROTOCOL, "PushBatch.parent.chain_hash had 2 bytes, expected 32");
	TO(PULL, b.pull.number = 0, ERROR_PROTOCOL, "Pull.number was 0, expected at least 1");
	TO(PULL, b.pull.events_max = 0, ERROR_PROTOCOL, "Pull.events_max was 0, expected at least 1");
	TO(PULL, b.pull.events_max = 1025, ERROR_PROTOCOL, "Pull.events_max was 1025, expected at most 1024");
	TO(PULL, b.pull.bytes_max = 0, ERROR_PROTOCOL, "Pull.bytes_max was 0, expected at least 1");
	TO(PULL, b.pull.bytes_max = LARGE, ERROR_PROTOCOL,
	   "Pull.bytes_max was 9223372036854775808, expected at most 983040");
	TO(PING, b.ping.number = 0, ERROR_PROTOCOL, "Ping.number was 0, expected at least 1");
}

static void events_are_confirmed_ones(void **state) {
	TO(PUSH, b.s.events[1].global = 0, ERROR_PROTOCOL, "PushBatch.events[1].position was root, which is no event's");
	TO(PUSH, (b.s.events[1].client = 1, b.s.events[1].client_only = true), ERROR_PROTOCOL,
	   "PushBatch.events[1].client was 1 in an event for a backend");
	TO(PUSH, b.s.events[1].client_only = true, ERROR_PROTOCOL,
	   "PushBatch.events[1].client_only did not agree with the position's client part");
	TO(PUSH, CUT(b.s.events[2].chain_hash, 0), ERROR_PROTOCOL,
	   "PushBatch.events[2].chain_hash had 0 bytes, expected 32");
	TO(PUSH, b.s.events[0].generation = 1, ERROR_PROTOCOL, "PushBatch.events[0] bore what is local to a device");
	TO(PUSH, b.s.events[0].digest = 1, ERROR_PROTOCOL, "PushBatch.events[0] bore what is local to a device");
	TO(PUSH, b.s.events[0].local_hash = lend(b.s.hash, 32), ERROR_PROTOCOL,
	   "PushBatch.events[0] bore what is local to a device");
	TO(PUSH, (b.s.events[0].origins = b.s.origins, b.s.events[0].n_origins = 2), ERROR_PROTOCOL,
	   "PushBatch.events[0] bore what is local to a device");
	TO(PUSH, samples_shorten(&b.s.events[1]), ERROR_PROTOCOL, "PushBatch.events[1].short was set outside of a feed");
	FROM(PAGE, b.s.events[1].name = "", ERROR_PROTOCOL, "Page.events[1].name was empty");
	FROM(PAGE, CUT(b.s.events[1].unit, 3), ERROR_PROTOCOL, "Page.events[1].unit had 3 bytes, expected 16");
	FROM(PAGE, b.s.events[1].args = lend("\xff", 1), ERROR_PROTOCOL,
	     "Page.events[1].args was no UTF-8 text without NUL");
}

static void answers_are_checked(void **state) {
	FROM(OPENED, b.opened.number = 0, ERROR_PROTOCOL, "Opened.number was 0, expected at least 1");
	FROM(OPENED, CUT(b.opened.lineage, 0), ERROR_PROTOCOL, "Opened.lineage had 0 bytes, expected 16");
	FROM(OPENED, b.opened.epoch = 0, ERROR_PROTOCOL, "Opened.epoch was 0, expected at least 1");
	FROM(OPENED, b.opened.epoch = LARGE, ERROR_PROTOCOL,
	     "Opened.epoch was 9223372036854775808, expected at most 9223372036854775806");
	FROM(OPENED, b.opened.batch_events_max = 0, ERROR_PROTOCOL, "Opened.batch_events_max was 0, expected at least 1");
	FROM(OPENED, b.opened.batch_bytes_max = 0, ERROR_PROTOCOL, "Opened.batch_bytes_max was 0, expected at least 1");
	FROM(OPENED, b.opened.event_bytes_max = 0, ERROR_PROTOCOL, "Opened.event_bytes_max was 0, expected at least 1");
	FROM(PUSH_ANSWER, b.answer.number = 0, ERROR_PROTOCOL, "PushAnswer.number was 0, expected at least 1");
	FROM(PUSH_ANSWER, RESULT(NONE), ERROR_PROTOCOL, "PushAnswer.result was 0, expected at least 1");
	FROM(PUSH_ANSWER, b.answer.result = 6, ERROR_PROTOCOL, "PushAnswer.result was 6, expected at most 5");
	FROM(PUSH_ANSWER, b.answer.head = NULL, ERROR_PROTOCOL, "PushAnswer.head was missing in an acceptance");
	FROM(PUSH_ANSWER, b.answer.permanent = true, ERROR_PROTOCOL, "PushAnswer.refused stood beside another result");
	FROM(PUSH_ANSWER, b.answer.refused = lend(b.s.ids, 16), ERROR_PROTOCOL,
	     "PushAnswer.refused stood beside another result");
	FROM(PUSH_ANSWER, (RESULT(REFUSED), b.answer.refused = lend(b.s.ids, 17)), ERROR_PROTOCOL,
	     "PushAnswer.refused had 17 bytes, expected 16 for each id");
	FROM(PUSH_ANSWER, b.answer.reason = long_text, ERROR_TOO_LARGE, "PushAnswer.reason had 4097 bytes, at most 479");
	FROM(PAGE, b.page.number = 0, ERROR_PROTOCOL, "Page.number was 0, expected at least 1");
	FROM(PAGE, b.page.n_events = 0, ERROR_PROTOCOL, "Page.more stood in a page without events");
	FROM(PAGE, b.page.diverged = true, ERROR_PROTOCOL, "Page.diverged stood beside events, or more of them");
	FROM(PAGE, b.page.reason = long_text, ERROR_TOO_LARGE, "Page.reason had 4097 bytes, at most 479");
	FROM(PONG, b.pong.number = 0, ERROR_PROTOCOL, "Pong.number was 0, expected at least 1");
	FROM(PROBLEM, b.problem.code = 0, ERROR_PROTOCOL, "Problem.code was 0, expected a negative code");
	FROM(PROBLEM, b.problem.code = 7, ERROR_PROTOCOL, "Problem.code was 7, expected 0 or a negative code");
	FROM(PROBLEM, b.problem.text = long_text, ERROR_TOO_LARGE, "Problem.text had 4097 bytes, at most 479");
	FROM(PROBLEM, CUT(b.problem.lineage, 4), ERROR_PROTOCOL, "Problem.lineage had 4 bytes, expected 16");
}

static void a_page_has_a_bound(void **state) {
	static Leaderd__Event *list[BACKEND_PAGE_EVENTS_MAX + 1];
	struct backend_samples b;
	struct error error = { 0 };

	backend_samples_init(&b);
	for (size_t i = 0; i < BACKEND_PAGE_EVENTS_MAX + 1; i++)
		list[i] = b.s.list[1];
	b.page.events = list;
	b.page.n_events = BACKEND_PAGE_EVENTS_MAX;
	assert_int_equal(unpack_from_adapter(&b, LEADERD__FROM_ADAPTER__BODY_PAGE, &error), 0);
	b.page.n_events++;
	assert_int_equal(unpack_from_adapter(&b, LEADERD__FROM_ADAPTER__BODY_PAGE, &error), ERROR_TOO_LARGE);
	assert_string_equal(error.text, "Page.events held 1025 events, at most 1024");
}

static void bytes_that_are_no_message_are_named(void **state) {
	struct wire_arena arena = { 0 };
	const Leaderd__ToAdapter *to = NULL;
	const Leaderd__FromAdapter *from = NULL;
	struct error error = { 0 };

	assert_int_equal(backend_unpack_to_adapter(&arena, (const uint8_t *)"\x0a", 1, &to, &error), ERROR_PROTOCOL);
	assert_string_equal(error.text, "ToAdapter.open had no whole length at byte 1");
	/* A body of a later version. */
	assert_int_equal(backend_unpack_to_adapter(&arena, (const uint8_t *)"\x7a\x00", 2, &to, &error), ERROR_PROTOCOL);
	assert_string_equal(error.text, "ToAdapter had no body that is known here");
	wire_arena_clear(&arena);
	assert_int_equal(backend_unpack_from_adapter(&arena, (const uint8_t *)"\x7a\x00", 2, &from, &error),
	                 ERROR_PROTOCOL);
	assert_string_equal(error.text, "FromAdapter had no body that is known here");
	wire_arena_clear(&arena);
	assert_true(to == NULL && from == NULL);
}

static struct bytes valid_payload(struct backend_samples *b, uint64_t kind) {
	void *requests[] = { &b->open, &b->push, &b->pull, &b->ping };
	void *answers[] = { &b->opened, &b->answer, &b->page, &b->pong, &b->problem };
	Leaderd__ToAdapter to = LEADERD__TO_ADAPTER__INIT;
	Leaderd__FromAdapter from = LEADERD__FROM_ADAPTER__INIT;
	struct bytes frame = { 0 };

	if (kind < 4) {
		to.body_case = (Leaderd__ToAdapter__BodyCase)(kind + 1);
		to.open = requests[kind];
		assert_int_equal(backend_pack_to_adapter(&frame, &to, NULL), 0);
	} else {
		from.body_case = (Leaderd__FromAdapter__BodyCase)(kind - 3);
		from.opened = answers[kind - 4];
		assert_int_equal(backend_pack_from_adapter(&frame, &from, NULL), 0);
	}
	bytes_drop_front(&frame, WIRE_HEADER_BYTES);
	return frame;
}

static void use_events(Leaderd__Event *const *events, size_t n) {
	for (size_t i = 0; i < n; i++) {
		struct event *event = NULL;

		assert_int_equal(wire_event_unpack(&event, events[i], NULL), 0);
		event_destroy(event);
	}
}

static int take(const struct bytes *payload, bool to_adapter, struct error *error) {
	struct wire_arena arena = { 0 };
	const Leaderd__ToAdapter *to;
	const Leaderd__FromAdapter *from;
	int r = to_adapter ? backend_unpack_to_adapter(&arena, payload->data, payload->n, &to, error)
	                   : backend_unpack_from_adapter(&arena, payload->data, payload->n, &from, error);

	if (r == 0 && to_adapter && to->body_case == LEADERD__TO_ADAPTER__BODY_PUSH)
		use_events(to->push->events, to->push->n_events);
	if (r == 0 && !to_adapter && from->body_case == LEADERD__FROM_ADAPTER__BODY_PAGE)
		use_events(from->page->events, from->page->n_events);
	wire_arena_clear(&arena);
	return r;
}

static void changed_frames_are_taken_or_named_and_what_is_taken_can_be_used(void **state) {
	struct chance chance = chance_begin(__func__);
	unsigned n_taken = 0, n_refused = 0;

	for (int i = 0; i < 10000; i++) {
		uint64_t kind = chance_below(&chance, 9);
		struct backend_samples b;
		struct error error = { 0 };

		backend_samples_init(&b);
		struct bytes payload = valid_payload(&b, kind);
		for (uint64_t times = 1 + chance_below(&chance, 3); times > 0; times--)
			payload.data[chance_below(&chance, payload.n)] ^= (uint8_t)(1u << chance_below(&chance, 8));
		if (chance_below(&chance, 4) == 0)
			payload.n = 1 + chance_below(&chance, payload.n);
		int r = take(&payload, kind < 4, &error);
		assert_true(r == 0 || r == ERROR_PROTOCOL || r == ERROR_TOO_LARGE || r == ERROR_VERSION);
		assert_int_equal(error.code, r);
		n_taken += r == 0;
		n_refused += r != 0;
		bytes_finish(&payload);
	}
	assert_in_range(n_taken, 1000, 9000);
	assert_in_range(n_refused, 1000, 9000);
}

/* An event with everything that a device adds to it. */
static struct event *make_event(void) {
	struct samples s;
	struct event *event;
	struct error error = { 0 };

	samples_init(&s);
	samples_log_events(&s);
	assert_int_equal(wire_event_unpack(&event, &s.events[1], &error), 0);
	return event;
}

static void a_kept_event_has_nothing_that_is_local_to_a_device(void **state) {
	struct event *event = make_event(), *back = NULL;
	struct bytes kept = { 0 }, again = { 0 };
	struct error error = { 0 };

	assert_int_equal(backend_event_write(&kept, event), 0);
	assert_int_equal(backend_event_read(&back, kept.data, kept.n, &error), 0);
	assert_true(event_id_equal(&back->entry.id, &event->entry.id));
	assert_true(hash_equal(&back->entry.content, &event->entry.content));
	assert_true(hash_equal(&back->chain_hash, &event->chain_hash));
	assert_true(position_equal(back->entry.at, event->entry.at));
	assert_string_equal(back->args, event->args);
	assert_int_equal(back->generation, 0);
	assert_int_equal(back->n_origins, 0);
	assert_int_equal(back->digest, 0);
	assert_null(back->sync_metadata);
	assert_true(hash_equal(&back->local_hash, &(struct hash){ 0 }));

	/* Written by whatever device, an event is the same bytes. */
	assert_int_equal(backend_event_write(&again, back), 0);
	assert_int_equal(again.n, kept.n);
	assert_memory_equal(again.data, kept.data, kept.n);
	bytes_finish(&kept);
	bytes_finish(&again);
	event_destroy(event);
	event_destroy(back);
}

static void a_kept_event_of_other_bytes_is_refused(void **state) {
	struct event *event = make_event(), *back = NULL;
	struct bytes kept = { 0 };
	struct error error = { 0 };

	assert_int_equal(backend_event_write(&kept, event), 0);
	for (size_t n = 0; n < kept.n; n++)
		assert_int_equal(backend_event_read(&back, kept.data, n, &error), ERROR_PROTOCOL);
	assert_int_equal(backend_event_read(&back, kept.data, SIZE_MAX, &error), ERROR_TOO_LARGE);
	assert_null(back);
	bytes_finish(&kept);
	event_destroy(event);
}

/* What frames add is counted: the sum over a batch's events is the bytes of its list. */
static void the_cost_of_an_event_is_what_a_frame_grows_by(void **state) {
	struct event *event = make_event();
	Leaderd__Event message;
	Leaderd__Event *list[] = { &message, &message };
	Leaderd__Page page = LEADERD__PAGE__INIT;

	backend_event_pack(&message, event);
	page.events = list;
	page.n_events = 1;
	size_t one = leaderd__page__get_packed_size(&page);
	page.n_events = 2;
	assert_int_equal(leaderd__page__get_packed_size(&page) - one, backend_event_bytes(event));
	event_destroy(event);
}

/* The largest unit that a session can commit is one frame. */
static void the_largest_unit_fits_a_frame(void **state) {
	static char name[EVENT_NAME_BYTES_MAX + 1], session[SESSION_ID_BYTES_MAX + 1];
	static char args[UNIT_BYTES_MAX / UNIT_EVENTS_MAX];
	static Leaderd__Event *list[UNIT_EVENTS_MAX];
	struct backend_samples b;
	struct error error = { 0 };

	backend_samples_init(&b);
	memset(name, 'n', sizeof(name) - 1);
	memset(session, 's', sizeof(session) - 1);
	memset(args, '1', sizeof(args));
	Leaderd__Event *event = &b.s.events[1];
	event->name = name;
	event->session_id = session;
	event->args = lend(args, sizeof(args));
	event->global = INT64_MAX;
	event->version = UINT32_MAX;
	event->unit_index = event->unit_count = UNIT_EVENTS_MAX;
	event->unit_index--;
	event->hlc_time_ms = (UINT64_C(1) << 48) - 1;
	event->hlc_counter = UINT16_MAX;
	for (size_t i = 0; i < UNIT_EVENTS_MAX; i++)
		list[i] = event;
	b.push.events = b.page.events = list;
	b.push.n_events = b.page.n_events = UNIT_EVENTS_MAX;
	b.point.cursor = b.other.cursor = lend(b.cursor, BACKEND_CURSOR_BYTES_MAX);
	assert_int_equal(unpack_to_adapter(&b, LEADERD__TO_ADAPTER__BODY_PUSH, &error), 0);
	assert_int_equal(unpack_from_adapter(&b, LEADERD__FROM_ADAPTER__BODY_PAGE, &error), 0);
}

static void each_allocation_may_fail(void **state) {
	struct event *event = make_event();
	unsigned long k;

	for (k = 1; k < 100; k++) {
		struct bytes kept = { 0 };
		struct event *back = NULL;
		struct error error = { 0 };
		long live = allocation_live();

		allocation_fail_at(k);
		int r = backend_event_write(&kept, event);
		if (r == 0)
			r = backend_event_read(&back, kept.data, kept.n, &error);
		bool failed = allocation_has_failed();
		allocation_fail_at(0);
		assert_int_equal(r, failed ? ERROR_NO_MEMORY : 0);
		assert_true((back != NULL) == (r == 0));
		bytes_finish(&kept);
		event_destroy(back);
		assert_int_equal(allocation_live(), live);
		if (!failed)
			break;
	}
	assert_in_range(k, 4, 99);
	event_destroy(event);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_sample_is_valid),
		cmocka_unit_test(what_may_be_absent_is_valid_when_absent),
		cmocka_unit_test(open_is_checked),
		cmocka_unit_test(points_are_checked),
		cmocka_unit_test(requests_are_checked),
		cmocka_unit_test(events_are_confirmed_ones),
		cmocka_unit_test(answers_are_checked),
		cmocka_unit_test(a_page_has_a_bound),
		cmocka_unit_test(bytes_that_are_no_message_are_named),
		cmocka_unit_test(changed_frames_are_taken_or_named_and_what_is_taken_can_be_used),
		cmocka_unit_test(a_kept_event_has_nothing_that_is_local_to_a_device),
		cmocka_unit_test(a_kept_event_of_other_bytes_is_refused),
		cmocka_unit_test(the_cost_of_an_event_is_what_a_frame_grows_by),
		cmocka_unit_test(the_largest_unit_fits_a_frame),
		cmocka_unit_test(each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, fill, NULL);
}
