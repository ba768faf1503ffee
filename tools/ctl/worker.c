/* A worker of an import; see worker.h. */

#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connect.h"
#include "flights.h"
#include "report.h"

#define READ_BYTES (64u * 1024u)
#define RECEIPT_BYTES 160u /* no receipt is longer */
#define OPEN_RETRY_MS 20   /* between two attempts to find a leader that was there a moment ago */

struct worker {
	const struct worker_options *options;
	struct lds_session *session;
	struct lds_events *events; /* tells positions; NULL: nobody asks for them */
	struct flights flights;
	char *input; /* lines that are not committed: input[first .. first + n) */
	size_t first, n, allocated;
	bool input_ended;
	bool is_full;                /* the session takes no more until something has moved */
	bool more;                   /* the session has work that no descriptor tells of */
	int status;                  /* of the first failure */
	uint64_t progress_us;        /* when something moved last */
	struct worker_report report; /* what is to be told next */
	char receipts[PIPE_BUF];
	size_t n_receipts;
};

const char *stage_name(enum lds_stage stage) {
	return stage == LDS_APPLIED ? "applied" : stage == LDS_DURABLE ? "durable" : "confirmed";
}

/* ---- telling -------------------------------------------------------------------- */

static void send_report(struct worker *worker) {
	ssize_t n;

	do {
		n = write(worker->options->reports_fd, &worker->report, sizeof(worker->report));
	} while (n < 0 && errno == EINTR);
	memset(&worker->report, 0, sizeof(worker->report));
}

/* The first failure counts: no more lines are taken behind it. */
static void fail(struct worker *worker, uint64_t line, int code, const char *text) {
	if (worker->status != 0)
		return;
	worker->status = status_of_code(code);
	worker->report.code = code;
	worker->report.line = line;
	snprintf(worker->report.text, sizeof(worker->report.text), "%s", text && *text ? text : lds_code_name(code));
	send_report(worker);
}

static void flush_receipts(struct worker *worker) {
	size_t at = 0;

	while (at < worker->n_receipts) {
		ssize_t n = write(STDOUT_FILENO, worker->receipts + at, worker->n_receipts - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fail(worker, 0, LDS_IO, "cannot write receipts to standard output");
			break;
		}
		at += (size_t)n;
	}
	worker->n_receipts = 0;
}

static void add_receipt(struct worker *worker, const struct flight *flight) {
	char id[LDS_ID_TEXT_BYTES], position[LDS_POSITION_TEXT_BYTES];

	if (!worker->options->receipts)
		return;
	if (worker->n_receipts + RECEIPT_BYTES > sizeof(worker->receipts))
		flush_receipts(worker);
	lds_id_print(id, &flight->id);
	lds_position_print(position, flight->position);
	worker->n_receipts += (size_t)snprintf(worker->receipts + worker->n_receipts, RECEIPT_BYTES,
	                                       "{\"id\":\"%s\",\"position\":\"%s\",\"stage\":\"%s\"}\n", id, position,
	                                       stage_name(worker->options->stage));
}

static void arrive(struct worker *worker) {
	const struct flight *flight = flights_oldest(&worker->flights);

	if (!flight->refused) {
		add_receipt(worker, flight);
		worker->report.n_done++;
	}
	flights_drop_oldest(&worker->flights);
	worker->progress_us = clock_us();
}

/* ---- what became of the events ----------------------------------------------------- */

static void on_refused(struct lds_session *session, const struct lds_event *event, const char *reason, void *data) {
	struct worker *worker = data;
	struct flight *flight = flights_find(&worker->flights, &event->id);
	char text[300];

	snprintf(text, sizeof(text), "the leader refused %s: %s", event->name, reason);
	if (flight)
		flights_refuse(&worker->flights, flight);
	fail(worker, flight ? flight->line : 0, LDS_REFUSED, text);
}

/* Without receipts it is enough to count: what is no longer pending is durable. */
static void settle_by_count(struct worker *worker, const struct lds_status *status) {
	struct flights *flights = &worker->flights;
	uint64_t left =
		worker->options->stage == LDS_APPLIED ? (status->queued_bytes > 0 ? flights->n : 0) : status->pending;

	while (flights->n > 0 && (flights_oldest(flights)->refused || flights->n - flights->n_refused > left))
		arrive(worker);
}

/* The leader's own log tells positions: what it shows is durable. */
static void note_event(struct worker *worker, const struct lds_event *event) {
	struct flight *flight = flights_find(&worker->flights, &event->id);

	if (flight)
		flight->position = event->position;
}

static bool stands_behind(struct lds_position a, struct lds_position b) {
	return a.global > b.global || (a.global == b.global && a.client > b.client);
}

static void note_rebase(struct worker *worker, struct lds_position back) {
	struct flights *flights = &worker->flights;

	for (size_t i = 0; i < flights->n; i++) {
		struct flight *flight = &flights->list[(flights->first + i) % FLIGHTS_MAX];

		if (stands_behind(flight->position, back))
			flight->position = (struct lds_position){ 0, 0 };
	}
}

