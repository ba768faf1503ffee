#ifndef LEADERD_SESSION_LIB_SESSION_H
#define LEADERD_SESSION_LIB_SESSION_H

/*
 * A session as its files see it. The machine (model/session_step.h) decides;
 * everything here is the shell around it:
 *
 *   commit.c    a commit becomes an input           feed.c      so do the leader's frames
 *   perform.c   effects are performed, in order     change.c    the largest of them, in one transaction
 *   process.c   the loop's turn                     call_back.c tells the app afterwards
 *   wait.c      waits for an event's stage          lookup.c    asks what became of it
 *
 * One handle belongs to one thread; nothing here is shared between handles.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/limits.h"
#include "leader_link.h"
#include "leaderd/session.h"
#include "model/event.h"
#include "model/session_step.h"
#include "pending.h"
#include "store/schema.h"
#include "store/state.h"

/* Bounds of the shell alone. */
#define SESSION_OUTPUT_BYTES (64u * 1024u) /* frames packed ahead of the socket: enough to fill it */
#define SESSION_RETRY_MS 5u                /* pause after HELD or a failure of the environment */
#define SESSION_RESYNCS_MAX 3u             /* contradictions in a row before the connection is given up */
#define SESSION_SCHEMAS_MAX 4u             /* schemas kept at once: the app's, the one in force, two under way */
#define SESSION_TIMEOUT_MS 10000           /* unless the app says otherwise */
#define SOCKET_PATH_BYTES_MAX 4096u

#define SESSION_MAGIC 0x6c64735365737369ull
#define CONNECTION_MAGIC 0x6c6461436f6e6e65ull

/* ---- what the step under way is about --------------------------------------- */

struct feed_item {
	const Leaderd__Event *message; /* borrowed from the frame */
	struct event *event;           /* owned; NULL for a short one that stands where it was pending */
};

struct refusal {
	TAILQ_ENTRY(refusal) list;
	struct event *event; /* owned */
	char *reason;        /* owned */
	uint64_t ordinal;
};
TAILQ_HEAD(refusals, refusal);

struct step {
	struct event *const *unit; /* COMMIT: borrowed */
	size_t n_unit;
	const struct feed_item *items; /* FEED: borrowed, parallel to the payload's events */
	size_t n_items;
	const struct schema *schema; /* WELCOME with an image: the one to take it under; borrowed */
	int image_fd;
	uint64_t image_bytes;
	bool welcome;
	uint64_t generation; /* FEED, WELCOME: as the leader tells it */
	/* Called when a change stands, before anything is told; may be NULL. */
	void (*on_done)(struct lds_session *session, void *data);
	void *on_done_data;
	/* Out: */
	enum session_outcome outcome; /* of the commit or the change */
	int code;                     /* FAILED, REFUSED: why, as in session->error */
	bool done;                    /* a change was made */
};

/* ---- what the app follows ---------------------------------------------------- */

struct lds_subscription {
	struct lds_session *session;
	TAILQ_ENTRY(lds_subscription) list;
	bool ended;     /* closed in a callback: freed after the round */
	bool fresh;     /* a query that was never called back */
	bool due;       /* and is to be run in the next round, changes or not */
	uint64_t round; /* the round of callbacks in which it was made */
	char **tables;  /* owned */
	size_t n_tables;
	lds_table_callback on_tables;
	lds_query_callback on_rows;       /* a query's, if set */
	char *sql;                        /* owned */
	struct lds_parameter *parameters; /* owned, with what they point to */
	size_t n_parameters;
	uint8_t rows_hash[32];
	void *data;
};
TAILQ_HEAD(subscriptions, lds_subscription);

/* The event that lds_wait waits for. */
struct watch {
	bool active, all;
	bool to_confirmed; /* the stage waited for is CONFIRMED: refusals of durable events count */
	struct event_id id;
	bool arrived; /* it came from the leader's log while we waited */
	bool refused;
	char reason[256];
};

/* A question to the leader: what became of an event? */
struct lookup {
	uint64_t number; /* 0: none is open */
	bool answered;
	int code;      /* of the answer */
	uint32_t what; /* Known.what */
	struct position at;
	char reason[256];
	struct position asked_backend; /* the heads when it was asked: news make it stale */
	uint64_t asked_generation;
};

TAILQ_HEAD(rows_list, lds_rows);
TAILQ_HEAD(events_list, lds_events);

struct lds_session {
	uint64_t magic;
	pid_t pid;           /* of the process that opened it */
	unsigned calling;    /* callbacks under way */
	struct error error;  /* newest failure */
	struct error failed; /* the leader will never take us again; code 0: it may */

	/* As opened */
	uint32_t flags;
	char *socket, *store, *app_text, *leader_path;
	char session_id[SESSION_ID_BYTES_MAX + 1];
	char client_id[CLIENT_ID_BYTES + 1]; /* empty before the first welcome */
	uint8_t nonce[16];
	int timeout_ms;

	/* Schemas */
	struct schema *schemas[SESSION_SCHEMAS_MAX]; /* owned; the two below are among them */
	const struct schema *app_schema;             /* of the text with which the session was opened */
	const struct schema *schema;                 /* in force */
	bool schema_is_newer;

	/* State and machine */
	struct state *state; /* NULL before the first welcome */
	struct session_machine machine;
	struct pending_table pending;
	struct hash leader_hash; /* local hash of machine.heads.leader's row */
	struct hash final_hash;  /* and of machine.heads.final's */
	struct hlc hlc;
	struct position own_last; /* at or behind the newest own event of the leader's log */
	uint64_t n_suspended;
	int broken; /* an image was taken half: the code why, until it is whole */
	int trouble_code;
	char trouble[256];

