/*
 * Events among themselves: no definition twice, and every older one leads, by
 * `becomes`, to one that has a materializer.
 */

#include "store/schema_private.h"

#include <string.h>

static int check_unique(const struct schema *schema, size_t index, const char *label, struct error *error) {
	const struct schema_event *event = &schema->events[index];

	for (size_t i = 0; i < index; i++)
		if (schema->events[i].version == event->version && strcmp(schema->events[i].name, event->name) == 0)
			return schema_violation(error, label, event->line, "event %s@%u is defined already on line %u", event->name,
			                        event->version, schema->events[i].line);
	return 0;
}

static int link_event(struct schema *schema, struct schema_event *event, const char *label, struct error *error) {
	const struct schema_event *newest = schema_find_event(schema, event->name, 0);
	const struct schema_event *target;

	if (!event->becomes) {
		if (newest == event)
			return 0;
		return schema_violation(error, label, event->line,
		                        "event %s@%u needs a 'becomes', for there is %s@%u on line %u", event->name,
		                        event->version, newest->name, newest->version, newest->line);
	}
	target = schema_find_event(schema, event->becomes, event->becomes_version);
	if (!target && event->becomes_version)
		return schema_violation(error, label, event->line, "event %s@%u becomes %s@%u, which is not defined",
		                        event->name, event->version, event->becomes, event->becomes_version);
	if (!target)
		return schema_violation(error, label, event->line, "event %s@%u becomes %s, which is not defined", event->name,
		                        event->version, event->becomes);
	if (target->client_only != event->client_only)
		return schema_violation(error, label, event->line, "event %s@%u is %s, but what it becomes, %s@%u, is %s",
		                        event->name, event->version, event->client_only ? "client-only" : "synced",
		                        target->name, target->version, target->client_only ? "client-only" : "synced");
	event->becomes_version = target->version;
	event->becomes_index = (size_t)(target - schema->events);
	return 0;
}

/* More steps than the bound may also mean a circle; both never end well. */
static int follow(const struct schema *schema, const struct schema_event *event, const char *label,
                  struct error *error) {
	const struct schema_event *at = event;

	for (unsigned n = 0; at->becomes; n++) {
		at = &schema->events[at->becomes_index];
		if (at == event)
			return schema_violation(error, label, event->line, "event %s@%u becomes itself again", event->name,
			                        event->version);
		if (n == SCHEMA_LIFTS_MAX)
			return schema_violation(error, label, event->line, "event %s@%u is lifted more than %u times", event->name,
			                        event->version, SCHEMA_LIFTS_MAX);
	}
	return 0;
}

int schema_link_events(struct schema *schema, const char *label, struct error *error) {
	int r = 0;

	for (size_t i = 0; r == 0 && i < schema->n_events; i++)
		r = check_unique(schema, i, label, error);
	for (size_t i = 0; r == 0 && i < schema->n_events; i++)
		r = link_event(schema, &schema->events[i], label, error);
	for (size_t i = 0; r == 0 && i < schema->n_events; i++)
		r = follow(schema, &schema->events[i], label, error);
	return r;
}
