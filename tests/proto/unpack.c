/* Garbage, unknown fields, text, and memory: what happens before a field is looked at. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "allocation.h"
#include "proto/backend_wire.h"
#include "samples.h"

static int unpack(const struct bytes *payload, size_t *ret_used, struct error *error) {
	struct wire_arena arena = { 0 };
	const Leaderd__ToLeader *message = NULL;
	int r = wire_unpack_to_leader(&arena, payload->data, payload->n, &message, error);

	assert_true(arena.used <= FRAME_MEMORY_BYTES_MAX);
	*ret_used = arena.used;
	wire_arena_clear(&arena);
	assert_int_equal(arena.used, 0);
	return r;
}

static void expect(const char *text, int expected, const char *line) {
	struct bytes payload = bytes_of_text(text);
	struct error error = { 0 };
	size_t used;

	assert_int_equal(unpack(&payload, &used, &error), expected);
	assert_string_equal(error.text, line);
	bytes_finish(&payload);
}

static void garbage_is_named(void **state) {
	expect("ff", ERROR_PROTOCOL, "ToLeader had no valid field number at byte 0");
	expect("00 00", ERROR_PROTOCOL, "ToLeader had no valid field number at byte 1");
	expect("ff ff ff ff 7f 00", ERROR_PROTOCOL, "ToLeader had no valid field number at byte 5");
	expect("80 80 80 80 80 01 00", ERROR_PROTOCOL, "ToLeader had no valid field number at byte 0");
	expect("0a", ERROR_PROTOCOL, "ToLeader.hello had no whole length at byte 1");
	expect("0a 80", ERROR_PROTOCOL, "ToLeader.hello had no whole length at byte 1");
	expect("0a 05 08", ERROR_PROTOCOL, "ToLeader.hello was longer than what holds it at byte 2");
	expect("0a ff ff ff ff 0f", ERROR_PROTOCOL, "ToLeader.hello was longer than what holds it at byte 6");
	expect("0a ff ff ff ff 1f", ERROR_PROTOCOL, "ToLeader.hello was longer than what holds it at byte 6");
	expect("0a ff ff ff ff ff 01", ERROR_PROTOCOL, "ToLeader.hello had no whole length at byte 1");
	expect("0a (08)", ERROR_PROTOCOL, "Hello.protocol was no whole number at byte 3");
	expect("0a (08 ff ff ff ff ff ff ff ff ff ff 01)", ERROR_PROTOCOL, "Hello.protocol was no whole number at byte 3");
	expect("0a (12 05 'todo')", ERROR_PROTOCOL, "Hello.store was longer than what holds it at byte 4");
	expect("12 (0a (91 01 00 00 00 00))", ERROR_PROTOCOL, "Event.digest ended early at byte 6");
	expect("12 (0a (62 (05 80)))", ERROR_PROTOCOL, "Event.origins was no whole number at byte 7");
	expect("7d 00 00", ERROR_PROTOCOL, "ToLeader ended early at byte 1");
}

static void a_field_has_the_wire_type_of_its_own(void **state) {
	expect("08 01", ERROR_PROTOCOL, "ToLeader.hello had another wire type than its own at byte 1");
	expect("0a (0a (01))", ERROR_PROTOCOL, "Hello.protocol had another wire type than its own at byte 3");
	/* protobuf-c would take a bool of any type. */
	expect("0a (52 ('x'))", ERROR_PROTOCOL, "Hello.want_image had another wire type than its own at byte 3");
	expect("12 (0a (90 01 00))", ERROR_PROTOCOL, "Event.digest had another wire type than its own at byte 6");
}

static void groups_are_not_spoken_however_deep(void **state) {
	static char deep[3 * 1000 + 1];

	expect("0b 0c", ERROR_PROTOCOL, "ToLeader.hello had another wire type than its own at byte 1");
	expect("7b 7c", ERROR_PROTOCOL, "ToLeader had a wire type that is not spoken here at byte 1");
	expect("7c", ERROR_PROTOCOL, "ToLeader had a wire type that is not spoken here at byte 1");
	expect("7e", ERROR_PROTOCOL, "ToLeader had a wire type that is not spoken here at byte 1");
	for (size_t i = 0; i < 1000; i++)
		memcpy(deep + 3 * i, "7b ", 3);
	expect(deep, ERROR_PROTOCOL, "ToLeader had a wire type that is not spoken here at byte 1");
}

