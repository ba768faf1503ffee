#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <string.h>

#include "samples.h"

static ProtobufCBinaryData lend(void *data, size_t n) {
	return (ProtobufCBinaryData){ .len = n, .data = data };
}

static void init_event(struct samples *s, uint32_t i) {
	Leaderd__Event *event = &s->events[i];

	leaderd__event__init(event);
	memset(s->ids[i], (int)(0x10 + i), sizeof(s->ids[i]));
	event->id = lend(s->ids[i], sizeof(s->ids[i]));
	event->unit = lend(s->ids[0], sizeof(s->ids[0]));
	event->unit_index = i;
	event->unit_count = SAMPLE_EVENTS;
	event->name = "todoCreated";
	event->version = 1;
	event->args = lend(s->args, strlen(s->args));
	event->global = 7 + i;
	event->generation = 2;
	event->client_id = "00112233445566778899aabbccddeeff";
	event->session_id = "app.1";
	event->hlc_time_ms = 1700000000000;
	event->hlc_counter = 3;
	s->list[i] = event;
}

static void init_to_leader(struct samples *s) {
	leaderd__hello__init(&s->hello);
	s->hello.protocol = WIRE_PROTOCOL_VERSION;
	s->hello.store = "todos";
	s->hello.session_id = "app.1";
	s->hello.nonce = lend("nonce of 16 byte", 16);
	s->hello.fingerprint = lend(s->hash, sizeof(s->hash));
	s->hello.schema = "-- store todos version 1\n";
	s->hello.newest = &s->newest;
	s->hello.confirmed = &s->confirmed;
	s->hello.pending = lend(s->ids, sizeof(s->ids));
	s->hello.refused_seen = 4;

	leaderd__push__init(&s->push);
	s->push.events = s->list;
	s->push.n_events = SAMPLE_EVENTS;

	leaderd__acknowledge__init(&s->acknowledge);
	s->acknowledge.global = 9;
	s->acknowledge.generation = 2;

	leaderd__events_open__init(&s->open);
	s->open.number = 1;
	s->open.store = "todos";
	s->open.name = "todoCreated";
	s->open.client_id = s->events[0].client_id;
	s->open.credit = 2;

	leaderd__events_credit__init(&s->credit);
	s->credit.number = s->credit.credit = 1;
	leaderd__events_close__init(&s->close);
	s->close.number = 1;

	leaderd__request__init(&s->request);
	s->request.number = 1;
	s->request.operation = LEADERD__OPERATION__LOOKUP;
	s->request.protocol = WIRE_PROTOCOL_VERSION;
	s->request.store = "todos";
	s->request.ids = lend(s->ids, sizeof(s->ids));
}

static void init_response(struct samples *s) {
	leaderd__store_status__init(&s->store);
	s->store.name = "todos";
	s->store.heads = &s->heads;
	s->stores[0] = &s->store;
	leaderd__session_status__init(&s->session);
	s->session.session_id = "app.1";
	s->sessions[0] = &s->session;
	leaderd__known__init(&s->known);
	s->known.id = lend(s->ids[0], sizeof(s->ids[0]));
	s->known.what = 1;
	s->knowns[0] = &s->known;

	leaderd__response__init(&s->response);
	s->response.number = 1;
	s->response.stores = s->stores;
	s->response.sessions = s->sessions;
	s->response.refusals = s->refusals;
	s->response.known = s->knowns;
	s->response.events = s->list;
	s->response.n_stores = s->response.n_sessions = s->response.n_refusals = s->response.n_known = 1;
	s->response.n_events = SAMPLE_EVENTS;
}

static void init_to_session(struct samples *s) {
	leaderd__welcome__init(&s->welcome);
	s->welcome.protocol = WIRE_PROTOCOL_VERSION;
	s->welcome.client_id = s->events[0].client_id;
	s->welcome.image = true;
	s->welcome.image_bytes = 8192;
	s->welcome.at = &s->newest;
	s->welcome.verdicts = lend("\0\1\2", 3);
	s->welcome.heads = &s->heads;
	s->welcome.hlc_time_ms = 1700000000000;

	leaderd__refusal__init(&s->refusal);
	s->refusal.event = &s->events[0];
	s->refusal.reason = "no such todo";
	s->refusal.ordinal = 5;
	s->refusals[0] = &s->refusal;

	leaderd__feed__init(&s->feed);
	s->feed.refusals = s->refusals;
	s->feed.n_refusals = 1;
	s->feed.rebase = true;
	s->feed.back_to = &s->confirmed;
	s->feed.events = s->list;
	s->feed.n_events = SAMPLE_EVENTS;
	s->feed.heads = &s->heads;

	leaderd__hello_again__init(&s->again);
	s->again.reason = "the schema changed";
	leaderd__events_page__init(&s->page);
	s->page.number = 1;
	s->page.events = s->list;
	s->page.n_events = SAMPLE_EVENTS;
	leaderd__failure__init(&s->failure);
	s->failure.code = ERROR_NOT_FOUND;
	s->failure.error = "no such store";
	init_response(s);
}

