/* A leader: what it tells, its trouble, its life; see leader.h. */

#include "leaderd/src/leader.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/must.h"
#include "leaderd/src/chores.h"
#include "leaderd/src/peer.h"
#include "leaderd/src/perform_upstream.h"
#include "leaderd/src/upstream.h"

void leader_set_timer(struct event *timer, uint64_t ms) {
	const struct timeval delay = { .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000) };

	event_add(timer, &delay);
}

/* ---- what may be known of the log --------------------------------------------------- */

static void take_final(struct leader *leader) {
	struct error error = { 0 };

	leader->final = leader->told.has_backend ? leader->told.upstream_head : leader->told.head;
	leader->final_local_hash = leader->told.local_hash;
	if (leader->told.has_backend &&
	    eventlog_local_hash(leader->store->log, leader->final, &leader->final_local_hash, &error) < 0) {
		log_error("store=%s the row at the backend's head cannot be read: %s", leader->name, error.text);
		leader->final = POSITION_ROOT;
	}
}

static void refresh_told(struct leader *leader) {
	if (!leader->store->log)
		return;
	eventlog_status(leader->store->log, &leader->told);
	leader->log_serial++;
	take_final(leader);
}

void leader_heads(struct leader *leader, Leaderd__Heads *ret) {
	const struct eventlog_status *told = &leader->told;

	ret->log_global = told->head.global;
	ret->log_client = told->head.client;
	ret->backend_global = told->upstream_head.global;
	ret->backend_client = told->upstream_head.client;
	ret->final_global = leader->final.global;
	ret->final_client = leader->final.client;
	ret->generation = told->generation;
	ret->has_backend = told->has_backend;
	ret->trouble = leader->trouble.text;
	ret->trouble_code = leader->trouble.code;
	if (!position_is_root(leader->final)) {
		ret->final_local_hash.data = leader->final_local_hash.bytes;
		ret->final_local_hash.len = sizeof(leader->final_local_hash.bytes);
	}
}

void leader_wake(struct leader *leader) {
	if (leader->retired)
		return;
	leader->restless = true;
	daemon_wake(leader->daemon);
}

static void heads_changed(struct leader *leader) {
	struct leader_session *session;

	LIST_FOREACH(session, &leader->sessions, link)
		session->feed.heads_changed = true;
	leader_wake(leader);
	daemon_status_changed(leader->daemon);
}

void leader_refresh(struct leader *leader) {
	refresh_told(leader);
	heads_changed(leader);
}

/* ---- trouble ------------------------------------------------------------------------ */

bool leader_trouble_passes(const struct error *trouble) {
	switch (trouble->code) {
	case ERROR_FULL:
	case ERROR_IO:
	case ERROR_NO_MEMORY:
	case ERROR_BUSY:
		return true;
	default:
		return false;
	}
}

bool leader_is_ready(struct leader *leader, struct error *why) {
	if (leader->trouble.code != 0)
		error_set(why, leader->trouble.code, "%s", leader->trouble.text);
	else if (leader->machine.state != LEADER_IDLE)
		error_set(why, ERROR_BUSY, "the leader of store %s is %s", leader->name,
		          leader_state_name(leader->machine.state));
	return leader->trouble.code == 0 && leader->machine.state == LEADER_IDLE;
}

void leader_set_trouble(struct leader *leader, const struct error *why) {
	bool changed = leader->trouble.code != why->code || strcmp(leader->trouble.text, why->text) != 0;

	leader->trouble = *why;
	if (leader->machine.state != LEADER_STOPPED && leader_trouble_passes(why))
		leader_set_timer(leader->retry, LEADER_RETRY_MS);
	if (!changed)
		return;
	log_error("store=%s cannot write: %s", leader->name, why->text);
	heads_changed(leader);
}

void leader_clear_trouble(struct leader *leader) {
	if (leader->trouble.code == 0)
		return;
	log_notice("store=%s can write again", leader->name);
	leader->trouble = (struct error){ 0 };
	leader->resumes = true;
	event_del(leader->retry);
	heads_changed(leader);
}

