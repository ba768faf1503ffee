#ifndef LEADERD_SESSION_EVENT_VIEW_H
#define LEADERD_SESSION_EVENT_VIEW_H

/*
 * An event as the public headers show it. The view borrows from the event it was
 * filled from, and holds what has no other place.
 */

#include <stdbool.h>

#include "leaderd/session.h"
#include "model/event.h"

struct event_view {
	struct lds_event event;
	struct lds_position origins[ORIGINS_MAX];
	char hlc[HLC_TEXT_BYTES];
};

void event_view_fill(struct event_view *view, const struct event *event, bool confirmed, bool pending);

/* Is what stands at `at` confirmed, given the backend's head? A client-only event
 * is when the synced event that it follows is. */
bool event_is_confirmed(struct position at, bool has_backend, struct position backend);

#endif
