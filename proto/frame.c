/*
 * Frames: a 4-byte little-endian length, 1 to FRAME_BYTES_MAX, and so many
 * bytes of one message.
 *
 * The length is judged as soon as its four bytes are there, before the bytes
 * that it announces are waited for or given room.
 */

#include "base/must.h"
#include "proto/unpack.h"

/* An idle reader gives back what a large frame made it take: a thousand
 * connections that once sent a big schema must not hold a megabyte each. */
#define IDLE_BYTES_KEPT (64u * 1024u)

void wire_reader_finish(struct wire_reader *reader) {
	bytes_finish(&reader->input);
	*reader = (struct wire_reader){ 0 };
}

static void forget_consumed(struct wire_reader *reader) {
	if (reader->at == 0)
		return;
	bytes_drop_front(&reader->input, reader->at);
	reader->at = 0;
	if (reader->input.n == 0 && reader->input.allocated > IDLE_BYTES_KEPT)
		bytes_finish(&reader->input);
}

uint8_t *wire_reader_room(struct wire_reader *reader, size_t n_min, size_t *ret_n) {
	must(n_min > 0);
	forget_consumed(reader);
	if (bytes_reserve(&reader->input, n_min) < 0)
		return NULL;
	*ret_n = reader->input.allocated - reader->input.n;
	return reader->input.data + reader->input.n;
}

void wire_reader_filled(struct wire_reader *reader, size_t n) {
	must(n <= reader->input.allocated - reader->input.n);
	reader->input.n += n;
}

int wire_reader_add(struct wire_reader *reader, const void *data, size_t n) {
	forget_consumed(reader);
	return bytes_add(&reader->input, data, n);
}

static uint32_t read_length(const uint8_t *data) {
	return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
}

int wire_reader_next(struct wire_reader *reader, const uint8_t **ret_payload, size_t *ret_n, struct error *error) {
	size_t n_unread = reader->input.n - reader->at;

	if (n_unread < WIRE_HEADER_BYTES)
		return 0;

	const uint8_t *header = reader->input.data + reader->at;
	uint32_t n = read_length(header);
	if (n == 0 || n > FRAME_BYTES_MAX)
		return error_set(error, ERROR_PROTOCOL, "a frame announced %u bytes, expected 1 to %u", n, FRAME_BYTES_MAX);
	if (n_unread - WIRE_HEADER_BYTES < n)
		return 0;

	reader->at += WIRE_HEADER_BYTES + n;
	*ret_payload = header + WIRE_HEADER_BYTES;
	*ret_n = n;
	return WIRE_FRAME;
}

int wire_pack_frame(struct bytes *out, const ProtobufCMessage *message, struct error *error) {
	size_t n = protobuf_c_message_get_packed_size(message);

	must(n > 0); /* a message without a body says nothing and has no frame */
	if (n > FRAME_BYTES_MAX)
		return error_set(error, ERROR_TOO_LARGE, "%s of %zu bytes did not fit a frame, at most %u",
		                 message->descriptor->short_name, n, FRAME_BYTES_MAX);
	if (bytes_reserve(out, WIRE_HEADER_BYTES + n) < 0)
		return error_no_memory(error);

	must(bytes_add_u32(out, (uint32_t)n) == 0);
	must(protobuf_c_message_pack(message, out->data + out->n) == n);
	out->n += n;
	return 0;
}

int wire_pack_to_leader(struct bytes *out, const Leaderd__ToLeader *message, struct error *error) {
	return wire_pack_frame(out, &message->base, error);
}

int wire_pack_to_session(struct bytes *out, const Leaderd__ToSession *message, struct error *error) {
	return wire_pack_frame(out, &message->base, error);
}
