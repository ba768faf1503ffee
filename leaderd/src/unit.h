#ifndef LEADERD_UNIT_H
#define LEADERD_UNIT_H

/*
 * A unit under way: pushed, not yet durable. Units wait in the group of their
 * store in the order of arrival until the step that took them is durable; when
 * that step is abandoned they are given again, as they came.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/error.h"
#include "model/event.h"
#include "proto/wire.h"

struct leader_session;

struct unit {
	STAILQ_ENTRY(unit) link;
	struct event **events; /* owned; their placement is the newest try's */
	struct entry *entries; /* owned; placed as the session had them */
	size_t n_events;
	size_t args_bytes;
	struct leader_session *session; /* borrowed; NULL when its connection is gone, or for a retry */
	struct event_id *replaces;      /* owned: the refused events that this unit is a retry of; NULL: a push */
	bool appended;                  /* in the newest try */
	bool refused;
	struct error reason; /* of the refusal */
};

STAILQ_HEAD(unit_list, unit);

/* A checked push becomes a unit. The caller owns *ret. */
int unit_from_push(struct unit **ret, const Leaderd__Push *push, struct error *error);
/* Takes the events of *one* unit, in order. On failure they stay with the caller. */
int unit_from_events(struct unit **ret, struct event *const *events, size_t n_events, struct error *error);
struct unit *unit_destroy(struct unit *unit); /* accepts NULL; returns NULL */

/* Places the events as the machine says; where that differs from the session's own
 * place, it becomes an origin. Can be repeated. */
void unit_place(struct unit *unit, const struct entry *placed, uint64_t generation);

#endif
