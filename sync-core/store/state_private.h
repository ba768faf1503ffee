#ifndef LEADERD_STORE_STATE_PRIVATE_H
#define LEADERD_STORE_STATE_PRIVATE_H

/*
 * What the files behind state.h share: the struct itself, the statements of its
 * own, and the steps that one file does for another. Nothing else includes it,
 * but the tests that measure.
 */

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "store/journal.h"
#include "store/schema.h"
#include "store/state.h"
#include "store/tables.h"
#include "store/undo.h"

/* The statements that every state needs, prepared when first used. */
enum own_statement {
	OWN_BEGIN,
	OWN_BEGIN_READ,
	OWN_COMMIT,
	OWN_ROLLBACK,
	OWN_SAVEPOINT,
	OWN_RELEASE,
	OWN_ROLLBACK_TO,
	OWN_SAVE,
	OWN_LOAD,
	OWN_JOURNAL_ADD,
	OWN_JOURNAL_HEAD,
	OWN_JOURNAL_IMAGES,
	OWN_JOURNAL_CORRECT,
	OWN_JOURNAL_BYTES,
	OWN_JOURNAL_DROP,
	OWN_VOID_ADD,
	OWN_VOID_DROP,
	OWN_N
};

/* The row of leaderd_state, held in memory and written once per commit. */
struct state_row {
	bool complete;
	struct state_head head;
	struct state_head base;  /* of the newest event that undo cannot take back */
	uint64_t journal_next;   /* ordinal of the next journal row; those kept end just below */
	uint64_t journal_events; /* rows kept */
	uint64_t journal_bytes;  /* and their images */
	uint64_t n_voids;
};

struct state {
	sqlite3 *db; /* NULL after a reset of a file that failed half way */
	char *path;  /* NULL: in memory */
	const struct schema *schema;
	bool read_only;

	struct schema_authorizer guard;
	bool app_mode; /* the guard's mode between our own steps */

	bool open;    /* between begin and commit */
	bool changed; /* `row` differs from what is stored */
	struct state_row row;
	struct state_row stored; /* as of the newest commit */

	struct tables tables;
	struct undo undo;
	sqlite3_stmt *own[OWN_N];
	sqlite3_stmt ***materializers; /* by definition and statement; NULL until first used */

	/* From limits.h; here so that a test need not fill a journal of that size. */
	uint64_t journal_events_max;
	uint64_t journal_bytes_max;
	uint64_t statement_looks_max; /* of the progress handler, for one statement */

	struct capture capture;
	uint64_t budget_left; /* looks of the progress handler; */
	bool over_budget;
	uint64_t digests[UNIT_EVENTS_MAX]; /* of the unit under way: told only when all of it succeeded */
	struct bytes lifted[2];            /* arguments of the newest two lifts, each made from the other */
};

#define STATE_FORMAT 1

/* Our own statements run unguarded; the app's only while nothing of ours does. */
void state_enter(struct state *state);
void state_leave(struct state *state);

/* A statement of our own, ready to bind. Borrowed. */
int state_own(struct state *state, enum own_statement which, sqlite3_stmt **ret, struct error *error);
/* Steps a statement that returns no row, and resets it. */
int state_step(struct state *state, sqlite3_stmt *statement, const char *doing, struct error *error);
int state_run(struct state *state, enum own_statement which, const char *doing, struct error *error);

/* Ends the transaction whatever is left of it; memory goes back to what is stored. */
void state_abandon(struct state *state);

/* Finalizes everything that depends on the schema: statements, table facts. */
void state_forget_schema(struct state *state);
/* Reads the facts again, after the tables were made or exchanged. */
int state_learn_schema(struct state *state, struct error *error);

/* Is a statement under way? Between our own steps it can only be the app's. */
bool state_is_busy(struct state *state);

/* state_file.c: what stands in the database. */
int state_connect(struct state *state, struct error *error); /* opens, and sets hook and guard before anything else */
int state_create(struct state *state, struct error *error);  /* the tables and the one row, in a transaction */
/* Reads the one row and learns the schema. ERROR_VERSION: a state of another
 * schema, format or (if told to care) SQLite; ERROR_CORRUPT: no state at all. */
int state_load(struct state *state, bool same_sqlite, struct error *error);
int state_load_row(struct state *state, bool same_sqlite, struct error *error);
int state_save_row(struct state *state, struct error *error);
int state_remove_files(const char *path, struct error *error); /* the side files too */
/* The bytes, from SQLite's allocator (NULL: an empty database), become the
 * content of the in-memory database; they are taken in any case. */
int state_exchange_memory(struct state *state, uint8_t *data, uint64_t bytes, struct error *error);

/* Five columns or parameters from `first` on. The first answers SQLite's code
 * and borrows `head` until the step; the second is false when an id or hash has
 * another length. */
int state_bind_head(sqlite3_stmt *statement, int first, const struct state_head *head);
bool state_column_head(sqlite3_stmt *statement, int first, struct state_head *ret);

/* journal_rows.c: a row for an event that was applied or skipped. `images` NULL:
 * the event cannot be undone, and so none before it. */
int journal_add(struct state *state, const struct state_head *head, const struct bytes *images, struct error *error);

#endif
