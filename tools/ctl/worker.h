#ifndef LEADERCTL_WORKER_H
#define LEADERCTL_WORKER_H

/*
 * A worker: a process with a session of its own that commits the lines which
 * the import (commit_file.c) gives it, and reports.
 *
 * Lines come through a pipe as a struct worker_line, the name and the arguments,
 * each with its NUL. Reports go back through a pipe that all workers share; one
 * is below PIPE_BUF, so they never mix. Receipts are written to standard output
 * by the worker itself, in whole lines below PIPE_BUF.
 */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <leaderd/session.h>

#include "command.h"

struct worker_line {
	uint64_t number;    /* in the file, from 1 */
	uint32_t version;   /* 0: the newest */
	uint32_t name_bytes, args_bytes; /* the NULs included */
};

struct worker_report {
	uint64_t n_done;    /* events that have reached the stage since the report before */
	uint64_t line;      /* the failure's; 0: it belongs to none */
	int32_t code;       /* 0: no failure */
	char text[400];
};
_Static_assert(sizeof(struct worker_report) <= PIPE_BUF, "reports must not mix");

struct worker_options {
	const struct call *call; /* socket, time-out */
	const char *store;
	enum lds_stage stage;
	bool receipts;
	int lines_fd;   /* where lines come from; at its end the worker finishes */
	int reports_fd;
};

/* Runs to the end of the lines, or to the first failure. An exit status; what
 * failed was told in a report. */
int worker_run(const struct worker_options *options);

const char *stage_name(enum lds_stage stage);

#endif
