/*
 * Unpacking: scan, unpack, check, in that order; unpack.h says why there are
 * three passes.
 */

#include "proto/unpack.h"
#include "proto/wire.h"

int wire_unpack(struct wire_arena *arena, const ProtobufCMessageDescriptor *descriptor, const uint8_t *payload,
                size_t n, ProtobufCMessage **ret, struct error *error) {
	int r = wire_scan(descriptor, payload, n, error);

	if (r < 0)
		return r;
	return wire_arena_unpack(arena, descriptor, payload, n, ret, error);
}

int wire_unpack_to_leader(struct wire_arena *arena, const uint8_t *payload, size_t n, const Leaderd__ToLeader **ret,
                          struct error *error) {
	ProtobufCMessage *message;
	int r = wire_unpack(arena, &leaderd__to_leader__descriptor, payload, n, &message, error);

	if (r < 0)
		return r;
	r = wire_check_to_leader((const Leaderd__ToLeader *)message, error);
	if (r < 0)
		return r;
	*ret = (const Leaderd__ToLeader *)message;
	return 0;
}

int wire_unpack_to_session(struct wire_arena *arena, const uint8_t *payload, size_t n, const Leaderd__ToSession **ret,
                           struct error *error) {
	ProtobufCMessage *message;
	int r = wire_unpack(arena, &leaderd__to_session__descriptor, payload, n, &message, error);

	if (r < 0)
		return r;
	r = wire_check_to_session((const Leaderd__ToSession *)message, error);
	if (r < 0)
		return r;
	*ret = (const Leaderd__ToSession *)message;
	return 0;
}
