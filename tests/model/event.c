/* Events: copies, ids, places held before, and the names that are allowed. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "aborts.h"
#include "allocation.h"
#include "model/event.h"

static const char args[] = "{\"id\":\"x\"}";

static void an_event_owns_copies_of_what_it_was_made_from(void **state) {
	char name[] = "todoCreated";
	char text[] = "{}behind";

	struct event *event = event_create(name, text, 2);
	assert_non_null(event);
	memset(name, 'x', sizeof(name));
	memset(text, 'x', sizeof(text));

	assert_string_equal(event->name, "todoCreated");
	assert_string_equal(event->args, "{}");
	assert_int_equal(event->args_bytes, 2);
	assert_null(event->sync_metadata);
	assert_int_equal(event->n_origins, 0);
	assert_true(position_is_root(event->entry.at));
	assert_true(event_id_is_zero(&event->entry.id));
	assert_null(event_destroy(event));
}

static void destroying_nothing_is_allowed(void **state) {
	assert_null(event_destroy(NULL));
}

static void arguments_are_kept_byte_for_byte(void **state) {
	const char bytes[] = { '{', '\0', (char)0xff, '}' };

	struct event *event = event_create("n", bytes, sizeof(bytes));
	struct event *empty = event_create("n", NULL, 0);

	assert_int_equal(event->args_bytes, sizeof(bytes));
	assert_memory_equal(event->args, bytes, sizeof(bytes));
	assert_int_equal(event->args[sizeof(bytes)], '\0');
	assert_string_equal(empty->args, "");
	event_destroy(event);
	event_destroy(empty);
}

/* The caller frees it; the metadata comes from our own malloc. */
static struct event *a_confirmed_event(void) {
	struct event *event = event_create("todoCreated", args, strlen(args));

	assert_non_null(event);
	event->entry.id.bytes[0] = 7;
	event->entry.at = (struct position){ 5, 0 };
	event->generation = 3;
	event_add_origin(event, (struct position){ 3, 0 });
	event->version = 2;
	event->hlc = (struct hlc){ 1000, 4 };
	strcpy(event->client_id, "0123456789abcdef0123456789abcdef");
	strcpy(event->session_id, "A.1");
	event->digest = 99;
	event->chain_hash.bytes[31] = 1;
	event->local_hash.bytes[0] = 2;
	event->sync_metadata = (uint8_t *)strdup("note");
	event->sync_metadata_bytes = 4;
	assert_non_null(event->sync_metadata);
	return event;
}

static void a_copy_has_everything_and_shares_nothing(void **state) {
	struct event *event = a_confirmed_event();
	struct event *copy = event_copy(event);

	assert_non_null(copy);
	assert_ptr_not_equal(copy->name, event->name);
	assert_ptr_not_equal(copy->args, event->args);
	assert_ptr_not_equal(copy->sync_metadata, event->sync_metadata);
	event_destroy(event);

	assert_string_equal(copy->name, "todoCreated");
	assert_string_equal(copy->args, args);
	assert_int_equal(copy->args_bytes, strlen(args));
	assert_memory_equal(copy->sync_metadata, "note", 4);
	assert_int_equal(copy->sync_metadata_bytes, 4);
	assert_int_equal(copy->entry.id.bytes[0], 7);
	assert_true(position_equal(copy->entry.at, (struct position){ 5, 0 }));
	assert_int_equal(copy->generation, 3);
	assert_int_equal(copy->n_origins, 1);
	assert_int_equal(copy->origins[0].global, 3);
	assert_int_equal(copy->version, 2);
	assert_int_equal(copy->hlc.time_ms, 1000);
	assert_int_equal(copy->hlc.counter, 4);
	assert_string_equal(copy->client_id, "0123456789abcdef0123456789abcdef");
	assert_string_equal(copy->session_id, "A.1");
	assert_int_equal(copy->digest, 99);
	assert_int_equal(copy->chain_hash.bytes[31], 1);
	assert_int_equal(copy->local_hash.bytes[0], 2);
	event_destroy(copy);
}

static void without_metadata_a_copy_has_none(void **state) {
	struct event *event = event_create("todoCreated", "{}", 2);
	struct event *copy = event_copy(event);

	assert_non_null(copy);
	assert_null(copy->sync_metadata);
	assert_int_equal(copy->sync_metadata_bytes, 0);
	event_destroy(event);
	event_destroy(copy);
}

static void creation_fails_cleanly_at_each_allocation(void **state) {
	long before = allocation_live();
	unsigned long k = 1;

	for (;; k++) {
		allocation_fail_at(k);
		struct event *event = event_create("n", args, strlen(args));
		bool failed = allocation_has_failed();
		allocation_fail_at(0);

		assert_int_equal(event == NULL, failed);
		event_destroy(event);
		assert_int_equal(allocation_live(), before);
		if (!failed)
			break;
	}
	assert_int_equal(k, 4); /* the event, its name, its arguments; the fourth try had no failure left */
}

