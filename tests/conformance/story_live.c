/* Pages that come unasked. */

#include "conformance.h"

#define HINT_MS 10000 /* a hint that takes longer is none */

static struct backend_point root;

static void follow(struct trial *trial, unsigned poll_ms) {
	struct client *writer = client_start(trial, 0), *reader = client_start(trial, poll_ms);
	struct history history = { 0 };
	struct backend_point head = { 0 };

	client_open(writer);
	client_open(reader);
	if (poll_ms == 0 && !reader->opened.live)
		return; /* it does not say that it could */
	struct page page = client_pull(reader, &(struct ask){ .live = true });
	page_finish(&page);
	uint64_t number = reader->number;
	for (size_t round = 0; round < 10; round++) {
		size_t from = history.n;

		history_add_unit(trial, &history, 2, 100);
		head = client_push_all(writer, &history, from, &head);
		page = client_take_page(reader, HINT_MS);
		expect(trial, !page.problem, "instead of a page came: %s", page.what.text);
		expect(trial, page.n == 2, "a live page held %zu events, expected 2", page.n);
		page_expect(trial, &page, &history, from);
		page_finish(&page);
	}
	expect(trial, client_ping(reader) == number + 1, "a pong bore another number than its ping");
	history_finish(&history);
}

static void news_come_by_hints(struct trial *trial) {
	follow(trial, 0);
}

static void news_come_by_polling(struct trial *trial) {
	follow(trial, 100);
}

static void many_news_are_one_page_until_the_leader_asks(struct trial *trial) {
	struct client *writer = client_start(trial, 0), *reader = client_start(trial, 100);
	struct history history = { 0 };
	struct backend_point at = { 0 };

	client_open(writer);
	client_open(reader);
	struct page page = client_pull(reader, &(struct ask){ .live = true, .events_max = 10 });
	page_finish(&page);
	for (size_t i = 0; i < 60; i++)
		history_add_unit(trial, &history, 1, 100);
	client_push_all(writer, &history, 0, &root);

	page = client_take_page(reader, HINT_MS);
	expect(trial, page.n == 10 && page.more, "the first live page held %zu events, expected 10 and more", page.n);
	page_expect(trial, &page, &history, 0);
	at = page.end;
	page_finish(&page);
	/* Several times the time in which it looks. */
	expect(trial, !client_has_news(reader, 500), "a live page came although one before had said \"more\"");
	client_expect_log(reader, &history, &at);
	history_finish(&history);
}

static void ones_own_push_is_no_news(struct trial *trial) {
	struct client *client = client_start(trial, 100);
	struct history history = { 0 };
	struct backend_point head = { 0 };

	client_open(client);
	struct page page = client_pull(client, &(struct ask){ .live = true });
	page_finish(&page);
	for (size_t round = 0; round < 3; round++) {
		history_add_unit(trial, &history, 2, 100);
		head = client_push_all(client, &history, history.n - 2, &head);
	}
	expect(trial, !client_has_news(client, 500), "a page of the leader's own, accepted events came");
	history_finish(&history);
}

static void a_pull_that_is_not_live_ends_it(struct trial *trial) {
	struct client *writer = client_start(trial, 0), *reader = client_start(trial, 100);
	struct history history = { 0 };
	struct page page;

	client_open(writer);
	client_open(reader);
	page = client_pull(reader, &(struct ask){ .live = true });
	page_finish(&page);
	page = client_pull(reader, &(struct ask){ 0 });
	page_finish(&page);
	history_add_unit(trial, &history, 1, 100);
	client_push_all(writer, &history, 0, &root);
	expect(trial, !client_has_news(reader, 500), "a page came unasked");
	client_expect_log(reader, &history, &root);
	history_finish(&history);
}

const struct story stories_of_live[] = {
	{ "news come by hints", news_come_by_hints },
	{ "news come by polling", news_come_by_polling },
	{ "many news are one page until the leader asks", many_news_are_one_page_until_the_leader_asks },
	{ "one's own push is no news", ones_own_push_is_no_news },
	{ "a pull that is not live ends it", a_pull_that_is_not_live_ends_it },
	{ 0 },
};
