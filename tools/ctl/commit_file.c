/*
 * leaderctl commit --jsonl: lines of a file, committed by session processes.
 *
 * This process reads lines and gives each to one of its workers (worker.h),
 * through a pipe and a bounded buffer; it opens no session itself, so that it
 * can fork. Lines with one value of --shard-by go to one worker, so their order
 * holds. When a line fails no further ones are given out, but all before it
 * are with their workers, which finish them: what stands before the first line
 * that failed is committed.
 */

#include "commit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "connect.h"
#include "json_line.h"
#include "lines.h"
#include "output.h"
#include "parse.h"
#include "progress.h"
#include "report.h"
#include "worker.h"

#define SESSIONS_MAX 256u
#define BUFFER_BYTES (256u * 1024u) /* for one worker, before no more lines are read */
#define LINES_PER_TURN 256u         /* given out before reports are looked at */

struct worker_process {
	pid_t pid;
	int lines_fd; /* -1: closed */
	char *buffer; /* lines on their way: buffer[first .. first + n) */
	size_t first, n, allocated;
};

struct import {
	const struct call *call;
	enum lds_stage stage;
	const char *shard_by; /* NULL: in turn */
	struct lines *lines;
	struct worker_process *workers;
	size_t n_workers, next_worker;
	int reports_fd;
	bool reading; /* there may be more lines to give out */
	uint64_t n_done;
	struct worker_report failure; /* the one of the earliest line; code 0: none */
	struct progress progress;
};

/* ---- failures ----------------------------------------------------------------------- */

/* Also ends the giving out. A failure that names no line is the weakest. */
static void note_failure(struct import *import, const struct worker_report *report) {
	const struct worker_report *known = &import->failure;

	import->reading = false;
	if (known->code == 0 || (report->line != 0 && (known->line == 0 || report->line < known->line)))
		import->failure = *report;
}

static void note_line_failure(struct import *import, uint64_t line, const char *reason) {
	struct worker_report report = { .line = line, .code = LDS_INVALID };

	snprintf(report.text, sizeof(report.text), "%s", reason);
	note_failure(import, &report);
}

static int tell_failure(const struct import *import) {
	const struct worker_report *failure = &import->failure;
	const char *label = lines_label(import->lines);

	if (failure->line == 0)
		return report(status_of_code(failure->code), "%s: %s", label, failure->text);
	return report(status_of_code(failure->code), "%s:%" PRIu64 ": %s; the lines before it are committed", label,
	              failure->line, failure->text);
}

/* ---- workers ------------------------------------------------------------------------- */

static _Noreturn void be_worker(struct import *import, int lines_fd, int reports_fd) {
	struct worker_options options = { .call = import->call,
		                              .store = import->call->words[0],
		                              .stage = import->stage,
		                              .receipts = call_has(import->call, OPTION_RECEIPTS),
		                              .lines_fd = lines_fd,
		                              .reports_fd = reports_fd };

	/* Who holds the writing end of another's lines would keep it from seeing their end. */
	for (size_t i = 0; i < import->n_workers; i++)
		if (import->workers[i].lines_fd >= 0)
			close(import->workers[i].lines_fd);
	close(import->reports_fd);
	_exit(worker_run(&options));
}

static int start_worker(struct import *import, struct worker_process *worker, int reports_fd) {
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return report(STATUS_FAILURE, "cannot make a pipe: %s", strerror(errno));
	worker->pid = fork();
	if (worker->pid == 0) {
		close(fds[1]);
		be_worker(import, fds[0], reports_fd);
	}
	close(fds[0]);
	if (worker->pid < 0) {
		close(fds[1]);
		return report(STATUS_FAILURE, "cannot start a session process: %s", strerror(errno));
	}
	worker->lines_fd = fds[1];
	fcntl(worker->lines_fd, F_SETFL, O_NONBLOCK);
	return 0;
}

static int start_workers(struct import *import) {
	int fds[2], r = 0;

	import->workers = must_have(calloc(import->n_workers, sizeof(*import->workers)));
	for (size_t i = 0; i < import->n_workers; i++)
		import->workers[i].lines_fd = -1;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return report(STATUS_FAILURE, "cannot make a pipe: %s", strerror(errno));
	import->reports_fd = fds[0];
	fflush(stdout);
	for (size_t i = 0; r == 0 && i < import->n_workers; i++)
		r = start_worker(import, &import->workers[i], fds[1]);
	/* From now on the workers alone hold it: its end is theirs. */
	close(fds[1]);
	return r;
}

static void close_lines(struct worker_process *worker) {
	if (worker->lines_fd >= 0)
		close(worker->lines_fd);
	worker->lines_fd = -1;
	worker->n = 0;
}

