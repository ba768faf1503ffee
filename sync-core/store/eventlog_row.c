/*
 * One event as a row of the event log's tables, and back. Every row that is
 * read is proved first: sizes, content hash, checksum.
 */

#include "store/eventlog_internal.h"

#include <stdlib.h>
#include <string.h>

#include "model/notation.h"
#include "store/hash.h"

enum {
	COLUMN_AT = ROW_EVENT, /* global, client */
	COLUMN_ID = ROW_EVENT + 2,
	COLUMN_UNIT,
	COLUMN_UNIT_INDEX,
	COLUMN_UNIT_COUNT,
	COLUMN_VERSION,
	COLUMN_TIME,
	COLUMN_COUNTER,
	COLUMN_GENERATION,
	COLUMN_DIGEST,
	COLUMN_CONTENT_HASH,
	COLUMN_CHAIN_HASH,
	COLUMN_LOCAL_HASH,
	COLUMN_CHECKSUM,
	COLUMN_CLIENT_ID,
	COLUMN_SESSION_ID,
	COLUMN_NAME,
	COLUMN_ARGS,
	COLUMN_ORIGINS,
	COLUMN_SYNC_METADATA
};
_Static_assert(COLUMN_SYNC_METADATA == ROW_EXTRA - 1, "the columns of an event are all named");

/* -- Checksums -- */

void checksum_init(struct checksum *sum, const char *table) {
	crypto_generichash_init(&sum->state, NULL, 0, sizeof(struct hash));
	checksum_add(sum, table, strlen(table));
}

void checksum_add_u64(struct checksum *sum, uint64_t value) {
	uint8_t bytes[8];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
	crypto_generichash_update(&sum->state, bytes, sizeof(bytes));
}

void checksum_add(struct checksum *sum, const void *data, size_t n) {
	checksum_add_u64(sum, n);
	crypto_generichash_update(&sum->state, data, n);
}

int64_t checksum_finish(struct checksum *sum) {
	struct hash hash;
	uint64_t value = 0;

	crypto_generichash_final(&sum->state, hash.bytes, sizeof(hash.bytes));
	for (size_t i = 0; i < sizeof(value); i++)
		value |= (uint64_t)hash.bytes[i] << (8 * i);
	return (int64_t)value;
}

int64_t row_checksum(const char *table, uint64_t number, const struct event *event, const struct hash *extra) {
	struct checksum sum;

	checksum_init(&sum, table);
	checksum_add_u64(&sum, number);
	checksum_add_u64(&sum, event->entry.at.global);
	checksum_add_u64(&sum, event->entry.at.client);
	checksum_add_u64(&sum, event->generation);
	checksum_add_u64(&sum, event->digest);
	checksum_add(&sum, event->entry.content.bytes, sizeof(struct hash));
	checksum_add(&sum, event->chain_hash.bytes, sizeof(struct hash));
	checksum_add(&sum, event->local_hash.bytes, sizeof(struct hash));
	checksum_add_u64(&sum, event->n_origins);
	for (uint32_t i = 0; i < event->n_origins; i++) {
		checksum_add_u64(&sum, event->origins[i].global);
		checksum_add_u64(&sum, event->origins[i].client);
	}
	checksum_add(&sum, event->sync_metadata, event->sync_metadata_bytes);
	if (extra)
		checksum_add(&sum, extra->bytes, sizeof(extra->bytes));
	return checksum_finish(&sum);
}

/* -- Origins: global and client of each, newest first, seven bits a byte, the
 * low ones first, the high bit set while more follow -- */

static size_t put_number(uint8_t *to, uint64_t value) {
	size_t n = 0;

	for (; value >= 0x80; value >>= 7)
		to[n++] = (uint8_t)(value | 0x80);
	to[n++] = (uint8_t)value;
	return n;
}

static bool get_number(const uint8_t **data, const uint8_t *end, uint64_t *ret) {
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64 && *data < end; shift += 7) {
		uint8_t byte = *(*data)++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = value;
			return true;
		}
	}
	return false;
}

