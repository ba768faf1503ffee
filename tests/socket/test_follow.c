/* Event streams: pages, credits, filters, following. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/socket/raw_client.h"
#include "tests/socket/raw_daemon.h"

static void push_many(struct raw_client *client, uint64_t from, uint64_t to) {
	for (uint64_t i = from; i <= to; i++)
		raw_push(client, raw_note(client, i));
	raw_take(client, to - from + 1, 0);
}

static void open_stream(struct raw_client *client, Leaderd__EventsOpen *open, uint32_t credit) {
	leaderd__events_open__init(open);
	open->number = 5;
	open->credit = credit;
}

static void a_stream_ends_at_the_head_it_was_opened_at(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__EventsOpen open;
	struct raw_client client;
	uint64_t n = 0;

	raw_open(&client, daemon->socket, "a1");
	push_many(&client, 1, 300);
	open_stream(&client, &open, 10);
	raw_events_open(&client, &open);

	const Leaderd__EventsPage *page;
	do {
		page = raw_page(&client);
		assert_int_equal(page->number, 5);
		for (size_t i = 0; i < page->n_events; i++)
			assert_int_equal(page->events[i]->global, ++n);
	} while (!page->end);
	assert_int_equal(page->code, 0);
	assert_int_equal(n, 300);
	raw_close(&client);
}

static void a_page_costs_a_credit(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__EventsOpen open;
	Leaderd__Request request = LEADERD__REQUEST__INIT;
	struct raw_client client;

	raw_open(&client, daemon->socket, "a1");
	push_many(&client, 1, 600);
	open_stream(&client, &open, 1);
	raw_events_open(&client, &open);
	assert_int_equal(raw_page(&client)->n_events, PAGE_EVENTS_MAX);

	/* Nothing more comes before the answer to a request. */
	request.number = 9;
	request.operation = LEADERD__OPERATION__STORE_LIST;
	raw_request(&client, &request);
	raw_events_credit(&client, 5, 1);
	const Leaderd__EventsPage *page = raw_page(&client);
	assert_int_equal(page->events[0]->global, PAGE_EVENTS_MAX + 1);
	raw_close(&client);
}

static void a_follower_gets_what_comes_later(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__EventsOpen open;
	struct raw_client client, follower;

	raw_open(&client, daemon->socket, "a1");
	raw_open(&follower, daemon->socket, "a2");
	push_many(&client, 1, 2);
	open_stream(&follower, &open, 100);
	open.follow = true;
	open.since_global = 1;
	raw_events_open(&follower, &open);
	assert_int_equal(raw_page(&follower)->events[0]->global, 2);

	push_many(&client, 3, 3);
	const Leaderd__EventsPage *page = raw_page(&follower);
	assert_int_equal(page->n_events, 1);
	assert_int_equal(page->events[0]->global, 3);
	assert_false(page->end);
	raw_close(&client);
	raw_close(&follower);
}

static void a_follower_with_an_end_is_told_of_it(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__EventsOpen open;
	struct raw_client client;

	raw_open(&client, daemon->socket, "a1");
	push_many(&client, 1, 1);
	open_stream(&client, &open, 100);
	open.follow = true;
	open.has_until = true;
	open.until_global = 2;
	raw_events_open(&client, &open);
	assert_false(raw_page(&client)->end);
	raw_push(&client, raw_note(&client, 2));
	raw_push(&client, raw_note(&client, 3));
	const Leaderd__EventsPage *page = raw_page(&client);
	assert_int_equal(page->n_events, 1);
	assert_true(page->end);
	raw_close(&client);
}

static void a_stream_goes_backwards_by_name_and_limit(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__EventsOpen open;
	struct raw_client client;

	raw_open(&client, daemon->socket, "a1");
	push_many(&client, 1, 5);
	raw_push(&client, raw_event(&client, 6, "noteMarked", "{\"id\":\"n1\"}"));
	raw_take(&client, 1, 0);
	open_stream(&client, &open, 100);
	open.reverse = true;
	open.name = (char *)"noteAdded";
	open.limit = 2;
	raw_events_open(&client, &open);
	const Leaderd__EventsPage *page = raw_page(&client);
	assert_int_equal(page->n_events, 2);
	assert_int_equal(page->events[0]->global, 5);
	assert_int_equal(page->events[1]->global, 4);
	assert_true(page->end);
	raw_close(&client);
}

