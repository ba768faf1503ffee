/* What can happen in a world, and what must hold when it has healed. */

#include "world.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"

#define HEAL_ROUNDS_MAX 2000u

const char *const fault_names[FAULTS] = {
	"lost connection",       "leader killed", "session killed",  "lost answer",    "leader effect failed",
	"session effect failed", "sync failed",   "journal trimmed", "digest differs", "refused by the backend",
};

bool world_strikes(struct world *world, enum fault fault) {
	if (world->fault_rate == 0 || chance_below(&world->chance, world->fault_rate) != 0)
		return false;
	world->faults[fault]++;
	return true;
}

static bool one_in(struct world *world, unsigned n) {
	return chance_below(&world->chance, n) == 0;
}

struct message *link_push(struct link *link) {
	struct message *message;

	must(link->n < MESSAGES_MAX);
	message = &link->messages[(link->first + link->n++) % MESSAGES_MAX];
	memset(message, 0, offsetof(struct message, state));
	message->rebase = false;
	message->n_refused = message->refused_ordinal = 0;
	return message;
}

static struct message *link_first(struct link *link) {
	return link->n > 0 ? &link->messages[link->first] : NULL;
}

static void link_pop(struct link *link) {
	link->first = (link->first + 1) % MESSAGES_MAX;
	link->n--;
}

void link_clear(struct link *link) {
	link->n = 0;
}

uint64_t world_hash(const struct fake_row *rows, size_t n) {
	uint64_t hash = 0;

	for (size_t i = 0; i < n; i++) {
		hash = (hash ^ (rows[i].event + 1)) * UINT64_C(0x100000001b3);
		hash = (hash ^ (rows[i].at.global << 20 ^ rows[i].at.client)) * UINT64_C(0x100000001b3);
	}
	return hash;
}

size_t world_rows_until(const struct fake_log *log, struct position at) {
	size_t n = log->n;

	while (n > 0 && position_compare(log->rows[n - 1].at, at) > 0)
		n--;
	return n;
}

void world_trim(struct world *world, struct world_session *session, struct position to) {
	session->state.base = position_compare(session->state.base, to) < 0 ? to : session->state.base;
	if (world_strikes(world, FAULT_JOURNAL_TRIMMED))
		session->state.base = session->machine.next_heads.leader;
}

static struct device *device_of(struct world *world, const struct world_session *session) {
	return &world->devices[(size_t)(session - world->sessions) / SESSIONS_PER_DEVICE];
}

/* ---- the leader's side of a link ------------------------------------------------- */

static struct session_heads heads_of(const struct device *device) {
	const struct fake_log *log = &device->log_durable;

	return (struct session_heads){
		.backend = log->upstream_head, .final = log->upstream_head, .generation = log->generation, .has_backend = true
	};
}

static bool holds(const struct fake_log *log, struct position at, uint64_t hash) {
	size_t n = world_rows_until(log, at);

	if (n == 0)
		return position_is_root(at);
	return position_equal(log->rows[n - 1].at, at) && world_hash(log->rows, n) == hash;
}

static enum session_verdict verdict_on(const struct fake_log *log, unsigned event) {
	for (size_t i = 0; i < log->n; i++)
		if (log->rows[i].event == event)
			return VERDICT_LOGGED;
	return log->refused[event] ? VERDICT_REFUSED : VERDICT_UNKNOWN;
}

static void set_heads(struct message *message, const struct device *device) {
	const struct fake_log *log = &device->log_durable;

	message->heads = heads_of(device);
	message->heads_final_hash = world_hash(log->rows, world_rows_until(log, log->upstream_head));
}

static void welcome(struct world *world, struct world_session *session, const struct message *hello) {
	struct device *device = device_of(world, session);
	const struct fake_log *log = &device->log_durable;
	struct message *message;

	world_leader_flush(world, device);
	if (session->machine.link == SESSION_DETACHED)
		return; /* the flush killed the leader, and the connection with it */
	message = link_push(&session->in);
	message->kind = MESSAGE_WELCOME;
	message->n_events = hello->n_events;
	for (unsigned i = 0; i < hello->n_events; i++)
		message->verdicts[i] = verdict_on(log, hello->events[i]);
	if (!hello->want_image && holds(log, hello->newest, hello->newest_hash)) {
		message->resume = hello->newest;
	} else if (!hello->want_image && holds(log, hello->final, hello->final_hash)) {
		message->resume = hello->final;
	} else {
		message->image = true;
		message->state = device->state_durable;
		message->resume = device->machine.head;
	}
	message->resume_hash = world_hash(log->rows, world_rows_until(log, message->resume));
	set_heads(message, device);
	feed_open(&session->feed, message->resume, device->machine.head, hello->refused_ordinal);
	session->greeted = true;
}

