#ifndef LEADERD_SESSION_PENDING_H
#define LEADERD_SESSION_PENDING_H

/*
 * The pending events in full. The machine knows their order; here they are
 * found by id, and those that the socket has not taken stand in a queue.
 */

#define HASH_NONFATAL_OOM 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uthash.h>

#include "model/event.h"

struct pending_event {
	struct event *event; /* owned; its digest is that of its newest application here */
	bool queued;         /* not packed into a frame yet */
	bool runs_away;      /* its unit was over the step budget in a replay: under this schema it is not tried again */
	TAILQ_ENTRY(pending_event) queue;
	UT_hash_handle hh;
};

TAILQ_HEAD(pending_queue, pending_event);

struct pending_table {
	struct pending_event *by_id;
	struct pending_queue queue; /* units whole and in order */
	uint64_t queued_bytes;      /* what the queue's frames will need, about */
	uint64_t args_bytes;        /* of all events here */
};

void pending_table_init(struct pending_table *table);
void pending_table_finish(struct pending_table *table);

/* Takes the event on success; ERROR_NO_MEMORY leaves it with the caller. */
int pending_add(struct pending_table *table, struct event *event);
struct pending_event *pending_find(const struct pending_table *table, const struct event_id *id); /* or NULL */
void pending_remove(struct pending_table *table, struct pending_event *pending);                  /* frees it */

void pending_enqueue(struct pending_table *table, struct pending_event *pending); /* nothing if queued */
void pending_dequeue(struct pending_table *table, struct pending_event *pending); /* nothing if not */
void pending_dequeue_all(struct pending_table *table);

/* What an event's part of a frame needs, about: an upper bound. */
size_t pending_frame_bytes(const struct event *event);

#endif
