#ifndef LEADERD_UPSTREAM_WAIT_H
#define LEADERD_UPSTREAM_WAIT_H

/*
 * Who waits: requests that are answered when the store has caught up with its
 * backend, or when an errand is done, or when their time is over.
 */

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/error.h"

struct daemon;
struct peer;
struct upstream;

#define UPSTREAM_WAITS_MAX 64u              /* requests that wait for one store */
#define UPSTREAM_WAIT_MS_DEFAULT 30000u     /* a request that names no time */
#define UPSTREAM_WAIT_MS_MAX 86400000u      /* a day: the largest time that a request may name */

enum upstream_wait_kind { WAIT_SYNC, WAIT_ERRAND };

struct upstream_wait {
	LIST_ENTRY(upstream_wait) link;
	struct upstream *upstream;
	enum upstream_wait_kind kind;
	struct peer *peer; /* borrowed; forgotten before it goes */
	uint64_t number;   /* of the request */
	struct event *deadline;
};

LIST_HEAD(upstream_wait_list, upstream_wait);

/* The request is answered later. FULL, NO_MEMORY. */
int upstream_wait_add(struct upstream *upstream, enum upstream_wait_kind kind, struct peer *peer, uint64_t number,
                      uint32_t timeout_ms, struct error *error);
/* The machine has moved: answers who waited for this. */
void upstream_wait_check(struct upstream *upstream);
/* Answers all of a kind; code 0: it is done. */
void upstream_wait_finish(struct upstream *upstream, enum upstream_wait_kind kind, const struct error *outcome);
/* The peer goes: nobody waits there any more. */
void upstream_wait_forget(struct daemon *daemon, const struct peer *peer);
void upstream_wait_drop_all(struct upstream *upstream);

#endif
