/* Units, side by side and whole; and the list that keeps pending ones. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/limits.h"
#include "chains.h"
#include "model/pending_list.h"
#include "model/unit.h"

static void expect_error(const struct chain *chain, const char *text) {
	struct error error;

	assert_int_equal(units_check(chain->entries, chain->n, &error), ERROR_INVALID);
	assert_string_equal(error.text, text);
}

static void whole_units_side_by_side_are_right(void **state) {
	struct chain chain = chain_of("a@e1 (b c d)@e2 e@e4.1 (f g)@e4.2");
	struct error error;

	assert_int_equal(units_check(chain.entries, chain.n, &error), 0);
	assert_int_equal(units_check(NULL, 0, &error), 0);
}

static void a_unit_has_from_one_to_its_bound_of_events(void **state) {
	struct chain chain = chain_of("a@e1");

	chain.entries[0].unit_count = 0;
	expect_error(&chain, "a unit said to hold 0 events; 1 to 1024 are allowed");
	chain.entries[0].unit_count = UNIT_EVENTS_MAX + 1;
	expect_error(&chain, "a unit said to hold 1025 events; 1 to 1024 are allowed");
}

static void a_unit_begins_with_its_first_event(void **state) {
	struct chain chain = chain_of("(a b)@e1");

	chain.entries[0].unit_index = 1;
	expect_error(&chain, "event 2 of a unit of 2 came without those before it");
}

static void what_stands_between_its_events_is_no_part_of_a_unit(void **state) {
	struct chain other_index = chain_of("(a b c)@e1"), other_count = other_index, other_unit = other_index;

	other_index.entries[1].unit_index = 2;
	expect_error(&other_index, "event 2 of a unit of 3 was missing");
	other_count.entries[1].unit_count = 2;
	expect_error(&other_count, "event 2 of a unit of 3 was missing");
	other_unit.entries[2].unit = id_of('x');
	expect_error(&other_unit, "event 3 of a unit of 3 was missing");
}

static void a_unit_is_synced_or_client_only(void **state) {
	struct chain chain = chain_of("(a b)@e1");

	chain.entries[1].client_only = true;
	expect_error(&chain, "a unit mixed synced and client-only events");
}

static void a_unit_does_not_end_early(void **state) {
	struct chain chain = chain_of("(a b c)@e1");

	chain.n = 2;
	expect_error(&chain, "only 2 events of a unit of 3 were there");
}

/* What left in front makes room: a session that lives long does not grow its list. */
static void the_list_of_pending_events_uses_the_room_of_those_that_left(void **state) {
	struct chain chain = chain_of("a@e1 b@e2 c@e3");
	struct pending_list list = { 0 };

	assert_int_equal(pending_list_reserve(&list, chain.n), 0);
	size_t allocated = list.allocated;
	for (size_t round = 0; round < 3 * allocated; round++) {
		assert_int_equal(pending_list_reserve(&list, chain.n), 0);
		for (size_t i = 0; i < chain.n; i++)
			pending_list_append(&list, &(struct pending){ .entry = chain.entries[i] });
		assert_string_equal(pending_text(pending_list_at(&list, 0), list.n), "a@e1 b@e2 c@e3");
		list.first += chain.n;
		list.n -= chain.n;
	}
	assert_int_equal(list.allocated, allocated);
	pending_list_finish(&list);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_units_side_by_side_are_right),
		cmocka_unit_test(a_unit_has_from_one_to_its_bound_of_events),
		cmocka_unit_test(a_unit_begins_with_its_first_event),
		cmocka_unit_test(what_stands_between_its_events_is_no_part_of_a_unit),
		cmocka_unit_test(a_unit_is_synced_or_client_only),
		cmocka_unit_test(a_unit_does_not_end_early),
		cmocka_unit_test(the_list_of_pending_events_uses_the_room_of_those_that_left),
	};

	return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
