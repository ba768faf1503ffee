/* A fake shell around the leader machine: the effects, in the real order. */

#include <string.h>

#include "base/must.h"
#include "world.h"

static void reconcile(struct world *world, struct device *device) {
	struct fake_state *state = &device->state;

	memset(state, 0, sizeof(*state));
	for (size_t i = 0; i < device->log.n;) {
		const struct fake_event *event = &world->events[device->log.rows[i].event];
		struct entry unit[8];

		for (size_t k = 0; k < event->unit_count; k++)
			fake_entry(&unit[k], world->events, device->log.rows[i + k].event, device->log.rows[i + k].at);
		must(fake_apply(state, world->events, unit, event->unit_count));
		i += event->unit_count;
	}
	state->base = device->machine.has_backend ? device->log.upstream_head : POSITION_ROOT;
}

static struct position log_head(const struct fake_log *log) {
	return log->n > 0 ? log->rows[log->n - 1].at : POSITION_ROOT;
}

static void restart(struct world *world, struct device *device) {
	struct leader_start start = { log_head(&device->log), device->log.upstream_head, device->log.generation, true };

	leader_machine_finish(&device->machine);
	leader_machine_init(&device->machine, &start);
	reconcile(world, device);
	device->state_durable = device->state;
}

void world_leader_kill(struct world *world, struct device *device) {
	size_t number = (size_t)(device - world->devices);

	device->log = device->log_durable;
	device->n_group = 0;
	device->n_staged = 0; /* pulled afresh */
	device->abandoned = false;
	restart(world, device);
	world_settle_accounts(world, device);
	for (size_t i = 0; i < SESSIONS_PER_DEVICE; i++) {
		struct world_session *session = &world->sessions[number * SESSIONS_PER_DEVICE + i];

		link_clear(&session->in);
		link_clear(&session->out);
		session->greeted = false;
		if (session->machine.link != SESSION_DETACHED)
			world_session_step(world, session, &(struct session_input){ .kind = SESSION_LOST }, NULL);
	}
}

static bool take_displaced(struct world *world, struct device *device, struct leader_input *answer,
                           struct entry *units) {
	unsigned most = 1 + (unsigned)chance_below(&world->chance, 4);

	*answer = (struct leader_input){ .kind = LEADER_DISPLACED, .unit = units };
	while (device->displaced_at < device->n_displaced && answer->n_unit < most) {
		const struct fake_row *row = &device->displaced[device->displaced_at];
		unsigned count = world->events[row->event].unit_count;
		bool arrived = false;

		for (size_t i = 0; i < device->log.n; i++)
			arrived |= device->log.rows[i].event == row->event;
		for (unsigned k = 0; !arrived && k < count; k++)
			fake_entry(&units[answer->n_unit++], world->events, row[k].event, row[k].at);
		device->displaced_at += count;
	}
	return true;
}

static void displace(struct world *world, struct device *device, struct position from, struct leader_input *answer) {
	struct fake_log *log = &device->log;

	*answer = (struct leader_input){ .kind = LEADER_UNDONE };
	device->n_displaced = device->displaced_at = 0;
	for (size_t i = 0; i < log->n; i++)
		if (position_compare(log->rows[i].at, from) >= 0)
			device->displaced[device->n_displaced++] = log->rows[i];
	log->n -= device->n_displaced;
	log->generation++;
	answer->head = log_head(log);
	must(fake_undo(&device->state, world->events, answer->head));
}

static void append(struct fake_log *log, const struct entry *unit, size_t n) {
	for (size_t i = 0; i < n; i++) {
		must(position_equal(unit[i].at, position_next(log_head(log), unit[i].client_only)));
		log->rows[log->n++] = (struct fake_row){ fake_number(&unit[i]), unit[i].at };
	}
}

static void record_refused(struct world *world, struct device *device, const struct entry *unit, size_t n) {
	for (size_t i = 0; i < n; i++) {
		unsigned number = fake_number(&unit[i]);

		must(!device->log.refused[number]);
		device->log.refused[number] = true;
		device->log.refusals[device->log.n_refusals++] = number;
		world->refusals++;
	}
}

