#ifndef LEADERD_MODEL_POSITION_H
#define LEADERD_MODEL_POSITION_H

/*
 * A position: the place of an event in a log.
 *
 * A synced event stands at {global, 0}, a client-only event at {global, n}
 * behind the synced event `global`. Order is by global, then client. Root,
 * {0, 0}, stands before every event and is none itself.
 *
 * The parent follows from the position, so it is never stored: that of a
 * synced event is the synced event before it, that of a client-only event its
 * predecessor.
 */

#include <stdbool.h>
#include <stdint.h>

struct position {
	uint64_t global; /* 0 (root) to INT64_MAX */
	uint64_t client; /* 0: a synced event, or root */
};

#define POSITION_ROOT ((struct position){ 0, 0 })

int position_compare(struct position a, struct position b); /* <0, 0, >0 */
bool position_equal(struct position a, struct position b);
bool position_is_root(struct position p);
bool position_is_client_only(struct position p);
struct position position_parent(struct position p); /* p is not root */

/* The place of the next event behind `head`: {global + 1, 0}, or for a
 * client-only event {global, client + 1}. */
struct position position_next(struct position head, bool client_only);

#endif
