/*
 * Live: after a pull that asked for it, pages go out as events come.
 *
 * A hint on the adapter's descriptor, or the slow safety poll, is a reason to
 * look; what there is, the pull itself says. A page that says "more", and one
 * that says "diverged", is the last one until the leader pulls again: so what
 * the leader has not asked for is never more than one page.
 */

#include <time.h>

#include "runtime/runtime.h"

static int64_t now_us(void) {
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void set_due(struct runtime *runtime) {
	runtime->live.due_us = now_us() + (int64_t)runtime->poll_ms * 1000;
}

void live_start(struct runtime *runtime, uint64_t number, const struct adapter_pull *pull,
                const struct adapter_page *page) {
	runtime->live = (struct live){ .on = !page->more && !page->diverged, .number = number, .pull = *pull };
	runtime->live.pull.after = page->end;
	set_due(runtime);
}

void live_pushed(struct runtime *runtime, const struct adapter_push *push, const struct backend_point *head) {
	struct backend_point *after = &runtime->live.pull.after;

	if (runtime->live.on && after->global == push->parent.global &&
	    hash_equal(&after->chain_hash, &push->parent.chain_hash))
		*after = *head;
}

int live_descriptor(const struct runtime *runtime) {
	return runtime->live.on && runtime->backend != NULL ? runtime->operations->live_fd(runtime->backend) : -1;
}

int live_timeout_ms(const struct runtime *runtime) {
	int64_t left_us = runtime->live.due_us - now_us();

	if (!runtime->live.on || runtime->backend == NULL)
		return -1;
	return left_us <= 0 ? 0 : (int)((left_us + 999) / 1000);
}

static int look(struct runtime *runtime, struct adapter_page *ret, bool hinted, struct error *cause) {
	int r = 1;

	/* What was there before the look is seen by it: the hint goes first. */
	if (hinted)
		r = runtime->operations->live_take(runtime->backend, cause);
	if (r <= 0)
		return r;
	set_due(runtime);
	r = runtime->operations->pull(runtime->backend, &runtime->live.pull, ret, cause);
	return r < 0 ? r : 1;
}

int live_look(struct runtime *runtime, bool hinted, struct error *error) {
	struct adapter_page page = { 0 };
	struct error cause = { 0 };
	int r;

	if (!hinted && live_timeout_ms(runtime) != 0)
		return 0;
	r = look(runtime, &page, hinted, &cause);
	if (r < 0) {
		cause.code = r;
		runtime->live.on = false;
		return answer_problem(runtime, 0, &cause, NULL, error);
	}
	if (r == 0 || (page.n_events == 0 && !page.diverged)) {
		events_free(page.events, page.n_events);
		return 0;
	}

	r = answer_page(runtime, runtime->live.number, &page, error);
	runtime->live.pull.after = page.end;
	runtime->live.on = !page.more && !page.diverged;
	events_free(page.events, page.n_events);
	return r;
}
