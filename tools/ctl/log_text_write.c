/*
 * A log as JSON lines; see log_text.h. A leader may rebase between two pages; the
 * rows read then do not chain, and all is read again. Damage does not chain the
 * second time either.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log_text.h"
#include "model/notation.h"
#include "output.h"
#include "report.h"
#include "store/eventlog.h"
#include "store/hash.h"

#define ATTEMPTS 5 /* a leader rebases now and then, not five times in a row */
#define HASH_TEXT_BYTES (2 * sizeof(struct hash) + 1)

struct writing {
	FILE *to;
	const char *store;
	struct eventlog *log;
	struct position after;
	struct hash chain, local; /* of the row before */
	uint64_t n_events;
};

static int write_failed(struct error *error) {
	return error_set(error, errno == ENOSPC || errno == EDQUOT ? ERROR_FULL : ERROR_IO, "cannot write the export: %s",
	                 strerror(errno));
}

static json_t *json_hash(const struct hash *hash) {
	char text[HASH_TEXT_BYTES];

	hex_print(text, hash->bytes, sizeof(hash->bytes));
	return must_have(json_string(text));
}

static json_t *json_id(const struct event_id *id) {
	char text[EVENT_ID_TEXT_BYTES];

	event_id_print(text, id);
	return must_have(json_string(text));
}

static json_t *json_at(struct position at) {
	char text[POSITION_TEXT_BYTES];

	position_print(text, at);
	return must_have(json_string(text));
}

static int schema_of(struct eventlog *log, json_t **ret, struct error *error) {
	struct bytes text = { 0 };
	struct hash fingerprint;
	uint32_t version;
	int r = eventlog_schema(log, &text, &version, error);

	if (r == 0) {
		hash_bytes(&fingerprint, text.data, text.n);
		*ret = must_have(json_pack("{s:I, s:o}", "version", (json_int_t)version, "fingerprint", json_hash(&fingerprint)));
	}
	bytes_finish(&text);
	return r;
}

static int write_header(struct writing *writing, struct error *error) {
	struct eventlog_status status;
	json_t *schema = NULL, *header;
	char lineage[2 * sizeof(status.lineage) + 1];
	int r = schema_of(writing->log, &schema, error);

	if (r < 0)
		return r;
	eventlog_status(writing->log, &status);
	hex_print(lineage, status.lineage, sizeof(status.lineage));
	header = must_have(json_pack("{s:s, s:i, s:s, s:s, s:s, s:I, s:o, s:o, s:o}", "leaderd", "log", "format",
	                             LOG_TEXT_FORMAT, "store", writing->store, "client", status.client_id, "lineage", lineage,
	                             "epoch", (json_int_t)status.epoch, "head", json_at(status.head), "confirmed",
	                             json_at(status.upstream_head), "schema", schema));
	output_json_to(writing->to, header, NULL, 0);
	return ferror(writing->to) ? write_failed(error) : 0;
}

static void write_event(struct writing *writing, const struct event *event) {
	const struct entry *entry = &event->entry;
	json_t *json = must_have(json_pack(
		"{s:o, s:o, s:s, s:I, s:{s:o, s:I, s:I}, s:s, s:s, s:I, s:I, s:o}", "position", json_at(entry->at), "id",
		json_id(&entry->id), "name", event->name, "version", (json_int_t)event->version, "unit", "id",
		json_id(&entry->unit), "index", (json_int_t)entry->unit_index, "count", (json_int_t)entry->unit_count, "client",
		event->client_id, "session", event->session_id, "time_ms", (json_int_t)event->hlc.time_ms, "counter",
		(json_int_t)event->hlc.counter, "chain_hash", json_hash(&event->chain_hash)));

	output_json_to(writing->to, json, event->args, event->args_bytes);
}

/* Does the row follow the one before it? */
static int check_event(struct writing *writing, const struct event *event, struct error *error) {
	char at[POSITION_TEXT_BYTES];
	struct hash content, local;
	int r = log_text_check_chain(&writing->chain, event, error);

	if (r < 0)
		return r;
	hash_content(&content, event);
	hash_local(&local, &writing->local, event->entry.at, &content);
	if (!hash_equal(&local, &event->local_hash)) {
		position_print(at, event->entry.at);
		return error_set(error, ERROR_CORRUPT, "the local hash of %s in store %s is not that of its content", at,
		                 writing->store);
	}
	writing->local = local;
	return 0;
}

static int write_page(struct writing *writing, bool *ret_more, struct error *error) {
	struct eventlog_query query = { .after = writing->after, .include_client_only = true, .n_max = PAGE_EVENTS_MAX,
		                            .bytes_max = PAGE_BYTES_MAX };
	struct event *events[PAGE_EVENTS_MAX];
	size_t n = 0;
	int r = eventlog_read(writing->log, &query, events, &n, &writing->after, error);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (r == 0)
			r = check_event(writing, events[i], error);
		if (r == 0)
			write_event(writing, events[i]);
		event_destroy(events[i]);
	}
	writing->n_events += r == 0 ? n : 0;
	*ret_more = !position_equal(writing->after, query.after);
	return r == 0 && ferror(writing->to) ? write_failed(error) : r;
}

static int attempt(struct writing *writing, const char *path, struct error *error) {
	const struct eventlog_options options = { .path = path, .read_only = true };
	bool more = true;
	int r = eventlog_open(&writing->log, &options, error);

	if (r < 0)
		return r;
	r = write_header(writing, error);
	while (r == 0 && more)
		r = write_page(writing, &more, error);
	if (r == 0 && fflush(writing->to) != 0)
		r = write_failed(error);
	writing->log = eventlog_close(writing->log);
	return r;
}

int log_text_write(FILE *to, const char *store, const char *folder, uint64_t *ret_events, struct error *error) {
	char *path;
	int r = ERROR_CORRUPT;

	if (asprintf(&path, "%s/eventlog.db", folder) < 0)
		return error_no_memory(error);
	for (int i = 0; i < ATTEMPTS && r == ERROR_CORRUPT; i++) {
		struct writing writing = { .to = to, .store = store };

		rewind(to);
		if (ftruncate(fileno(to), 0) < 0) {
			r = write_failed(error);
			break;
		}
		r = attempt(&writing, path, error);
		*ret_events = writing.n_events;
	}
	free(path);
	return r;
}
