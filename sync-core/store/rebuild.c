/*
 * Making a state from the log.
 *
 * Where there is no state, it is made in place: without its completion mark it
 * counts for nothing, so a kill at any moment costs the work and no more. Where
 * there is one, a new one is made beside it, in state.db.new, and takes its place
 * only when it is whole: a rebuild that is interrupted, finds the disk full or
 * runs over a step budget leaves the old state in force, and a schema is
 * installed only after it has been shown to replay the whole log.
 *
 * Taking the place: the new file is checkpointed, synced and closed; the old one
 * goes, the database before its write-ahead log (without that log it could look
 * whole and be torn); the folder is synced, so that no old write-ahead log can
 * stand beside a new database after a power cut; the new file is renamed; the
 * folder is synced again. A kill in between leaves no state, and the next open
 * makes one.
 */

#include "store/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/database.h"

/* -- Files -- */

int store_remove_database(const char *path, struct error *error) {
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
	size_t n = strlen(path) + sizeof("-journal");
	char *file = malloc(n);
	int r = 0;

	if (!file)
		return error_no_memory(error);
	for (size_t i = 0; r == 0 && i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		snprintf(file, n, "%s%s", path, suffixes[i]);
		if (unlink(file) < 0 && errno != ENOENT)
			r = error_set(error, errno == EACCES || errno == EPERM ? ERROR_PERMISSION : ERROR_IO,
			              "cannot remove %.200s: %s", file, strerror(errno));
	}
	free(file);
	return r;
}

int store_remove_leftovers(const char *folder, struct error *error) {
	char *path = NULL;
	int r = store_path(&path, folder, NEW_STATE_FILE, error);

	if (r == 0)
		r = store_remove_database(path, error);
	free(path);
	return r;
}

static int sync_folder(const char *folder, struct error *error) {
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 || fsync(fd) < 0
	            ? error_set(error, ERROR_IO, "cannot sync the folder %.200s: %s", folder, strerror(errno))
	            : 0;

	if (fd >= 0)
		close(fd);
	return r;
}

static int move_into_place(const char *folder, const char *from, const char *to, struct error *error) {
	int r = store_remove_database(to, error);

	if (r == 0)
		r = sync_folder(folder, error);
	if (r == 0 && rename(from, to) < 0)
		r = error_set(error, ERROR_IO, "cannot rename %.200s: %s", from, strerror(errno));
	return r == 0 ? sync_folder(folder, error) : r;
}

/* -- Making -- */

static int fill(struct store *store, struct state *state, const uint64_t *generation, struct error *error) {
	struct eventlog_status status;
	struct advance advance = {
		.generation = generation,
		.log = store->log,
		.state = state,
		.on_progress = store->options.on_progress,
		.on_progress_data = store->options.on_progress_data,
	};

	eventlog_status(store->log, &status);
	advance.until = status.head;
	advance.all = status.n_events;
	return advance_state(&advance, error);
}

int store_open_state(struct store *store, bool *ret_made, struct error *error) {
	struct state_options options = {
		.schema = store->schema,
		.on_change = store->options.on_change,
		.on_change_data = store->options.on_change_data,
	};
	struct state *state = NULL;
	char *path = NULL;
	bool made;
	int r = store_path(&path, store->folder, STATE_FILE, error);

	if (r == 0) {
		options.path = path;
		r = state_open(&state, &options, error);
	}
	free(path);
	made = r == STATE_REBUILD;
	if (made)
		r = fill(store, state, NULL, error);
	if (r < 0) {
		state_close(state);
		return r;
	}
	store->state = state;
	*ret_made = made;
	return 0;
}

int store_settle_file(struct state *state, struct error *error) {
	sqlite3 *db = state_database(state);
	int rc = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);

	return rc == SQLITE_OK ? 0 : database_error(db, rc, "settle the new state", error);
}

struct exchange {
	const struct schema *schema; /* of the new state */
	const uint64_t *generation;  /* NULL: the log's */
	char *from, *to;
};

static void exchange_finish(struct exchange *exchange) {
	free(exchange->from);
	free(exchange->to);
}

static int make_file(struct store *store, const struct exchange *exchange, struct error *error) {
	const struct state_options options = { .path = exchange->from, .schema = exchange->schema };
	struct state *state = NULL;
	int r = store_remove_database(exchange->from, error);

	if (r == 0)
		r = state_open(&state, &options, error);
	if (r >= 0)
		r = fill(store, state, exchange->generation, error);
	if (r == 0)
		r = store_settle_file(state, error);
	state_close(state);
	if (r < 0)
		store_remove_database(exchange->from, NULL);
	return r;
}

static bool is_busy(struct store *store) {
	sqlite3 *db = store->state ? state_database(store->state) : NULL;

	for (sqlite3_stmt *statement = NULL; db && (statement = sqlite3_next_stmt(db, statement));)
		if (sqlite3_stmt_busy(statement))
			return true;
	return false;
}