static void read_log(struct worker *worker) {
	const struct lds_event *event;
	int r;

	while ((r = lds_events_next(worker->events, 0, &event)) == LDS_EVENT || r == LDS_REBASED) {
		if (r == LDS_REBASED)
			note_rebase(worker, event->position);
		else
			note_event(worker, event);
	}
	if (r != LDS_TIMEOUT && r != LDS_HELD)
		fail(worker, 0, r, lds_last_error(worker->session));
}

static void settle_by_log(struct worker *worker, const struct lds_status *status) {
	struct flight *flight;

	while ((flight = flights_oldest(&worker->flights))) {
		bool is_known = flight->position.global != 0;
		bool is_confirmed = status->has_backend && flight->position.global <= status->backend_head.global;

		if (!flight->refused && (!is_known || (worker->options->stage == LDS_CONFIRMED && !is_confirmed)))
			return;
		arrive(worker);
	}
}

static void settle(struct worker *worker) {
	struct lds_status status = { .size = sizeof(status) };
	int r;

	/* It takes turns of its own, so it comes before the status is looked at. */
	if (worker->events)
		read_log(worker);
	r = lds_get_status(worker->session, &status);
	if (r < 0) {
		fail(worker, 0, r, lds_last_error(worker->session));
		return;
	}
	if (worker->events)
		settle_by_log(worker, &status);
	else
		settle_by_count(worker, &status);
}

/* ---- committing --------------------------------------------------------------------- */

static const struct worker_line *next_line(const struct worker *worker, struct worker_line *ret) {
	if (worker->n < sizeof(*ret))
		return NULL;
	memcpy(ret, worker->input + worker->first, sizeof(*ret));
	return worker->n >= sizeof(*ret) + ret->name_bytes + ret->args_bytes ? ret : NULL;
}

static bool may_commit(const struct worker *worker) {
	struct worker_line line;

	return worker->status == 0 && !worker->is_full && !flights_is_full(&worker->flights) && next_line(worker, &line);
}

static void add_flight(struct worker *worker, const struct lds_id *id, uint64_t line) {
	struct lds_status status = { .size = sizeof(status) };
	struct flight applied = { .id = *id, .line = line };

	flights_add(&worker->flights, id, line);
	worker->progress_us = clock_us();
	if (worker->options->stage != LDS_APPLIED || !worker->options->receipts)
		return;
	/* The newest event of this view is the one just committed. */
	if (lds_get_status(worker->session, &status) == 0)
		applied.position = status.local_head;
	flights_find(&worker->flights, id)->position = applied.position;
}

static void commit_line(struct worker *worker) {
	struct lds_event_input input;
	struct worker_line line;
	struct lds_id id;
	int r;

	next_line(worker, &line);
	input.name = worker->input + worker->first + sizeof(line);
	input.args = input.name + line.name_bytes;
	input.version = line.version;
	r = lds_commit_batch(worker->session, &input, 1, &id);
	if (r == LDS_FULL) {
		worker->is_full = true; /* the line stays where it is */
		return;
	}
	if (r < 0)
		fail(worker, line.number, r, lds_last_error(worker->session));
	else
		add_flight(worker, &id, line.number);
	worker->first += sizeof(line) + line.name_bytes + line.args_bytes;
	worker->n -= sizeof(line) + line.name_bytes + line.args_bytes;
}

static void read_input(struct worker *worker) {
	ssize_t n;

	if (worker->n > 0)
		memmove(worker->input, worker->input + worker->first, worker->n);
	worker->first = 0;
	if (worker->allocated < worker->n + READ_BYTES) {
		worker->allocated = 2 * (worker->n + READ_BYTES);
		worker->input = must_have(realloc(worker->input, worker->allocated));
	}
	n = read(worker->options->lines_fd, worker->input + worker->n, READ_BYTES);
	if (n == 0)
		worker->input_ended = true;
	else if (n > 0)
		worker->n += (size_t)n;
	else if (errno != EINTR)
		fail(worker, 0, LDS_IO, "cannot read the lines");
}

/* ---- waiting ------------------------------------------------------------------------- */

static bool awaits_leader(const struct worker *worker) {
	return worker->flights.n > 0 || worker->is_full;
}

static bool awaits_input(const struct worker *worker) {
	struct worker_line line;

	return worker->status == 0 && !worker->input_ended && !flights_is_full(&worker->flights) && !worker->is_full &&
	       !next_line(worker, &line);
}

