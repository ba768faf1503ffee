/*
 * Perform; step 7 of docs/ARCHITECTURE.md. See perform.h; what the effects mean
 * is told in model/leader_step.h.
 */

#include "leaderd/src/perform.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/must.h"
#include "leaderd/src/leader.h"
#include "leaderd/src/peer.h"
#include "leaderd/src/perform_upstream.h"
#include "leaderd/src/upstream.h"

void step_finish(struct step *step) {
	step_drop_displaced(step);
	free(step->displaced);
	free(step->displaced_entries);
	*step = (struct step){ 0 };
}

/* ---- units ------------------------------------------------------------------------- */

/* The displaced unit that an effect means. Replays go through them in order. */
static struct event **displaced_unit(struct step *step, const struct leader_effect *effect) {
	while (step->displaced_at < step->n_displaced &&
	       !event_id_equal(&step->displaced[step->displaced_at]->entry.id, &effect->unit[0].id))
		step->displaced_at++;
	must(step->displaced_at + effect->n_unit <= step->n_displaced);
	return step->displaced + step->displaced_at;
}

static struct event **unit_of(struct leader *leader, const struct leader_effect *effect) {
	return effect->replay ? displaced_unit(&leader->step, effect) : leader->step.unit->events;
}

/* The state records the local hash of what it applies, so it is computed first. */
static int apply(struct leader *leader, struct event *const *events, size_t n, struct error *error) {
	for (size_t i = 0; i < n; i++)
		eventlog_hashes(leader->store->log, i == 0 ? NULL : events[i - 1], events[i]);
	return state_apply(leader->store->state, events, n, error);
}

static void place(struct leader *leader, const struct leader_effect *effect) {
	struct eventlog_status status;
	struct event **events = unit_of(leader, effect);

	eventlog_status(leader->store->log, &status);
	if (!effect->replay) {
		unit_place(leader->step.unit, effect->unit, status.generation);
		return;
	}
	for (size_t i = 0; i < effect->n_unit; i++)
		event_move(events[i], effect->unit[i].at, status.generation);
}

static enum leader_outcome admit(struct leader *leader, const struct leader_effect *effect) {
	struct step *step = &leader->step;
	struct error why = { 0 };

	if (failed(leader))
		return LEADER_FAILED;
	place(leader, effect);
	if (effect->refused_by_backend) {
		error_set(&step->reason, ERROR_REFUSED, "%s", step->upstream->refusal_reason);
		return LEADER_REFUSED;
	}
	/* What the backend could never take is told at once, not when a push fails. */
	if (!effect->replay &&
	    upstream_check_unit(leader->upstream, unit_of(leader, effect), effect->n_unit, &step->reason) < 0)
		return LEADER_REFUSED;
	int r = apply(leader, unit_of(leader, effect), effect->n_unit, &why);
	if (r == STATE_REFUSED) {
		step->reason = why;
		return LEADER_REFUSED;
	}
	note(leader, r, &why);
	return outcome_of(leader);
}

static int append(struct leader *leader, const struct leader_effect *effect, struct error *error) {
	struct event **events = unit_of(leader, effect);
	struct unit *unit = effect->replay ? NULL : leader->step.unit;
	int r = 0;

	for (size_t i = 0; r == 0 && i < effect->n_unit; i++)
		r = eventlog_append(leader->store->log, events[i], error);
	if (r == 0 && unit && unit->replaces)
		r = eventlog_forget(leader->store->log, unit->replaces, error);
	if (r == 0 && unit)
		unit->appended = true;
	return r;
}

/* A retry that is refused again leaves its old row where it is. */
static int record_refused(struct leader *leader, const struct leader_effect *effect, struct error *error) {
	struct unit *unit = effect->replay ? NULL : leader->step.unit;

	if (unit) {
		unit->refused = true;
		unit->reason = leader->step.reason;
		if (unit->replaces)
			return 0;
	}
	return eventlog_refuse(leader->store->log, unit_of(leader, effect), effect->n_unit, leader->step.reason.text,
	                       error);
}

