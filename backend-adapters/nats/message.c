/*
 * The stream. All its messages have one subject, "leaderd." and the log's name.
 *
 *   message 1      the header record: Leaderd-Format (1), Leaderd-Lineage (32
 *                  hexadecimal digits), Leaderd-Epoch
 *   each other     one push: Leaderd-First and Leaderd-Last, the positions of its
 *                  first and last event, Leaderd-Chain and Leaderd-Parent, the
 *                  chain hashes of its last event and of the event before its
 *                  first (64 hexadecimal digits, zeros before the first event of
 *                  all). The payload holds the events side by side, each a 32-bit
 *                  little-endian length and a packed leaderd.Event
 *                  (adapter_event_pack). Units are whole; there is no gap.
 *
 * The message's id (Nats-Msg-Id) is the chain hash, of the header record its
 * lineage and epoch. Whoever writes says which message must be the last one
 * before his (server_publish).
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nats/jetstream.h"

#define FORMAT "1"
#define MESSAGE_ID "Nats-Msg-Id"
#define HASH_TEXT_BYTES (2 * sizeof(struct hash) + 1)

int message_failed(natsStatus status, struct error *error) {
	if (status == NATS_NO_MEMORY)
		return error_no_memory(error);
	return error_set(error, ERROR_IO, "cannot make a message: %s", natsStatus_GetText(status));
}

struct field {
	const char *name, *value;
};

static int make(natsMsg **ret, const struct nats_place *place, const struct bytes *payload, const struct field *fields,
                size_t n_fields, struct error *error) {
	natsMsg *message = NULL;
	natsStatus s = natsMsg_Create(&message, place->subject, NULL, (const char *)payload->data, (int)payload->n);

	for (size_t i = 0; s == NATS_OK && i < n_fields; i++)
		s = natsMsgHeader_Set(message, fields[i].name, fields[i].value);
	if (s != NATS_OK) {
		natsMsg_Destroy(message);
		return message_failed(s, error);
	}
	*ret = message;
	return 0;
}

int message_make_header(natsMsg **ret, const struct nats_place *place, const struct adapter_open *open,
                        struct error *error) {
	static const char text[] = "leaderd event log\n"; /* for people who look at the stream */
	struct bytes payload = { .data = (uint8_t *)text, .n = sizeof(text) - 1 };
	char lineage[33], epoch[24], id[64];
	struct field fields[] = {
		{ "Leaderd-Format", FORMAT },
		{ "Leaderd-Lineage", lineage },
		{ "Leaderd-Epoch", epoch },
		{ MESSAGE_ID, id },
	};

	hex_print(lineage, open->new_lineage, 16);
	snprintf(epoch, sizeof(epoch), "%" PRIu64, open->new_epoch);
	snprintf(id, sizeof(id), "%s-%s", lineage, epoch);
	return make(ret, place, &payload, fields, sizeof(fields) / sizeof(fields[0]), error);
}

static const char *value_of(natsMsg *message, const char *name) {
	const char *value = NULL;

	return natsMsgHeader_Get(message, name, &value) == NATS_OK ? value : NULL;
}

static bool number_of(natsMsg *message, const char *name, uint64_t *ret) {
	const char *text = value_of(message, name);
	size_t n = text == NULL ? 0 : strlen(text);

	if (n == 0 || n > 18 || strspn(text, "0123456789") != n)
		return false;
	*ret = strtoull(text, NULL, 10);
	return true;
}

static bool hash_of(natsMsg *message, const char *name, struct hash *ret) {
	const char *text = value_of(message, name);

	return text != NULL && hex_parse(ret->bytes, sizeof(ret->bytes), text);
}

