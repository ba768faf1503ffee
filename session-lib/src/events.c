/*
 * Streams of the leader's log. The leader sends pages against credit, so a
 * stream holds a few pages at most, however slowly it is read. When the
 * connection was lost, a stream goes on behind the newest event that it got.
 */

#include "session.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "event_view.h"

#define EVENTS_CREDIT_PAGES 4u /* pages that the leader may send ahead of the reader */
#define EVENTS_PAGES_MAX (4u * EVENTS_CREDIT_PAGES) /* more than any correct leader sends */

struct page {
	TAILQ_ENTRY(page) list;
	struct event **events; /* owned; taken out one by one */
	size_t n, at;
	bool rebased;          /* to be told first */
	struct position back;
	struct position backend;
};
TAILQ_HEAD(pages, page);

struct lds_events {
	struct lds_session *session;
	TAILQ_ENTRY(lds_events) list;
	uint64_t number;
	uint32_t flags;
	struct position since, until;
	bool has_until;
	char *name, *client_id;   /* owned; NULL: all */
	uint64_t limit, n_received;
	struct position cursor;   /* of the newest event that came from the leader */
	struct pages pages;
	unsigned n_pages;
	uint32_t credit;          /* pages read since the leader was told */
	bool opened;              /* the leader knows of it, on this connection */
	bool ended;
	struct error error;       /* with ended */
	/* Own events that were pending when it was opened, to be appended. */
	struct event **pending;   /* owned; NULL where one came in the log */
	size_t n_pending, pending_at;
	uint64_t n_delivered;
	struct event *current;    /* owned: what the reader was given last */
	struct event_view view;
};

/* ---- pages --------------------------------------------------------------------------- */

static struct page *page_free(struct page *page) {
	for (size_t i = 0; page && page->events && i < page->n; i++)
		event_destroy(page->events[i]);
	if (page)
		free(page->events);
	free(page);
	return NULL;
}

