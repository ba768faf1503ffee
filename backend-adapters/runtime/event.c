/*
 * Events at an adapter: as bytes for the backend, and a batch looked at before
 * the backend sees it.
 */

#include <inttypes.h>

#include "proto/backend_wire.h"
#include "runtime/runtime.h"
#include "model/unit.h"
#include "store/hash.h"

size_t adapter_event_bytes(const struct event *event) {
	return backend_event_bytes(event);
}

int adapter_event_pack(struct bytes *out, const struct event *event) {
	return backend_event_write(out, event);
}

/* What a backend gives back was whole when it was written: anything else is damage. */
int adapter_event_unpack(struct event **ret, const void *data, size_t n, struct error *error) {
	int r = backend_event_read(ret, data, n, error);

	if (r == 0 || r == ERROR_NO_MEMORY)
		return r;
	error_prefix(error, "an event in the backend");
	if (error != NULL)
		error->code = ERROR_CORRUPT;
	return ERROR_CORRUPT;
}

static int check_link(const struct event *event, uint64_t global, struct hash *chain, struct error *error) {
	struct hash expected;

	if (event->entry.at.global != global)
		return error_set(error, ERROR_INVALID, "the batch held e%" PRIu64 " where e%" PRIu64 " was expected",
		                 event->entry.at.global, global);
	hash_chain(&expected, chain, event->entry.at, &event->entry.content);
	if (!hash_equal(&expected, &event->chain_hash))
		return error_set(error, ERROR_INVALID, "the chain hash of e%" PRIu64 " did not follow from its parent's",
		                 global);
	*chain = expected;
	return 0;
}

int runtime_check_batch(const struct adapter_push *push, struct error *error) {
	struct unit_walk walk = { 0 };
	struct hash chain = push->parent.chain_hash;
	int r = 0;

	for (size_t i = 0; r == 0 && i < push->n_events; i++) {
		r = check_link(push->events[i], push->parent.global + 1 + i, &chain, error);
		if (r == 0)
			r = unit_walk_next(&walk, &push->events[i]->entry, error);
	}
	return r < 0 ? r : unit_walk_end(&walk, error);
}
