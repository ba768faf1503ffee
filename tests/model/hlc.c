/* The hybrid logical clock: it never goes back, and its text sorts as it does. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <time.h>

#include "chance.h"
#include "model/event.h"

#define TIME_MS_MAX ((UINT64_C(1) << 48) - 1)
#define MS_OF_YEAR_10000 UINT64_C(253402300800000)
#define SESSION_HASH "3ca2c49553a457d7" /* FNV-1a of "session" */
#define CLIENT "0123456789abcdef0123456789abcdef"

static void expect_text(uint64_t time_ms, uint32_t counter, const char *expected) {
	char text[HLC_TEXT_BYTES];

	hlc_print(text, (struct hlc){ time_ms, counter }, CLIENT, "session");
	assert_string_equal(text, expected);
	assert_int_equal(strlen(text), HLC_TEXT_BYTES - 1);
}

static void the_text_is_civil_time_counter_and_client(void **state) {
	expect_text(0, 0, "1970-01-01T00:00:00.000Z-0000-" SESSION_HASH "-" CLIENT);
	expect_text(1, 0xffff, "1970-01-01T00:00:00.001Z-ffff-" SESSION_HASH "-" CLIENT);
	expect_text(951782399999, 1, "2000-02-28T23:59:59.999Z-0001-" SESSION_HASH "-" CLIENT);
	expect_text(951782400000, 1, "2000-02-29T00:00:00.000Z-0001-" SESSION_HASH "-" CLIENT);
	expect_text(4107542399999, 10, "2100-02-28T23:59:59.999Z-000a-" SESSION_HASH "-" CLIENT);
	expect_text(4107542400000, 10, "2100-03-01T00:00:00.000Z-000a-" SESSION_HASH "-" CLIENT);
	expect_text(MS_OF_YEAR_10000 - 1, 0, "9999-12-31T23:59:59.999Z-0000-" SESSION_HASH "-" CLIENT);
}

/* The C library is the judge. */
static void expect_civil(uint64_t time_ms) {
	char date[64], expected[128];
	time_t seconds = (time_t)(time_ms / 1000);
	struct tm civil;

	assert_non_null(gmtime_r(&seconds, &civil));
	assert_int_not_equal(strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &civil), 0);
	snprintf(expected, sizeof(expected), "%s.%03uZ-0000-%s-%s", date, (unsigned)(time_ms % 1000), SESSION_HASH, CLIENT);
	expect_text(time_ms, 0, expected);
}

static void the_date_is_right_around_each_day_that_begins_a_month_up_to_9999(void **state) {
	for (int year = 1970; year <= 9999; year++)
		for (int month = 0; month < 12; month++) {
			struct tm first = { .tm_year = year - 1900, .tm_mon = month, .tm_mday = 1 };
			uint64_t time_ms = (uint64_t)timegm(&first) * 1000;
			expect_civil(time_ms);
			if (time_ms > 0)
				expect_civil(time_ms - 1);
		}
}

static void the_date_is_right_at_random_times(void **state) {
	struct chance chance = chance_begin("hlc date");

	for (int i = 0; i < 50000; i++)
		expect_civil(chance_below(&chance, MS_OF_YEAR_10000));
}

static int order(struct hlc a, struct hlc b) {
	if (a.time_ms != b.time_ms)
		return a.time_ms > b.time_ms ? 1 : -1;
	return (a.counter > b.counter) - (a.counter < b.counter);
}

static struct hlc random_clock(struct chance *chance) {
	return (struct hlc){ chance_number(chance, 48), (uint32_t)chance_number(chance, 16) };
}

static void two_sessions_of_one_device_never_have_the_same_text(void **state) {
	char text_a[HLC_TEXT_BYTES], text_b[HLC_TEXT_BYTES];

	hlc_print(text_a, (struct hlc){ 5, 5 }, CLIENT, "a");
	hlc_print(text_b, (struct hlc){ 5, 5 }, CLIENT, "b");
	assert_string_not_equal(text_a, text_b);
}

static void the_text_sorts_as_the_clock_does_past_9999_too(void **state) {
	struct chance chance = chance_begin("hlc order");
	char text_a[HLC_TEXT_BYTES], text_b[HLC_TEXT_BYTES];

	for (int i = 0; i < 50000; i++) {
		struct hlc a = random_clock(&chance);
		struct hlc b = chance_below(&chance, 2) ? random_clock(&chance) : a;
		if (chance_below(&chance, 4) == 0)
			b.counter = (uint32_t)chance_below(&chance, 0x10000);

		hlc_print(text_a, a, CLIENT, "session");
		hlc_print(text_b, b, CLIENT, "session");
		int by_text = strcmp(text_a, text_b);
		assert_int_equal((by_text > 0) - (by_text < 0), order(a, b));
		assert_int_equal(strlen(text_a), HLC_TEXT_BYTES - 1);
	}
}

