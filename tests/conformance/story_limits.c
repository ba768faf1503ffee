/* What one push may hold, and what must not be in it. */

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "conformance.h"

static struct backend_point root;

/* The largest unit that a session can commit fits, whatever the limits say. */
static void the_largest_unit_is_taken(struct trial *trial) {
	struct client *client = client_start(trial, 0);
	struct history history = { 0 };

	client_open(client);
	history_add_unit(trial, &history, UNIT_EVENTS_MAX, UNIT_BYTES_MAX / UNIT_EVENTS_MAX);
	history_add_unit(trial, &history, 2, EVENT_ARGS_BYTES_MAX);
	client_push_all(client, &history, 0, &root);
	client_expect_log(client, &history, &root);
	history_finish(&history);
}

static void sixty_events_of_120_kilobytes(struct trial *trial) {
	struct client *client = client_start(trial, 0);
	struct history history = { 0 };

	client_open(client);
	for (size_t i = 0; i < 60; i++)
		history_add_unit(trial, &history, 1, 120 * 1000);
	client_push_all(client, &history, 0, &root);
	client_expect_log(client, &history, &root);
	history_finish(&history);
}

static void eighteen_hundred_events_of_one_kilobyte(struct trial *trial) {
	struct client *client = client_start(trial, 0);
	struct history history = { 0 };

	client_open(client);
	for (size_t i = 0; i < 1800; i++)
		history_add_unit(trial, &history, 1, 1000);
	client_push_all(client, &history, 0, &root);
	client_expect_log(client, &history, &root);
	history_finish(&history);
}

static void expect_not_taken(struct trial *trial, struct client *client, const struct batch *batch, const char *what) {
	struct answer answer = client_push(client, batch);
	struct history nothing = { 0 };

	expect(trial, answer.result == PUSH_REFUSED || answer.result == 0, "%s was answered by result %d", what,
	       answer.result);
	client_expect_log(client, &nothing, &root);
}

static void a_batch_of_the_limits_is_taken_and_one_beyond_them_is_not(struct trial *trial) {
	struct client *client = client_start(trial, 0);
	struct history history = { 0 };
	size_t n;

	client_open(client);
	n = client->opened.batch_events_max;
	if (n >= BACKEND_BATCH_EVENTS_MAX)
		n = BACKEND_BATCH_EVENTS_MAX;
	for (size_t i = 0; i <= n; i++)
		history_add_unit(trial, &history, 1, 40);
	while (n * adapter_event_bytes(history.events[0]) > client->opened.batch_bytes_max ||
	       n * adapter_event_bytes(history.events[0]) > BACKEND_BATCH_BYTES_MAX)
		n--;
	if (n == client->opened.batch_events_max && n < BACKEND_BATCH_EVENTS_MAX)
		expect_not_taken(trial, client, &(struct batch){ .parent = &root, .events = history.events, .n = n + 1 },
		                 "a batch of one event too many");
	history_cut(&history, n);
	struct answer answer = client_push(client, &(struct batch){ .parent = &root, .events = history.events, .n = n });
	expect(trial, answer.result == PUSH_ACCEPTED, "a batch of %zu events was not accepted: result %d %s%s", n,
	       answer.result, answer.reason, answer.problem.text);
	client_expect_log(client, &history, &root);
	history_finish(&history);
}

/* Only an adapter whose limit is below that of a session can meet one. */
static void an_event_over_the_limit_is_refused_by_its_id(struct trial *trial) {
	struct client *client = client_start(trial, 0);
	struct history history = { 0 };

	client_open(client);
	if (client->opened.event_bytes_max < EVENT_ARGS_BYTES_MAX) {
		history_add_unit(trial, &history, 1, 100);
		history_add_unit(trial, &history, 1, client->opened.event_bytes_max + 1);
		struct answer answer =
			client_push(client, &(struct batch){ .parent = &root, .events = history.events, .n = 2 });

		expect(trial, answer.result == PUSH_REFUSED && answer.permanent, "an event over the limit got result %d",
		       answer.result);
		expect(trial, answer.n_refused == 1 && event_id_equal(&answer.refused, &history.events[1]->entry.id),
		       "an event over the limit was not named");
		history_cut(&history, 0);
	}
	history_add_unit(trial, &history, 1,
	                 client->opened.event_bytes_max < EVENT_ARGS_BYTES_MAX + 1000
	                     ? (size_t)client->opened.event_bytes_max - 1000
	                     : EVENT_ARGS_BYTES_MAX);
	client_push_all(client, &history, 0, &root);
	client_expect_log(client, &history, &root);
	history_finish(&history);
}

static void a_batch_that_does_not_chain_is_not_taken(struct trial *trial) {
	struct client *client = client_start(trial, 0);
	struct history history = { 0 };
	struct event *events[6];
	size_t n = sizeof(events) / sizeof(events[0]);

	client_open(client);
	for (size_t i = 0; i < n / 2; i++)
		history_add_unit(trial, &history, 2, 100);
	memcpy(events, history.events, sizeof(events));

	expect_not_taken(trial, client, &(struct batch){ .parent = &root, .events = events + 2, .n = 4 }, "a gap in front");
	expect_not_taken(trial, client, &(struct batch){ .parent = &root, .events = events, .n = 5 }, "half a unit");
	memmove(events + 2, events + 4, 2 * sizeof(events[0]));
	expect_not_taken(trial, client, &(struct batch){ .parent = &root, .events = events, .n = 4 }, "a gap inside");
	memcpy(events, history.events, sizeof(events));
	events[2] = history.events[3];
	events[3] = history.events[2];
	expect_not_taken(trial, client, &(struct batch){ .parent = &root, .events = events, .n = n }, "two events swapped");
	memcpy(events, history.events, sizeof(events));
	events[4]->args[20]++;
	expect_not_taken(trial, client, &(struct batch){ .parent = &root, .events = events, .n = n }, "an altered event");
	events[4]->args[20]--;
	events[5]->chain_hash.bytes[7] ^= 1;
	expect_not_taken(trial, client, &(struct batch){ .parent = &root, .events = events, .n = n }, "a wrong chain hash");
	events[5]->chain_hash.bytes[7] ^= 1;
	client_push_all(client, &history, 0, &root);
	client_expect_log(client, &history, &root);
	history_finish(&history);
}

const struct story stories_of_limits[] = {
	{ "the largest unit is taken", the_largest_unit_is_taken },
	{ "60 events of 120 kB", sixty_events_of_120_kilobytes },
	{ "1,800 events of 1 kB", eighteen_hundred_events_of_one_kilobyte },
	{ "a batch of the limits is taken, and one beyond them is not",
	  a_batch_of_the_limits_is_taken_and_one_beyond_them_is_not },
	{ "an event over the limit is refused by its id", an_event_over_the_limit_is_refused_by_its_id },
	{ "a batch that does not chain is not taken", a_batch_that_does_not_chain_is_not_taken },
	{ 0 },
};
