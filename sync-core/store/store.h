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
#include "store/eventlog.h"
#include "store/schema.h"
#include "store/state.h"

struct store_options {
	const char *folder;       /* exists, mode 0700; eventlog.db and state.db live in it */
	bool create;              /* make the log if absent; then `schema` must be given */
	const char *schema;       /* text for a new store, NUL-terminated; NULL: the store must have one */
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
	struct state *state;      /* NULL while on hold */
	char *folder;
	struct error hold;        /* code 0: not on hold. CORRUPT for a lost or damaged log */
	struct store_options options; /* strings not kept, callbacks are */
};

/* 0 also for a store that is on hold: look at store->hold. */
int store_open(struct store **ret, const struct store_options *options, struct error *error);
struct store *store_close(struct store *store); /* accepts NULL; returns NULL */

/* Brings the state up to the log's head, event by event; confirmed or not, an
 * event of the log that does not apply is void. */
int store_roll_forward(struct store *store, struct error *error);

/* Makes the state anew from the log. With accept_loss a lost log is accepted:
 * the generation moves above the lost state's, and the hold ends. */
int store_rebuild(struct store *store, bool accept_loss, struct error *error);

/* Puts a higher version in force and rebuilds the state. 0 also when this very
 * text is in force. CONFLICT: lower version, or same version with other content;
 * SCHEMA. On failure the old schema and state stand. */
int store_install_schema(struct store *store, const char *text, const char *label, struct error *error);

/* The rest works on the folder of a store beside a leader that may be running
 * on it; nothing is written there. */
struct store_verification {
	uint64_t events, client_only, refused, voids;
	struct position head, state_head;
};
/* Log: hashes, gaps, parents, units; state: equals a fresh replay (in a
 * temporary file beside `scratch_folder`, NULL: in memory) of the log up to the
 * state's head. ERROR_CORRUPT names the position or the first differing row. */
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
