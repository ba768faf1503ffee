/* Who waits; see upstream_wait.h. */

#include "leaderd/src/upstream_wait.h"

#include <stdlib.h>

#include "leaderd/src/leader.h"
#include "leaderd/src/peer.h"
#include "leaderd/src/request.h"
#include "leaderd/src/upstream.h"

static void drop(struct upstream_wait *wait) {
	LIST_REMOVE(wait, link);
	wait->upstream->n_waits--;
	if (wait->deadline)
		event_free(wait->deadline);
	free(wait);
}

/* Ends the wait. Without memory for the answer the peer is told so, and ends. */
static void answer(struct upstream_wait *wait, const struct error *outcome) {
	struct peer *peer = wait->peer;
	uint64_t number = wait->number;
	struct error why = { 0 };

	drop(wait);
	if (request_answer_error(peer, number, outcome, &why) < 0)
		peer_fail(peer, &why);
}

/* ---- how far it is ------------------------------------------------------------------- */

#define STILL_WAITING 1

static int sync_outcome(const struct upstream *upstream, struct error *why) {
	const struct leader *leader = upstream->leader;
	const struct upstream_machine *machine = &upstream->machine;
	unsigned long long n = leader->told.head.global - leader->told.upstream_head.global;

	if (!upstream->backend.url)
		return error_set(why, ERROR_NO_BACKEND, "store %s has no backend", leader->name);
	if (upstream->errand.kind != ERRAND_NONE)
		return STILL_WAITING;
	if (machine->state == UPSTREAM_HELD)
		return error_set(why, ERROR_HOLD, "%s", upstream->trouble.text);
	if (upstream->backend.repaired)
		return error_set(why, ERROR_HOLD, "%s", upstream->backend.repaired);
	if (machine->state == UPSTREAM_OFF)
		return error_set(why, ERROR_NOT_RUNNING, "store %s is offline", leader->name);
	if (machine->state != UPSTREAM_FOLLOWING || machine->pull_again)
		return STILL_WAITING;
	if (n > 0 && machine->push_blocked)
		return error_set(why, ERROR_REFUSED, "%s", upstream->trouble.text);
	if (n > 0 && !machine->may_push)
		return error_set(why, ERROR_NOT_RUNNING, "store %s does not push at present: %llu events wait", leader->name, n);
	return n > 0 ? STILL_WAITING : 0;
}

void upstream_wait_check(struct upstream *upstream) {
	struct error outcome = { 0 };
	int r;

	if (LIST_EMPTY(&upstream->waits))
		return;
	r = sync_outcome(upstream, &outcome);
	if (r != STILL_WAITING)
		upstream_wait_finish(upstream, WAIT_SYNC, &outcome);
}

void upstream_wait_finish(struct upstream *upstream, enum upstream_wait_kind kind, const struct error *outcome) {
	struct upstream_wait *wait, *next;

	LIST_FOREACH_SAFE(wait, &upstream->waits, link, next)
		if (wait->kind == kind)
			answer(wait, outcome);
}

static void on_deadline(evutil_socket_t fd, short what, void *data) {
	struct upstream_wait *wait = data;
	const struct upstream *upstream = wait->upstream;
	struct error why;

	if (upstream->trouble.code != 0)
		error_set(&why, ERROR_TIMEOUT, "store %s did not get so far in time (%s): %s", upstream->leader->name,
		          upstream_state(upstream), upstream->trouble.text);
	else
		error_set(&why, ERROR_TIMEOUT, "store %s did not get so far in time: it is %s", upstream->leader->name,
		          upstream_state(upstream));
	answer(wait, &why);
}

/* ---- coming and going ------------------------------------------------------------------- */

int upstream_wait_add(struct upstream *upstream, enum upstream_wait_kind kind, struct peer *peer, uint64_t number,
                      uint32_t timeout_ms, struct error *error) {
	struct upstream_wait *wait;

	if (upstream->n_waits >= UPSTREAM_WAITS_MAX)
		return error_set(error, ERROR_FULL, "%u requests wait for store %s already", UPSTREAM_WAITS_MAX,
		                 upstream->leader->name);
	wait = calloc(1, sizeof(*wait));
	if (!wait)
		return error_no_memory(error);
	*wait = (struct upstream_wait){ .upstream = upstream, .kind = kind, .peer = peer, .number = number };
	wait->deadline = evtimer_new(upstream->leader->daemon->base, on_deadline, wait);
	if (!wait->deadline) {
		free(wait);
		return error_no_memory(error);
	}
	if (timeout_ms == 0)
		timeout_ms = UPSTREAM_WAIT_MS_DEFAULT;
	leader_set_timer(wait->deadline, timeout_ms < UPSTREAM_WAIT_MS_MAX ? timeout_ms : UPSTREAM_WAIT_MS_MAX);
	LIST_INSERT_HEAD(&upstream->waits, wait, link);
	upstream->n_waits++;
	return 0;
}

static void forget_of(struct upstream *upstream, const struct peer *peer) {
	struct upstream_wait *wait, *next;

	if (!upstream)
		return;
	LIST_FOREACH_SAFE(wait, &upstream->waits, link, next)
		if (wait->peer == peer)
			drop(wait);
}

void upstream_wait_forget(struct daemon *daemon, const struct peer *peer) {
	struct leader *leader;

	LIST_FOREACH(leader, &daemon->leaders, link)
		forget_of(leader->upstream, peer);
	LIST_FOREACH(leader, &daemon->retired, link)
		forget_of(leader->upstream, peer);
}

void upstream_wait_drop_all(struct upstream *upstream) {
	while (!LIST_EMPTY(&upstream->waits))
		drop(LIST_FIRST(&upstream->waits));
}