static bool add_refusals(struct world *world, struct world_session *session, struct message *message) {
	const struct fake_log *log = &device_of(world, session)->log_durable;
	unsigned number = (unsigned)(session - world->sessions);

	for (unsigned i = (unsigned)session->feed.refused_sent; i < log->n_refusals; i++) {
		unsigned event = log->refusals[i];

		if (log->refused[event] && world->events[event].session == number)
			message->refused[message->n_refused++] = event;
	}
	session->feed.refused_sent = message->refused_ordinal = log->n_refusals;
	return message->n_refused > 0;
}

static void feed(struct world *world, struct world_session *session) {
	struct device *device = device_of(world, session);
	const struct fake_log *log = &device->log_durable;
	struct message *message;
	struct position last;
	size_t from, most = 1 + chance_below(&world->chance, 8);

	if (!session->greeted || session->in.n + 2 >= MESSAGES_MAX)
		return;
	message = link_push(&session->in);
	message->kind = MESSAGE_FEED;
	message->rebase = feed_needs_rebase(&session->feed, &message->resume);
	last = message->rebase ? message->resume : session->feed.sent;
	from = world_rows_until(log, last);
	message->resume_hash = world_hash(log->rows, from);
	for (size_t i = from; i < log->n; i++) {
		if (message->n_events >= most && world->events[log->rows[i].event].unit_first == log->rows[i].event)
			break; /* a page never cuts a unit */
		message->events[message->n_events] = log->rows[i].event;
		message->hashes[message->n_events] = world_hash(log->rows, i + 1);
		message->at[message->n_events++] = last = log->rows[i].at;
	}
	set_heads(message, device);
	if (!add_refusals(world, session, message) && !message->rebase && message->n_events == 0 &&
	    !session->feed.heads_changed) {
		session->in.n--;
		return;
	}
	feed_advanced(&session->feed, last);
}

static void leader_reads(struct world *world, struct world_session *session) {
	struct message *message = link_first(&session->out);
	static struct message copy; /* large; the world has one thread */

	if (message == NULL)
		return;
	copy = *message;
	link_pop(&session->out);
	if (copy.kind == MESSAGE_HELLO)
		welcome(world, session, &copy);
	else
		world_leader_push(world, device_of(world, session), copy.events[0]);
}

/* ---- the session's side ------------------------------------------------------------ */

static void take_feed(struct world *world, struct world_session *session, const struct message *message) {
	struct incoming events[16];
	struct event_id refused[FAKE_EVENTS_MAX];
	struct session_input input = { .kind = SESSION_FEED };

	for (unsigned i = 0; i < message->n_events; i++) {
		events[i] = (struct incoming){ .is_pending = session->pending[message->events[i]] };
		fake_entry(&events[i].entry, world->events, message->events[i], message->at[i]);
	}
	for (unsigned i = 0; i < message->n_refused; i++) {
		struct entry entry;

		fake_entry(&entry, world->events, message->refused[i], POSITION_ROOT);
		refused[i] = entry.id;
	}
	input.feed.heads = message->heads;
	input.feed.payload = (struct payload){ .kind = message->rebase ? PAYLOAD_REBASE : PAYLOAD_ADVANCE,
		                                   .back_to = message->resume,
		                                   .refused = refused,
		                                   .n_refused = message->n_refused,
		                                   .events = events,
		                                   .n_events = message->n_events };
	world_session_step(world, session, &input, message);
}

static void take_welcome(struct world *world, struct world_session *session, const struct message *message) {
	struct session_input input = { .kind = SESSION_WELCOME };

	input.welcome = (struct session_welcome){ .image = message->image,
		                                      .at = message->resume,
		                                      .heads = message->heads,
		                                      .verdicts = message->verdicts,
		                                      .n_verdicts = message->n_events };
	world_session_step(world, session, &input, message);
}

static void session_reads(struct world *world, struct world_session *session) {
	struct message *message = link_first(&session->in);
	unsigned failed = world->faults[FAULT_SESSION_FAILED];

	if (message == NULL || session->out.n + SESSION_EFFECTS_MAX + session->machine.pending.n >= MESSAGES_MAX)
		return;
	if (message->kind == MESSAGE_FEED)
		take_feed(world, session, message);
	else
		take_welcome(world, session, message);
	if (world->faults[FAULT_SESSION_FAILED] == failed)
		link_pop(&session->in); /* a change that failed is tried again */
}