/* What the feed says of a re-sent unit: if it is among the refused, its refusal is
 * sent (again); if it is in the log, its place. */
static void report_known(struct leader *leader) {
	struct leader_session *session = leader->step.unit->session;

	if (!session)
		return;
	session->feed.refused_sent = 0;
	session->feed.heads_changed = true;
}

static void report_conflict(struct leader *leader) {
	struct leader_session *session = leader->step.unit->session;
	char id[EVENT_ID_TEXT_BYTES];
	struct error why;

	if (!session)
		return;
	event_id_print(id, &leader->step.unit->entries[0].id);
	error_set(&why, ERROR_CONFLICT, "the unit %s is known with other content", id);
	peer_fail(session->peer, &why);
}

/* ---- the transactions --------------------------------------------------------------- */

static int begin(struct leader *leader, struct error *error) {
	int r = eventlog_begin(leader->store->log, error);

	return r < 0 ? r : state_begin(leader->store->state, error);
}

/* Refusals that sessions have acknowledged ride along with a commit that is made anyway. */
static int mark_refusals(struct leader *leader, struct error *error) {
	struct leader_session *session;
	int r = 0;

	if (!leader->marks_refusals)
		return 0;
	LIST_FOREACH(session, &leader->sessions, link)
		if (r == 0 && session->refused_seen > session->refused_marked)
			r = eventlog_mark_reported(leader->store->log, session->id, session->refused_seen, error);
	leader->step.marked = r == 0;
	return r;
}

static void marks_are_durable(struct leader *leader) {
	struct leader_session *session;

	if (!leader->step.marked)
		return;
	LIST_FOREACH(session, &leader->sessions, link)
		session->refused_marked = session->refused_seen;
	leader->marks_refusals = false;
	leader->step.marked = false;
}

static enum leader_outcome commit_log(struct leader *leader) {
	struct error why = { 0 };

	if (failed(leader))
		return LEADER_FAILED;
	note(leader, mark_refusals(leader, &why), &why);
	if (failed(leader))
		return LEADER_FAILED;
	int r = eventlog_commit(leader->store->log, &why);
	note(leader, r, &why);
	if (r == 0)
		marks_are_durable(leader);
	return r == ERROR_UNKNOWN ? LEADER_UNKNOWN : r < 0 ? LEADER_FAILED : LEADER_DONE;
}

/* A store that went on hold has no state. */
static void rollback_state(struct leader *leader) {
	if (leader->store->state)
		state_rollback(leader->store->state);
}

/* Failing here is no failure of the step: the log is durable, the state catches up. */
static enum leader_outcome commit_state(struct leader *leader, struct position trim_to) {
	struct error why = { 0 };

	if (store_commit_state(leader->store, trim_to, &why) == 0)
		return LEADER_DONE;
	rollback_state(leader);
	log_warning("store=%s the state fell behind the log: %s", leader->name, why.text);
	return LEADER_FAILED;
}

/* The answer may have to wait for the environment: then there is none yet. */
static void roll_forward(struct leader *leader, struct answer *ret) {
	struct error why = { 0 };
	int r = store_roll_forward(leader->store, &why);

	leader_watch_state(leader);
	if (r == 0)
		answer(ret, LEADER_CAUGHT_UP, LEADER_DONE);
	else
		leader_set_trouble(leader, &why);
}

static void abandon(struct leader *leader) {
	struct error why = leader->step.failure;

	eventlog_rollback(leader->store->log);
	rollback_state(leader);
	step_finish(&leader->step);
	leader_abandoned(leader, &why);
}

static void stop(struct leader *leader) {
	struct error why;

	rollback_state(leader);
	error_set(&why, ERROR_IO, "sync failed; restart to recover: %s", leader->step.failure.text);
	step_finish(&leader->step);
	leader_set_trouble(leader, &why);
}

static void tell(struct leader *leader, const struct leader_effect *effect) {
	step_finish(&leader->step);
	leader_told(leader, effect->rebased, effect->from);
}

