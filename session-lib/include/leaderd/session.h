#ifndef LEADERD_SESSION_H
#define LEADERD_SESSION_H

/*
 * leaderd/session.h: commit events, read your own optimistic SQLite state.
 *
 * A session is an app's place in a store. It keeps its pending events in
 * memory, materializes them at once in a private in-memory database, and follows
 * the leader (leaderd), which owns the durable log. Every commit goes through
 * three stages: applied (in this session), durable (synced to disk by the
 * leader), confirmed (by the backend).
 *
 * Threads: a handle belongs to one thread at a time; any number of handles may
 * be open. After fork() the child must not use a handle of its parent: every
 * call answers LDS_INVALID there, and lds_close only frees memory.
 *
 * Codes: 0 is success, positive codes are outcomes named at each function,
 * negative ones failures; lds_last_error() has one line that says what, where
 * and why. On failure outputs are untouched. Strings are UTF-8.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LDS_EXPORT __attribute__((visibility("default")))
#else
#define LDS_EXPORT
#endif

#define LDS_OK 0
/* Outcomes */
#define LDS_QUEUED 1  /* commit: applied and pending, not yet handed to the kernel: process or wait sends it */
#define LDS_MORE 2    /* process: bounded work was done and more is there; call again */
#define LDS_HELD 3    /* process: a statement of the app is under way on lds_db; nothing was applied */
#define LDS_ROW 4     /* rows_next: a row is there */
#define LDS_EVENT 5   /* events_next: an event is there */
#define LDS_REBASED 6 /* events_next: events behind a position that were read before are off */
#define LDS_NEWER 7   /* open: the store's schema is newer than the app's */
/* Failures */
#define LDS_INVALID (-1) /* misuse, malformed arguments, unknown event; nothing has happened */
#define LDS_NO_MEMORY (-2)
#define LDS_IO (-3)
#define LDS_FULL (-4)    /* a bound is reached, or the leader's disk is full; nothing has happened */
#define LDS_REFUSED (-5) /* the event's materializer refused it */
#define LDS_NOT_FOUND (-6)
#define LDS_CONFLICT (-7) /* exists already, other content, or another process holds it */
#define LDS_CORRUPT (-8)
#define LDS_PROTOCOL (-9)
#define LDS_SCHEMA (-10) /* the schema text breaks a rule: file, line and reason are in the text */
#define LDS_TOO_LARGE (-11)
#define LDS_NOT_RUNNING (-12) /* no leader listens there */
#define LDS_TIMEOUT (-13)
#define LDS_UNKNOWN (-14)    /* what became of the event is not known (yet); ask again by id */
#define LDS_NO_BACKEND (-15) /* the store has no backend that could confirm */
#define LDS_HOLD (-16)       /* the store is on hold; its status says why */
#define LDS_VERSION (-17)    /* the other side speaks a newer protocol or format */
#define LDS_PERMISSION (-18)
#define LDS_BUSY (-19)

struct sqlite3;
struct lds_session;
struct lds_rows;
struct lds_events;
struct lds_subscription;

/* An event's identity, made at commit, never changing (UUIDv7). */
struct lds_id {
	uint8_t bytes[16];
};
#define LDS_ID_TEXT_BYTES 37
LDS_EXPORT void lds_id_print(char ret_text[LDS_ID_TEXT_BYTES], const struct lds_id *id);
LDS_EXPORT int lds_id_parse(struct lds_id *ret_id, const char *text); /* LDS_INVALID */

/* A place in a log: synced events stand at {n, 0}, client-only ones at {n, 1..};
 * root, {0, 0}, stands before every event. */
struct lds_position {
	uint64_t global, client;
};
/* "e3", "e5.1"; LDS_INVALID if `text` is anything else. */
LDS_EXPORT int lds_position_parse(struct lds_position *ret_position, const char *text);
#define LDS_POSITION_TEXT_BYTES 48
LDS_EXPORT void lds_position_print(char ret_text[LDS_POSITION_TEXT_BYTES], struct lds_position position);

enum lds_stage { LDS_APPLIED, LDS_DURABLE, LDS_CONFIRMED };

/* ---- open and close --------------------------------------------------------- */

#define LDS_READ_ONLY 0x1u    /* commit answers LDS_INVALID */
#define LDS_START_LEADER 0x2u /* start leaderd if none listens on the socket; safe with many starters */

