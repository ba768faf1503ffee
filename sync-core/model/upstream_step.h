#ifndef LEADERD_MODEL_UPSTREAM_STEP_H
#define LEADERD_MODEL_UPSTREAM_STEP_H

/*
 * The upstream machine of one store: when to talk to the backend, and about what.
 * It knows no event; the shell packs and unpacks, the leader machine merges.
 *
 *   OFF --CONFIGURE(wanted)--> OPENING --OPENED--> PULLING --PAGE--> MERGING --MERGED--> PULLING ...
 *   MERGING --MERGED, nothing more--> PUSHING (if something is pending) or FOLLOWING
 *   PUSHING --accepted--> MERGING --> PUSHING ... FOLLOWING
 *   PUSHING --behind--> PULLING         at once, as long as pulls bring something new
 *   PUSHING --refused by name--> MERGING
 *   FOLLOWING --live PAGE--> MERGING    FOLLOWING --pending--> PUSHING    FOLLOWING --poll, sync--> PULLING
 *   any --gone, later, problem--> RESTING --TIMER, sync, commit--> OPENING
 *   any --diverged, wrong store, permanent--> HELD --CONFIGURE, sync--> OPENING
 *
 * Pull first, then push. Trying again after a lost answer is always safe: what
 * comes back with our ids and hashes is ours. A page that does not follow the
 * confirmed head is a hint at most, and leads to a pull.
 *
 * Held means that pushing stops and everything is kept; the store serves its apps.
 * Pure: the time and a random number come in with each input.
 */

#include <stdbool.h>
#include <stdint.h>

#include "model/trace.h"

#define UPSTREAM_REST_MS_MIN 250u     /* the first pause after a failure */
#define UPSTREAM_REST_MS_MAX 30000u   /* pauses double up to here */
#define UPSTREAM_ANSWER_MS_MAX 40000u /* an adapter that says nothing for so long is started again */
#define UPSTREAM_POLL_MS 5000u        /* between two pulls of a backend that is not live */
#define UPSTREAM_EAGER_MS 1000u       /* a commit ends a pause early if this much of it has passed */

enum upstream_state {
	UPSTREAM_OFF,       /* no backend, or offline */
	UPSTREAM_RESTING,   /* until the timer */
	UPSTREAM_OPENING,   /* waits for OPENED */
	UPSTREAM_PULLING,   /* waits for PAGE */
	UPSTREAM_MERGING,   /* the leader has a page, an acceptance or a refusal; waits for MERGED */
	UPSTREAM_PUSHING,   /* waits for ANSWER */
	UPSTREAM_FOLLOWING, /* nothing to do at present */
	UPSTREAM_HELD       /* someone must act */
};

enum upstream_input_kind {
	UPSTREAM_CONFIGURE, /* wanted, may_push */
	UPSTREAM_OPENED,    /* lineage, live */
	UPSTREAM_PAGE,      /* page */
	UPSTREAM_ANSWER,    /* answer */
	UPSTREAM_MERGED,    /* outcome */
	UPSTREAM_PROBLEM,   /* permanent */
	UPSTREAM_GONE,      /* the adapter ended, hung, or talked nonsense */
	UPSTREAM_PENDING,   /* the leader's log moved */
	UPSTREAM_SYNC,      /* someone wants it now */
	UPSTREAM_TIMER
};

enum upstream_lineage { LINEAGE_SAME, LINEAGE_FIRST, LINEAGE_OTHER };
enum upstream_answer {
	ANSWER_ACCEPTED,
	ANSWER_BEHIND,
	ANSWER_DIVERGED,
	ANSWER_LATER,
	ANSWER_REFUSED_EVENTS,
	ANSWER_REFUSED
};
enum upstream_merged { MERGED_DONE, MERGED_FAILED, MERGED_WRONG };

struct upstream_input {
	enum upstream_input_kind kind;
	uint64_t now_ms;               /* monotonic */
	uint32_t chance;               /* random */
	bool pending;                  /* in every input: synced events stand behind the confirmed head */
	bool wanted, may_push;         /* CONFIGURE */
	enum upstream_lineage lineage; /* OPENED */
	bool live;                     /* OPENED */
	struct {
		bool has_events, more, diverged;
		bool follows;             /* its first event is the one behind the confirmed head */
		bool is_news;             /* its end lies beyond the confirmed head */
	} page;                       /* PAGE */
	enum upstream_answer answer;  /* ANSWER */
	enum upstream_merged outcome; /* MERGED */
	bool permanent;               /* PROBLEM; ANSWER_REFUSED */
};

enum upstream_effect_kind {
	UPSTREAM_DO_START,        /* start the adapter and send Open */
	UPSTREAM_DO_STOP,         /* hang up and forget it */
	UPSTREAM_DO_TAKE_LINEAGE, /* the log takes the backend's lineage and epoch */
	UPSTREAM_DO_PULL,         /* behind the confirmed head (or what is staged) */
	UPSTREAM_DO_PUSH,         /* the next pending units, within the limits */
	UPSTREAM_DO_MERGE,        /* give the page to the leader; answer MERGED */
	UPSTREAM_DO_CONFIRM,      /* what was pushed is confirmed; answer MERGED */
	UPSTREAM_DO_REFUSE,       /* the named events are refused; answer MERGED */
	UPSTREAM_DO_HOLD,         /* say why in the status */
	UPSTREAM_DO_RELEASE,      /* nothing is wrong any more */
	UPSTREAM_DO_TIMER         /* at_ms; 0: none */
};

struct upstream_effect {
	enum upstream_effect_kind kind;
	bool live;      /* PULL */
	uint64_t at_ms; /* TIMER */
};

#define UPSTREAM_EFFECTS_MAX 6u

struct upstream_effects {
	struct upstream_effect list[UPSTREAM_EFFECTS_MAX];
	unsigned n;
	char trace[TRACE_BYTES_MAX];
};

struct upstream_machine {
	enum upstream_state state;
	bool tracing;
	bool wanted, may_push;
	bool started; /* an adapter runs */
	bool live;
	bool more;         /* the page being merged is not the last one */
	bool pull_again;   /* a hint came while something else was under way */
	bool push_blocked; /* this leader's pushes are refused for good; pulling goes on */
	bool fruitless;    /* the newest pull brought nothing, and the push before it was behind */
	bool after_push;   /* MERGING: what was pushed, not a page */
	uint32_t rest_ms;  /* the next pause; 0: none since the last success */
	uint64_t resting_since_ms, timer_ms;
};

void upstream_machine_init(struct upstream_machine *upstream);

/* One step. Always takes the input; what makes no sense in a state (a late answer
 * of an adapter that was stopped) is passed over. */
void upstream_step(struct upstream_machine *upstream, const struct upstream_input *input,
                   struct upstream_effects *ret_effects);

const char *upstream_state_name(enum upstream_state state);

#endif
