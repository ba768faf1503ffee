#ifndef LEADERD_MODEL_LEADER_STEP_H
#define LEADERD_MODEL_LEADER_STEP_H

/*
 * The leader machine of one store: one door in, one list of effects out.
 *
 *   IDLE --PUSH--> ADMITTING --ADMITTED--> GROUP --PUSH--> ADMITTING ...
 *   GROUP --FLUSH--> LOGGING --LOGGED--> SETTLING --SETTLED--> IDLE
 *                                        SETTLING --failed---> CATCHING_UP --CAUGHT_UP--> IDLE
 *   IDLE --PAGE--> APPLYING --APPLIED--> LOGGING                (advance)
 *   IDLE --PAGE--> UNDOING --UNDONE--> APPLYING --APPLIED--> TAKING --DISPLACED--> REPLAYING --ADMITTED-->
 *       ... TAKING ... --> LOGGING                              (rebase)
 *   IDLE --PAGE, more--> STAGING --STAGED--> IDLE               (it differs: wait for the rest, one rebase)
 *   IDLE --last PAGE--> STAGING --STAGED--> UNDOING ...         (the staged pages are applied)
 *   IDLE --REFUSAL--> UNDOING --UNDONE--> TAKING ...            (refused by the backend)
 *   any  --sync failed--> STOPPED                               (a restart recovers)
 *
 * The leader is the device's ordering authority: a push made on an old head is
 * not bounced but placed behind the leader's head at the moment it is taken.
 * Order of effects, always: state transaction, materialize each unit in a
 * savepoint, log, commit the log (the one fsync), commit the state, tell, hand
 * to the adapter. The step is over, and its units are durable, only with
 * LEADER_TELL.
 *
 * While the machine is not IDLE or GROUP it takes only the answer that it waits
 * for; everything else is LEADER_LATER and stays with the shell. A failure of
 * the environment (FAILED) ends the step: both transactions are rolled back, the
 * machine is where it was before, and the effect LEADER_ABANDON tells the shell
 * to give the same inputs again when the environment may have recovered.
 *
 * The machine never holds the pending events, which without a backend are the
 * whole log: merge needs only their numbers, and a rebase takes the displaced
 * ones from the log in bounded portions.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "model/event.h"
#include "model/merge.h"
#include "model/trace.h"

#define LEADER_LATER 1 /* not taken: an answer is outstanding; give the same input again later */

enum leader_state {
	LEADER_IDLE,
	LEADER_ADMITTING,   /* waits for ADMITTED */
	LEADER_GROUP,       /* units admitted, group open */
	LEADER_UNDOING,     /* waits for UNDONE */
	LEADER_APPLYING,    /* waits for APPLIED */
	LEADER_STAGING,     /* waits for STAGED */
	LEADER_TAKING,      /* waits for DISPLACED */
	LEADER_REPLAYING,   /* waits for ADMITTED */
	LEADER_LOGGING,     /* waits for LOGGED */
	LEADER_SETTLING,    /* waits for SETTLED */
	LEADER_CATCHING_UP, /* waits for CAUGHT_UP */
	LEADER_STOPPED      /* a sync failed: nothing is written until a restart */
};

enum leader_input_kind {
	LEADER_PUSH,      /* a unit from a session; `known` from the log's index */
	LEADER_FLUSH,     /* nothing more is readable: commit the group */
	LEADER_ADMITTED,  /* answer to ADMIT: outcome DONE, REFUSED or FAILED */
	LEADER_LOGGED,    /* answer to COMMIT_LOG: DONE, FAILED (rolled back), UNKNOWN (sync failed) */
	LEADER_SETTLED,   /* answer to COMMIT_STATE: DONE or FAILED */
	LEADER_CAUGHT_UP, /* answer to ROLL_FORWARD: DONE or FAILED */
	LEADER_PAGE,      /* events behind the backend head, pulled */
	LEADER_UNDONE,    /* answer to UNDO: `head`, or FAILED */
	LEADER_APPLIED,   /* answer to APPLY: DONE or FAILED */
	LEADER_STAGED,    /* answer to STAGE: DONE or FAILED */
	LEADER_DISPLACED, /* answer to TAKE_DISPLACED: whole units in old order, none: no more */
	LEADER_REFUSAL,   /* the backend refuses events of the log for good */
	LEADER_BACKEND    /* a backend was attached or detached */
};

enum leader_outcome { LEADER_DONE, LEADER_REFUSED, LEADER_FAILED, LEADER_UNKNOWN };

/* What the log knows of a pushed unit, asked inside the open step. */
enum leader_known {
	LEADER_NEW,
	LEADER_KNOWN,   /* re-sent: in the log, or refused before */
	LEADER_CONFLICT /* an id is known with other content, or the unit is half known */
};

