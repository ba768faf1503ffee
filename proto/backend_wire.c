/*
 * The doors of the adapters' protocol: scan, unpack, check, as unpack.h tells,
 * and events as a backend keeps them.
 *
 * A batch and a page are one frame each. What their events may add up to leaves
 * room for the rest of the message, and one whole unit always fits: its
 * arguments, and for each event what else an event consists of.
 */

#include <assert.h>

#include "base/must.h"
#include "proto/backend_wire.h"
#include "proto/check_backend.h"
#include "proto/unpack.h"

/* A packed event without name, session id and arguments: four ids and hashes, ten
 * numbers, the client id, and a key with a length for each. */
#define EVENT_FIXED_BYTES_MAX 192u
#define EVENT_REST_BYTES_MAX (EVENT_FIXED_BYTES_MAX + SESSION_ID_BYTES_MAX)

static_assert(UNIT_BYTES_MAX + UNIT_EVENTS_MAX * (EVENT_REST_BYTES_MAX + EVENT_NAME_BYTES_MAX) <=
                  BACKEND_BATCH_BYTES_MAX,
              "a unit must fit a batch");
static_assert(BACKEND_BATCH_BYTES_MAX + 2 * BACKEND_CURSOR_BYTES_MAX + 4096 <= FRAME_BYTES_MAX,
              "a batch must fit a frame");
static_assert(UPSTREAM_PAGE_EVENTS_MAX <= BACKEND_PAGE_EVENTS_MAX, "a page may be as long as it is asked for");

int backend_unpack_to_adapter(struct wire_arena *arena, const uint8_t *payload, size_t n,
                              const Leaderd__ToAdapter **ret, struct error *error) {
	ProtobufCMessage *message;
	int r = wire_unpack(arena, &leaderd__to_adapter__descriptor, payload, n, &message, error);

	if (r < 0)
		return r;
	r = backend_check_to_adapter((const Leaderd__ToAdapter *)message, error);
	if (r < 0)
		return r;
	*ret = (const Leaderd__ToAdapter *)message;
	return 0;
}

int backend_unpack_from_adapter(struct wire_arena *arena, const uint8_t *payload, size_t n,
                                const Leaderd__FromAdapter **ret, struct error *error) {
	ProtobufCMessage *message;
	int r = wire_unpack(arena, &leaderd__from_adapter__descriptor, payload, n, &message, error);

	if (r < 0)
		return r;
	r = backend_check_from_adapter((const Leaderd__FromAdapter *)message, error);
	if (r < 0)
		return r;
	*ret = (const Leaderd__FromAdapter *)message;
	return 0;
}

int backend_pack_to_adapter(struct bytes *out, const Leaderd__ToAdapter *message, struct error *error) {
	return wire_pack_frame(out, &message->base, error);
}

int backend_pack_from_adapter(struct bytes *out, const Leaderd__FromAdapter *message, struct error *error) {
	return wire_pack_frame(out, &message->base, error);
}

void backend_event_pack(Leaderd__Event *ret, const struct event *event) {
	uint64_t origins[2 * ORIGINS_MAX];

	wire_event_pack(ret, event, origins);
	ret->origins = NULL;
	ret->n_origins = 0;
	ret->generation = 0;
	ret->digest = 0;
	ret->local_hash = (ProtobufCBinaryData){ 0 };
}

size_t backend_event_bytes(const struct event *event) {
	Leaderd__Event message;
	size_t n, length_bytes = 1;

	backend_event_pack(&message, event);
	n = leaderd__event__get_packed_size(&message);
	for (size_t rest = n; rest >= 0x80; rest >>= 7)
		length_bytes++;
	return 1 + length_bytes + n;
}

int backend_event_write(struct bytes *out, const struct event *event) {
	Leaderd__Event message;
	size_t n;

	backend_event_pack(&message, event);
	message.sync_metadata = (ProtobufCBinaryData){ 0 };
	n = leaderd__event__get_packed_size(&message);
	if (bytes_reserve(out, n) < 0)
		return ERROR_NO_MEMORY;
	must(leaderd__event__pack(&message, out->data + out->n) == n);
	out->n += n;
	return 0;
}

int backend_event_read(struct event **ret, const void *data, size_t n, struct error *error) {
	struct wire_arena arena = { 0 };
	ProtobufCMessage *message;
	int r;

	if (n > BACKEND_BATCH_BYTES_MAX)
		return error_set(error, ERROR_TOO_LARGE, "an event of %zu bytes was longer than any unit", n);
	r = wire_unpack(&arena, &leaderd__event__descriptor, data, n, &message, error);
	if (r == 0)
		r = backend_check_event((const Leaderd__Event *)message, error);
	if (r == 0)
		r = wire_event_unpack(ret, (const Leaderd__Event *)message, error);
	wire_arena_clear(&arena);
	return r;
}