static void commit(struct world *world, struct world_session *session) {
	unsigned count = 1 + (unsigned)chance_below(&world->chance, 3), first = world->n_events;
	bool client_only = one_in(world, 4);
	struct session_input input = { .kind = SESSION_COMMIT, .n_unit = count };
	struct entry unit[8];

	if (first + count >= FAKE_EVENTS_MAX / 2 || session->out.n + 2 >= MESSAGES_MAX ||
	    session->machine.pending.n + 8 >= MESSAGES_MAX)
		return;
	for (unsigned i = 0; i < count; i++)
		world->events[first + i] = (struct fake_event){
			.operation = client_only ? FAKE_LOOK : (enum fake_operation)chance_below(&world->chance, FAKE_LOOK),
			.key = (unsigned)chance_below(&world->chance, FAKE_KEYS),
			.session = (unsigned)(session - world->sessions),
			.unit_first = first,
			.unit_count = count
		};
	world->n_events += count;
	for (unsigned i = 0; i < count; i++)
		fake_entry(&unit[i], world->events, first + i, POSITION_ROOT);
	input.unit = unit;
	world_session_step(world, session, &input, NULL);
}

static void connect(struct world *world, struct world_session *session) {
	if (session->machine.link == SESSION_DETACHED)
		world_session_step(world, session, &(struct session_input){ .kind = SESSION_CONNECTED }, NULL);
}

/* ---- faults from outside ------------------------------------------------------------ */

static void disconnect(struct world *world, struct world_session *session) {
	while (session->out.n > 0 && one_in(world, 2))
		leader_reads(world, session);
	link_clear(&session->in);
	link_clear(&session->out);
	session->greeted = false;
	if (session->machine.link != SESSION_DETACHED)
		world_session_step(world, session, &(struct session_input){ .kind = SESSION_LOST }, NULL);
}

/* Whoever still holds an event must not lose it. */
void world_settle_accounts(struct world *world, const struct device *device) {
	size_t first = (size_t)(device - world->devices) * SESSIONS_PER_DEVICE;

	for (unsigned event = 0; event < world->n_events; event++) {
		unsigned session = world->events[event].session;
		bool held =
			verdict_on(&device->log_durable, event) != VERDICT_UNKNOWN || world->sessions[session].pending[event];

		if (session < first || session >= first + SESSIONS_PER_DEVICE)
			continue;
		for (unsigned i = 0; i < device->n_group; i++)
			held |= device->group[i] == world->events[event].unit_first;
		world->accountable[event] &= held;
	}
}

static void kill_session(struct world *world, struct world_session *session) {
	while (session->out.n > 0) /* what it sent before it died is read to the end */
		leader_reads(world, session);
	disconnect(world, session);
	session_machine_finish(&session->machine);
	session_machine_init(&session->machine);
	memset(&session->state, 0, sizeof(session->state));
	memset(session->pending, 0, sizeof(session->pending));
	session->leader_hash = session->final_hash = 0;
	session->refused_seen = 0;
	world_settle_accounts(world, device_of(world, session));
}

/* Rarely enough for work to be done between two of them. */
static void strike_from_outside(struct world *world, struct world_session *session) {
	if (!one_in(world, 8))
		return;
	if (world_strikes(world, FAULT_LOST_CONNECTION))
		disconnect(world, session);
	if (world_strikes(world, FAULT_SESSION_KILLED))
		kill_session(world, session);
	if (world_strikes(world, FAULT_LEADER_KILLED))
		world_leader_kill(world, device_of(world, session));
}

/* ---- the backend --------------------------------------------------------------------- */

static struct position pending_position(const struct device *device, unsigned event, bool *ret_pending) {
	for (size_t i = 0; i < device->log.n; i++) {
		if (device->log.rows[i].event == event) {
			*ret_pending = device->log.rows[i].at.global > device->log.upstream_head.global;
			return device->log.rows[i].at;
		}
	}
	*ret_pending = false;
	return POSITION_ROOT;
}

static bool pull(struct world *world, struct device *device) {
	struct incoming events[16];
	struct leader_input input = { .kind = LEADER_PAGE, .events = events };
	bool staging = device->machine.staged.active;
	size_t from = staging ? device->machine.staged.head.global : device->log.upstream_head.global;
	size_t most = 1 + chance_below(&world->chance, 6);

	while (from + input.n_events < world->n_backend && input.n_events < most) {
		unsigned first = world->backend[from + input.n_events].event, count = world->events[first].unit_count;

		for (unsigned k = 0; k < count; k++) {
			struct incoming *incoming = &events[input.n_events];
			const struct fake_row *row = &world->backend[from + input.n_events++];

			*incoming = (struct incoming){ 0 };
			fake_entry(&incoming->entry, world->events, row->event, row->at);
			incoming->pending_at = pending_position(device, row->event, &incoming->is_pending);
		}
	}
	if (input.n_events == 0 && !staging)
		return false;
	input.more = from + input.n_events < world->n_backend;
	world_leader_step(world, device, &input);
	device->abandoned = false;
	return true;
}

