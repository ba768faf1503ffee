/*
 * Streams of the leader's log, towards the leader. It sends pages against
 * credit, so a stream holds a few pages at most, however slowly it is read. When
 * the connection was lost, a stream goes on behind the newest event that it got.
 */

#include "events.h"

#include <stdlib.h>
#include <string.h>

/* ---- pages --------------------------------------------------------------------------- */

static struct page *page_free(struct page *page) {
	for (size_t i = 0; page && page->events && i < page->n; i++)
		event_destroy(page->events[i]);
	if (page)
		free(page->events);
	free(page);
	return NULL;
}

void events_drop_page(struct lds_events *events, struct page *page) {
	TAILQ_REMOVE(&events->pages, page, list);
	events->n_pages--;
	page_free(page);
}

static int read_page(struct page **ret, const Leaderd__EventsPage *message, struct error *error) {
	struct page *page = calloc(1, sizeof(*page));
	int r = 0;

	if (!page || !(page->events = calloc(message->n_events + 1, sizeof(struct event *)))) {
		page_free(page);
		return error_no_memory(error);
	}
	for (size_t i = 0; r == 0 && i < message->n_events; i++, page->n += r == 0)
		r = wire_event_unpack(&page->events[i], message->events[i], error);
	if (r < 0) {
		page_free(page);
		return r;
	}
	page->rebased = message->rebased;
	page->back = (struct position){ message->back_global, message->back_client };
	page->backend = (struct position){ message->upstream_global, 0 };
	*ret = page;
	return 0;
}

static struct lds_events *find_stream(const struct lds_session *session, uint64_t number) {
	struct lds_events *events;

	TAILQ_FOREACH(events, &session->events, list)
		if (events->number == number)
			return events;
	return NULL;
}

/* One of the pending events came in the log: it is not appended as well. */
static void strike_pending(struct lds_events *events, const struct event *event) {
	for (size_t i = 0; i < events->n_pending; i++)
		if (events->pending[i] && event_id_equal(&events->pending[i]->entry.id, &event->entry.id))
			events->pending[i] = event_destroy(events->pending[i]);
}

static void keep_page(struct lds_events *events, struct page *page) {
	for (size_t i = 0; i < page->n; i++)
		strike_pending(events, page->events[i]);
	if (page->n > 0)
		events->cursor = page->events[page->n - 1]->entry.at;
	else if (page->rebased)
		events->cursor = page->back;
	events->n_received += page->n;
	TAILQ_INSERT_TAIL(&events->pages, page, list);
	events->n_pages++;
}

int events_take_page(struct lds_session *session, const Leaderd__EventsPage *message) {
	struct lds_events *events = find_stream(session, message->number);
	struct page *page = NULL;
	int r;

	if (!events || !events->opened || events->ended)
		return 0; /* closed while it was on its way */
	if (events->n_pages >= EVENTS_PAGES_MAX)
		return session_fail(session, ERROR_PROTOCOL, "the leader sent more pages than it had credit for");
	r = read_page(&page, message, &session->error);
	if (r < 0)
		return r;
	keep_page(events, page);
	if (message->end) {
		events->ended = true;
		if (message->code < 0)
			error_set(&events->error, message->code < ERROR_LAST ? ERROR_PROTOCOL : message->code, "%s",
			          message->error ? message->error : "");
	}
	return 0;
}

/* ---- the leader's side of a stream ---------------------------------------------------- */

/* The place just behind a position: nothing stands between the two. */
static struct position just_behind(struct position at) {
	return (struct position){ at.global, at.client < INT64_MAX ? at.client + 1 : at.client };
}

/* On the wire a stream begins behind `since` and ends with `until` in the order
 * in which it is read; the app means the order of the log. One that goes on
 * begins behind its cursor. */
static void fill_range(const struct lds_events *events, Leaderd__EventsOpen *open) {
	struct position since = events->since, until = events->until;
	bool has_until = events->has_until;

	if (events->flags & LDS_EVENTS_REVERSE) {
		since = events->has_until ? just_behind(events->until) : POSITION_ROOT;
		until = just_behind(events->since);
		has_until = !position_is_root(events->since);
	}
	if (events->n_received > 0 || !position_is_root(events->cursor))
		since = events->cursor;
	open->since_global = since.global;
	open->since_client = since.client;
	open->has_until = has_until;
	open->until_global = has_until ? until.global : 0;
	open->until_client = has_until ? until.client : 0;
}

