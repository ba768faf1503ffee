/*
 * Each field's check, as a table: what is spoiled in a valid message, the code,
 * and the line that names it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "samples.h"

static int unpack_to_leader(struct samples *s, Leaderd__ToLeader__BodyCase body, struct error *error) {
	struct bytes frame = samples_pack_to_leader(samples_to_leader(s, body));
	struct wire_arena arena = { 0 };
	const Leaderd__ToLeader *message = NULL;
	int r = wire_unpack_to_leader(&arena, frame.data + WIRE_HEADER_BYTES, frame.n - WIRE_HEADER_BYTES, &message, error);

	/* Outputs are touched on success only. */
	assert_true((r == 0) == (message != NULL));
	assert_true(arena.used <= FRAME_MEMORY_BYTES_MAX);
	wire_arena_clear(&arena);
	bytes_finish(&frame);
	return r;
}

static int unpack_to_session(struct samples *s, Leaderd__ToSession__BodyCase body, struct error *error) {
	struct bytes frame = samples_pack_to_session(samples_to_session(s, body));
	struct wire_arena arena = { 0 };
	const Leaderd__ToSession *message = NULL;
	int r =
		wire_unpack_to_session(&arena, frame.data + WIRE_HEADER_BYTES, frame.n - WIRE_HEADER_BYTES, &message, error);

	assert_true((r == 0) == (message != NULL));
	assert_true(arena.used <= FRAME_MEMORY_BYTES_MAX);
	wire_arena_clear(&arena);
	bytes_finish(&frame);
	return r;
}