struct lds_options {
	uint32_t size;            /* sizeof(struct lds_options) */
	uint32_t flags;           /* LDS_READ_ONLY | LDS_START_LEADER */
	const char *socket;       /* NULL: $LEADERD_SOCKET, else $XDG_RUNTIME_DIR/leaderd/socket */
	const char *store;        /* [a-z0-9][a-z0-9._-]{0,63}; reverse domain names are advised */
	const char *schema;       /* the app's schema text; NULL: the one in force, the store must exist */
	const char *schema_label; /* its name in messages; NULL: "schema" */
	const char *session_id;   /* [A-Za-z0-9._-]{1,64}; NULL: a new one. A stable id keeps client-only
	                              state and undelivered refusals across restarts */
	const char *leader_path;  /* with LDS_START_LEADER; NULL: "leaderd" on PATH */
	int timeout_ms;           /* for connecting, the handshake and the image; <= 0: 10000 */
};

/* Connects, takes the state, and returns a session that the caller owns. The
 * store is created if absent, its schema upgraded if the app's is higher.
 * LDS_NEWER: opened, and the store's schema is the newer one. On failure
 * `ret_error` (may be NULL; NUL-terminated, `error_bytes` long) says why.
 * NOT_RUNNING, NOT_FOUND, SCHEMA, CONFLICT (the session id is open in another
 * process; same schema version with other content), INVALID, TIMEOUT, VERSION. */
LDS_EXPORT int lds_open(struct lds_session **ret_session, const struct lds_options *options, char *ret_error,
                        size_t error_bytes);

/* Sends what is queued as far as the kernel takes it without waiting, and frees
 * everything, rows, events and subscriptions included. NULL is accepted. In a
 * callback: LDS_INVALID, nothing happens. */
LDS_EXPORT int lds_close(struct lds_session *session);

/* One line on the newest failure of this handle; borrowed until its next call. */
LDS_EXPORT const char *lds_last_error(const struct lds_session *session);
LDS_EXPORT const char *lds_code_name(int code); /* "refused", "queued", ...; never NULL */
LDS_EXPORT const char *lds_session_id(const struct lds_session *session);
LDS_EXPORT const char *lds_client_id(const struct lds_session *session);
LDS_EXPORT const char *lds_version(void); /* "0.1.0 (protocol 1, format 1)" */

/* ---- the app's loop --------------------------------------------------------- */

/* The descriptor to poll, or -1 while there is none (the leader is away). It may
 * change with every call of lds_process, lds_commit and lds_wait: ask each time. */
LDS_EXPORT int lds_get_fd(const struct lds_session *session);
/* What to poll for: POLLIN, or POLLIN | POLLOUT. */
LDS_EXPORT int lds_get_events(const struct lds_session *session);
/* When lds_process must be called at the latest: CLOCK_MONOTONIC in
 * microseconds; UINT64_MAX: no deadline. */
LDS_EXPORT uint64_t lds_get_deadline(const struct lds_session *session);

/* Sends, receives and applies a bounded amount without blocking, then calls
 * back. 0, LDS_MORE, LDS_HELD. A lost leader is no error: the session connects
 * again by itself and loses nothing. LDS_NO_MEMORY and LDS_IO leave everything as
 * it was and may be tried again. */
LDS_EXPORT int lds_process(struct lds_session *session);

/* ---- commit ----------------------------------------------------------------- */

struct lds_event_input {
	const char *name;
	uint32_t version; /* 0: the newest of the schema text with which the session was opened */
	const char *args; /* a JSON object; kept byte for byte */
};

/* Applies one event to the session's state, makes it pending and hands it to the
 * socket. Never blocks, never applies what the leader sent. ret_id may be NULL.
 *   0            the whole frame is in the kernel: it survives this process's death
 *   LDS_QUEUED   pending, waiting in this process (the leader is away or slow)
 *   LDS_FULL     a bound is reached or the leader's disk is full; nothing has happened
 *   LDS_REFUSED  its materializer refused it; nothing has happened
 *   LDS_INVALID, LDS_TOO_LARGE, LDS_NO_MEMORY; nothing has happened */
LDS_EXPORT int lds_commit(struct lds_session *session, const char *name, const char *args, struct lds_id *ret_id);

