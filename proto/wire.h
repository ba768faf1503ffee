#ifndef LEADERD_PROTO_WIRE_H
#define LEADERD_PROTO_WIRE_H

/*
 * The wire between session and leader: frames, budgeted unpacking, and the
 * checked conversion between messages and model types.
 *
 * A frame is a 4-byte little-endian length (1 .. FRAME_BYTES_MAX) and one
 * protobuf message. Its length is checked before memory is taken; unpacking
 * takes its memory from an arena with a budget (FRAME_MEMORY_BYTES_MAX), so that
 * no input of one frame's size can cost more than that.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "model/event.h"
#include "session.pb-c.h"

#define WIRE_PROTOCOL_VERSION 1u
#define WIRE_HEADER_BYTES 4u

/* Frames out of a byte stream. Zeroed is empty. */
struct wire_reader {
	struct bytes input;
	size_t at; /* consumed bytes at the front */
};

void wire_reader_finish(struct wire_reader *reader);
/* Room for at least `n_min` more bytes to read into; *ret_n tells how many. NULL: no memory. */
uint8_t *wire_reader_room(struct wire_reader *reader, size_t n_min, size_t *ret_n);
void wire_reader_filled(struct wire_reader *reader, size_t n); /* so many were read into the room */
int wire_reader_add(struct wire_reader *reader, const void *data, size_t n);

#define WIRE_FRAME 1 /* wire_reader_next: a frame is there */
/* WIRE_FRAME with a borrowed payload (until the next call that changes the
 * reader), 0 if more bytes are needed, ERROR_PROTOCOL for a bad length. */
int wire_reader_next(struct wire_reader *reader, const uint8_t **ret_payload, size_t *ret_n, struct error *error);

/* Memory for one unpacked message. Zeroed is empty. */
struct wire_arena {
	struct wire_block *blocks;
	size_t used, budget; /* budget 0 means FRAME_MEMORY_BYTES_MAX */
};
/* Frees the message, or the scraps of one that failed; the arena can be used again. */
void wire_arena_clear(struct wire_arena *arena);

/* Unpacks and checks: ids and hashes have their sizes, positions and counts
 * their ranges, strings are UTF-8 without NUL, names and ids are within bounds,
 * a push is one whole unit. The message lives in the arena until it is cleared.
 * ERROR_PROTOCOL and ERROR_TOO_LARGE (naming message and field), ERROR_VERSION (a
 * hello, request or welcome of another protocol version), ERROR_NO_MEMORY. */
int wire_unpack_to_leader(struct wire_arena *arena, const uint8_t *payload, size_t n, const Leaderd__ToLeader **ret,
                          struct error *error);
int wire_unpack_to_session(struct wire_arena *arena, const uint8_t *payload, size_t n, const Leaderd__ToSession **ret,
                           struct error *error);

/* Appends one frame to `out`; the message has a body. ERROR_TOO_LARGE if it does
 * not fit. */
int wire_pack_to_leader(struct bytes *out, const Leaderd__ToLeader *message, struct error *error);
int wire_pack_to_session(struct bytes *out, const Leaderd__ToSession *message, struct error *error);

/* A checked message becomes an event with its content hash computed (of a full
 * event). The caller owns *ret. A short event has no name or args of its own
 * and cannot be converted. */
int wire_event_unpack(struct event **ret, const Leaderd__Event *message, struct error *error);

/* Fills a message that borrows everything from `event` and `origins` (room for
 * 2 * ORIGINS_MAX numbers, which must live as long as the message). */
void wire_event_pack(Leaderd__Event *ret, const struct event *event, uint64_t *origins);
void wire_event_pack_short(Leaderd__Event *ret, const struct event *event);

/* The point {position, hash}; an absent point is root with the zero hash. */
void wire_point_get(const Leaderd__Point *message, struct position *ret_at, struct hash *ret_hash);
void wire_point_set(Leaderd__Point *ret, struct position at, const struct hash *hash); /* borrows hash */

/* The i-th of ids packed side by side, 16 bytes each. */
void wire_id_at(struct event_id *ret, const ProtobufCBinaryData *ids, size_t i);

/*
 * The leader's side of the handshake, bytes in, bytes out: what may the first
 * frame of a connection be? HANDSHAKE_SESSION: a hello that passes every check
 * that needs no store (protocol version, store name, session id, nonce);
 * HANDSHAKE_REQUEST: an administrative request. Refusals leave the bytes to
 * send in `reply` (a failure frame) and answer a negative code.
 */
enum { HANDSHAKE_MORE = 0, HANDSHAKE_SESSION = 1, HANDSHAKE_REQUEST = 2 };
int handshake_leader(struct wire_reader *reader, struct wire_arena *arena, const Leaderd__ToLeader **ret,
                     struct bytes *reply, struct error *error);

/* The session's side: the first frame that may come is a welcome, a response or
 * a failure; a failure is returned as its own code and text. */
int handshake_session(const Leaderd__ToSession *message, struct error *error);

#endif
