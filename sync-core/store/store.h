#ifndef LEADERD_STORE_STORE_H
#define LEADERD_STORE_STORE_H

/*
 * A store: one event log, its schema in force, and the state made from it, in
 * one folder: eventlog.db is the truth, state.db is derived.
 *
 * The two files are never taken for one transaction. Opening reconciles them:
 * a state behind the log is rolled forward; a state of a lower generation may
 * stand on an abandoned branch and is rolled back by its journal to the newest
 * row that equals the log's, then forward; anything unexplained, another
 * fingerprint or a missing completion mark means a rebuild from the log, in
 * batches, interruptible without harm.
 *
 * Lost log: a state whose generation is above the log's, or equal and whose head
 * is not in the log, knows of events that the log does not. The store is then on
 * hold, with both files kept and the missing positions named, until a rebuild
 * with accept_loss.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "model/event.h"
#include "store/eventlog.h"
#include "store/schema.h"
#include "store/state.h"

struct store_options {
	const char *folder; /* exists, mode 0700; eventlog.db and state.db live in it */
	bool create;        /* make the log if absent; then `schema` must be given */
	const char *schema; /* text for a new store, NUL-terminated; NULL: the store must have one */
	const char *schema_label;
	void (*on_change)(int table, void *data); /* as in state_options */
	void *on_change_data;
	/* Progress of a rebuild; answer true to interrupt it (ERROR_BUSY). May be NULL. */
	bool (*on_progress)(uint64_t done, uint64_t all, void *data);
	void *on_progress_data;
};

/* The parts are used directly; the store owns them. */
struct store {
	struct eventlog *log;
	struct schema *schema;
	struct state *state; /* NULL while on hold */
	char *folder;
	struct error hold;            /* code 0: not on hold. CORRUPT for a lost or damaged log */
	struct store_options options; /* strings not kept, callbacks are */
};

/* 0 also for a store that is on hold: look at store->hold. */
int store_open(struct store **ret, const struct store_options *options, struct error *error);
struct store *store_close(struct store *store); /* accepts NULL; returns NULL */

/* Inside the transactions of a rebase, when the log's rows are displaced and the
 * log's head is `to`: undoes everything of the state behind it. What the journal
 * no longer covers is undone by making the state anew, as store_rebuild does;
 * store->state is another one then, in a new transaction. After a negative code
 * no transaction of the state is open, and store->state is NULL if the store went
 * on hold. */
int store_undo(struct store *store, struct position to, struct error *error);

/* Inside a transaction of the state: applies one whole unit that a backend
 * confirmed, before it is appended to the log; the events have their positions
 * and hashes. A unit that does not apply, or that holds an id which stands
 * earlier in the log, is void, as it will be in every replay. A negative code
 * ends the transactions of state and log. */
int store_apply_confirmed(struct store *store, struct event *const *events, size_t n_events, struct error *error);

/* Ends the state's transaction behind the log's: gives its head the log's
 * generation, forgets how to undo up to `trim_to`, commits. After a negative
 * code the state is behind: store_roll_forward. */
int store_commit_state(struct store *store, struct position trim_to, struct error *error);

/* Brings the state to the log's head, as opening does; no transaction is open.
 * Confirmed or not, an event of the log that does not apply is void. HOLD and
 * CORRUPT put the store on hold; after another code it may be called again.
 * store->state may be another one afterwards, or NULL. */
int store_roll_forward(struct store *store, struct error *error);

/* Makes the state anew from the log, outside of transactions; store->state is
 * another one afterwards. With accept_loss a lost log is accepted: the generation
 * moves above the lost state's, and the hold ends. On failure the old state
 * stands, if there was one; only a failure while the files change places puts the
 * store on hold, until this or store_roll_forward is called again. BUSY:
 * interrupted, or a statement is under way on the state. */
int store_rebuild(struct store *store, bool accept_loss, struct error *error);

/* Puts a higher version in force: makes a state under it from the log, installs
 * it in the log, exchanges schema and state (both pointers). 0 also when this very
 * text is in force. CONFLICT: lower version, or same version with other content;
 * SCHEMA; BUSY: interrupted, or a statement is under way on the state; HOLD: the
 * log cannot be replayed under it, or the store is on hold. On failure the old
 * schema and state stand; where the log has the new one already, the store is on
 * hold until store_roll_forward succeeds or it is opened again. */
int store_install_schema(struct store *store, const char *text, const char *label, struct error *error);

/* The rest works on the folder of a store beside a leader that may be running
 * on it; nothing is written there. */
struct store_verification {
	uint64_t events, client_only, refused, voids;
	struct position head, state_head;
};
/* Log: hashes, gaps, parents, units; state: equals a fresh replay (in a
 * temporary file in `scratch_folder`, NULL: in memory) of the log up to the
 * state's head. ERROR_CORRUPT names the position or the first differing row. A
 * state that the next start makes anew or takes back from an abandoned branch is
 * not compared: state_head is root then. */
int store_verify(const char *folder, const char *scratch_folder,
                 void (*on_progress)(const char *phase, uint64_t done, uint64_t all, void *data), void *data,
                 struct store_verification *ret, struct error *error);
/* Replays the log into `file`, which must not exist. */
int store_rebuild_to(const char *folder, const char *file,
                     void (*on_progress)(const char *phase, uint64_t done, uint64_t all, void *data), void *data,
                     struct error *error);
/* The canonical dump of the state as it stands (see state_dump). */
int store_dump(const char *folder, bool synced_only, int (*write)(const char *text, size_t n, void *data), void *data,
               struct error *error);

#endif
