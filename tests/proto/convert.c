/* Events, points and ids: to a message and back. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "chance.h"
#include "samples.h"
#include "store/hash.h"

#define ROUND_TRIPS 2000

static void random_bytes(struct chance *chance, uint8_t *ret, size_t n) {
	for (size_t i = 0; i < n; i++)
		ret[i] = (uint8_t)chance_next(chance);
	ret[0] |= 1; /* an id or hash of nothing but zeros means none */
}

static uint64_t random_above_zero(struct chance *chance) {
	return chance_number(chance, 62) + 1;
}

/* Of a synced event {n, 0}, of a client-only one {n, m}. */
static struct position random_position(struct chance *chance, bool client_only) {
	return (struct position){ random_above_zero(chance), client_only ? random_above_zero(chance) : 0 };
}

static void random_name(struct chance *chance, char *ret, size_t n, const char *letters) {
	for (size_t i = 0; i < n; i++)
		ret[i] = letters[chance_below(chance, strlen(letters))];
	ret[n] = '\0';
}

/* Any event that may stand in a log, with its content hash. */
static struct event *random_event(struct chance *chance) {
	char name[EVENT_NAME_BYTES_MAX + 1], args[2000];
	size_t args_bytes = 1 + chance_below(chance, sizeof(args) - 1);

	random_name(chance, name, 1 + chance_below(chance, EVENT_NAME_BYTES_MAX), "abcXYZ_019");
	random_name(chance, args, args_bytes, "{}\"':,[] \n\tabc0189");
	struct event *event = event_create(name, args, args_bytes);
	assert_non_null(event);

	random_bytes(chance, event->entry.id.bytes, 16);
	event->entry.unit_count = 1 + (uint32_t)chance_below(chance, UNIT_EVENTS_MAX);
	event->entry.unit_index = (uint32_t)chance_below(chance, event->entry.unit_count);
	event->entry.unit = event->entry.id;
	if (event->entry.unit_index > 0)
		event->entry.unit.bytes[15] ^= 0xff;
	event->entry.client_only = chance_below(chance, 3) == 0;
	event->entry.at = random_position(chance, event->entry.client_only);
	event->generation = chance_number(chance, 63);
	event->n_origins = (uint32_t)chance_below(chance, ORIGINS_MAX + 1);
	for (uint32_t i = 0; i < event->n_origins; i++)
		event->origins[i] = random_position(chance, event->entry.client_only);
	event->version = 1 + (uint32_t)chance_number(chance, 31);
	event->hlc = (struct hlc){ chance_number(chance, 48), (uint32_t)chance_number(chance, 16) };
	random_name(chance, event->client_id, CLIENT_ID_BYTES, "0123456789abcdef");
	random_name(chance, event->session_id, 1 + chance_below(chance, SESSION_ID_BYTES_MAX), "abzAZ09._-");
	event->digest = chance_number(chance, 64);
	random_bytes(chance, event->local_hash.bytes, 32);
	if (!event->entry.client_only)
		random_bytes(chance, event->chain_hash.bytes, 32);
	event->sync_metadata_bytes = chance_below(chance, SYNC_METADATA_BYTES_MAX + 1);
	if (event->sync_metadata_bytes > 0) {
		event->sync_metadata = malloc(event->sync_metadata_bytes);
		assert_non_null(event->sync_metadata);
		random_bytes(chance, event->sync_metadata, event->sync_metadata_bytes);
	}
	hash_content(&event->entry.content, event);
	return event;
}

/* Packs `message` as a feed's only event and unpacks it; the arena holds it. */
static const Leaderd__Event *through_a_feed(struct wire_arena *arena, Leaderd__Event *message) {
	Leaderd__Heads heads = LEADERD__HEADS__INIT;
	Leaderd__Feed feed = LEADERD__FEED__INIT;
	Leaderd__ToSession out = LEADERD__TO_SESSION__INIT;
	const Leaderd__ToSession *in;
	struct error error = { 0 };

	feed.heads = &heads;
	feed.events = &message;
	feed.n_events = 1;
	out.body_case = LEADERD__TO_SESSION__BODY_FEED;
	out.feed = &feed;
	struct bytes frame = samples_pack_to_session(&out);
	int r = wire_unpack_to_session(arena, frame.data + WIRE_HEADER_BYTES, frame.n - WIRE_HEADER_BYTES, &in, &error);
	assert_string_equal(error.text, "");
	assert_int_equal(r, 0);
	bytes_finish(&frame);
	return in->feed->events[0];
}

static void assert_entry_equal(const struct entry *a, const struct entry *b) {
	assert_true(event_id_equal(&a->id, &b->id));
	assert_true(hash_equal(&a->content, &b->content));
	assert_true(position_equal(a->at, b->at));
	assert_true(event_id_equal(&a->unit, &b->unit));
	assert_int_equal(a->unit_index, b->unit_index);
	assert_int_equal(a->unit_count, b->unit_count);
	assert_int_equal(a->client_only, b->client_only);
}

static void assert_event_equal(const struct event *a, const struct event *b) {
	assert_entry_equal(&a->entry, &b->entry);
	assert_int_equal(a->generation, b->generation);
	assert_int_equal(a->n_origins, b->n_origins);
	for (uint32_t i = 0; i < a->n_origins; i++)
		assert_true(position_equal(a->origins[i], b->origins[i]));
	assert_int_equal(a->version, b->version);
	assert_int_equal(a->hlc.time_ms, b->hlc.time_ms);
	assert_int_equal(a->hlc.counter, b->hlc.counter);
	assert_string_equal(a->client_id, b->client_id);
	assert_string_equal(a->session_id, b->session_id);
	assert_int_equal(a->digest, b->digest);
	assert_true(hash_equal(&a->chain_hash, &b->chain_hash));
	assert_true(hash_equal(&a->local_hash, &b->local_hash));
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->args_bytes, b->args_bytes);
	assert_memory_equal(a->args, b->args, a->args_bytes + 1);
	assert_int_equal(a->sync_metadata_bytes, b->sync_metadata_bytes);
	assert_true((a->sync_metadata == NULL) == (b->sync_metadata == NULL));
	if (a->sync_metadata != NULL)
		assert_memory_equal(a->sync_metadata, b->sync_metadata, a->sync_metadata_bytes);
}