/* One row each: body, what is spoiled, expected code and text. */
#define TO_LEADER(body, spoil, expected, line)                                                  \
	do {                                                                                    \
		struct samples s;                                                               \
		struct error error = { 0 };                                                     \
		samples_init(&s);                                                               \
		spoil;                                                                          \
		assert_int_equal(unpack_to_leader(&s, LEADERD__TO_LEADER__BODY_##body, &error), expected); \
		assert_string_equal(error.text, line);                                          \
	} while (0)

#define TO_SESSION(body, spoil, expected, line)                                                 \
	do {                                                                                    \
		struct samples s;                                                               \
		struct error error = { 0 };                                                     \
		samples_init(&s);                                                               \
		samples_log_events(&s);                                                         \
		spoil;                                                                          \
		assert_int_equal(unpack_to_session(&s, LEADERD__TO_SESSION__BODY_##body, &error), expected); \
		assert_string_equal(error.text, line);                                          \
	} while (0)

#define CUT(data, n) ((data).len = (n))
#define LARGE (UINT64_C(1) << 63)
#define X32 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X128 X32 X32 X32 X32

static uint8_t zeros[(PENDING_IDS_MAX + 1) * 16];
static uint8_t filled[(PENDING_IDS_MAX + 1) * 16];
static char long_text[SCHEMA_BYTES_MAX + 2];

static int fill(void **state) {
	memset(filled, 'x', sizeof(filled));
	memset(long_text, 'x', sizeof(long_text) - 1);
	return 0;
}

static void every_sample_is_valid(void **state) {
	struct samples s;
	struct error error = { 0 };

	samples_init(&s);
	for (int body = LEADERD__TO_LEADER__BODY_HELLO; body <= LEADERD__TO_LEADER__BODY_REQUEST; body++)
		assert_int_equal(unpack_to_leader(&s, body, &error), 0);
	samples_log_events(&s);
	for (int body = LEADERD__TO_SESSION__BODY_WELCOME; body <= LEADERD__TO_SESSION__BODY_FAILURE; body++)
		assert_int_equal(unpack_to_session(&s, body, &error), 0);
	assert_string_equal(error.text, "");
}

static void what_may_be_absent_is_valid_when_absent(void **state) {
	TO_LEADER(HELLO, (CUT(s.hello.fingerprint, 0), CUT(s.hello.pending, 0), s.hello.schema = ""), 0, "");
	TO_LEADER(HELLO, s.hello.newest = s.hello.confirmed = NULL, 0, "");
	TO_LEADER(HELLO, leaderd__point__init(&s.newest), 0, "");
	TO_LEADER(PUSH, s.events[1].global = 0, 0, ""); /* a push need not say where it stood */
	TO_LEADER(PUSH, (s.events[1].origins = s.origins, s.events[1].n_origins = 4), 0, ""); /* moved before it left */
	TO_LEADER(EVENTS_OPEN, s.open.store = s.open.name = s.open.client_id = "", 0, "");
	TO_LEADER(REQUEST, (s.request.store = "", CUT(s.request.ids, 0)), 0, "");
	TO_LEADER(REQUEST, s.request.operation = 99, 0, ""); /* answered by a response, not by a failure */
	TO_SESSION(WELCOME, (s.welcome.image = false, s.welcome.image_bytes = 0, s.welcome.at = NULL), 0, "");
	TO_SESSION(FEED, s.feed.n_refusals = s.feed.n_events = s.feed.rebase = 0; s.feed.back_to = NULL, 0, "");
	TO_SESSION(FEED, s.feed.back_to = NULL, 0, ""); /* back to root */
	TO_SESSION(FEED, samples_shorten(&s.events[1]); s.feed.n_refusals = 0, 0, "");
	TO_SESSION(FEED, (s.events[1].client = 1, s.events[1].client_only = 1, s.events[1].n_origins = 0), 0, "");
	TO_SESSION(FEED, (s.feed.n_events = 0, s.events[0].global = 0, CUT(s.events[0].local_hash, 0)), 0, "");
}

static void hello(void **state) {
	TO_LEADER(HELLO, s.hello.protocol = 2, ERROR_VERSION,
	          "Hello.protocol was version 2, this program speaks version 1");
	/* Whatever else a newer peer says, the version is the answer. */
	TO_LEADER(HELLO, (s.hello.protocol = 2, s.hello.store = ""), ERROR_VERSION,
	          "Hello.protocol was version 2, this program speaks version 1");
	TO_LEADER(HELLO, s.hello.store = "", ERROR_PROTOCOL,
	          "Hello.store was no store name, expected 1 to 64 of a-z 0-9 . _ -, a letter or digit first");
	TO_LEADER(HELLO, s.hello.store = "../etc", ERROR_PROTOCOL,
	          "Hello.store was no store name, expected 1 to 64 of a-z 0-9 . _ -, a letter or digit first");
	TO_LEADER(HELLO, s.hello.session_id = "a/b", ERROR_PROTOCOL,
	          "Hello.session_id was no session id, expected 1 to 64 of A-Z a-z 0-9 . _ -");
	TO_LEADER(HELLO, CUT(s.hello.nonce, 15), ERROR_PROTOCOL, "Hello.nonce had 15 bytes, expected 16");
	TO_LEADER(HELLO, CUT(s.hello.fingerprint, 31), ERROR_PROTOCOL, "Hello.fingerprint had 31 bytes, expected 32");
	TO_LEADER(HELLO, s.hello.schema = long_text, ERROR_TOO_LARGE, "Hello.schema had 262145 bytes, at most 262144");
	TO_LEADER(HELLO, s.newest.global = LARGE, ERROR_PROTOCOL,
	          "Hello.newest.position was no position: 9223372036854775808, 1");
	TO_LEADER(HELLO, CUT(s.newest.local_hash, 0), ERROR_PROTOCOL,
	          "Hello.newest.local_hash had 0 bytes, expected 32");
	TO_LEADER(HELLO, s.confirmed.global = 0; CUT(s.confirmed.local_hash, 5), ERROR_PROTOCOL,
	          "Hello.confirmed.local_hash had 5 bytes, expected 32");
	TO_LEADER(HELLO, CUT(s.hello.pending, 17), ERROR_PROTOCOL,
	          "Hello.pending had 17 bytes, expected 16 for each id");
	TO_LEADER(HELLO, (s.hello.pending.data = filled, CUT(s.hello.pending, sizeof(filled))), ERROR_TOO_LARGE,
	          "Hello.pending held 32769 ids, at most 32768");
	TO_LEADER(HELLO, memset(s.ids[1], 0, 16), ERROR_PROTOCOL, "Hello.pending held a zero id at 1");
	TO_LEADER(HELLO, s.hello.refused_seen = LARGE, ERROR_PROTOCOL,
	          "Hello.refused_seen was 9223372036854775808, expected at most 9223372036854775807");
}

static void an_event(void **state) {
	TO_LEADER(PUSH, CUT(s.events[1].id, 5), ERROR_PROTOCOL, "Push.events[1].id had 5 bytes, expected 16");
	TO_LEADER(PUSH, memset(s.ids[2], 0, 16), ERROR_PROTOCOL, "Push.events[2].id was zero, expected an id");
	TO_LEADER(PUSH, s.events[0].name = "", ERROR_PROTOCOL, "Push.events[0].name was empty");
	TO_LEADER(PUSH, s.events[0].name = X128 "x", ERROR_TOO_LARGE,
	          "Push.events[0].name had 129 bytes, at most 128");
	TO_LEADER(PUSH, s.events[0].version = 0, ERROR_PROTOCOL, "Push.events[0].version was 0, expected at least 1");
	TO_LEADER(PUSH, CUT(s.events[0].args, 0), ERROR_PROTOCOL, "Push.events[0].args was empty");
	TO_LEADER(PUSH, s.args[1] = '\0', ERROR_PROTOCOL, "Push.events[0].args was no UTF-8 text without NUL");
	TO_LEADER(PUSH, s.args[1] = '\xff', ERROR_PROTOCOL, "Push.events[0].args was no UTF-8 text without NUL");
	/* A character that its end cuts in two. */
	TO_LEADER(PUSH, CUT(s.events[0].args, strlen(s.args) - 3), ERROR_PROTOCOL,
	          "Push.events[0].args was no UTF-8 text without NUL");
	TO_LEADER(PUSH, (s.events[0].args.data = filled, CUT(s.events[0].args, EVENT_ARGS_BYTES_MAX + 1)),
	          ERROR_TOO_LARGE, "Push.events[0].args had 262145 bytes, at most 262144");
	TO_LEADER(PUSH, s.events[0].client_id = "", ERROR_PROTOCOL,
	          "Push.events[0].client_id was no client id, expected 32 lower-case hexadecimal digits");
	TO_LEADER(PUSH, s.events[0].client_id = "00112233445566778899AABBCCDDEEFF", ERROR_PROTOCOL,
	          "Push.events[0].client_id was no client id, expected 32 lower-case hexadecimal digits");
	TO_LEADER(PUSH, s.events[0].session_id = "", ERROR_PROTOCOL,
	          "Push.events[0].session_id was no session id, expected 1 to 64 of A-Z a-z 0-9 . _ -");
	TO_LEADER(PUSH, s.events[0].session_id = X32 X32 "x", ERROR_PROTOCOL,
	          "Push.events[0].session_id was no session id, expected 1 to 64 of A-Z a-z 0-9 . _ -");
	TO_LEADER(PUSH, s.events[0].hlc_time_ms = UINT64_C(1) << 48, ERROR_PROTOCOL,
	          "Push.events[0].hlc_time_ms was 281474976710656, expected at most 281474976710655");
	TO_LEADER(PUSH, s.events[0].hlc_counter = 65536, ERROR_PROTOCOL,
	          "Push.events[0].hlc_counter was 65536, expected at most 65535");
}

static void the_place_of_an_event(void **state) {
	TO_LEADER(PUSH, s.events[0].global = LARGE, ERROR_PROTOCOL,
	          "Push.events[0].position was no position: 9223372036854775808, 0");
	TO_LEADER(PUSH, s.events[0].client = LARGE, ERROR_PROTOCOL,
	          "Push.events[0].position was no position: 7, 9223372036854775808");
	TO_LEADER(PUSH, s.events[0].generation = LARGE, ERROR_PROTOCOL,
	          "Push.events[0].generation was 9223372036854775808, expected at most 9223372036854775807");
	TO_LEADER(PUSH, s.events[0].client_only = 1, ERROR_PROTOCOL,
	          "Push.events[0].client_only did not agree with the position's client part");
	TO_LEADER(PUSH, s.events[0].client = 1, ERROR_PROTOCOL,
	          "Push.events[0].client_only did not agree with the position's client part");
	TO_SESSION(FEED, s.feed.n_refusals = 0; s.events[0].global = 0, ERROR_PROTOCOL,
	           "Feed.events[0].position was root, which is no event's");
	TO_SESSION(FEED, s.events[0].n_origins = 3, ERROR_PROTOCOL,
	           "Feed.refusals[0].event.origins held 3 numbers, expected pairs");
	TO_SESSION(FEED, s.origins[2] = 0, ERROR_PROTOCOL,
	           "Feed.refusals[0].event.origins held root, which is no event's");
	TO_SESSION(FEED, s.origins[3] = 1, ERROR_PROTOCOL,
	           "Feed.refusals[0].event.origins did not agree with client_only");
	TO_SESSION(FEED, s.origins[2] = LARGE, ERROR_PROTOCOL,
	           "Feed.refusals[0].event.origins was no position: 9223372036854775808, 0");
	TO_SESSION(FEED, s.events[0].n_origins = 18; s.events[0].origins = (uint64_t[18]){ 0 }, ERROR_TOO_LARGE,
	           "Feed.refusals[0].event.origins held 9 positions, at most 8");
}

static void the_unit_of_an_event(void **state) {
	TO_LEADER(PUSH, CUT(s.events[0].unit, 0), ERROR_PROTOCOL, "Push.events[0].unit had 0 bytes, expected 16");
	TO_LEADER(PUSH, s.events[0].unit.data = zeros, ERROR_PROTOCOL, "Push.events[0].unit was zero, expected an id");
	TO_LEADER(PUSH, s.events[0].unit_count = 0, ERROR_PROTOCOL,
	          "Push.events[0].unit_count was 0, expected at least 1");
	TO_LEADER(PUSH, s.events[0].unit_count = 1025, ERROR_TOO_LARGE,
	          "Push.events[0].unit_count was 1025, at most 1024");
	TO_LEADER(PUSH, s.events[2].unit_index = 3, ERROR_PROTOCOL, "Push.events[2].unit_index was 3 in a unit of 3");
	TO_LEADER(PUSH, s.events[0].unit.data = s.ids[1], ERROR_PROTOCOL,
	          "Push.events[0].unit did not agree with id at unit index 0");
	TO_LEADER(PUSH, s.events[1].unit.data = s.ids[1], ERROR_PROTOCOL,
	          "Push.events[1].unit did not agree with id at unit index 1");
	TO_LEADER(PUSH, s.push.n_events = 0, ERROR_PROTOCOL, "Push.events was empty");
	TO_LEADER(PUSH, s.push.n_events = 2, ERROR_PROTOCOL,
	          "Push.events[0].unit_count was 3 in a push of 2 events");
	TO_LEADER(PUSH, s.events[1].unit_index = 2, ERROR_PROTOCOL,
	          "Push.events[1].unit_index was 2, expected 1");
	TO_LEADER(PUSH, s.events[1].unit.data = s.ids[2], ERROR_PROTOCOL,
	          "Push.events[1].unit was another than that of the push");
	TO_LEADER(PUSH, s.events[1].client_id = "ffffffffffffffffffffffffffffffff", ERROR_PROTOCOL,
	          "Push.events[1].client_id was another than that of the push");
	TO_LEADER(PUSH, s.events[2].session_id = "app.2", ERROR_PROTOCOL,
	          "Push.events[2].session_id was another than that of the push");
	TO_LEADER(PUSH, s.events[2].id.data = s.ids[1], ERROR_PROTOCOL, "Push.events held one id twice");
	/* Three events of 200 KiB: each within its bound, the unit above its own. */
	TO_LEADER(PUSH, for (int i = 0; i < 3; i++) (s.events[i].args.data = filled, CUT(s.events[i].args, 200 * 1024)),
	          ERROR_TOO_LARGE, "Push.events had 614400 bytes of arguments, at most 524288");
}

static void a_unit_of_too_many_events(void **state) {
	static Leaderd__Event *list[UNIT_EVENTS_MAX + 1];

	for (size_t i = 0; i < UNIT_EVENTS_MAX + 1; i++)
		list[i] = NULL;
	TO_LEADER(PUSH,
	          for (size_t i = 0; i < UNIT_EVENTS_MAX + 1; i++) list[i] = &s.events[0];
	          (s.push.events = list, s.push.n_events = UNIT_EVENTS_MAX + 1), ERROR_TOO_LARGE,
	          "Push.events held 1025 events, at most 1024");
}

static void what_only_leaders_add_to_an_event(void **state) {
	TO_LEADER(PUSH, (s.events[0].sync_metadata.data = filled, CUT(s.events[0].sync_metadata, 1)), ERROR_PROTOCOL,
	          "Push.events[0].sync_metadata stood in a push");
	TO_LEADER(PUSH, s.events[0].short_ = 1, ERROR_PROTOCOL, "Push.events[0].short was set outside of a feed");
	TO_LEADER(PUSH, (s.events[0].local_hash.data = filled, CUT(s.events[0].local_hash, 7)), ERROR_PROTOCOL,
	          "Push.events[0].local_hash had 7 bytes, expected 32");
	TO_SESSION(FEED, (s.events[2].sync_metadata.data = filled, CUT(s.events[2].sync_metadata, 1025)),
	           ERROR_TOO_LARGE, "Feed.events[2].sync_metadata had 1025 bytes, at most 1024");
	TO_SESSION(FEED, CUT(s.events[1].local_hash, 0), ERROR_PROTOCOL,
	           "Feed.events[1].local_hash had 0 bytes, expected 32");
	TO_SESSION(FEED, CUT(s.events[1].chain_hash, 33), ERROR_PROTOCOL,
	           "Feed.events[1].chain_hash had 33 bytes, expected 32");
	TO_SESSION(FEED, samples_shorten(&s.events[1]); s.events[1].name = "todoCreated", ERROR_PROTOCOL,
	           "Feed.events[1] was short but had content");
	TO_SESSION(FEED, samples_shorten(&s.events[1]); s.events[1].version = 1, ERROR_PROTOCOL,
	           "Feed.events[1] was short but had content");
	TO_SESSION(FEED, samples_shorten(&s.events[0]), ERROR_PROTOCOL,
	           "Feed.refusals[0].event.short was set outside of a feed");
	TO_SESSION(EVENTS_PAGE, samples_shorten(&s.events[0]), ERROR_PROTOCOL,
	           "EventsPage.events[0].short was set outside of a feed");
}

static void what_a_session_asks_for(void **state) {
	TO_LEADER(ACKNOWLEDGE, s.acknowledge.client = LARGE, ERROR_PROTOCOL,
	          "Acknowledge.position was no position: 9, 9223372036854775808");
	TO_LEADER(ACKNOWLEDGE, s.acknowledge.generation = LARGE, ERROR_PROTOCOL,
	          "Acknowledge.generation was 9223372036854775808, expected at most 9223372036854775807");
	TO_LEADER(ACKNOWLEDGE, s.acknowledge.refused_seen = LARGE, ERROR_PROTOCOL,
	          "Acknowledge.refused_seen was 9223372036854775808, expected at most 9223372036854775807");
	TO_LEADER(EVENTS_OPEN, s.open.store = "A", ERROR_PROTOCOL,
	          "EventsOpen.store was no store name, expected 1 to 64 of a-z 0-9 . _ -, a letter or digit first");
	TO_LEADER(EVENTS_OPEN, s.open.since_global = LARGE, ERROR_PROTOCOL,
	          "EventsOpen.since was no position: 9223372036854775808, 0");
	TO_LEADER(EVENTS_OPEN, s.open.until_client = LARGE, ERROR_PROTOCOL,
	          "EventsOpen.until was no position: 0, 9223372036854775808");
	TO_LEADER(EVENTS_OPEN, s.open.name = X128 "x", ERROR_TOO_LARGE, "EventsOpen.name had 129 bytes, at most 128");
	TO_LEADER(EVENTS_OPEN, s.open.client_id = X32 "x", ERROR_TOO_LARGE,
	          "EventsOpen.client_id had 33 bytes, at most 32");
	TO_LEADER(REQUEST, s.request.protocol = 0, ERROR_VERSION,
	          "Request.protocol was version 0, this program speaks version 1");
	TO_LEADER(REQUEST, s.request.store = ".hidden", ERROR_PROTOCOL,
	          "Request.store was no store name, expected 1 to 64 of a-z 0-9 . _ -, a letter or digit first");
	TO_LEADER(REQUEST, s.request.text = long_text, ERROR_TOO_LARGE,
	          "Request.text had 262145 bytes, at most 262144");
	TO_LEADER(REQUEST, CUT(s.request.ids, 47), ERROR_PROTOCOL,
	          "Request.ids had 47 bytes, expected 16 for each id");
	TO_LEADER(REQUEST, (s.request.events = s.list, s.request.n_events = SAMPLE_EVENTS - 1), ERROR_PROTOCOL,
	          "Request.events[0].unit_count was 3, with 2 events to come");
	TO_LEADER(REQUEST, (s.request.events = s.list, s.request.n_events = SAMPLE_EVENTS, s.events[0].unit_count = 0),
	          ERROR_PROTOCOL, "Request.events[0].unit_count was 0, with 3 events to come");
	TO_LEADER(REQUEST, (s.request.events = s.list, s.request.n_events = SAMPLE_EVENTS, s.events[1].version = 0),
	          ERROR_PROTOCOL, "Request.events[1].version was 0, expected at least 1");
	TO_LEADER(REQUEST, s.request.after = LARGE, ERROR_PROTOCOL,
	          "Request.after was 9223372036854775808, expected at most 9223372036854775807");
}

static void welcome(void **state) {
	TO_SESSION(WELCOME, s.welcome.protocol = 7, ERROR_VERSION,
	           "Welcome.protocol was version 7, this program speaks version 1");
	TO_SESSION(WELCOME, s.welcome.client_id = "me", ERROR_PROTOCOL,
	           "Welcome.client_id was no client id, expected 32 lower-case hexadecimal digits");
	TO_SESSION(WELCOME, s.welcome.image_bytes = SESSION_IMAGE_BYTES_MAX + 1, ERROR_PROTOCOL,
	           "Welcome.image_bytes was 1073741825, expected at most 1073741824");
	TO_SESSION(WELCOME, s.welcome.image = false, ERROR_PROTOCOL, "Welcome.image_bytes did not agree with image");
	TO_SESSION(WELCOME, s.welcome.image_bytes = 0, ERROR_PROTOCOL, "Welcome.image_bytes did not agree with image");
	TO_SESSION(WELCOME, s.newest.global = LARGE, ERROR_PROTOCOL,
	           "Welcome.at.position was no position: 9223372036854775808, 1");
	TO_SESSION(WELCOME, (s.welcome.verdicts.data = zeros, CUT(s.welcome.verdicts, PENDING_IDS_MAX + 1)),
	           ERROR_TOO_LARGE, "Welcome.verdicts held 32769 verdicts, at most 32768");
	TO_SESSION(WELCOME, (s.welcome.verdicts.data = (uint8_t[]){ 0, 1, 3 }), ERROR_PROTOCOL,
	           "Welcome.verdicts held 3 at 2, expected at most 2");
	TO_SESSION(WELCOME, s.welcome.heads = NULL, ERROR_PROTOCOL, "Welcome.heads was missing");
	TO_SESSION(WELCOME, s.welcome.schema = long_text, ERROR_TOO_LARGE,
	           "Welcome.schema had 262145 bytes, at most 262144");
	TO_SESSION(WELCOME, s.welcome.hlc_counter = 65536, ERROR_PROTOCOL,
	           "Welcome.hlc_counter was 65536, expected at most 65535");
}

static void heads_and_feed(void **state) {
	TO_SESSION(FEED, s.heads.log_global = LARGE, ERROR_PROTOCOL,
	           "Feed.heads.log was no position: 9223372036854775808, 0");
	TO_SESSION(FEED, s.heads.backend_client = LARGE, ERROR_PROTOCOL,
	           "Feed.heads.backend was no position: 6, 9223372036854775808");
	TO_SESSION(FEED, s.heads.final_global = LARGE, ERROR_PROTOCOL,
	           "Feed.heads.final was no position: 9223372036854775808, 0");
	TO_SESSION(FEED, s.heads.generation = LARGE, ERROR_PROTOCOL,
	           "Feed.heads.generation was 9223372036854775808, expected at most 9223372036854775807");
	TO_SESSION(FEED, s.heads.trouble_code = 1, ERROR_PROTOCOL,
	           "Feed.heads.trouble_code was 1, expected 0 or a negative code");
	TO_SESSION(FEED, s.feed.heads = NULL, ERROR_PROTOCOL, "Feed.heads was missing");
	TO_SESSION(FEED, s.feed.rebase = false, ERROR_PROTOCOL, "Feed.back_to stood in a feed without a rebase");
	TO_SESSION(FEED, CUT(s.confirmed.local_hash, 1), ERROR_PROTOCOL,
	           "Feed.back_to.local_hash had 1 bytes, expected 32");
	TO_SESSION(FEED, s.refusal.event = NULL, ERROR_PROTOCOL, "Feed.refusals[0].event was missing");
	TO_SESSION(FEED, s.refusal.ordinal = 0, ERROR_PROTOCOL, "Feed.refusals[0].ordinal was 0, expected at least 1");
	TO_SESSION(FEED, s.refusal.ordinal = LARGE, ERROR_PROTOCOL,
	           "Feed.refusals[0].ordinal was 9223372036854775808, expected at most 9223372036854775807");
}

static void pages_and_answers(void **state) {
	TO_SESSION(EVENTS_PAGE, s.page.upstream_global = LARGE, ERROR_PROTOCOL,
	           "EventsPage.upstream was no position: 9223372036854775808, 0");
	TO_SESSION(EVENTS_PAGE, s.page.back_client = LARGE, ERROR_PROTOCOL,
	           "EventsPage.back was no position: 0, 9223372036854775808");
	TO_SESSION(EVENTS_PAGE, s.page.code = 3, ERROR_PROTOCOL, "EventsPage.code was 3, expected 0 or a negative code");
	TO_SESSION(RESPONSE, s.response.code = 1, ERROR_PROTOCOL,
	           "Response.code was 1, expected 0 or a negative code");
	TO_SESSION(RESPONSE, s.store.name = "", ERROR_PROTOCOL,
	           "Response.stores[0].name was no store name, expected 1 to 64 of a-z 0-9 . _ -, "
	           "a letter or digit first");
	TO_SESSION(RESPONSE, s.store.heads = NULL, ERROR_PROTOCOL, "Response.stores[0].heads was missing");
	TO_SESSION(RESPONSE, s.session.session_id = "", ERROR_PROTOCOL,
	           "Response.sessions[0].session_id was no session id, expected 1 to 64 of A-Z a-z 0-9 . _ -");
	TO_SESSION(RESPONSE, s.session.global = LARGE, ERROR_PROTOCOL,
	           "Response.sessions[0].position was no position: 9223372036854775808, 0");
	TO_SESSION(RESPONSE, s.session.sent_client = LARGE, ERROR_PROTOCOL,
	           "Response.sessions[0].sent was no position: 0, 9223372036854775808");
	TO_SESSION(RESPONSE, CUT(s.known.id, 3), ERROR_PROTOCOL, "Response.known[0].id had 3 bytes, expected 16");
	TO_SESSION(RESPONSE, s.known.what = 5, ERROR_PROTOCOL, "Response.known[0].what was 5, expected at most 4");
	TO_SESSION(RESPONSE, s.known.global = LARGE, ERROR_PROTOCOL,
	           "Response.known[0].position was no position: 9223372036854775808, 0");
	TO_SESSION(RESPONSE, CUT(s.events[1].local_hash, 0), ERROR_PROTOCOL,
	           "Response.events[1].local_hash had 0 bytes, expected 32");
	TO_SESSION(RESPONSE, s.refusal.event = NULL, ERROR_PROTOCOL, "Response.refusals[0].event was missing");
	TO_SESSION(FAILURE, s.failure.code = 0, ERROR_PROTOCOL, "Failure.code was 0, expected a negative code");
	TO_SESSION(FAILURE, s.failure.code = 5, ERROR_PROTOCOL, "Failure.code was 5, expected 0 or a negative code");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_sample_is_valid),
		cmocka_unit_test(what_may_be_absent_is_valid_when_absent),
		cmocka_unit_test(hello),
		cmocka_unit_test(an_event),
		cmocka_unit_test(the_place_of_an_event),
		cmocka_unit_test(the_unit_of_an_event),
		cmocka_unit_test(a_unit_of_too_many_events),
		cmocka_unit_test(what_only_leaders_add_to_an_event),
		cmocka_unit_test(what_a_session_asks_for),
		cmocka_unit_test(welcome),
		cmocka_unit_test(heads_and_feed),
		cmocka_unit_test(pages_and_answers),
	};

	return cmocka_run_group_tests(tests, fill, NULL);
}
