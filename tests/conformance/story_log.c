/* The log itself: empty, in order, by cursor, in pages. */

#include <string.h>

#include "conformance.h"

static void an_empty_log_has_a_lineage_and_no_events(struct trial *trial) {
	struct client *client = client_start(trial, 0);

	client_open(client);
	expect(trial, memcmp(client->opened.lineage, client->new_lineage, 16) == 0,
	       "a log that was made did not take the lineage that was offered");
	expect(trial, client->opened.epoch == 1, "a log's first epoch was not 1");
	expect(trial, client->opened.head.global == 0, "a log that was made had a head");

	struct page page = client_pull(client, &(struct ask){ 0 });
	expect(trial, page.n == 0 && !page.more && !page.diverged, "a log that was made had events");
	expect(trial, page.end.global == 0 && page.head.global == 0, "an empty page ended elsewhere than it began");
	page_finish(&page);
}

static void it_is_the_same_log_for_the_next_who_opens_it(struct trial *trial) {
	struct client *first = client_start(trial, 0), *second = client_start(trial, 0);

	client_open(first);
	client_open(second);
	expect(trial, memcmp(first->opened.lineage, second->opened.lineage, 16) == 0, "two openers found two lineages");
	expect(trial, second->opened.epoch == first->opened.epoch, "two openers found two epochs");
}

static void logs_of_other_names_are_other_logs(struct trial *trial) {
	struct client *first = client_start(trial, 0), *second = client_start(trial, 0);
	struct history history = { 0 };
	struct backend_point root = { 0 };

	client_open(first);
	history_add_unit(trial, &history, 3, 100);
	client_push_all(first, &history, 0, &root);
	trial_new_store(trial);
	client_open(second);
	expect(trial, second->opened.head.global == 0, "a new log had a head");
	expect(trial, memcmp(first->opened.lineage, second->opened.lineage, 16) != 0, "two logs had one lineage");
	history_finish(&history);
}

static void events_come_back_byte_for_byte_and_in_order(struct trial *trial) {
	struct client *writer = client_start(trial, 0), *reader = client_start(trial, 0);
	struct history history = { 0 };
	struct backend_point root = { 0 };

	for (size_t i = 0; i < 20; i++)
		history_add_unit(trial, &history, trial_between(trial, 1, 6), trial_between(trial, 64, 3000));
	client_open(writer);
	client_push_all(writer, &history, 0, &root);
	client_open(reader);
	struct backend_point head = history_point(&history, history.n);
	expect(trial, points_equal(&reader->opened.head, &head), "the head at opening was not the newest event");
	client_expect_log(reader, &history, &root);
	history_finish(&history);
}

static void reading_goes_on_behind_a_cursor(struct trial *trial) {
	struct client *writer = client_start(trial, 0), *reader = client_start(trial, 0);
	struct history history = { 0 };
	struct backend_point at = { 0 }, pushed = { 0 };

	client_open(writer);
	client_open(reader);
	for (size_t round = 0; round < 10; round++) {
		size_t from = history.n;

		history_add_unit(trial, &history, trial_between(trial, 1, 5), 80);
		history_add_unit(trial, &history, trial_between(trial, 1, 5), 80);
		pushed = client_push_all(writer, &history, from, &pushed);
		at = client_expect_log(reader, &history, &at);
	}
	/* From the point that a push returned, as a leader does that has only written so far. */
	client_expect_log(writer, &history, &pushed);
	history_finish(&history);
}

/* A leader has no cursor for the point at which two histories part. */
static void a_point_is_found_without_its_cursor(struct trial *trial) {
	struct client *client = client_start(trial, 0);
	struct history history = { 0 };
	struct backend_point root = { 0 };

	client_open(client);
	for (size_t i = 0; i < 40; i++) {
		size_t from = history.n;

		history_add_unit(trial, &history, trial_between(trial, 1, 3), 80);
		root = client_push_all(client, &history, from, &root);
	}
	for (size_t i = 0; i <= history.n; i++) {
		if (i > 0 && history.events[i - 1]->entry.unit_index + 1 != history.events[i - 1]->entry.unit_count)
			continue;
		struct backend_point after = history_point(&history, i);
		client_expect_log(client, &history, &after);
	}
	history_finish(&history);
}