static int exchange_prepare(struct exchange *exchange, struct store *store, struct error *error) {
	int r = is_busy(store) ? error_set(error, ERROR_BUSY, "a statement is under way on the state") : 0;

	if (r == 0)
		r = store_path(&exchange->from, store->folder, NEW_STATE_FILE, error);
	if (r == 0)
		r = store_path(&exchange->to, store->folder, STATE_FILE, error);
	return r == 0 ? make_file(store, exchange, error) : r;
}

/* The point of no return is behind us: a failure holds the store, and the next
 * open makes the state. */
static int exchange_complete(struct exchange *exchange, struct store *store, struct error *error) {
	struct error why = { 0 };
	bool made;
	int r;

	store->state = state_close(store->state);
	r = move_into_place(store->folder, exchange->from, exchange->to, &why);
	if (r == 0)
		r = store_open_state(store, &made, &why);
	if (r < 0) {
		store_put_on_hold(store, &why);
		return error_set(error, r, "%s", why.text);
	}
	store->hold = (struct error){ 0 };
	return 0;
}

int store_make_state(struct store *store, const uint64_t *generation, struct error *error) {
	struct exchange exchange = { .schema = store->schema, .generation = generation };
	int r = exchange_prepare(&exchange, store, error);

	if (r == 0)
		r = exchange_complete(&exchange, store, error);
	exchange_finish(&exchange);
	return r;
}

/* -- Rebuilding on request -- */

/* A number that no leader reaches is damage and no generation to pass. */
#define GENERATION_GAP_MAX (UINT64_C(1) << 24)

static int raise_generation(struct store *store, uint64_t above, struct error *error) {
	struct eventlog_status status;
	int r = eventlog_begin(store->log, error);

	eventlog_status(store->log, &status);
	if (r == 0 && above - status.generation > GENERATION_GAP_MAX)
		above = status.generation;
	while (r == 0 && status.generation <= above) {
		r = eventlog_bump_generation(store->log, error);
		eventlog_status(store->log, &status);
	}
	return r == 0 ? eventlog_commit(store->log, error) : r;
}

int store_rebuild(struct store *store, bool accept_loss, struct error *error) {
	struct loss loss = { 0 };
	int r = 0;

	if (!store->log || !store->schema)
		return error_set(error, store->hold.code, "%s", store->hold.text);
	if (!store->state)
		r = store_find_loss(store, &loss, error);
	if (r == 0 && loss.is_lost && !accept_loss)
		r = error_set(error, ERROR_CORRUPT, "%s", loss.why.text);
	/* First, so that no session ever meets an old generation with new events. */
	if (r == 0 && loss.is_lost)
		r = raise_generation(store, loss.generation, error);
	return r == 0 ? store_make_state(store, NULL, error) : r;
}

/* -- Another schema -- */

/* 1: it is in force. */
static int check_upgrade(const struct schema *old, const struct schema *new, struct error *error) {
	if (hash_equal(&old->fingerprint, &new->fingerprint))
		return 1;
	if (new->version == old->version)
		return error_set(error, ERROR_CONFLICT, "version %u of the schema is in force with another text", new->version);
	if (new->version < old->version)
		return error_set(error, ERROR_CONFLICT, "version %u of the schema is lower than %u, which is in force",
		                 new->version, old->version);
	return 0;
}

static int install_in_log(struct store *store, const struct schema *schema, struct error *error) {
	int r = eventlog_begin(store->log, error);

	if (r == 0)
		r = eventlog_install_schema(store->log, schema->text, schema->text_bytes, schema->version, error);
	return r == 0 ? eventlog_commit(store->log, error) : r;
}

/* Takes `schema` on success, and when the log has it but the state failed. */
static int install(struct store *store, struct schema *schema, bool *ret_taken, struct error *error) {
	struct exchange exchange = { .schema = schema };
	int r = exchange_prepare(&exchange, store, error);

	if (r == 0) {
		r = install_in_log(store, schema, error);
		if (r < 0)
			store_remove_database(exchange.from, NULL);
	}
	if (r == 0) {
		store->state = state_close(store->state);
		schema_destroy(store->schema);
		store->schema = schema;
		*ret_taken = true;
		r = exchange_complete(&exchange, store, error);
	}
	exchange_finish(&exchange);
	return r;
}

int store_install_schema(struct store *store, const char *text, const char *label, struct error *error) {
	struct schema *schema = NULL;
	bool taken = false;
	int r;

	/* Another schema can end a hold for a statement that takes too many steps,
	 * but none for what is wrong with the log. */
	if (!store->log || !store->schema || (!store->state && store->hold.code != ERROR_HOLD))
		return error_set(error, ERROR_HOLD, "the store is on hold: %.400s", store->hold.text);
	r = schema_load(&schema, text, strlen(text), label ? label : "schema", error);
	if (r < 0)
		return r;
	r = check_upgrade(store->schema, schema, error);
	if (r == 0)
		r = install(store, schema, &taken, error);
	if (!taken)
		schema_destroy(schema);
	return r < 0 ? r : 0;
}