/* Nothing has moved for too long, or the leader will never take us again: why? */
static void give_up(struct worker *worker) {
	struct lds_status status = { .size = sizeof(status) };
	const struct flight *oldest = flights_oldest(&worker->flights);
	struct worker_line line = { 0 };
	int r = oldest ? lds_wait(worker->session, &oldest->id, LDS_DURABLE, 0) : LDS_TIMEOUT;

	if (r == 0)
		r = LDS_TIMEOUT;
	lds_get_status(worker->session, &status);
	next_line(worker, &line);
	if (r == LDS_TIMEOUT && status.connection != LDS_CONNECTED)
		fail(worker, oldest ? oldest->line : line.number, LDS_NOT_RUNNING,
		     "the leader went away and did not come back in time");
	else if (r == LDS_TIMEOUT && status.trouble_code != 0)
		fail(worker, oldest ? oldest->line : line.number, status.trouble_code, status.trouble);
	else
		fail(worker, oldest ? oldest->line : line.number, r,
		     r == LDS_TIMEOUT ? "the leader did not answer in time" : lds_last_error(worker->session));
	while (worker->flights.n > 0)
		flights_drop_oldest(&worker->flights);
}

static uint64_t give_up_at(const struct worker *worker) {
	int timeout_ms = worker->options->call->timeout_ms;

	if (timeout_ms < 0 || !awaits_leader(worker))
		return UINT64_MAX;
	return worker->progress_us + (uint64_t)timeout_ms * 1000;
}

static void wait_for_more(struct worker *worker) {
	uint64_t deadline_us = lds_get_deadline(worker->session), until_us = give_up_at(worker);
	struct pollfd fds[2] = {
		{ .fd = lds_get_fd(worker->session), .events = (short)lds_get_events(worker->session) },
		{ .fd = awaits_input(worker) ? worker->options->lines_fd : -1, .events = POLLIN },
	};

	/* Neither a descriptor nor a deadline: the session is over. */
	if (fds[0].fd < 0 && deadline_us == UINT64_MAX) {
		give_up(worker);
		return;
	}
	poll(fds, 2, worker->more ? 0 : clock_ms_until(deadline_us < until_us ? deadline_us : until_us));
	worker->is_full = false;
	if (fds[1].revents != 0) {
		if (!awaits_leader(worker))
			worker->progress_us = clock_us();
		read_input(worker);
	}
	if (clock_us() >= until_us)
		give_up(worker);
}

/* ---- from open to close ---------------------------------------------------------------- */

static bool is_finished(const struct worker *worker) {
	return worker->flights.n == 0 && (worker->status != 0 || (worker->input_ended && worker->n == 0));
}

static void turn(struct worker *worker) {
	int r = lds_process(worker->session);

	worker->more = r == LDS_MORE;
	/* No memory now may be memory later; the time-out ends it. */
	if (r < 0 && r != LDS_NO_MEMORY && r != LDS_IO)
		fail(worker, 0, r, lds_last_error(worker->session));
	while (may_commit(worker))
		commit_line(worker);
	settle(worker);
	/* What has arrived made room. */
	worker->more = worker->more || may_commit(worker);
	flush_receipts(worker);
	if (worker->report.n_done > 0)
		send_report(worker);
}

/* A leader was there before the workers were made; one that has gone may come back. */
static bool open_session(struct worker *worker) {
	const struct call *call = worker->options->call;
	struct lds_options options = { .size = sizeof(options),
		                           .socket = call->values[OPTION_SOCKET],
		                           .store = worker->options->store,
		                           .timeout_ms = call->timeout_ms };
	uint64_t until_us = call->timeout_ms < 0 ? UINT64_MAX : clock_us() + (uint64_t)call->timeout_ms * 1000;
	char error[sizeof(worker->report.text)] = "";
	int r;

	if (call->timeout_ms < 0)
		options.timeout_ms = INT_MAX;
	while ((r = lds_open(&worker->session, &options, error, sizeof(error))) == LDS_NOT_RUNNING && clock_us() < until_us)
		poll(NULL, 0, OPEN_RETRY_MS);
	if (r < 0)
		fail(worker, 0, r, error);
	return r >= 0;
}

/* Positions are read from the log, from where it ends now. */
static bool open_log(struct worker *worker) {
	struct lds_status status = { .size = sizeof(status) };
	struct lds_events_options options = { .size = sizeof(options),
		                                  .flags = LDS_EVENTS_FOLLOW | LDS_EVENTS_CLIENT_ONLY };
	int r;

	if (worker->options->stage == LDS_APPLIED || (worker->options->stage == LDS_DURABLE && !worker->options->receipts))
		return true;
	r = lds_get_status(worker->session, &status);
	options.since = status.leader_head;
	options.client_id = lds_client_id(worker->session);
	if (r == 0)
		r = lds_events_open(worker->session, &options, &worker->events);
	if (r < 0)
		fail(worker, 0, r, lds_last_error(worker->session));
	return r >= 0;
}

int worker_run(const struct worker_options *options) {
	struct worker *worker = must_have(calloc(1, sizeof(*worker)));
	int status;

	worker->options = options;
	worker->progress_us = clock_us();
	if (open_session(worker) && open_log(worker)) {
		lds_on_refused(worker->session, on_refused, worker);
		for (;;) {
			turn(worker);
			if (is_finished(worker))
				break;
			wait_for_more(worker);
		}
	}
	lds_events_close(worker->events);
	lds_close(worker->session);
	status = worker->status;
	free(worker->input);
	free(worker);
	return status;
}
