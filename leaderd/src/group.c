/*
 * The group of a leader: units in the order of arrival, given to the machine one
 * by one, committed together, and given again when that failed. See leader.h.
 */

#include "leaderd/src/leader.h"

#include <string.h>

#include "base/log.h"
#include "base/must.h"
#include "leaderd/src/peer.h"

static int known_of(struct leader *leader, const struct unit *unit, enum leader_known *ret, struct error *error) {
	size_t n_known = 0;

	*ret = LEADER_CONFLICT;
	for (size_t i = 0; i < unit->n_events; i++) {
		const struct entry *entry = &unit->entries[i];
		enum eventlog_known known;
		struct position at;
		int r = eventlog_known(leader->store->log, &entry->id, &entry->content, &known, &at, error);

		if (r < 0)
			return r;
		if (known == KNOWN_OTHER)
			return 0;
		n_known += known != KNOWN_NOT;
	}
	if (n_known == 0)
		*ret = LEADER_NEW;
	else if (n_known == unit->n_events)
		*ret = LEADER_KNOWN;
	return 0;
}

static void remove_unit(struct leader *leader, struct unit *unit) {
	STAILQ_REMOVE(&leader->group.units, unit, unit, link);
	leader->group.n_events -= unit->n_events;
	leader->group.args_bytes -= unit->args_bytes;
}

/* Gives the next unit of the group to the machine. */
static int give(struct leader *leader, struct error *error) {
	struct unit *unit = leader->group.next;
	struct leader_input input = { .kind = LEADER_PUSH, .unit = unit->entries, .n_unit = unit->n_events };
	struct error why = { 0 };

	leader->group.next = STAILQ_NEXT(unit, link);
	leader->step.unit = unit;
	int r = known_of(leader, unit, &input.known, &why);
	if (r < 0) {
		/* A read that fails inside the open step has ended it. */
		if (leader->machine.state == LEADER_GROUP) {
			leader->step.failure = why;
			return perform(leader, &(struct leader_input){ .kind = LEADER_FLUSH }, error);
		}
		leader_abandoned(leader, &why);
		return 0;
	}
	return perform(leader, &input, error);
}

static bool is_full(const struct group *group) {
	return group->n_events >= GROUP_EVENTS_MAX || group->args_bytes >= GROUP_BYTES_MAX;
}

int leader_push(struct leader *leader, struct unit *unit, struct error *error) {
	if (leader->trouble.code != 0)
		return PEER_WAITS_FOR_LEADER;
	STAILQ_INSERT_TAIL(&leader->group.units, unit, link);
	leader->group.n_events += unit->n_events;
	leader->group.args_bytes += unit->args_bytes;
	leader->group.next = unit;
	int r = give(leader, error);
	if (r != 0) {
		leader->group.next = NULL;
		remove_unit(leader, unit);
		return r > 0 ? PEER_WAITS_FOR_LEADER : r;
	}
	if (is_full(&leader->group))
		leader_flush(leader);
	else
		event_active(leader->flush, 0, 0);
	return 0;
}

void leader_flush(struct leader *leader) {
	struct error error = { 0 };

	if (leader->retired || leader->machine.state != LEADER_GROUP)
		return;
	int r = perform(leader, &(struct leader_input){ .kind = LEADER_FLUSH }, &error);
	must(r == 0);
}

/* Units go to the machine one by one until all are taken or the environment fails again. */
static void give_again(struct leader *leader) {
	while (leader->group.next && !leader->abandoned) {
		struct unit *unit = leader->group.next;
		struct error why = { 0 };
		int r = give(leader, &why);

		if (r == ERROR_NO_MEMORY) {
			leader->group.next = unit;
			leader->step.failure = why;
			leader_flush(leader);
			if (!leader->abandoned)
				leader_abandoned(leader, &why);
		} else if (r != 0) {
			log_error("store=%s a unit that was taken before is not taken again: %s", leader->name, why.text);
			remove_unit(leader, unit);
			unit_destroy(unit);
		}
	}
}

void leader_retry(struct leader *leader) {
	if (leader->retired || leader->machine.state == LEADER_STOPPED || !leader_trouble_passes(&leader->trouble))
		return;
	if (leader->machine.state == LEADER_CATCHING_UP) {
		perform_catch_up(leader);
		return;
	}
	leader->abandoned = false;
	give_again(leader);
	if (!leader->abandoned)
		leader_flush(leader);
	/* Without a group there was nothing to prove it by: the next push will. */
	if (!leader->abandoned && STAILQ_EMPTY(&leader->group.units))
		leader_clear_trouble(leader);
}

void leader_abandoned(struct leader *leader, const struct error *why) {
	struct unit *unit;

	leader->abandoned = true;
	leader->group.next = STAILQ_FIRST(&leader->group.units);
	STAILQ_FOREACH(unit, &leader->group.units, link)
		unit->appended = unit->refused = false;
	leader_set_trouble(leader, why);
}

/* What another connection pushed under this id is nothing that the session holds
 * pending: it is sent in full. */
static void settle_unit(struct leader *leader, const struct unit *unit) {
	const struct event *last = unit->events[unit->n_events - 1];
	struct leader_session *session = unit->session;

	if (!unit->appended || (session && !session->replaced))
		return;
	session = leader_find_session(leader, last->session_id);
	if (session && position_compare(session->feed.full_until, last->entry.at) < 0)
		session->feed.full_until = last->entry.at;
}

void group_settle(struct leader *leader) {
	struct unit *unit;

	while ((unit = STAILQ_FIRST(&leader->group.units)) != leader->group.next) {
		remove_unit(leader, unit);
		settle_unit(leader, unit);
		/* A retry belongs to who made it. */
		if (!unit->replaces)
			unit_destroy(unit);
	}
}

int leader_commit_unit(struct leader *leader, struct unit *unit, struct error *error) {
	leader_flush(leader);
	int r = leader_push(leader, unit, error);
	if (r == 0)
		leader_flush(leader);
	if (r == 0 && leader->trouble.code != 0)
		remove_unit(leader, unit);
	if (r > 0 || (r == 0 && leader->trouble.code != 0))
		r = error_set(error, leader->trouble.code, "%s", leader->trouble.text);
	else if (r == 0 && unit->refused)
		r = error_set(error, ERROR_REFUSED, "%s", unit->reason.text);
	if (!STAILQ_EMPTY(&leader->group.units))
		leader->group.next = STAILQ_FIRST(&leader->group.units);
	else
		leader->group.next = NULL;
	unit_destroy(unit);
	return r;
}
