#ifndef LEADERD_STORE_EVENTLOG_H
#define LEADERD_STORE_EVENTLOG_H

/*
 * The event log: the truth of a store, one durable SQLite file. The format is
 * specified at the top of eventlog.c.
 *
 * Every change happens between eventlog_begin and eventlog_commit; one commit
 * is one fsync. A negative code inside means that the whole transaction is over
 * and nothing of it has happened; only ERROR_NOT_FOUND from a reader leaves it
 * open. After a commit that answered ERROR_UNKNOWN (the sync failed) the log
 * refuses to write until it is opened again.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "model/event.h"

#define EVENTLOG_FORMAT 1 /* of the file, in its user_version; a newer one is refused */

struct eventlog;

struct eventlog_status {
	struct position head;          /* newest event, root when there is none */
	struct hash local_hash;        /* of the newest row */
	struct hash chain_hash;        /* of the newest synced row */
	struct position upstream_head; /* confirmed by the backend; root before */
	struct hash upstream_chain_hash;
	uint64_t generation; /* never falls */
	uint8_t lineage[16]; /* of the backend's log; zero before the first contact */
	uint64_t epoch;
	char client_id[CLIENT_ID_BYTES + 1]; /* this device in this store */
	struct hlc hlc;                      /* newest clock value used or seen */
	bool has_backend;
	uint64_t n_events;
	uint64_t refused_ordinal; /* of the newest refusal; 0 before the first */
};

enum eventlog_known {
	KNOWN_NOT,       /* never seen */
	KNOWN_LOGGED,    /* stands in the log with this content */
	KNOWN_REFUSED,   /* is kept among the refused */
	KNOWN_FORGOTTEN, /* was refused, then dropped or retried */
	KNOWN_OTHER      /* the id is known with other content */
};

struct eventlog_options {
	const char *path;
	bool create; /* make it when absent, with a new client id */
	bool read_only;
};

/* Opening reads the newest rows and compares them with the status; damage
 * further back is eventlog_verify's to find.
 * Codes: NOT_FOUND, VERSION (a newer format, named), CORRUPT, PERMISSION, IO, FULL. */
int eventlog_open(struct eventlog **ret, const struct eventlog_options *options, struct error *error);
struct eventlog *eventlog_close(struct eventlog *log); /* accepts NULL; returns NULL */

/* As of the newest append of the open transaction, or the newest commit; of a
 * read-only log as of its opening. */
void eventlog_status(const struct eventlog *log, struct eventlog_status *ret);

int eventlog_begin(struct eventlog *log, struct error *error);
int eventlog_commit(struct eventlog *log, struct error *error); /* ERROR_UNKNOWN: the sync failed */
void eventlog_rollback(struct eventlog *log);

/* Appends the next event. Its position must be the next synced or client-only
 * one after the head (ERROR_CORRUPT names expected and found otherwise). Sets
 * event->chain_hash (a client-only event shows that of the synced event before
 * it) and local_hash. The clock moves to the event's at least, and so does the
 * generation. A row of the same id among the refused goes: the log wins. */
int eventlog_append(struct eventlog *log, struct event *event, struct error *error);

/* The hashes that appending `event` now would give it, without appending: the
 * state records them first. `previous` NULL: the log's head; otherwise the event
 * that will stand before it. */
void eventlog_hashes(const struct eventlog *log, const struct event *previous, struct event *event);

/* Takes every event after `to` out of the log, into the displaced rows, in old
 * order; the head moves to `to`. The generation grows by one. Displaced rows
 * live until the transaction ends; commit requires that all were taken. */
int eventlog_displace(struct eventlog *log, struct position to, struct error *error);
/* Takes the oldest displaced units, whole, at most n_max events (and about
 * GROUP_BYTES_MAX of arguments), in old order, as owned events; *ret_n = 0 when
 * none is left. Those whose id stands in the log again are passed over.
 * ERROR_INVALID if n_max cannot hold one unit. */
int eventlog_take_displaced(struct eventlog *log, struct event **ret, size_t n_max, size_t *ret_n, struct error *error);

/* Confirms: the backend's head, its chain hash and the cursor behind it. */
int eventlog_set_upstream(struct eventlog *log, struct position head, const struct hash *chain_hash, const void *cursor,
                          size_t cursor_bytes, struct error *error);
/* The cursor of the newest eventlog_set_upstream, added to `ret`; nothing before the first. */
int eventlog_cursor(struct eventlog *log, struct bytes *ret, struct error *error);
/* Which log the backend keeps, and its epoch. */
int eventlog_set_lineage(struct eventlog *log, const uint8_t lineage[16], uint64_t epoch, struct error *error);
/* The adapter's note on an event that was confirmed where it stands. */
int eventlog_set_sync_metadata(struct eventlog *log, struct position at, const void *data, size_t n_bytes,
                               struct error *error);
int eventlog_set_has_backend(struct eventlog *log, bool has_backend, struct error *error);
/* Moves the persisted clock on; never back. */
int eventlog_set_clock(struct eventlog *log, struct hlc hlc, struct error *error);
int eventlog_bump_generation(struct eventlog *log, struct error *error);

