/* What a line of the story does, whatever the operation. */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "script/script.h"
#include "store/hash.h"

static void sleep_ms(uint64_t ms) {
	nanosleep(&(struct timespec){ .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 }, NULL);
}

/* A leader that waits for it in vain kills it; one that is gone leaves nobody behind. */
static _Noreturn void hang(void) {
	char byte;

	while (recv(ADAPTER_DESCRIPTOR, &byte, 1, 0) > 0)
		;
	_exit(0);
}

static _Noreturn void talk_nonsense(void) {
	static const char nonsense[] = "\xff\xfe nobody speaks like this";

	send(ADAPTER_DESCRIPTOR, nonsense, sizeof(nonsense), MSG_NOSIGNAL);
	_exit(0);
}

static _Noreturn void die(void) {
	kill(getpid(), SIGKILL);
	_exit(1);
}

/* The events behind `keep` once more, as others: new ids, the same contents. */
static int make_fork(const struct script_log *log, size_t keep, struct event **ret, struct error *error) {
	struct hash chain = log_point(log, keep).chain_hash;
	struct event_id unit = { 0 };

	for (size_t i = 0; i < log->n - keep; i++) {
		struct event *event = event_copy(log->events[keep + i]);

		if (event == NULL)
			return error_no_memory(error);
		ret[i] = event;
		arc4random_buf(event->entry.id.bytes, sizeof(event->entry.id.bytes));
		if (event->entry.unit_index == 0)
			unit = event->entry.id;
		event->entry.unit = unit;
		hash_content(&event->entry.content, event);
		hash_chain(&event->chain_hash, &chain, event->entry.at, &event->entry.content);
		chain = event->chain_hash;
	}
	return 0;
}

/* Down to the beginning of a unit. */
static size_t whole_units(const struct script_log *log, uint64_t n_taken) {
	size_t keep = n_taken < log->n ? log->n - (size_t)n_taken : 0;

	while (keep > 0 && keep < log->n && log->events[keep]->entry.unit_index != 0)
		keep--;
	return keep;
}

static int fork_log(struct script_log *log, uint64_t n_taken, struct error *error) {
	size_t keep = whole_units(log, n_taken), n = log->n - keep;
	struct event **events = calloc(n + 1, sizeof(struct event *));
	int r = events == NULL ? error_no_memory(error) : make_fork(log, keep, events, error);

	if (r == 0)
		r = log_forget(log, n, error);
	if (r == 0)
		r = log_append(log, events, n, error);
	for (size_t i = 0; events != NULL && i < n; i++)
		event_destroy(events[i]);
	free(events);
	return r;
}

static int change_log(struct script_log *log, const struct story_line *line, struct error *error) {
	switch (line->action) {
	case ACTION_EPOCH:
		log->epoch++;
		return log_write_header(log, error);
	case ACTION_FORGET:
		return log_forget(log, log->n - whole_units(log, line->number), error);
	case ACTION_FORK:
		return fork_log(log, line->number, error);
	case ACTION_WIPE:
		log->epoch++;
		return log_forget(log, log->n, error);
	default:
		return 0;
	}
}

static int act(struct script_backend *backend, const struct story_line *line, struct error *error) {
	switch (line->action) {
	case ACTION_DELAY:
		sleep_ms(line->number);
		return 0;
	case ACTION_PROBLEM:
		return error_set(error, line->code, "%s", line->text);
	case ACTION_CRASH:
		die();
	case ACTION_HANG:
		log_unlock(&backend->log);
		hang();
	case ACTION_NONSENSE:
		talk_nonsense();
	default:
		return change_log(&backend->log, line, error);
	}
}

static bool is_look(const struct script_log *log, const struct backend_point *after) {
	char reason[256];

	return after->global == log->n && log_holds(log, after, reason, sizeof(reason));
}

int act_before(struct script_backend *backend, enum operation operation, const struct backend_point *after,
               const struct story_line **ret, struct error *error) {
	struct script_log *log = &backend->log;
	const struct story_line *line;
	int r = log_lock(log, error);

	if (r < 0)
		return r;
	if (after != NULL && is_look(log, after))
		operation = OPERATION_LOOK;
	line = story_line_of(&backend->story, operation, ++log->calls[operation]);
	r = log_write_header(log, error);
	if (r == 0)
		r = act(backend, line, error);
	if (r < 0) {
		log_unlock(log);
		return r;
	}
	*ret = line;
	return 0;
}

void act_after(struct script_backend *backend, const struct story_line *line) {
	log_unlock(&backend->log);
	if (line->action == ACTION_LOSE)
		die();
	if (line->action == ACTION_MUTE)
		hang();
}
