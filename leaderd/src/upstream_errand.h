#ifndef LEADERD_UPSTREAM_ERRAND_H
#define LEADERD_UPSTREAM_ERRAND_H

/*
 * Errands: what a user asks for when backend and log have come apart. The machine
 * steps aside; an errand talks to the adapter by itself, one request after the
 * other, and ends with the first failure. Nothing is lost by asking again.
 *
 *   repair  OPENING -> PUSHING ...   the backend is a prefix of our confirmed events:
 *                                    what it lacks is written; then on hold until `online`
 *   adopt   OPENING -> PULLING ...   the old log is exported; the backend's is read from
 *                                    its beginning; from the first event that differs it
 *                                    replaces ours, and every event of ours that it lacks
 *                                    becomes pending again
 */

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "leaderd/src/upstream_page.h"
#include "proto/backend_wire.h"

struct upstream;

enum errand_kind { ERRAND_NONE, ERRAND_REPAIR, ERRAND_ADOPT };

struct errand {
	enum errand_kind kind;
	struct event *deadline;         /* for the adapter's next answer */
	struct upstream_point at;       /* repair: the backend's head; adopt: read up to here */
	uint64_t until;                 /* repair: our confirmed head */
	uint64_t n_written;
	bool differs;                   /* adopt: from adopt_from on */
	struct position adopt_from;
};

/* The machine is off, the link is free. On failure nothing has begun. */
int errand_start(struct upstream *upstream, enum errand_kind kind, struct error *error);
void errand_take(struct upstream *upstream, const Leaderd__FromAdapter *message);
/* Ends the one under way, if any, and answers who waits for it. */
void errand_fail(struct upstream *upstream, const struct error *why);
void errand_succeed(struct upstream *upstream);
void errand_await_answer(struct upstream *upstream);
const char *errand_name(enum errand_kind kind);

/* upstream_repair.c, upstream_adopt.c: one answer each; 0, or why the errand fails. */
int repair_opened(struct upstream *upstream, struct error *error);
int repair_answered(struct upstream *upstream, const Leaderd__PushAnswer *answer, struct error *error);
int adopt_opened(struct upstream *upstream, struct error *error);
int adopt_pulled(struct upstream *upstream, const Leaderd__Page *page, struct error *error);

#endif
