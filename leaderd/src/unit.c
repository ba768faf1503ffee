/* A unit under way; see unit.h. */

#include "leaderd/src/unit.h"

#include <stdlib.h>

#include "base/must.h"

struct unit *unit_destroy(struct unit *unit) {
	if (!unit)
		return NULL;
	for (size_t i = 0; unit->events && i < unit->n_events; i++)
		event_destroy(unit->events[i]);
	free(unit->events);
	free(unit->entries);
	free(unit->replaces);
	free(unit);
	return NULL;
}

static struct unit *unit_create(size_t n_events) {
	struct unit *unit = calloc(1, sizeof(*unit));

	if (!unit)
		return NULL;
	unit->n_events = n_events;
	unit->events = calloc(n_events, sizeof(struct event *));
	unit->entries = calloc(n_events, sizeof(*unit->entries));
	return unit->events && unit->entries ? unit : unit_destroy(unit);
}

static void put(struct unit *unit, size_t i, struct event *event) {
	unit->events[i] = event;
	unit->entries[i] = event->entry;
	unit->args_bytes += event->args_bytes;
}

int unit_from_push(struct unit **ret, const Leaderd__Push *push, struct error *error) {
	struct unit *unit = unit_create(push->n_events);

	if (!unit)
		return error_no_memory(error);
	for (size_t i = 0; i < push->n_events; i++) {
		struct event *event;
		int r = wire_event_unpack(&event, push->events[i], error);

		if (r < 0) {
			unit_destroy(unit);
			return r;
		}
		put(unit, i, event);
	}
	*ret = unit;
	return 0;
}

int unit_from_events(struct unit **ret, struct event *const *events, size_t n_events, struct error *error) {
	struct unit *unit = unit_create(n_events);

	if (!unit)
		return error_no_memory(error);
	for (size_t i = 0; i < n_events; i++)
		put(unit, i, events[i]);
	*ret = unit;
	return 0;
}

void unit_place(struct unit *unit, const struct entry *placed, uint64_t generation) {
	for (size_t i = 0; i < unit->n_events; i++) {
		struct event *event = unit->events[i];

		must(event_id_equal(&event->entry.id, &placed[i].id));
		/* An earlier try may have placed it elsewhere: that was never anybody's place. */
		event->n_origins = 0;
		event->entry.at = position_is_root(unit->entries[i].at) ? placed[i].at : unit->entries[i].at;
		event_move(event, placed[i].at, generation);
	}
}