static void copying_fails_cleanly_at_each_allocation(void **state) {
	struct event *event = a_confirmed_event();
	long before = allocation_live();
	unsigned long k = 1;

	for (;; k++) {
		allocation_fail_at(k);
		struct event *copy = event_copy(event);
		bool failed = allocation_has_failed();
		allocation_fail_at(0);

		assert_int_equal(copy == NULL, failed);
		event_destroy(copy);
		assert_int_equal(allocation_live(), before);
		if (!failed)
			break;
	}
	assert_int_equal(k, 5); /* and the metadata */
	assert_memory_equal(event->sync_metadata, "note", 4);
	assert_string_equal(event->args, args);
	event_destroy(event);
}

static const struct event_id known_id = { { 0x01, 0x8f, 0x3c, 0x00, 0xab, 0xcd, 0x7e, 0x0f, 0x80, 0x01, 0x02, 0x03,
	                                        0x04, 0x05, 0x06, 0xff } };
static const char known_text[] = "018f3c00-abcd-7e0f-8001-0203040506ff";

static void an_id_is_printed_in_five_groups_and_read_back(void **state) {
	char text[EVENT_ID_TEXT_BYTES];
	struct event_id id;

	event_id_print(text, &known_id);
	assert_string_equal(text, known_text);

	assert_true(event_id_parse(&id, text));
	assert_true(event_id_equal(&id, &known_id));
	assert_true(event_id_parse(&id, "018F3C00-ABCD-7E0F-8001-0203040506FF"));
	assert_true(event_id_equal(&id, &known_id));
}

static void what_is_no_id_is_not_read(void **state) {
	static const char *const wrong[] = {
		"",
		"018f3c00",
		"018f3c00-abcd-7e0f-8001-0203040506f",
		"018f3c00-abcd-7e0f-8001-0203040506ff0",
		"018f3c00abcd-7e0f-8001-0203040506ff0",
		"018f3c00-abcd-7e0f-8001-0203040506fg",
		"018f3c00-abcd-7e0f-8001+0203040506ff",
		"{18f3c00-abcd-7e0f-8001-0203040506ff",
		"018f3c00-abcd-7e0f-8001-0203040506f ",
		"018f3c000abcd-7e0f-8001-0203040506ff",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct event_id id = known_id;
		assert_false(event_id_parse(&id, wrong[i]));
		assert_true(event_id_equal(&id, &known_id));
	}
}

static void every_byte_of_ids_and_hashes_counts(void **state) {
	for (size_t i = 0; i < sizeof(known_id.bytes); i++) {
		struct event_id other = known_id;
		struct event_id almost_zero = { { 0 } };
		other.bytes[i] ^= 1;
		almost_zero.bytes[i] = 1;
		assert_false(event_id_equal(&known_id, &other));
		assert_false(event_id_is_zero(&almost_zero));
	}
	for (size_t i = 0; i < sizeof(struct hash); i++) {
		struct hash a = { { 0 } };
		struct hash b = { { 0 } };
		assert_true(hash_equal(&a, &b));
		b.bytes[i] = 0x80;
		assert_false(hash_equal(&a, &b));
	}
}

static void a_move_makes_the_old_place_the_newest_origin(void **state) {
	struct event event = { .entry.at = { 3, 0 }, .generation = 1 };

	event_move(&event, (struct position){ 5, 0 }, 2);
	event_move(&event, (struct position){ 8, 0 }, 3);

	assert_true(position_equal(event.entry.at, (struct position){ 8, 0 }));
	assert_int_equal(event.generation, 3);
	assert_int_equal(event.n_origins, 2);
	assert_int_equal(event.origins[0].global, 5);
	assert_int_equal(event.origins[1].global, 3);
}

static void a_move_to_the_same_place_changes_only_the_generation(void **state) {
	struct event event = { .entry.at = { 3, 0 }, .generation = 1 };

	event_move(&event, (struct position){ 3, 0 }, 7);

	assert_true(position_equal(event.entry.at, (struct position){ 3, 0 }));
	assert_int_equal(event.generation, 7);
	assert_int_equal(event.n_origins, 0);
}

static void a_first_place_has_no_origin(void **state) {
	struct event synced = { 0 };
	struct event client_only = { .entry.client_only = true };

	event_move(&synced, (struct position){ 1, 0 }, 1);
	event_move(&client_only, (struct position){ 0, 1 }, 1);

	assert_int_equal(synced.n_origins, 0);
	assert_int_equal(client_only.n_origins, 0);
	assert_true(position_equal(client_only.entry.at, (struct position){ 0, 1 }));
}

