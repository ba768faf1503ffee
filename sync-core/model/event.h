#ifndef LEADERD_MODEL_EVENT_H
#define LEADERD_MODEL_EVENT_H

/*
 * An event: an immutable, named fact with JSON arguments and a stable id.
 *
 * What never changes is the content (everything but the placement); its hash
 * is made where the event is made (store/hash.h) and compared everywhere.
 * What changes until the backend has confirmed the event is its placement:
 * position, generation and origins.
 *
 * The machines and the merge know events as entries: identity, content hash,
 * position, unit. Arguments are the shell's business.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/limits.h"
#include "model/position.h"

struct event_id {
	uint8_t bytes[16]; /* UUIDv7, made at commit, never changes */
};

struct hash {
	uint8_t bytes[32]; /* BLAKE2b-256 */
};

/* What merge and the machines know of an event. */
struct entry {
	struct event_id id;
	struct hash content;
	struct position at;
	struct event_id unit; /* the unit's id: its first event's id */
	uint32_t unit_index;  /* 0 .. unit_count - 1 */
	uint32_t unit_count;  /* 1 .. UNIT_EVENTS_MAX */
	bool client_only;     /* at.client != 0 once it has a position */
};

/* Hybrid logical clock of a commit; its text form ends in the client id. */
struct hlc {
	uint64_t time_ms; /* Unix time in milliseconds, below 2^48 */
	uint32_t counter; /* below 2^16 */
};

struct event {
	struct entry entry;
	uint64_t generation;
	struct position origins[ORIGINS_MAX]; /* newest first; the last is the oldest of all */
	uint32_t n_origins;
	uint32_t version; /* of the definition, from 1 */
	struct hlc hlc;
	char client_id[CLIENT_ID_BYTES + 1];
	char session_id[SESSION_ID_BYTES_MAX + 1];
	uint64_t digest;        /* of the row images that it made; 0: none known */
	struct hash chain_hash; /* meaningful for a logged, synced event */
	struct hash local_hash; /* meaningful for a logged event */
	char *name;             /* owned by the event */
	char *args;             /* owned: a JSON object, kept byte for byte, NUL-terminated */
	size_t args_bytes;      /* without the NUL */
	uint8_t *sync_metadata; /* owned; NULL while there is none */
	size_t sync_metadata_bytes;
};

/* A zeroed event with copies of name and arguments; NULL when memory ran out.
 * Sizes are the caller's to check (limits.h). */
struct event *event_create(const char *name, const char *args, size_t args_bytes);
struct event *event_copy(const struct event *event); /* NULL when memory ran out */
struct event *event_destroy(struct event *event);    /* accepts NULL; returns NULL */

bool event_id_equal(const struct event_id *a, const struct event_id *b);
bool hash_equal(const struct hash *a, const struct hash *b);
bool event_id_is_zero(const struct event_id *id);

/* 36 characters and a NUL: 8-4-4-4-12 lower-case hexadecimal digits. */
#define EVENT_ID_TEXT_BYTES 37u
void event_id_print(char ret[EVENT_ID_TEXT_BYTES], const struct event_id *id);
bool event_id_parse(struct event_id *ret, const char *text);

/* "YYYY-MM-DDTHH:MM:SS.mmmZ-cccc-ssssssssssssssss-<client id>": counter and a
 * hash of the session id in hexadecimal. Fixed width, sorts as the clock does.
 * Sessions of one device run clocks of their own between two words of the
 * leader; the session's hash keeps their values apart, so no two are equal. */
#define HLC_TEXT_BYTES (24u + 1u + 4u + 1u + 16u + 1u + CLIENT_ID_BYTES + 1u)
void hlc_print(char ret[HLC_TEXT_BYTES], struct hlc hlc, const char *client_id, const char *session_id);

/* The next clock value: later than `last` and not before `now_ms`. When the
 * counter overflows, the time moves on by a millisecond. */
struct hlc hlc_next(struct hlc last, uint64_t now_ms);
/* The later of the two, so that what is pulled moves the clock on. */
struct hlc hlc_later(struct hlc a, struct hlc b);

/* Moves an event to `at`: its old position becomes its newest origin; of more
 * than ORIGINS_MAX the oldest and the seven newest are kept. Moving to the
 * place where it stands changes nothing but the generation. */
void event_move(struct event *event, struct position at, uint64_t generation);
void event_add_origin(struct event *event, struct position origin);

bool store_name_is_valid(const char *name); /* [a-z0-9][a-z0-9._-]{0,63}: also a folder's name */
bool session_id_is_valid(const char *id);   /* [A-Za-z0-9._-]{1,64} */

#endif