static void an_event_comes_back_as_it_went(void **state) {
	struct chance chance = chance_begin(__func__);

	for (int i = 0; i < ROUND_TRIPS; i++) {
		struct event *event = random_event(&chance);
		struct event *back = NULL;
		struct wire_arena arena = { 0 };
		uint64_t origins[2 * ORIGINS_MAX];
		Leaderd__Event message;

		wire_event_pack(&message, event, origins);
		assert_int_equal(wire_event_unpack(&back, through_a_feed(&arena, &message), NULL), 0);
		wire_arena_clear(&arena); /* the event owns what it has */
		assert_event_equal(event, back);
		event_destroy(back);
		event_destroy(event);
	}
}

static void a_short_event_tells_its_place_and_no_content(void **state) {
	struct chance chance = chance_begin(__func__);

	for (int i = 0; i < 100; i++) {
		struct event *event = random_event(&chance);
		struct event *none = NULL;
		struct wire_arena arena = { 0 };
		struct error error = { 0 };
		Leaderd__Event message;

		wire_event_pack_short(&message, event);
		const Leaderd__Event *back = through_a_feed(&arena, &message);
		assert_true(back->short_);
		assert_memory_equal(back->id.data, event->entry.id.bytes, 16);
		assert_int_equal(back->global, event->entry.at.global);
		assert_int_equal(back->client, event->entry.at.client);
		assert_int_equal(back->generation, event->generation);
		assert_int_equal(back->digest, event->digest);
		assert_memory_equal(back->local_hash.data, event->local_hash.bytes, 32);
		assert_int_equal(back->chain_hash.len, event->entry.client_only ? 0 : 32);
		assert_string_equal(back->name, "");
		assert_int_equal(wire_event_unpack(&none, back, &error), ERROR_INVALID);
		assert_string_equal(error.text, "a short event had no content to make an event of");
		assert_null(none);
		wire_arena_clear(&arena);
		event_destroy(event);
	}
}

static void the_content_hash_is_computed_and_never_taken_from_the_peer(void **state) {
	struct samples s;
	struct event *event, *other;

	samples_init(&s);
	assert_int_equal(wire_event_unpack(&event, &s.events[0], NULL), 0);
	s.events[0].version = 2;
	assert_int_equal(wire_event_unpack(&other, &s.events[0], NULL), 0);
	struct hash expected;
	hash_content(&expected, event);
	assert_true(hash_equal(&event->entry.content, &expected));
	assert_false(hash_equal(&event->entry.content, &other->entry.content));
	event_destroy(event);
	event_destroy(other);
}

static void a_point_comes_back_as_it_went(void **state) {
	struct hash hash = { { 1, 2, 3 } }, back_hash, none = { 0 };
	struct position at = { 5, 1 }, back;
	Leaderd__Point point;

	wire_point_set(&point, at, &hash);
	wire_point_get(&point, &back, &back_hash);
	assert_true(position_equal(at, back));
	assert_true(hash_equal(&hash, &back_hash));

	wire_point_set(&point, POSITION_ROOT, &none);
	assert_int_equal(point.local_hash.len, 0);
	wire_point_get(&point, &back, &back_hash);
	assert_true(position_is_root(back));
	assert_true(hash_equal(&none, &back_hash));
}

static void an_absent_point_is_root(void **state) {
	struct hash hash = { { 1 } }, none = { 0 };
	struct position at = { 5, 1 };

	wire_point_get(NULL, &at, &hash);
	assert_true(position_is_root(at));
	assert_true(hash_equal(&none, &hash));
}

static void ids_stand_side_by_side(void **state) {
	uint8_t data[48];
	ProtobufCBinaryData ids = { .len = sizeof(data), .data = data };
	struct event_id id;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	for (size_t i = 0; i < 3; i++) {
		wire_id_at(&id, &ids, i);
		assert_memory_equal(id.bytes, data + 16 * i, 16);
	}
}

static void conversion_fails_cleanly_at_each_allocation(void **state) {
	struct samples s;
	long before = allocation_live();
	bool failed = true;

	samples_init(&s);
	samples_log_events(&s);
	for (unsigned long k = 1; failed; k++) {
		struct event *event = NULL;
		struct error error = { 0 };

		allocation_fail_at(k);
		int r = wire_event_unpack(&event, &s.events[0], &error);
		failed = allocation_has_failed();
		allocation_fail_at(0);
		assert_int_equal(r, failed ? ERROR_NO_MEMORY : 0);
		assert_int_equal(error.code, r);
		assert_true((event == NULL) == failed);
		assert_true(failed || k > 4); /* event, name, arguments, metadata */
		event_destroy(event);
		assert_int_equal(allocation_live(), before);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_comes_back_as_it_went),
		cmocka_unit_test(a_short_event_tells_its_place_and_no_content),
		cmocka_unit_test(the_content_hash_is_computed_and_never_taken_from_the_peer),
		cmocka_unit_test(a_point_comes_back_as_it_went),
		cmocka_unit_test(an_absent_point_is_root),
		cmocka_unit_test(ids_stand_side_by_side),
		cmocka_unit_test(conversion_fails_cleanly_at_each_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
