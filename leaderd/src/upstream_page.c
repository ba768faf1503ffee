/* Pages of the backend's log; see upstream_page.h. */

#include "leaderd/src/upstream_page.h"

#include <stdlib.h>
#include <string.h>

#include "leaderd/src/leader.h"
#include "model/notation.h"
#include "store/hash.h"

/* ---- points ------------------------------------------------------------------------- */

void upstream_point_get(struct upstream_point *ret, const Leaderd__BackendPoint *message) {
	*ret = (struct upstream_point){ 0 };
	if (!message)
		return;
	ret->global = message->global;
	if (message->chain_hash.len == sizeof(ret->chain_hash.bytes))
		memcpy(ret->chain_hash.bytes, message->chain_hash.data, sizeof(ret->chain_hash.bytes));
	if (message->cursor.len > 0)
		memcpy(ret->cursor, message->cursor.data, message->cursor.len);
	ret->cursor_bytes = message->cursor.len;
}

void upstream_point_set(Leaderd__BackendPoint *ret, const struct upstream_point *point) {
	leaderd__backend_point__init(ret);
	ret->global = point->global;
	if (point->global > 0) {
		ret->chain_hash.data = (uint8_t *)point->chain_hash.bytes;
		ret->chain_hash.len = sizeof(point->chain_hash.bytes);
	}
	ret->cursor.data = (uint8_t *)point->cursor;
	ret->cursor.len = point->cursor_bytes;
}

int upstream_point_confirmed(struct upstream_point *ret, struct leader *leader, struct error *error) {
	struct eventlog_status status;
	struct bytes cursor = { 0 };
	int r = eventlog_cursor(leader->store->log, &cursor, error);

	if (r < 0)
		return r;
	eventlog_status(leader->store->log, &status);
	*ret = (struct upstream_point){ .global = status.upstream_head.global, .chain_hash = status.upstream_chain_hash };
	if (cursor.n <= sizeof(ret->cursor)) {
		if (cursor.n > 0)
			memcpy(ret->cursor, cursor.data, cursor.n);
		ret->cursor_bytes = cursor.n;
	}
	bytes_finish(&cursor);
	return 0;
}

int upstream_chain_hash_at(struct hash *ret, struct leader *leader, uint64_t global, struct error *error) {
	struct event *event;
	int r;

	if (global == 0) {
		*ret = (struct hash){ 0 };
		return 0;
	}
	r = eventlog_get(leader->store->log, (struct position){ global, 0 }, &event, error);
	if (r < 0)
		return r;
	*ret = event->chain_hash;
	event_destroy(event);
	return 0;
}

/* ---- life ---------------------------------------------------------------------------- */

static int allocate(struct upstream_page *page, size_t n, struct error *error) {
	page->events = calloc(n + 1, sizeof(struct event *));
	page->incoming = calloc(n + 1, sizeof(*page->incoming));
	return page->events && page->incoming ? 0 : error_no_memory(error);
}

void upstream_page_finish(struct upstream_page *page) {
	for (size_t i = 0; i < page->n; i++)
		event_destroy(page->events[i]);
	free(page->events);
	free(page->incoming);
	*page = (struct upstream_page){ 0 };
}

void upstream_page_drop_front(struct upstream_page *page, size_t n) {
	for (size_t i = 0; i < n; i++)
		event_destroy(page->events[i]);
	page->n -= n;
	memmove(page->events, page->events + n, page->n * sizeof(struct event *));
	memmove(page->incoming, page->incoming + n, page->n * sizeof(*page->incoming));
}

/* ---- of a message ---------------------------------------------------------------------- */

/* A second event of one id in a page confirms nothing more: it is void, as it is
 * when the first one stands in the log already. */
static bool stands_before(const struct upstream_page *page, size_t at) {
	for (size_t i = 0; i < at; i++)
		if (event_id_equal(&page->events[i]->entry.id, &page->events[at]->entry.id))
			return true;
	return false;
}

static int ask_log(struct upstream_page *page, size_t at, struct leader *leader, struct error *error) {
	struct incoming *incoming = &page->incoming[at];
	struct eventlog_status status;
	enum eventlog_known known;
	struct position found;
	int r = eventlog_known(leader->store->log, &incoming->entry.id, &incoming->entry.content, &known, &found, error);

	if (r < 0)
		return r;
	eventlog_status(leader->store->log, &status);
	incoming->content_differs = known == KNOWN_OTHER;
	if (known == KNOWN_LOGGED && position_compare(found, status.upstream_head) > 0 && !stands_before(page, at)) {
		incoming->is_pending = true;
		incoming->pending_at = found;
	}
	return 0;
}

/* `previous`: the chain hash that the backend has before this event. */
static int read_event(struct upstream_page *page, const Leaderd__Event *message, const struct hash *previous,
                      struct leader *leader, struct error *error) {
	struct event *event;
	struct hash expected;
	int r = wire_event_unpack(&event, message, error);

	if (r < 0)
		return r;
	page->events[page->n] = event;
	page->incoming[page->n].entry = event->entry;
	hash_chain(&expected, previous, event->entry.at, &event->entry.content);
	page->incoming[page->n].hash_differs = !hash_equal(&expected, &event->chain_hash);
	page->n++;
	return ask_log(page, page->n - 1, leader, error);
}