struct leader_input {
	enum leader_input_kind kind;
	enum leader_outcome outcome;
	enum leader_known known;  /* PUSH */
	const struct entry *unit; /* PUSH; DISPLACED: units side by side */
	size_t n_unit;
	const struct incoming *events; /* PAGE: pending_at answered from the log; kept by the shell until IDLE */
	size_t n_events;
	bool more;  /* PAGE: further pages are known to follow */
	bool adopt; /* PAGE: of another history that is to replace ours from adopt_from on */
	struct position adopt_from;
	struct position head;           /* UNDONE: the log's head now */
	struct position refused_first;  /* REFUSAL: position of the first of them */
	const struct event_id *refused; /* REFUSAL; kept by the shell until IDLE */
	size_t n_refused;
	bool has_backend; /* BACKEND */
};

enum leader_effect_kind {
	LEADER_BEGIN,          /* open the state's and the log's transaction */
	LEADER_ADMIT,          /* materialize `unit` in a savepoint; answer ADMITTED */
	LEADER_APPEND,         /* write the admitted unit to the log */
	LEADER_RECORD_REFUSED, /* write the refused unit with its reason to the refused table */
	LEADER_COMMIT_LOG,     /* one fsync; answer LOGGED */
	LEADER_COMMIT_STATE,   /* trim the journal to `trim_to`, commit; answer SETTLED */
	LEADER_ROLL_FORWARD,   /* the events are durable, the state is behind; answer CAUGHT_UP */
	LEADER_ABANDON,        /* roll both transactions back; the step's inputs may be given again */
	LEADER_UNDO,           /* displace and undo everything from `from` on; answer UNDONE */
	LEADER_STAGE,          /* write the page beside the log, in a transaction of its own; answer STAGED */
	LEADER_DROP_STAGED,    /* the staged pages are of no use any more */
	LEADER_APPLY_STAGED,   /* materialize and append the staged events behind the head; answer APPLIED */
	LEADER_APPLY, /* materialize incoming[first .. first + n) (void if it does not apply) and append; answer APPLIED */
	LEADER_CONFIRM,         /* incoming[first .. first + n) stand in the log already: they are confirmed */
	LEADER_SET_UPSTREAM,    /* the backend head is `head`, in this log transaction */
	LEADER_TAKE_DISPLACED,  /* give the next displaced units; answer DISPLACED */
	LEADER_TELL,            /* the step is durable: move the feeds (rebased: back to `from`), wake the pusher */
	LEADER_REPORT_KNOWN,    /* a re-sent unit: its session is told what became of it, by the feed */
	LEADER_REPORT_CONFLICT, /* its session broke the rules: an error, and the connection ends */
	LEADER_STOP             /* a sync failed: stop writing, say so in the status */
};

struct leader_effect {
	enum leader_effect_kind kind;
	const struct entry *unit; /* ADMIT, APPEND, RECORD_REFUSED, REPORT_*: borrowed until the next step */
	size_t n_unit;
	bool replay;             /* ADMIT, APPEND, RECORD_REFUSED: of a displaced unit, not a push */
	bool refused_by_backend; /* ADMIT: do not try it, answer REFUSED with the backend's reason */
	struct position from;    /* UNDO; TELL if rebased */
	size_t first, n;         /* APPLY, CONFIRM */
	struct position head;    /* SET_UPSTREAM */
	struct position trim_to; /* COMMIT_STATE */
	bool rebased;            /* TELL */
};

#define LEADER_EFFECTS_MAX 6u

struct leader_effects {
	struct leader_effect list[LEADER_EFFECTS_MAX];
	unsigned n;
	char trace[TRACE_BYTES_MAX]; /* one sentence on what was decided, when leader->tracing */
};

/* Pages that wait for their successors. */
struct leader_staging {
	bool active, adopt;
	struct position from; /* the first position that differs */
	struct position head; /* the newest staged one */
	size_t n_arrived;     /* pending events among them */
};

struct leader_machine {
	enum leader_state state;
	bool tracing;
	bool has_backend;
	struct position head;          /* newest event of the log, durable */
	struct position upstream_head; /* confirmed by the backend */
	uint64_t generation;
	struct leader_staging staged, next_staged;
	/* The open step: */
	bool more, apply_staged;
	struct position next_head; /* head as it will be */
	struct position next_upstream;
	bool rebased;
	struct position rebased_from;
	const struct incoming *events; /* of the page; borrowed from the shell until IDLE */
	size_t n_events, n_confirmed;
	const struct event_id *refused;
	size_t n_refused;
	bool begun;         /* transactions are open */
	struct entry *unit; /* owned: the units under admission */
	size_t n_unit, unit_at, allocated;
};

struct leader_start {
	struct position head, upstream_head;
	uint64_t generation;
	bool has_backend;
};

void leader_machine_init(struct leader_machine *leader, const struct leader_start *start);
void leader_machine_finish(struct leader_machine *leader);

/* One step. 0, LEADER_LATER, or a negative code: ERROR_PROTOCOL or CONFLICT for
 * a page that contradicts the log (named; nothing has changed), INVALID for a
 * malformed unit, NO_MEMORY. */
int leader_step(struct leader_machine *leader, const struct leader_input *input, struct leader_effects *ret_effects,
                struct error *error);

/* What leaderctl and traces call a state. */
const char *leader_state_name(enum leader_state state);

#endif
