/* Hashes and ids: vectors made with another implementation of BLAKE2b. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "store/hash.h"

static void assert_hash(const struct hash *hash, const char *expected) {
	char text[65];

	hex_print(text, hash->bytes, sizeof(hash->bytes));
	assert_string_equal(text, expected);
}

/* id 00..0f, unit 10..1f, index 1 of 3, e7, clock 1700000000123.5 */
static struct event *the_event(void) {
	struct event *event = event_create("todoCreated", "{\"id\":\"x\"}", 10);

	assert_non_null(event);
	for (uint8_t i = 0; i < 16; i++) {
		event->entry.id.bytes[i] = i;
		event->entry.unit.bytes[i] = (uint8_t)(16 + i);
	}
	event->entry.unit_index = 1;
	event->entry.unit_count = 3;
	event->entry.at = (struct position){ 7, 0 };
	event->version = 2;
	event->hlc = (struct hlc){ 1700000000123, 5 };
	strcpy(event->client_id, "0123456789abcdef0123456789abcdef");
	strcpy(event->session_id, "app-1");
	return event;
}

static void bytes_are_hashed_as_everybody_does(void **state) {
	struct hash hash;

	hash_bytes(&hash, "abc", 3);
	assert_hash(&hash, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
	hash_bytes(&hash, NULL, 0);
	assert_hash(&hash, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
}

static void the_content_hash_covers_what_never_changes(void **state) {
	struct event *event = the_event();
	struct hash hash;

	hash_content(&hash, event);

	assert_hash(&hash, "d8fd3628a9148541f4e2c6e3d10f674d5385f657bdaa44bf69a7fbf2d2e9d533");
	event_destroy(event);
}

static void the_chain_and_local_hash_link_position_and_content(void **state) {
	struct event *event = the_event();
	struct hash content, zero = { { 0 } }, chain, local;

	hash_content(&content, event);
	hash_chain(&chain, &zero, event->entry.at, &content);
	hash_local(&local, &chain, (struct position){ 7, 2 }, &content);

	assert_hash(&chain, "511c4ae3a66caf696826e0655e10a751cdbab04d41f2df93c2bad474127f732c");
	assert_hash(&local, "8d60b2d6fe7d9765f68dd251de4c78a54a58cf61dae038803c19a00f219b0f84");
	event_destroy(event);
}

/* Changes one thing of an event's content. */
static void change(struct event *event, unsigned what) {
	switch (what) {
	case 0: event->entry.id.bytes[15]++; break;
	case 1: event->name[0] = 'T'; break;
	case 2: event->version++; break;
	case 3: event->args[2] = 'j'; break;
	case 4: event->args_bytes--; break;
	case 5: event->entry.unit.bytes[0]++; break;
	case 6: event->entry.unit_index++; break;
	case 7: event->entry.unit_count++; break;
	case 8: event->client_id[0] = '9'; break;
	case 9: event->session_id[0] = 'b'; break;
	case 10: event->hlc.time_ms++; break;
	case 11: event->hlc.counter++; break;
	/* A byte that moves from one field to the next must show too. */
	case 12:
		event->client_id[31] = '\0';
		memmove(event->session_id + 1, event->session_id, 6);
		event->session_id[0] = 'f';
		break;
	}
}

static void every_part_of_the_content_changes_its_hash(void **state) {
	struct event *event = the_event();
	struct hash hash, changed;

	hash_content(&hash, event);
	for (unsigned what = 0; what <= 12; what++) {
		struct event *other = the_event();

		change(other, what);
		hash_content(&changed, other);
		if (hash_equal(&hash, &changed))
			fail_msg("change %u does not show", what);
		event_destroy(other);
	}
	event_destroy(event);
}

static void the_placement_does_not_change_the_content_hash(void **state) {
	struct event *event = the_event();
	struct hash hash, changed;

	hash_content(&hash, event);
	event_move(event, (struct position){ 9, 0 }, 4);
	event->digest = 3;
	hash_content(&changed, event);

	assert_true(hash_equal(&hash, &changed));
	event_destroy(event);
}

static void ids_are_uuids_of_version_7_and_bear_the_time(void **state) {
	struct event_id id, other;
	static const uint8_t time[] = { 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x7b };

	event_id_make(&id, 1700000000123);
	event_id_make(&other, 1700000000123);

	assert_memory_equal(id.bytes, time, sizeof(time));
	assert_int_equal(id.bytes[6] >> 4, 7);
	assert_int_equal(id.bytes[8] >> 6, 2);
	assert_false(event_id_equal(&id, &other));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_hashed_as_everybody_does),
		cmocka_unit_test(the_content_hash_covers_what_never_changes),
		cmocka_unit_test(the_chain_and_local_hash_link_position_and_content),
		cmocka_unit_test(every_part_of_the_content_changes_its_hash),
		cmocka_unit_test(the_placement_does_not_change_the_content_hash),
		cmocka_unit_test(ids_are_uuids_of_version_7_and_bear_the_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