static int check_end(const struct upstream_page *page, const struct upstream_point *after, struct error *error) {
	const struct event *last = page->n > 0 ? page->events[page->n - 1] : NULL;
	uint64_t global = last ? last->entry.at.global : after->global;
	const struct hash *hash = last ? &last->chain_hash : &after->chain_hash;

	if (page->end.global == global && hash_equal(&page->end.chain_hash, hash))
		return 0;
	return error_set(error, ERROR_PROTOCOL, "a page of the backend said that it ends at e%llu, its last event is e%llu",
	                 (unsigned long long)page->end.global, (unsigned long long)global);
}

int upstream_page_read(struct upstream_page *ret, struct leader *leader, const Leaderd__Page *message,
                       const struct upstream_point *after, struct error *error) {
	struct upstream_page page = { .more = message->more };
	const struct hash *previous = &after->chain_hash;
	int r = allocate(&page, message->n_events, error);

	upstream_point_get(&page.end, message->end);
	for (size_t i = 0; r == 0 && i < message->n_events; i++) {
		r = read_event(&page, message->events[i], previous, leader, error);
		if (r == 0)
			previous = &page.events[i]->chain_hash;
	}
	if (r == 0)
		r = check_end(&page, after, error);
	if (r < 0) {
		upstream_page_finish(&page);
		return r;
	}
	*ret = page;
	return 0;
}

/* ---- of our own rows -------------------------------------------------------------------- */

/* Appends synced rows behind *searched, which moves on, up to `until`. Client-only
 * rows between them may make one search come back empty. */
static int read_rows(struct upstream_page *page, struct leader *leader, struct position *searched, uint64_t until,
                     struct error *error) {
	struct eventlog_query query = { .after = *searched, .has_until = true, .until = { until, 0 },
		                            .n_max = PAGE_EVENTS_MAX, .bytes_max = PAGE_BYTES_MAX };
	size_t n = 0;

	if (query.n_max > until - searched->global)
		query.n_max = until - searched->global;
	int r = eventlog_read(leader->store->log, &query, page->events + page->n, &n, searched, error);
	if (r < 0)
		return r;
	if (position_equal(*searched, query.after))
		return error_set(error, ERROR_CONFLICT, "the backend accepted e%llu, which the log does not hold",
		                 (unsigned long long)until);
	for (size_t i = page->n; i < page->n + n; i++)
		page->incoming[i] = (struct incoming){ .entry = page->events[i]->entry, .is_pending = true,
			                                   .pending_at = page->events[i]->entry.at };
	page->n += n;
	return 0;
}

int upstream_page_of_log(struct upstream_page *ret, struct leader *leader, const struct upstream_point *end,
                         struct error *error) {
	struct upstream_page page = { .end = *end };
	struct eventlog_status status;
	struct position searched;
	size_t n;
	int r;

	eventlog_status(leader->store->log, &status);
	searched = status.upstream_head;
	if (end->global <= status.upstream_head.global || end->global > status.head.global)
		return error_set(error, ERROR_CONFLICT, "the backend accepted e%llu, which is not pending",
		                 (unsigned long long)end->global);
	n = end->global - status.upstream_head.global;
	r = allocate(&page, n, error);
	while (r == 0 && page.n < n)
		r = read_rows(&page, leader, &searched, end->global, error);
	if (r == 0 && !hash_equal(&page.events[n - 1]->chain_hash, &end->chain_hash))
		r = error_set(error, ERROR_CONFLICT, "the backend accepted e%llu with another chain hash than ours",
		              (unsigned long long)end->global);
	if (r < 0) {
		upstream_page_finish(&page);
		return r;
	}
	*ret = page;
	return 0;
}

/* ---- to the leader ------------------------------------------------------------------------ */

enum upstream_merged upstream_page_merge(struct leader *leader, const struct upstream_page *page, struct error *why) {
	struct step_upstream upstream = { .events = page->events, .n_events = page->n, .cursor = page->end.cursor,
		                              .cursor_bytes = page->end.cursor_bytes };
	struct leader_input input = { .kind = LEADER_PAGE, .events = page->incoming, .n_events = page->n,
		                          .more = page->more, .adopt = page->adopt, .adopt_from = page->adopt_from };
	int r;

	leader_flush(leader);
	/* What waits for the environment to recover goes first. */
	if (!leader_is_ready(leader, why))
		return MERGED_FAILED;
	leader->step.upstream = &upstream;
	r = perform(leader, &input, why);
	leader->step.upstream = NULL;
	if (r != 0)
		return r == ERROR_NO_MEMORY ? MERGED_FAILED : MERGED_WRONG;
	if (leader->trouble.code == 0)
		return MERGED_DONE;
	*why = leader->trouble;
	return MERGED_FAILED;
}