static void pack_origins(struct row_scratch *scratch, const struct event *event) {
	scratch->n_origins = 0;
	for (uint32_t i = 0; i < event->n_origins; i++) {
		scratch->n_origins += put_number(scratch->origins + scratch->n_origins, event->origins[i].global);
		scratch->n_origins += put_number(scratch->origins + scratch->n_origins, event->origins[i].client);
	}
}

static bool unpack_origins(struct event *event, const uint8_t *data, size_t n) {
	const uint8_t *end = data + n;

	for (event->n_origins = 0; data < end; event->n_origins++) {
		struct position origin;

		if (event->n_origins == ORIGINS_MAX || !get_number(&data, end, &origin.global) ||
		    !get_number(&data, end, &origin.client))
			return false;
		event->origins[event->n_origins] = origin;
	}
	return true;
}

/* -- Writing -- */

static const char *what_is_wrong(const struct event *event, int *ret_code) {
	const struct entry *entry = &event->entry;

	*ret_code = ERROR_TOO_LARGE;
	if (strlen(event->name) > EVENT_NAME_BYTES_MAX)
		return "its name is too long";
	if (event->args_bytes > EVENT_ARGS_BYTES_MAX)
		return "its arguments are too large";
	if (event->sync_metadata_bytes > SYNC_METADATA_BYTES_MAX)
		return "its sync metadata is too large";
	if (entry->unit_count > UNIT_EVENTS_MAX)
		return "its unit has too many events";
	*ret_code = ERROR_INVALID;
	if (event->name[0] == '\0')
		return "it has no name";
	if (event_id_is_zero(&entry->id))
		return "it has no id";
	if (entry->unit_index >= entry->unit_count)
		return "its place in its unit is outside of it";
	if (entry->at.global > INT64_MAX || entry->at.client > INT64_MAX || event->generation > INT64_MAX)
		return "its position or generation is past the greatest number";
	if (event->hlc.time_ms >> 48 || event->hlc.counter >> 16)
		return "its clock is past the greatest value";
	if (event->version == 0 || event->n_origins > ORIGINS_MAX)
		return "its version is zero, or it has too many origins";
	if (!memchr(event->client_id, '\0', sizeof(event->client_id)) ||
	    !memchr(event->session_id, '\0', sizeof(event->session_id)))
		return "its client or session id has no end";
	return NULL;
}

int log_check_event(const struct event *event, struct error *error) {
	char at[POSITION_TEXT_BYTES];
	struct hash content;
	int code;
	const char *wrong = what_is_wrong(event, &code);

	if (!wrong) {
		hash_content(&content, event);
		if (hash_equal(&content, &event->entry.content))
			return 0;
		wrong = "its content does not have its content hash";
		code = ERROR_INVALID;
	}
	position_print(at, event->entry.at);
	return error_set(error, code, "the event at %s cannot be logged: %s", at, wrong);
}

static void bind_numbers(sqlite3_stmt *statement, uint64_t number, const struct event *event) {
	/* Parameters count from 1, columns from 0. */
	log_bind_u64(statement, ROW_NUMBER + 1, number);
	log_bind_position(statement, COLUMN_AT + 1, event->entry.at);
	log_bind_u64(statement, COLUMN_UNIT_INDEX + 1, event->entry.unit_index);
	log_bind_u64(statement, COLUMN_UNIT_COUNT + 1, event->entry.unit_count);
	log_bind_u64(statement, COLUMN_VERSION + 1, event->version);
	log_bind_u64(statement, COLUMN_TIME + 1, event->hlc.time_ms);
	log_bind_u64(statement, COLUMN_COUNTER + 1, event->hlc.counter);
	log_bind_u64(statement, COLUMN_GENERATION + 1, event->generation);
	log_bind_u64(statement, COLUMN_DIGEST + 1, event->digest);
}

