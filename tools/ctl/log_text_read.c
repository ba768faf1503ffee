/* Reading a log's JSON lines; see log_text.h. */

#include <jansson.h>
#include <string.h>

#include "base/bytes.h"
#include "json_line.h"
#include "log_text.h"
#include "model/notation.h"
#include "store/hash.h"

/* What one line's object is taken apart into; strings are borrowed from it. */
struct members {
	const char *position, *id, *name, *unit, *client, *session, *chain_hash;
	json_int_t version, unit_index, unit_count, time_ms, counter;
};

static json_t *load(const char *line, size_t n, struct error *error) {
	json_error_t why;
	json_t *json = json_loadb(line, n, JSON_REJECT_DUPLICATES, &why);

	if (!json)
		error_set(error, ERROR_INVALID, "malformed JSON in column %d: %s", why.column, why.text);
	return json;
}

int log_text_read_header(struct log_text_header *ret, const char *line, size_t n, struct error *error) {
	struct log_text_header header = { 0 };
	const char *kind, *store, *head;
	json_int_t format;
	json_t *json = load(line, n, error);
	int r = 0;

	if (!json)
		return ERROR_INVALID;
	if (json_unpack(json, "{s:s, s:I, s:s, s:s}", "leaderd", &kind, "format", &format, "store", &store, "head",
	                &head) < 0 || strcmp(kind, "log") != 0 || !store_name_is_valid(store))
		r = error_set(error, ERROR_INVALID, "it is no first line of an export: {\"leaderd\":\"log\",…}");
	else if (format != LOG_TEXT_FORMAT)
		r = error_set(error, ERROR_VERSION, "it is of format %lld, this program reads format %d", (long long)format,
		              LOG_TEXT_FORMAT);
	else
		r = position_parse(&header.head, head, error);
	if (r == 0) {
		strcpy(header.store, store);
		*ret = header;
	}
	json_decref(json);
	return r;
}

/* ---- events -------------------------------------------------------------------------- */

static bool is_within(json_int_t value, json_int_t least, json_int_t most) {
	return value >= least && value <= most;
}

static bool members_are_possible(const struct members *members) {
	return is_within(members->version, 1, UINT32_MAX) && is_within(members->unit_count, 1, UNIT_EVENTS_MAX) &&
	       is_within(members->unit_index, 0, members->unit_count - 1) &&
	       is_within(members->time_ms, 0, (1LL << 48) - 1) && is_within(members->counter, 0, 65535) &&
	       strlen(members->client) == CLIENT_ID_BYTES && session_id_is_valid(members->session);
}

static int fill(struct event *event, const struct members *members, struct error *error) {
	struct entry *entry = &event->entry;

	if (!members_are_possible(members) || !event_id_parse(&entry->id, members->id) ||
	    !event_id_parse(&entry->unit, members->unit) ||
	    !hex_parse(event->chain_hash.bytes, sizeof(event->chain_hash.bytes), members->chain_hash))
		return error_set(error, ERROR_INVALID, "it is no line of an exported event: one of its members is impossible");
	entry->unit_index = (uint32_t)members->unit_index;
	entry->unit_count = (uint32_t)members->unit_count;
	event->version = (uint32_t)members->version;
	event->hlc = (struct hlc){ (uint64_t)members->time_ms, (uint32_t)members->counter };
	strcpy(event->client_id, members->client);
	strcpy(event->session_id, members->session);
	int r = position_parse(&entry->at, members->position, error);
	entry->client_only = entry->at.client != 0;
	return r;
}

static int make(struct event **ret, const struct members *members, const char *args, size_t args_bytes,
                struct error *error) {
	struct event *event = event_create(members->name, args, args_bytes);
	int r = event ? fill(event, members, error) : error_no_memory(error);

	if (r < 0) {
		event_destroy(event);
		return r;
	}
	hash_content(&event->entry.content, event);
	*ret = event;
	return 0;
}

int log_text_read_event(struct event **ret, const char *line, size_t n, struct error *error) {
	struct members members;
	const char *args;
	size_t args_bytes;
	json_t *json = load(line, n, error);
	int r;

	if (!json)
		return ERROR_INVALID;
	if (json_unpack(json, "{s:s, s:s, s:s, s:I, s:{s:s, s:I, s:I}, s:s, s:s, s:I, s:I, s:s}", "position",
	                &members.position, "id", &members.id, "name", &members.name, "version", &members.version, "unit",
	                "id", &members.unit, "index", &members.unit_index, "count", &members.unit_count, "client",
	                &members.client, "session", &members.session, "time_ms", &members.time_ms, "counter",
	                &members.counter, "chain_hash", &members.chain_hash) < 0 ||
	    !json_line_member(line, n, "args", &args, &args_bytes))
		r = error_set(error, ERROR_INVALID, "it is no line of an exported event");
	else
		r = make(ret, &members, args, args_bytes, error);
	json_decref(json);
	return r;
}

int log_text_check_chain(struct hash *chain, const struct event *event, struct error *error) {
	char at[POSITION_TEXT_BYTES];
	struct hash content, found = *chain;

	hash_content(&content, event);
	if (!event->entry.client_only)
		hash_chain(&found, chain, event->entry.at, &content);
	if (!hash_equal(&found, &event->chain_hash)) {
		position_print(at, event->entry.at);
		return error_set(error, ERROR_CORRUPT, "the chain hash of %s is not that of its content", at);
	}
	*chain = found;
	return 0;
}
