#ifndef LEADERD_ADMIN_H
#define LEADERD_ADMIN_H

/*
 * leaderd/admin.h: administration of a leader: stores, schemas, sessions,
 * refused events, status. Codes and rules are those of leaderd/session.h.
 *
 * A connection is synchronous: each call waits for the answer, at most the
 * time-out given at lda_open. Lists are owned by the caller and freed with the
 * function that is named; the strings in them belong to the list.
 */

#include <leaderd/session.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lda_connection;

struct lda_options {
	uint32_t size;      /* sizeof(struct lda_options) */
	const char *socket; /* as in lds_options */
	int timeout_ms;     /* <= 0: 10000 */
};

/* NOT_RUNNING, TIMEOUT, VERSION, PERMISSION. options may be NULL. */
LDS_EXPORT int lda_open(struct lda_connection **ret_connection, const struct lda_options *options, char *ret_error,
                        size_t error_bytes);
LDS_EXPORT void lda_close(struct lda_connection *connection); /* accepts NULL */
LDS_EXPORT const char *lda_last_error(const struct lda_connection *connection);

/* The socket path that NULL stands for; borrowed from `ret_text` (4096 bytes are enough). */
LDS_EXPORT int lda_default_socket(char *ret_text, size_t bytes);

/* ---- stores ----------------------------------------------------------------- */

struct lda_store {
	const char *name;
	const char *path; /* its folder */
	const char *schema_name;
	uint32_t schema_version;
	const char *client_id;    /* this device's identity in the store */
	struct lds_position head; /* of the log */
	struct lds_position backend_head;
	uint64_t generation;
	int has_backend;
	const char *backend; /* URL, or "" */
	uint64_t events, pending, refused, voids;
	uint32_t sessions;
	const char *state;         /* of the leader's machine: "idle", "stopped", ... */
	int trouble_code;          /* why it cannot write at present, or 0 */
	const char *trouble;       /* the same in words, or "" */
	uint64_t group_commits;    /* since the leader started */
	const char *backend_state; /* "off", "resting", "connecting", "pulling", "pushing", "following", "held",
	                                  "repairing", "adopting"; "" without a backend */
	int offline, push_only;    /* as lda_offline left it */
	int backend_code;          /* what is wrong with the backend, or 0 */
	const char *backend_error; /* the same in words, or ""; of a hold: what differs */
	uint64_t backend_retry_ms; /* until the leader tries again; 0: nothing is planned */
	const char *lineage;       /* of the backend's log, hexadecimal; "" before the first contact */
	uint64_t epoch;
};
struct lda_stores {
	size_t n;
	struct lda_store *items;
};
LDS_EXPORT void lda_stores_free(struct lda_stores *stores); /* accepts NULL */

/* CONFLICT: exists; INVALID: bad name; SCHEMA. backend NULL: none. */
LDS_EXPORT int lda_store_create(struct lda_connection *connection, const char *store, const char *schema,
                                const char *schema_label, const char *backend);
LDS_EXPORT int lda_store_list(struct lda_connection *connection, struct lda_stores **ret_stores);
/* One store (NULL: all of them). NOT_FOUND. */
LDS_EXPORT int lda_status(struct lda_connection *connection, const char *store, struct lda_stores **ret_stores);
/* After lda_status: waits for the next change of any of them. TIMEOUT when nothing changed. */
LDS_EXPORT int lda_status_next(struct lda_connection *connection, const char *store, int timeout_ms,
                               struct lda_stores **ret_stores);
/* CONFLICT while events are unsynced (a backend has not confirmed them) or sessions are open, unless forced. */
LDS_EXPORT int lda_store_remove(struct lda_connection *connection, const char *store, int force);
/* Makes the state anew from the log. CORRUPT: the log is damaged; HOLD: lost log, unless accept_loss. */
LDS_EXPORT int lda_rebuild(struct lda_connection *connection, const char *store, int accept_loss);

/* ---- backends ---------------------------------------------------------------- */

/* Attaches the backend (NULL: none any more). Answers before it is reached: see the
 * status, or lda_sync. INVALID: a URL that no adapter could take, or one with a
 * password in it; NOT_FOUND: no such adapter. */
LDS_EXPORT int lda_backend_set(struct lda_connection *connection, const char *store, const char *backend);
/* For a store on hold. `backend` NULL: the present one. These wait until they are
 * done, at most timeout_ms (<= 0: as long as it takes); TIMEOUT leaves them at work.
 * Repair: the backend is a beginning of our confirmed events, and what it lacks is
 * written; the store stays on hold until lda_online. CONFLICT: it has other events.
 * Adopt: the backend's history replaces ours, which is exported into the store's
 * folder; every event that the new history lacks becomes pending again. */