	/* Connection */
	struct leader_link link;
	struct wire_arena arena;
	const Leaderd__ToSession *message;                   /* the frame in hand: held, or to be tried again */
	bool greeted;                                        /* something was received on this connection */
	bool opening;                                        /* lds_open is under way */
	struct position log_head;                            /* while opening: of the leader, the lowest that was told */
	unsigned n_resyncs;                                  /* contradictions since the last good change */
	uint32_t delay_ms;                                   /* of the next reconnect */
	uint64_t connect_at_us, greet_until_us, retry_at_us; /* retry: UINT64_MAX when nothing is */
	bool more;                                           /* the last turn ended at its bound */
	bool acknowledge;                                    /* something is to be acknowledged */
	uint64_t refused_seen;
	uint64_t next_number; /* of requests and streams */

	/* The app */
	bool touched[SCHEMA_TABLES_MAX]; /* by the transaction under way */
	bool changed[SCHEMA_TABLES_MAX]; /* since the last callbacks */
	bool any_changed, schema_changed, status_changed;
	uint64_t round; /* of callbacks */
	struct subscriptions subscriptions;
	unsigned n_subscriptions;
	struct refusals refusals; /* to be told */
	struct rows_list rows;
	struct events_list events;
	unsigned n_events;
	struct watch watch;
	struct lookup lookup;
	lds_refused_callback on_refused;
	void *on_refused_data;
	lds_schema_callback on_schema;
	void *on_schema_data;
	lds_status_callback on_status;
	void *on_status_data;
};

/* guard.c: is the handle one that this process may use, here? 0 or LDS_INVALID. */
int session_enter(const struct lds_session *session);         /* any call */
int session_enter_outside(const struct lds_session *session); /* not inside a callback */
/* Notes a failure and returns its code. */
int session_fail(struct lds_session *session, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* open.c */
void session_free(struct lds_session *session);

/* perform.c: one step of the machine, and every effect of it, in order. */
int session_perform(struct lds_session *session, const struct session_input *input, struct step *step);
void session_send(struct lds_session *session); /* packs and writes what the kernel takes */

/* change.c: performs a change in one transaction; fills step->outcome. `suspended`
 * has room for the replayed events. */
void session_change(struct lds_session *session, const struct session_change *change, bool *suspended,
                    struct step *step);
void session_touch(int table, void *data); /* the state's on_change */
void session_keep_touched(struct lds_session *session, bool keep);

/* schemas.c */
int session_load_schema(struct lds_session *session, const char *text, const char *label, const struct schema **ret);
void session_use_schema(struct lds_session *session, const struct schema *schema);

/* feed.c: 0, LDS_HELD, or a negative code with session->error filled. */
int session_take_feed(struct lds_session *session, const Leaderd__Feed *feed);
/* welcome.c */
int session_take_welcome(struct lds_session *session, const Leaderd__Welcome *welcome);
int session_say_hello(struct lds_session *session, bool want_image);
struct session_heads session_read_heads(const Leaderd__Heads *heads);
void session_keep_heads(struct lds_session *session, const Leaderd__Heads *heads);

/* connect.c */
int session_connect(struct lds_session *session);
void session_lost(struct lds_session *session);
int session_resync(struct lds_session *session);
int session_start_leader(struct lds_session *session, uint64_t until_us); /* start_leader.c */

/* process.c: a turn without callbacks. 0, LDS_MORE, LDS_HELD or a failure. */
int session_turn(struct lds_session *session);
bool session_is_held(const struct lds_session *session); /* a statement of the app is under way */
/* Polls until the descriptor or the deadline asks for a turn, at most until `until_us`. */
void session_sleep(struct lds_session *session, uint64_t until_us);
int session_pack(struct lds_session *session, const Leaderd__ToLeader *message);

/* call_back.c */
void session_call_back(struct lds_session *session);
bool session_has_to_call(const struct lds_session *session);

/* refused.c */
int refusal_read(struct refusal **ret, const Leaderd__Refusal *message, struct error *error);
struct refusal *refusal_free(struct refusal *refusal);
void session_note_refusals(struct lds_session *session, struct refusals *refusals); /* takes all */
void session_tell_refusals(struct lds_session *session);

/* wait.c and lookup.c */
void watch_left(struct watch *watch, const struct event_id *id, bool refused);
void watch_reason(struct watch *watch, const struct event_id *id, const char *reason);
int lookup_ask(struct lds_session *session, const struct event_id *id);
void lookup_answer(struct lds_session *session, const Leaderd__Response *response);
void lookup_end(struct lds_session *session);

/* events.c */
int events_take_page(struct lds_session *session, const Leaderd__EventsPage *page);
void events_lost(struct lds_session *session);                                              /* the connection is gone */
void events_welcomed(struct lds_session *session, bool same_branch, struct position final); /* and back */
void events_send(struct lds_session *session); /* opens and credits that are due */

/* query.c and subscribe.c: what close frees. */
void rows_close_all(struct lds_session *session);
void events_close_all(struct lds_session *session);
void subscriptions_free(struct lds_session *session);
void subscriptions_call_tables(struct lds_session *session, const bool changed[SCHEMA_TABLES_MAX]);
void subscriptions_call_queries(struct lds_session *session, bool any_changed);
bool subscriptions_are_due(const struct lds_session *session);

/* Options: a field that the app's struct is too short for is absent. */
#define OPTION(options, type, field) \
	((options) && (options)->size >= offsetof(type, field) + sizeof((options)->field) ? (options)->field : 0)

#endif
