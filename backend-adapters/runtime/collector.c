/* A page under way; see collector.h. */

#include "runtime/collector.h"

#include <stdlib.h>

void collector_finish(struct collector *collector) {
	for (size_t i = 0; i < collector->n; i++)
		event_destroy(collector->events[i]);
	free(collector->events);
}

int collector_add(struct collector *collector, struct event *event, struct error *error) {
	if (collector->n == collector->allocated) {
		size_t allocated = collector->allocated == 0 ? 64 : 2 * collector->allocated;
		struct event **events = realloc(collector->events, allocated * sizeof(struct event *));

		if (events == NULL)
			return error_no_memory(error);
		collector->events = events;
		collector->allocated = allocated;
	}
	collector->events[collector->n++] = event;
	collector->bytes += adapter_event_bytes(event);
	collector->unit_ended = event->entry.unit_index + 1 == event->entry.unit_count;
	return 0;
}

bool collector_end_unit(struct collector *collector) {
	const struct adapter_pull *pull = collector->pull;
	bool fits = collector->n <= pull->events_max && collector->bytes <= pull->bytes_max;

	if (!fits && collector->n_whole > 0)
		return false;
	collector->n_whole = collector->n;
	return true;
}

bool collector_is_full(const struct collector *collector) {
	const struct adapter_pull *pull = collector->pull;

	return collector->n_whole > 0 && (collector->n >= pull->events_max || collector->bytes >= pull->bytes_max);
}

void collector_cut(struct collector *collector) {
	while (collector->n > collector->n_whole)
		event_destroy(collector->events[--collector->n]);
}
