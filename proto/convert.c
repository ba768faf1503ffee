/*
 * Conversion between messages and model types.
 *
 * From a message: what the check has passed, copied, with its content hash
 * computed here and never taken from the peer. To a message: everything
 * borrowed, nothing allocated.
 */

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "proto/wire.h"
#include "store/hash.h"

static void id_get(struct event_id *ret, const ProtobufCBinaryData *data) {
	must(data->len == sizeof(ret->bytes));
	memcpy(ret->bytes, data->data, sizeof(ret->bytes));
}

/* An absent hash is zero. */
static void hash_get(struct hash *ret, const ProtobufCBinaryData *data) {
	must(data->len == 0 || data->len == sizeof(ret->bytes));
	*ret = (struct hash){ 0 };
	if (data->len > 0)
		memcpy(ret->bytes, data->data, sizeof(ret->bytes));
}

static void placement_get(struct event *event, const Leaderd__Event *message) {
	event->entry.at = (struct position){ message->global, message->client };
	event->entry.client_only = message->client_only;
	event->generation = message->generation;
	event->n_origins = (uint32_t)(message->n_origins / 2);
	must(event->n_origins <= ORIGINS_MAX);
	for (uint32_t i = 0; i < event->n_origins; i++)
		event->origins[i] = (struct position){ message->origins[2 * i], message->origins[2 * i + 1] };
}

static void content_get(struct event *event, const Leaderd__Event *message) {
	id_get(&event->entry.id, &message->id);
	id_get(&event->entry.unit, &message->unit);
	event->entry.unit_index = message->unit_index;
	event->entry.unit_count = message->unit_count;
	event->version = message->version;
	event->hlc = (struct hlc){ .time_ms = message->hlc_time_ms, .counter = message->hlc_counter };
	must(strlcpy(event->client_id, message->client_id, sizeof(event->client_id)) < sizeof(event->client_id));
	must(strlcpy(event->session_id, message->session_id, sizeof(event->session_id)) < sizeof(event->session_id));
}

static int metadata_get(struct event *event, const ProtobufCBinaryData *data) {
	if (data->len == 0)
		return 0;
	event->sync_metadata = malloc(data->len);
	if (event->sync_metadata == NULL)
		return ERROR_NO_MEMORY;
	memcpy(event->sync_metadata, data->data, data->len);
	event->sync_metadata_bytes = data->len;
	return 0;
}

int wire_event_unpack(struct event **ret, const Leaderd__Event *message, struct error *error) {
	if (message->short_)
		return error_set(error, ERROR_INVALID, "a short event had no content to make an event of");

	struct event *event = event_create(message->name, (const char *)message->args.data, message->args.len);
	if (event == NULL)
		return error_no_memory(error);

	content_get(event, message);
	placement_get(event, message);
	event->digest = message->digest;
	hash_get(&event->local_hash, &message->local_hash);
	hash_get(&event->chain_hash, &message->chain_hash);
	if (metadata_get(event, &message->sync_metadata) < 0) {
		event_destroy(event);
		return error_no_memory(error);
	}
	hash_content(&event->entry.content, event);
	*ret = event;
	return 0;
}

/* The message only lends what it points to: no one writes through it. */
static ProtobufCBinaryData borrow(const void *data, size_t n) {
	return (ProtobufCBinaryData){ .len = n, .data = (uint8_t *)data };
}

static ProtobufCBinaryData borrow_hash(const struct hash *hash) {
	static const struct hash none;

	return hash_equal(hash, &none) ? (ProtobufCBinaryData){ 0 } : borrow(hash->bytes, sizeof(hash->bytes));
}

/* What the short form and the full one share. */
static void placement_set(Leaderd__Event *ret, const struct event *event) {
	leaderd__event__init(ret);
	ret->id = borrow(event->entry.id.bytes, sizeof(event->entry.id.bytes));
	ret->global = event->entry.at.global;
	ret->client = event->entry.at.client;
	ret->generation = event->generation;
	ret->digest = event->digest;
	ret->local_hash = borrow_hash(&event->local_hash);
	ret->chain_hash = borrow_hash(&event->chain_hash);
}

void wire_event_pack(Leaderd__Event *ret, const struct event *event, uint64_t *origins) {
	placement_set(ret, event);
	ret->name = event->name;
	ret->version = event->version;
	ret->args = borrow(event->args, event->args_bytes);
	ret->unit = borrow(event->entry.unit.bytes, sizeof(event->entry.unit.bytes));
	ret->unit_index = event->entry.unit_index;
	ret->unit_count = event->entry.unit_count;
	ret->client_only = event->entry.client_only;
	ret->client_id = (char *)event->client_id;
	ret->session_id = (char *)event->session_id;
	ret->hlc_time_ms = event->hlc.time_ms;
	ret->hlc_counter = event->hlc.counter;
	ret->sync_metadata = borrow(event->sync_metadata, event->sync_metadata_bytes);
	for (uint32_t i = 0; i < event->n_origins; i++) {
		origins[2 * i] = event->origins[i].global;
		origins[2 * i + 1] = event->origins[i].client;
	}
	ret->n_origins = 2 * (size_t)event->n_origins;
	ret->origins = ret->n_origins > 0 ? origins : NULL;
}

void wire_event_pack_short(Leaderd__Event *ret, const struct event *event) {
	placement_set(ret, event);
	ret->short_ = true;
}

void wire_point_get(const Leaderd__Point *message, struct position *ret_at, struct hash *ret_hash) {
	*ret_at = POSITION_ROOT;
	*ret_hash = (struct hash){ 0 };
	if (message == NULL)
		return;
	*ret_at = (struct position){ message->global, message->client };
	hash_get(ret_hash, &message->local_hash);
}

void wire_point_set(Leaderd__Point *ret, struct position at, const struct hash *hash) {
	leaderd__point__init(ret);
	ret->global = at.global;
	ret->client = at.client;
	ret->local_hash = borrow_hash(hash);
}

void wire_id_at(struct event_id *ret, const ProtobufCBinaryData *ids, size_t i) {
	must(i < ids->len / sizeof(ret->bytes));
	memcpy(ret->bytes, ids->data + i * sizeof(ret->bytes), sizeof(ret->bytes));
}
