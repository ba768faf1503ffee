/*
 * The scan: a frame's bytes against the description of its message, before any
 * memory is taken.
 *
 * protobuf-c unpacks what it is given, but it cuts text off at a NUL, does not
 * look whether text is UTF-8, takes a bool of any wire type, and says NULL for
 * every mistake. Here each mistake has a name, and the library never sees one.
 * Stricter than protobuf itself in two things: groups are refused, and so is a
 * message that stands twice where one is expected (it would have to be merged).
 * Unknown fields pass: a newer peer may send them.
 *
 * The recursion follows the descriptions, which do not nest recursively; the
 * test no_message_contains_itself proves it.
 */

#include "base/text.h"
#include "proto/unpack.h"

enum wire_type { WIRE_VARINT = 0, WIRE_64BIT = 1, WIRE_BYTES = 2, WIRE_32BIT = 5 };

/* A varint has at most ten bytes; one that must fit 32 bits, five. */
#define VARINT_BYTES_MAX 10u
#define VARINT_32_BYTES_MAX 5u

struct scan {
	const ProtobufCMessageDescriptor *descriptor;
	const uint8_t *payload; /* of the frame: errors name bytes counted from here */
	const uint8_t *at, *end;
	struct error *error;
};

static int scan_message(struct scan *scan);

static int scan_failed(const struct scan *scan, const ProtobufCFieldDescriptor *field, const char *what) {
	return error_set(scan->error, ERROR_PROTOCOL, "%s%s%s %s at byte %zu", scan->descriptor->short_name,
	                 field == NULL ? "" : ".", field == NULL ? "" : field->name, what,
	                 (size_t)(scan->at - scan->payload));
}

bool wire_text_is_valid(const uint8_t *text, size_t n) {
	size_t i = 0;

	while (i < n) {
		char character[5] = { 0 };
		uint32_t code;

		if (text[i] != 0 && text[i] < 0x80) {
			i++;
			continue;
		}
		/* A copy with a NUL behind it: text_character reads up to one. */
		for (size_t j = 0; j < 4 && i + j < n; j++)
			character[j] = (char)text[i + j];
		size_t bytes = text_character(character, &code);
		if (bytes == 0)
			return false;
		i += bytes;
	}
	return true;
}

static bool read_varint(struct scan *scan, size_t bytes_max, uint64_t *ret) {
	uint64_t value = 0;

	for (size_t i = 0; i < bytes_max && scan->at + i < scan->end; i++) {
		value |= (uint64_t)(scan->at[i] & 0x7f) << (7 * i);
		if ((scan->at[i] & 0x80) == 0) {
			scan->at += i + 1;
			*ret = value;
			return true;
		}
	}
	return false;
}

static bool skip_bytes(struct scan *scan, size_t n) {
	if ((size_t)(scan->end - scan->at) < n)
		return false;
	scan->at += n;
	return true;
}

static enum wire_type wire_type_of(ProtobufCType type) {
	switch (type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return WIRE_BYTES;
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return WIRE_64BIT;
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return WIRE_32BIT;
	default:
		return WIRE_VARINT;
	}
}

/* One value that is no run of bytes. */
static int scan_number(struct scan *scan, const ProtobufCFieldDescriptor *field, uint64_t type) {
	uint64_t value;

	switch (type) {
	case WIRE_VARINT:
		if (!read_varint(scan, VARINT_BYTES_MAX, &value))
			return scan_failed(scan, field, "was no whole number");
		return 0;
	case WIRE_64BIT:
		return skip_bytes(scan, 8) ? 0 : scan_failed(scan, field, "ended early");
	case WIRE_32BIT:
		return skip_bytes(scan, 4) ? 0 : scan_failed(scan, field, "ended early");
	default:
		return scan_failed(scan, field, "had a wire type that is not spoken here");
	}
}

static int scan_packed(struct scan *scan, const ProtobufCFieldDescriptor *field) {
	while (scan->at < scan->end) {
		int r = scan_number(scan, field, wire_type_of(field->type));

		if (r < 0)
			return r;
	}
	return 0;
}

/* Text, bytes, a message, packed numbers or an unknown field. */
static int scan_bytes(struct scan *scan, const ProtobufCFieldDescriptor *field) {
	uint64_t n;

	if (!read_varint(scan, VARINT_32_BYTES_MAX, &n))
		return scan_failed(scan, field, "had no whole length");
	if (n > (size_t)(scan->end - scan->at))
		return scan_failed(scan, field, "was longer than what holds it");

	struct scan inner = *scan;
	inner.end = scan->at + n;
	scan->at += n;
	if (field == NULL || field->type == PROTOBUF_C_TYPE_BYTES)
		return 0;
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return wire_text_is_valid(inner.at, n) ? 0 : scan_failed(&inner, field, "was no UTF-8 text without NUL");
	if (field->type != PROTOBUF_C_TYPE_MESSAGE)
		return scan_packed(&inner, field);
	inner.descriptor = field->descriptor;
	return scan_message(&inner);
}

static bool may_have_type(const ProtobufCFieldDescriptor *field, uint64_t type) {
	if (field == NULL || type == wire_type_of(field->type))
		return true;
	return type == WIRE_BYTES && field->label == PROTOBUF_C_LABEL_REPEATED; /* packed */
}

/* Is this field a message that may stand only once? Bodies of a oneof are
 * alternatives: one of them at most. */
static bool stands_once(const ProtobufCFieldDescriptor *field) {
	return field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE && field->label != PROTOBUF_C_LABEL_REPEATED;
}

static int scan_field(struct scan *scan, uint64_t *seen) {
	uint64_t key;

	if (!read_varint(scan, VARINT_32_BYTES_MAX, &key) || key > UINT32_MAX || key >> 3 == 0)
		return scan_failed(scan, NULL, "had no valid field number");

	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field(scan->descriptor, (unsigned)(key >> 3));
	uint64_t type = key & 7;
	if (!may_have_type(field, type))
		return scan_failed(scan, field, "had another wire type than its own");

	if (stands_once(field)) {
		bool is_body = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
		uint64_t bit = is_body ? 1 : UINT64_C(1) << (field - scan->descriptor->fields + 1);

		if ((*seen & bit) != 0)
			return scan_failed(scan, field, is_body ? "was a second body" : "stood there twice");
		*seen |= bit;
	}
	return type == WIRE_BYTES ? scan_bytes(scan, field) : scan_number(scan, field, type);
}

static int scan_message(struct scan *scan) {
	uint64_t seen = 0;

	while (scan->at < scan->end) {
		int r = scan_field(scan, &seen);

		if (r < 0)
			return r;
	}
	return 0;
}

int wire_scan(const ProtobufCMessageDescriptor *descriptor, const uint8_t *payload, size_t n, struct error *error) {
	struct scan scan = {
		.descriptor = descriptor,
		.payload = payload,
		.at = payload,
		.end = payload + n,
		.error = error,
	};

	return scan_message(&scan);
}
