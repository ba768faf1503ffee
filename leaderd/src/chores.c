/* Chores; see chores.h. */

#include "leaderd/src/chores.h"

#include "base/log.h"
#include "leaderd/src/leader.h"

static int on_state_wal(void *data, sqlite3 *db, const char *name, int n_pages) {
	((struct leader *)data)->state_wal_pages = n_pages;
	return SQLITE_OK;
}

/* Checkpoints are made between commits, not inside of one; a new state has a new connection. */
void leader_watch_state(struct leader *leader) {
	leader->state_wal_pages = 0;
	if (leader->store->state)
		sqlite3_wal_hook(state_database(leader->store->state), on_state_wal, leader);
}

void chores_mark_refusals(struct leader *leader) {
	struct leader_session *session;
	struct eventlog *log = leader->store->log;
	struct error error = { 0 };
	int r = eventlog_begin(log, &error);

	LIST_FOREACH(session, &leader->sessions, link)
		if (r == 0 && session->refused_seen > session->refused_marked)
			r = eventlog_mark_reported(log, session->id, session->refused_seen, &error);
	if (r == 0)
		r = eventlog_commit(log, &error);
	if (r < 0) {
		eventlog_rollback(log);
		log_warning("store=%s refusals that were reported could not be marked: %s", leader->name, error.text);
		return;
	}
	LIST_FOREACH(session, &leader->sessions, link)
		session->refused_marked = session->refused_seen;
	leader->marks_refusals = false;
}

static bool wal_is_long(const struct leader *leader) {
	return eventlog_wal_pages(leader->store->log) > (int)CHECKPOINT_PAGES ||
	       leader->state_wal_pages > (int)CHECKPOINT_PAGES;
}

static void checkpoint(struct leader *leader) {
	struct error error = { 0 };

	if (eventlog_checkpoint(leader->store->log, &error) < 0)
		log_warning("store=%s %s", leader->name, error.text);
	leader->state_wal_pages = 0;
	if (sqlite3_wal_checkpoint_v2(state_database(leader->store->state), NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) !=
	    SQLITE_OK)
		log_warning("store=%s the state's write-ahead log could not be checkpointed", leader->name);
}

bool chores_can_write(const struct leader *leader) {
	return !leader->retired && leader->trouble.code == 0 && leader->machine.state == LEADER_IDLE;
}

void chores_run(evutil_socket_t fd, short what, void *data) {
	struct leader *leader = data;

	leader_flush(leader);
	if (!chores_can_write(leader))
		return;
	if (leader->marks_refusals)
		chores_mark_refusals(leader);
	if (wal_is_long(leader))
		checkpoint(leader);
}

/* Marks wait for a while: a group commit may take them along. */
void chores_plan(struct leader *leader) {
	if (!chores_can_write(leader) || event_pending(leader->chores, EV_TIMEOUT, NULL))
		return;
	if (wal_is_long(leader))
		leader_set_timer(leader->chores, 0);
	else if (leader->marks_refusals)
		leader_set_timer(leader->chores, LEADER_RETRY_MS);
}
