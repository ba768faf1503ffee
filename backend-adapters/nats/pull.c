/* Pull: messages behind a spot, opened up into whole units. */

#include <inttypes.h>
#include <stdlib.h>

#include "nats/jetstream.h"

struct collector {
	const struct adapter_pull *pull;
	struct event **events;
	size_t n, allocated;
	size_t bytes;
	size_t n_whole;       /* the whole units that make the page */
	bool unit_ended;      /* with the newest event */
	struct nats_spot end; /* of the page, the newest whole unit's */
	uint64_t expected;    /* the next event's position */
};

static void collector_finish(struct collector *collector) {
	for (size_t i = 0; i < collector->n; i++)
		event_destroy(collector->events[i]);
	free(collector->events);
}

static int collector_add(struct collector *collector, struct event *event, struct error *error) {
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

/* What came too much is left for the next page. */
static void collector_cut(struct collector *collector) {
	while (collector->n > collector->n_whole)
		event_destroy(collector->events[--collector->n]);
}

/* 1: the page is full. */
static int collector_end_unit(struct collector *collector, uint64_t sequence, const struct nats_batch *batch) {
	const struct adapter_pull *pull = collector->pull;
	const struct event *last = collector->events[collector->n - 1];
	bool fits = collector->n <= pull->events_max && collector->bytes <= pull->bytes_max;

	if (fits || collector->n_whole == 0) {
		collector->n_whole = collector->n;
		collector->end = (struct nats_spot){
			.sequence = sequence,
			.global = last->entry.at.global,
			.message_last = batch->last,
			.chain_hash = last->chain_hash,
		};
	}
	return collector->n >= pull->events_max || collector->bytes >= pull->bytes_max ? 1 : 0;
}

/* One event of a message; those before the spot were in a page before. 1: the page is full. */
static int collect_event(struct collector *collector, uint64_t sequence, const struct nats_batch *batch, size_t *offset,
                         struct error *error) {
	struct event *event;
	int r = message_read_event(batch, offset, &event, error);

	if (r < 0)
		return r;
	if (event->entry.at.global < collector->expected) {
		event_destroy(event);
		return 0;
	}
	if (event->entry.at.global != collector->expected || event->entry.at.global > batch->last)
		r = error_set(error, ERROR_CORRUPT, "message %" PRIu64 " held e%" PRIu64 " where e%" PRIu64 " was expected",
		              sequence, event->entry.at.global, collector->expected);
	else
		r = collector_add(collector, event, error);
	if (r < 0) {
		event_destroy(event);
		return r;
	}
	collector->expected++;
	return collector->unit_ended ? collector_end_unit(collector, sequence, batch) : 0;
}

static int check_follows(const struct nats_batch *batch, const struct collector *collector, uint64_t sequence,
                         const struct hash *parent, struct error *error) {
	if (batch->first > collector->expected || batch->last < collector->expected ||
	    (batch->first == collector->expected && collector->expected > 1 && !hash_equal(&batch->parent, parent)))
		return error_set(error, ERROR_CORRUPT, "message %" PRIu64 " does not follow from e%" PRIu64, sequence,
		                 collector->expected - 1);
	return 0;
}

/* 1: the page is full. */
static int collect_message(struct nats_backend *backend, struct collector *collector, uint64_t sequence,
                           struct hash *parent, struct error *error) {
	struct nats_batch batch;
	size_t offset = 0;
	natsMsg *message;
	int r = reader_get(backend, sequence, backend->head.sequence, &message, error);

	if (r == 0)
		r = message_read_batch(message, sequence, &batch, error);
	if (r == 0)
		r = check_follows(&batch, collector, sequence, parent, error);
	while (r == 0 && offset < batch.n)
		r = collect_event(collector, sequence, &batch, &offset, error);
	if (r == 0 && (collector->expected != batch.last + 1 || !collector->unit_ended))
		r = error_set(error, ERROR_CORRUPT, "message %" PRIu64 " is not whole", sequence);
	if (r == 0)
		*parent = batch.chain_hash;
	return r;
}

static int read_page(struct nats_backend *backend, const struct adapter_pull *pull, const struct nats_spot *after,
                     struct adapter_page *page, struct error *error) {
	struct collector collector = { .pull = pull, .end = *after, .expected = after->global + 1 };
	uint64_t sequence = after->global < after->message_last ? after->sequence : after->sequence + 1;
	struct hash parent = after->chain_hash;
	int r = 0;

	for (; r == 0 && sequence <= backend->head.sequence; sequence++)
		r = collect_message(backend, &collector, sequence, &parent, error);
	if (r < 0) {
		collector_finish(&collector);
		return r;
	}
	collector_cut(&collector);
	page->events = collector.events;
	page->n_events = collector.n;
	if (collector.n > 0)
		log_point(&page->end, &collector.end);
	page->more = collector.end.global < backend->head.global;
	backend->read = collector.end;
	if (!page->more)
		reader_rest(&backend->reader);
	return 0;
}

int nats_pull(void *data, const struct adapter_pull *pull, struct adapter_page *ret, struct error *error) {
	struct nats_backend *backend = data;
	struct adapter_page page = { .end = pull->after };
	struct nats_spot after;
	int r;

	server_begin(backend);
	r = log_find(backend, &pull->after, &after, page.reason, sizeof(page.reason), error);
	if (r < 0)
		return r;
	log_point(&page.head, &backend->head);
	page.diverged = r == 0;
	if (r == 1)
		r = read_page(backend, pull, &after, &page, error);
	if (r < 0)
		return r;
	*ret = page;
	return 0;
}
