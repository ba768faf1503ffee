/* Events that chain, as a leader would make them: random, of a seed. */

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "conformance.h"
#include "store/hash.h"

static void make_id(struct trial *trial, struct event_id *ret) {
	uint64_t random[2] = { trial_random(trial), trial_random(trial) };

	memcpy(ret->bytes, random, sizeof(ret->bytes));
	ret->bytes[6] = (uint8_t)(0x70 | (ret->bytes[6] & 0x0f));
	ret->bytes[8] = (uint8_t)(0x80 | (ret->bytes[8] & 0x3f));
}

/* A JSON object of exactly so many bytes: with quotes and UTF-8 in it, for what must come back byte for byte. */
static char *make_args(struct trial *trial, size_t n_bytes) {
	static const char opening[] = "{\"text\":\"caf\xc3\xa9 \\\"q\\\" \\u0000 ", closing[] = "\"}";
	char *args = malloc(n_bytes + 1);

	must(args != NULL && n_bytes >= sizeof(opening) + sizeof(closing));
	for (size_t i = 0; i < n_bytes; i++)
		args[i] = (char)('a' + trial_between(trial, 0, 25));
	memcpy(args, opening, sizeof(opening) - 1);
	memcpy(args + n_bytes - (sizeof(closing) - 1), closing, sizeof(closing) - 1);
	args[n_bytes] = '\0';
	return args;
}

static void append(struct history *history, struct event *event) {
	struct hash previous = { 0 };

	if (history->n == history->allocated) {
		history->allocated = history->allocated == 0 ? 64 : 2 * history->allocated;
		history->events = reallocarray(history->events, history->allocated, sizeof(struct event *));
		must(history->events != NULL);
	}
	if (history->n > 0)
		previous = history->events[history->n - 1]->chain_hash;
	event->entry.at = (struct position){ history->n + 1, 0 };
	hash_content(&event->entry.content, event);
	hash_chain(&event->chain_hash, &previous, event->entry.at, &event->entry.content);
	history->events[history->n++] = event;
}

void history_add_unit(struct trial *trial, struct history *history, size_t n_events, size_t args_bytes) {
	struct event_id unit;

	for (size_t i = 0; i < n_events; i++) {
		char *args = make_args(trial, args_bytes);
		struct event *event = event_create("noteAdded", args, args_bytes);

		must(event != NULL);
		make_id(trial, &event->entry.id);
		if (i == 0)
			unit = event->entry.id;
		event->entry.unit = unit;
		event->entry.unit_index = (uint32_t)i;
		event->entry.unit_count = (uint32_t)n_events;
		event->version = 1;
		event->hlc = (struct hlc){ .time_ms = 1700000000000 + history->n, .counter = (uint32_t)i };
		strcpy(event->client_id, "00112233445566778899aabbccddeeff");
		strcpy(event->session_id, "conformance.1");
		append(history, event);
		free(args);
	}
}

void history_cut(struct history *history, size_t n) {
	while (history->n > n)
		event_destroy(history->events[--history->n]);
}

void history_finish(struct history *history) {
	history_cut(history, 0);
	free(history->events);
	*history = (struct history){ 0 };
}

struct history history_copy(struct trial *trial, const struct history *history, size_t n) {
	struct history copy = { 0 };

	for (size_t i = 0; i < n; i++) {
		struct event *event = event_copy(history->events[i]);

		must(event != NULL);
		append(&copy, event);
	}
	return copy;
}

struct backend_point history_point(const struct history *history, size_t global) {
	struct backend_point point = { .global = global };

	must(global <= history->n);
	if (global > 0)
		point.chain_hash = history->events[global - 1]->chain_hash;
	return point;
}

bool events_equal(const struct event *a, const struct event *b) {
	struct bytes left = { 0 }, right = { 0 };
	bool equal;

	must(adapter_event_pack(&left, a) == 0 && adapter_event_pack(&right, b) == 0);
	equal = left.n == right.n && memcmp(left.data, right.data, left.n) == 0;
	bytes_finish(&left);
	bytes_finish(&right);
	return equal;
}

bool points_equal(const struct backend_point *a, const struct backend_point *b) {
	return a->global == b->global && hash_equal(&a->chain_hash, &b->chain_hash);
}