static void a_place_may_be_held_again_but_not_twice_in_a_row(void **state) {
	struct event event = { .entry.at = { 3, 0 } };

	event_move(&event, (struct position){ 4, 0 }, 1);
	event_move(&event, (struct position){ 3, 0 }, 2);
	event_move(&event, (struct position){ 4, 0 }, 3);
	event_add_origin(&event, (struct position){ 3, 0 });

	assert_int_equal(event.n_origins, 3);
	assert_int_equal(event.origins[0].global, 3);
	assert_int_equal(event.origins[1].global, 4);
	assert_int_equal(event.origins[2].global, 3);
}

static void of_many_origins_the_oldest_and_the_seven_newest_are_kept(void **state) {
	struct event event = { .entry.at = { 1, 0 } };

	for (uint64_t global = 2; global <= 20; global++) {
		event_move(&event, (struct position){ global, 0 }, global);

		uint64_t held = global - 1;
		uint32_t kept = held < ORIGINS_MAX ? (uint32_t)held : ORIGINS_MAX;
		assert_int_equal(event.n_origins, kept);
		for (uint32_t i = 0; i + 1 < kept; i++)
			assert_int_equal(event.origins[i].global, held - i);
		assert_int_equal(event.origins[kept - 1].global, 1);
	}
}

static void move_to_root(void) {
	struct event event = { .entry.at = { 1, 0 } };

	event_move(&event, POSITION_ROOT, 1);
}

static void move_a_synced_event_to_a_client_only_place(void) {
	struct event event = { .entry.at = { 1, 0 } };

	event_move(&event, (struct position){ 1, 1 }, 1);
}

static void an_event_is_never_moved_to_a_place_that_is_none_of_its_kind(void **state) {
	char text[512];

	assert_true(aborts(move_to_root, text, sizeof(text)));
	assert_true(aborts(move_a_synced_event_to_a_client_only_place, text, sizeof(text)));
}

static void store_names_are_safe_names_of_folders(void **state) {
	static const char *const right[] = { "a", "0", "todos", "org.example.todos", "a-b_c.d", "9lives" };
	static const char *const wrong[] = { "",    ".",   "..",  ".a",       "-a",        "_a",  "A", "todoS",
		                                 "a/b", "a b", "a\n", "\xc3\xa4", "a\xc3\xa4", "a:b", "a{" };
	char name[STORE_NAME_BYTES_MAX + 2];

	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		assert_true(store_name_is_valid(right[i]));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(store_name_is_valid(wrong[i]));

	memset(name, 'a', sizeof(name));
	name[STORE_NAME_BYTES_MAX + 1] = '\0';
	assert_false(store_name_is_valid(name));
	name[STORE_NAME_BYTES_MAX] = '\0';
	assert_true(store_name_is_valid(name));
}

static void session_ids_may_have_capitals_and_begin_anyhow(void **state) {
	static const char *const right[] = { "A.1", "-", "_x", ".", "0", "Zz09._-" };
	static const char *const wrong[] = { "", "a b", "a/b", "a:b", "a[", "a{", "\xc3\xa4", "a\n" };
	char id[SESSION_ID_BYTES_MAX + 2];

	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		assert_true(session_id_is_valid(right[i]));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(session_id_is_valid(wrong[i]));

	memset(id, 'A', sizeof(id));
	id[SESSION_ID_BYTES_MAX + 1] = '\0';
	assert_false(session_id_is_valid(id));
	id[SESSION_ID_BYTES_MAX] = '\0';
	assert_true(session_id_is_valid(id));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_owns_copies_of_what_it_was_made_from),
		cmocka_unit_test(destroying_nothing_is_allowed),
		cmocka_unit_test(arguments_are_kept_byte_for_byte),
		cmocka_unit_test(a_copy_has_everything_and_shares_nothing),
		cmocka_unit_test(without_metadata_a_copy_has_none),
		cmocka_unit_test(creation_fails_cleanly_at_each_allocation),
		cmocka_unit_test(copying_fails_cleanly_at_each_allocation),
		cmocka_unit_test(an_id_is_printed_in_five_groups_and_read_back),
		cmocka_unit_test(what_is_no_id_is_not_read),
		cmocka_unit_test(every_byte_of_ids_and_hashes_counts),
		cmocka_unit_test(a_move_makes_the_old_place_the_newest_origin),
		cmocka_unit_test(a_move_to_the_same_place_changes_only_the_generation),
		cmocka_unit_test(a_first_place_has_no_origin),
		cmocka_unit_test(a_place_may_be_held_again_but_not_twice_in_a_row),
		cmocka_unit_test(of_many_origins_the_oldest_and_the_seven_newest_are_kept),
		cmocka_unit_test(an_event_is_never_moved_to_a_place_that_is_none_of_its_kind),
		cmocka_unit_test(store_names_are_safe_names_of_folders),
		cmocka_unit_test(session_ids_may_have_capitals_and_begin_anyhow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
