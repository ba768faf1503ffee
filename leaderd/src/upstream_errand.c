/* Errands: what repair and adopt have in common; see upstream_errand.h. */

#include "leaderd/src/upstream_errand.h"

#include "base/log.h"
#include "leaderd/src/leader.h"
#include "leaderd/src/upstream.h"

const char *errand_name(enum errand_kind kind) {
	return kind == ERRAND_REPAIR ? "repairing" : "adopting";
}

/* ---- its end ---------------------------------------------------------------------------- */

static void finish(struct upstream *upstream, const struct error *outcome) {
	struct errand *errand = &upstream->errand;

	adapter_link_stop(&upstream->link);
	upstream->asked = ASKED_NOTHING;
	event_del(errand->deadline);
	errand->kind = ERRAND_NONE;
	leader_forget_staged(upstream->leader);
	upstream_configure(upstream);
	upstream_wait_finish(upstream, WAIT_ERRAND, outcome);
	daemon_status_changed(upstream->leader->daemon);
}

void errand_fail(struct upstream *upstream, const struct error *why) {
	if (upstream->errand.kind == ERRAND_NONE)
		return;
	log_warning("store=%s %s the backend failed: %s", upstream->leader->name, errand_name(upstream->errand.kind),
	            why->text);
	finish(upstream, why);
}

void errand_succeed(struct upstream *upstream) {
	static const struct error none = { 0 };

	log_notice("store=%s %s the backend is done", upstream->leader->name, errand_name(upstream->errand.kind));
	upstream->trouble = none;
	finish(upstream, &none);
}

static void on_deadline(evutil_socket_t fd, short what, void *data) {
	struct error why;

	error_set(&why, ERROR_TIMEOUT, "the adapter did not answer within %u ms", UPSTREAM_ANSWER_MS_MAX);
	errand_fail(data, &why);
}

void errand_await_answer(struct upstream *upstream) {
	leader_set_timer(upstream->errand.deadline, UPSTREAM_ANSWER_MS_MAX);
}

/* ---- its beginning ------------------------------------------------------------------------ */

int errand_start(struct upstream *upstream, enum errand_kind kind, struct error *error) {
	struct event *deadline = upstream->errand.deadline;
	int r;

	if (!deadline)
		deadline = evtimer_new(upstream->leader->daemon->base, on_deadline, upstream);
	if (!deadline)
		return error_no_memory(error);
	upstream->errand = (struct errand){ .kind = kind, .deadline = deadline };
	upstream_configure(upstream); /* off */
	leader_forget_staged(upstream->leader);
	r = upstream_send_open(upstream, kind == ERRAND_ADOPT, error);
	if (r == 0) {
		errand_await_answer(upstream);
		return 0;
	}
	adapter_link_stop(&upstream->link);
	upstream->errand.kind = ERRAND_NONE;
	upstream_configure(upstream);
	return r;
}

/* ---- answers -------------------------------------------------------------------------------- */

static int take_opened(struct upstream *upstream, const Leaderd__Opened *opened, struct error *error) {
	upstream_read_opened(&upstream->opened, &upstream->limits, opened);
	return upstream->errand.kind == ERRAND_REPAIR ? repair_opened(upstream, error) : adopt_opened(upstream, error);
}

/* What is asked for now, was answered. */
static bool is_awaited(struct upstream *upstream, enum upstream_asked asked, uint64_t number) {
	if (upstream->asked != asked || number != upstream->number)
		return false;
	upstream->asked = ASKED_NOTHING;
	return true;
}

void errand_take(struct upstream *upstream, const Leaderd__FromAdapter *message) {
	struct error why;
	int r = error_set(&why, ERROR_PROTOCOL, "the adapter talked nonsense: an answer to what it was not asked");

	switch (message->body_case) {
	case LEADERD__FROM_ADAPTER__BODY_OPENED:
		if (is_awaited(upstream, ASKED_OPEN, message->opened->number))
			r = take_opened(upstream, message->opened, &why);
		break;
	case LEADERD__FROM_ADAPTER__BODY_PAGE:
		if (upstream->errand.kind == ERRAND_ADOPT && is_awaited(upstream, ASKED_PULL, message->page->number))
			r = adopt_pulled(upstream, message->page, &why);
		break;
	case LEADERD__FROM_ADAPTER__BODY_PUSH_ANSWER:
		if (upstream->errand.kind == ERRAND_REPAIR && is_awaited(upstream, ASKED_PUSH, message->push_answer->number))
			r = repair_answered(upstream, message->push_answer, &why);
		break;
	case LEADERD__FROM_ADAPTER__BODY_PROBLEM:
		r = error_set(&why, message->problem->code, "%s", message->problem->text);
		break;
	default:
		return; /* a pong */
	}
	if (r < 0)
		errand_fail(upstream, &why);
	else if (upstream->errand.kind != ERRAND_NONE)
		errand_await_answer(upstream);
}
