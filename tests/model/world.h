#ifndef LEADERD_TEST_WORLD_H
#define LEADERD_TEST_WORLD_H

/*
 * A world of real machines and fake everything else: a backend, devices with a
 * leader each, sessions, links with messages under way. Chance decides what
 * happens next and which faults strike; every fault that struck is counted.
 */

#include <stdbool.h>

#include "chance.h"
#include "fake_state.h"
#include "model/feed.h"
#include "model/leader_step.h"
#include "model/session_step.h"

#define DEVICES 2u
#define SESSIONS_PER_DEVICE 2u
#define SESSIONS (DEVICES * SESSIONS_PER_DEVICE)
#define MESSAGES_MAX 64u

enum fault {
	FAULT_LOST_CONNECTION,
	FAULT_LEADER_KILLED, /* between two effects; the state may have lost its newest commit */
	FAULT_SESSION_KILLED,
	FAULT_LOST_ANSWER,   /* the backend took a push, the leader never hears of it */
	FAULT_LEADER_FAILED, /* an effect failed: disk full, I/O error */
	FAULT_SESSION_FAILED,
	FAULT_SYNC_FAILED,
	FAULT_JOURNAL_TRIMMED, /* a session's journal reaches back less far than it might have to */
	FAULT_DIGEST_DIFFERS,
	FAULT_REFUSED_BY_BACKEND,
	FAULTS
};
extern const char *const fault_names[FAULTS];

struct fake_log {
	struct fake_row rows[FAKE_EVENTS_MAX];
	size_t n;
	struct position upstream_head;
	uint64_t generation;
	bool refused[FAKE_EVENTS_MAX];
	unsigned refusals[FAKE_EVENTS_MAX]; /* events in the order of their refusal */
	unsigned n_refusals;
};

enum message_kind { MESSAGE_HELLO, MESSAGE_PUSH, MESSAGE_WELCOME, MESSAGE_FEED };

struct message {
	enum message_kind kind;
	unsigned n_events;
	unsigned events[FAKE_EVENTS_MAX]; /* hello: pending ids; push: a unit; feed: the page */
	struct position at[16];           /* feed: their places */
	uint64_t hashes[16];
	struct position newest, final; /* hello: points */
	uint64_t newest_hash, final_hash;
	bool want_image;
	struct session_heads heads; /* welcome, feed */
	uint64_t heads_final_hash;
	bool image;
	struct position resume;
	uint64_t resume_hash;
	struct fake_state state;
	enum session_verdict verdicts[FAKE_EVENTS_MAX];
	bool rebase;
	unsigned n_refused, refused[FAKE_EVENTS_MAX], refused_ordinal;
};

struct link {
	struct message *messages; /* room for MESSAGES_MAX */
	unsigned first, n;
};

struct world_session {
	struct session_machine machine;
	struct fake_state state;
	struct link in, out; /* from and to the leader */
	bool greeted;        /* the leader has answered a hello on this connection */
	struct feed feed;    /* the leader's */
	uint64_t leader_hash, final_hash;
	unsigned refused_seen;
	bool pending[FAKE_EVENTS_MAX];
	bool paused;
};

struct device {
	struct leader_machine machine;
	struct fake_log log, log_durable;
	struct fake_state state, state_durable;
	struct fake_row displaced[FAKE_EVENTS_MAX];
	size_t n_displaced, displaced_at;
	struct fake_row staged[FAKE_EVENTS_MAX];
	size_t n_staged;
	unsigned group[FAKE_EVENTS_MAX]; /* first events of the units taken and not yet durable, in arrival order */
	unsigned n_group;
	bool online, killed, abandoned;
};

struct world {
	struct chance chance;
	unsigned fault_rate; /* one in so many occasions; 0: none */
	unsigned faults[FAULTS];
	unsigned steps, rebases, staged_rebases, suspensions, refusals;
	struct fake_event events[FAKE_EVENTS_MAX];
	unsigned n_events;
	bool accountable[FAKE_EVENTS_MAX]; /* was durable somewhere, or its session lives: must not be lost */
	struct fake_row backend[FAKE_EVENTS_MAX];
	size_t n_backend;
	bool backend_refuses[FAKE_EVENTS_MAX];
	struct device devices[DEVICES];
	struct world_session sessions[SESSIONS];
};

struct world *world_create(uint64_t seed, unsigned fault_rate);
void world_destroy(struct world *world);
void world_step(struct world *world);               /* one thing happens */
void world_heal(struct world *world);               /* no more faults; everything runs until nothing moves */
void world_check_healed(const struct world *world); /* §13: converged, nothing lost, doubled or reordered */

bool world_strikes(struct world *world, enum fault fault);

/* The two shells; each performs the effects of its machine. */
void world_leader_step(struct world *world, struct device *device, const struct leader_input *input);
void world_leader_push(struct world *world, struct device *device, unsigned first_event);
void world_leader_flush(struct world *world, struct device *device);
void world_leader_kill(struct world *world, struct device *device);
void world_session_step(struct world *world, struct world_session *session, const struct session_input *input,
                        const struct message *message);

uint64_t world_hash(const struct fake_row *rows, size_t n); /* of a history */
size_t world_rows_until(const struct fake_log *log, struct position at);
void world_settle_accounts(struct world *world, const struct device *device);
void world_trim(struct world *world, struct world_session *session, struct position to);
struct message *link_push(struct link *link);
void link_clear(struct link *link);

#endif
