/* The log's head, and where a point of the log stands. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "nats/jetstream.h"

static const struct nats_spot beginning = { .sequence = 1 };

/* A cursor is the sequence of the event's message, eight bytes, little-endian. */
void log_point(struct backend_point *ret, const struct nats_spot *spot) {
	*ret = (struct backend_point){ .global = spot->global, .chain_hash = spot->chain_hash };
	if (spot->global == 0)
		return;
	ret->cursor_bytes = sizeof(spot->sequence);
	for (size_t i = 0; i < sizeof(spot->sequence); i++)
		ret->cursor[i] = (uint8_t)(spot->sequence >> 8 * i);
}

static uint64_t cursor_sequence(const struct backend_point *point) {
	uint64_t sequence = 0;

	if (point->cursor_bytes != sizeof(sequence))
		return 0;
	for (size_t i = 0; i < sizeof(sequence); i++)
		sequence |= (uint64_t)point->cursor[i] << 8 * i;
	return sequence;
}

static int read_batch(struct nats_backend *backend, uint64_t sequence, struct nats_batch *ret, struct error *error) {
	natsMsg *message;
	int r = reader_get(backend, sequence, sequence, &message, error);

	return r < 0 ? r : message_read_batch(message, sequence, ret, error);
}

/* What was known of a stream that is another one now, or shorter, is worth nothing: the leader opens again. */
static int check_same(const struct nats_backend *backend, const struct server_state *state, struct error *error) {
	if (state->created != backend->created)
		return error_set(error, ERROR_NOT_RUNNING, "stream %s was taken away and made anew", backend->place.stream);
	if (state->last == 0 || state->last < backend->head.sequence)
		return error_set(error, ERROR_NOT_RUNNING, "stream %s lost messages", backend->place.stream);
	if (state->first != 1)
		return error_set(error, ERROR_CORRUPT, "the first messages of stream %s are missing", backend->place.stream);
	return 0;
}

static int look(struct nats_backend *backend, struct server_state *ret, struct error *error) {
	int r = server_look(backend, ret, error);

	if (r == 0 && ret->created == backend->created && ret->last < backend->head.sequence) {
		r = server_settle(backend, error);
		if (r == 0)
			r = server_look(backend, ret, error);
	}
	return r < 0 ? r : check_same(backend, ret, error);
}

int log_refresh(struct nats_backend *backend, struct error *error) {
	struct server_state state;
	struct nats_batch batch;
	int r = look(backend, &state, error);

	if (r < 0 || state.last == backend->head.sequence)
		return r;
	if (state.last == 1) {
		backend->head = beginning;
		return 0;
	}
	r = read_batch(backend, state.last, &batch, error);
	if (r < 0)
		return r;
	if (batch.last <= backend->head.global)
		return error_set(error, ERROR_CORRUPT, "message %" PRIu64 " of stream %s does not follow from those before it",
		                 state.last, backend->place.stream);
	backend->head = (struct nats_spot){
		.sequence = state.last,
		.global = batch.last,
		.message_last = batch.last,
		.chain_hash = batch.chain_hash,
	};
	return 0;
}

static bool is_at(const struct nats_spot *spot, const struct backend_point *point) {
	return spot->sequence > 0 && spot->global == point->global &&
	       (point->global == 0 || hash_equal(&spot->chain_hash, &point->chain_hash));
}

/* The message that holds e`global`, which is not beyond the head: tried where the cursor says, then by halves. */
static int find_message(struct nats_backend *backend, uint64_t global, uint64_t cursor, uint64_t *ret_sequence,
                        struct nats_batch *ret, struct error *error) {
	uint64_t low = 2, high = backend->head.sequence;
	uint64_t sequence = cursor >= low && cursor <= high ? cursor : low + (high - low) / 2;

	while (low <= high) {
		int r = read_batch(backend, sequence, ret, error);

		if (r < 0)
			return r;
		if (global >= ret->first && global <= ret->last) {
			*ret_sequence = sequence;
			return 0;
		}
		if (global < ret->first)
			high = sequence - 1;
		else
			low = sequence + 1;
		sequence = low + (high - low) / 2;
	}
	return error_set(error, ERROR_CORRUPT, "e%" PRIu64 " is missing in stream %s", global, backend->place.stream);
}

/* The chain hash of an event inside of a message. */
static int hash_inside(const struct nats_batch *batch, uint64_t global, struct hash *ret, struct error *error) {
	struct event *event;
	size_t offset = 0;

	while (offset < batch->n) {
		int r = message_read_event(batch, &offset, &event, error);

		if (r < 0)
			return r;
		bool found = event->entry.at.global == global;
		if (found)
			*ret = event->chain_hash;
		event_destroy(event);
		if (found)
			return 0;
	}
	return error_set(error, ERROR_CORRUPT, "e%" PRIu64 " is missing in its message", global);
}

static int find_spot(struct nats_backend *backend, const struct backend_point *point, struct nats_spot *ret,
                     struct error *error) {
	struct nats_spot spot = { .global = point->global };
	struct nats_batch batch;
	int r = find_message(backend, point->global, cursor_sequence(point), &spot.sequence, &batch, error);

	if (r < 0)
		return r;
	spot.message_last = batch.last;
	spot.chain_hash = batch.chain_hash;
	if (spot.global < batch.last)
		r = hash_inside(&batch, spot.global, &spot.chain_hash, error);
	if (r == 0)
		*ret = spot;
	return r;
}

int log_find(struct nats_backend *backend, const struct backend_point *point, struct nats_spot *ret, char *reason,
             size_t reason_bytes, struct error *error) {
	const struct nats_spot *known[] = { &beginning, &backend->head, &backend->read };
	struct nats_spot spot;
	int r = log_refresh(backend, error);

	if (r == 0 && point->global > backend->head.global) { /* a grave thing to say: make sure */
		r = server_settle(backend, error);
		if (r == 0)
			r = log_refresh(backend, error);
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (is_at(known[i], point)) {
			*ret = *known[i];
			return 1;
		}
	}
	if (point->global > backend->head.global) {
		snprintf(reason, reason_bytes, "the log ends at e%" PRIu64 ", e%" PRIu64 " is not in it", backend->head.global,
		         point->global);
		return 0;
	}
	r = find_spot(backend, point, &spot, error);
	if (r < 0)
		return r;
	if (!hash_equal(&spot.chain_hash, &point->chain_hash)) {
		snprintf(reason, reason_bytes, "another history stands in the log at e%" PRIu64, point->global);
		return 0;
	}
	*ret = spot;
	return 1;
}
