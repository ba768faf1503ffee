#ifndef LEADERD_BACKEND_SCRIPT_H
#define LEADERD_BACKEND_SCRIPT_H

/*
 * The scripted backend, a test double: a log in a file of its own, and a story
 * that says when something goes wrong, and what. story.c specifies the story,
 * log.c the log's file.
 */

#include <stdio.h>

#include "runtime/adapter.h"

enum operation { OPERATION_OPEN, OPERATION_PUSH, OPERATION_PULL, OPERATION_LOOK, OPERATIONS };

enum action {
	ACTION_OK,
	ACTION_DELAY,
	ACTION_PROBLEM,
	ACTION_CRASH,
	ACTION_LOSE,
	ACTION_HANG,
	ACTION_MUTE,
	ACTION_NONSENSE,
	ACTION_EPOCH,
	ACTION_FORGET,
	ACTION_FORK,
	ACTION_WIPE,
	ACTION_LINEAGE,
	ACTION_LATER,
	ACTION_REFUSE,
	ACTION_REFUSE_FOR_NOW,
	ACTION_BEHIND,
	ACTION_DIVERGED,
	ACTION_WRONG_HEAD,
	ACTION_GAP,
	ACTION_REPEAT,
	ACTION_SWAP,
	ACTION_ALTER,
	ACTION_REWRITE,
	ACTION_CUT,
	ACTION_AGAIN,
	ACTION_EMPTY,
};

/* One line of a story. */
struct story_line {
	enum operation operation;
	bool every; /* each count-th call, for ever; else so many calls, once */
	uint64_t count;
	enum action action;
	uint64_t number; /* milliseconds, events, or the place of one, from 1 */
	int code;        /* of a problem */
	char which[32];  /* refused events: all, none, or places from 1 with commas */
	char text[200];
};

struct story {
	struct story_line *lines; /* owned */
	size_t n;
};
int story_read(struct story *ret, const char *path, struct error *error);
void story_finish(struct story *story);
/* What the call with that number (from 1) of an operation does; never NULL. */
const struct story_line *story_line_of(const struct story *story, enum operation operation, uint64_t call);

/* The log, shared by all adapters of one story and store. */
struct script_log {
	int fd;
	struct event **events; /* owned: what is in the file as far as it was read */
	size_t n, allocated;
	uint64_t offset;  /* behind the last event that was read */
	uint64_t changes; /* of the file's header when it was read */
	uint8_t lineage[16];
	uint64_t epoch;
	uint64_t calls[OPERATIONS];
};
int log_open(struct script_log *ret, const char *path, const struct adapter_open *open, struct error *error);
void log_close(struct script_log *log);
/* Between the two, nobody else reads or writes; what others wrote is known. */
int log_lock(struct script_log *log, struct error *error);
void log_unlock(struct script_log *log);
int log_append(struct script_log *log, struct event *const *events, size_t n, struct error *error);
int log_forget(struct script_log *log, size_t n, struct error *error); /* the newest n */
int log_write_header(struct script_log *log, struct error *error);     /* lineage, epoch, calls */
struct backend_point log_point(const struct script_log *log, uint64_t global);
/* Does the log hold the point? With the reason, if not. */
bool log_holds(const struct script_log *log, const struct backend_point *point, char *reason, size_t reason_bytes);

struct script_backend {
	struct story story;
	struct script_log log;
	int inotify; /* -1: none */
};

int script_open(void **ret_backend, const struct adapter_open *open, struct adapter_opened *ret, struct error *error);
int script_push(void *backend, const struct adapter_push *push, struct adapter_push_answer *ret, struct error *error);
int script_pull(void *backend, const struct adapter_pull *pull, struct adapter_page *ret, struct error *error);
int script_live_fd(void *backend);
int script_live_take(void *backend, struct error *error);
void script_close(void *backend);

/* act.c. Takes the lock, counts the call, does what comes before the operation;
 * *ret is the line that the operation goes on with. A failure leaves it unlocked.
 * `after` is a pull's, else NULL. */
int act_before(struct script_backend *backend, enum operation operation, const struct backend_point *after,
               const struct story_line **ret, struct error *error);
/* Gives the lock back; may not return. */
void act_after(struct script_backend *backend, const struct story_line *line);

#endif
