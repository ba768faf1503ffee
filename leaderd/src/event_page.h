#ifndef LEADERD_EVENT_PAGE_H
#define LEADERD_EVENT_PAGE_H

/*
 * A page of events, read from a log and made into messages: what feeds, event
 * streams and chains are sent by. The daemon has one, since all of them happen
 * one after another; it remembers what it holds, so that sessions that stand at
 * the same place of the same log share one reading.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/limits.h"
#include "model/event.h"
#include "proto/wire.h"
#include "store/eventlog.h"

struct leader;

struct event_page {
	struct event *events[PAGE_EVENTS_MAX]; /* owned */
	size_t n;
	struct position last; /* the log was searched up to here */
	/* Whose feed page this is: leader NULL means it is nobody's. */
	const struct leader *leader;
	uint64_t log_serial;
	struct position after;
	Leaderd__Event messages[PAGE_EVENTS_MAX];
	Leaderd__Event *list[PAGE_EVENTS_MAX];
	uint64_t origins[PAGE_EVENTS_MAX][2 * ORIGINS_MAX];
};

struct event_page *event_page_create(void);                     /* NULL: no memory */
struct event_page *event_page_destroy(struct event_page *page); /* accepts NULL; returns NULL */
void event_page_clear(struct event_page *page);

/* Reads a page by any query. */
int event_page_read(struct event_page *page, struct eventlog *log, const struct eventlog_query *query,
                    struct error *error);
/* Reads the feed's page behind `after`: everything, up to what has been told. */
int event_page_of_feed(struct event_page *page, const struct leader *leader, struct position after,
                       struct error *error);

/* Makes the messages: all of them full, or short where `may_be_short` says so. */
void event_page_pack(struct event_page *page, bool (*may_be_short)(const struct event *event, const void *data),
                     const void *data);

#endif
