/*
 * Repair: our confirmed events are written to a backend that has lost some of
 * them; see upstream_errand.h. The store stays on hold afterwards, so that its
 * user can look before anything new is pushed.
 */

#include "leaderd/src/leader.h"
#include "leaderd/src/upstream.h"

static int finish(struct upstream *upstream, struct error *error) {
	struct errand *errand = &upstream->errand;
	struct eventlog *log = upstream->leader->store->log;
	struct error what;
	int r = upstream_keep_lineage(upstream, &upstream->opened, error);

	if (r == 0)
		r = eventlog_begin(log, error);
	if (r < 0)
		return r;
	r = eventlog_set_upstream(log, (struct position){ errand->at.global, 0 }, &errand->at.chain_hash, errand->at.cursor,
	                          errand->at.cursor_bytes, error);
	if (r == 0)
		r = eventlog_commit(log, error);
	if (r < 0) {
		eventlog_rollback(log);
		return r;
	}
	leader_refresh(upstream->leader);
	error_set(&what, ERROR_HOLD, "the backend was repaired: %llu events written, it ends at our confirmed head e%llu; "
	          "`online` ends the hold", (unsigned long long)errand->n_written, (unsigned long long)errand->at.global);
	r = upstream_set_repaired(upstream, what.text, error);
	if (r == 0)
		errand_succeed(upstream);
	return r;
}

static int go_on(struct upstream *upstream, struct error *error) {
	struct errand *errand = &upstream->errand;

	if (errand->at.global == errand->until)
		return finish(upstream, error);
	return upstream_send_batch(upstream, &upstream->limits, &errand->at, errand->until, error);
}

/* Is the backend's log, which ends here, a beginning of our confirmed one? */
static int check_prefix(struct upstream *upstream, const struct upstream_point *head, struct error *error) {
	unsigned long long end = head->global;
	struct hash ours;
	int r;

	if (head->global > upstream->errand.until)
		return error_set(error, ERROR_CONFLICT, "the backend's log ends at e%llu, beyond our confirmed head e%llu: there is "
		                 "nothing that this device could repair", end, (unsigned long long)upstream->errand.until);
	r = upstream_chain_hash_at(&ours, upstream->leader, head->global, error);
	if (r < 0)
		return r;
	if (!hash_equal(&ours, &head->chain_hash))
		return error_set(error, ERROR_CONFLICT, "the backend's log forked: at its end e%llu its chain hash is not ours, so "
		                 "it cannot be repaired, only adopted", end);
	return 0;
}

int repair_opened(struct upstream *upstream, struct error *error) {
	struct errand *errand = &upstream->errand;
	int r;

	errand->until = upstream->leader->told.upstream_head.global;
	errand->at = upstream->opened.head;
	r = check_prefix(upstream, &errand->at, error);
	return r < 0 ? r : go_on(upstream, error);
}

int repair_answered(struct upstream *upstream, const Leaderd__PushAnswer *answer, struct error *error) {
	struct errand *errand = &upstream->errand;
	struct upstream_point head;
	int r;

	upstream_point_get(&head, answer->head);
	switch (answer->result) {
	case LEADERD__PUSH_RESULT__PUSH_BEHIND: /* another device repairs it too */
	case LEADERD__PUSH_RESULT__PUSH_ACCEPTED:
		if (head.global <= errand->at.global)
			return error_set(error, ERROR_PROTOCOL, "the backend's log did not grow from e%llu",
			                 (unsigned long long)errand->at.global);
		r = check_prefix(upstream, &head, error);
		if (r < 0)
			return r;
		if (answer->result == LEADERD__PUSH_RESULT__PUSH_ACCEPTED)
			errand->n_written += head.global - errand->at.global;
		errand->at = head;
		return go_on(upstream, error);
	case LEADERD__PUSH_RESULT__PUSH_LATER:
		return error_set(error, ERROR_BUSY, "the backend takes no pushes at present: %s", answer->reason);
	case LEADERD__PUSH_RESULT__PUSH_REFUSED:
		return error_set(error, ERROR_REFUSED, "the backend refused what it had confirmed before: %s", answer->reason);
	default:
		return error_set(error, ERROR_CONFLICT, "the backend's log changed under the repair: %s", answer->reason);
	}
}
