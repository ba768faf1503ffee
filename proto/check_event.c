/*
 * What an event on the wire must be, in each of the forms in which it travels,
 * and what makes pushed events one unit.
 */

#include <stdlib.h>
#include <string.h>

#include "proto/check.h"

#define ID_BYTES sizeof(((struct event_id *)NULL)->bytes)
#define HASH_BYTES sizeof(((struct hash *)NULL)->bytes)

static int check_content(const struct place *at, const Leaderd__Event *event) {
	int r = 0;

	if (event->name[0] == '\0')
		return check_failed(at, "name", ERROR_PROTOCOL, "was empty");
	r = check_text_length(at, "name", event->name, EVENT_NAME_BYTES_MAX);
	if (r == 0)
		r = check_at_least_one(at, "version", event->version);
	if (r < 0)
		return r;
	if (event->args.len > EVENT_ARGS_BYTES_MAX)
		return check_failed(at, "args", ERROR_TOO_LARGE, "had %zu bytes, at most %u", event->args.len,
		                    EVENT_ARGS_BYTES_MAX);
	/* What is no JSON object, the schema's arguments_check says. Here: that it is text, which also holds for the
	 * events that this schema does not know. */
	if (event->args.len == 0)
		return check_failed(at, "args", ERROR_PROTOCOL, "was empty");
	if (!wire_text_is_valid(event->args.data, event->args.len))
		return check_failed(at, "args", ERROR_PROTOCOL, "was no UTF-8 text without NUL");
	r = check_client_id(at, "client_id", event->client_id);
	if (r == 0)
		r = check_session_id(at, "session_id", event->session_id);
	return r < 0 ? r : check_clock(at, event->hlc_time_ms, event->hlc_counter);
}

static int check_unit_fields(const struct place *at, const Leaderd__Event *event) {
	int r = check_id(at, "unit", &event->unit);

	if (r == 0)
		r = check_at_least_one(at, "unit_count", event->unit_count);
	if (r < 0)
		return r;
	if (event->unit_count > UNIT_EVENTS_MAX)
		return check_failed(at, "unit_count", ERROR_TOO_LARGE, "was %u, at most %u", event->unit_count,
		                    UNIT_EVENTS_MAX);
	if (event->unit_index >= event->unit_count)
		return check_failed(at, "unit_index", ERROR_PROTOCOL, "was %u in a unit of %u", event->unit_index,
		                    event->unit_count);
	/* A unit bears the id of its first event. */
	if ((memcmp(event->unit.data, event->id.data, ID_BYTES) == 0) != (event->unit_index == 0))
		return check_failed(at, "unit", ERROR_PROTOCOL, "did not agree with id at unit index %u", event->unit_index);
	return 0;
}

/* An event that was refused before it got a place stands at root. */
static int check_place(const struct place *at, const Leaderd__Event *event, enum event_form form) {
	bool placed = event->global != 0 || event->client != 0;
	int r = check_position(at, "position", event->global, event->client);

	if (r == 0)
		r = check_number(at, "generation", event->generation, INT64_MAX);
	if (r < 0)
		return r;
	if (!placed && form != EVENT_PUSHED && form != EVENT_REFUSED)
		return check_failed(at, "position", ERROR_PROTOCOL, "was root, which is no event's");
	if (form == EVENT_CONFIRMED && event->client != 0)
		return check_failed(at, "client", ERROR_PROTOCOL, "was %ju in an event for a backend",
		                    (uintmax_t)event->client);
	if (placed && !event->short_ && event->client_only != (event->client != 0))
		return check_failed(at, "client_only", ERROR_PROTOCOL, "did not agree with the position's client part");
	return 0;
}

static int check_origins(const struct place *at, const Leaderd__Event *event) {
	if (event->n_origins % 2 != 0)
		return check_failed(at, "origins", ERROR_PROTOCOL, "held %zu numbers, expected pairs", event->n_origins);
	if (event->n_origins / 2 > ORIGINS_MAX)
		return check_failed(at, "origins", ERROR_TOO_LARGE, "held %zu positions, at most %u", event->n_origins / 2,
		                    ORIGINS_MAX);
	for (size_t i = 0; i < event->n_origins; i += 2) {
		const uint64_t *origin = event->origins + i;
		int r = check_position(at, "origins", origin[0], origin[1]);

		if (r < 0)
			return r;
		if (origin[0] == 0 && origin[1] == 0)
			return check_failed(at, "origins", ERROR_PROTOCOL, "held root, which is no event's");
		if (event->client_only != (origin[1] != 0))
			return check_failed(at, "origins", ERROR_PROTOCOL, "did not agree with client_only");
	}
	return 0;
}

/* What a device keeps for itself. */
static int check_nothing_local(const struct place *at, const Leaderd__Event *event) {
	if (event->generation != 0 || event->n_origins > 0 || event->digest != 0 || event->local_hash.len > 0)
		return check_failed(at, NULL, ERROR_PROTOCOL, "bore what is local to a device");
	return 0;
}

