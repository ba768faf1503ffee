#ifndef LEADERD_UPSTREAM_PUSH_H
#define LEADERD_UPSTREAM_PUSH_H

/*
 * Batches for the backend: the next whole units of our log behind a point, as many
 * as the adapter takes at once.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "leaderd/src/upstream_page.h"
#include "proto/backend_wire.h"

struct leader;

/* What the backend takes in one push; known once its adapter has opened it. */
struct upstream_limits {
	bool known;
	uint32_t batch_events_max;
	uint64_t batch_bytes_max, event_bytes_max;
};

struct upstream_batch {
	struct event **events; /* owned; whole units */
	size_t n, bytes;
	Leaderd__Event *messages, **list; /* owned; borrow from the events */
};

/* The synced units behind `after`, up to `until`; there is at least one. TOO_LARGE
 * names a unit that no batch can hold. */
int upstream_batch_read(struct upstream_batch *ret, struct leader *leader, const struct upstream_limits *limits,
                        uint64_t after, uint64_t until, struct error *error);
void upstream_batch_finish(struct upstream_batch *batch);

/* Fills the message, which borrows from batch and parent. */
void upstream_batch_pack(Leaderd__PushBatch *ret, const struct upstream_batch *batch,
                         const Leaderd__BackendPoint *parent);

/* Could the backend ever take this unit, its events placed? ERROR_REFUSED says why not. */
int upstream_unit_check(const struct upstream_limits *limits, struct event *const *events, size_t n,
                        struct error *error);

#endif
