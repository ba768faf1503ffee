/* leaderctl import */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "connect.h"
#include "lines.h"
#include "log_text.h"
#include "output.h"
#include "progress.h"
#include "report.h"

#define BATCH_EVENTS 1024u           /* and the rest of the last unit */
#define BATCH_BYTES (512u * 1024u)   /* of arguments */

struct import {
	const struct call *call;
	struct lda_connection *connection;
	struct lines *lines;
	struct log_text_header header;
	struct hash chain;
	struct event *events[2 * BATCH_EVENTS]; /* owned */
	char (*clocks)[HLC_TEXT_BYTES];         /* owned; of the events */
	struct lds_event *batch;                /* owned; borrows from both */
	size_t n, bytes;
	uint64_t n_read, n_imported, n_refused;
	struct progress progress;
};

static struct lds_event view(const struct event *event, const char *clock) {
	struct lds_event view = { .size = sizeof(view), .name = event->name, .version = event->version, .args = event->args,
		                      .args_bytes = event->args_bytes, .unit_index = event->entry.unit_index,
		                      .unit_count = event->entry.unit_count, .client_only = event->entry.client_only,
		                      .client_id = event->client_id, .session_id = event->session_id, .hlc = clock,
		                      .time_ms = event->hlc.time_ms };

	memcpy(view.id.bytes, event->entry.id.bytes, sizeof(view.id.bytes));
	memcpy(view.unit.bytes, event->entry.unit.bytes, sizeof(view.unit.bytes));
	return view;
}

static void forget_batch(struct import *import) {
	for (size_t i = 0; i < import->n; i++)
		event_destroy(import->events[i]);
	import->n = import->bytes = 0;
}

static int send_batch(struct import *import) {
	uint64_t imported = 0, refused = 0;
	int r;

	for (size_t i = 0; i < import->n; i++) {
		const struct event *event = import->events[i];

		hlc_print(import->clocks[i], event->hlc, event->client_id, event->session_id);
		import->batch[i] = view(event, import->clocks[i]);
	}
	r = lda_import(import->connection, import->call->words[0], import->batch, import->n, &imported, &refused);
	import->n_read += import->n;
	import->n_imported += imported;
	import->n_refused += refused;
	forget_batch(import);
	progress_show(&import->progress, "imported", import->n_read, 0);
	return r < 0 ? admin_failed(import->connection, r) : 0;
}

static int line_failed(struct import *import, uint64_t number, const struct error *error) {
	return report(status_of_code(error->code), "%s:%" PRIu64 ": %s", lines_label(import->lines), number, error->text);
}

static int take_event(struct import *import, const char *line, size_t n, uint64_t number) {
	struct error error = { 0 };
	struct event *event;
	int r = log_text_read_event(&event, line, n, &error);

	if (r == 0) {
		import->events[import->n++] = event;
		import->bytes += event->args_bytes;
		r = log_text_check_chain(&import->chain, event, &error);
	}
	if (r < 0)
		return line_failed(import, number, &error);
	if (event->entry.unit_index + 1 < event->entry.unit_count && import->n < 2 * BATCH_EVENTS)
		return 0;
	return import->n >= BATCH_EVENTS || import->bytes >= BATCH_BYTES ? send_batch(import) : 0;
}

static int take_line(struct import *import, const char *line, size_t n, uint64_t number) {
	struct error error = { 0 };

	if (number > 1)
		return take_event(import, line, n, number);
	return log_text_read_header(&import->header, line, n, &error) < 0 ? line_failed(import, number, &error) : 0;
}

static int take_lines(struct import *import) {
	int r = 0, found = LINES_LINE;

	while (r == 0 && found != 0) {
		uint64_t number = 0;
		const char *line;
		size_t n;

		found = lines_next(import->lines, &line, &n, &number);
		if (found == LINES_LINE)
			r = take_line(import, line, n, number);
		else if (found == LINES_MORE)
			found = lines_read(import->lines) < 0 ? -1 : LINES_MORE;
		if (r == 0 && found < 0)
			r = report(STATUS_FAILURE, "%s: %s", lines_label(import->lines), lines_reason(import->lines));
	}
	if (r == 0 && import->header.store[0] == '\0')
		r = report(STATUS_FAILURE, "%s is empty", lines_label(import->lines));
	return r == 0 && import->n > 0 ? send_batch(import) : r;
}

static void print_done(const struct import *import) {
	const char *store = import->call->words[0];
	uint64_t known = import->n_read - import->n_imported - import->n_refused;

	if (import->call->json) {
		output_json(json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "store", store, "from", import->header.store, "events",
		                      (json_int_t)import->n_read, "imported", (json_int_t)import->n_imported, "known",
		                      (json_int_t)known, "refused", (json_int_t)import->n_refused));
		return;
	}
	printf("%" PRIu64 " events of store %s: %" PRIu64 " imported into %s, %" PRIu64 " known already, %" PRIu64
	       " refused\n", import->n_read, import->header.store, import->n_imported, store, known, import->n_refused);
}

static int perform(struct import *import) {
	int r = connect_admin(import->call, &import->connection);

	if (r != 0)
		return r;
	import->clocks = must_have(calloc(2 * BATCH_EVENTS, sizeof(*import->clocks)));
	import->batch = must_have(calloc(2 * BATCH_EVENTS, sizeof(*import->batch)));
	progress_init(&import->progress);
	r = take_lines(import);
	progress_end(&import->progress);
	if (r == 0)
		print_done(import);
	forget_batch(import);
	free(import->clocks);
	free(import->batch);
	lda_close(import->connection);
	return r;
}

static int run(const struct call *call) {
	struct import *import = must_have(calloc(1, sizeof(*import)));
	int r = lines_open(&import->lines, call->words[1]);

	import->call = call;
	if (r == 0)
		r = perform(import);
	lines_close(import->lines);
	free(import);
	return r;
}

const struct command command_import = {
	.name = "import",
	.synopsis = "STORE FILE|-",
	.summary = "Take in the events of an exported log",
	.details = "What 'leaderctl export' has written, or --adopt into a store's folder. Events keep their ids,\n"
	           "clocks and sessions, client-only ones included; an empty store gives them the positions\n"
	           "that they had, another one places those that it does not know behind its head. Importing\n"
	           "twice changes nothing. What does not apply is refused and kept: see 'leaderctl refused'.\n"
	           "The chain hashes are recomputed; a line that does not agree ends the import with status 6,\n"
	           "and what stands before it may be imported.",
	.examples = "  leaderctl import org.example.todos todos.jsonl",
	.words = { "STORE", "FILE" },
	.n_required = 2,
	.options = { OPTION_TIMEOUT },
	.timeout_s = 60,
	.run = run,
};
