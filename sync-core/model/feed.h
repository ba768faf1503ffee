#ifndef LEADERD_MODEL_FEED_H
#define LEADERD_MODEL_FEED_H

/*
 * A feed: what one session has been sent of the leader's log. A cursor `sent`
 * and a mark `back`; a rebase of the leader lowers both. Lag, resume and rebase
 * are this one mechanism, in constant memory: whatever is missing is read from
 * the log, page by page, when the session can take it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "model/position.h"

struct feed {
	struct position sent;        /* the session has, or will have, everything up to here */
	struct position back;        /* lowest head since the last payload: below `sent_before` means rebase */
	struct position sent_before; /* `sent` when the last payload was made */
	struct position full_until;  /* own events up to here are sent in full: this session may not hold them */
	uint64_t refused_sent;       /* ordinal of the newest refusal that was sent */
	bool heads_changed;          /* backend head, generation or trouble changed since the last payload */
};

/* The session stands at `at`; the log's head is `head`. */
void feed_open(struct feed *feed, struct position at, struct position head, uint64_t refused_sent);

/* The leader undid everything behind `to`; its head is `head` now. */
void feed_rebased(struct feed *feed, struct position to, struct position head);

/* Must the next payload begin with a rebase, and back to where? */
bool feed_needs_rebase(const struct feed *feed, struct position *ret_back_to);

/* A payload went out whose events reach up to `last` (feed->sent if it had none). */
void feed_advanced(struct feed *feed, struct position last);

/* May an own event at `at` be sent short? */
bool feed_may_be_short(const struct feed *feed, struct position at);

#endif