LDS_EXPORT int lda_backend_repair(struct lda_connection *connection, const char *store, const char *backend,
                                  int timeout_ms);
LDS_EXPORT int lda_backend_adopt(struct lda_connection *connection, const char *store, const char *backend,
                                 int timeout_ms);
/* Neither pulls nor pushes until lda_online, over restarts too; push_only != 0: goes on pulling. NO_BACKEND. */
LDS_EXPORT int lda_offline(struct lda_connection *connection, const char *store, int push_only);
LDS_EXPORT int lda_online(struct lda_connection *connection, const char *store);
/* Tries at once and waits until nothing is pending and nothing more comes, at most
 * timeout_ms (<= 0: 30000). TIMEOUT, HOLD, NO_BACKEND; NOT_RUNNING: it is offline;
 * REFUSED: the backend takes no pushes of this device. */
LDS_EXPORT int lda_sync(struct lda_connection *connection, const char *store, int timeout_ms);

/* ---- import ------------------------------------------------------------------ */

/* Takes events of another log: whole units, in that log's order, at most 1024
 * events a unit. Of each event id, name, version, args, unit, client_only,
 * client_id, session_id and hlc are used, and kept. They are placed behind the head,
 * so an empty store gives them the positions that they had; ids that the store knows
 * are passed over; what does not apply is refused and kept with its reason. The
 * outputs (may be NULL) count what is in the log now, and what was refused.
 * CONFLICT: an id is known with other content; the units before it are taken. */
LDS_EXPORT int lda_import(struct lda_connection *connection, const char *store, const struct lds_event *events,
                          size_t n_events, uint64_t *ret_imported, uint64_t *ret_refused);

/* ---- schemas ---------------------------------------------------------------- */

/* Checks a schema text without any leader; ret_error gets "label:line: reason". */
LDS_EXPORT int lda_schema_check(const char *schema, const char *label, char *ret_error, size_t error_bytes);
/* The text in force; freed with free(). */
LDS_EXPORT int lda_schema_show(struct lda_connection *connection, const char *store, char **ret_schema);
/* CONFLICT: lower version, or the same with other content; 0 as well if it is in force already. */
LDS_EXPORT int lda_schema_install(struct lda_connection *connection, const char *store, const char *schema,
                                  const char *schema_label);

/* ---- sessions, chains, refusals ---------------------------------------------- */

struct lda_session_status {
	const char *session_id;
	uint64_t process_id;
	struct lds_position acknowledged; /* newest event that it said it has taken in */
	struct lds_position sent;
	uint64_t generation;
	uint32_t pending, suspended; /* as of its newest acknowledgement */
	int read_only;
};
struct lda_sessions {
	size_t n;
	struct lda_session_status *items;
};
LDS_EXPORT int lda_sessions_list(struct lda_connection *connection, const char *store,
                                 struct lda_sessions **ret_sessions);
LDS_EXPORT void lda_sessions_free(struct lda_sessions *sessions);

struct lda_events {
	size_t n;
	struct lds_event *items; /* oldest first */
};
/* The newest `n_max` (at most 256) events of the leader's log, client-only included. */
LDS_EXPORT int lda_chain(struct lda_connection *connection, const char *store, uint32_t n_max,
                         struct lda_events **ret_events);
LDS_EXPORT void lda_events_free(struct lda_events *events);

struct lda_refused {
	struct lds_event event;
	const char *reason;
	uint64_t ordinal; /* grows with each refusal */
};
struct lda_refusals {
	size_t n;
	struct lda_refused *items;
};
LDS_EXPORT int lda_refused_list(struct lda_connection *connection, const char *store,
                                struct lda_refusals **ret_refusals);
LDS_EXPORT void lda_refusals_free(struct lda_refusals *refusals);
/* Drops refused events (their whole units); all != 0: every one. Their ids stay known. */
LDS_EXPORT int lda_refused_drop(struct lda_connection *connection, const char *store, const struct lds_id *ids,
                                size_t n_ids, int all);
/* Commits them again as new events with new ids, unit by unit, and drops the old ones.
 * REFUSED: one of them is refused again; it stays, those before it are done. */
LDS_EXPORT int lda_refused_retry(struct lda_connection *connection, const char *store, const struct lds_id *ids,
                                 size_t n_ids, int all);

/* What became of an event. */
enum lda_fate { LDA_FATE_UNKNOWN, LDA_FATE_DURABLE, LDA_FATE_CONFIRMED, LDA_FATE_REFUSED, LDA_FATE_DROPPED };
LDS_EXPORT int lda_lookup(struct lda_connection *connection, const char *store, const struct lds_id *id,
                          enum lda_fate *ret_fate, struct lds_position *ret_position);

#ifdef __cplusplus
}
#endif

#endif