static void drop_page(struct lds_events *events, struct page *page) {
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
	open.reverse = events->flags & LDS_EVENTS_REVERSE;
	open.follow = events->flags & LDS_EVENTS_FOLLOW;
	open.include_client_only = events->flags & LDS_EVENTS_CLIENT_ONLY;
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

static void pack_close(struct lds_session *session, const struct lds_events *events) {
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

/* ---- opening and closing --------------------------------------------------------------- */

static void events_free(struct lds_events *events) {
	while (!TAILQ_EMPTY(&events->pages))
		drop_page(events, TAILQ_FIRST(&events->pages));
	for (size_t i = 0; events->pending && i < events->n_pending; i++)
		event_destroy(events->pending[i]);
	free(events->pending);
	event_destroy(events->current);
	free(events->name);
	free(events->client_id);
	free(events);
}

static bool is_wanted(const struct lds_events *events, const struct event *event) {
	if (event->entry.client_only && !(events->flags & LDS_EVENTS_CLIENT_ONLY))
		return false;
	if (events->name && strcmp(events->name, event->name) != 0)
		return false;
	if (events->client_id && strcmp(events->client_id, event->client_id) != 0)
		return false;
	return true;
}

static int copy_pending(struct lds_session *session, struct lds_events *events) {
	size_t n;
	const struct pending *pending = session_pending(&session->machine, &n);

	if (!(events->flags & LDS_EVENTS_PENDING))
		return 0;
	events->pending = calloc(n + 1, sizeof(struct event *));
	if (!events->pending)
		return error_no_memory(&session->error);
	for (size_t i = 0; i < n; i++) {
		const struct event *event = pending_find(&session->pending, &pending[i].entry.id)->event;

		if (!is_wanted(events, event))
			continue;
		events->pending[events->n_pending] = event_copy(event);
		if (!events->pending[events->n_pending++])
			return error_no_memory(&session->error);
	}
	return 0;
}

/* What no event can have would only make the leader end the connection. */
static bool is_text(const char *text, size_t bytes_max) {
	uint32_t code;
	size_t n;

	if (!text)
		return true;
	if (strlen(text) > bytes_max)
		return false;
	while ((n = text_character(text, &code)) > 0)
		text += n;
	return *text == '\0';
}

static bool is_position(struct position at) {
	return at.global <= INT64_MAX && at.client <= INT64_MAX;
}

static int copy_options(struct lds_session *session, struct lds_events *events,
                        const struct lds_events_options *options) {
	const struct lds_position *until = OPTION(options, struct lds_events_options, until);
	const char *name = OPTION(options, struct lds_events_options, name);
	const char *client_id = OPTION(options, struct lds_events_options, client_id);

	events->flags = OPTION(options, struct lds_events_options, flags);
	events->limit = OPTION(options, struct lds_events_options, limit);
	if (options && options->size >= offsetof(struct lds_events_options, since) + sizeof(options->since))
		events->since = (struct position){ options->since.global, options->since.client };
	if (until) {
		events->has_until = true;
		events->until = (struct position){ until->global, until->client };
	}
	if ((events->flags & LDS_EVENTS_PENDING) && (events->flags & (LDS_EVENTS_FOLLOW | LDS_EVENTS_REVERSE)))
		return session_fail(session, LDS_INVALID, "pending events are not shown while following or in reverse");
	if ((events->flags & LDS_EVENTS_FOLLOW) && (events->flags & LDS_EVENTS_REVERSE))
		return session_fail(session, LDS_INVALID, "events are not followed in reverse");
	if (!is_text(name, EVENT_NAME_BYTES_MAX) || !is_text(client_id, CLIENT_ID_BYTES))
		return session_fail(session, LDS_INVALID, "no event has such a name or client id");
	if (!is_position(events->since) || !is_position(events->until))
		return session_fail(session, LDS_INVALID, "no event stands at such a position");
	if ((name && !(events->name = strdup(name))) || (client_id && !(events->client_id = strdup(client_id))))
		return error_no_memory(&session->error);
	return copy_pending(session, events);
}

int lds_events_open(struct lds_session *session, const struct lds_events_options *options,
                    struct lds_events **ret_events) {
	struct lds_events *events;
	int r = session_enter(session);

	if (r < 0)
		return r;
	if (!ret_events || (options && options->size < sizeof(options->size)))
		return session_fail(session, LDS_INVALID, "a stream without options that have a size, or a place for it");
	if (session->n_events >= PEER_FOLLOWS_MAX)
		return session_fail(session, LDS_FULL, "a session has at most %u open streams", PEER_FOLLOWS_MAX);
	events = calloc(1, sizeof(*events));
	if (!events)
		return error_no_memory(&session->error);
	events->session = session;
	TAILQ_INIT(&events->pages);
	r = copy_options(session, events, options);
	if (r < 0) {
		events_free(events);
		return r;
	}
	events->number = ++session->next_number;
	TAILQ_INSERT_TAIL(&session->events, events, list);
	session->n_events++;
	events_send(session);
	session_send(session);
	*ret_events = events;
	return 0;
}

static void remove_stream(struct lds_events *events) {
	TAILQ_REMOVE(&events->session->events, events, list);
	events->session->n_events--;
	events_free(events);
}

void lds_events_close(struct lds_events *events) {
	struct lds_session *session = events ? events->session : NULL;

	if (session_enter(session) < 0)
		return;
	if (events->opened && !events->ended && session->link.fd >= 0) {
		pack_close(session, events);
		session_send(session);
	}
	remove_stream(events);
}

void events_close_all(struct lds_session *session) {
	while (!TAILQ_EMPTY(&session->events))
		remove_stream(TAILQ_FIRST(&session->events));
}

/* ---- reading ----------------------------------------------------------------------------- */

#define NOTHING_YET 99

static int deliver(struct lds_events *events, struct event *event, bool confirmed, bool pending,
                   const struct lds_event **ret_event) {
	event_destroy(events->current);
	events->current = event;
	event_view_fill(&events->view, event, confirmed, pending);
	events->n_delivered++;
	*ret_event = &events->view.event;
	return LDS_EVENT;
}

static int deliver_rebased(struct lds_events *events, struct page *page, const struct lds_event **ret_event) {
	page->rebased = false;
	events->current = event_destroy(events->current);
	events->view.event = (struct lds_event){
		.size = sizeof(events->view.event), .name = "", .args = "", .client_id = "", .session_id = "", .hlc = "",
		.position = { page->back.global, page->back.client },
	};
	*ret_event = &events->view.event;
	return LDS_REBASED;
}

/* An event that is still pending is shown where it stands now. */
static int deliver_pending(struct lds_events *events, const struct lds_event **ret_event) {
	while (events->pending_at < events->n_pending && !(events->limit && events->n_delivered >= events->limit)) {
		size_t i = events->pending_at++;
		struct event *event = events->pending[i];
		const struct pending_event *present;

		if (!event)
			continue;
		events->pending[i] = NULL;
		present = pending_find(&events->session->pending, &event->entry.id);
		if (present)
			event_move(event, present->event->entry.at, events->session->machine.heads.generation);
		return deliver(events, event, false, true, ret_event);
	}
	return 0;
}

static int deliver_next(struct lds_events *events, const struct lds_event **ret_event) {
	const struct session_heads *heads = &events->session->machine.heads;
	struct page *page;

	while ((page = TAILQ_FIRST(&events->pages))) {
		struct event *event;

		if (page->rebased)
			return deliver_rebased(events, page, ret_event);
		if (page->at == page->n) {
			drop_page(events, page);
			events->credit++;
			continue;
		}
		event = page->events[page->at];
		page->events[page->at++] = NULL;
		return deliver(events, event, event_is_confirmed(event->entry.at, heads->has_backend, page->backend), false,
		               ret_event);
	}
	if (!events->ended)
		return NOTHING_YET;
	if (events->error.code)
		return session_fail(events->session, events->error.code, "%s", events->error.text);
	return deliver_pending(events, ret_event);
}

/* A turn of the session, unless a callback asks: then only what is there counts. */
static int turn(struct lds_session *session) {
	int r;

	if (session->calling > 0)
		return 0;
	r = session_turn(session);
	session_call_back(session);
	return r == LDS_MORE ? 0 : r;
}

int lds_events_next(struct lds_events *events, int timeout_ms, const struct lds_event **ret_event) {
	struct lds_session *session = events ? events->session : NULL;
	uint64_t until_us = UINT64_MAX;
	int r = session_enter(session);

	if (r < 0)
		return r;
	if (!ret_event)
		return session_fail(session, LDS_INVALID, "no place for the event");
	if (timeout_ms >= 0)
		until_us = clock_monotonic_us() + (uint64_t)timeout_ms * 1000u;
	for (;;) {
		int held;

		r = deliver_next(events, ret_event);
		if (r != NOTHING_YET)
			return r;
		held = turn(session);
		r = deliver_next(events, ret_event);
		if (r != NOTHING_YET)
			return r;
		if (held < 0 || (held == LDS_HELD && until_us == UINT64_MAX))
			return held;
		if (session->failed.code)
			return session_fail(session, session->failed.code, "%s", session->failed.text);
		if (session->calling > 0 || clock_monotonic_us() >= until_us)
			return session_fail(session, LDS_TIMEOUT, "no event came in time");
		session_sleep(session, until_us);
	}
}
