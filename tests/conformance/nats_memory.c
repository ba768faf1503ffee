/* The adapter's own parts, within this process: each of its allocations fails in turn; a message is sent twice. */

#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "base/must.h"
#include "nats_test.h"

static const uint8_t lineage[16] = "lineage 16 bytes";

static struct adapter_open open_of(struct trial *trial) {
	return (struct adapter_open){
		.store = trial->store,
		.url = trial->options->url,
		.client_id = "memory",
		.new_lineage = lineage,
		.new_epoch = 1,
	};
}

static struct nats_backend *open_directly(struct trial *trial) {
	struct adapter_open open = open_of(trial);
	struct adapter_opened opened;
	struct error error = { 0 };
	void *backend = NULL;

	expect(trial, nats_open(&backend, &open, &opened, &error) == 0, "%s", error.text);
	return backend;
}

/* A try with its k-th allocation failing: true when it went through without. */
static bool went_through(struct trial *trial, int r, long live_before) {
	bool failed = allocation_has_failed();

	allocation_fail_at(0);
	expect(trial, r == (failed ? ERROR_NO_MEMORY : 0), "it came to %d", r);
	expect(trial, !failed || allocation_live() == live_before, "%ld allocations were lost",
	       allocation_live() - live_before);
	return !failed;
}

static void no_memory_for_an_address_is_a_clean_failure(struct trial *trial) {
	struct adapter_open open = open_of(trial);
	struct nats_place place;
	struct error error;
	long live = allocation_live();
	unsigned long k = 0;
	int r;

	open.url = "nats://127.0.0.1:4222,[::1]?store=a.b&ca=/ca.crt&cert=/c.crt&key=/k.key&creds=/c.creds&tls=on"
	           "&replicas=3";
	do {
		allocation_fail_at(++k);
		r = place_parse(&place, &open, &error);
	} while (!went_through(trial, r, live));
	expect(trial, k > 10 && place.tls && place.replicas == 3 && place.n_servers == 2, "%lu allocations", k);
	expect(trial, strcmp(place.servers[0], "nats://127.0.0.1:4222") == 0, "another server: %s", place.servers[0]);
	expect(trial, strcmp(place.servers[1], "nats://[::1]:4222") == 0, "another server: %s", place.servers[1]);
	expect(trial, strcmp(place.stream, "leaderd-a_2Eb") == 0 && strcmp(place.subject, "leaderd.a_2Eb") == 0,
	       "another stream: %s", place.stream);
	place_finish(&place);
	expect(trial, allocation_live() == live, "%ld allocations were lost", allocation_live() - live);
}

static void servers_elsewhere_are_asked_for_tls(struct trial *trial) {
	static const struct {
		const char *url;
		bool tls;
	} urls[] = {
		{ "nats://127.0.0.1", false },
		{ "nats://127.1.2.3:4222", false },
		{ "nats://localhost:1", false },
		{ "nats://[::1]", false },
		{ "nats://localhost?tls=on", true },
		{ "nats://localhost?ca=/ca.crt", true },
		{ "nats://localhost?cert=/c&key=/k", true },
		{ "nats://nats.example.org", true },
		{ "nats://10.0.0.1", true },
		{ "nats://localhost,10.0.0.1", true },
		{ "nats://10.0.0.1,localhost", true },
		{ "nats://localhost.example", true },
		{ "nats://127.example.org", true },
		{ "nats://127.0.0.1.example.org", true },
		{ "nats://[::2]", true },
		{ "nats://10.0.0.1?tls=off", false },
	};
	struct adapter_open open = open_of(trial);
	struct nats_place place;
	struct error error;

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		open.url = urls[i].url;
		expect(trial, place_parse(&place, &open, &error) == 0, "%s: %s", open.url, error.text);
		expect(trial, place.tls == urls[i].tls, "%s: TLS %d", open.url, place.tls);
		place_finish(&place);
	}
}

static void no_memory_for_opening_is_a_clean_failure(struct trial *trial) {
	struct adapter_open open = open_of(trial);
	struct adapter_opened opened;
	struct error error;
	long live = allocation_live();
	void *backend = NULL;
	unsigned long k = 0;
	int r;

	do {
		allocation_fail_at(++k);
		r = nats_open(&backend, &open, &opened, &error);
	} while (!went_through(trial, r, live));
	expect(trial, k > 5 && memcmp(opened.lineage, lineage, 16) == 0 && opened.epoch == 1, "%lu allocations", k);
	nats_close(backend);
	expect(trial, allocation_live() == live, "%ld allocations were lost", allocation_live() - live);
}