static void wait_for_worker(struct import *import, struct worker_process *worker) {
	struct worker_report report = { .code = LDS_UNKNOWN };
	int status = 0;

	close_lines(worker);
	if (worker->pid <= 0)
		return;
	while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	/* One that ended by itself has told why. */
	if (WIFSIGNALED(status))
		snprintf(report.text, sizeof(report.text), "a session process was ended by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0 && import->failure.code == 0)
		snprintf(report.text, sizeof(report.text), "a session process failed");
	if (report.text[0])
		note_failure(import, &report);
	free(worker->buffer);
}

/* ---- giving out ----------------------------------------------------------------------- */

static void add_bytes(struct worker_process *worker, const void *data, size_t n) {
	memcpy(worker->buffer + worker->first + worker->n, data, n);
	worker->n += n;
}

static void give(struct worker_process *worker, const struct json_line *line, uint64_t number) {
	struct worker_line header = { .number = number,
		                          .version = line->version,
		                          .name_bytes = (uint32_t)strlen(line->name) + 1,
		                          .args_bytes = (uint32_t)line->args_bytes + 1 };
	size_t more = sizeof(header) + header.name_bytes + header.args_bytes;

	if (worker->n > 0 && worker->first > 0)
		memmove(worker->buffer, worker->buffer + worker->first, worker->n);
	worker->first = 0;
	if (worker->allocated < worker->n + more) {
		worker->allocated = 2 * (worker->n + more);
		worker->buffer = must_have(realloc(worker->buffer, worker->allocated));
	}
	add_bytes(worker, &header, sizeof(header));
	add_bytes(worker, line->name, header.name_bytes);
	add_bytes(worker, line->args, line->args_bytes);
	add_bytes(worker, "", 1);
}

/* FNV-1a: the same value goes to the same session, today and tomorrow. */
static uint64_t hash_of(const char *text) {
	uint64_t hash = 14695981039346656037u;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 1099511628211u;
	return hash;
}

static size_t choose_worker(struct import *import, const struct json_line *line) {
	json_t *args, *value;
	size_t chosen = 0;
	char *text;

	if (import->n_workers == 1)
		return 0;
	if (!import->shard_by) {
		import->next_worker = (import->next_worker + 1) % import->n_workers;
		return import->next_worker;
	}
	/* What is no object is the library's to complain of. */
	args = json_loadb(line->args, line->args_bytes, 0, NULL);
	value = json_object_get(args, import->shard_by);
	if (value) {
		text = must_have(json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS));
		chosen = hash_of(text) % import->n_workers;
		free(text);
	}
	json_decref(args);
	return chosen;
}

static bool has_room(const struct import *import) {
	for (size_t i = 0; i < import->n_workers; i++)
		if (import->workers[i].n >= BUFFER_BYTES)
			return false;
	return true;
}

static void give_out(struct import *import, const char *text, size_t n, uint64_t number) {
	struct json_line line;
	char reason[300];

	if (json_line_read(&line, text, n, reason, sizeof(reason)) < 0) {
		note_line_failure(import, number, reason);
		return;
	}
	give(&import->workers[choose_worker(import, &line)], &line, number);
	json_line_finish(&line);
}

/* True: the file must be read first. */
static bool give_out_lines(struct import *import) {
	for (unsigned i = 0; i < LINES_PER_TURN && import->reading && has_room(import); i++) {
		uint64_t number = 0;
		const char *text;
		size_t n;
		int r = lines_next(import->lines, &text, &n, &number);

		if (r == LINES_MORE)
			return true;
		if (r == LINES_LINE)
			give_out(import, text, n, number);
		else if (r == 0)
			import->reading = false;
		else
			note_line_failure(import, number, lines_reason(import->lines));
	}
	return false;
}

/* ---- the loop ---------------------------------------------------------------------------- */

