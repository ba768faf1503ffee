#ifndef LEADERD_STORE_HASH_H
#define LEADERD_STORE_HASH_H

/*
 * The three hashes of an event, all BLAKE2b-256 (RFC 7693).
 *
 *   content  id, name, version, args, unit id, index and count, client id,
 *            session id, hlc: what never changes. Each variable-length field is
 *            preceded by its length (u32, little-endian), integers are
 *            little-endian, so no two contents have one encoding.
 *   chain    previous synced event's chain hash, position, content hash. Equal
 *            chain hashes mean equal histories.
 *   local    preceding row's local hash (client-only rows included), position,
 *            content hash.
 *
 * Before the first event both chains hold 32 zero bytes. Each kind starts its
 * input with a tag byte of its own.
 */

#include "model/event.h"

void hash_content(struct hash *ret, const struct event *event);
void hash_chain(struct hash *ret, const struct hash *previous, struct position at, const struct hash *content);
void hash_local(struct hash *ret, const struct hash *previous, struct position at, const struct hash *content);

/* BLAKE2b-256 of plain bytes: fingerprints of schemas. */
void hash_bytes(struct hash *ret, const void *data, size_t n);

/* A new UUIDv7 (RFC 9562) for `now_ms`, random bits from the kernel. */
void event_id_make(struct event_id *ret, uint64_t now_ms);

#endif
