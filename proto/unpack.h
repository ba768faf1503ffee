#ifndef LEADERD_PROTO_UNPACK_H
#define LEADERD_PROTO_UNPACK_H

/*
 * From a frame's bytes to a message that can be trusted, in three passes:
 *
 *   scan    the bytes against the message's description: lengths, wire types
 *           and text, before any memory is taken
 *   arena   unpacking by protobuf-c, every allocation out of a budget
 *   check   what the fields mean: sizes, ranges, bounds, units
 *
 * Private to this folder; wire.h and backend_wire.h have the doors.
 */

#include <stdbool.h>

#include "proto/wire.h"

/* Valid UTF-8 without NUL. */
bool wire_text_is_valid(const uint8_t *text, size_t n);

/* ERROR_PROTOCOL, naming message, field and byte. */
int wire_scan(const ProtobufCMessageDescriptor *descriptor, const uint8_t *payload, size_t n, struct error *error);

/* Of scanned bytes. ERROR_TOO_LARGE past the budget, ERROR_NO_MEMORY. */
int wire_arena_unpack(struct wire_arena *arena, const ProtobufCMessageDescriptor *descriptor, const uint8_t *payload,
                      size_t n, ProtobufCMessage **ret, struct error *error);

/* The first two passes. */
int wire_unpack(struct wire_arena *arena, const ProtobufCMessageDescriptor *descriptor, const uint8_t *payload,
                size_t n, ProtobufCMessage **ret, struct error *error);
/* Appends one frame to `out`; the message has a body. ERROR_TOO_LARGE if it does not fit. */
int wire_pack_frame(struct bytes *out, const ProtobufCMessage *message, struct error *error);

/* ERROR_PROTOCOL, ERROR_TOO_LARGE, ERROR_VERSION, naming message and field. */
int wire_check_to_leader(const Leaderd__ToLeader *message, struct error *error);
int wire_check_to_session(const Leaderd__ToSession *message, struct error *error);

#endif