static void refuse_at_backend(struct world *world, struct device *device, const struct fake_row *row) {
	struct leader_input input = { .kind = LEADER_REFUSAL, .n_refused = 1, .refused_first = row->at };
	struct entry entry;

	fake_entry(&entry, world->events, row->event, row->at);
	input.refused = &entry.id;
	world_leader_step(world, device, &input);
	device->abandoned = false;
}

static void push(struct world *world, struct device *device) {
	size_t most = 1 + chance_below(&world->chance, 4), n = 0;

	if (world->n_backend != device->log.upstream_head.global)
		return; /* behind */
	for (size_t i = 0; i < device->log.n && n < most; i++) {
		const struct fake_row *row = &device->log.rows[i];
		unsigned count = world->events[row->event].unit_count;

		if (row->at.client > 0 || row->at.global <= device->log.upstream_head.global)
			continue;
		if (world_strikes(world, FAULT_REFUSED_BY_BACKEND))
			world->backend_refuses[row->event] = true;
		if (world->backend_refuses[row->event]) {
			if (n == 0)
				refuse_at_backend(world, device, row);
			return;
		}
		for (unsigned k = 0; k < count; k++)
			world->backend[world->n_backend++] = device->log.rows[i + k];
		i += count - 1;
		n++;
	}
	if (n > 0 && !world_strikes(world, FAULT_LOST_ANSWER))
		pull(world, device);
}

static void synchronise(struct world *world, struct device *device) {
	world_leader_flush(world, device);
	if (device->machine.state == LEADER_IDLE && !pull(world, device))
		push(world, device);
}

/* ---- time ------------------------------------------------------------------------------ */

void world_step(struct world *world) {
	struct world_session *session = &world->sessions[chance_below(&world->chance, SESSIONS)];
	struct device *device = device_of(world, session);

	world->steps++;
	switch (chance_below(&world->chance, 16)) {
	case 0:
	case 1:
	case 2:
	case 3:
		commit(world, session);
		break;
	case 4:
	case 5:
	case 6:
		leader_reads(world, session);
		break;
	case 7:
	case 8:
		feed(world, session);
		break;
	case 9:
	case 10:
	case 11:
		if (!session->paused)
			session_reads(world, session);
		break;
	case 12:
		if (device->online)
			synchronise(world, device);
		break;
	case 13:
		world_leader_flush(world, device);
		break;
	case 14:
		connect(world, session);
		break;
	case 15:
		session->paused = one_in(world, 3);
		device->online = !one_in(world, 3);
		break;
	}
	strike_from_outside(world, session);
}

static bool is_quiet(const struct world *world) {
	for (unsigned i = 0; i < SESSIONS; i++) {
		const struct world_session *session = &world->sessions[i];

		if (session->in.n > 0 || session->out.n > 0 || session->machine.link != SESSION_LIVE ||
		    session->machine.pending.n > 0)
			return false;
	}
	for (unsigned i = 0; i < DEVICES; i++)
		if (world->devices[i].log.upstream_head.global != world->n_backend ||
		    world->devices[i].machine.head.global != world->n_backend)
			return false;
	return true;
}

/* What stands where, for the reader of a schedule that did not heal. */
static void print_world(const struct world *world) {
	printf("backend: %zu events\n", world->n_backend);
	for (unsigned i = 0; i < DEVICES; i++) {
		const struct device *device = &world->devices[i];

		printf("device %u: %s, head %" PRIu64 ".%" PRIu64 ", upstream %" PRIu64 ", %u in the group\n", i,
		       leader_state_name(device->machine.state), device->machine.head.global, device->machine.head.client,
		       device->machine.upstream_head.global, device->n_group);
	}
	for (unsigned i = 0; i < SESSIONS; i++) {
		const struct world_session *session = &world->sessions[i];

		printf("session %u: link %d, work %d, leader %" PRIu64 ".%" PRIu64 ", %zu pending, %u in, %u out\n", i,
		       session->machine.link, session->machine.work, session->machine.heads.leader.global,
		       session->machine.heads.leader.client, session->machine.pending.n, session->in.n, session->out.n);
	}
	fflush(stdout);
}