/* One event, by position or by id (the earliest, should a backend have confirmed
 * an id twice). ERROR_NOT_FOUND. The caller destroys *ret. */
int eventlog_get(struct eventlog *log, struct position at, struct event **ret, struct error *error);
int eventlog_find(struct eventlog *log, const struct event_id *id, struct event **ret, struct error *error);
/* What is known of an id; *ret_at is set for KNOWN_LOGGED. Refused and
 * forgotten ids keep their content hash, so KNOWN_OTHER is told for them too. */
int eventlog_known(struct eventlog *log, const struct event_id *id, const struct hash *content,
                   enum eventlog_known *ret, struct position *ret_at, struct error *error);
/* The local hash of the row at `at`; root has the zero hash. ERROR_NOT_FOUND. */
int eventlog_local_hash(struct eventlog *log, struct position at, struct hash *ret, struct error *error);

struct eventlog_query {
	struct position after; /* exclusive; with reverse: exclusive upper end, if has_until it is the lower */
	bool has_until;
	struct position until; /* inclusive */
	bool reverse;          /* newest first; `after` root then means from the head */
	bool include_client_only;
	const char *name;      /* NULL: every name */
	const char *client_id; /* NULL: every device */
	size_t n_max;          /* events, <= PAGE_EVENTS_MAX */
	size_t bytes_max;      /* arguments; at least one event is returned */
};
/* One keyset page: at most n_max owned events in ret, *ret_n of them. *ret_last
 * (may be NULL) is the position up to which the log was searched, to go on
 * from: with a filter it may lie behind the last event returned. The work of one
 * call is bounded: only *ret_last equal to `after` means that nothing is left. */
int eventlog_read(struct eventlog *log, const struct eventlog_query *query, struct event **ret, size_t *ret_n,
                  struct position *ret_last, struct error *error);

/* Refusals. */
struct refused_event {
	uint64_t ordinal;    /* grows with each refusal, the units' events in order */
	struct event *event; /* owned; its position is the one it had or would have got */
	char *reason;        /* owned */
	bool reported;       /* its session has been told */
};
int eventlog_refuse(struct eventlog *log, struct event *const *unit, size_t n_events, const char *reason,
                    struct error *error);
/* Rows with ordinal > after, at most n_max; session_id NULL: of all sessions.
 * unreported_only leaves those out that were reported. */
int eventlog_refused(struct eventlog *log, uint64_t after, const char *session_id, bool unreported_only,
                     struct refused_event *ret, size_t n_max, size_t *ret_n, struct error *error);
void refused_event_finish(struct refused_event *refused);
int eventlog_refused_count(struct eventlog *log, uint64_t *ret, struct error *error);
int eventlog_mark_reported(struct eventlog *log, const char *session_id, uint64_t up_to, struct error *error);
/* Removes a refused event's whole unit but keeps the ids for ever. ERROR_NOT_FOUND. */
int eventlog_forget(struct eventlog *log, const struct event_id *id, struct error *error);

/* Schemas: the one in force and its predecessors. ERROR_NOT_FOUND before the
 * first. The text is added to ret_text. */
int eventlog_schema(struct eventlog *log, struct bytes *ret_text, uint32_t *ret_version, struct error *error);
/* Installing what is in force changes nothing; a lower version, or the same one
 * with another text, is ERROR_CONFLICT. */
int eventlog_install_schema(struct eventlog *log, const char *text, size_t text_bytes, uint32_t version,
                            struct error *error);

/* Pulled pages that wait for their successors. */
int eventlog_stage(struct eventlog *log, struct event *const *events, size_t n_events, const void *cursor,
                   size_t cursor_bytes, struct error *error);
/* Takes the oldest ones, by the rules of eventlog_take_displaced. When the last
 * is gone the cursor of the staged pages is forgotten: read it before. */
int eventlog_take_staged(struct eventlog *log, struct event **ret, size_t n_max, size_t *ret_n, struct error *error);
/* The cursor behind the newest staged page, added to `ret`; nothing when none is staged. */
int eventlog_staged_cursor(struct eventlog *log, struct bytes *ret, struct error *error);
int eventlog_staged_count(struct eventlog *log, uint64_t *ret, struct error *error);

/* Checks every row: position follows its predecessor, hashes, ids, units side by
 * side, status, refusals and schemas agree, and SQLite's own structures are whole. The
 * first contradiction is ERROR_CORRUPT and names the position. Not inside a
 * transaction (ERROR_BUSY). `on_progress` may be NULL. */
int eventlog_verify(struct eventlog *log, void (*on_progress)(uint64_t done, uint64_t all, void *data), void *data,
                    struct error *error);

/* Pages in the WAL that no checkpoint has taken yet: the shell compares them with CHECKPOINT_PAGES. */
int eventlog_wal_pages(const struct eventlog *log);
/* Checkpoints the WAL as far as readers allow. Not inside a transaction (ERROR_BUSY). */
int eventlog_checkpoint(struct eventlog *log, struct error *error);

#endif
