/*
 * settle: waits until nothing is pending that could be confirmed. A device that is
 * cut from its backend keeps its pending events and is settled with them; its
 * sessions have to have caught up with it nevertheless.
 */

#include "scenario.h"

/* Which nodes have to settle: all that run and read, or those named. */
struct settling {
	struct scenario *scenario;
	bool devices[DEVICES_MAX], sessions[SESSIONS_MAX];
	struct device_standing standings[DEVICES_MAX]; /* of those that run */
	struct position confirmed;                     /* by whoever knows most */
};

static int choose_named(struct settling *settling, char *rest, struct error *error) {
	struct scenario *scenario = settling->scenario;

	while (*rest != '\0') {
		char *name = step_word(&rest);
		struct device *device = device_find(scenario, name);
		struct control *control = control_find(scenario, name);

		if (device == NULL && control == NULL)
			return step_unknown(name, error);
		if (control != NULL && control->paused)
			return error_set(error, ERROR_INVALID, "session %s is paused and cannot settle", name);
		if (device != NULL)
			settling->devices[device - scenario->devices] = true;
		else
			settling->sessions[control - scenario->sessions] = true;
	}
	return 0;
}

static void choose_all(struct settling *settling) {
	const struct scenario *scenario = settling->scenario;

	for (unsigned i = 0; i < scenario->n_devices; i++)
		settling->devices[i] = scenario->devices[i].process != 0;
	for (unsigned i = 0; i < scenario->n_sessions; i++)
		settling->sessions[i] = scenario->sessions[i].process != 0 && !scenario->sessions[i].paused &&
		                        settling->devices[scenario->sessions[i].device];
}

/* ---- one node ---------------------------------------------------------------------------- */

static int ask_devices(struct settling *settling, struct error *error) {
	struct scenario *scenario = settling->scenario;
	int r = 0;

	settling->confirmed = (struct position){ 0 };
	for (unsigned i = 0; i < scenario->n_devices && r == 0; i++) {
		struct device_standing *standing = &settling->standings[i];

		if (scenario->devices[i].process == 0)
			continue;
		r = device_standing(&scenario->devices[i], standing, error);
		if (r == 0 && position_compare(standing->confirmed, settling->confirmed) > 0)
			settling->confirmed = standing->confirmed;
	}
	return r;
}

/* What one device has confirmed the others have to have pulled. */
static int device_is_settled(const struct settling *settling, unsigned i, struct error *error) {
	const struct device *device = &settling->scenario->devices[i];
	const struct device_standing *standing = &settling->standings[i];
	bool reachable = settling->scenario->backend.runs;

	if (reachable && standing->pushes && standing->pending > 0)
		return error_set(error, 0, "device %s has %llu events that its backend has not confirmed%s%s", device->name,
		                 (unsigned long long)standing->pending, standing->backend_error[0] != '\0' ? ": " : "",
		                 standing->backend_error);
	if (reachable && standing->pulls && position_compare(standing->confirmed, settling->confirmed) < 0)
		return error_set(error, 0, "device %s has not pulled all that is confirmed%s%s", device->name,
		                 standing->backend_error[0] != '\0' ? ": " : "", standing->backend_error);
	return 1;
}

static int session_is_settled(const struct settling *settling, unsigned i, struct error *error) {
	struct control *control = &settling->scenario->sessions[i];
	const struct device_standing *leader = &settling->standings[control->device];
	struct session_standing standing;
	int r = control_standing(control, &standing, error);

	if (r < 0)
		return r;
	if (standing.connected && standing.pending == 0 && standing.queued_bytes == 0 &&
	    standing.generation == leader->generation && position_compare(standing.leader_head, leader->head) == 0 &&
	    position_compare(standing.confirmed, leader->confirmed) == 0)
		return 1;
	return error_set(error, 0, "session %s has %llu pending events, %s", control->name, standing.pending,
	                 !standing.connected ? "and no leader" : "and may not have taken in all of its leader's log");
}

/* ---- all of them --------------------------------------------------------------------------- */

/* A device is asked before its sessions: the numbers of a device include whatever
 * a session that has just its head has ever pushed. */
static int is_settled(void *data, struct error *error) {
	struct settling *settling = data;
	struct scenario *scenario = settling->scenario;
	int r = ask_devices(settling, error);

	if (r < 0)
		return r;
	r = 1;
	for (unsigned i = 0; i < scenario->n_sessions && r == 1; i++)
		if (settling->sessions[i])
			r = session_is_settled(settling, i, error);
	for (unsigned i = 0; i < scenario->n_devices && r == 1; i++)
		if (settling->devices[i])
			r = device_is_settled(settling, i, error);
	return r;
}

int step_settle(struct scenario *scenario, char *rest, struct error *error) {
	struct settling settling = { .scenario = scenario };
	int r = 0;

	if (*rest != '\0')
		r = choose_named(&settling, rest, error);
	else
		choose_all(&settling);
	return r < 0 ? r : step_wait_for(is_settled, &settling, SETTLE_MS, error);
}