static int pack_open(struct lds_session *session, struct lds_events *events) {
	Leaderd__ToLeader message = LEADERD__TO_LEADER__INIT;
	Leaderd__EventsOpen open = LEADERD__EVENTS_OPEN__INIT;
	int r;

	open.number = events->number;
	open.store = session->store;
	fill_range(events, &open);
	open.reverse = (events->flags & LDS_EVENTS_REVERSE) != 0;
	open.follow = (events->flags & LDS_EVENTS_FOLLOW) != 0;
	open.include_client_only = (events->flags & LDS_EVENTS_CLIENT_ONLY) != 0;
	if (events->name)
		open.name = events->name;
	if (events->client_id)
		open.client_id = events->client_id;
	open.limit = events->limit ? events->limit - events->n_received : 0;
	open.credit = events->n_pages < EVENTS_CREDIT_PAGES ? EVENTS_CREDIT_PAGES - events->n_pages : 1;
	message.body_case = LEADERD__TO_LEADER__BODY_EVENTS_OPEN;
	message.events_open = &open;
	r = session_pack(session, &message);
	if (r == 0) {
		events->opened = true;
		events->credit = 0;
	}
	return r;
}

static void pack_credit(struct lds_session *session, struct lds_events *events) {
	Leaderd__ToLeader message = LEADERD__TO_LEADER__INIT;
	Leaderd__EventsCredit credit = LEADERD__EVENTS_CREDIT__INIT;

	credit.number = events->number;
	credit.credit = events->credit;
	message.body_case = LEADERD__TO_LEADER__BODY_EVENTS_CREDIT;
	message.events_credit = &credit;
	if (session_pack(session, &message) == 0)
		events->credit = 0;
}

void events_pack_close(struct lds_session *session, const struct lds_events *events) {
	Leaderd__ToLeader message = LEADERD__TO_LEADER__INIT;
	Leaderd__EventsClose close = LEADERD__EVENTS_CLOSE__INIT;

	close.number = events->number;
	message.body_case = LEADERD__TO_LEADER__BODY_EVENTS_CLOSE;
	message.events_close = &close;
	(void)session_pack(session, &message); /* untold, the stream stops when its credit is used up */
}

void events_send(struct lds_session *session) {
	struct lds_events *events;

	if (session->machine.link != SESSION_LIVE)
		return;
	TAILQ_FOREACH(events, &session->events, list) {
		if (events->ended || leader_link_waiting(&session->link) >= SESSION_OUTPUT_BYTES)
			continue;
		if (events->limit && events->n_received >= events->limit)
			events->ended = true;
		else if (!events->opened)
			(void)pack_open(session, events); /* no memory: the next turn tries again */
		else if (events->credit > 0)
			pack_credit(session, events);
	}
}

void events_lost(struct lds_session *session) {
	struct lds_events *events;

	TAILQ_FOREACH(events, &session->events, list)
		events->opened = false;
}

/* A follower that read beyond the point up to which the leader's log is surely
 * the same hears that what lies behind it is off. */
static void step_back(struct lds_events *events, struct position final) {
	struct page *page;

	if (events->opened || events->ended || !(events->flags & LDS_EVENTS_FOLLOW) ||
	    position_compare(events->cursor, final) <= 0)
		return;
	if (position_compare(final, events->since) < 0)
		final = events->since;
	page = calloc(1, sizeof(*page));
	if (!page) {
		events->ended = true;
		error_no_memory(&events->error);
		return;
	}
	page->rebased = true;
	page->back = final;
	keep_page(events, page);
}

void events_welcomed(struct lds_session *session, bool same_branch, struct position final) {
	struct lds_events *events;

	TAILQ_FOREACH(events, &session->events, list)
		if (!same_branch)
			step_back(events, final);
}
