/*
 * A session process: one session, driven by lines from the parent.
 *
 *   commit NAME JSON | batch JSON | pause | resume | chain | standing | query SQL | dump
 *
 * Each line is answered by a code and a text. While paused it neither reads nor
 * handles what its leader sends; it can still commit. When the parent closes its
 * end, the session is closed.
 */

#include <errno.h>
#include <jansson.h>
#include <leaderd/session.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/must.h"
#include "scenario.h"
#include "session-lib/src/event_view.h"
#include "session-lib/src/session.h"

#define LOOK_MS 50 /* between two looks whether the leader that reads its log to us is still there */

struct worker {
	struct lds_session *session;
	int fd;
	bool paused;
	struct chain seen;             /* the leader's log as this session has taken it in */
	struct lds_position seen_head; /* of it */
	uint64_t seen_generation;
	struct lds_position seen_backend;
};

static void reply_bytes(struct worker *worker, int code, const void *text, size_t n) {
	struct {
		int code;
		size_t n;
	} header = { code, n };

	if (send(worker->fd, &header, sizeof(header), MSG_NOSIGNAL) != (ssize_t)sizeof(header) ||
	    send(worker->fd, text, n, MSG_NOSIGNAL) != (ssize_t)n)
		_exit(1);
}

static void reply(struct worker *worker, int code, const char *text) {
	reply_bytes(worker, code, text, strlen(text));
}

static void reply_code(struct worker *worker, int code) {
	reply(worker, code, code < 0 ? lds_last_error(worker->session) : "");
}

/* ---- committing ------------------------------------------------------------------ */

static void commit(struct worker *worker, char *rest) {
	size_t n = strcspn(rest, " ");

	if (rest[n] == ' ')
		rest[n++] = '\0';
	reply_code(worker, lds_commit(worker->session, rest, rest[n] != '\0' ? rest + n : "{}", NULL));
}

static void batch(struct worker *worker, const char *rest) {
	json_t *list = json_loads(rest, 0, NULL), *item;
	size_t n = json_array_size(list), i;
	struct lds_event_input *events = calloc(n + 1, sizeof(*events));

	if (events == NULL)
		_exit(1);
	json_array_foreach(list, i, item) events[i] =
		(struct lds_event_input){ .name = json_string_value(json_object_get(item, "name")),
		                          .args = json_dumps(json_object_get(item, "args"), JSON_COMPACT) };
	for (i = 0; i < n && events[i].name != NULL && events[i].args != NULL; i++)
		;
	if (n == 0 || i < n)
		reply(worker, LDS_INVALID, "a batch is a JSON array of {\"name\":…,\"args\":{…}}");
	else
		reply_code(worker, lds_commit_batch(worker->session, events, n, NULL));
	for (i = 0; i < n; i++)
		free((char *)events[i].args);
	free(events);
	json_decref(list);
}

/* ---- the session's own view ---------------------------------------------------------- */

/* A paused session cannot ask its leader, so its pending events are read where they stand. */
static int add_pending(struct worker *worker, struct chain *chain, struct error *error) {
	size_t n;
	const struct pending *pending = session_pending(&worker->session->machine, &n);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		const struct pending_event *found = pending_find(&worker->session->pending, &pending[i].entry.id);
		struct event_view view;

		must(found != NULL);
		event_view_fill(&view, found->event, false, true);
		view.event.position = (struct lds_position){ pending[i].entry.at.global, pending[i].entry.at.client };
		view.event.generation = worker->session->machine.heads.generation;
		r = chain_add(chain, &view.event, lds_client_id(worker->session), error);
	}
	return r;
}

static void send_chain(struct worker *worker) {
	struct chain *chain = malloc(sizeof(*chain));
	char *text = malloc((CHAIN_TOKENS_MAX + 1) * (NOTATION_BYTES_MAX + 8));
	struct error error;
	size_t n = 0;

	if (chain == NULL || text == NULL)
		_exit(1);
	*chain = worker->seen;
	if (add_pending(worker, chain, &error) < 0) {
		reply(worker, error.code, error.text);
	} else {
		for (size_t i = 0; i < chain->n; i++) {
			n += (size_t)sprintf(text + n, "%s", i > 0 ? " → " : "");
			n += notation_print(text + n, &chain->tokens[i]);
		}
		reply_bytes(worker, 0, text, n);
	}
	free(text);
	free(chain);
}

static void send_standing(struct worker *worker) {
	struct lds_status status = { .size = sizeof(status) };
	char text[256];

	lds_get_status(worker->session, &status);
	snprintf(text, sizeof(text), "%d %llu %llu %llu %llu %llu %llu %llu", status.connection == LDS_CONNECTED,
	         (unsigned long long)status.pending, (unsigned long long)status.queued_bytes,
	         (unsigned long long)status.generation, (unsigned long long)status.leader_head.global,
	         (unsigned long long)status.leader_head.client, (unsigned long long)status.backend_head.global,
	         (unsigned long long)status.backend_head.client);
	reply(worker, 0, text);
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
		reply_bytes(worker, 0, value->text, value->bytes);
		break;
	}
}

