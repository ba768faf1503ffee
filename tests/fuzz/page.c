/*
 * A backend's answers on their way to the leader's machine: a page is made of a
 * message, compared with the log, and given to the machine, which takes or refuses
 * it. An odd first byte repairs the chain of hashes first, so that what comes behind
 * that check is reached too.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "leaderd/src/leader.h"
#include "leaderd/src/upstream_page.h"
#include "store/hash.h"

#define EVENTS 6u
#define CONFIRMED 2u

static void append(struct eventlog *log, unsigned number) {
	struct event *event = event_create("todoCreated", "{\"id\":\"x\"}", 10);
	struct error error = { 0 };

	must(event != NULL);
	event->entry.id = (struct event_id){ { 1, 0x8f, [6] = 0x70, [8] = 0x80, [15] = (uint8_t)number } };
	event->entry.unit = event->entry.id;
	event->entry.unit_count = 1;
	event->entry.at.global = number;
	event->version = 1;
	strcpy(event->client_id, "00112233445566778899aabbccddeeff");
	strcpy(event->session_id, "fuzz");
	hash_content(&event->entry.content, event);
	must(eventlog_append(log, event, &error) == 0);
	if (number == CONFIRMED)
		must(eventlog_set_upstream(log, event->entry.at, &event->chain_hash, "cursor", 6, &error) == 0);
	event_destroy(event);
}

/* A leader that has nothing but a log. */
static struct leader *make_leader(void) {
	static struct leader leader;
	static struct store store;
	struct error error = { 0 };
	char path[320];

	if (leader.store)
		return &leader;
	snprintf(path, sizeof(path), "%s/eventlog.db", fuzz_folder());
	must(eventlog_open(&store.log, &(struct eventlog_options){ .path = path, .create = true }, &error) == 0);
	must(eventlog_begin(store.log, &error) == 0);
	must(eventlog_set_has_backend(store.log, true, &error) == 0);
	for (unsigned i = 1; i <= EVENTS; i++)
		append(store.log, i);
	must(eventlog_commit(store.log, &error) == 0);
	leader.store = &store;
	return &leader;
}

/* The message lives in our arena: its bytes may be changed. The events become the log's own, by number, where their
 * id says so; then each gets its place's chain hash. */
static void repair(struct leader *leader, const Leaderd__Page *page, const struct upstream_point *after) {
	struct hash chain = after->chain_hash;
	uint64_t global = after->global;

	for (size_t i = 0; i < page->n_events; i++) {
		struct event *event = NULL;
		struct error error = { 0 };

		page->events[i]->global = ++global;
		fuzz_expect(wire_event_unpack(&event, page->events[i], &error) == 0);
		hash_chain(&chain, &chain, event->entry.at, &event->entry.content);
		memcpy(page->events[i]->chain_hash.data, chain.bytes, sizeof(chain.bytes));
		event_destroy(event);
	}
	if (page->end && page->n_events > 0 && page->end->chain_hash.len == sizeof(chain.bytes)) {
		page->end->global = global;
		memcpy(page->end->chain_hash.data, chain.bytes, sizeof(chain.bytes));
	}
}

static void give(struct leader *leader, const struct upstream_page *page) {
	struct eventlog_status status;
	struct leader_machine machine;
	struct leader_effects effects;
	struct error error = { 0 };
	struct leader_input input = { .kind = LEADER_PAGE, .events = page->incoming, .n_events = page->n,
		                          .more = page->more };
	int r;

	eventlog_status(leader->store->log, &status);
	leader_machine_init(&machine, &(struct leader_start){ status.head, status.upstream_head, status.generation, true });
	r = leader_step(&machine, &input, &effects, &error);
	fuzz_expect_told(r, &error);
	fuzz_expect(r == 0 || r == ERROR_PROTOCOL || r == ERROR_CONFLICT);
	for (size_t i = 0; r == 0 && i < page->n; i++)
		fuzz_expect(!page->incoming[i].hash_differs && !page->incoming[i].content_differs);
	leader_machine_finish(&machine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
	struct fuzz_input input = { data, n };
	struct leader *leader = make_leader();
	bool repaired = fuzz_below(&input, 2) == 1;
	struct wire_arena arena = { 0 };
	const Leaderd__FromAdapter *message = NULL;
	struct upstream_point after;
	struct error error = { 0 };

	fuzz_expect(upstream_point_confirmed(&after, leader, &error) == 0);
	if (backend_unpack_from_adapter(&arena, input.at, input.n, &message, &error) == 0 &&
	    message->body_case == LEADERD__FROM_ADAPTER__BODY_PAGE) {
		struct upstream_page page = { 0 };
		int r;

		if (repaired)
			repair(leader, message->page, &after);
		r = upstream_page_read(&page, leader, message->page, &after, &error);
		fuzz_expect_told(r, &error);
		fuzz_expect(r == 0 || r == ERROR_PROTOCOL);
		if (r == 0) {
			give(leader, &page);
			upstream_page_drop_front(&page, page.n > 1 ? 1 : 0);
		}
		upstream_page_finish(&page);
	}
	wire_arena_clear(&arena);
	return 0;
}
