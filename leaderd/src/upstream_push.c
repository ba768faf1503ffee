/* Batches for the backend; see upstream_push.h. */

#include "leaderd/src/upstream_push.h"

#include <stdlib.h>
#include <string.h>

#include "leaderd/src/leader.h"

#define CHAIN_HASH_MESSAGE_BYTES 35u /* of a packed event, and what its length may grow by */

/* ---- bounds ------------------------------------------------------------------------- */

static size_t events_max(const struct upstream_limits *limits) {
	return limits->batch_events_max < UNIT_EVENTS_MAX ? limits->batch_events_max : UNIT_EVENTS_MAX;
}

static size_t bytes_max(const struct upstream_limits *limits) {
	return limits->batch_bytes_max < BACKEND_BATCH_BYTES_MAX ? limits->batch_bytes_max : BACKEND_BATCH_BYTES_MAX;
}

int upstream_unit_check(const struct upstream_limits *limits, struct event *const *events, size_t n,
                        struct error *error) {
	size_t all = 0;

	if (!limits->known || events[0]->entry.client_only)
		return 0;
	for (size_t i = 0; i < n; i++) {
		size_t bytes = backend_event_bytes(events[i]) + CHAIN_HASH_MESSAGE_BYTES;

		all += bytes;
		if (bytes > limits->event_bytes_max)
			return error_set(error, ERROR_REFUSED, "the event has %zu bytes, the backend takes %llu", bytes,
			                 (unsigned long long)limits->event_bytes_max);
	}
	if (n > events_max(limits) || all > bytes_max(limits))
		return error_set(error, ERROR_REFUSED, "the unit has %zu events and %zu bytes, the backend takes %zu and %zu", n,
		                 all, events_max(limits), bytes_max(limits));
	return 0;
}

/* ---- reading ---------------------------------------------------------------------------- */

static void drop_from(struct upstream_batch *batch, size_t n) {
	while (batch->n > n)
		event_destroy(batch->events[--batch->n]);
}

void upstream_batch_finish(struct upstream_batch *batch) {
	drop_from(batch, 0);
	free(batch->events);
	free(batch->messages);
	free(batch->list);
	*batch = (struct upstream_batch){ 0 };
}

static int allocate(struct upstream_batch *batch, size_t n, struct error *error) {
	batch->events = calloc(n, sizeof(struct event *));
	batch->messages = calloc(n, sizeof(*batch->messages));
	batch->list = calloc(n, sizeof(Leaderd__Event *));
	return batch->events && batch->messages && batch->list ? 0 : error_no_memory(error);
}

/* One search more behind *searched, which moves on; false in *ret_more when the log
 * has no more, or the batch no room. */
static int read_more(struct upstream_batch *batch, struct leader *leader, struct position *searched, uint64_t until,
                     const struct upstream_limits *limits, bool *ret_more, struct error *error) {
	struct eventlog_query query = { .after = *searched, .has_until = true, .until = { until, 0 },
		                            .n_max = PAGE_EVENTS_MAX, .bytes_max = PAGE_BYTES_MAX };
	size_t n = 0, room = events_max(limits) - batch->n;

	*ret_more = false;
	if (query.n_max > room)
		query.n_max = room;
	if (room == 0 || searched->global >= until)
		return 0;
	int r = eventlog_read(leader->store->log, &query, batch->events + batch->n, &n, searched, error);
	for (size_t i = 0; r == 0 && i < n; i++)
		batch->bytes += backend_event_bytes(batch->events[batch->n++]);
	*ret_more = r == 0 && !position_equal(*searched, query.after) && batch->bytes <= bytes_max(limits);
	return r;
}

/* The number of events up to which whole units fit. */
static size_t count_fitting(const struct upstream_batch *batch, const struct upstream_limits *limits) {
	size_t bytes = 0, n_whole = 0;

	for (size_t i = 0; i < batch->n; i++) {
		const struct entry *entry = &batch->events[i]->entry;

		bytes += backend_event_bytes(batch->events[i]);
		if (bytes > bytes_max(limits))
			break;
		if (entry->unit_index + 1 == entry->unit_count)
			n_whole = i + 1;
	}
	return n_whole;
}

static int cut_to_units(struct upstream_batch *batch, const struct upstream_limits *limits, struct error *error) {
	size_t n = count_fitting(batch, limits);

	if (batch->n == 0)
		return error_set(error, ERROR_CORRUPT, "the log has no events where pending ones should stand");
	if (n == 0)
		return error_set(error, ERROR_TOO_LARGE, "the unit of %u events at e%llu is more than the backend takes at once "
		                 "(%zu events, %zu bytes)", batch->events[0]->entry.unit_count,
		                 (unsigned long long)batch->events[0]->entry.at.global, events_max(limits), bytes_max(limits));
	drop_from(batch, n);
	return 0;
}

int upstream_batch_read(struct upstream_batch *ret, struct leader *leader, const struct upstream_limits *limits,
                        uint64_t after, uint64_t until, struct error *error) {
	struct upstream_batch batch = { 0 };
	struct position searched = { after, 0 };
	bool more = true;
	int r = allocate(&batch, events_max(limits), error);

	while (r == 0 && more)
		r = read_more(&batch, leader, &searched, until, limits, &more, error);
	if (r == 0)
		r = cut_to_units(&batch, limits, error);
	if (r < 0) {
		upstream_batch_finish(&batch);
		return r;
	}
	*ret = batch;
	return 0;
}

void upstream_batch_pack(Leaderd__PushBatch *ret, const struct upstream_batch *batch,
                         const Leaderd__BackendPoint *parent) {
	leaderd__push_batch__init(ret);
	for (size_t i = 0; i < batch->n; i++) {
		backend_event_pack(&batch->messages[i], batch->events[i]);
		batch->list[i] = &batch->messages[i];
	}
	ret->parent = (Leaderd__BackendPoint *)parent;
	ret->n_events = batch->n;
	ret->events = batch->list;
}