static int check_hashes(const struct place *at, const Leaderd__Event *event, enum event_form form) {
	if (form == EVENT_CONFIRMED)
		return check_bytes(at, "chain_hash", &event->chain_hash, HASH_BYTES);

	bool logged = form == EVENT_LOGGED || form == EVENT_FED;
	int r = logged ? check_bytes(at, "local_hash", &event->local_hash, HASH_BYTES)
	               : check_bytes_or_none(at, "local_hash", &event->local_hash, HASH_BYTES);

	return r < 0 ? r : check_bytes_or_none(at, "chain_hash", &event->chain_hash, HASH_BYTES);
}

static int check_additions(const struct place *at, const Leaderd__Event *event, enum event_form form) {
	if (event->sync_metadata.len > SYNC_METADATA_BYTES_MAX)
		return check_failed(at, "sync_metadata", ERROR_TOO_LARGE, "had %zu bytes, at most %u", event->sync_metadata.len,
		                    SYNC_METADATA_BYTES_MAX);
	/* Adapters write it when the backend has confirmed the event, which a push cannot know. */
	if (form == EVENT_PUSHED && event->sync_metadata.len > 0)
		return check_failed(at, "sync_metadata", ERROR_PROTOCOL, "stood in a push");
	return check_origins(at, event);
}

/* The session has the content already: another one beside it would be a question of whom to believe. */
static int check_short(const struct place *at, const Leaderd__Event *event) {
	if (event->name[0] != '\0' || event->args.len > 0 || event->unit.len > 0 || event->client_id[0] != '\0' ||
	    event->session_id[0] != '\0' || event->sync_metadata.len > 0 || event->n_origins > 0 || event->version != 0 ||
	    event->unit_index != 0 || event->unit_count != 0 || event->hlc_time_ms != 0 || event->hlc_counter != 0)
		return check_failed(at, NULL, ERROR_PROTOCOL, "was short but had content");
	return 0;
}

int check_event(const struct place *at, const Leaderd__Event *event, enum event_form form) {
	int r = check_id(at, "id", &event->id);

	if (r == 0)
		r = check_place(at, event, form);
	if (r == 0)
		r = check_hashes(at, event, form);
	if (r < 0)
		return r;
	if (event->short_ && form != EVENT_FED)
		return check_failed(at, "short", ERROR_PROTOCOL, "was set outside of a feed");
	if (event->short_)
		return check_short(at, event);
	r = check_content(at, event);
	if (r == 0)
		r = check_unit_fields(at, event);
	if (r == 0 && form == EVENT_CONFIRMED)
		r = check_nothing_local(at, event);
	return r < 0 ? r : check_additions(at, event, form);
}

static int compare_ids(const void *a, const void *b) {
	return memcmp(*(const uint8_t *const *)a, *(const uint8_t *const *)b, ID_BYTES);
}

/* Two events of one id in a unit would both be unknown when the leader asks its log. */
static int check_ids_differ(const struct place *at, Leaderd__Event *const *events, size_t n_events) {
	const uint8_t *ids[UNIT_EVENTS_MAX];

	for (size_t i = 0; i < n_events; i++)
		ids[i] = events[i]->id.data;
	qsort(ids, n_events, sizeof(ids[0]), compare_ids);
	for (size_t i = 1; i < n_events; i++)
		if (compare_ids(&ids[i - 1], &ids[i]) == 0)
			return check_failed(at, "events", ERROR_PROTOCOL, "held one id twice");
	return 0;
}

static int check_member(const struct place *at, const Leaderd__Event *event, const Leaderd__Event *first, size_t index,
                        size_t n_events) {
	if (memcmp(event->unit.data, first->unit.data, ID_BYTES) != 0)
		return check_failed(at, "unit", ERROR_PROTOCOL, "was another than that of the push");
	if (event->unit_count != n_events)
		return check_failed(at, "unit_count", ERROR_PROTOCOL, "was %u in a push of %zu events", event->unit_count,
		                    n_events);
	if (event->unit_index != index)
		return check_failed(at, "unit_index", ERROR_PROTOCOL, "was %u, expected %zu", event->unit_index, index);
	if (strcmp(event->client_id, first->client_id) != 0)
		return check_failed(at, "client_id", ERROR_PROTOCOL, "was another than that of the push");
	if (strcmp(event->session_id, first->session_id) != 0)
		return check_failed(at, "session_id", ERROR_PROTOCOL, "was another than that of the push");
	return 0;
}

int check_unit(const struct place *at, Leaderd__Event *const *events, size_t n_events) {
	size_t args_bytes = 0;

	if (n_events == 0)
		return check_failed(at, "events", ERROR_PROTOCOL, "was empty");
	if (n_events > UNIT_EVENTS_MAX)
		return check_failed(at, "events", ERROR_TOO_LARGE, "held %zu events, at most %u", n_events, UNIT_EVENTS_MAX);
	for (size_t i = 0; i < n_events; i++) {
		struct place event = place_index(at, "events", i);
		int r = check_event(&event, events[i], EVENT_PUSHED);

		if (r == 0)
			r = check_member(&event, events[i], events[0], i, n_events);
		if (r < 0)
			return r;
		args_bytes += events[i]->args.len;
	}
	if (args_bytes > UNIT_BYTES_MAX)
		return check_failed(at, "events", ERROR_TOO_LARGE, "had %zu bytes of arguments, at most %u", args_bytes,
		                    UNIT_BYTES_MAX);
	return check_ids_differ(at, events, n_events);
}