void world_heal(struct world *world) {
	unsigned rounds = 0;

	world->fault_rate = 0;
	do {
		if (rounds == HEAL_ROUNDS_MAX)
			print_world(world);
		must(rounds++ < HEAL_ROUNDS_MAX); /* otherwise something is stuck */
		for (unsigned i = 0; i < SESSIONS; i++) {
			struct world_session *session = &world->sessions[i];

			connect(world, session);
			leader_reads(world, session);
			world_leader_flush(world, device_of(world, session));
			feed(world, session);
			session_reads(world, session);
		}
		for (unsigned i = 0; i < DEVICES; i++)
			synchronise(world, &world->devices[i]);
		for (unsigned i = 0; i < SESSIONS; i++)
			feed(world, &world->sessions[i]);
	} while (!is_quiet(world));
}

/* ---- what must hold ---------------------------------------------------------------------- */

static void check_program_order(const struct world *world, const struct fake_row *rows, size_t n, bool client_only) {
	unsigned newest[SESSIONS] = { 0 };

	for (size_t i = 0; i < n; i++) {
		unsigned session = world->events[rows[i].event].session;

		if ((rows[i].at.client > 0) != client_only)
			continue;
		must(newest[session] <= rows[i].event);
		newest[session] = rows[i].event + 1;
	}
}

static void check_units(const struct world *world, const struct fake_row *rows, size_t n) {
	for (size_t i = 0; i < n;) {
		const struct fake_event *event = &world->events[rows[i].event];

		must(rows[i].event == event->unit_first && i + event->unit_count <= n);
		for (unsigned k = 0; k < event->unit_count; k++)
			must(rows[i + k].event == event->unit_first + k);
		i += event->unit_count;
	}
}

static void check_device(const struct world *world, const struct device *device) {
	const struct fake_log *log = &device->log;
	size_t n_synced = 0;

	for (size_t i = 0; i < log->n; i++) {
		if (log->rows[i].at.client > 0)
			continue;
		must(log->rows[i].event == world->backend[n_synced].event);
		must(position_equal(log->rows[i].at, world->backend[n_synced].at));
		n_synced++;
	}
	must(n_synced == world->n_backend);
	check_units(world, log->rows, log->n);
	check_program_order(world, log->rows, log->n, true);
	must(device->state.n == log->n);
}

static void check_nothing_lost(const struct world *world) {
	for (unsigned event = 0; event < world->n_events; event++) {
		unsigned device_number = world->events[event].session / SESSIONS_PER_DEVICE, found = 0;
		const struct fake_log *log = &world->devices[device_number].log;

		for (size_t i = 0; i < log->n; i++)
			found += log->rows[i].event == event;
		must(found <= 1);
		must(found == 0 || !log->refused[event]);
		if (world->accountable[event])
			must(found == 1 || log->refused[event]);
	}
}

void world_check_healed(const struct world *world) {
	check_program_order(world, world->backend, world->n_backend, false);
	for (unsigned i = 0; i < DEVICES; i++)
		check_device(world, &world->devices[i]);
	for (unsigned i = 0; i < SESSIONS; i++)
		must(fake_equal(&world->sessions[i].state, &world->devices[i / SESSIONS_PER_DEVICE].state));
	check_nothing_lost(world);
}

/* ---- life ---------------------------------------------------------------------------------- */

struct world *world_create(uint64_t seed, unsigned fault_rate) {
	struct world *world = calloc(1, sizeof(*world));

	must(world != NULL);
	world->chance.state = seed;
	world->fault_rate = fault_rate;
	for (unsigned i = 0; i < DEVICES; i++) {
		struct leader_start start = { .has_backend = true };

		leader_machine_init(&world->devices[i].machine, &start);
		world->devices[i].machine.tracing = true;
		world->devices[i].online = true;
	}
	for (unsigned i = 0; i < SESSIONS; i++) {
		session_machine_init(&world->sessions[i].machine);
		world->sessions[i].machine.tracing = true;
		world->sessions[i].in.messages = malloc(MESSAGES_MAX * sizeof(struct message));
		world->sessions[i].out.messages = malloc(MESSAGES_MAX * sizeof(struct message));
		must(world->sessions[i].in.messages != NULL && world->sessions[i].out.messages != NULL);
	}
	return world;
}

void world_destroy(struct world *world) {
	for (unsigned i = 0; i < DEVICES; i++)
		leader_machine_finish(&world->devices[i].machine);
	for (unsigned i = 0; i < SESSIONS; i++) {
		session_machine_finish(&world->sessions[i].machine);
		free(world->sessions[i].in.messages);
		free(world->sessions[i].out.messages);
	}
	free(world);
}
