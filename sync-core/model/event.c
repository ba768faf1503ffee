/*
 * Events: making and copying them, the text of their ids, and the record of
 * the places that one held before the backend confirmed it.
 */

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/must.h"
#include "model/event.h"

_Static_assert(ORIGINS_MAX >= 2, "there is room for the oldest origin and the newest");

/* A copy of n bytes and a NUL behind them; NULL when memory ran out. */
static void *copy_bytes(const void *data, size_t n) {
	char *copy = malloc(n + 1);

	if (copy == NULL)
		return NULL;
	if (n > 0)
		memcpy(copy, data, n);
	copy[n] = '\0';
	return copy;
}

struct event *event_create(const char *name, const char *args, size_t args_bytes) {
	struct event *event = calloc(1, sizeof(*event));

	if (event == NULL)
		return NULL;
	event->name = copy_bytes(name, strlen(name));
	event->args = copy_bytes(args, args_bytes);
	event->args_bytes = args_bytes;
	if (event->name == NULL || event->args == NULL)
		return event_destroy(event);
	return event;
}

struct event *event_copy(const struct event *event) {
	struct event *copy = event_create(event->name, event->args, event->args_bytes);

	if (copy == NULL)
		return NULL;

	char *name = copy->name;
	char *args = copy->args;
	*copy = *event;
	copy->name = name;
	copy->args = args;
	copy->sync_metadata = NULL;
	if (event->sync_metadata != NULL) {
		copy->sync_metadata = copy_bytes(event->sync_metadata, event->sync_metadata_bytes);
		if (copy->sync_metadata == NULL)
			return event_destroy(copy);
	}
	return copy;
}

struct event *event_destroy(struct event *event) {
	if (event == NULL)
		return NULL;
	free(event->name);
	free(event->args);
	free(event->sync_metadata);
	free(event);
	return NULL;
}

bool event_id_equal(const struct event_id *a, const struct event_id *b) {
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool hash_equal(const struct hash *a, const struct hash *b) {
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool event_id_is_zero(const struct event_id *id) {
	static const struct event_id zero;

	return event_id_equal(id, &zero);
}

/* An id's text is five groups of hexadecimal digits, of these many bytes. */
static const size_t id_groups[] = { 4, 2, 2, 2, 6 };
#define ID_GROUPS (sizeof(id_groups) / sizeof(id_groups[0]))

void event_id_print(char ret[EVENT_ID_TEXT_BYTES], const struct event_id *id) {
	const uint8_t *bytes = id->bytes;

	for (size_t i = 0; i < ID_GROUPS; i++) {
		if (i > 0)
			*ret++ = '-';
		hex_print(ret, bytes, id_groups[i]);
		ret += 2 * id_groups[i];
		bytes += id_groups[i];
	}
}

bool event_id_parse(struct event_id *ret, const char *text) {
	char digits[2 * sizeof(ret->bytes) + 1];
	size_t n = 0;

	if (strlen(text) != EVENT_ID_TEXT_BYTES - 1)
		return false;
	for (size_t i = 0; i < ID_GROUPS; i++) {
		if (i > 0 && *text++ != '-')
			return false;
		memcpy(digits + n, text, 2 * id_groups[i]);
		n += 2 * id_groups[i];
		text += 2 * id_groups[i];
	}
	digits[n] = '\0';
	return hex_parse(ret->bytes, sizeof(ret->bytes), digits);
}

void event_move(struct event *event, struct position at, uint64_t generation) {
	/* A synced event stays one and a client-only event too: the two never trade places. */
	must(!position_is_root(at));
	must(position_is_client_only(at) == event->entry.client_only);

	if (!position_equal(event->entry.at, at)) {
		event_add_origin(event, event->entry.at);
		event->entry.at = at;
	}
	event->generation = generation;
}

/* Root is where an event stands that has no place yet, and no event can have
 * held one place twice in a row: neither is an origin. */
void event_add_origin(struct event *event, struct position origin) {
	must(event->n_origins <= ORIGINS_MAX);

	if (position_is_root(origin))
		return;
	if (event->n_origins > 0 && position_equal(event->origins[0], origin))
		return;

	/* When full, the last but one gives way: the last is where the event began. */
	uint32_t moved = event->n_origins < ORIGINS_MAX ? event->n_origins++ : ORIGINS_MAX - 2;
	memmove(event->origins + 1, event->origins, moved * sizeof(event->origins[0]));
	event->origins[0] = origin;
}

static bool is_lower_or_digit(char c) {
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_punctuation(char c) {
	return c == '.' || c == '_' || c == '-';
}

bool store_name_is_valid(const char *name) {
	size_t n = 0;

	if (!is_lower_or_digit(name[0]))
		return false;
	while (n <= STORE_NAME_BYTES_MAX && (is_lower_or_digit(name[n]) || is_punctuation(name[n])))
		n++;
	return n <= STORE_NAME_BYTES_MAX && name[n] == '\0';
}

bool session_id_is_valid(const char *id) {
	size_t n = 0;

	while (n <= SESSION_ID_BYTES_MAX &&
	       (is_lower_or_digit(id[n]) || is_punctuation(id[n]) || (id[n] >= 'A' && id[n] <= 'Z')))
		n++;
	return n >= 1 && n <= SESSION_ID_BYTES_MAX && id[n] == '\0';
}
