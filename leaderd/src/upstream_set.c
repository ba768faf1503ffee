/*
 * What the user wants of a store's backend; see upstream.h. The file `backend` is
 * the authority and is written first; has_backend in the log follows it, at the
 * latest when the store is opened again.
 */

#include "leaderd/src/upstream.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "leaderd/src/leader.h"

/* No transaction is open, and one can be made. */
static int check_may_write(struct leader *leader, struct error *error) {
	leader_flush(leader);
	if (leader->store->hold.code != 0)
		return error_set(error, leader->store->hold.code, "%s", leader->store->hold.text);
	return leader_is_ready(leader, error) ? 0 : error->code;
}

/* ---- in the log ----------------------------------------------------------------------- */

static int end_transaction(struct leader *leader, int r, struct error *error) {
	if (r == 0)
		r = eventlog_commit(leader->store->log, error);
	if (r < 0)
		eventlog_rollback(leader->store->log);
	else
		leader_refresh(leader);
	return r;
}

int upstream_keep_lineage(struct upstream *upstream, const struct upstream_opened *opened, struct error *error) {
	struct leader *leader = upstream->leader;
	const struct eventlog_status *told = &leader->told;
	int r = check_may_write(leader, error);

	if (r < 0)
		return r;
	if (told->epoch == opened->epoch && memcmp(told->lineage, opened->lineage, sizeof(told->lineage)) == 0)
		return 0;
	r = eventlog_begin(leader->store->log, error);
	if (r < 0)
		return r;
	return end_transaction(leader, eventlog_set_lineage(leader->store->log, opened->lineage, opened->epoch, error),
	                       error);
}

/* Another backend finds nothing by the cursor of the old one. */
static int forget_cursor(struct leader *leader, struct error *error) {
	struct eventlog_status status;

	eventlog_status(leader->store->log, &status);
	return eventlog_set_upstream(leader->store->log, status.upstream_head, &status.upstream_chain_hash, NULL, 0, error);
}

static int write_log(struct leader *leader, bool has_backend, bool another, struct error *error) {
	int r = eventlog_begin(leader->store->log, error);

	if (r < 0)
		return r;
	r = eventlog_set_has_backend(leader->store->log, has_backend, error);
	if (r == 0 && another)
		r = forget_cursor(leader, error);
	r = end_transaction(leader, r, error);
	if (r < 0)
		return r;
	r = perform(leader, &(struct leader_input){ .kind = LEADER_BACKEND, .has_backend = has_backend }, error);
	return r > 0 ? error_set(error, ERROR_BUSY, "the leader of store %s is at work", leader->name) : r;
}

/* ---- the file --------------------------------------------------------------------------- */

static int copy_backend(struct backend *ret, const struct backend *from, struct error *error) {
	*ret = *from;
	ret->url = from->url ? strdup(from->url) : NULL;
	ret->repaired = from->repaired ? strdup(from->repaired) : NULL;
	if ((from->url && !ret->url) || (from->repaired && !ret->repaired)) {
		backend_finish(ret);
		return error_no_memory(error);
	}
	return 0;
}

/* Writes it and makes it the one in force; the strings stay the caller's. */
static int put_in_force(struct upstream *upstream, const struct backend *backend, struct error *error) {
	struct backend copy;
	int r = copy_backend(&copy, backend, error);

	if (r == 0)
		r = backend_save(&copy, upstream->leader->folder, error);
	if (r < 0) {
		backend_finish(&copy);
		return r;
	}
	backend_finish(&upstream->backend);
	upstream->backend = copy;
	daemon_status_changed(upstream->leader->daemon);
	return 0;
}

static int need_backend(const struct upstream *upstream, struct error *error) {
	if (!upstream->backend.url)
		return error_set(error, ERROR_NO_BACKEND, "store %s has no backend", upstream->leader->name);
	if (upstream->errand.kind != ERRAND_NONE)
		return error_set(error, ERROR_BUSY, "store %s is %s", upstream->leader->name,
		                 errand_name(upstream->errand.kind));
	return 0;
}

/* A crash between the two writes, or a file that was taken away. */
static int agree(struct upstream *upstream, struct error *error) {
	struct leader *leader = upstream->leader;
	bool has_backend = upstream->backend.url != NULL;

	if (leader->store->hold.code != 0 || leader->told.has_backend == has_backend)
		return 0;
	return write_log(leader, has_backend, true, error);
}

void upstream_open(struct upstream *upstream) {
	struct error why;
	int r = backend_load(&upstream->backend, upstream->leader->folder, &why);

	if (r == 0)
		r = agree(upstream, &why);
	if (r < 0)
		upstream_set_trouble(upstream, &why);
	upstream_configure(upstream);
}

/* ---- what the user may want ----------------------------------------------------------------- */

int upstream_check_backend(const char *url, struct error *error) {
	char scheme[BACKEND_SCHEME_BYTES_MAX + 1];
	char *path = NULL;
	int r = backend_check_url(url, error);

	if (r < 0)
		return r;
	backend_scheme(scheme, url);
	r = adapter_process_find(&path, scheme, error);
	free(path);
	return r;
}

/* Off, so that nothing goes on with what the old one said. */
static void switch_off(struct upstream *upstream) {
	static const struct error none = { 0 };

	upstream_give(upstream, &(struct upstream_input){ .kind = UPSTREAM_CONFIGURE });
	upstream->limits = (struct upstream_limits){ 0 };
	upstream->trouble = none;
	leader_forget_staged(upstream->leader);
}

int upstream_set_backend(struct upstream *upstream, const char *url, struct error *error) {
	struct backend backend = { .url = (char *)url };
	bool another = url && (!upstream->backend.url || strcmp(url, upstream->backend.url) != 0);
	int r = url ? upstream_check_backend(url, error) : 0;

	if (r == 0 && upstream->errand.kind != ERRAND_NONE)
		r = need_backend(upstream, error);
	if (r == 0)
		r = check_may_write(upstream->leader, error);
	if (r < 0)
		return r;
	switch_off(upstream);
	r = put_in_force(upstream, &backend, error);
	if (r == 0)
		r = write_log(upstream->leader, url != NULL, another, error);
	if (r == 0)
		log_notice("store=%s backend: %s", upstream->leader->name, url ? url : "none");
	upstream_configure(upstream);
	return r;
}

int upstream_set_offline(struct upstream *upstream, bool push_only, struct error *error) {
	struct backend backend = upstream->backend;
	int r = need_backend(upstream, error);

	backend.offline = !push_only;
	backend.push_only = push_only;
	if (r == 0)
		r = put_in_force(upstream, &backend, error);
	if (r == 0)
		upstream_configure(upstream);
	return r;
}

int upstream_set_online(struct upstream *upstream, struct error *error) {
	struct backend backend = { .url = upstream->backend.url };
	int r = need_backend(upstream, error);

	if (r == 0)
		r = put_in_force(upstream, &backend, error);
	if (r == 0)
		upstream_configure(upstream);
	return r;
}

int upstream_set_repaired(struct upstream *upstream, const char *what, struct error *error) {
	struct backend backend = upstream->backend;

	backend.repaired = (char *)what;
	return put_in_force(upstream, &backend, error);
}
