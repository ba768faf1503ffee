/* A page of events; see event_page.h. */

#include "leaderd/src/event_page.h"

#include <stdlib.h>

#include "leaderd/src/leader.h"

struct event_page *event_page_create(void) {
	return calloc(1, sizeof(struct event_page));
}

struct event_page *event_page_destroy(struct event_page *page) {
	if (page)
		event_page_clear(page);
	free(page);
	return NULL;
}

void event_page_clear(struct event_page *page) {
	for (size_t i = 0; i < page->n; i++)
		event_destroy(page->events[i]);
	page->n = 0;
	page->leader = NULL;
}

int event_page_read(struct event_page *page, struct eventlog *log, const struct eventlog_query *query,
                    struct error *error) {
	size_t n = 0;
	struct position last;

	event_page_clear(page);
	int r = eventlog_read(log, query, page->events, &n, &last, error);
	if (r < 0)
		return r;
	page->n = n;
	page->last = last;
	return 0;
}

int event_page_of_feed(struct event_page *page, const struct leader *leader, struct position after,
                       struct error *error) {
	const struct eventlog_query query = {
		.after = after,
		.has_until = true,
		.until = leader->told.head,
		.include_client_only = true,
		.n_max = PAGE_EVENTS_MAX,
		.bytes_max = PAGE_BYTES_MAX,
	};

	if (page->leader == leader && page->log_serial == leader->log_serial && position_equal(page->after, after))
		return 0;
	int r = event_page_read(page, leader->store->log, &query, error);
	if (r < 0)
		return r;
	page->leader = leader;
	page->log_serial = leader->log_serial;
	page->after = after;
	return 0;
}

void event_page_pack(struct event_page *page, bool (*may_be_short)(const struct event *event, const void *data),
                     const void *data) {
	for (size_t i = 0; i < page->n; i++) {
		if (may_be_short && may_be_short(page->events[i], data))
			wire_event_pack_short(&page->messages[i], page->events[i]);
		else
			wire_event_pack(&page->messages[i], page->events[i], page->origins[i]);
		page->list[i] = &page->messages[i];
	}
}