/* ---- telling ------------------------------------------------------------------------- */

static void tell_rebase(struct leader *leader, struct position to) {
	struct leader_session *session;
	struct follow *follow;

	LIST_FOREACH(session, &leader->sessions, link)
		if (session->welcomed)
			feed_rebased(&session->feed, to, leader->told.head);
	LIST_FOREACH(follow, &leader->follows, of_leader)
		follow_rebased(follow, to);
	image_cache_drop(&leader->image);
}

void leader_told(struct leader *leader, bool rebased, struct position to) {
	struct eventlog_status before = leader->told;

	refresh_told(leader);
	leader->group_commits++;
	group_settle(leader);
	if (rebased)
		tell_rebase(leader, to);
	if (!position_equal(before.upstream_head, leader->told.upstream_head) ||
	    before.generation != leader->told.generation)
		heads_changed(leader);
	leader_clear_trouble(leader);
	leader_wake(leader);
	upstream_log_moved(leader->upstream);
	daemon_status_changed(leader->daemon);
}

/* ---- schema and rebuild ------------------------------------------------------------------ */

static void start_machine(struct leader *leader) {
	const struct leader_start start = {
		.head = leader->told.head,
		.upstream_head = leader->told.upstream_head,
		.generation = leader->told.generation,
		.has_backend = leader->told.has_backend,
	};

	leader_machine_finish(&leader->machine);
	leader_machine_init(&leader->machine, &start);
}

void leader_forget_staged(struct leader *leader) {
	leader_flush(leader);
	if (leader->machine.state != LEADER_IDLE || !leader->machine.staged.active)
		return;
	start_machine(leader);
	perform_drop_staged(leader);
}

static void resync_sessions(struct leader *leader, const char *reason) {
	struct leader_session *session;

	image_cache_drop(&leader->image);
	LIST_FOREACH(session, &leader->sessions, link)
		if (session->welcomed)
			leader_hello_again(session, reason);
}

/* Trouble that only its user could end may be over. */
static void try_again(struct leader *leader) {
	if (leader->trouble.code == 0)
		return;
	leader->trouble.code = ERROR_BUSY;
	leader_retry(leader);
}

int leader_install_schema(struct leader *leader, const char *text, struct error *error) {
	struct store *store = leader->store;
	struct hash before;

	leader_flush(leader);
	if (store->hold.code != 0)
		return error_set(error, store->hold.code, "%s", store->hold.text);
	/* Units under way are settled under the schema that they were pushed under;
	 * only one that this schema cannot materialize at all waits for another. */
	if (leader->trouble.code != 0 && leader->trouble.code != ERROR_HOLD)
		return error_set(error, leader->trouble.code, "%s", leader->trouble.text);
	before = store->schema->fingerprint;
	int r = store_install_schema(store, text, "schema", error);
	leader_watch_state(leader);
	if (store->hold.code != 0)
		leader_set_trouble(leader, &store->hold);
	if (r < 0 || hash_equal(&before, &store->schema->fingerprint))
		return r;
	log_notice("store=%s schema version %u is in force", leader->name, store->schema->version);
	refresh_told(leader);
	resync_sessions(leader, "a new schema is in force");
	try_again(leader);
	daemon_status_changed(leader->daemon);
	return 0;
}

int leader_rebuild(struct leader *leader, bool accept_loss, struct error *error) {
	struct leader_session *session;
	bool was_held = leader->store->hold.code != 0;

	leader_flush(leader);
	if (leader->machine.state == LEADER_STOPPED)
		return error_set(error, leader->trouble.code, "%s", leader->trouble.text);
	int r = store_rebuild(leader->store, accept_loss, error);
	leader_watch_state(leader);
	if (r < 0)
		return r;
	log_notice("store=%s the state was made anew", leader->name);
	refresh_told(leader);
	if (was_held) {
		start_machine(leader);
		leader->group.next = STAILQ_FIRST(&leader->group.units);
	}
	LIST_FOREACH(session, &leader->sessions, link)
		session->needs_image = true;
	resync_sessions(leader, "the state was made anew");
	try_again(leader);
	if (was_held)
		upstream_configure(leader->upstream);
	daemon_status_changed(leader->daemon);
	return 0;
}