static void apply_incoming(struct world *world, struct device *device, const struct leader_input *page, size_t first) {
	for (size_t i = first; i < page->n_events;) {
		struct entry unit[8];
		size_t count = page->events[i].entry.unit_count;

		for (size_t k = 0; k < count; k++) {
			unit[k] = page->events[i + k].entry;
			device->log.refused[fake_number(&unit[k])] = false; /* confirmed wins */
		}
		/* Never void: its pusher had exactly this state before it. */
		must(fake_apply(&device->state, world->events, unit, count));
		append(&device->log, unit, count);
		i += count;
	}
}

static void apply_staged(struct world *world, struct device *device) {
	struct incoming events[FAKE_EVENTS_MAX];
	struct leader_input page = { .events = events };

	for (size_t i = 0; i < device->n_staged; i++) {
		if (position_compare(device->staged[i].at, log_head(&device->log)) <= 0)
			continue; /* confirmed where it stands */
		fake_entry(&events[page.n_events++].entry, world->events, device->staged[i].event, device->staged[i].at);
	}
	apply_incoming(world, device, &page, 0);
	world->staged_rebases++;
}

static void tell(struct world *world, struct device *device, const struct leader_effect *effect) {
	size_t number = (size_t)(device - world->devices);
	struct position to = POSITION_ROOT;

	if (!device->machine.staged.active)
		device->n_staged = 0;
	if (effect->rebased) {
		world->rebases++;
		to = effect->from;
	}
	for (size_t i = 0; i < SESSIONS_PER_DEVICE; i++) {
		struct world_session *session = &world->sessions[number * SESSIONS_PER_DEVICE + i];

		session->feed.heads_changed = true;
		if (session->greeted && effect->rebased)
			feed_rebased(&session->feed, to, log_head(&device->log));
	}
	for (size_t i = 0; i < device->log.n; i++)
		world->accountable[device->log.rows[i].event] = true;
	device->n_group = 0;
}

/* Performs one effect; true if it has an answer. */
static bool perform(struct world *world, struct device *device, const struct leader_effect *effect,
                    const struct leader_input *page, struct leader_input *answer, struct entry *units) {
	bool failed;

	switch (effect->kind) {
	case LEADER_BEGIN:
		return false;
	case LEADER_ADMIT:
		*answer = (struct leader_input){ .kind = LEADER_ADMITTED };
		if (world_strikes(world, FAULT_LEADER_FAILED))
			answer->outcome = LEADER_FAILED;
		else if (effect->refused_by_backend || !fake_apply(&device->state, world->events, effect->unit, effect->n_unit))
			answer->outcome = LEADER_REFUSED;
		return true;
	case LEADER_APPEND:
		append(&device->log, effect->unit, effect->n_unit);
		return false;
	case LEADER_RECORD_REFUSED:
		record_refused(world, device, effect->unit, effect->n_unit);
		return false;
	case LEADER_SET_UPSTREAM:
		device->log.upstream_head = effect->head;
		return false;
	case LEADER_COMMIT_LOG:
		*answer = (struct leader_input){ .kind = LEADER_LOGGED };
		if (world_strikes(world, FAULT_SYNC_FAILED)) {
			answer->outcome = LEADER_UNKNOWN; /* it may have reached the disk, or not */
			if (chance_below(&world->chance, 2))
				device->log_durable = device->log;
		} else if (world_strikes(world, FAULT_LEADER_FAILED)) {
			answer->outcome = LEADER_FAILED;
		} else {
			device->log_durable = device->log;
		}
		return true;
	case LEADER_COMMIT_STATE:
		*answer = (struct leader_input){ .kind = LEADER_SETTLED };
		failed = world_strikes(world, FAULT_LEADER_FAILED);
		answer->outcome = failed ? LEADER_FAILED : LEADER_DONE;
		if (failed)
			device->state = device->state_durable;
		device->state.base = effect->trim_to;
		device->state_durable = device->state;
		return true;
	case LEADER_ROLL_FORWARD:
		*answer = (struct leader_input){ .kind = LEADER_CAUGHT_UP };
		if (world_strikes(world, FAULT_LEADER_FAILED)) {
			answer->outcome = LEADER_FAILED;
		} else {
			reconcile(world, device);
			device->state_durable = device->state;
		}
		return true;
	case LEADER_ABANDON:
		device->log = device->log_durable;
		device->state = device->state_durable;
		device->abandoned = true;
		return false;
	case LEADER_UNDO:
		displace(world, device, effect->from, answer);
		if (world_strikes(world, FAULT_LEADER_FAILED))
			answer->outcome = LEADER_FAILED;
		return true;
	case LEADER_CONFIRM:
		return false;
	case LEADER_APPLY:
		*answer = (struct leader_input){ .kind = LEADER_APPLIED };
		apply_incoming(world, device, page, effect->first);
		if (world_strikes(world, FAULT_LEADER_FAILED))
			answer->outcome = LEADER_FAILED;
		return true;
	case LEADER_STAGE:
		*answer = (struct leader_input){ .kind = LEADER_STAGED };
		if (world_strikes(world, FAULT_LEADER_FAILED)) {
			answer->outcome = LEADER_FAILED;
			return true;
		}
		for (size_t i = 0; i < page->n_events; i++)
			device->staged[device->n_staged++] =
				(struct fake_row){ fake_number(&page->events[i].entry), page->events[i].entry.at };
		return true;
	case LEADER_DROP_STAGED:
		device->n_staged = 0;
		return false;
	case LEADER_APPLY_STAGED:
		*answer = (struct leader_input){ .kind = LEADER_APPLIED };
		apply_staged(world, device);
		if (world_strikes(world, FAULT_LEADER_FAILED))
			answer->outcome = LEADER_FAILED;
		return true;
	case LEADER_TAKE_DISPLACED:
		return take_displaced(world, device, answer, units);
	case LEADER_TELL:
		tell(world, device, effect);
		return false;
	case LEADER_REPORT_KNOWN:
		return false;
	case LEADER_REPORT_CONFLICT:
	case LEADER_STOP:
		device->killed = true;
		return false;
	}
	return false;
}