static void no_memory_for_a_push_writes_nothing(struct trial *trial) {
	struct nats_backend *backend = open_directly(trial);
	struct history history = { 0 };
	struct adapter_push push = { .n_events = 3 };
	struct adapter_push_answer answer = { 0 };
	struct error error = { 0 };
	unsigned long k = 0;
	long live;
	int r;

	history_add_unit(trial, &history, 3, 500);
	push.events = history.events;
	do {
		live = allocation_live();
		expect(trial, log_refresh(backend, &error) == 0 && backend->head.global == 0, "the head was moved");
		server_begin(backend);
		allocation_fail_at(++k);
		r = nats_push(backend, &push, &answer, &error);
	} while (!went_through(trial, r, live));
	expect(trial, k > 1 && answer.result == PUSH_ACCEPTED && answer.head.global == 3, "result %d", answer.result);
	nats_close(backend);
	history_finish(&history);
}

static void no_memory_for_a_page_is_a_clean_failure(struct trial *trial) {
	struct nats_backend *backend = open_directly(trial);
	struct history history = { 0 };
	struct adapter_push push = { .n_events = 4 };
	struct adapter_push_answer answer = { 0 };
	struct adapter_pull pull = { .events_max = 2, .bytes_max = 100000 }; /* less than the first unit */
	struct adapter_page page = { 0 };
	struct error error = { 0 };
	unsigned long k = 0;
	long live;
	int r;

	history_add_unit(trial, &history, 3, 500);
	history_add_unit(trial, &history, 1, 500);
	push.events = history.events;
	expect(trial, nats_push(backend, &push, &answer, &error) == 0 && answer.result == PUSH_ACCEPTED, "%s", error.text);
	do {
		live = allocation_live();
		allocation_fail_at(++k);
		r = nats_pull(backend, &pull, &page, &error);
	} while (!went_through(trial, r, live));
	expect(trial, k > 3 && page.n_events == 3 && page.more, "%zu events", page.n_events);
	for (size_t i = 0; i < page.n_events; i++)
		event_destroy(page.events[i]);
	free(page.events);
	nats_close(backend);
	history_finish(&history);
}

/* The server looks for duplicates first, and calls this one stored. */
static void a_message_sent_twice_is_never_stored_twice_nor_taken_for_stored(struct trial *trial) {
	struct nats_backend *backend = open_directly(trial);
	struct history history = { 0 };
	struct adapter_push push = { .n_events = 2 };
	struct adapter_push_answer answer = { 0 };
	struct adapter_open open = open_of(trial);
	struct error error = { 0 };
	natsMsg *message;

	history_add_unit(trial, &history, 2, 100);
	push.events = history.events;
	must(message_make_batch(&message, &backend->place, &push, &error) == 0);
	int first = server_publish(backend, message, 1, &error);
	expect(trial, first == SERVER_STORED, "the first came to %d: %s", first, error.text);
	for (uint64_t expected = 0; expected < 4; expected++) {
		int r = server_publish(backend, message, expected, &error);
		expect(trial, r == SERVER_OVERTAKEN, "the second, behind %d, came to %d: %s", (int)expected, r, error.text);
	}
	natsMsg_Destroy(message);
	must(nats_push(backend, &push, &answer, &error) == 0);
	expect(trial, answer.result == PUSH_BEHIND && answer.head.global == 2, "a push once more got result %d",
	       answer.result);

	/* And "0" is an expectation. */
	open.new_epoch = 2;
	must(message_make_header(&message, &backend->place, &open, &error) == 0);
	int r = server_publish(backend, message, 0, &error);
	expect(trial, r == SERVER_OVERTAKEN, "a second header record came to %d: %s", r, error.text);
	natsMsg_Destroy(message);
	nats_close(backend);
	history_finish(&history);
}

const struct story stories_of_memory[] = {
	{ .name = "servers elsewhere are asked for TLS", .run = servers_elsewhere_are_asked_for_tls },
	{ .name = "no memory for an address is a clean failure", .run = no_memory_for_an_address_is_a_clean_failure },
	{ .name = "no memory for opening is a clean failure", .run = no_memory_for_opening_is_a_clean_failure },
	{ .name = "no memory for a push writes nothing", .run = no_memory_for_a_push_writes_nothing },
	{ .name = "no memory for a page is a clean failure", .run = no_memory_for_a_page_is_a_clean_failure },
	{ .name = "a message sent twice is never stored twice nor taken for stored",
	  .run = a_message_sent_twice_is_never_stored_twice_nor_taken_for_stored },
	{ 0 },
};
