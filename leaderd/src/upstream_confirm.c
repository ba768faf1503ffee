/* What the backend said, to the leader's machine; see upstream_confirm.h. */

#include "leaderd/src/upstream_confirm.h"

#include <stdlib.h>

#include "leaderd/src/leader.h"

/* Our own environment, or what the backend said? */
static enum upstream_merged outcome_of(int r) {
	switch (r) {
	case 0:
		return MERGED_DONE;
	case ERROR_PROTOCOL:
	case ERROR_CONFLICT:
	case ERROR_TOO_LARGE:
	case ERROR_INVALID:
		return MERGED_WRONG;
	default:
		return MERGED_FAILED;
	}
}

/* When no more fits beside the log, one rebase takes what is there; then the rest is pulled. */
static int bound_staging(struct upstream_page *page, struct leader *leader, struct error *error) {
	uint64_t n_staged = 0;
	int r = leader->machine.staged.active ? eventlog_staged_count(leader->store->log, &n_staged, error) : 0;

	if (n_staged + page->n + BACKEND_PAGE_EVENTS_MAX > STAGED_EVENTS_MAX)
		page->more = false;
	return r;
}

enum upstream_merged upstream_merge_page(struct upstream *upstream, const Leaderd__Page *message, struct error *why) {
	struct leader *leader = upstream->leader;
	struct upstream_point after;
	struct upstream_page page;
	enum upstream_merged outcome;
	int r;

	if (message->n_events == 0 && !leader->machine.staged.active)
		return MERGED_DONE;
	leader_flush(leader);
	r = upstream_pull_point(&after, upstream, why);
	if (r == 0)
		r = upstream_page_read(&page, leader, message, &after, why);
	if (r < 0)
		return outcome_of(r);
	r = bound_staging(&page, leader, why);
	outcome = r < 0 ? outcome_of(r) : upstream_page_merge(leader, &page, why);
	if (leader->machine.staged.active && outcome == MERGED_DONE)
		upstream->staged_end = page.end;
	upstream_page_finish(&page);
	return outcome;
}

enum upstream_merged upstream_confirm(struct upstream *upstream, const Leaderd__PushAnswer *answer,
                                      struct error *why) {
	struct upstream_point end;
	struct upstream_page page;
	enum upstream_merged outcome;
	int r;

	leader_flush(upstream->leader);
	upstream_point_get(&end, answer->head);
	r = upstream_page_of_log(&page, upstream->leader, &end, why);
	if (r < 0)
		return outcome_of(r);
	outcome = upstream_page_merge(upstream->leader, &page, why);
	upstream_page_finish(&page);
	return outcome;
}

/* ---- refusals ---------------------------------------------------------------------------- */

/* Moves *first to the unit of this id, if it is pending and stands before. A unit is refused whole. */
static int look_for(struct leader *leader, const struct event_id *id, struct position *first, struct error *error) {
	struct event *event;
	int r = eventlog_find(leader->store->log, id, &event, error);

	if (r == ERROR_NOT_FOUND)
		return 0;
	if (r < 0)
		return r;
	struct position at = { event->entry.at.global - event->entry.unit_index, 0 };
	bool is_pending = !event->entry.client_only && position_compare(at, leader->told.upstream_head) > 0;
	event_destroy(event);
	if (is_pending && (position_is_root(*first) || position_compare(at, *first) < 0))
		*first = at;
	return 0;
}

static int refuse(struct leader *leader, const Leaderd__PushAnswer *answer, struct event_id *ids, size_t n,
                  struct error *why) {
	const char *reason = answer->reason[0] != '\0' ? answer->reason : "the backend refused it";
	struct step_upstream upstream = { .refusal_reason = reason };
	struct leader_input input = { .kind = LEADER_REFUSAL, .refused = ids, .n_refused = n };
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		wire_id_at(&ids[i], &answer->refused, i);
		r = look_for(leader, &ids[i], &input.refused_first, why);
	}
	if (r == 0 && position_is_root(input.refused_first))
		r = error_set(why, ERROR_PROTOCOL, "the backend refused events that are not pending");
	if (r < 0)
		return r;
	leader->step.upstream = &upstream;
	r = perform(leader, &input, why);
	leader->step.upstream = NULL;
	return r;
}

enum upstream_merged upstream_refuse(struct upstream *upstream, const Leaderd__PushAnswer *answer, struct error *why) {
	struct leader *leader = upstream->leader;
	size_t n = answer->refused.len / sizeof(struct event_id);
	struct event_id *ids;
	int r;

	leader_flush(leader);
	if (!leader_is_ready(leader, why))
		return MERGED_FAILED;
	ids = calloc(n, sizeof(*ids));
	if (!ids) {
		error_no_memory(why);
		return MERGED_FAILED;
	}
	r = refuse(leader, answer, ids, n, why);
	free(ids);
	if (r == 0 && leader->trouble.code != 0) {
		*why = leader->trouble;
		return MERGED_FAILED;
	}
	return outcome_of(r);
}