/* Position and hash say where to go on; a cursor only helps to find it. */
static void a_cursor_of_another_place_misleads_no_one(struct trial *trial) {
	struct client *client = client_start(trial, 0);
	struct history history = { 0 };
	struct backend_point first = { 0 }, last;

	client_open(client);
	for (size_t i = 0; i < 5; i++)
		history_add_unit(trial, &history, 2, 80);
	history_cut(&history, 4);
	first = client_push_all(client, &history, 0, &first);
	for (size_t i = 0; i < 5; i++)
		history_add_unit(trial, &history, 2, 80);
	last = client_push_all(client, &history, 4, &first);

	struct backend_point wrong = first;
	memcpy(wrong.cursor, last.cursor, last.cursor_bytes);
	wrong.cursor_bytes = last.cursor_bytes;
	client_expect_log(client, &history, &wrong);
	wrong.cursor_bytes = CURSOR_BYTES_MAX;
	memset(wrong.cursor, 0xff, sizeof(wrong.cursor));
	client_expect_log(client, &history, &wrong);
	history_finish(&history);
}

static void expect_whole_units(struct trial *trial, const struct page *page, const struct ask *ask) {
	size_t n_units = 0, bytes = 0;

	for (size_t i = 0; i < page->n; i++) {
		bytes += adapter_event_bytes(page->events[i]);
		n_units += page->events[i]->entry.unit_index == 0;
	}
	if (page->n == 0)
		return;
	const struct event *first = page->events[0], *last = page->events[page->n - 1];
	expect(trial, first->entry.unit_index == 0, "a page began inside of a unit");
	expect(trial, last->entry.unit_index + 1 == last->entry.unit_count, "a page ended inside of a unit");
	expect(trial, n_units == 1 || page->n <= ask->events_max, "a page of %zu units held %zu events, asked for %zu",
	       n_units, page->n, ask->events_max);
	expect(trial, n_units == 1 || bytes <= ask->bytes_max, "a page of %zu units had %zu bytes, asked for %zu", n_units,
	       bytes, ask->bytes_max);
}

static void read_in_pages(struct trial *trial, struct client *client, const struct history *history,
                          const struct ask *bounds) {
	struct backend_point at = { 0 };
	bool more = true;

	while (more) {
		struct ask ask = { .after = &at, .events_max = bounds->events_max, .bytes_max = bounds->bytes_max };
		struct page page = client_pull(client, &ask);

		expect_whole_units(trial, &page, &ask);
		page_expect(trial, &page, history, at.global);
		expect(trial, page.n > 0, "a page that was promised was empty");
		more = page.more;
		at = page.end;
		expect(trial, more == (at.global < history->n), "a page that ends at e%zu of %zu said the contrary of \"more\"",
		       (size_t)at.global, history->n);
		page_finish(&page);
	}
}

static void pages_hold_whole_units_within_their_bounds(struct trial *trial) {
	struct client *client = client_start(trial, 0);
	struct history history = { 0 };
	struct backend_point root = { 0 };

	client_open(client);
	for (size_t i = 0; i < 60; i++)
		history_add_unit(trial, &history, trial_between(trial, 1, 12), trial_between(trial, 64, 1200));
	client_push_all(client, &history, 0, &root);
	read_in_pages(trial, client, &history, &(struct ask){ .events_max = 1, .bytes_max = UNIT_BYTES_MAX });
	read_in_pages(trial, client, &history, &(struct ask){ .events_max = 7, .bytes_max = UNIT_BYTES_MAX });
	read_in_pages(trial, client, &history, &(struct ask){ .events_max = 50, .bytes_max = UNIT_BYTES_MAX });
	read_in_pages(trial, client, &history, &(struct ask){ .events_max = UPSTREAM_PAGE_EVENTS_MAX, .bytes_max = 1 });
	read_in_pages(trial, client, &history, &(struct ask){ .events_max = UPSTREAM_PAGE_EVENTS_MAX, .bytes_max = 9000 });
	history_finish(&history);
}

const struct story stories_of_the_log[] = {
	{ "an empty log has a lineage and no events", an_empty_log_has_a_lineage_and_no_events },
	{ "it is the same log for the next who opens it", it_is_the_same_log_for_the_next_who_opens_it },
	{ "logs of other names are other logs", logs_of_other_names_are_other_logs },
	{ "events come back byte for byte and in order", events_come_back_byte_for_byte_and_in_order },
	{ "reading goes on behind a cursor", reading_goes_on_behind_a_cursor },
	{ "a point is found without its cursor", a_point_is_found_without_its_cursor },
	{ "a cursor of another place misleads no one", a_cursor_of_another_place_misleads_no_one },
	{ "pages hold whole units within their bounds", pages_hold_whole_units_within_their_bounds },
	{ 0 },
};