int log_bind_row(struct eventlog *log, sqlite3_stmt *statement, const struct row *row, struct row_scratch *scratch,
                 struct error *error) {
	const struct event *event = row->event;
	const struct entry *entry = &event->entry;
	/* A unit's first event lends it the id: most units are one event. */
	bool own_unit = event_id_equal(&entry->id, &entry->unit);
	const struct {
		int column;
		const void *data;
		size_t n;
	} blobs[] = {
		{ COLUMN_ID, entry->id.bytes, sizeof(entry->id.bytes) },
		{ COLUMN_UNIT, own_unit ? NULL : entry->unit.bytes, sizeof(entry->unit.bytes) },
		{ COLUMN_CONTENT_HASH, entry->content.bytes, sizeof(struct hash) },
		{ COLUMN_CHAIN_HASH, event->chain_hash.bytes, sizeof(struct hash) },
		{ COLUMN_LOCAL_HASH, event->local_hash.bytes, sizeof(struct hash) },
		{ COLUMN_ORIGINS, event->n_origins ? scratch->origins : NULL, 0 },
		{ COLUMN_SYNC_METADATA, event->sync_metadata, event->sync_metadata_bytes },
	};
	const struct {
		int column;
		const char *text;
		size_t n;
	} strings[] = {
		{ COLUMN_CLIENT_ID, event->client_id, strlen(event->client_id) },
		{ COLUMN_SESSION_ID, event->session_id, strlen(event->session_id) },
		{ COLUMN_NAME, event->name, strlen(event->name) },
		{ COLUMN_ARGS, event->args, event->args_bytes },
	};
	int r = 0;

	pack_origins(scratch, event);
	bind_numbers(statement, row->number, event);
	log_bind_u64(statement, COLUMN_CHECKSUM + 1, (uint64_t)row_checksum(row->table, row->number, event, row->extra));
	for (size_t i = 0; r == 0 && i < sizeof(blobs) / sizeof(blobs[0]); i++) {
		size_t n = blobs[i].column == COLUMN_ORIGINS ? scratch->n_origins : blobs[i].n;

		r = log_bind_blob(log, statement, blobs[i].column + 1, blobs[i].data, n, error);
	}
	for (size_t i = 0; r == 0 && i < sizeof(strings) / sizeof(strings[0]); i++)
		r = log_bind_text(log, statement, strings[i].column + 1, strings[i].text, strings[i].n, error);
	return r;
}

/* -- Reading -- */

static bool column_text(sqlite3_stmt *statement, int column, char *ret, size_t max) {
	const void *data = sqlite3_column_blob(statement, column);
	size_t n = (size_t)sqlite3_column_bytes(statement, column);

	if (n > max || (n && (!data || memchr(data, '\0', n))))
		return false;
	if (n)
		memcpy(ret, data, n);
	ret[n] = '\0';
	return true;
}

static bool column_u32(sqlite3_stmt *statement, int column, uint32_t *ret) {
	sqlite3_int64 value = sqlite3_column_int64(statement, column);

	if (value < 0 || value > UINT32_MAX)
		return false;
	*ret = (uint32_t)value;
	return true;
}

static bool column_entry(sqlite3_stmt *statement, struct entry *entry) {
	entry->at = log_column_position(statement, COLUMN_AT);
	entry->client_only = entry->at.client != 0;
	if (!log_column_bytes(statement, COLUMN_ID, entry->id.bytes, sizeof(entry->id.bytes)))
		return false;
	entry->unit = entry->id;
	if (sqlite3_column_type(statement, COLUMN_UNIT) != SQLITE_NULL &&
	    !log_column_bytes(statement, COLUMN_UNIT, entry->unit.bytes, sizeof(entry->unit.bytes)))
		return false;
	return column_u32(statement, COLUMN_UNIT_INDEX, &entry->unit_index) &&
	       column_u32(statement, COLUMN_UNIT_COUNT, &entry->unit_count) &&
	       log_column_bytes(statement, COLUMN_CONTENT_HASH, entry->content.bytes, sizeof(struct hash));
}