/* The same for a unit: 1 to 1024 events, at most 512 KiB of arguments, all synced
 * or all client-only; refused or confirmed as a whole. ret_ids may be NULL, else
 * it has room for n_events. */
LDS_EXPORT int lds_commit_batch(struct lds_session *session, const struct lds_event_input *events, size_t n_events,
                                struct lds_id *ret_ids);

/* Waits, processing, until the event `id` (NULL: every event of this session) has
 * reached `stage`. timeout_ms < 0: for ever. Lives through a lost leader.
 * Callbacks run. 0; LDS_REFUSED (with the reason as the last error); LDS_TIMEOUT;
 * LDS_NO_BACKEND (confirmed, without a backend); LDS_UNKNOWN (the leader knows no
 * such event, or its disk failed: ask again when it is back); LDS_FULL, LDS_HOLD
 * (the leader cannot write: still pending); LDS_HELD. */
LDS_EXPORT int lds_wait(struct lds_session *session, const struct lds_id *id, enum lds_stage stage, int timeout_ms);

/* ---- reading ---------------------------------------------------------------- */

enum lds_type { LDS_NULL, LDS_INTEGER, LDS_REAL, LDS_TEXT, LDS_BLOB };

struct lds_value {
	enum lds_type type;
	int64_t integer;
	double real;
	const char *text; /* TEXT (NUL-terminated) and BLOB; borrowed until the next call on the rows */
	size_t bytes;     /* of text or blob */
};

struct lds_parameter {
	const char *name; /* with or without its ':'; NULL: by order */
	struct lds_value value;
};

/* Runs one reading statement on the session's state. The caller closes the rows.
 * Open rows hold lds_process back (LDS_HELD). INVALID: not a single reading
 * statement, or a parameter that it does not have. */
LDS_EXPORT int lds_query(struct lds_session *session, const char *sql, const struct lds_parameter *parameters,
                         size_t n_parameters, struct lds_rows **ret_rows);
LDS_EXPORT int lds_rows_columns(const struct lds_rows *rows);
LDS_EXPORT const char *lds_rows_name(const struct lds_rows *rows,
                                     int column);    /* borrowed until close; NULL: no such column */
LDS_EXPORT int lds_rows_next(struct lds_rows *rows); /* LDS_ROW, 0 at the end, or a failure */
LDS_EXPORT int lds_rows_value(const struct lds_rows *rows, int column, struct lds_value *ret_value);
LDS_EXPORT void lds_rows_close(struct lds_rows *rows); /* accepts NULL */

/* The session's own connection, for programs that link the same libsqlite3. One
 * pointer for the session's life; for reading only: an authorizer refuses all
 * else, BEGIN, SAVEPOINT, ATTACH and every PRAGMA but those that describe tables. Do not set an authorizer or
 * hooks on it, do not close it, define no function under a built-in's name. */
LDS_EXPORT struct sqlite3 *lds_db(struct lds_session *session);

/* ---- following -------------------------------------------------------------- */

/* Callbacks run only inside lds_process and lds_wait, after a change is complete.
 * In them reading and committing are allowed; lds_process, lds_wait and lds_close
 * answer LDS_INVALID. Own commits are reported at the next lds_process too. */
typedef void (*lds_table_callback)(struct lds_session *session, const char *const *tables, size_t n_tables, void *data);

/* Calls back when rows of one of `tables` changed; n_tables 0: of any table. */
LDS_EXPORT int lds_subscribe(struct lds_session *session, const char *const *tables, size_t n_tables,
                             lds_table_callback callback, void *data, struct lds_subscription **ret_subscription);

/* Calls back with fresh rows when the result of a query changed, and once at the
 * next lds_process. The rows are borrowed for the call. */
typedef void (*lds_query_callback)(struct lds_session *session, struct lds_rows *rows, void *data);
LDS_EXPORT int lds_subscribe_query(struct lds_session *session, const char *sql, const struct lds_parameter *parameters,
                                   size_t n_parameters, lds_query_callback callback, void *data,
                                   struct lds_subscription **ret_subscription);
LDS_EXPORT void lds_unsubscribe(struct lds_subscription *subscription); /* accepts NULL; allowed in callbacks */

