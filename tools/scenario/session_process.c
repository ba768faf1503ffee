/*
 * A session process: one session, driven by lines from the parent.
 *
 *   commit NAME JSON | batch JSON | pause | resume | chain | pending | query SQL | dump
 *
 * Each line is answered by a code and a text. While paused it neither reads nor
 * handles what its leader sends; it can still commit.
 */

#include <errno.h>
#include <jansson.h>
#include <leaderd/session.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "scenario.h"
#include "session-lib/src/session.h"

struct worker {
	struct lds_session *session;
	int fd;
	bool paused;
	struct chain seen;             /* the leader's log as this session has taken it in */
	struct lds_position seen_head; /* of it */
	uint64_t seen_generation;
	struct lds_position seen_backend;
};

static void reply(struct worker *worker, int code, const char *text) {
	struct {
		int code;
		size_t n;
	} header = { code, strlen(text) };

	if (send(worker->fd, &header, sizeof(header), MSG_NOSIGNAL) < 0 || send(worker->fd, text, header.n, MSG_NOSIGNAL) < 0)
		_exit(1);
}

static void reply_session_error(struct worker *worker, int code) {
	reply(worker, code, lds_last_error(worker->session));
}

/* ---- commands ------------------------------------------------------------------ */

static void commit(struct worker *worker, char *rest) {
	size_t n = strcspn(rest, " ");
	int r;

	if (rest[n] == ' ')
		rest[n++] = '\0';
	r = lds_commit(worker->session, rest, rest[n] != '\0' ? rest + n : "{}", NULL);
	if (r < 0)
		reply_session_error(worker, r);
	else
		reply(worker, r, "");
}

static void batch(struct worker *worker, const char *rest) {
	json_t *units = json_loads(rest, 0, NULL), *item;
	struct lds_event_input events[UNIT_EVENTS_MAX];
	size_t n = json_array_size(units), i;
	int r;

	if (n == 0 || n > UNIT_EVENTS_MAX) {
		reply(worker, LDS_INVALID, "a batch is a JSON array of {\"name\":…,\"args\":{…}}");
		json_decref(units);
		return;
	}
	json_array_foreach(units, i, item)
		events[i] = (struct lds_event_input){ .name = json_string_value(json_object_get(item, "name")),
			                                  .args = json_dumps(json_object_get(item, "args"), JSON_COMPACT) };
	r = lds_commit_batch(worker->session, events, n, NULL);
	if (r < 0)
		reply_session_error(worker, r);
	else
		reply(worker, r, "");
	for (i = 0; i < n; i++)
		free((char *)events[i].args);
	json_decref(units);
}

static int add_pending(struct worker *worker, struct chain *chain) {
	size_t n;
	const struct pending *pending = session_pending(&worker->session->machine, &n);

	for (size_t i = 0; i < n; i++) {
		if (chain->n == CHAIN_TOKENS_MAX)
			return ERROR_TOO_LARGE;
		chain->tokens[chain->n++] = (struct notation){ .at = pending[i].entry.at, .unconfirmed = true };
	}
	return 0;
}

static void send_chain(struct worker *worker) {
	struct chain chain = worker->seen;
	char *text = calloc(chain.n + 1 + SESSION_PENDING_EVENTS_MAX / 128, NOTATION_BYTES_MAX);
	size_t n = 0;

	if (text == NULL || add_pending(worker, &chain) < 0) {
		reply(worker, ERROR_TOO_LARGE, "the chain is too long");
		free(text);
		return;
	}
	for (size_t i = 0; i < chain.n; i++) {
		chain.tokens[i].node[0] = '\0';
		n += (size_t)sprintf(text + n, "%s", i > 0 ? " → " : "");
		n += notation_print(text + n, &chain.tokens[i]);
	}
	reply(worker, 0, text);
	free(text);
}

static void send_pending(struct worker *worker) {
	struct lds_status status = { .size = sizeof(status) };
	char text[64];

	lds_get_status(worker->session, &status);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)(status.pending + status.queued_bytes));
	reply(worker, status.connection == LDS_CONNECTED ? 0 : 1, text);
}

static void send_value(struct worker *worker, const struct lds_value *value) {
	char text[64];

	switch (value->type) {
	case LDS_NULL:
		reply(worker, 0, "NULL");
		break;
	case LDS_INTEGER:
		snprintf(text, sizeof(text), "%lld", (long long)value->integer);
		reply(worker, 0, text);
		break;
	case LDS_REAL:
		snprintf(text, sizeof(text), "%.17g", value->real);
		reply(worker, 0, text);
		break;
	case LDS_TEXT:
	case LDS_BLOB:
		reply(worker, 0, value->text);
		break;
	}
}

static void query(struct worker *worker, const char *sql) {
	struct lds_rows *rows;
	struct lds_value value;
	int r = lds_query(worker->session, sql, NULL, 0, &rows);

	if (r < 0) {
		reply_session_error(worker, r);
		return;
	}
	r = lds_rows_next(rows);
	if (r == LDS_ROW && lds_rows_value(rows, 0, &value) == 0)
		send_value(worker, &value);
	else if (r == 0)
		reply(worker, 0, "");
	else
		reply_session_error(worker, r);
	lds_rows_close(rows);
}

