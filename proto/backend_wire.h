#ifndef LEADERD_PROTO_BACKEND_WIRE_H
#define LEADERD_PROTO_BACKEND_WIRE_H

/*
 * The wire between leader and adapter: the frames, the reader and the arena of
 * wire.h, with the messages of backend.proto. The leader packs ToAdapter and
 * unpacks FromAdapter, an adapter the other way round; both check what they get.
 *
 * Not checked here: what needs a log or the requests before (gaps, order, chain
 * hashes, units, numbers of requests). docs/adapters.md says who looks at it.
 */

#include "backend.pb-c.h"
#include "proto/wire.h"

#define BACKEND_PROTOCOL_VERSION 1u
#define BACKEND_LINEAGE_BYTES 16u
#define BACKEND_CURSOR_BYTES_MAX 256u
#define BACKEND_URL_BYTES_MAX 4096u             /* a backend's address */
#define BACKEND_BATCH_EVENTS_MAX 4096u          /* events in one push: the arena holds them */
#define BACKEND_BATCH_BYTES_MAX (960u * 1024u)  /* packed events of one push or page: they fit a frame */
#define BACKEND_PAGE_EVENTS_MAX UNIT_EVENTS_MAX /* events in one page: UPSTREAM_PAGE_EVENTS_MAX, or one larger unit */

/* Unpack and check. The message lives in the arena until it is cleared.
 * ERROR_PROTOCOL and ERROR_TOO_LARGE (naming message and field), ERROR_VERSION
 * (an Open of another protocol version), ERROR_NO_MEMORY. */
int backend_unpack_to_adapter(struct wire_arena *arena, const uint8_t *payload, size_t n,
                              const Leaderd__ToAdapter **ret, struct error *error);
int backend_unpack_from_adapter(struct wire_arena *arena, const uint8_t *payload, size_t n,
                                const Leaderd__FromAdapter **ret, struct error *error);

/* Append one frame to `out`; the message has a body. ERROR_TOO_LARGE if it does not fit. */
int backend_pack_to_adapter(struct bytes *out, const Leaderd__ToAdapter *message, struct error *error);
int backend_pack_from_adapter(struct bytes *out, const Leaderd__FromAdapter *message, struct error *error);

/* Fills a message that borrows everything from `event`: position, content, chain
 * hash and the adapter's metadata, nothing that is local to a device. */
void backend_event_pack(Leaderd__Event *ret, const struct event *event);
/* What the event costs of a batch's bytes: its packed message and what a frame adds to it. */
size_t backend_event_bytes(const struct event *event);

/* The same event as bytes on their own, without metadata: alike in every backend. */
int backend_event_write(struct bytes *out, const struct event *event);
int backend_event_read(struct event **ret, const void *data, size_t n, struct error *error);

#endif
