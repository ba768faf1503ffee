/*
 * Writes the starting corpora of the targets that read messages: one real message
 * of every kind, as the programs pack them. make-corpus calls it.
 * usage: fuzz-corpus FOLDER, in which a folder for each target is there
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "proto/backend_wire.h"
#include "samples.h"

static const char *top;

static void write_file(const char *target, const char *kind, unsigned number, const uint8_t *before, size_t n_before,
                       const struct bytes *data, size_t skip) {
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/%s-%u", top, target, kind, number);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(before, 1, n_before, file), n_before);
	assert_int_equal(fwrite(data->data + skip, 1, data->n - skip, file), data->n - skip);
	assert_int_equal(fclose(file), 0);
}

static void write_message(const char *target, const char *kind, unsigned number, int prefix, struct bytes *frame) {
	uint8_t first = (uint8_t)prefix;

	write_file(target, kind, number, &first, prefix < 0 ? 0 : 1, frame, WIRE_HEADER_BYTES);
	bytes_finish(frame);
}

static void write_to_leader(void) {
	struct bytes stream = { 0 };
	uint8_t pieces_of_8 = 15;

	for (unsigned body = 1; body <= 7; body++) {
		struct samples s;
		struct bytes frame;

		samples_init(&s);
		frame = samples_pack_to_leader(samples_to_leader(&s, body));
		assert_int_equal(bytes_add(&stream, frame.data, frame.n), 0);
		if (body == LEADERD__TO_LEADER__BODY_HELLO || body == LEADERD__TO_LEADER__BODY_REQUEST ||
		    body == LEADERD__TO_LEADER__BODY_PUSH)
			write_file("handshake", "frame", body, NULL, 0, &frame, 0);
		write_message("to_leader", "message", body, 0, &frame);
	}
	write_file("to_leader", "stream", 0, &pieces_of_8, 1, &stream, 0);
	bytes_finish(&stream);
}

static void write_to_session(void) {
	for (unsigned body = 1; body <= 6; body++) {
		struct samples s;
		struct bytes frame;

		samples_init(&s);
		samples_log_events(&s);
		s.refusal.event = &s.events[2];
		samples_shorten(&s.events[1]);
		if (body != LEADERD__TO_SESSION__BODY_FEED)
			s.page.n_events = s.response.n_events = 1;
		frame = samples_pack_to_session(samples_to_session(&s, body));
		write_message("to_session", "message", body, -1, &frame);
	}
}

/* ---- the adapters' --------------------------------------------------------------- */

struct backend_samples {
	struct samples s;
	Leaderd__BackendPoint point;
};

static ProtobufCBinaryData lend(const void *data, size_t n) {
	return (ProtobufCBinaryData){ .len = n, .data = (uint8_t *)data };
}

static void backend_samples_init(struct backend_samples *b) {
	memset(b, 0, sizeof(*b));
	samples_init(&b->s);
	for (size_t i = 0; i < SAMPLE_EVENTS; i++) {
		b->s.events[i].generation = 0;
		b->s.events[i].chain_hash = lend(b->s.hash, sizeof(b->s.hash));
	}
	leaderd__backend_point__init(&b->point);
	b->point.global = b->s.events[SAMPLE_EVENTS - 1].global;
	b->point.chain_hash = lend(b->s.hash, sizeof(b->s.hash));
	b->point.cursor = lend("cursor 8", 8);
}

static void write_to_adapter(struct backend_samples *b) {
	Leaderd__Open open = LEADERD__OPEN__INIT;
	Leaderd__PushBatch push = LEADERD__PUSH_BATCH__INIT;
	Leaderd__Pull pull = LEADERD__PULL__INIT;
	Leaderd__Ping ping = LEADERD__PING__INIT;
	void *bodies[] = { NULL, &open, &push, &pull, &ping };

	open.number = push.number = pull.number = ping.number = 1;
	open.protocol = BACKEND_PROTOCOL_VERSION;
	open.store = (char *)"todos";
	open.url = (char *)"file:/var/lib/todos.db";
	open.lineage = open.new_lineage = lend("lineage 16 bytes", 16);
	open.client_id = (char *)"00112233445566778899aabbccddeeff";
	open.confirmed = push.parent = pull.after = &b->point;
	push.events = b->s.list;
	push.n_events = SAMPLE_EVENTS;
	pull.events_max = 512;
	pull.bytes_max = 4096;
	for (unsigned body = 1; body <= 4; body++) {
		Leaderd__ToAdapter message = LEADERD__TO_ADAPTER__INIT;
		struct bytes frame = { 0 };

		message.body_case = body;
		message.open = bodies[body]; /* the bodies are one union */
		assert_int_equal(backend_pack_to_adapter(&frame, &message, NULL), 0);
		write_message("backend", "to-adapter", body, 0, &frame);
	}
}

static void write_from_adapter(struct backend_samples *b) {
	Leaderd__Opened opened = LEADERD__OPENED__INIT;
	Leaderd__PushAnswer answer = LEADERD__PUSH_ANSWER__INIT;
	Leaderd__Page page = LEADERD__PAGE__INIT;
	Leaderd__Pong pong = LEADERD__PONG__INIT;
	Leaderd__Problem problem = LEADERD__PROBLEM__INIT;
	void *bodies[] = { NULL, &opened, &answer, &page, &pong, &problem };

	opened.number = answer.number = page.number = pong.number = 1;
	opened.lineage = problem.lineage = lend("lineage 16 bytes", 16);
	opened.head = answer.head = page.end = page.head = &b->point;
	opened.batch_events_max = 100;
	opened.batch_bytes_max = opened.event_bytes_max = 100000;
	answer.result = LEADERD__PUSH_RESULT__PUSH_ACCEPTED;
	page.events = b->s.list;
	page.n_events = SAMPLE_EVENTS;
	problem.code = ERROR_CONFLICT;
	problem.text = (char *)"another store's";
	for (unsigned body = 1; body <= 5; body++) {
		Leaderd__FromAdapter message = LEADERD__FROM_ADAPTER__INIT;
		struct bytes frame = { 0 };

		message.body_case = body;
		message.opened = bodies[body];
		assert_int_equal(backend_pack_from_adapter(&frame, &message, NULL), 0);
		if (body == LEADERD__FROM_ADAPTER__BODY_PAGE) {
			uint8_t as_it_is = 0, repaired = 1;

			write_file("page", "page", 0, &as_it_is, 1, &frame, WIRE_HEADER_BYTES);
			write_file("page", "page", 1, &repaired, 1, &frame, WIRE_HEADER_BYTES);
		}
		write_message("backend", "from-adapter", body, 1, &frame);
	}
}

static void write_stored_event(struct backend_samples *b) {
	struct event *event = NULL;
	struct bytes data = { 0 };
	uint8_t kind = 2;

	assert_int_equal(wire_event_unpack(&event, &b->s.events[0], NULL), 0);
	assert_int_equal(backend_event_write(&data, event), 0);
	write_file("backend", "event", 0, &kind, 1, &data, 0);
	bytes_finish(&data);
	event_destroy(event);
}

int main(int argc, char **argv) {
	struct backend_samples b;

	if (argc != 2) {
		fprintf(stderr, "usage: fuzz-corpus FOLDER\n");
		return 2;
	}
	top = argv[1];
	write_to_leader();
	write_to_session();
	backend_samples_init(&b);
	write_to_adapter(&b);
	write_from_adapter(&b);
	write_stored_event(&b);
	return 0;
}
