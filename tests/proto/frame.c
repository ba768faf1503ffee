/* Frames out of a stream of bytes, however it is cut, and into one. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "allocation.h"
#include "samples.h"

static const char three_frames[] = "['a'] ['a longer frame'] ['bc']";

/* Takes every whole frame and adds "<payload>|" for each to what was seen. */
static void take_frames(struct wire_reader *reader, char *seen) {
	const uint8_t *payload;
	struct error error = { 0 };
	size_t n;
	int r;

	while ((r = wire_reader_next(reader, &payload, &n, &error)) == WIRE_FRAME) {
		strncat(seen, (const char *)payload, n);
		strcat(seen, "|");
	}
	assert_int_equal(r, 0);
}

/* By turns as a copy and as bytes read into the reader's room. */
static void give(struct wire_reader *reader, const uint8_t *data, size_t n, bool into_room) {
	size_t room;

	if (!into_room) {
		assert_int_equal(wire_reader_add(reader, data, n), 0);
		return;
	}
	uint8_t *to = wire_reader_room(reader, n + 1, &room);
	assert_non_null(to);
	assert_true(room >= n + 1);
	if (n > 0)
		memcpy(to, data, n);
	wire_reader_filled(reader, n);
}

static void frames_are_the_same_in_every_split_of_their_bytes(void **state) {
	struct bytes stream = bytes_of_text(three_frames);

	for (size_t first = 0; first <= stream.n; first++)
		for (size_t second = first; second <= stream.n; second++) {
			struct wire_reader reader = { 0 };
			char seen[64] = "";

			give(&reader, stream.data, first, second % 2 == 0);
			take_frames(&reader, seen);
			give(&reader, stream.data + first, second - first, second % 3 == 0);
			take_frames(&reader, seen);
			give(&reader, stream.data + second, stream.n - second, first % 2 == 0);
			take_frames(&reader, seen);

			assert_string_equal(seen, "a|a longer frame|bc|");
			wire_reader_finish(&reader);
		}
	bytes_finish(&stream);
}

static void frames_are_the_same_byte_by_byte(void **state) {
	struct bytes stream = bytes_of_text(three_frames);
	struct wire_reader reader = { 0 };
	char seen[64] = "";

	for (size_t i = 0; i < stream.n; i++) {
		give(&reader, stream.data + i, 1, i % 2 == 0);
		take_frames(&reader, seen);
	}

	assert_string_equal(seen, "a|a longer frame|bc|");
	wire_reader_finish(&reader);
	bytes_finish(&stream);
}

static void a_truncated_frame_is_waited_for(void **state) {
	static const char *const streams[] = { "", "05", "05 00 00", "05 00 00 00", "05 00 00 00 'only'" };

	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
		struct bytes stream = bytes_of_text(streams[i]);
		struct wire_reader reader = { 0 };
		const uint8_t *payload = (const uint8_t *)"untouched";
		size_t n = 77;

		assert_int_equal(wire_reader_add(&reader, stream.data, stream.n), 0);
		assert_int_equal(wire_reader_next(&reader, &payload, &n, NULL), 0);
		assert_string_equal((const char *)payload, "untouched");
		assert_int_equal(n, 77);
		wire_reader_finish(&reader);
		bytes_finish(&stream);
	}
}