void samples_init(struct samples *s) {
	memset(s, 0, sizeof(*s));
	memset(s->hash, 0x5a, sizeof(s->hash));
	strcpy(s->args, "{\"id\":\"x\",\"title\":\"caf\xc3\xa9\"}");
	memcpy(s->origins, (uint64_t[]){ 5, 0, 3, 0 }, sizeof(s->origins));
	for (uint32_t i = 0; i < SAMPLE_EVENTS; i++)
		init_event(s, i);
	leaderd__point__init(&s->newest);
	s->newest.global = 6;
	s->newest.client = 1;
	s->newest.local_hash = lend(s->hash, sizeof(s->hash));
	s->confirmed = s->newest;
	s->confirmed.client = 0;
	leaderd__heads__init(&s->heads);
	s->heads.log_global = 9;
	s->heads.backend_global = s->heads.final_global = 6;
	s->heads.generation = 2;
	s->heads.has_backend = true;
	init_to_leader(s);
	init_to_session(s);
}

void samples_log_events(struct samples *s) {
	for (uint32_t i = 0; i < SAMPLE_EVENTS; i++) {
		s->events[i].local_hash = s->events[i].chain_hash = lend(s->hash, sizeof(s->hash));
		s->events[i].origins = s->origins;
		s->events[i].n_origins = 4;
		s->events[i].digest = 99;
		s->events[i].sync_metadata = lend("sequence 12", 11);
	}
}

void samples_shorten(Leaderd__Event *event) {
	Leaderd__Event full = *event;

	leaderd__event__init(event);
	event->id = full.id;
	event->global = full.global;
	event->client = full.client;
	event->generation = full.generation;
	event->digest = full.digest;
	event->local_hash = full.local_hash;
	event->chain_hash = full.chain_hash;
	event->short_ = true;
}

const Leaderd__ToLeader *samples_to_leader(struct samples *s, Leaderd__ToLeader__BodyCase body) {
	void *bodies[] = { NULL, &s->hello, &s->push, &s->acknowledge, &s->open, &s->credit, &s->close, &s->request };

	leaderd__to_leader__init(&s->to_leader);
	s->to_leader.body_case = body;
	s->to_leader.hello = bodies[body]; /* the bodies are one union */
	return &s->to_leader;
}

const Leaderd__ToSession *samples_to_session(struct samples *s, Leaderd__ToSession__BodyCase body) {
	void *bodies[] = { NULL, &s->welcome, &s->feed, &s->again, &s->page, &s->response, &s->failure };

	leaderd__to_session__init(&s->to_session);
	s->to_session.body_case = body;
	s->to_session.welcome = bodies[body];
	return &s->to_session;
}

struct bytes samples_pack_to_leader(const Leaderd__ToLeader *message) {
	struct bytes frame = { 0 };
	struct error error = { 0 };

	assert_int_equal(wire_pack_to_leader(&frame, message, &error), 0);
	return frame;
}

struct bytes samples_pack_to_session(const Leaderd__ToSession *message) {
	struct bytes frame = { 0 };
	struct error error = { 0 };

	assert_int_equal(wire_pack_to_session(&frame, message, &error), 0);
	return frame;
}

static void add_varint(struct bytes *out, size_t value) {
	for (; value >= 0x80; value >>= 7)
		assert_int_equal(bytes_add_u8(out, (uint8_t)(value | 0x80)), 0);
	assert_int_equal(bytes_add_u8(out, (uint8_t)value), 0);
}

/* Reads up to `end` and returns what stands behind it. */
static const char *add_text(struct bytes *out, const char *text, char end) {
	while (*text != end) {
		char opening = *text;

		assert_int_not_equal(opening, '\0'); /* something was not closed */
		if (isspace((unsigned char)opening)) {
			text++;
		} else if (opening == '\'') {
			const char *closing = strchr(text + 1, '\'');

			assert_non_null(closing);
			assert_int_equal(bytes_add(out, text + 1, (size_t)(closing - text - 1)), 0);
			text = closing + 1;
		} else if (opening == '(' || opening == '[') {
			struct bytes inner = { 0 };

			text = add_text(&inner, text + 1, opening == '(' ? ')' : ']');
			if (opening == '(')
				add_varint(out, inner.n);
			else
				assert_int_equal(bytes_add_u32(out, (uint32_t)inner.n), 0);
			assert_int_equal(bytes_add(out, inner.data, inner.n), 0);
			bytes_finish(&inner);
		} else {
			char digits[3] = { text[0], text[1], '\0' };
			uint8_t byte;

			assert_true(hex_parse(&byte, 1, digits));
			assert_int_equal(bytes_add_u8(out, byte), 0);
			text += 2;
		}
	}
	return end == '\0' ? text : text + 1;
}

struct bytes bytes_of_text(const char *text) {
	struct bytes bytes = { 0 };

	add_text(&bytes, text, '\0');
	return bytes;
}

void bytes_add_field(struct bytes *out, uint8_t key, const struct bytes *inner) {
	assert_int_equal(bytes_add_u8(out, key), 0);
	add_varint(out, inner->n);
	assert_int_equal(bytes_add(out, inner->data, inner->n), 0);
}
