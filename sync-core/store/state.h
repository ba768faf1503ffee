#ifndef LEADERD_STORE_STATE_H
#define LEADERD_STORE_STATE_H

/*
 * The materialized state: the app's tables, the state head, and the undo
 * journal. Leader and session run the same code, the leader on state.db, the
 * session on an in-memory database. State is derived: it can be deleted at any
 * time and is made again from the log.
 *
 * Everything that changes state happens between state_begin and state_commit.
 * A negative code from a step inside means that the whole transaction is over
 * (rolled back) and nothing of it has happened; the positive outcomes leave it
 * open.
 *
 * Tables of its own, beside the app's, all with the prefix leaderd_:
 *   leaderd_state    one row: format, fingerprint, completion mark, head
 *                    (position, id, generation, local hash), journal base
 *   leaderd_journal  ordinal, position, id, local hash, images: one row per
 *                    applied event above the trim mark; see journal.h
 *   leaderd_void     position, id, reason: confirmed events without effect
 */

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "model/event.h"
#include "store/schema.h"

struct state;

enum {
	STATE_REFUSED = 1,        /* the event's own fault; `error` says why, as REFUSED */
	STATE_BEYOND_JOURNAL = 2, /* the journal does not reach back that far: rebuild, or take an image */
	STATE_REBUILD = 3         /* state_open: no usable state is there; it was emptied and must be rebuilt */
};

struct state_head {
	struct position at;
	struct event_id id;
	uint64_t generation;
	struct hash local_hash;
};

struct state_options {
	const char *path;            /* NULL: in memory */
	const struct schema *schema; /* borrowed until state_close or state_reset */
	bool read_only;              /* an existing file, for tools; a foreign fingerprint is ERROR_VERSION */
	/* Called for every changed row of an app table, undo and what a refusal
	 * takes back included, with the table's index in schema->tables; NULL if
	 * nobody asks. Not called during images. It runs inside SQLite's hook: it
	 * may take note, but not use the state or its connection. */
	void (*on_change)(int table, void *data);
	void *on_change_data;
};

/* 0 (always in memory, where the state is empty and its completion mark unset) or
 * STATE_REBUILD: the file was absent, of another fingerprint (schema,
 * SQLite version, format), incomplete or unreadable; it is now empty, with its
 * completion mark unset. Side files are handled. Read-only nothing is emptied:
 * NOT_FOUND, VERSION (another fingerprint), BUSY (being rebuilt), CORRUPT; there
 * state_begin takes a snapshot, head included, and state_rollback ends it. */
int state_open(struct state **ret, const struct state_options *options, struct error *error);
struct state *state_close(struct state *state); /* accepts NULL; returns NULL */

/* Throws all content away and starts empty under `schema`, completion unset.
 * ERROR_BUSY while a foreign statement on the connection is under way: then
 * nothing has happened. The connection of a state in memory stays the same one.
 * After any other failure state_begin answers ERROR_IO until a reset succeeds. */
int state_reset(struct state *state, const struct schema *schema, struct error *error);

void state_head(struct state *state, struct state_head *ret);
struct position state_journal_base(struct state *state); /* undo reaches back to here */
bool state_is_complete(struct state *state);
uint64_t state_voids(struct state *state);    /* how many */
sqlite3 *state_database(struct state *state); /* borrowed */

/* In app mode the connection lets everyone but the state's own functions read
 * the app's tables and nothing else. Off at first. */
void state_set_app_mode(struct state *state, bool app_mode);

int state_begin(struct state *state, struct error *error);
int state_commit(struct state *state, struct error *error);
void state_rollback(struct state *state); /* harmless without a transaction */

/* Applies one unit in a savepoint of its own: each event is lifted, materialized
 * and journaled, and its `digest` is set (never 0); the head moves to the last
 * one. STATE_REFUSED: the unit as a whole has had no effect, the head stands. An
 * event whose name or version this schema does not know is STATE_REFUSED too.
 * Events carry their position; local_hash may still be zero (a session's
 * pending event).
 * Each event stands behind the one before (ERROR_INVALID); gaps are allowed. One
 * whose definition in force is of the other world than its place is STATE_REFUSED.
 * A statement over its step budget is ERROR_HOLD. */
int state_apply(struct state *state, struct event *const *events, size_t n_events, struct error *error);

/* A confirmed event that could not be applied: recorded as void, head moves. */
int state_skip(struct state *state, const struct event *event, const char *reason, struct error *error);

/* Undoes every event after `to`, newest first, image by image (voids after it go
 * too); the head moves to `to`, or if no event was applied or skipped there, to
 * the newest before it. A `to` at or behind the head does nothing.
 * STATE_BEYOND_JOURNAL: nothing was undone. */
int state_undo(struct state *state, struct position to, struct error *error);

/* Forgets how to undo events up to `up_to`; bounds (limits.h) are kept here too. */
int state_trim(struct state *state, struct position up_to, struct error *error);

/* The head is at `head` without any event being applied: used when pending
 * events are confirmed where they stand, and to set generation and hash. At a
 * position behind the head only the journal's row there learns them. Another
 * event's id at a known position is ERROR_INVALID. */
int state_set_head(struct state *state, const struct state_head *head, struct error *error);
int state_set_complete(struct state *state, bool complete, struct error *error);

/* The local hash recorded for a journaled position; false when none is. Lets a
 * reconcile find the newest row that equals the log's. Goes from the newest row
 * to the journal's base: `at` is the position to start from, inclusive; the row
 * found is the newest one at or before it (or the base). */
bool state_journal_row(struct state *state, struct position at, struct state_head *ret);

/* Image: the whole database (journal and head included) as bytes that can be
 * deserialized; header bytes 18 and 19 say rollback journal. Written from the
 * start of `fd`, which it does not move. ERROR_BUSY inside a transaction;
 * ERROR_TOO_LARGE past SESSION_IMAGE_BYTES_MAX. */
int state_image_write(struct state *state, int fd, uint64_t *ret_bytes, struct error *error);
/* Replaces the content of an in-memory state by an image read from `fd`, from
 * its start. ERROR_BUSY while a foreign statement is under way; ERROR_CORRUPT if
 * it is no image of a state under this schema. An image made with another SQLite
 * is taken. On failure, BUSY excepted, the state is empty, under `schema`. */
int state_image_read(struct state *state, int fd, uint64_t bytes, const struct schema *schema, struct error *error);

/* Canonical text of the state: tables by name, rows by primary key, one line a
 * row, so that two dumps can be compared byte for byte. `synced_only` leaves
 * client-only tables out. `write` gets whole lines in order; a non-zero answer
 * stops the dump and is returned. The form of a line is told in dump.c. */
int state_dump(struct state *state, bool synced_only, int (*write)(const char *text, size_t n, void *data), void *data,
               struct error *error);

#endif