static void a_stream_backwards_ends_at_the_first_event(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__EventsOpen open;
	struct raw_client client;
	uint64_t n = 300;

	raw_open(&client, daemon->socket, "a1");
	push_many(&client, 1, 300);
	open_stream(&client, &open, 100);
	open.reverse = true;
	raw_events_open(&client, &open);
	const Leaderd__EventsPage *page;
	do {
		page = raw_page(&client);
		for (size_t i = 0; i < page->n_events; i++)
			assert_int_equal(page->events[i]->global, n--);
	} while (!page->end);
	assert_int_equal(n, 0);
	raw_close(&client);
}

static void client_only_events_come_when_asked_for(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__EventsOpen open;
	struct raw_client client;

	raw_open(&client, daemon->socket, "a1");
	push_many(&client, 1, 1);
	raw_push(&client, raw_event(&client, 2, "noteMarked", "{\"id\":\"n1\"}"));
	raw_take(&client, 1, 0);
	open_stream(&client, &open, 100);
	raw_events_open(&client, &open);
	assert_int_equal(raw_page(&client)->n_events, 1);

	open_stream(&client, &open, 100);
	open.number = 6;
	open.include_client_only = true;
	raw_events_open(&client, &open);
	const Leaderd__EventsPage *page;
	do
		page = raw_page(&client);
	while (page->number != 6);
	assert_int_equal(page->n_events, 2);
	raw_close(&client);
}

static void a_stream_of_no_store_ends_with_an_error(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__EventsOpen open;
	struct raw_client client;

	raw_open(&client, daemon->socket, "a1");
	open_stream(&client, &open, 1);
	open.store = (char *)"nowhere";
	raw_events_open(&client, &open);
	const Leaderd__EventsPage *page = raw_page(&client);
	assert_true(page->end);
	assert_int_equal(page->code, ERROR_NOT_FOUND);
	push_many(&client, 1, 1);
	raw_close(&client);
}

static void too_many_streams_are_refused(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__EventsOpen open;
	struct raw_client client;

	raw_open(&client, daemon->socket, "a1");
	for (uint64_t i = 0; i <= PEER_FOLLOWS_MAX; i++) {
		open_stream(&client, &open, 1);
		open.number = i;
		open.follow = true;
		raw_events_open(&client, &open);
	}
	const Leaderd__EventsPage *page = raw_page(&client);
	assert_int_equal(page->number, PEER_FOLLOWS_MAX);
	assert_int_equal(page->code, ERROR_FULL);
	raw_close(&client);
}

static void one_number_twice_ends_the_connection(void **state) {
	struct raw_daemon *daemon = *state;
	Leaderd__EventsOpen open;
	struct raw_client client;
	int code = 0;

	raw_open(&client, daemon->socket, "a1");
	open_stream(&client, &open, 1);
	open.follow = true;
	raw_events_open(&client, &open);
	raw_events_open(&client, &open);
	assert_true(raw_receive_end(&client, &code, NULL, 0));
	assert_int_equal(code, ERROR_PROTOCOL);
	raw_close(&client);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, raw_daemon_setup, raw_daemon_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		STORY(a_stream_ends_at_the_head_it_was_opened_at),
		STORY(a_page_costs_a_credit),
		STORY(a_follower_gets_what_comes_later),
		STORY(a_follower_with_an_end_is_told_of_it),
		STORY(a_stream_goes_backwards_by_name_and_limit),
		STORY(a_stream_backwards_ends_at_the_first_event),
		STORY(client_only_events_come_when_asked_for),
		STORY(a_stream_of_no_store_ends_with_an_error),
		STORY(too_many_streams_are_refused),
		STORY(one_number_twice_ends_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