static void what_stands_once_may_not_stand_twice(void **state) {
	expect("32 (08 01) 32 (08 02)", ERROR_PROTOCOL, "ToLeader.events_close was a second body at byte 5");
	expect("32 (08 01) 2a (08 02)", ERROR_PROTOCOL, "ToLeader.events_credit was a second body at byte 5");
	expect("0a (3a (08 01) 3a (08 02))", ERROR_PROTOCOL, "Hello.newest stood there twice at byte 7");
	/* A number may: the last one counts, as everywhere in protobuf. */
	expect("32 (08 01 08 02)", 0, "");
}

static void a_message_without_a_known_body_is_an_error(void **state) {
	expect("", ERROR_PROTOCOL, "ToLeader had no body that is known here");
	expect("7a ('from the future')", ERROR_PROTOCOL, "ToLeader had no body that is known here");
}

static void unknown_fields_of_a_newer_peer_are_passed_over(void **state) {
	expect("32 (08 01 78 05 7a ('any text') 79 01 02 03 04 05 06 07 08 7d 01 02 03 04) 7a ('more')", 0, "");
	/* Nesting that nobody looks into. */
	expect("32 (08 01 7a (7a (7a (7a (7a ())))))", 0, "");
	/* Text that is unknown is only bytes. */
	expect("32 (08 01 7a (ff 00))", 0, "");
}

static void text_is_utf_8_without_nul(void **state) {
	static const struct {
		const char *text;
		bool is_valid;
	} cases[] = {
		{ "", true },
		{ "'plain'", true },
		{ "c3 a9", true },
		{ "e2 82 ac", true },
		{ "f0 9f 8c 8d", true },
		{ "f4 8f bf bf", true },
		{ "'a' 00 'b'", false },
		{ "00", false },
		{ "80", false },
		{ "c3", false },
		{ "'x' c3", false },
		{ "e2 82", false },
		{ "f0 9f 8c", false },
		{ "c0 80", false },
		{ "e0 80 80", false },
		{ "ed a0 80", false },
		{ "f4 90 80 80", false },
		{ "f8 88 80 80 80", false },
		{ "ff", false },
		{ "c3 28", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char payload[256];

		/* A request whose `backend`, which has no check of its own, is the text. */
		snprintf(payload, sizeof(payload), "3a (08 01 18 01 32 (%s))", cases[i].text);
		if (cases[i].is_valid)
			expect(payload, 0, "");
		else
			expect(payload, ERROR_PROTOCOL, "Request.backend was no UTF-8 text without NUL at byte 8");
	}
}

/* The page of one event whose origins are written as `text` says. */
static struct bytes page_with_origins(const char *text) {
	struct samples s;
	struct bytes event = { 0 }, fields = bytes_of_text(text), page = { 0 }, payload = { 0 };

	samples_init(&s);
	samples_log_events(&s);
	s.events[0].n_origins = 0;
	assert_int_equal(bytes_reserve(&event, leaderd__event__get_packed_size(&s.events[0])), 0);
	event.n = leaderd__event__pack(&s.events[0], event.data);
	assert_int_equal(bytes_add(&event, fields.data, fields.n), 0);
	bytes_add_field(&page, 0x12, &event);
	bytes_add_field(&payload, 0x22, &page);
	bytes_finish(&event);
	bytes_finish(&fields);
	bytes_finish(&page);
	return payload;
}

static void origins_are_taken_packed_and_one_by_one(void **state) {
	static const char *const forms[] = { "62 (05 00 03 00)", "60 05 60 00 60 03 60 00", "62 (05) 60 00 62 (03 00)",
		                                 "62 () 62 (05 00 03 00)" };
	static const uint64_t expected[] = { 5, 0, 3, 0 };

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct bytes payload = page_with_origins(forms[i]);
		struct wire_arena arena = { 0 };
		const Leaderd__ToSession *message;

		assert_int_equal(wire_unpack_to_session(&arena, payload.data, payload.n, &message, NULL), 0);
		assert_int_equal(message->events_page->events[0]->n_origins, 4);
		assert_memory_equal(message->events_page->events[0]->origins, expected, sizeof(expected));
		wire_arena_clear(&arena);
		bytes_finish(&payload);
	}
}

