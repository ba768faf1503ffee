#ifndef LEADERD_SESSION_EVENTS_H
#define LEADERD_SESSION_EVENTS_H

/* A stream of the leader's log: events.c is what the app sees of it, events_pages.c what the leader does. */

#include "event_view.h"
#include "session.h"

#define EVENTS_CREDIT_PAGES 4u                      /* pages that the leader may send ahead of the reader */
#define EVENTS_PAGES_MAX (4u * EVENTS_CREDIT_PAGES) /* more than any correct leader sends */

struct page {
	TAILQ_ENTRY(page) list;
	struct event **events; /* owned; taken out one by one */
	size_t n, at;
	bool rebased; /* to be told first */
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
	char *name, *client_id; /* owned; NULL: all */
	uint64_t limit, n_received;
	struct position cursor; /* of the newest event that came from the leader */
	struct pages pages;
	unsigned n_pages;
	uint32_t credit; /* pages read since the leader was told */
	bool opened;     /* the leader knows of it, on this connection */
	bool ended;
	struct error error; /* with ended */
	/* Own events that were pending when it was opened, to be appended. */
	struct event **pending; /* owned; NULL where one came in the log */
	size_t n_pending, pending_at;
	uint64_t n_delivered;
	struct event *current; /* owned: what the reader was given last */
	struct event_view view;
};

void events_drop_page(struct lds_events *events, struct page *page);
void events_pack_close(struct lds_session *session, const struct lds_events *events);

#endif
