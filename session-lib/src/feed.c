/*
 * A feed frame becomes an input of the machine. Refusals come first, then a
 * rebase, then events; own events that are pending here may come short.
 *
 * The local hash of every event is computed again from the one before it, so a
 * leader whose log took another way than this session thinks is found at once.
 */

#include "session.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "store/hash.h"

struct feed {
	const Leaderd__Feed *message;
	struct feed_item *items;   /* owned */
	struct incoming *incoming; /* owned */
	struct event_id *refused;  /* owned */
	size_t n_refused;
	struct refusals refusals; /* owned until noted */
	struct hash last_hash;    /* of the newest event, or of where the feed goes back to */
	struct hlc hlc;
	struct position own_last; /* root: no own event came */
};

static void finish(struct feed *feed) {
	for (size_t i = 0; feed->items && i < feed->message->n_events; i++)
		event_destroy(feed->items[i].event);
	while (!TAILQ_EMPTY(&feed->refusals)) {
		struct refusal *refusal = TAILQ_FIRST(&feed->refusals);

		TAILQ_REMOVE(&feed->refusals, refusal, list);
		refusal_free(refusal);
	}
	free(feed->items);
	free(feed->incoming);
	free(feed->refused);
}

/* ---- events -------------------------------------------------------------------- */

/* A short event: everything but its place is known here. It is copied, for it may
 * have to be applied at another place. */
static int read_short(struct lds_session *session, const Leaderd__Event *message, struct feed_item *item) {
	const struct pending_event *pending;
	struct event_id id;
	char text[EVENT_ID_TEXT_BYTES];

	wire_id_at(&id, &message->id, 0);
	pending = pending_find(&session->pending, &id);
	if (!pending) {
		event_id_print(text, &id);
		return session_fail(session, ERROR_PROTOCOL, "the leader sent %s short, which is not pending here", text);
	}
	item->event = event_copy(pending->event);
	if (!item->event)
		return error_no_memory(&session->error);
	event_move(item->event, (struct position){ message->global, message->client }, message->generation);
	return 0;
}

static void read_hash(struct hash *ret, const ProtobufCBinaryData *data) {
	*ret = (struct hash){ 0 };
	if (data->len == sizeof(ret->bytes))
		memcpy(ret->bytes, data->data, sizeof(ret->bytes));
}

static void describe(struct lds_session *session, struct feed *feed, struct event *event, struct incoming *ret) {
	const struct pending_event *pending = pending_find(&session->pending, &event->entry.id);
	struct hash expected;

	hash_local(&expected, &feed->last_hash, event->entry.at, &event->entry.content);
	*ret = (struct incoming){
		.entry = event->entry,
		.is_pending = pending != NULL,
		.content_differs = pending && !hash_equal(&pending->event->entry.content, &event->entry.content),
		.hash_differs = !hash_equal(&expected, &event->local_hash),
	};
	feed->last_hash = expected;
	feed->hlc = hlc_later(feed->hlc, event->hlc);
	if (strcmp(event->session_id, session->session_id) == 0 && strcmp(event->client_id, session->client_id) == 0)
		feed->own_last = event->entry.at;
}

static int read_events(struct lds_session *session, struct feed *feed) {
	size_t n = feed->message->n_events;

	feed->items = calloc(n + 1, sizeof(*feed->items));
	feed->incoming = calloc(n + 1, sizeof(*feed->incoming));
	if (!feed->items || !feed->incoming)
		return error_no_memory(&session->error);
	for (size_t i = 0; i < n; i++) {
		const Leaderd__Event *message = feed->message->events[i];
		struct feed_item *item = &feed->items[i];
		int r;

		item->message = message;
		r = message->short_ ? read_short(session, message, item)
		                    : wire_event_unpack(&item->event, message, &session->error);
		if (r < 0)
			return r;
		read_hash(&item->event->local_hash, &message->local_hash);
		describe(session, feed, item->event, &feed->incoming[i]);
	}
	return 0;
}

/* ---- refusals -------------------------------------------------------------------- */

static int read_refusals(struct lds_session *session, struct feed *feed) {
	size_t n = feed->message->n_refusals;

	feed->refused = calloc(n + 1, sizeof(*feed->refused));
	if (!feed->refused)
		return error_no_memory(&session->error);
	for (size_t i = 0; i < n; i++) {
		struct refusal *refusal;
		int r = refusal_read(&refusal, feed->message->refusals[i], &session->error);

		if (r < 0)
			return r;
		TAILQ_INSERT_TAIL(&feed->refusals, refusal, list);
		if (pending_find(&session->pending, &refusal->event->entry.id))
			feed->refused[feed->n_refused++] = refusal->event->entry.id;
	}
	return 0;
}

/* ---- the frame ------------------------------------------------------------------- */

static void fill_payload(struct feed *feed, struct payload *ret) {
	struct hash ignored;

	*ret = (struct payload){
		.kind = feed->message->rebase ? PAYLOAD_REBASE : PAYLOAD_ADVANCE,
		.refused = feed->refused,
		.n_refused = feed->n_refused,
		.events = feed->incoming,
		.n_events = feed->message->n_events,
	};
	if (feed->message->rebase)
		wire_point_get(feed->message->back_to, &ret->back_to, &ignored);
}

/* The change stands: what it means for the session's own books. */
static void keep(struct lds_session *session, void *data) {
	struct feed *feed = data;

	session->leader_hash = feed->last_hash;
	session->hlc = hlc_later(session->hlc, feed->hlc);
	session->n_resyncs = 0;
	if (position_compare(session->own_last, session->machine.heads.leader) > 0)
		session->own_last = session->machine.heads.leader;
	if (position_compare(session->own_last, feed->own_last) < 0)
		session->own_last = feed->own_last;
	session_keep_heads(session, feed->message->heads);
	session_note_refusals(session, &feed->refusals);
}

static int take(struct lds_session *session, struct feed *feed) {
	struct session_input input = { .kind = SESSION_FEED };
	struct step step = { .outcome = SESSION_DONE,
		                 .image_fd = -1,
		                 .items = feed->items,
		                 .n_items = feed->message->n_events,
		                 .on_done = keep,
		                 .on_done_data = feed };
	int r;

	fill_payload(feed, &input.feed.payload);
	input.feed.heads = session_read_heads(feed->message->heads);
	step.generation = input.feed.heads.generation;
	r = session_perform(session, &input, &step);
	if (r < 0)
		return r;
	return step.outcome == SESSION_FAILED ? step.code : 0;
}

int session_take_feed(struct lds_session *session, const Leaderd__Feed *message) {
	struct feed feed = { .message = message, .last_hash = session->leader_hash };
	struct position ignored;
	int r;

	if (session->machine.link != SESSION_LIVE)
		return 0; /* sent before the leader read our hello: the welcome starts afresh */
	if (session_is_held(session))
		return LDS_HELD;
	TAILQ_INIT(&feed.refusals);
	if (message->rebase)
		wire_point_get(message->back_to, &ignored, &feed.last_hash);
	r = read_refusals(session, &feed);
	if (r == 0)
		r = read_events(session, &feed);
	if (r == 0)
		r = take(session, &feed);
	finish(&feed);
	return r;
}