static unsigned depth_of(const ProtobufCMessageDescriptor *descriptor, unsigned depth) {
	unsigned deepest = depth;

	assert_true(depth < 8);                 /* the scan recurses as deep as this and no deeper */
	assert_true(descriptor->n_fields < 63); /* and has a bit for each field */
	for (unsigned i = 0; i < descriptor->n_fields; i++)
		if (descriptor->fields[i].type == PROTOBUF_C_TYPE_MESSAGE) {
			unsigned inner = depth_of(descriptor->fields[i].descriptor, depth + 1);

			deepest = inner > deepest ? inner : deepest;
		}
	return deepest;
}

static void no_message_contains_itself(void **state) {
	assert_int_equal(depth_of(&leaderd__to_leader__descriptor, 0), 2);
	assert_int_equal(depth_of(&leaderd__to_session__descriptor, 0), 3);
	assert_int_equal(depth_of(&leaderd__to_adapter__descriptor, 0), 2);
	assert_int_equal(depth_of(&leaderd__from_adapter__descriptor, 0), 2);
}

static struct bytes repeated(const char *text, size_t bytes_max) {
	struct bytes one = bytes_of_text(text);
	struct bytes all = { 0 };

	while (all.n + one.n <= bytes_max)
		assert_int_equal(bytes_add(&all, one.data, one.n), 0);
	bytes_finish(&one);
	return all;
}

static void a_frame_of_tiny_fields_ends_at_the_budget(void **state) {
	static const char *const tiny[] = { "78 00", "7a 00", "79 01 02 03 04 05 06 07 08" };

	for (size_t i = 0; i < sizeof(tiny) / sizeof(tiny[0]); i++) {
		struct bytes payload = repeated(tiny[i], FRAME_BYTES_MAX);
		struct error error = { 0 };
		size_t used;

		assert_int_equal(unpack(&payload, &used, &error), ERROR_TOO_LARGE);
		assert_string_equal(strstr(error.text, " needed"), " needed more than 8388608 bytes of memory");
		bytes_finish(&payload);
	}
}

static void a_push_of_empty_events_ends_at_the_budget(void **state) {
	struct bytes events = repeated("0a 00", FRAME_BYTES_MAX - 16);
	struct bytes payload = { 0 };
	struct error error = { 0 };
	size_t used;

	bytes_add_field(&payload, 0x12, &events);
	assert_int_equal(unpack(&payload, &used, &error), ERROR_TOO_LARGE);
	assert_string_equal(strstr(error.text, " needed"), " needed more than 8388608 bytes of memory");
	bytes_finish(&events);
	bytes_finish(&payload);
}

static void the_budget_is_the_arenas(void **state) {
	struct samples s;
	struct bytes frame;
	struct error error = { 0 };
	const Leaderd__ToLeader *message = NULL;
	size_t enough = 0;

	samples_init(&s);
	frame = samples_pack_to_leader(samples_to_leader(&s, LEADERD__TO_LEADER__BODY_PUSH));
	for (size_t budget = 1; enough == 0; budget++) {
		struct wire_arena arena = { .budget = budget };
		int r = wire_unpack_to_leader(&arena, frame.data + WIRE_HEADER_BYTES, frame.n - WIRE_HEADER_BYTES, &message,
		                              &error);

		assert_true(arena.used <= budget);
		assert_int_equal(r, r == 0 ? 0 : ERROR_TOO_LARGE);
		if (r == 0)
			enough = budget;
		wire_arena_clear(&arena);
	}
	/* Less than the message's structs and strings cannot be enough. */
	assert_true(enough > SAMPLE_EVENTS * sizeof(Leaderd__Event));
	bytes_finish(&frame);
}

static void an_arena_holds_several_messages_within_one_budget(void **state) {
	struct samples s;
	struct bytes frame;
	struct error error = { 0 };
	struct wire_arena arena = { .budget = 64 * 1024 };
	const Leaderd__ToLeader *first, *next;
	int r;

	samples_init(&s);
	frame = samples_pack_to_leader(samples_to_leader(&s, LEADERD__TO_LEADER__BODY_HELLO));
	assert_int_equal(wire_unpack_to_leader(&arena, frame.data + 4, frame.n - 4, &first, &error), 0);
	do
		r = wire_unpack_to_leader(&arena, frame.data + 4, frame.n - 4, &next, &error);
	while (r == 0);
	assert_int_equal(r, ERROR_TOO_LARGE);
	assert_true(arena.used <= arena.budget);
	assert_string_equal(first->hello->store, "todos");
	wire_arena_clear(&arena);
	assert_int_equal(wire_unpack_to_leader(&arena, frame.data + 4, frame.n - 4, &first, &error), 0);
	wire_arena_clear(&arena);
	bytes_finish(&frame);
}