int message_read_header(natsMsg *message, const struct nats_place *place, struct adapter_opened *ret,
                        struct error *error) {
	const char *format = value_of(message, "Leaderd-Format"), *lineage = value_of(message, "Leaderd-Lineage");
	uint8_t bytes[16];
	uint64_t epoch;

	if (format == NULL)
		return error_set(error, ERROR_CONFLICT, "stream %s holds another program's messages", place->stream);
	if (strcmp(format, FORMAT) != 0)
		return error_set(error, ERROR_VERSION, "stream %s has format %.20s, this program knows format " FORMAT,
		                 place->stream, format);
	if (lineage == NULL || !hex_parse(bytes, sizeof(bytes), lineage) || !number_of(message, "Leaderd-Epoch", &epoch) ||
	    epoch == 0)
		return error_set(error, ERROR_CORRUPT, "the header record of stream %s is damaged", place->stream);
	memcpy(ret->lineage, bytes, sizeof(bytes));
	ret->epoch = epoch;
	return 0;
}

static int pack_event(struct bytes *payload, const struct event *event) {
	size_t at = payload->n;
	int r = bytes_add_u32(payload, 0);

	if (r == 0)
		r = adapter_event_pack(payload, event);
	if (r < 0)
		return r;
	size_t n = payload->n - at - NATS_EVENT_PREFIX_BYTES;
	for (size_t i = 0; i < NATS_EVENT_PREFIX_BYTES; i++)
		payload->data[at + i] = (uint8_t)(n >> 8 * i);
	return 0;
}

int message_make_batch(natsMsg **ret, const struct nats_place *place, const struct adapter_push *push,
                       struct error *error) {
	const struct event *last = push->events[push->n_events - 1];
	char first_text[24], last_text[24], chain[HASH_TEXT_BYTES], parent[HASH_TEXT_BYTES];
	struct field fields[] = {
		{ "Leaderd-First", first_text }, { "Leaderd-Last", last_text }, { "Leaderd-Chain", chain },
		{ "Leaderd-Parent", parent },    { MESSAGE_ID, chain },
	};
	struct bytes payload = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < push->n_events; i++)
		r = pack_event(&payload, push->events[i]);
	snprintf(first_text, sizeof(first_text), "%" PRIu64, push->events[0]->entry.at.global);
	snprintf(last_text, sizeof(last_text), "%" PRIu64, last->entry.at.global);
	hex_print(chain, last->chain_hash.bytes, sizeof(last->chain_hash.bytes));
	hex_print(parent, push->parent.chain_hash.bytes, sizeof(push->parent.chain_hash.bytes));
	r = r < 0 ? error_no_memory(error) : make(ret, place, &payload, fields, sizeof(fields) / sizeof(fields[0]), error);
	bytes_finish(&payload);
	return r;
}

int message_read_batch(natsMsg *message, uint64_t sequence, struct nats_batch *ret, struct error *error) {
	struct nats_batch batch = { 0 };

	if (!number_of(message, "Leaderd-First", &batch.first) || !number_of(message, "Leaderd-Last", &batch.last) ||
	    !hash_of(message, "Leaderd-Chain", &batch.chain_hash) || !hash_of(message, "Leaderd-Parent", &batch.parent))
		return error_set(error, ERROR_CORRUPT, "message %" PRIu64 " of the stream is no batch of events", sequence);
	batch.data = (const uint8_t *)natsMsg_GetData(message);
	batch.n = (size_t)natsMsg_GetDataLength(message);
	if (batch.first == 0 || batch.last < batch.first || batch.n == 0)
		return error_set(error, ERROR_CORRUPT, "message %" PRIu64 " of the stream is damaged", sequence);
	*ret = batch;
	return 0;
}

int message_read_event(const struct nats_batch *batch, size_t *offset, struct event **ret, struct error *error) {
	size_t left = batch->n - *offset, n = 0;
	int r;

	for (size_t i = 0; left >= NATS_EVENT_PREFIX_BYTES && i < NATS_EVENT_PREFIX_BYTES; i++)
		n |= (size_t)batch->data[*offset + i] << 8 * i;
	if (left < NATS_EVENT_PREFIX_BYTES || n == 0 || n > left - NATS_EVENT_PREFIX_BYTES)
		return error_set(error, ERROR_CORRUPT, "the message of e%" PRIu64 " to e%" PRIu64 " is damaged", batch->first,
		                 batch->last);
	r = adapter_event_unpack(ret, batch->data + *offset + NATS_EVENT_PREFIX_BYTES, n, error);
	if (r == 0)
		*offset += NATS_EVENT_PREFIX_BYTES + n;
	return r;
}
