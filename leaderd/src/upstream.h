#ifndef LEADERD_UPSTREAM_H
#define LEADERD_UPSTREAM_H

/*
 * Upstream: what stands between a leader and its backend; step 9 of
 * docs/ARCHITECTURE.md. Each leader has one, with a backend or without.
 *
 * It drives the upstream machine (model/upstream_step.h): frames of the adapter,
 * the timer and what the user wants become inputs, and each effect is performed
 * here. What the backend says goes through the leader's machine like everything
 * that changes the log. One request is under way at a time; pages that come unasked
 * are dealt with at once or passed over, so that nothing waits in a queue.
 *
 * Trouble with a backend is no trouble of the store: it goes on serving its apps,
 * and the status says what is wrong until something is right again.
 *
 *   upstream.c          life, the machine, its effects
 *   upstream_message.c  messages of the adapter become inputs
 *   upstream_set.c      what the user wants: attach, offline, online
 *   upstream_wait.c     who waits for it to have caught up
 *   upstream_page.c     pages; upstream_push.c batches
 *   upstream_errand.c   repair and adopt, for which the machine steps aside
 */

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "leaderd/src/adapter_link.h"
#include "leaderd/src/backend.h"
#include "leaderd/src/upstream_errand.h"
#include "leaderd/src/upstream_page.h"
#include "leaderd/src/upstream_push.h"
#include "leaderd/src/upstream_wait.h"
#include "model/upstream_step.h"

#define UPSTREAM_LINEAGE_BYTES BACKEND_LINEAGE_BYTES
#define UPSTREAM_PING_MS 30000u /* of silence before an adapter that should tell of news is asked whether it lives */

/* What the adapter was asked and has not answered. */
enum upstream_asked { ASKED_NOTHING, ASKED_OPEN, ASKED_PULL, ASKED_PUSH };

/* The log that the adapter has opened. */
struct upstream_opened {
	uint8_t lineage[UPSTREAM_LINEAGE_BYTES];
	uint64_t epoch;
	struct upstream_point head;
};

struct upstream {
	struct leader *leader;            /* borrowed; owns us */
	struct backend backend;
	struct upstream_machine machine;
	struct adapter_link link;
	struct event *timer, *wake, *ping;
	bool stepping;
	bool has_next;                    /* an effect has an answer already */
	struct upstream_input next;
	enum upstream_asked asked;
	uint64_t number, pull_number;     /* of the newest request, of the newest pull */
	uint64_t ping_number;             /* not answered yet; 0: none */
	uint64_t pushed_until;            /* the newest event of the push under way */
	struct upstream_opened opened;
	struct upstream_limits limits;
	struct upstream_point staged_end; /* of the newest staged page; meaningful while the machine stages */
	const Leaderd__Page *page;        /* between the message and its effect */
	const Leaderd__PushAnswer *answer;
	struct error why;                 /* what the input under way says is wrong */
	struct error trouble;             /* what the status says; code 0: nothing is wrong */
	struct errand errand;
	struct upstream_wait_list waits;
	size_t n_waits;
};

int upstream_create(struct upstream **ret, struct leader *leader, struct error *error);
struct upstream *upstream_destroy(struct upstream *upstream); /* accepts NULL; returns NULL */

/* The store was opened: does what its `backend` file says. What is wrong there is told in the status. */
void upstream_open(struct upstream *upstream);
/* What is wanted may have changed: the user said so, or the store can be used again. */
void upstream_configure(struct upstream *upstream);
/* The leader's log moved. Does nothing at once: steps of the two machines never nest. */
void upstream_log_moved(struct upstream *upstream);
/* The store is removed: hangs up for good. */
void upstream_retire(struct upstream *upstream, const struct error *why);

/* May this unit, its events placed, ever reach the backend? ERROR_REFUSED says why not. */
int upstream_check_unit(const struct upstream *upstream, struct event *const *events, size_t n, struct error *error);

/* For the status: the machine's state, or what it steps aside for; milliseconds to the next try, 0: none. */
const char *upstream_state(const struct upstream *upstream);
uint64_t upstream_retry_ms(const struct upstream *upstream);

/* upstream_set.c. BUSY, FULL, IO, HOLD (the store's own); INVALID, NOT_FOUND (no such adapter). */
int upstream_set_backend(struct upstream *upstream, const char *url, struct error *error); /* NULL: none */
int upstream_check_backend(const char *url, struct error *error);
int upstream_set_offline(struct upstream *upstream, bool push_only, struct error *error);
int upstream_set_online(struct upstream *upstream, struct error *error);
/* On hold until `online`, with this to say. NULL: on hold no more. */
int upstream_set_repaired(struct upstream *upstream, const char *what, struct error *error);
/* In a log transaction of its own. */
int upstream_keep_lineage(struct upstream *upstream, const struct upstream_opened *opened, struct error *error);

/* Between these files. */
void upstream_give(struct upstream *upstream, const struct upstream_input *input);
void upstream_take_message(struct upstream *upstream, const Leaderd__FromAdapter *message);
int upstream_read_opened(struct upstream_opened *ret, struct upstream_limits *ret_limits,
                         const Leaderd__Opened *message);
/* Starts the adapter and asks it to open. With `any_lineage` the log may be another store's. */
int upstream_send_open(struct upstream *upstream, bool any_lineage, struct error *error);
int upstream_send_pull(struct upstream *upstream, const struct upstream_point *after, bool live, struct error *error);
int upstream_send_batch(struct upstream *upstream, const struct upstream_limits *limits,
                        const struct upstream_point *parent, uint64_t until, struct error *error);
/* Behind which point the next page is expected. */
int upstream_pull_point(struct upstream_point *ret, struct upstream *upstream, struct error *error);
void upstream_set_trouble(struct upstream *upstream, const struct error *why);
uint64_t upstream_now_ms(void);

#endif
