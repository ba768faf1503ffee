/* A large store: filled, read, opened, and looked into near its end. */

#include "conformance.h"

#define QUICK_MS 5000 /* opening, or a pull at the head, of a log of any size */

static struct backend_point root;

static void a_large_store(struct trial *trial) {
	struct client *client = client_start(trial, 0);
	struct history history = { 0 };
	int64_t end = now_ms() + (int64_t)trial->options->large_seconds * 1000;
	struct backend_point at = { 0 };

	client_open(client);
	while (history.n < trial->options->large_events) {
		size_t from = history.n;

		while (history.n < from + 2000)
			history_add_unit(trial, &history, trial_between(trial, 1, 3), trial_between(trial, 60, 200));
		at = client_push_all(client, &history, from, &at);
		expect(trial, now_ms() < end, "after %u s %zu events were pushed", trial->options->large_seconds, history.n);
	}
	client_expect_log(client, &history, &root);
	expect(trial, now_ms() < end, "the log was not read within %u s", trial->options->large_seconds);

	client_hang_up(client);
	int64_t start = now_ms();
	client = client_start(trial, 0);
	client_open(client);
	expect(trial, points_equal(&client->opened.head, &at), "the head was not the newest event");
	client_expect_log(client, &history, &at);
	struct backend_point near = history_point(&history, history.n);
	client_expect_log(client, &history, &near);
	expect(trial, now_ms() - start < QUICK_MS, "opening a large store took %d ms", (int)(now_ms() - start));
	history_finish(&history);
}

const struct story stories_of_size[] = {
	{ "a large store", a_large_store },
	{ 0 },
};
