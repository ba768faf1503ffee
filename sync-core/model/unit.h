#ifndef LEADERD_MODEL_UNIT_H
#define LEADERD_MODEL_UNIT_H

/*
 * Units lie side by side, whole: in a push, in a feed page, in a pulled page, in
 * the log. A unit_walk is shown one event after the other and says at once when
 * one does not belong where it stands.
 */

#include <stddef.h>

#include "base/error.h"
#include "model/event.h"

struct unit_walk {
	struct entry first; /* of the unit under way */
	uint32_t seen;      /* of its events; first.unit_count when it is whole, 0 before the first unit */
};

/* ERROR_INVALID, naming the event by its place in its unit. */
int unit_walk_next(struct unit_walk *walk, const struct entry *entry, struct error *error);
int unit_walk_end(const struct unit_walk *walk, struct error *error); /* is the last one whole? */

int units_check(const struct entry *entries, size_t n, struct error *error);

#endif