static void a_clock_of_the_far_future_keeps_the_width(void **state) {
	expect_text(MS_OF_YEAR_10000, 0, ":000-01-01T00:00:00.000Z-0000-" SESSION_HASH "-" CLIENT);
	expect_text(TIME_MS_MAX, 0, ":889-08-02T05:31:50.655Z-0000-" SESSION_HASH "-" CLIENT);
	expect_text(UINT64_MAX, UINT32_MAX, ":889-08-02T05:31:50.655Z-ffff-" SESSION_HASH "-" CLIENT);
}

static void expect_clock(struct hlc found, uint64_t time_ms, uint32_t counter) {
	assert_int_equal(found.time_ms, time_ms);
	assert_int_equal(found.counter, counter);
}

static void the_next_clock_follows_the_wall_when_it_moved(void **state) {
	expect_clock(hlc_next((struct hlc){ 1000, 9 }, 1001), 1001, 0);
	expect_clock(hlc_next((struct hlc){ 0, 0 }, 5), 5, 0);
}

static void the_next_clock_counts_when_the_wall_stood_or_went_back(void **state) {
	expect_clock(hlc_next((struct hlc){ 1000, 9 }, 1000), 1000, 10);
	expect_clock(hlc_next((struct hlc){ 1000, 9 }, 3), 1000, 10);
	expect_clock(hlc_next((struct hlc){ 0, 0 }, 0), 0, 1);
}

static void a_full_counter_moves_the_time_on(void **state) {
	expect_clock(hlc_next((struct hlc){ 1000, 0xfffe }, 1000), 1000, 0xffff);
	expect_clock(hlc_next((struct hlc){ 1000, 0xffff }, 1000), 1001, 0);
	expect_clock(hlc_next((struct hlc){ 1000, 0xffff }, 2000), 2000, 0);
}

static void a_clock_never_leaves_its_48_bits(void **state) {
	expect_clock(hlc_next((struct hlc){ 1000, 0 }, UINT64_MAX), TIME_MS_MAX, 0);
	expect_clock(hlc_next((struct hlc){ TIME_MS_MAX, 0 }, UINT64_MAX), TIME_MS_MAX, 1);
	expect_clock(hlc_next((struct hlc){ TIME_MS_MAX, 0xffff }, 1000), TIME_MS_MAX, 0xffff);
}

static void the_next_clock_is_later_than_the_last_and_not_before_now(void **state) {
	struct chance chance = chance_begin("hlc next");

	for (int i = 0; i < 50000; i++) {
		struct hlc last = random_clock(&chance);
		uint64_t now_ms = chance_below(&chance, 2) ? last.time_ms : chance_number(&chance, 48);
		struct hlc next = hlc_next(last, now_ms);

		assert_true(order(next, last) > 0);
		assert_true(next.time_ms >= now_ms);
		assert_true(next.counter <= 0xffff && next.time_ms <= TIME_MS_MAX);
	}
}

static void the_later_of_two_clocks_is_by_time_then_counter(void **state) {
	expect_clock(hlc_later((struct hlc){ 5, 1 }, (struct hlc){ 4, 9 }), 5, 1);
	expect_clock(hlc_later((struct hlc){ 4, 9 }, (struct hlc){ 5, 1 }), 5, 1);
	expect_clock(hlc_later((struct hlc){ 5, 1 }, (struct hlc){ 5, 2 }), 5, 2);
	expect_clock(hlc_later((struct hlc){ 5, 2 }, (struct hlc){ 5, 1 }), 5, 2);
	expect_clock(hlc_later((struct hlc){ 5, 2 }, (struct hlc){ 5, 2 }), 5, 2);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_is_civil_time_counter_and_client),
		cmocka_unit_test(the_date_is_right_around_each_day_that_begins_a_month_up_to_9999),
		cmocka_unit_test(the_date_is_right_at_random_times),
		cmocka_unit_test(two_sessions_of_one_device_never_have_the_same_text),
		cmocka_unit_test(the_text_sorts_as_the_clock_does_past_9999_too),
		cmocka_unit_test(a_clock_of_the_far_future_keeps_the_width),
		cmocka_unit_test(the_next_clock_follows_the_wall_when_it_moved),
		cmocka_unit_test(the_next_clock_counts_when_the_wall_stood_or_went_back),
		cmocka_unit_test(a_full_counter_moves_the_time_on),
		cmocka_unit_test(a_clock_never_leaves_its_48_bits),
		cmocka_unit_test(the_next_clock_is_later_than_the_last_and_not_before_now),
		cmocka_unit_test(the_later_of_two_clocks_is_by_time_then_counter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
