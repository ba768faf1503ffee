#ifndef LEADERD_CHORES_H
#define LEADERD_CHORES_H

/*
 * Chores: what a store needs done off the commit path: checkpoints of both
 * databases, and the marks of refusals that their sessions have reported.
 */

#include <event2/util.h>
#include <stdbool.h>

struct leader;

/* Sees to it that they are done in a moment, if there are any. */
void chores_plan(struct leader *leader);
/* The timer's callback; `data` is the leader. */
void chores_run(evutil_socket_t fd, short what, void *data);

/* In a transaction of their own; a group commit takes them along for nothing. */
void chores_mark_refusals(struct leader *leader);

/* No step is open, and nothing keeps the store from being written. */
bool chores_can_write(const struct leader *leader);

#endif