/* Gives one input and performs what follows until the machine is quiet, or the
 * leader is killed between two effects. */
void world_leader_step(struct world *world, struct device *device, const struct leader_input *input) {
	struct leader_input next = *input;
	struct leader_effects effects;
	struct entry units[FAKE_EVENTS_MAX];
	struct error error = { 0 };
	bool answered = true;

	while (answered) {
		int r = leader_step(&device->machine, &next, &effects, &error);

		must(r == 0);
		answered = false;
		for (unsigned i = 0; i < effects.n; i++) {
			must(!answered); /* an effect with an answer is the last of its step */
			if (world_strikes(world, FAULT_LEADER_KILLED)) {
				world_leader_kill(world, device);
				return;
			}
			answered = perform(world, device, &effects.list[i], input, &next, units);
		}
	}
	if (device->killed) {
		device->killed = false;
		world_leader_kill(world, device);
	}
}

static bool is_known(const struct device *device, unsigned event) {
	for (size_t i = 0; i < device->log.n; i++)
		if (device->log.rows[i].event == event)
			return true;
	return device->log.refused[event];
}

static void give_unit(struct world *world, struct device *device, unsigned first_event) {
	unsigned count = world->events[first_event].unit_count;
	struct leader_input input = { .kind = LEADER_PUSH, .n_unit = count };
	struct entry unit[8];

	for (unsigned k = 0; k < count; k++)
		fake_entry(&unit[k], world->events, first_event + k, POSITION_ROOT);
	input.unit = unit;
	input.known = is_known(device, first_event) ? LEADER_KNOWN : LEADER_NEW;
	world_leader_step(world, device, &input);
}

/* After an abandoned step its units are given again, in arrival order. */
static void give_group_again(struct world *world, struct device *device) {
	unsigned group[FAKE_EVENTS_MAX], n = device->n_group;

	memcpy(group, device->group, sizeof(group));
	while (device->abandoned) {
		device->abandoned = false;
		for (unsigned i = 0; i < n && !device->abandoned && device->n_group > 0; i++)
			give_unit(world, device, group[i]);
	}
}

void world_leader_push(struct world *world, struct device *device, unsigned first_event) {
	device->group[device->n_group++] = first_event;
	give_unit(world, device, first_event);
	give_group_again(world, device);
}

void world_leader_flush(struct world *world, struct device *device) {
	while (device->machine.state == LEADER_GROUP) {
		world_leader_step(world, device, &(struct leader_input){ .kind = LEADER_FLUSH });
		give_group_again(world, device);
	}
}