static bool column_placement(sqlite3_stmt *statement, struct event *event) {
	const uint8_t *origins = sqlite3_column_blob(statement, COLUMN_ORIGINS);

	event->generation = (uint64_t)sqlite3_column_int64(statement, COLUMN_GENERATION);
	event->digest = (uint64_t)sqlite3_column_int64(statement, COLUMN_DIGEST);
	event->hlc.time_ms = (uint64_t)sqlite3_column_int64(statement, COLUMN_TIME);
	return column_u32(statement, COLUMN_VERSION, &event->version) &&
	       column_u32(statement, COLUMN_COUNTER, &event->hlc.counter) &&
	       log_column_bytes(statement, COLUMN_CHAIN_HASH, event->chain_hash.bytes, sizeof(struct hash)) &&
	       log_column_bytes(statement, COLUMN_LOCAL_HASH, event->local_hash.bytes, sizeof(struct hash)) &&
	       column_text(statement, COLUMN_CLIENT_ID, event->client_id, CLIENT_ID_BYTES) &&
	       column_text(statement, COLUMN_SESSION_ID, event->session_id, SESSION_ID_BYTES_MAX) &&
	       (!origins || unpack_origins(event, origins, (size_t)sqlite3_column_bytes(statement, COLUMN_ORIGINS)));
}

static int column_metadata(sqlite3_stmt *statement, struct event *event) {
	const void *data = sqlite3_column_blob(statement, COLUMN_SYNC_METADATA);
	size_t n = (size_t)sqlite3_column_bytes(statement, COLUMN_SYNC_METADATA);

	if (!data || n == 0)
		return 0;
	if (n > SYNC_METADATA_BYTES_MAX)
		return ERROR_CORRUPT;
	event->sync_metadata = malloc(n);
	if (!event->sync_metadata)
		return ERROR_NO_MEMORY;
	memcpy(event->sync_metadata, data, n);
	event->sync_metadata_bytes = n;
	return 0;
}

/* 0, NO_MEMORY or CORRUPT; nothing is said yet. */
static int column_event(sqlite3_stmt *statement, struct event **ret) {
	char name[EVENT_NAME_BYTES_MAX + 1];
	const void *args = sqlite3_column_blob(statement, COLUMN_ARGS);
	size_t args_bytes = (size_t)sqlite3_column_bytes(statement, COLUMN_ARGS);
	struct event *event;
	int r;

	if (!column_text(statement, COLUMN_NAME, name, EVENT_NAME_BYTES_MAX) || args_bytes > EVENT_ARGS_BYTES_MAX ||
	    (args_bytes && !args))
		return ERROR_CORRUPT;
	event = event_create(name, args_bytes ? args : "", args_bytes);
	if (!event)
		return ERROR_NO_MEMORY;
	r = column_metadata(statement, event);
	if (r == 0 && !(column_entry(statement, &event->entry) && column_placement(statement, event)))
		r = ERROR_CORRUPT;
	if (r < 0)
		event_destroy(event);
	else
		*ret = event;
	return r;
}

int log_column_row(sqlite3_stmt *statement, const char *table, const struct hash *extra, struct row *ret,
                   struct error *error) {
	uint64_t number = (uint64_t)sqlite3_column_int64(statement, ROW_NUMBER);
	struct event *event = NULL;
	char at[POSITION_TEXT_BYTES];
	int r = column_event(statement, &event);

	if (r == ERROR_NO_MEMORY)
		return error_no_memory(error);
	position_print(at, log_column_position(statement, COLUMN_AT));
	if (r < 0)
		return error_set(error, ERROR_CORRUPT, "the row at %s in %s is no event", at, table);
	if (log_check_event(event, NULL) < 0)
		r = error_set(error, ERROR_CORRUPT, "the event at %s in %s contradicts its content hash", at, table);
	else if (row_checksum(table, number, event, extra) != sqlite3_column_int64(statement, COLUMN_CHECKSUM))
		r = error_set(error, ERROR_CORRUPT, "the row at %s in %s contradicts its checksum", at, table);
	if (r < 0) {
		event_destroy(event);
		return r;
	}
	*ret = (struct row){ .number = number, .event = event, .table = table, .extra = extra };
	return 0;
}

void log_destroy_events(struct event **events, size_t n_events) {
	for (size_t i = 0; i < n_events; i++)
		events[i] = event_destroy(events[i]);
}
