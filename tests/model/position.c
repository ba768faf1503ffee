/* Positions: their order and the steps along a log. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aborts.h"
#include "model/position.h"

static void expect_at(struct position found, uint64_t global, uint64_t client) {
	assert_int_equal(found.global, global);
	assert_int_equal(found.client, client);
}

static void order_is_by_global_then_client(void **state) {
	const struct position log[] = { { 0, 0 }, { 0, 1 }, { 1, 0 }, { 1, 1 }, { 1, 2 }, { 2, 0 }, { INT64_MAX, 0 } };
	const int n = sizeof(log) / sizeof(log[0]);

	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++) {
			int order = position_compare(log[i], log[j]);
			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
			assert_int_equal(position_equal(log[i], log[j]), i == j);
		}
}

static void root_stands_before_every_event_and_is_no_client_only_one(void **state) {
	assert_true(position_is_root(POSITION_ROOT));
	assert_false(position_is_client_only(POSITION_ROOT));
	assert_false(position_is_root((struct position){ 0, 1 }));
	assert_true(position_is_client_only((struct position){ 0, 1 }));
	assert_false(position_is_root((struct position){ 1, 0 }));
	assert_false(position_is_client_only((struct position){ 1, 0 }));
}

static void a_synced_event_follows_the_synced_one_whatever_client_only_ones_stand_between(void **state) {
	expect_at(position_next(POSITION_ROOT, false), 1, 0);
	expect_at(position_next((struct position){ 5, 0 }, false), 6, 0);
	expect_at(position_next((struct position){ 5, 3 }, false), 6, 0);
	expect_at(position_parent((struct position){ 6, 0 }), 5, 0);
	expect_at(position_parent((struct position){ 1, 0 }), 0, 0);
}

static void a_client_only_event_follows_its_predecessor(void **state) {
	expect_at(position_next(POSITION_ROOT, true), 0, 1);
	expect_at(position_next((struct position){ 5, 0 }, true), 5, 1);
	expect_at(position_next((struct position){ 5, 1 }, true), 5, 2);
	expect_at(position_parent((struct position){ 5, 2 }), 5, 1);
	expect_at(position_parent((struct position){ 5, 1 }), 5, 0);
	expect_at(position_parent((struct position){ 0, 1 }), 0, 0);
}

static void ask_for_the_parent_of_root(void) {
	position_parent(POSITION_ROOT);
}

static void step_past_the_last_synced_place(void) {
	position_next((struct position){ UINT64_MAX, 0 }, false);
}

static void step_past_the_last_client_only_place(void) {
	position_next((struct position){ 1, UINT64_MAX }, true);
}

static void a_place_that_does_not_exist_is_never_made_up(void **state) {
	char text[512];

	assert_true(aborts(ask_for_the_parent_of_root, text, sizeof(text)));
	assert_true(aborts(step_past_the_last_synced_place, text, sizeof(text)));
	assert_true(aborts(step_past_the_last_client_only_place, text, sizeof(text)));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_is_by_global_then_client),
		cmocka_unit_test(root_stands_before_every_event_and_is_no_client_only_one),
		cmocka_unit_test(a_synced_event_follows_the_synced_one_whatever_client_only_ones_stand_between),
		cmocka_unit_test(a_client_only_event_follows_its_predecessor),
		cmocka_unit_test(a_place_that_does_not_exist_is_never_made_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