static void write_lines(struct import *import, struct worker_process *worker) {
	while (worker->n > 0) {
		ssize_t n = write(worker->lines_fd, worker->buffer + worker->first, worker->n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		/* It has ended, and says why in a report. */
		if (n < 0) {
			import->reading = false;
			close_lines(worker);
			return;
		}
		worker->first += (size_t)n;
		worker->n -= (size_t)n;
	}
}

/* False at the end: every worker is gone. */
static bool read_reports(struct import *import) {
	struct worker_report reports[16];
	ssize_t n = read(import->reports_fd, reports, sizeof(reports));

	if (n < 0)
		return errno == EINTR;
	/* Each was written as a whole, so a multiple of them is there. */
	for (size_t i = 0; i < (size_t)n / sizeof(reports[0]); i++) {
		import->n_done += reports[i].n_done;
		if (reports[i].code != 0)
			note_failure(import, &reports[i]);
	}
	progress_show(&import->progress, "committed", import->n_done, 0);
	return n > 0;
}

static void fill_poll(const struct import *import, struct pollfd *fds, bool wants_input) {
	fds[0] = (struct pollfd){ .fd = import->reports_fd, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = wants_input ? lines_fd(import->lines) : -1, .events = POLLIN };
	for (size_t i = 0; i < import->n_workers; i++) {
		const struct worker_process *worker = &import->workers[i];

		fds[2 + i] = (struct pollfd){ .fd = worker->lines_fd, .events = worker->n > 0 ? POLLOUT : 0 };
	}
}

/* One that is gone reads no more; why is in its report, or in how it ended. */
static void look_for_the_dead(struct import *import, const struct pollfd *fds) {
	for (size_t i = 0; i < import->n_workers; i++) {
		if (!(fds[2 + i].revents & POLLERR))
			continue;
		import->reading = false;
		close_lines(&import->workers[i]);
	}
}

static void read_lines(struct import *import) {
	struct worker_report report = { .code = LDS_IO };

	if (lines_read(import->lines) == 0)
		return;
	snprintf(report.text, sizeof(report.text), "%s", lines_reason(import->lines));
	note_failure(import, &report);
}

static void run_loop(struct import *import) {
	struct pollfd *fds = must_have(calloc(import->n_workers + 2, sizeof(*fds)));
	bool running = true;

	while (running) {
		bool wants_input = give_out_lines(import);
		bool has_more = import->reading && has_room(import) && (!wants_input || lines_has_input(import->lines));

		for (size_t i = 0; i < import->n_workers; i++) {
			write_lines(import, &import->workers[i]);
			if (!import->reading && import->workers[i].n == 0)
				close_lines(&import->workers[i]);
		}
		fill_poll(import, fds, wants_input);
		if (poll(fds, import->n_workers + 2, has_more ? 0 : -1) < 0 && errno != EINTR)
			break;
		look_for_the_dead(import, fds);
		if (fds[0].revents != 0)
			running = read_reports(import);
		if (wants_input && (fds[1].revents != 0 || lines_has_input(import->lines)))
			read_lines(import);
	}
	free(fds);
}

/* ---- from open to summary ------------------------------------------------------------------ */

static void print_summary(const struct import *import) {
	/* Receipts say all of it, and more lines would be no receipts. */
	if (call_has(import->call, OPTION_RECEIPTS))
		return;
	if (import->call->json)
		output_json(json_pack("{s:s, s:I, s:I, s:s, s:b}", "store", import->call->words[0], "events",
		                      (json_int_t)import->n_done, "sessions", (json_int_t)import->n_workers, "stage",
		                      stage_name(import->stage), "complete", import->failure.code == 0));
	else if (import->failure.code == 0)
		printf("%" PRIu64 " events %s, from %zu session%s\n", import->n_done, stage_name(import->stage),
		       import->n_workers, import->n_workers == 1 ? "" : "s");
}

static int perform(struct import *import) {
	int r = lines_open(&import->lines, import->call->values[OPTION_JSONL]);

	if (r != 0)
		return r;
	/* A worker that is gone is a failed write, not our end. */
	signal(SIGPIPE, SIG_IGN);
	progress_init(&import->progress);
	import->reading = true;
	r = start_workers(import);
	if (r == 0)
		run_loop(import);
	for (size_t i = 0; i < import->n_workers; i++)
		wait_for_worker(import, &import->workers[i]);
	progress_end(&import->progress);
	if (import->reports_fd >= 0)
		close(import->reports_fd);
	if (r == 0) {
		print_summary(import);
		if (import->failure.code != 0)
			r = tell_failure(import);
	}
	free(import->workers);
	lines_close(import->lines);
	return r;
}

/* Before any process is made: does the leader run, has it the store, can it confirm? */
static int check_store(const struct call *call, enum lds_stage stage) {
	struct lda_stores *stores;
	int r = ask_status(call, call->words[0], &stores);

	if (r != 0)
		return r;
	if (stage == LDS_CONFIRMED && stores->n > 0 && !stores->items[0].has_backend)
		r = report(STATUS_FAILURE, "store %s has no backend that could confirm; wait for durable instead",
		           call->words[0]);
	lda_stores_free(stores);
	return r;
}

int commit_file(const struct call *call, enum lds_stage stage) {
	struct import import = {
		.call = call, .stage = stage, .shard_by = call->values[OPTION_SHARD_BY], .reports_fd = -1
	};
	uint64_t n_sessions;
	int r = call_number(call, OPTION_SESSIONS, 1, SESSIONS_MAX, 1, &n_sessions);

	import.n_workers = (size_t)n_sessions;
	if (r == 0)
		r = check_store(call, stage);
	return r == 0 ? perform(&import) : r;
}