/* ---- life ------------------------------------------------------------------------------------------ */

static void on_flush(evutil_socket_t fd, short what, void *data) {
	leader_flush(data);
}

static void on_retry(evutil_socket_t fd, short what, void *data) {
	leader_retry(data);
}

static int allocate(struct leader *leader, const struct leader_options *options, struct error *error) {
	struct event_base *base = options->daemon->base;

	leader->daemon = options->daemon;
	strncpy(leader->name, options->name, sizeof(leader->name) - 1);
	leader->folder = strdup(options->folder);
	LIST_INIT(&leader->sessions);
	LIST_INIT(&leader->follows);
	STAILQ_INIT(&leader->group.units);
	image_cache_init(&leader->image);
	leader->flush = event_new(base, -1, 0, on_flush, leader);
	leader->retry = evtimer_new(base, on_retry, leader);
	leader->chores = evtimer_new(base, chores_run, leader);
	return leader->folder && leader->flush && leader->retry && leader->chores ? 0 : error_no_memory(error);
}

/* What an earlier life had staged is pulled afresh. */
static int drop_old_staged(struct leader *leader, struct error *error) {
	uint64_t n = 0;
	int r = leader->store->hold.code == 0 ? eventlog_staged_count(leader->store->log, &n, error) : 0;

	if (r == 0 && n > 0)
		perform_drop_staged(leader);
	return r;
}

int leader_open(struct leader **ret, const struct leader_options *options, struct error *error) {
	const struct store_options store = { .folder = options->folder };
	struct leader *leader = calloc(1, sizeof(*leader));
	int r;

	if (!leader)
		return error_no_memory(error);
	r = allocate(leader, options, error);
	if (r == 0)
		r = store_open(&leader->store, &store, error);
	if (r < 0) {
		leader_close(leader);
		return r;
	}
	refresh_told(leader);
	start_machine(leader);
	leader_watch_state(leader);
	leader->trouble = leader->store->hold;
	if (leader->trouble.code != 0)
		log_error("store=%s on hold: %s", leader->name, leader->trouble.text);
	r = drop_old_staged(leader, error);
	if (r == 0)
		r = upstream_create(&leader->upstream, leader, error);
	if (r < 0) {
		leader_close(leader);
		return r;
	}
	upstream_open(leader->upstream);
	*ret = leader;
	return 0;
}

void leader_retire(struct leader *leader, const struct error *why) {
	struct leader_session *session;
	struct follow *follow, *next;

	LIST_REMOVE(leader, link);
	LIST_INSERT_HEAD(&leader->daemon->retired, leader, link);
	LIST_FOREACH_SAFE(follow, &leader->follows, of_leader, next)
		follow_fail(follow, why);
	LIST_FOREACH(session, &leader->sessions, link)
		peer_fail(session->peer, why);
	leader->retired = true;
	upstream_retire(leader->upstream, why);
	leader->restless = leader->resumes = false;
	leader->store = store_close(leader->store);
	daemon_reap_soon(leader->daemon);
}

static void free_event(struct event *event) {
	if (event)
		event_free(event);
}

struct leader *leader_close(struct leader *leader) {
	struct unit *unit;

	if (!leader)
		return NULL;
	must(LIST_EMPTY(&leader->sessions) && LIST_EMPTY(&leader->follows));
	while ((unit = STAILQ_FIRST(&leader->group.units))) {
		STAILQ_REMOVE_HEAD(&leader->group.units, link);
		unit_destroy(unit);
	}
	leader->upstream = upstream_destroy(leader->upstream);
	free_event(leader->flush);
	free_event(leader->retry);
	free_event(leader->chores);
	step_finish(&leader->step);
	leader_machine_finish(&leader->machine);
	image_cache_drop(&leader->image);
	store_close(leader->store);
	free(leader->folder);
	free(leader);
	return NULL;
}
