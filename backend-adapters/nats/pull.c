/* Pull: messages behind a spot, opened up into whole units. */

#include <inttypes.h>

#include "nats/jetstream.h"
#include "runtime/collector.h"

/* A page from messages: where it ends, and what must come next. */
struct reading {
	struct collector collector;
	struct nats_spot end; /* of the page, the newest whole unit's */
	uint64_t expected;    /* the next event's position */
};

/* 1: the page is full. */
static int end_unit(struct reading *reading, uint64_t sequence, const struct nats_batch *batch) {
	struct collector *collector = &reading->collector;
	const struct event *last = collector->events[collector->n - 1];

	if (collector_end_unit(collector))
		reading->end = (struct nats_spot){
			.sequence = sequence,
			.global = last->entry.at.global,
			.message_last = batch->last,
			.chain_hash = last->chain_hash,
		};
	return collector_is_full(collector) ? 1 : 0;
}

/* One event of a message; those before the spot were in a page before. 1: the page is full. */
static int collect_event(struct reading *reading, uint64_t sequence, const struct nats_batch *batch, size_t *offset,
                         struct error *error) {
	struct event *event;
	int r = message_read_event(batch, offset, &event, error);

	if (r < 0)
		return r;
	if (event->entry.at.global < reading->expected) {
		event_destroy(event);
		return 0;
	}
	if (event->entry.at.global != reading->expected || event->entry.at.global > batch->last)
		r = error_set(error, ERROR_CORRUPT, "message %" PRIu64 " held e%" PRIu64 " where e%" PRIu64 " was expected",
		              sequence, event->entry.at.global, reading->expected);
	else
		r = collector_add(&reading->collector, event, error);
	if (r < 0) {
		event_destroy(event);
		return r;
	}
	reading->expected++;
	return reading->collector.unit_ended ? end_unit(reading, sequence, batch) : 0;
}

static int check_follows(const struct nats_batch *batch, const struct reading *reading, uint64_t sequence,
                         const struct hash *parent, struct error *error) {
	if (batch->first > reading->expected || batch->last < reading->expected ||
	    (batch->first == reading->expected && reading->expected > 1 && !hash_equal(&batch->parent, parent)))
		return error_set(error, ERROR_CORRUPT, "message %" PRIu64 " does not follow from e%" PRIu64, sequence,
		                 reading->expected - 1);
	return 0;
}

/* 1: the page is full. */
static int collect_message(struct nats_backend *backend, struct reading *reading, uint64_t sequence,
                           struct hash *parent, struct error *error) {
	struct nats_batch batch;
	size_t offset = 0;
	natsMsg *message;
	int r = reader_get(backend, sequence, backend->head.sequence, &message, error);

	if (r == 0)
		r = message_read_batch(message, sequence, &batch, error);
	if (r == 0)
		r = check_follows(&batch, reading, sequence, parent, error);
	while (r == 0 && offset < batch.n)
		r = collect_event(reading, sequence, &batch, &offset, error);
	if (r == 0 && (reading->expected != batch.last + 1 || !reading->collector.unit_ended))
		r = error_set(error, ERROR_CORRUPT, "message %" PRIu64 " is not whole", sequence);
	if (r == 0)
		*parent = batch.chain_hash;
	return r;
}

static int read_page(struct nats_backend *backend, const struct adapter_pull *pull, const struct nats_spot *after,
                     struct adapter_page *page, struct error *error) {
	struct reading reading = { .collector.pull = pull, .end = *after, .expected = after->global + 1 };
	uint64_t sequence = after->global < after->message_last ? after->sequence : after->sequence + 1;
	struct hash parent = after->chain_hash;
	int r = 0;

	for (; r == 0 && sequence <= backend->head.sequence; sequence++)
		r = collect_message(backend, &reading, sequence, &parent, error);
	if (r < 0) {
		collector_finish(&reading.collector);
		return r;
	}
	collector_cut(&reading.collector);
	page->events = reading.collector.events;
	page->n_events = reading.collector.n;
	if (reading.collector.n > 0)
		log_point(&page->end, &reading.end);
	page->more = reading.end.global < backend->head.global;
	backend->read = reading.end;
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
