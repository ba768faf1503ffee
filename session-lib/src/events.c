/* Streams of the leader's log, towards the app: opening, reading, closing. */

#include "events.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* ---- opening and closing --------------------------------------------------------------- */

static void events_free(struct lds_events *events) {
	while (!TAILQ_EMPTY(&events->pages))
		events_drop_page(events, TAILQ_FIRST(&events->pages));
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
		events_pack_close(session, events);
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
		.size = sizeof(events->view.event),
		.name = "",
		.args = "",
		.client_id = "",
		.session_id = "",
		.hlc = "",
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
			events_drop_page(events, page);
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
