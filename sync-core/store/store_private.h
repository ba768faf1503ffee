#ifndef LEADERD_STORE_STORE_PRIVATE_H
#define LEADERD_STORE_STORE_PRIVATE_H

/*
 * What the files behind store.h share: the log read as whole units, a state
 * brought forward by them, and the steps that one file does for another.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/eventlog.h"
#include "store/state.h"
#include "store/store.h"

#define LOG_FILE "eventlog.db"
#define STATE_FILE "state.db"
#define NEW_STATE_FILE "state.db.new" /* a state under construction, which will replace the old one */

/* -- replay.c -- */

/* Reads the log from behind `after` up to `until`, in pages, and proves each
 * link on the way, so that a rebase by another process is noticed. */
struct replay;
int replay_open(struct replay **ret, struct eventlog *log, struct position after, struct position until,
                struct error *error);
struct replay *replay_close(struct replay *replay); /* accepts NULL; returns NULL */
/* The next unit, as much of it as stands side by side; *ret_n is 0 at the end.
 * Borrowed until the next call. */
int replay_next(struct replay *replay, struct event *const **ret, size_t *ret_n, struct error *error);

struct advance {
	struct eventlog *log;
	struct state *state;
	struct position until;                                        /* in the log, at or behind the state's head */
	bool (*on_progress)(uint64_t done, uint64_t all, void *data); /* true interrupts: ERROR_BUSY. May be NULL */
	void *on_progress_data;
	uint64_t done, all;         /* events */
	uint64_t n_client_only;     /* among those done */
	const uint64_t *generation; /* NULL: the log's. What the state's head is to say */
	bool log_failed;            /* out: a negative code came from the log, not from the state */
};
/* Brings the state from its head up to `until`, in transactions of
 * REBUILD_BATCH_EVENTS, then marks it complete. What was committed stays. */
int advance_state(struct advance *advance, struct error *error);

/* -- store.c -- */

/* "<folder>/<name>", which the caller frees. */
int store_path(char **ret, const char *folder, const char *name, struct error *error);
/* The schema in force. ERROR_NOT_FOUND before the first. The caller owns *ret. */
int store_load_schema(struct schema **ret, struct eventlog *log, const char *label, struct error *error);
/* Lets go of the state and holds the store for the reason in `error`. */
void store_put_on_hold(struct store *store, const struct error *error);

/* -- reconcile.c -- */

struct loss {
	bool is_lost;
	uint64_t generation; /* of the state that knows more than the log */
	struct error why;
};
/* Looks, without touching it, whether the state file knows events that the log
 * does not. */
int store_find_loss(struct store *store, struct loss *ret, struct error *error);
/* Removes a state file that has lost its end. */
int store_remove_torn_state(const char *folder, struct error *error);
/* Takes an open, complete state to the log's head, by journal and log, or makes
 * it anew. ERROR_CORRUPT and ERROR_HOLD: no state can be made of this log now. */
int store_reconcile(struct store *store, struct error *error);

/* -- rebuild.c -- */

/* Opens the state file, or makes it from the log where there is none to use.
 * *ret_made tells which. */
int store_open_state(struct store *store, bool *ret_made, struct error *error);
/* Makes a state from the log beside the old one, then puts it in its place. Its
 * head says `generation`; NULL: the log's. */
int store_make_state(struct store *store, const uint64_t *generation, struct error *error);
/* Moves everything from a state's write-ahead log into its synced database file. */
int store_settle_file(struct state *state, struct error *error);
/* What an interrupted run left behind. */
int store_remove_leftovers(const char *folder, struct error *error);
/* Removes a database with its side files; absent ones are fine. */
int store_remove_database(const char *path, struct error *error);

/* -- compare.c -- */

/* 0, or ERROR_CORRUPT naming the first row in which `state` differs from `replayed`. */
int store_compare_states(struct state *state, struct state *replayed, const struct schema *schema, struct error *error);

#endif
