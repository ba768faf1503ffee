#include "store/hash.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/*
 * Encodings (integers little-endian, `length` a u32):
 *
 *   content  u8 1, id[16], length + name, u32 version, length + args,
 *            unit id[16], u32 unit index, u32 unit count, length + client id,
 *            length + session id, u64 time in ms, u32 counter
 *   chain    u8 2, previous[32], u64 global, u64 client, content[32]
 *   local    u8 3, previous[32], u64 global, u64 client, content[32]
 *
 * The vectors are in tests/store/log/hash_test.c.
 */

enum { TAG_CONTENT = 1, TAG_CHAIN = 2, TAG_LOCAL = 3 };

static void add_u32(crypto_generichash_state *state, uint32_t value) {
	uint8_t bytes[4];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
	crypto_generichash_update(state, bytes, sizeof(bytes));
}

static void add_u64(crypto_generichash_state *state, uint64_t value) {
	add_u32(state, (uint32_t)value);
	add_u32(state, (uint32_t)(value >> 32));
}

static void add_sized(crypto_generichash_state *state, const void *data, size_t n) {
	add_u32(state, (uint32_t)n);
	crypto_generichash_update(state, data, n);
}

void hash_content(struct hash *ret, const struct event *event) {
	crypto_generichash_state state;
	uint8_t tag = TAG_CONTENT;

	crypto_generichash_init(&state, NULL, 0, sizeof(ret->bytes));
	crypto_generichash_update(&state, &tag, 1);
	crypto_generichash_update(&state, event->entry.id.bytes, sizeof(event->entry.id.bytes));
	add_sized(&state, event->name, strlen(event->name));
	add_u32(&state, event->version);
	add_sized(&state, event->args, event->args_bytes);
	crypto_generichash_update(&state, event->entry.unit.bytes, sizeof(event->entry.unit.bytes));
	add_u32(&state, event->entry.unit_index);
	add_u32(&state, event->entry.unit_count);
	add_sized(&state, event->client_id, strlen(event->client_id));
	add_sized(&state, event->session_id, strlen(event->session_id));
	add_u64(&state, event->hlc.time_ms);
	add_u32(&state, event->hlc.counter);
	crypto_generichash_final(&state, ret->bytes, sizeof(ret->bytes));
}

static void hash_link(struct hash *ret, uint8_t tag, const struct hash *previous, struct position at,
                      const struct hash *content) {
	crypto_generichash_state state;

	crypto_generichash_init(&state, NULL, 0, sizeof(ret->bytes));
	crypto_generichash_update(&state, &tag, 1);
	crypto_generichash_update(&state, previous->bytes, sizeof(previous->bytes));
	add_u64(&state, at.global);
	add_u64(&state, at.client);
	crypto_generichash_update(&state, content->bytes, sizeof(content->bytes));
	crypto_generichash_final(&state, ret->bytes, sizeof(ret->bytes));
}

void hash_chain(struct hash *ret, const struct hash *previous, struct position at, const struct hash *content) {
	hash_link(ret, TAG_CHAIN, previous, at, content);
}

void hash_local(struct hash *ret, const struct hash *previous, struct position at, const struct hash *content) {
	hash_link(ret, TAG_LOCAL, previous, at, content);
}

void hash_bytes(struct hash *ret, const void *data, size_t n) {
	crypto_generichash(ret->bytes, sizeof(ret->bytes), data, n, NULL, 0);
}

void event_id_make(struct event_id *ret, uint64_t now_ms) {
	arc4random_buf(ret->bytes, sizeof(ret->bytes));
	for (size_t i = 0; i < 6; i++)
		ret->bytes[i] = (uint8_t)(now_ms >> (8 * (5 - i)));
	ret->bytes[6] = (uint8_t)(0x70 | (ret->bytes[6] & 0x0f));
	ret->bytes[8] = (uint8_t)(0x80 | (ret->bytes[8] & 0x3f));
}
