/* The table of pending events. */

#include "pending.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define FRAME_OVERHEAD_BYTES 420u /* ids, position, origins, clock, client and session id, tags, at most */

void pending_table_init(struct pending_table *table) {
	*table = (struct pending_table){ 0 };
	TAILQ_INIT(&table->queue);
}

void pending_table_finish(struct pending_table *table) {
	struct pending_event *pending, *next;

	HASH_ITER(hh, table->by_id, pending, next)
		pending_remove(table, pending);
}

int pending_add(struct pending_table *table, struct event *event) {
	struct pending_event *pending = calloc(1, sizeof(*pending));

	if (!pending)
		return ERROR_NO_MEMORY;
	pending->event = event;
	HASH_ADD_KEYPTR(hh, table->by_id, &event->entry.id, sizeof(event->entry.id), pending);
	if (!pending->hh.tbl) {
		free(pending);
		return ERROR_NO_MEMORY;
	}
	table->args_bytes += event->args_bytes;
	return 0;
}

struct pending_event *pending_find(const struct pending_table *table, const struct event_id *id) {
	struct pending_event *pending;

	HASH_FIND(hh, table->by_id, id, sizeof(*id), pending);
	return pending;
}

void pending_remove(struct pending_table *table, struct pending_event *pending) {
	pending_dequeue(table, pending);
	table->args_bytes -= pending->event->args_bytes;
	HASH_DEL(table->by_id, pending);
	event_destroy(pending->event);
	free(pending);
}

void pending_enqueue(struct pending_table *table, struct pending_event *pending) {
	if (pending->queued)
		return;
	pending->queued = true;
	table->queued_bytes += pending_frame_bytes(pending->event);
	TAILQ_INSERT_TAIL(&table->queue, pending, queue);
}

void pending_dequeue(struct pending_table *table, struct pending_event *pending) {
	if (!pending->queued)
		return;
	pending->queued = false;
	table->queued_bytes -= pending_frame_bytes(pending->event);
	TAILQ_REMOVE(&table->queue, pending, queue);
}

void pending_dequeue_all(struct pending_table *table) {
	while (!TAILQ_EMPTY(&table->queue))
		pending_dequeue(table, TAILQ_FIRST(&table->queue));
}

size_t pending_frame_bytes(const struct event *event) {
	return FRAME_OVERHEAD_BYTES + strlen(event->name) + event->args_bytes;
}