static void query(struct worker *worker, const char *sql) {
	struct lds_rows *rows;
	struct lds_value value;
	int r = lds_query(worker->session, sql, NULL, 0, &rows);

	if (r < 0) {
		reply_code(worker, r);
		return;
	}
	r = lds_rows_next(rows);
	if (r == LDS_ROW && lds_rows_value(rows, 0, &value) == 0)
		send_value(worker, &value);
	else
		reply_code(worker, r);
	lds_rows_close(rows);
}

static int add_piece(const char *text, size_t n, void *data) {
	return bytes_add(data, text, n);
}

static void dump(struct worker *worker) {
	struct bytes text = { 0 };
	struct error error;
	int r = state_dump(worker->session->state, true, add_piece, &text, &error);

	if (r < 0)
		reply(worker, r, error.text);
	else
		reply_bytes(worker, r, text.data, text.n);
	bytes_finish(&text);
}

/* ---- what the session has taken in ---------------------------------------------------- */

static bool same(struct lds_position a, struct lds_position b) {
	return a.global == b.global && a.client == b.client;
}

static bool has_seen(const struct worker *worker, const struct lds_status *status) {
	return same(status->leader_head, worker->seen_head) && status->generation == worker->seen_generation &&
	       same(status->backend_head, worker->seen_backend);
}

static bool is_connected(const struct worker *worker) {
	struct lds_status status = { .size = sizeof(status) };

	lds_get_status(worker->session, &status);
	return status.connection == LDS_CONNECTED;
}

/* The leader's log up to the session's head. Reading processes, too, so that the
 * head may move on meanwhile. */
static bool read_log(struct worker *worker, const struct lds_status *status) {
	struct lds_events_options options = { .size = sizeof(options),
		                                  .flags = LDS_EVENTS_CLIENT_ONLY,
		                                  .until = &status->leader_head };
	const struct lds_event *event;
	struct lds_events *events;
	struct error error;
	int r;

	worker->seen.n = 0;
	if (lds_events_open(worker->session, &options, &events) < 0)
		return false;
	do {
		r = lds_events_next(events, LOOK_MS, &event);
		if (r == LDS_EVENT && chain_add(&worker->seen, event, event->client_id, &error) < 0)
			r = error.code;
	} while (r == LDS_EVENT || (r == LDS_TIMEOUT && is_connected(worker)));
	lds_events_close(events);
	if (r != 0)
		return false;
	worker->seen_head = status->leader_head;
	worker->seen_generation = status->generation;
	worker->seen_backend = status->backend_head;
	return true;
}

/* Keeps the chain of what was taken in, for a paused session can no longer ask. Ends
 * when the chain is that of the present state. */
static void look_again(struct worker *worker) {
	struct lds_status status = { .size = sizeof(status) };

	lds_get_status(worker->session, &status);
	while (status.connection == LDS_CONNECTED && !has_seen(worker, &status)) {
		if (!read_log(worker, &status))
			return; /* the leader is gone: again when it is back */
		lds_get_status(worker->session, &status);
	}
}

/* ---- the loop ---------------------------------------------------------------------------- */

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
	} else if (strcmp(line, "standing") == 0) {
		send_standing(worker);
	} else if (strcmp(line, "query") == 0) {
		query(worker, rest);
	} else if (strcmp(line, "dump") == 0) {
		dump(worker);
	} else {
		reply(worker, LDS_INVALID, "unknown command");
	}
}

/* Takes whole lines; the parent waits for each answer, so there is at most one. */
static void read_line(struct worker *worker) {
	static char line[LINE_BYTES_MAX];
	static size_t n;
	ssize_t got = recv(worker->fd, line + n, sizeof(line) - n, 0);

	if (got <= 0)
		exit(lds_close(worker->session) < 0);
	n += (size_t)got;
	if (line[n - 1] != '\n')
		return;
	line[n - 1] = '\0';
	n = 0;
	obey(worker, line);
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

static void turn(struct worker *worker) {
	struct pollfd ready[2] = { { worker->fd, POLLIN, 0 }, { -1, 0, 0 } };

	if (!worker->paused) {
		ready[1].fd = lds_get_fd(worker->session);
		ready[1].events = (short)lds_get_events(worker->session);
	}
	if (poll(ready, 2, poll_timeout_ms(worker)) < 0 && errno != EINTR)
		_exit(1);
	if (!worker->paused) {
		int r = lds_process(worker->session);

		if (r < 0)
			fprintf(stderr, "session %s: %s\n", lds_session_id(worker->session), lds_last_error(worker->session));
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
	static struct worker worker;
	char *schema = read_file(options->schema_path);
	struct lds_options open_options = { .size = sizeof(open_options),
		                                .socket = options->socket,
		                                .store = STORE,
		                                .schema = schema,
		                                .schema_label = options->schema_path,
		                                .session_id = options->session_id };
	char text[512];
	int r;

	worker.fd = options->fd;
	r = lds_open(&worker.session, &open_options, text, sizeof(text));
	free(schema);
	reply(&worker, r < 0 ? r : 0, r < 0 ? text : "");
	if (r < 0)
		exit(1);
	look_again(&worker);
	while (true)
		turn(&worker);
}