static void a_bad_length_is_an_error_as_soon_as_it_is_there(void **state) {
	static const struct {
		const char *bytes;
		const char *text;
	} cases[] = {
		{ "00 00 00 00", "a frame announced 0 bytes, expected 1 to 1048576" },
		{ "01 00 10 00", "a frame announced 1048577 bytes, expected 1 to 1048576" },
		{ "ff ff ff ff", "a frame announced 4294967295 bytes, expected 1 to 1048576" },
		{ "'GET / HTTP/1.1'", "a frame announced 542393671 bytes, expected 1 to 1048576" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes stream = bytes_of_text(cases[i].bytes);
		struct wire_reader reader = { 0 };
		const uint8_t *payload;
		struct error error = { 0 };
		size_t n;

		assert_int_equal(wire_reader_add(&reader, stream.data, stream.n), 0);
		/* Asked again, it is the same: what stands behind a bad length is never read. */
		for (int times = 0; times < 2; times++) {
			assert_int_equal(wire_reader_next(&reader, &payload, &n, &error), ERROR_PROTOCOL);
			assert_string_equal(error.text, cases[i].text);
		}
		wire_reader_finish(&reader);
		bytes_finish(&stream);
	}
}

static void a_frame_of_the_largest_size_passes(void **state) {
	static uint8_t frame[WIRE_HEADER_BYTES + FRAME_BYTES_MAX] = { 0, 0, 0x10, 0 };
	struct wire_reader reader = { 0 };
	const uint8_t *payload;
	size_t n;

	memset(frame + WIRE_HEADER_BYTES, 'x', FRAME_BYTES_MAX);
	assert_int_equal(wire_reader_add(&reader, frame, sizeof(frame)), 0);
	assert_int_equal(wire_reader_next(&reader, &payload, &n, NULL), WIRE_FRAME);
	assert_int_equal(n, FRAME_BYTES_MAX);
	assert_memory_equal(payload, frame + WIRE_HEADER_BYTES, n);
	wire_reader_finish(&reader);
}

static void an_idle_reader_gives_a_large_frames_memory_back(void **state) {
	static uint8_t frame[WIRE_HEADER_BYTES + FRAME_BYTES_MAX] = { 0, 0, 0x10, 0 };
	struct wire_reader reader = { 0 };
	const uint8_t *payload;
	size_t n;

	assert_int_equal(wire_reader_add(&reader, frame, sizeof(frame)), 0);
	assert_int_equal(wire_reader_next(&reader, &payload, &n, NULL), WIRE_FRAME);
	assert_non_null(wire_reader_room(&reader, 1, &n));
	assert_true(reader.input.allocated < FRAME_BYTES_MAX / 8);
	wire_reader_finish(&reader);
}

static void a_packed_message_is_appended_as_one_frame(void **state) {
	struct samples samples;
	struct bytes out = { 0 };
	struct bytes expected = bytes_of_text("'before' [ 32 (08 01) ]");

	samples_init(&samples);
	assert_int_equal(bytes_add(&out, "before", 6), 0);
	assert_int_equal(
		wire_pack_to_leader(&out, samples_to_leader(&samples, LEADERD__TO_LEADER__BODY_EVENTS_CLOSE), NULL), 0);
	assert_int_equal(out.n, expected.n);
	assert_memory_equal(out.data, expected.data, out.n);
	bytes_finish(&out);
	bytes_finish(&expected);
}

static void a_message_that_fits_no_frame_is_refused_and_nothing_appended(void **state) {
	static char text[FRAME_BYTES_MAX + 1];
	struct samples samples;
	struct error error = { 0 };
	struct bytes out = { 0 };

	memset(text, 'x', FRAME_BYTES_MAX);
	samples_init(&samples);
	samples.again.reason = text;
	assert_int_equal(
		wire_pack_to_session(&out, samples_to_session(&samples, LEADERD__TO_SESSION__BODY_HELLO_AGAIN), &error),
		ERROR_TOO_LARGE);
	assert_string_equal(error.text, "ToSession of 1048584 bytes did not fit a frame, at most 1048576");
	assert_int_equal(out.n, 0);
	bytes_finish(&out);
}

static void reading_and_packing_fail_cleanly_without_memory(void **state) {
	struct samples samples;
	struct wire_reader reader = { 0 };
	struct bytes out = { 0 };
	struct error error = { 0 };
	long before = allocation_live();
	size_t n = 77;

	samples_init(&samples);
	allocation_fail_at(1);
	assert_int_equal(wire_reader_add(&reader, "x", 1), ERROR_NO_MEMORY);
	allocation_fail_at(1);
	assert_null(wire_reader_room(&reader, 1, &n));
	assert_int_equal(n, 77);
	allocation_fail_at(1);
	assert_int_equal(wire_pack_to_leader(&out, samples_to_leader(&samples, LEADERD__TO_LEADER__BODY_HELLO), &error),
	                 ERROR_NO_MEMORY);
	assert_int_equal(error.code, ERROR_NO_MEMORY);
	allocation_fail_at(0);
	assert_int_equal(reader.input.n, 0);
	assert_int_equal(out.n, 0);
	assert_int_equal(allocation_live(), before);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_the_same_in_every_split_of_their_bytes),
		cmocka_unit_test(frames_are_the_same_byte_by_byte),
		cmocka_unit_test(a_truncated_frame_is_waited_for),
		cmocka_unit_test(a_bad_length_is_an_error_as_soon_as_it_is_there),
		cmocka_unit_test(a_frame_of_the_largest_size_passes),
		cmocka_unit_test(an_idle_reader_gives_a_large_frames_memory_back),
		cmocka_unit_test(a_packed_message_is_appended_as_one_frame),
		cmocka_unit_test(a_message_that_fits_no_frame_is_refused_and_nothing_appended),
		cmocka_unit_test(reading_and_packing_fail_cleanly_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
