/*
 * Adopt: the backend's history replaces ours from the first event that differs;
 * see upstream_errand.h. Nothing is given up: the old log is exported first, and
 * what the new history lacks is pending again, whoever had made it.
 */

#include <string.h>

#include "base/log.h"
#include "leaderd/src/leader.h"
#include "leaderd/src/upstream.h"
#include "leaderd/src/upstream_export.h"

int adopt_opened(struct upstream *upstream, struct error *error) {
	struct errand *errand = &upstream->errand;
	int r;

	leader_flush(upstream->leader);
	r = upstream_export(upstream->leader, error);
	if (r < 0)
		return r;
	errand->at = (struct upstream_point){ 0 };
	return upstream_send_pull(upstream, &errand->at, false, error);
}

/* The event at `i` of the page, if it is ours as well: same place, same history. */
static int is_ours(struct upstream *upstream, const struct upstream_page *page, size_t i, bool *ret,
                   struct error *error) {
	const struct event *event = page->events[i];
	struct hash ours;
	int r;

	*ret = false;
	if (page->incoming[i].hash_differs || event->entry.at.global > upstream->leader->told.head.global)
		return 0;
	r = upstream_chain_hash_at(&ours, upstream->leader, event->entry.at.global, error);
	*ret = r == 0 && hash_equal(&ours, &event->chain_hash);
	return r;
}

/* Takes off the events that are common to both; what is left differs. A unit is
 * common as a whole or not at all. */
static int drop_common(struct upstream *upstream, struct upstream_page *page, struct error *error) {
	struct errand *errand = &upstream->errand;
	size_t n = 0;
	bool ours = true;
	int r = 0;

	while (n < page->n && ours) {
		r = is_ours(upstream, page, n, &ours, error);
		if (r < 0)
			return r;
		n += ours;
	}
	if (n < page->n)
		n -= page->incoming[n].entry.unit_index < n ? page->incoming[n].entry.unit_index : n;
	errand->differs = n < page->n || !page->more;
	errand->adopt_from.global = errand->at.global + n + 1;
	upstream_page_drop_front(page, n);
	return 0;
}

/* Every session takes the state anew: what it took for final may be off. */
static int finish(struct upstream *upstream, struct error *error) {
	int r = upstream_keep_lineage(upstream, &upstream->opened, error);

	if (r == 0)
		r = leader_rebuild(upstream->leader, false, error);
	if (r == 0)
		r = upstream_set_repaired(upstream, NULL, error);
	return r;
}

static int give(struct upstream *upstream, struct upstream_page *page, struct error *error) {
	struct errand *errand = &upstream->errand;
	struct leader *leader = upstream->leader;
	uint64_t n_staged = 0;
	int r = eventlog_staged_count(leader->store->log, &n_staged, error);

	if (r < 0)
		return r;
	page->adopt = true;
	page->adopt_from = errand->adopt_from;
	/* Its own ids are no news: who adopts replaces what is pending, and has it replayed. */
	for (size_t i = 0; i < page->n; i++)
		page->incoming[i].is_pending = false;
	if (n_staged + page->n + BACKEND_PAGE_EVENTS_MAX > STAGED_EVENTS_MAX)
		page->more = false; /* the rest is pulled as usual */
	return upstream_page_merge(leader, page, error) == MERGED_DONE ? 0 : error->code;
}

static int take_page(struct upstream *upstream, struct upstream_page *page, struct error *error) {
	struct errand *errand = &upstream->errand;
	struct upstream_point end = page->end;
	bool more;
	int r = errand->differs ? 0 : drop_common(upstream, page, error);

	if (r == 0 && errand->differs)
		r = give(upstream, page, error);
	if (r < 0)
		return r;
	more = page->more;
	errand->at = end;
	if (more)
		return upstream_send_pull(upstream, &errand->at, false, error);
	return finish(upstream, error);
}

int adopt_pulled(struct upstream *upstream, const Leaderd__Page *message, struct error *error) {
	struct upstream_page page;
	int r;

	if (message->diverged)
		return error_set(error, ERROR_CONFLICT, "the backend's log changed while it was read: %s", message->reason);
	leader_flush(upstream->leader);
	r = upstream_page_read(&page, upstream->leader, message, &upstream->errand.at, error);
	if (r < 0)
		return r;
	r = take_page(upstream, &page, error);
	upstream_page_finish(&page);
	if (r == 0 && upstream->asked == ASKED_NOTHING)
		errand_succeed(upstream);
	return r;
}
