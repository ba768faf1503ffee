#ifndef LEADERD_MODEL_SESSION_STEP_H
#define LEADERD_MODEL_SESSION_STEP_H

/*
 * The session machine: one door in, one list of effects out.
 *
 *   link                                work
 *   DETACHED --CONNECTED--> GREETING    IDLE --COMMIT--> APPLYING --APPLIED--> IDLE
 *   GREETING --WELCOME----> LIVE        IDLE --FEED, WELCOME--> CHANGING --CHANGED--> IDLE
 *   LIVE     --resync-----> GREETING
 *   any      --LOST-------> DETACHED
 *
 * The link says whether the leader hears us; the work, whether an effect's
 * answer is outstanding. While work is not IDLE only that answer (and LOST) is
 * taken: every other input is answered SESSION_LATER and stays with the shell.
 *
 * A commit is applied, appended to pending, and sent if the link is LIVE; else
 * it is sent behind the next welcome. Pending events leave when the leader's
 * feed brings them (durable) or refuses them. The session itself refuses only
 * at commit; a pending unit that does not apply in a replay is suspended.
 *
 * Pure: no I/O, no clock, no randomness. Invariants are checked after each step.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "model/event.h"
#include "model/merge.h"
#include "model/pending_list.h"
#include "model/trace.h"

#define SESSION_LATER 1 /* not taken: an answer is outstanding; give the same input again later */

enum session_link { SESSION_DETACHED, SESSION_GREETING, SESSION_LIVE };
enum session_work { SESSION_IDLE, SESSION_APPLYING, SESSION_CHANGING };

/* A point of the leader's log that this session has seen. */
struct session_heads {
	struct position leader;  /* newest event seen of the leader's log: upstream head */
	struct position backend; /* newest event confirmed by the backend */
	struct position final;   /* nothing at or before it is ever undone again */
	uint64_t generation;
	bool has_backend;
};

enum session_input_kind {
	SESSION_COMMIT,    /* unit: ids, contents, client_only set; positions are given by the machine */
	SESSION_APPLIED,   /* answer to SESSION_APPLY */
	SESSION_CONNECTED, /* the socket is open */
	SESSION_WELCOME,
	SESSION_FEED,
	SESSION_CHANGED, /* answer to SESSION_CHANGE */
	SESSION_RESYNC,  /* the shell wants a fresh image, or the leader asks for another hello */
	SESSION_LOST     /* the connection is gone */
};

enum session_outcome {
	SESSION_DONE,
	SESSION_REFUSED,        /* APPLIED: the materializer refused the unit */
	SESSION_FAILED,         /* the environment failed: nothing has happened, the input may be given again */
	SESSION_BEYOND_JOURNAL, /* CHANGED: undo does not reach back that far, or the image could not be taken */
	SESSION_DIFFERS         /* CHANGED: done, but the state is not the leader's (digest): take an image */
};

enum session_verdict {
	VERDICT_UNKNOWN, /* the leader has never seen it: send it */
	VERDICT_LOGGED,  /* in the log at or below the welcome's log head */
	VERDICT_REFUSED
};

struct session_welcome {
	bool image;                           /* the state comes as an image; else resume at `at` */
	struct position at;                   /* the image's head, or the point from which the feed goes on */
	struct session_heads heads;           /* backend, final, generation, has_backend; leader is not read */
	const enum session_verdict *verdicts; /* for the pending ids of the hello, in order */
	size_t n_verdicts;
};

struct session_feed {
	struct payload payload;
	struct session_heads heads; /* as in the welcome */
};

struct session_input {
	enum session_input_kind kind;
	const struct entry *unit; /* COMMIT */
	size_t n_unit;
	enum session_outcome outcome; /* APPLIED, CHANGED */
	const bool *suspended;        /* CHANGED: for each replayed event of the change, in order */
	struct session_welcome welcome;
	struct session_feed feed;
};

/* One transaction of the session's state: to the base, then apply, then replay,
 * then trim; all of it or nothing. */
enum session_base {
	SESSION_BASE_PRESENT, /* on the present state */
	SESSION_BASE_UNDO,    /* after undoing everything behind undo_to */
	SESSION_BASE_IMAGE    /* on the image of the welcome */
};

struct session_change {
	enum session_base base;
	struct position undo_to;
	size_t apply_first; /* events of the feed to materialize: [apply_first, n_events) */
	size_t n_apply;
	const struct pending *replay; /* borrowed until the next step: with their new positions */
	size_t n_replay;
	const struct pending *left; /* pending events that leave, in order: arrived or refused */
	const bool *left_refused;
	size_t n_left;
	struct position head; /* the state's head afterwards, if nothing is suspended */
	struct position trim_to;
};

enum session_effect_kind {
	SESSION_APPLY,  /* materialize the commit's unit in a transaction of its own; answer APPLIED */
	SESSION_SEND,   /* send pending[first .. first + n), whole units, one frame each */
	SESSION_HELLO,  /* say hello: the points, and the ids of all pending events */
	SESSION_CHANGE, /* perform `change`; answer CHANGED */
	SESSION_ACCEPT, /* the commit stands: pending[first .. first + n) */
	SESSION_REJECT, /* the commit does not: outcome says why */
	SESSION_MOVED   /* a change is complete: tell who follows, then call back */
};

struct session_effect {
	enum session_effect_kind kind;
	size_t first, n;              /* SEND, ACCEPT */
	const struct entry *unit;     /* APPLY: with positions; borrowed until the next step */
	bool want_image;              /* HELLO: no resume, the state is not to be trusted */
	enum session_outcome outcome; /* REJECT */
	struct session_change change;
};

#define SESSION_EFFECTS_MAX 4u

struct session_effects {
	struct session_effect list[SESSION_EFFECTS_MAX];
	unsigned n;
	char trace[TRACE_BYTES_MAX]; /* one sentence on what was decided, when session->tracing */
};

struct session_machine {
	enum session_link link;
	enum session_work work;
	bool tracing;
	struct session_heads heads;
	struct position local_head;
	struct pending_list pending;
	unsigned n_hellos; /* GREETING: hellos not yet answered; only the newest one's welcome counts */
	size_t n_greeted;  /* GREETING: pending events that the hello named */
	bool want_image;   /* the state is not the leader's: no resume until an image was taken */
	/* While APPLYING or CHANGING: */
	struct entry *unit; /* owned; the commit's unit */
	size_t n_unit;
	struct pending_list replay; /* pending as it will be behind the kept ones */
	struct pending *left;       /* owned */
	bool *left_refused;         /* owned */
	size_t n_left, n_arrived, n_kept;
	struct session_heads next_heads;
	bool welcoming;   /* the change answers a welcome */
	size_t send_from; /* after the welcome's change: pending from here on is sent */
};

/* `heads` of a new session are zero: it has seen nothing. */
void session_machine_init(struct session_machine *session);
void session_machine_finish(struct session_machine *session);

/* The pending events, oldest first. Borrowed until the next step. */
const struct pending *session_pending(const struct session_machine *session, size_t *ret_n);

/* One step. 0, SESSION_LATER, or a negative code (ERROR_PROTOCOL, CONFLICT: what
 * upstream sent contradicts the log so far, the shell resynchronises;
 * NO_MEMORY; FULL: the bound on pending events). On a negative code nothing has
 * changed and there are no effects. */
int session_step(struct session_machine *session, const struct session_input *input,
                 struct session_effects *ret_effects, struct error *error);

#endif
