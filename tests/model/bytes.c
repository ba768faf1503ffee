/* Bytes: a growing buffer and hexadecimal text. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "aborts.h"
#include "allocation.h"
#include "base/bytes.h"
#include "base/error.h"

static void a_zeroed_buffer_is_empty_and_may_be_finished(void **state) {
	struct bytes b = { 0 };

	bytes_clear(&b);
	bytes_drop_front(&b, 0);
	assert_int_equal(bytes_add(&b, NULL, 0), 0);
	assert_null(b.data);
	bytes_finish(&b);
	bytes_finish(&b);
	assert_int_equal(b.n, 0);
}

static void numbers_are_added_little_endian(void **state) {
	const uint8_t expected[] = { 0xff, 0x04, 0x03, 0x02, 0x01, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 'x' };
	struct bytes b = { 0 };

	assert_int_equal(bytes_add_u8(&b, 0xff), 0);
	assert_int_equal(bytes_add_u32(&b, 0x01020304), 0);
	assert_int_equal(bytes_add_u64(&b, UINT64_C(0x1112131415161718)), 0);
	assert_int_equal(bytes_add(&b, "x", 1), 0);

	assert_int_equal(b.n, sizeof(expected));
	assert_memory_equal(b.data, expected, sizeof(expected));
	bytes_finish(&b);
}

static void what_was_added_survives_growth(void **state) {
	struct bytes b = { 0 };

	for (uint32_t i = 0; i < 10000; i++)
		assert_int_equal(bytes_add_u32(&b, i), 0);

	assert_int_equal(b.n, 40000);
	assert_true(b.allocated >= b.n);
	for (uint32_t i = 0; i < 10000; i++)
		assert_int_equal(b.data[4 * i] | b.data[4 * i + 1] << 8, i);
	bytes_finish(&b);
}

static void a_cleared_buffer_keeps_its_memory(void **state) {
	struct bytes b = { 0 };

	assert_int_equal(bytes_reserve(&b, 1000), 0);
	uint8_t *memory = b.data;
	assert_int_equal(bytes_add(&b, "abc", 3), 0);
	bytes_clear(&b);
	assert_int_equal(b.n, 0);
	assert_int_equal(bytes_add(&b, "de", 2), 0);

	assert_ptr_equal(b.data, memory);
	assert_memory_equal(b.data, "de", 2);
	bytes_finish(&b);
}

static void the_front_can_be_dropped(void **state) {
	struct bytes b = { 0 };

	assert_int_equal(bytes_add(&b, "abcdef", 6), 0);
	bytes_drop_front(&b, 2);
	assert_int_equal(b.n, 4);
	assert_memory_equal(b.data, "cdef", 4);
	bytes_drop_front(&b, 4);
	assert_int_equal(b.n, 0);
	bytes_finish(&b);
}

static void drop_more_than_there_is(void) {
	struct bytes b = { 0 };

	bytes_drop_front(&b, 1);
}

static void dropping_more_than_there_is_ends_the_process(void **state) {
	char text[512];

	assert_true(aborts(drop_more_than_there_is, text, sizeof(text)));
	assert_non_null(strstr(text, "n <= b->n"));
}

static void an_impossible_size_is_a_lack_of_memory(void **state) {
	struct bytes b = { 0 };

	assert_int_equal(bytes_add(&b, "abc", 3), 0);
	assert_int_equal(bytes_reserve(&b, SIZE_MAX), ERROR_NO_MEMORY);
	assert_int_equal(bytes_reserve(&b, SIZE_MAX / 2), ERROR_NO_MEMORY);

	assert_int_equal(b.n, 3);
	assert_memory_equal(b.data, "abc", 3);
	bytes_finish(&b);
}

static void growth_fails_cleanly_at_each_allocation(void **state) {
	long before = allocation_live();
	unsigned long k = 1;
	bool failed = true;

	for (; failed; k++) {
		struct bytes b = { 0 };
		size_t added = 0;
		int r = 0;

		allocation_fail_at(k);
		while (added < 1000 && (r = bytes_add_u32(&b, (uint32_t)added)) == 0)
			added++;
		failed = allocation_has_failed();
		allocation_fail_at(0);

		assert_int_equal(r, failed ? ERROR_NO_MEMORY : 0);
		assert_int_equal(b.n, 4 * added);
		for (size_t i = 0; i < added; i++)
			assert_int_equal(b.data[4 * i] | b.data[4 * i + 1] << 8, i);
		bytes_finish(&b);
		assert_int_equal(allocation_live(), before);
	}
	assert_true(k > 3); /* it did grow more than once */
}

static void hexadecimal_is_printed_in_lower_case_and_read_in_both(void **state) {
	const uint8_t data[] = { 0x00, 0x1f, 0xa0, 0xff };
	uint8_t read[4];
	char text[9];

	hex_print(text, data, 4);
	assert_string_equal(text, "001fa0ff");
	assert_true(hex_parse(read, 4, text));
	assert_memory_equal(read, data, 4);
	assert_true(hex_parse(read, 4, "001FA0Ff"));
	assert_memory_equal(read, data, 4);

	hex_print(text, NULL, 0);
	assert_string_equal(text, "");
	assert_true(hex_parse(read, 0, ""));
}

static void what_is_not_exactly_the_digits_is_not_read(void **state) {
	static const char *const wrong[] = { "",     "00",   "001",  "00112", "0011 ", "001g",
		                                 " 011", "0x11", "00/1", "00:1",  "00@1",  "00`1" };
	uint8_t read[2] = { 7, 8 };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(hex_parse(read, 2, wrong[i]));
	assert_int_equal(read[0], 7);
	assert_int_equal(read[1], 8);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_zeroed_buffer_is_empty_and_may_be_finished),
		cmocka_unit_test(numbers_are_added_little_endian),
		cmocka_unit_test(what_was_added_survives_growth),
		cmocka_unit_test(a_cleared_buffer_keeps_its_memory),
		cmocka_unit_test(the_front_can_be_dropped),
		cmocka_unit_test(dropping_more_than_there_is_ends_the_process),
		cmocka_unit_test(an_impossible_size_is_a_lack_of_memory),
		cmocka_unit_test(growth_fails_cleanly_at_each_allocation),
		cmocka_unit_test(hexadecimal_is_printed_in_lower_case_and_read_in_both),
		cmocka_unit_test(what_is_not_exactly_the_digits_is_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