/* What limits.h allows must fit: the largest unit, and the largest hello. */
static void the_largest_allowed_messages_fit(void **state) {
	static Leaderd__Event events[UNIT_EVENTS_MAX], *list[UNIT_EVENTS_MAX];
	static uint8_t ids[PENDING_IDS_MAX][16], args[UNIT_BYTES_MAX / UNIT_EVENTS_MAX];
	static char schema[SCHEMA_BYTES_MAX + 1];
	struct samples s;
	struct error error = { 0 };
	size_t used;

	samples_init(&s);
	memset(args, ' ', sizeof(args));
	memset(schema, 'x', SCHEMA_BYTES_MAX);
	for (uint32_t i = 0; i < PENDING_IDS_MAX; i++) {
		ids[i][0] = 1;
		memcpy(ids[i] + 1, &i, sizeof(i));
	}
	for (uint32_t i = 0; i < UNIT_EVENTS_MAX; i++) {
		events[i] = s.events[0];
		events[i].id.data = ids[i];
		events[i].unit.data = ids[0];
		events[i].unit_index = i;
		events[i].unit_count = UNIT_EVENTS_MAX;
		events[i].args.data = args;
		events[i].args.len = sizeof(args);
		list[i] = &events[i];
	}
	s.push.events = list;
	s.push.n_events = UNIT_EVENTS_MAX;
	s.hello.pending.data = ids[0];
	s.hello.pending.len = sizeof(ids);
	s.hello.schema = schema;

	for (int body = LEADERD__TO_LEADER__BODY_HELLO; body <= LEADERD__TO_LEADER__BODY_PUSH; body++) {
		struct bytes frame = samples_pack_to_leader(samples_to_leader(&s, body));
		struct bytes payload = { .data = frame.data + WIRE_HEADER_BYTES, .n = frame.n - WIRE_HEADER_BYTES };

		assert_int_equal(unpack(&payload, &used, &error), 0);
		bytes_finish(&frame);
	}
}

static void unpacking_fails_cleanly_at_each_allocation(void **state) {
	struct samples s;
	struct bytes frame;
	long before;
	bool failed = true;

	samples_init(&s);
	/* Two large arguments, so that more than one block is needed. */
	static uint8_t args[100 * 1024];
	memset(args, ' ', sizeof(args));
	s.events[0].args.data = s.events[1].args.data = args;
	s.events[0].args.len = s.events[1].args.len = sizeof(args);
	frame = samples_pack_to_leader(samples_to_leader(&s, LEADERD__TO_LEADER__BODY_PUSH));
	before = allocation_live();
	for (unsigned long k = 1; failed; k++) {
		struct wire_arena arena = { 0 };
		const Leaderd__ToLeader *message = NULL;
		struct error error = { 0 };

		allocation_fail_at(k);
		int r = wire_unpack_to_leader(&arena, frame.data + WIRE_HEADER_BYTES, frame.n - WIRE_HEADER_BYTES, &message,
		                              &error);
		failed = allocation_has_failed();
		allocation_fail_at(0);
		assert_int_equal(r, failed ? ERROR_NO_MEMORY : 0);
		assert_int_equal(error.code, r);
		assert_true((message == NULL) == failed);
		assert_true(failed || k > 2);
		wire_arena_clear(&arena);
		assert_int_equal(allocation_live(), before);
	}
	bytes_finish(&frame);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(garbage_is_named),
		cmocka_unit_test(a_field_has_the_wire_type_of_its_own),
		cmocka_unit_test(groups_are_not_spoken_however_deep),
		cmocka_unit_test(what_stands_once_may_not_stand_twice),
		cmocka_unit_test(a_message_without_a_known_body_is_an_error),
		cmocka_unit_test(unknown_fields_of_a_newer_peer_are_passed_over),
		cmocka_unit_test(text_is_utf_8_without_nul),
		cmocka_unit_test(origins_are_taken_packed_and_one_by_one),
		cmocka_unit_test(no_message_contains_itself),
		cmocka_unit_test(a_frame_of_tiny_fields_ends_at_the_budget),
		cmocka_unit_test(a_push_of_empty_events_ends_at_the_budget),
		cmocka_unit_test(the_budget_is_the_arenas),
		cmocka_unit_test(an_arena_holds_several_messages_within_one_budget),
		cmocka_unit_test(the_largest_allowed_messages_fit),
		cmocka_unit_test(unpacking_fails_cleanly_at_each_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