static int add_piece(const char *text, size_t n, void *data) {
	return bytes_add(data, text, n);
}

static void dump(struct worker *worker) {
	struct bytes text = { 0 };
	struct error error;
	int r = state_dump(worker->session->state, true, add_piece, &text, &error);

	if (r == 0)
		r = bytes_add_u8(&text, 0);
	reply(worker, r, r < 0 ? error.text : (const char *)text.data);
	bytes_finish(&text);
}

static void obey(struct worker *worker, char *line) {
	size_t n = strcspn(line, " ");
	char *rest = line + n + (line[n] == ' ');

	line[n] = '\0';
	if (strcmp(line, "commit") == 0) {
		commit(worker, rest);
	} else if (strcmp(line, "batch") == 0) {
		batch(worker, rest);
	} else if (strcmp(line, "pause") == 0 || strcmp(line, "resume") == 0) {
		worker->paused = line[0] == 'p';
		reply(worker, 0, "");
	} else if (strcmp(line, "chain") == 0) {
		send_chain(worker);
	} else if (strcmp(line, "pending") == 0) {
		send_pending(worker);
	} else if (strcmp(line, "query") == 0) {
		query(worker, rest);
	} else if (strcmp(line, "dump") == 0) {
		dump(worker);
	} else {
		reply(worker, LDS_INVALID, "unknown command");
	}
}

/* ---- what the session has taken in ------------------------------------------------ */

static bool same(struct lds_position a, struct lds_position b) {
	return a.global == b.global && a.client == b.client;
}

/* Reads the leader's log again up to the session's head, whenever that moved: a
 * paused session can no longer ask. */
static void look_again(struct worker *worker) {
	struct lds_status status = { .size = sizeof(status) };
	struct lds_events_options options = { .size = sizeof(options), .flags = LDS_EVENTS_CLIENT_ONLY };
	struct lds_events *events;
	const struct lds_event *event;
	struct chain chain = { .n = 0 };
	struct error error;

	lds_get_status(worker->session, &status);
	if (status.connection != LDS_CONNECTED ||
	    (same(status.leader_head, worker->seen_head) && status.generation == worker->seen_generation &&
	     same(status.backend_head, worker->seen_backend)))
		return;
	options.until = &status.leader_head;
	if (lds_events_open(worker->session, &options, &events) < 0)
		return;
	while (lds_events_next(events, EXPECT_MS, &event) == LDS_EVENT)
		if (chain_add(&chain, event, NULL, &error) < 0)
			break;
	lds_events_close(events);
	worker->seen = chain;
	worker->seen_head = status.leader_head;
	worker->seen_generation = status.generation;
	worker->seen_backend = status.backend_head;
}

static int poll_timeout_ms(const struct worker *worker) {
	uint64_t deadline = worker->paused ? UINT64_MAX : lds_get_deadline(worker->session);
	struct timespec now;
	uint64_t now_us;

	if (deadline == UINT64_MAX)
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &now);
	now_us = (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
	return deadline <= now_us ? 0 : (int)((deadline - now_us + 999) / 1000);
}

/* Takes whole lines; the parent waits for each answer, so there is at most one. */
static void read_line(struct worker *worker) {
	static char line[UNIT_BYTES_MAX * 2];
	static size_t n;
	ssize_t got = recv(worker->fd, line + n, sizeof(line) - n, 0);

	if (got <= 0) {
		lds_close(worker->session);
		_exit(0);
	}
	n += (size_t)got;
	if (line[n - 1] != '\n')
		return;
	line[n - 1] = '\0';
	n = 0;
	obey(worker, line);
}

static void turn(struct worker *worker) {
	struct pollfd ready[2] = { { worker->fd, POLLIN, 0 }, { -1, 0, 0 } };

	if (!worker->paused) {
		ready[1].fd = lds_get_fd(worker->session);
		ready[1].events = (short)lds_get_events(worker->session);
	}
	if (poll(ready, 2, poll_timeout_ms(worker)) < 0 && errno != EINTR)
		_exit(1);
	if (!worker->paused) {
		lds_process(worker->session);
		look_again(worker);
	}
	if (ready[0].revents != 0)
		read_line(worker);
}

static char *read_file(const char *path) {
	FILE *file = fopen(path, "re");
	char *text = calloc(1, SCHEMA_BYTES_MAX + 1);

	if (file == NULL || text == NULL || fread(text, 1, SCHEMA_BYTES_MAX, file) == 0)
		_exit(1);
	fclose(file);
	return text;
}

_Noreturn void session_process(const struct session_process_options *options) {
	struct worker worker = { .fd = options->fd };
	char *schema = read_file(options->schema_path);
	struct lds_options open_options = { .size = sizeof(open_options), .socket = options->socket, .store = STORE,
		                                .schema = schema, .schema_label = options->schema_path,
		                                .session_id = options->session_id };
	char text[256];
	int r = lds_open(&worker.session, &open_options, text, sizeof(text));

	free(schema);
	reply(&worker, r < 0 ? r : 0, r < 0 ? text : "");
	if (r < 0)
		_exit(1);
	look_again(&worker);
	while (true)
		turn(&worker);
}
