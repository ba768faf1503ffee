/* Views of events; and the notation of what they show. */

#include "event_view.h"

#include <stdio.h>
#include <string.h>

#include "model/notation.h"

bool event_is_confirmed(struct position at, bool has_backend, struct position backend) {
	return has_backend && at.global <= backend.global;
}

static struct lds_position position_view(struct position at) {
	return (struct lds_position){ at.global, at.client };
}

void event_view_fill(struct event_view *view, const struct event *event, bool confirmed, bool pending) {
	const struct entry *entry = &event->entry;
	struct lds_event *e = &view->event;

	*e = (struct lds_event){
		.size = sizeof(*e),
		.name = event->name,
		.version = event->version,
		.args = event->args,
		.args_bytes = event->args_bytes,
		.unit_index = entry->unit_index,
		.unit_count = entry->unit_count,
		.position = position_view(entry->at),
		.generation = event->generation,
		.origins = view->origins,
		.n_origins = event->n_origins,
		.client_only = entry->client_only,
		.confirmed = confirmed,
		.pending = pending,
		.client_id = event->client_id,
		.session_id = event->session_id,
		.hlc = view->hlc,
		.time_ms = event->hlc.time_ms,
	};
	if (!position_is_root(entry->at))
		e->parent = position_view(position_parent(entry->at));
	memcpy(e->id.bytes, entry->id.bytes, sizeof(e->id.bytes));
	memcpy(e->unit.bytes, entry->unit.bytes, sizeof(e->unit.bytes));
	for (uint32_t i = 0; i < event->n_origins; i++)
		view->origins[i] = position_view(event->origins[i]);
	hlc_print(view->hlc, event->hlc, event->client_id, event->session_id);
}

size_t lds_event_notation(char *ret_text, size_t bytes, const struct lds_event *event, const char *node,
                          unsigned flags) {
	char text[NOTATION_BYTES_MAX];
	struct notation notation = { 0 };
	size_t n;

	if (!event)
		return 0;
	snprintf(notation.node, sizeof(notation.node), "%s", node ? node : "");
	notation.at = (struct position){ event->position.global, event->position.client };
	notation.unconfirmed = !event->confirmed;
	notation.has_generation = flags & LDS_NOTATION_GENERATION;
	notation.generation = event->generation;
	if ((flags & LDS_NOTATION_NAME) && event->name)
		snprintf(notation.context, sizeof(notation.context), "%s", event->name);
	for (size_t i = 0; !event->confirmed && !(flags & LDS_NOTATION_NO_ORIGINS) && i < event->n_origins; i++) {
		if (i >= ORIGINS_MAX)
			break;
		notation.origins[notation.n_origins++] =
			(struct position){ event->origins[i].global, event->origins[i].client };
	}
	n = notation_print(text, &notation);
	if (ret_text && bytes > 0)
		snprintf(ret_text, bytes, "%s", text);
	return n;
}
