#ifndef LEADERD_PROTO_CHECK_H
#define LEADERD_PROTO_CHECK_H

/*
 * What the checks of messages and of events share: where a field stands, and
 * the tests that most fields are made of. Each answers 0 or a negative code
 * with one line: "Push.events[3].id had 5 bytes, expected 16". Private.
 */

#include <stdbool.h>
#include <stdint.h>

#include "proto/unpack.h"

/* A message on the way to the field under test; the outermost has no `in`. */
struct place {
	const struct place *in; /* NULL: the frame's body */
	const char *name;       /* of the body, or of the field that holds this message */
	size_t index;           /* in a repeated field, or PLACE_SINGLE */
	struct error *error;
};
#define PLACE_SINGLE SIZE_MAX

struct place place_single(const struct place *in, const char *name);
struct place place_index(const struct place *in, const char *name, size_t index);

/* "Path.field " and what was wrong with it; returns `code`. */
int check_failed(const struct place *at, const char *field, int code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

int check_position(const struct place *at, const char *field, uint64_t global, uint64_t client);
int check_number(const struct place *at, const char *field, uint64_t value, uint64_t max);
int check_at_least_one(const struct place *at, const char *field, uint64_t value);
int check_bytes(const struct place *at, const char *field, const ProtobufCBinaryData *data, size_t expected);
int check_bytes_or_none(const struct place *at, const char *field, const ProtobufCBinaryData *data, size_t expected);
int check_id(const struct place *at, const char *field, const ProtobufCBinaryData *data);  /* 16 bytes, not zero */
int check_ids(const struct place *at, const char *field, const ProtobufCBinaryData *data); /* side by side */
int check_text_length(const struct place *at, const char *field, const char *text, size_t bytes_max);
int check_client_id(const struct place *at, const char *field, const char *text);
int check_session_id(const struct place *at, const char *field, const char *text);
int check_store_name(const struct place *at, const char *field, const char *text);
int check_clock(const struct place *at, uint64_t time_ms, uint32_t counter);
int check_code(const struct place *at, int32_t code);     /* of the field `code`: 0 or a failure */
int check_body(const void *body, const struct place *at); /* a message that must be there */

enum event_form {
	EVENT_PUSHED,   /* full, without what leaders add */
	EVENT_REFUSED,  /* full, perhaps never logged */
	EVENT_LOGGED,   /* full, with its local hash */
	EVENT_FED,      /* as logged, or short */
	EVENT_CONFIRMED /* full and synced, with its chain hash and nothing that is local to a device */
};
int check_event(const struct place *at, const Leaderd__Event *event, enum event_form form);
int check_unit(const struct place *at, Leaderd__Event *const *events, size_t n_events); /* a push: one whole unit */

#endif