/* An event as it stands in the leader's log, or is pending. Borrowed. */
struct lds_event {
	uint32_t size;
	struct lds_id id;
	const char *name;
	uint32_t version;
	const char *args; /* byte for byte as committed */
	size_t args_bytes;
	struct lds_id unit;
	uint32_t unit_index, unit_count;
	struct lds_position position, parent;
	uint64_t generation;
	const struct lds_position *origins; /* newest first, oldest last */
	size_t n_origins;
	int client_only;
	int confirmed; /* by the backend */
	int pending;   /* not yet in the leader's log */
	const char *client_id, *session_id;
	const char *hlc;  /* fixed-width text, sortable */
	uint64_t time_ms; /* Unix time of the commit */
};

/* The notation, "e5'/e3'": LDS_NOTATION_* add parts; node may be NULL. Returns
 * the length without the NUL; at most `bytes` are written, NUL included. */
#define LDS_NOTATION_GENERATION 0x1u
#define LDS_NOTATION_NAME 0x2u /* {name} as context */
#define LDS_NOTATION_NO_ORIGINS 0x4u
LDS_EXPORT size_t lds_event_notation(char *ret_text, size_t bytes, const struct lds_event *event, const char *node,
                                     unsigned flags);

/* A refused event of this session: reported once, also at the next open with the
 * same session id. */
typedef void (*lds_refused_callback)(struct lds_session *session, const struct lds_event *event, const char *reason,
                                     void *data);
LDS_EXPORT void lds_on_refused(struct lds_session *session, lds_refused_callback callback, void *data);

/* The store's schema changed: the state was made anew under it. */
typedef void (*lds_schema_callback)(struct lds_session *session, uint32_t version, void *data);
LDS_EXPORT void lds_on_schema(struct lds_session *session, lds_schema_callback callback, void *data);

enum lds_connection { LDS_DISCONNECTED, LDS_CONNECTING, LDS_CONNECTED };

struct lds_status {
	uint32_t size; /* in: sizeof(struct lds_status) */
	enum lds_connection connection;
	struct lds_position local_head;   /* newest event of this session's view */
	struct lds_position leader_head;  /* newest event taken from the leader */
	struct lds_position backend_head; /* newest event that the backend confirmed */
	uint64_t generation;
	int has_backend;
	uint64_t pending, suspended; /* events of this session not yet in the leader's log; without effect */
	uint64_t queued_bytes;       /* waiting for the socket */
	uint32_t schema_version;
	int trouble_code;    /* why the leader cannot write at present (LDS_FULL, LDS_HOLD, ...), or 0 */
	const char *trouble; /* the same in words; borrowed until the next call */
};
LDS_EXPORT int lds_get_status(const struct lds_session *session, struct lds_status *ret_status);
typedef void (*lds_status_callback)(struct lds_session *session, const struct lds_status *status, void *data);
LDS_EXPORT void lds_on_status(struct lds_session *session, lds_status_callback callback, void *data);

/* ---- events of the log ------------------------------------------------------ */

#define LDS_EVENTS_FOLLOW 0x1u      /* do not end at the head */
#define LDS_EVENTS_REVERSE 0x2u     /* newest first */
#define LDS_EVENTS_CLIENT_ONLY 0x4u /* include client-only events */
#define LDS_EVENTS_PENDING 0x8u     /* append this session's own pending events (not with FOLLOW or REVERSE) */

struct lds_events_options {
	uint32_t size;
	uint32_t flags;
	struct lds_position since;        /* exclusive; root: from the beginning */
	const struct lds_position *until; /* inclusive; NULL: up to the head */
	const char *name;                 /* NULL: every name */
	const char *client_id;            /* NULL: every device */
	uint64_t limit;                   /* events; 0: all */
};

/* Opens a stream of the leader's log. options may be NULL. The caller closes it. */
LDS_EXPORT int lds_events_open(struct lds_session *session, const struct lds_events_options *options,
                               struct lds_events **ret_events);
/* LDS_EVENT: *ret_event is borrowed until the next call on the stream; LDS_REBASED
 * (followers): ret_event->position says behind which position all is off, and
 * what stands there now follows; 0: the end; LDS_TIMEOUT. timeout_ms 0 never
 * blocks, < 0 waits for ever; waiting processes as lds_wait does. After a lost
 * leader a stream goes on where it was. */
LDS_EXPORT int lds_events_next(struct lds_events *events, int timeout_ms, const struct lds_event **ret_event);
LDS_EXPORT void lds_events_close(struct lds_events *events); /* accepts NULL */

#ifdef __cplusplus
}
#endif

#endif
