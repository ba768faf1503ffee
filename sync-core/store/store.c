/*
 * A store's life: the log is opened, then the schema in force, then the state,
 * which is reconciled with the log (reconcile.c) or made from it (rebuild.c).
 * What can go wrong with the log itself ends in a hold, not in a failure: the
 * daemon must be able to say why, and to serve its other stores.
 */

#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/must.h"
#include "store/store_private.h"

int store_path(char **ret, const char *folder, const char *name, struct error *error) {
	size_t n = strlen(folder) + strlen(name) + 2;
	char *path = malloc(n);

	if (!path)
		return error_no_memory(error);
	snprintf(path, n, "%s/%s", folder, name);
	*ret = path;
	return 0;
}

int store_load_schema(struct schema **ret, struct eventlog *log, const char *label, struct error *error) {
	struct bytes text = { 0 };
	int r = eventlog_schema(log, &text, NULL, error);

	if (r == 0)
		r = schema_load(ret, (const char *)text.data, text.n, label, error);
	bytes_finish(&text);
	return r;
}

void store_put_on_hold(struct store *store, const struct error *error) {
	must(error->code != 0);
	store->state = state_close(store->state);
	store->hold = *error;
}

static const char *label_of(const struct store_options *options) {
	return options->schema_label ? options->schema_label : "schema";
}

static int load_given_schema(struct store *store, const struct store_options *options, struct error *error) {
	if (!options->schema)
		return error_set(error, ERROR_INVALID, "a new store needs a schema");
	return schema_load(&store->schema, options->schema, strlen(options->schema), label_of(options), error);
}

static int open_log(struct store *store, const struct store_options *options, struct error *error) {
	struct eventlog_options log_options = { .create = options->create };
	char *path = NULL;
	int r = store_path(&path, store->folder, LOG_FILE, error);

	/* A schema that breaks a rule must not leave a log behind. */
	if (r == 0 && options->create && access(path, F_OK) < 0 && errno == ENOENT)
		r = load_given_schema(store, options, error);
	if (r == 0) {
		log_options.path = path;
		r = eventlog_open(&store->log, &log_options, error);
	}
	free(path);
	return r;
}

static int install_first_schema(struct store *store, const struct store_options *options, struct error *error) {
	/* Also behind a crash between the log's creation and its first transaction. */
	int r = store->schema ? 0 : load_given_schema(store, options, error);

	if (r == 0)
		r = eventlog_begin(store->log, error);
	if (r == 0)
		r = eventlog_install_schema(store->log, store->schema->text, store->schema->text_bytes, store->schema->version,
		                            error);
	return r == 0 ? eventlog_commit(store->log, error) : r;
}

static int open_schema(struct store *store, const struct store_options *options, struct error *error) {
	struct schema *in_force = NULL;
	int r = store_load_schema(&in_force, store->log, label_of(options), error);

	if (r == ERROR_NOT_FOUND && options->create)
		return install_first_schema(store, options, error);
	if (r < 0)
		return r;
	schema_destroy(store->schema);
	store->schema = in_force;
	return 0;
}

/* A loss is told as the hold that it is. */
static int check_loss(struct store *store, struct error *error) {
	struct loss loss = { 0 };
	int r = store_find_loss(store, &loss, error);

	return r == 0 && loss.is_lost ? error_set(error, ERROR_CORRUPT, "%s", loss.why.text) : r;
}

static int open_state(struct store *store, struct error *error) {
	bool made = false;
	int r = check_loss(store, error);

	if (r == 0)
		r = store_remove_torn_state(store->folder, error);
	if (r == 0)
		r = store_remove_leftovers(store->folder, error);
	if (r == 0)
		r = store_open_state(store, &made, error);
	if (r < 0 || made)
		return r;
	/* Once more: the first look may have been kept from reading the file. */
	r = check_loss(store, error);
	return r == 0 ? store_reconcile(store, error) : r;
}

static int open_parts(struct store *store, const struct store_options *options, struct error *error) {
	int r = open_log(store, options, error);

	if (r == 0)
		r = open_schema(store, options, error);
	return r == 0 ? open_state(store, error) : r;
}

static bool is_reason_to_hold(int code) {
	return code == ERROR_CORRUPT || code == ERROR_HOLD;
}

int store_open(struct store **ret, const struct store_options *options, struct error *error) {
	struct store *store = calloc(1, sizeof(*store));
	struct error why = { 0 };
	int r;

	if (!store)
		return error_no_memory(error);
	store->options = *options;
	store->options.folder = store->options.schema = store->options.schema_label = NULL;
	store->folder = strdup(options->folder);
	r = store->folder ? open_parts(store, options, &why) : error_no_memory(&why);
	if (is_reason_to_hold(r)) {
		store_put_on_hold(store, &why);
		r = 0;
	}
	if (r < 0) {
		store_close(store);
		return error_set(error, r, "%s", why.text);
	}
	*ret = store;
	return 0;
}

struct store *store_close(struct store *store) {
	if (!store)
		return NULL;
	state_close(store->state);
	schema_destroy(store->schema);
	eventlog_close(store->log);
	free(store->folder);
	free(store);
	return NULL;
}

int store_roll_forward(struct store *store, struct error *error) {
	bool is_held = !store->state && (!store->log || !store->schema || is_reason_to_hold(store->hold.code));
	struct error why = { 0 };
	int r;

	if (is_held)
		return error_set(error, ERROR_HOLD, "the store is on hold: %.400s", store->hold.text);
	/* Without a state, what failed was to put the new one into its place. */
	r = store->state ? store_reconcile(store, &why) : store_make_state(store, NULL, &why);
	if (r == 0)
		return 0;
	if (is_reason_to_hold(r))
		store_put_on_hold(store, &why);
	return error_set(error, r, "%s", why.text);
}
