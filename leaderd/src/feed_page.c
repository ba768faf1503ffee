/*
 * Feed pages; see feed_page.h.
 *
 * Refusals go first, in payloads of their own: a refused event must have left a
 * session's pending ones before what stood behind it arrives. Such a payload moves
 * no cursor, so a rebase that is due comes with the next one.
 */

#include "leaderd/src/feed_page.h"

#include <string.h>

#include "leaderd/src/daemon.h"
#include "leaderd/src/event_page.h"
#include "leaderd/src/leader.h"
#include "leaderd/src/peer.h"

#define REFUSALS_MAX 8u /* of one payload: with arguments of a full unit and a rest they fit a frame */

static bool refusals_are_due(const struct leader_session *session) {
	return session->leader->told.refused_ordinal > session->feed.refused_sent;
}

bool feed_page_is_due(const struct leader_session *session) {
	struct position back_to;

	return session->welcomed && !session->replaced && !session->leader->retired &&
	       (session->feed.heads_changed || refusals_are_due(session) || feed_needs_rebase(&session->feed, &back_to) ||
	        position_compare(session->feed.sent, session->leader->told.head) < 0);
}

static int send_feed(struct leader_session *session, Leaderd__Feed *feed, struct error *error) {
	Leaderd__ToSession message = LEADERD__TO_SESSION__INIT;
	Leaderd__Heads heads = LEADERD__HEADS__INIT;

	leader_heads(session->leader, &heads);
	feed->heads = &heads;
	message.body_case = LEADERD__TO_SESSION__BODY_FEED;
	message.feed = feed;
	return peer_send(session->peer, &message, error);
}

/* Does the session hold it pending? It was pushed on this connection, or named in its hello. */
static bool was_pending(const struct leader_session *session, const struct refused_event *refused) {
	if (refused->ordinal > session->refused_before)
		return true;
	for (size_t i = 0; i < session->n_refused_pending; i++)
		if (event_id_equal(&session->refused_pending[i], &refused->event->entry.id))
			return true;
	return false;
}

struct refusal_messages {
	Leaderd__Refusal refusals[REFUSALS_MAX];
	Leaderd__Refusal *list[REFUSALS_MAX];
	Leaderd__Event events[REFUSALS_MAX];
	uint64_t origins[REFUSALS_MAX][2 * ORIGINS_MAX];
};

/* As many as fit a page, one at least. */
static size_t pack_refusals(const struct leader_session *session, const struct refused_event *refused, size_t n,
                            struct refusal_messages *ret) {
	size_t args_bytes = 0, i;

	for (i = 0; i < n && (i == 0 || args_bytes < PAGE_BYTES_MAX); i++) {
		wire_event_pack(&ret->events[i], refused[i].event, ret->origins[i]);
		leaderd__refusal__init(&ret->refusals[i]);
		ret->refusals[i].event = &ret->events[i];
		ret->refusals[i].reason = refused[i].reason;
		ret->refusals[i].ordinal = refused[i].ordinal;
		ret->refusals[i].was_pending = was_pending(session, &refused[i]);
		ret->list[i] = &ret->refusals[i];
		args_bytes += refused[i].event->args_bytes;
	}
	return i;
}

/* 1: sent; 0: there is none for this session. */
static int send_refusals(struct leader_session *session, struct error *error) {
	struct leader *leader = session->leader;
	struct refused_event refused[REFUSALS_MAX] = { 0 };
	struct refusal_messages messages;
	Leaderd__Feed feed = LEADERD__FEED__INIT;
	size_t n = 0;
	int r = eventlog_refused(leader->store->log, session->feed.refused_sent, session->id, true, refused, REFUSALS_MAX,
	                         &n, error);

	if (r < 0)
		return r;
	if (n == 0) {
		session->feed.refused_sent = leader->told.refused_ordinal;
		return 0;
	}
	feed.n_refusals = pack_refusals(session, refused, n, &messages);
	feed.refusals = messages.list;
	r = send_feed(session, &feed, error);
	if (r == 0)
		session->feed.refused_sent = refused[feed.n_refusals - 1].ordinal;
	for (size_t i = 0; i < n; i++)
		refused_event_finish(&refused[i]);
	return r < 0 ? r : 1;
}

/* An own event is short while the session holds it pending on this connection. */
static bool may_be_short(const struct event *event, const void *data) {
	const struct leader_session *session = data;

	return strcmp(event->session_id, session->id) == 0 && feed_may_be_short(&session->feed, event->entry.at) &&
	       strcmp(event->client_id, session->leader->told.client_id) == 0;
}

static int send_events(struct leader_session *session, struct error *error) {
	struct leader *leader = session->leader;
	struct event_page *page = leader->daemon->page;
	Leaderd__Feed feed = LEADERD__FEED__INIT;
	Leaderd__Point point = LEADERD__POINT__INIT;
	struct position back_to, last = session->feed.sent;
	struct hash local_hash;
	int r = event_page_of_feed(page, leader, session->feed.sent, error);

	if (r < 0)
		return r;
	if (feed_needs_rebase(&session->feed, &back_to)) {
		r = eventlog_local_hash(leader->store->log, back_to, &local_hash, error);
		if (r < 0)
			return r;
		wire_point_set(&point, back_to, &local_hash);
		feed.rebase = true;
		feed.back_to = &point;
	}
	event_page_pack(page, may_be_short, session);
	feed.n_events = page->n;
	feed.events = page->list;
	if (page->n > 0)
		last = page->events[page->n - 1]->entry.at;
	r = send_feed(session, &feed, error);
	if (r == 0)
		feed_advanced(&session->feed, last);
	return r;
}

int feed_page_send(struct leader_session *session, struct error *error) {
	if (refusals_are_due(session)) {
		int r = send_refusals(session, error);

		if (r != 0)
			return r < 0 ? r : 0;
	}
	return feed_page_is_due(session) ? send_events(session, error) : 0;
}
