/* The log as JSON lines; see upstream_export.h. */

#include "leaderd/src/upstream_export.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "leaderd/src/leader.h"
#include "model/notation.h"

#define EXPORT_FORMAT 1
#define HASH_TEXT_BYTES 65u

static int fail(struct error *error, const char *doing, const char *path) {
	int code = errno == ENOSPC || errno == EDQUOT ? ERROR_FULL : errno == EACCES ? ERROR_PERMISSION : ERROR_IO;

	return error_set(error, code, "cannot %s %s: %s", doing, path, strerror(errno));
}

/* ---- lines ---------------------------------------------------------------------------- */

/* `args` are the event's own bytes, which are JSON already. */
static int write_line(FILE *to, json_t *object, const char *args, size_t args_bytes) {
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	size_t n = text ? strlen(text) : 0;

	json_decref(object);
	if (!text)
		return ERROR_NO_MEMORY;
	if (args) {
		fwrite(text, 1, n - 1, to);
		fputs(",\"args\":", to);
		fwrite(args, 1, args_bytes, to);
		fputs("}\n", to);
	} else {
		fprintf(to, "%s\n", text);
	}
	free(text);
	return 0;
}

static int write_header(FILE *to, const struct leader *leader) {
	const struct eventlog_status *told = &leader->told;
	char lineage[2 * sizeof(told->lineage) + 1], head[POSITION_TEXT_BYTES], confirmed[POSITION_TEXT_BYTES];

	hex_print(lineage, told->lineage, sizeof(told->lineage));
	position_print(head, told->head);
	position_print(confirmed, told->upstream_head);
	return write_line(to, json_pack("{s:s, s:i, s:s, s:s, s:s, s:I, s:s, s:s}", "leaderd", "log", "format", EXPORT_FORMAT,
	                                "store", leader->name, "client", told->client_id, "lineage", lineage, "epoch",
	                                (json_int_t)told->epoch, "head", head, "confirmed", confirmed), NULL, 0);
}

static int write_event(FILE *to, const struct event *event) {
	char id[EVENT_ID_TEXT_BYTES], unit[EVENT_ID_TEXT_BYTES], at[POSITION_TEXT_BYTES];
	char chain[HASH_TEXT_BYTES];
	const struct entry *entry = &event->entry;

	event_id_print(id, &entry->id);
	event_id_print(unit, &entry->unit);
	position_print(at, entry->at);
	hex_print(chain, event->chain_hash.bytes, sizeof(event->chain_hash.bytes));
	return write_line(to, json_pack("{s:s, s:s, s:s, s:I, s:{s:s, s:I, s:I}, s:s, s:s, s:I, s:I, s:s}", "position", at,
	                                "id", id, "name", event->name, "version", (json_int_t)event->version, "unit", "id",
	                                unit, "index", (json_int_t)entry->unit_index, "count",
	                                (json_int_t)entry->unit_count, "client", event->client_id, "session",
	                                event->session_id, "time_ms", (json_int_t)event->hlc.time_ms, "counter",
	                                (json_int_t)event->hlc.counter, "chain_hash", chain),
	                  event->args, event->args_bytes);
}

/* ---- the log ----------------------------------------------------------------------------- */

static int write_page(FILE *to, struct leader *leader, struct position *after, bool *ret_more, struct error *error) {
	struct eventlog_query query = { .after = *after, .include_client_only = true, .n_max = PAGE_EVENTS_MAX,
		                            .bytes_max = PAGE_BYTES_MAX };
	struct event *events[PAGE_EVENTS_MAX];
	size_t n = 0;
	int r = eventlog_read(leader->store->log, &query, events, &n, after, error);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (r == 0 && write_event(to, events[i]) < 0)
			r = error_no_memory(error);
		event_destroy(events[i]);
	}
	*ret_more = !position_equal(*after, query.after);
	return r;
}

static int write_all(FILE *to, struct leader *leader, const char *path, struct error *error) {
	struct position after = POSITION_ROOT;
	bool more = true;
	int r = write_header(to, leader) < 0 ? error_no_memory(error) : 0;

	while (r == 0 && more)
		r = write_page(to, leader, &after, &more, error);
	if (r == 0 && (fflush(to) != 0 || ferror(to) || fsync(fileno(to)) < 0))
		r = fail(error, "write", path);
	return r;
}

static int sync_folder(const char *path, struct error *error) {
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd >= 0 && fsync(fd) == 0 ? 0 : fail(error, "sync", path);

	if (fd >= 0)
		close(fd);
	return r;
}

/* A name that sorts by time; a second export within a second gets a number. */
static int open_new(FILE **ret, char **ret_path, const char *folder, struct error *error) {
	char time_text[32];
	time_t now = time(NULL);
	struct tm parts;
	int fd = -1;

	gmtime_r(&now, &parts);
	strftime(time_text, sizeof(time_text), "%Y%m%dT%H%M%SZ", &parts);
	for (int i = 0; fd < 0; i++) {
		free(*ret_path);
		if (asprintf(ret_path, i == 0 ? "%s/adopted-%s.jsonl" : "%s/adopted-%s-%d.jsonl", folder, time_text, i) < 0) {
			*ret_path = NULL;
			return error_no_memory(error);
		}
		fd = open(*ret_path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0 && errno != EEXIST)
			return fail(error, "make", *ret_path);
	}
	*ret = fdopen(fd, "w");
	if (*ret)
		return 0;
	close(fd);
	return error_no_memory(error);
}

int upstream_export(struct leader *leader, struct error *error) {
	char *path = NULL;
	FILE *to = NULL;
	int r = open_new(&to, &path, leader->folder, error);

	if (r == 0) {
		r = write_all(to, leader, path, error);
		if (fclose(to) != 0 && r == 0)
			r = fail(error, "write", path);
		if (r == 0)
			r = sync_folder(leader->folder, error);
		if (r < 0)
			unlink(path);
	}
	if (r == 0)
		log_notice("store=%s the old log was exported to %s", leader->name, path);
	free(path);
	return r;
}