/* ---- the door ------------------------------------------------------------------------------ */

static void perform_effect(struct leader *leader, const struct leader_effect *effect, struct answer *ret) {
	struct error why = { 0 };
	int r = 0;

	switch (effect->kind) {
	case LEADER_BEGIN:
		r = begin(leader, &why);
		break;
	case LEADER_ADMIT:
		answer(ret, LEADER_ADMITTED, admit(leader, effect));
		break;
	case LEADER_APPEND:
		r = failed(leader) ? 0 : append(leader, effect, &why);
		break;
	case LEADER_RECORD_REFUSED:
		r = failed(leader) ? 0 : record_refused(leader, effect, &why);
		break;
	case LEADER_COMMIT_LOG:
		answer(ret, LEADER_LOGGED, commit_log(leader));
		break;
	case LEADER_COMMIT_STATE:
		answer(ret, LEADER_SETTLED, commit_state(leader, effect->trim_to));
		break;
	case LEADER_ROLL_FORWARD:
		roll_forward(leader, ret);
		break;
	case LEADER_ABANDON:
		abandon(leader);
		break;
	case LEADER_UNDO:
		perform_undo(leader, effect->from, ret);
		break;
	case LEADER_APPLY:
		perform_apply(leader, effect, ret);
		break;
	case LEADER_STAGE:
		perform_stage(leader, ret);
		break;
	case LEADER_DROP_STAGED:
		perform_drop_staged(leader);
		break;
	case LEADER_APPLY_STAGED:
		perform_apply_staged(leader, ret);
		break;
	case LEADER_CONFIRM:
		r = failed(leader) ? 0 : perform_confirm(leader, effect, &why);
		break;
	case LEADER_SET_UPSTREAM:
		r = failed(leader) ? 0 : perform_set_upstream(leader, effect->head, &why);
		break;
	case LEADER_TAKE_DISPLACED:
		perform_take_displaced(leader, ret);
		break;
	case LEADER_TELL:
		tell(leader, effect);
		break;
	case LEADER_REPORT_KNOWN:
		report_known(leader);
		break;
	case LEADER_REPORT_CONFLICT:
		report_conflict(leader);
		break;
	case LEADER_STOP:
		stop(leader);
		break;
	}
	note(leader, r, &why);
}

static struct answer perform_all(struct leader *leader, const struct leader_effects *effects) {
	struct answer next = { 0 };

	if (effects->trace[0] != '\0')
		log_debug("store=%s %s", leader->name, effects->trace);
	for (unsigned i = 0; i < effects->n; i++)
		perform_effect(leader, &effects->list[i], &next);
	return next;
}

static void feed_back(struct leader *leader, struct answer next) {
	struct leader_effects effects;

	while (next.due) {
		struct error why = { 0 };
		int r = leader_step(&leader->machine, &next.input, &effects, &why);

		if (r < 0) {
			/* The machine could not take the answer (no memory): as FAILED it needs none. */
			must(next.input.outcome != LEADER_FAILED);
			note(leader, r, &why);
			next.input.outcome = LEADER_FAILED;
			continue;
		}
		must(r == 0);
		next = perform_all(leader, &effects);
	}
}

int perform(struct leader *leader, const struct leader_input *input, struct error *error) {
	struct leader_effects effects;
	int r = leader_step(&leader->machine, input, &effects, error);

	if (r != 0)
		return r;
	feed_back(leader, perform_all(leader, &effects));
	/* Something failed that has no answer: the group is given up at once, not at its end. */
	if (failed(leader) && leader->machine.state == LEADER_GROUP)
		return perform(leader, &(struct leader_input){ .kind = LEADER_FLUSH }, error);
	return 0;
}

void perform_catch_up(struct leader *leader) {
	struct answer next = { 0 };

	must(leader->machine.state == LEADER_CATCHING_UP);
	roll_forward(leader, &next);
	feed_back(leader, next);
}
