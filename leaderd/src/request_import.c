/*
 * Import: units of another log, as somebody has exported it, go the way of any push:
 * with their ids, clocks, clients and sessions, in one group, behind the head. So a
 * log that is imported into an empty store has the positions that it had, and one
 * that is imported twice is there once.
 */

#include "leaderd/src/leader.h"
#include "leaderd/src/peer.h"
#include "leaderd/src/request.h"

static int fail_with_trouble(const struct leader *leader, struct error *why) {
	return error_set(why, leader->trouble.code, "%s", leader->trouble.text);
}

/* The wire has checked that the request holds whole units. */
static int push_units(struct leader *leader, const Leaderd__Request *request, struct error *why) {
	for (size_t i = 0; i < request->n_events;) {
		Leaderd__Push push = LEADERD__PUSH__INIT;
		struct unit *unit;
		int r;

		push.n_events = request->events[i]->unit_count;
		push.events = request->events + i;
		r = unit_from_push(&unit, &push, why);
		if (r < 0)
			return r;
		r = leader_push(leader, unit, why);
		if (r != 0) {
			unit_destroy(unit);
			return r < 0 ? r : fail_with_trouble(leader, why);
		}
		i += push.n_events;
	}
	return 0;
}

int request_import(struct peer *peer, struct leader *leader, const Leaderd__Request *request, struct error *error) {
	struct eventlog_status before = leader->told;
	Leaderd__Response response = LEADERD__RESPONSE__INIT;
	struct error why = { 0 };
	int r = leader->trouble.code != 0 ? fail_with_trouble(leader, &why) : push_units(leader, request, &why);

	/* What stands before one that failed is taken. */
	leader_flush(leader);
	if (r == 0 && leader->trouble.code != 0)
		r = fail_with_trouble(leader, &why);
	if (r < 0)
		return request_answer_error(peer, request->number, &why, error);
	response.number = request->number;
	response.n_imported = leader->told.n_events - before.n_events;
	response.n_refused = leader->told.refused_ordinal - before.refused_ordinal;
	return request_answer(peer, &response, error);
}
