#ifndef LEADERD_ADAPTER_COLLECTOR_H
#define LEADERD_ADAPTER_COLLECTOR_H

/*
 * A page under way, for backends that are read event by event: it holds whole
 * units within the pull's bounds, and the first unit always. Zeroed, with `pull`
 * set, is empty.
 */

#include "runtime/adapter.h"

struct collector {
	const struct adapter_pull *pull; /* borrowed */
	struct event **events;           /* owned, with their array, until a page takes them */
	size_t n, allocated;
	size_t bytes;
	size_t n_whole;  /* the whole units that make the page */
	bool unit_ended; /* with the newest event */
};

void collector_finish(struct collector *collector);
/* Takes the event on success; NO_MEMORY. */
int collector_add(struct collector *collector, struct event *event, struct error *error);
/* Behind the last event of a unit: does the page take it? */
bool collector_end_unit(struct collector *collector);
/* Nothing more fits. */
bool collector_is_full(const struct collector *collector);
/* What came too much is left for the next page. */
void collector_cut(struct collector *collector);

#endif
