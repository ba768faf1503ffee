/* The parts of the adapter within this process: each of its allocations fails in turn. */

#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "base/must.h"
#include "postgres/postgres.h"
#include "postgres_test.h"

static struct backend_point root;

static void open_directly(struct trial *trial, struct postgres *ret) {
	static const uint8_t lineage[16] = "lineage 16 bytes";
	struct adapter_open open = {
		.store = trial->store,
		.url = trial->options->url,
		.client_id = "memory",
		.new_lineage = lineage,
		.new_epoch = 1,
	};
	struct address address = { .passfile_copy = -1 };
	struct adapter_opened opened;
	struct error error = { 0 };

	*ret = (struct postgres){ .log = trial->store, .channel = "leaderd_test", .news_fd = -1 };
	operation_begin(ret);
	expect(trial, address_parse(&address, open.url, &error) == 0, "%s", error.text);
	expect(trial, connect_open(ret, &address, open.client_id, &error) == 0, "%s", error.text);
	expect(trial, log_open(ret, &open, &opened, &error) == 0, "%s", error.text);
	address_finish(&address);
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
	struct address address = { .passfile_copy = -1 };
	struct error error;
	long live = allocation_live();
	int r;

	for (unsigned long k = 1;; k++) {
		allocation_fail_at(k);
		r = address_parse(&address, trial->options->url, &error);
		/* A parameter that is not there and one for which there is no memory look alike. */
		if (allocation_has_failed() && r == 0)
			address_finish(&address);
		else if (went_through(trial, r, live))
			break;
	}
	address_finish(&address);
	expect(trial, allocation_live() == live, "%ld allocations were lost", allocation_live() - live);
}

static void no_memory_for_a_push_writes_nothing(struct trial *trial) {
	struct history history = { 0 };
	struct adapter_push push = { .n_events = 3 };
	struct adapter_push_answer answer = { 0 };
	struct log_state state;
	struct error error = { 0 };
	struct postgres postgres;
	unsigned long k = 0;
	int r;

	open_directly(trial, &postgres);
	history_add_unit(trial, &history, 3, 500);
	push.events = history.events;
	while (true) {
		long live = allocation_live();

		allocation_fail_at(++k);
		r = postgres_push(&postgres, &push, &answer, &error);
		if (went_through(trial, r, live))
			break;
		expect(trial, log_look(&postgres, 0, &state, &error) == 0, "%s", error.text);
		expect(trial, state.head.global == 0, "the head was moved");
	}
	expect(trial, k > 3 && answer.result == PUSH_ACCEPTED && answer.head.global == 3, "result %d", answer.result);
	PQfinish(postgres.connection);
	history_finish(&history);
}

static void no_memory_for_a_page_is_a_clean_failure(struct trial *trial) {
	struct client *client = open_device(trial, 0);
	struct history history = { 0 };
	struct adapter_pull pull = { .events_max = 2, .bytes_max = 100000 }; /* less than the first unit: read twice */
	struct adapter_page page = { 0 };
	struct postgres postgres;
	struct error error = { 0 };
	unsigned long k = 0;
	int r;

	history_add_unit(trial, &history, 3, 500);
	history_add_unit(trial, &history, 1, 500);
	client_push_all(client, &history, 0, &root);
	open_directly(trial, &postgres);
	while (true) {
		long live = allocation_live();

		allocation_fail_at(++k);
		r = postgres_pull(&postgres, &pull, &page, &error);
		if (went_through(trial, r, live))
			break;
	}
	expect(trial, k > 3 && page.n_events == 3 && page.more, "%zu events", page.n_events);
	for (size_t i = 0; i < page.n_events; i++)
		event_destroy(page.events[i]);
	free(page.events);
	PQfinish(postgres.connection);
	history_finish(&history);
}

const struct story stories_of_memory[] = {
	{ .name = "no memory for an address is a clean failure", .run = no_memory_for_an_address_is_a_clean_failure },
	{ .name = "no memory for a push writes nothing", .run = no_memory_for_a_push_writes_nothing },
	{ .name = "no memory for a page is a clean failure", .run = no_memory_for_a_page_is_a_clean_failure },
	{ 0 },
};
