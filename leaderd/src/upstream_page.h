#ifndef LEADERD_UPSTREAM_PAGE_H
#define LEADERD_UPSTREAM_PAGE_H

/*
 * A page of the backend's log on its way to the leader's machine: events with
 * everything that merge wants to know of them.
 *
 * The content hash is made here, the chain hash is compared with the one that
 * follows from the event before; what an id is known as, the log says. A page is
 * made of an adapter's message, or of our own rows, when the backend accepted
 * them: then it is by the hash that the backend read back that it is a page.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "model/merge.h"
#include "model/upstream_step.h"
#include "proto/backend_wire.h"

struct leader;

/* A point of the backend's log: a synced event, its chain hash, and where the backend finds it. */
struct upstream_point {
	uint64_t global;          /* 0: before the first event */
	struct hash chain_hash;   /* zero at 0 */
	uint8_t cursor[BACKEND_CURSOR_BYTES_MAX];
	size_t cursor_bytes;
};

struct upstream_page {
	struct event **events;     /* owned */
	struct incoming *incoming; /* owned, parallel */
	size_t n;
	struct upstream_point end;
	bool more;
	bool adopt;                /* of a history that is to replace ours from adopt_from on */
	struct position adopt_from;
};

void upstream_point_get(struct upstream_point *ret, const Leaderd__BackendPoint *message);
void upstream_point_set(Leaderd__BackendPoint *ret, const struct upstream_point *point); /* borrows */
/* The leader's confirmed head. */
int upstream_point_confirmed(struct upstream_point *ret, struct leader *leader, struct error *error);
/* The chain hash of our row at `global`; zero at root. ERROR_NOT_FOUND. */
int upstream_chain_hash_at(struct hash *ret, struct leader *leader, uint64_t global, struct error *error);

/* Of a message: the events behind `after`. ERROR_PROTOCOL if its end is not its last event. */
int upstream_page_read(struct upstream_page *ret, struct leader *leader, const Leaderd__Page *message,
                       const struct upstream_point *after, struct error *error);
/* Of our own rows behind the confirmed head, up to `end`, which the backend has
 * accepted. ERROR_CONFLICT if our row there has another chain hash. */
int upstream_page_of_log(struct upstream_page *ret, struct leader *leader, const struct upstream_point *end,
                         struct error *error);
void upstream_page_finish(struct upstream_page *page);

/* Takes the first `n` events off. */
void upstream_page_drop_front(struct upstream_page *page, size_t n);

/* Gives it to the leader and performs what comes of it. MERGED_FAILED: nothing has
 * changed, the environment failed; MERGED_WRONG: the page contradicts the log. Both say why. */
enum upstream_merged upstream_page_merge(struct leader *leader, const struct upstream_page *page, struct error *why);

#endif
