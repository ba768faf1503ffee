#ifndef LEADERD_LEADER_H
#define LEADERD_LEADER_H

/*
 * A leader: one store, its machine, the sessions that are attached to it, and
 * the group of units under way.
 *
 * Pushes are taken in the order of arrival into a group, one transaction and one
 * sync. Nothing of it is told before LEADER_TELL. Whoever reads the log for
 * others flushes the group first (leader_flush), so nobody ever reads rows that
 * could still be taken back; `told` is the log as others may know it.
 *
 * When the environment fails (disk full), the step is abandoned: its units stay
 * in the group, `trouble` says why to every session, pushing peers are not read
 * from any more, and the group is given again each LEADER_RETRY_MS. A store whose
 * trouble is no passing one (hold, damage, a failed sync) waits for its user.
 */

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/error.h"
#include "leaderd/src/daemon.h"
#include "leaderd/src/follow.h"
#include "leaderd/src/image_cache.h"
#include "leaderd/src/perform.h"
#include "leaderd/src/unit.h"
#include "model/feed.h"
#include "model/leader_step.h"
#include "proto/wire.h"
#include "store/store.h"

#define LEADER_RETRY_MS 1000u /* between two tries of an abandoned group */

/* A session on the leader's side: what it has been told, and what it said. */
struct leader_session {
	LIST_ENTRY(leader_session) link;
	struct leader *leader;
	struct peer *peer; /* never NULL; owns the session */
	char id[SESSION_ID_BYTES_MAX + 1];
	uint8_t nonce[16];
	bool read_only;
	bool welcomed;    /* its feed is open; not between HelloAgain and the next welcome */
	bool replaced;    /* another connection has its id now: it is told nothing */
	bool needs_image; /* what it holds is not to be trusted */
	struct feed feed;
	uint64_t refused_before;          /* newest refusal at its welcome */
	struct event_id *refused_pending; /* owned: ids of its hello that were refused before the welcome */
	size_t n_refused_pending;
	struct position acknowledged;
	uint64_t generation;
	uint64_t refused_seen, refused_marked;
	uint32_t pending, suspended;
};

LIST_HEAD(leader_session_list, leader_session);

struct group {
	struct unit_list units; /* in the order of arrival */
	struct unit *next;      /* the first that the machine has not taken in this try; NULL: all */
	size_t n_events, args_bytes;
};

struct upstream;

struct leader {
	LIST_ENTRY(leader) link;
	struct daemon *daemon;
	char name[STORE_NAME_BYTES_MAX + 1];
	char *folder;        /* owned */
	struct store *store; /* NULL once retired */
	bool retired;        /* removed: the reaper frees it */
	struct leader_machine machine;
	struct eventlog_status told;
	struct position final; /* nothing at or before it is ever undone again */
	struct hash final_local_hash;
	uint64_t log_serial; /* grows with each change of what is told */
	struct leader_session_list sessions;
	size_t n_sessions;
	struct follow_list follows;
	struct group group;
	struct step step;          /* of perform.h */
	struct upstream *upstream; /* owned; with a backend or without */
	struct error trouble;      /* code 0: none */
	bool abandoned;            /* the newest try of the group failed */
	struct image_cache image;
	struct event *flush, *retry, *chores;
	int state_wal_pages;
	bool restless;       /* the pump has something to do here */
	bool resumes;        /* peers that wait may go on */
	bool marks_refusals; /* acknowledged refusals wait to be marked */
	uint64_t group_commits;
};

struct leader_options {
	struct daemon *daemon;
	const char *name;
	const char *folder; /* exists */
	const char *schema; /* of a store that is to be made; NULL: it exists */
};

/* 0 also for a store that is on hold: it can only be shown, rebuilt and removed. */
int leader_open(struct leader **ret, const struct leader_options *options, struct error *error);
struct leader *leader_close(struct leader *leader); /* accepts NULL; returns NULL */

/* Takes a unit into the group; `unit` is taken on success. PEER_WAITS_FOR_LEADER
 * (positive): not now, give it again when the peer is resumed. */
int leader_push(struct leader *leader, struct unit *unit, struct error *error);
/* Commits the open group. Afterwards no transaction is open: the group is durable
 * and told, or abandoned. */
void leader_flush(struct leader *leader);
/* Tries an abandoned group again, now. */
void leader_retry(struct leader *leader);

/* A unit made here, a retry of refused events: commits it at once. ERROR_REFUSED
 * (with the reason) leaves everything as it was. Takes `unit` in any case. */
int leader_commit_unit(struct leader *leader, struct unit *unit, struct error *error);

/* There is something new to tell; the pump will see to it. */
void leader_wake(struct leader *leader);
/* The pump's two halves: peers that waited go on; then one page for each session
 * and each follower that has room. The second changes no list of peers or stores. */
void leader_resume_peers(struct leader *leader);
void leader_pump(struct leader *leader);
/* Its store was removed: peers and streams are told, the reaper frees it. */
void leader_retire(struct leader *leader, const struct error *why);

/* Puts a higher version in force; the sessions are asked for another hello. As
 * store_install_schema; ERROR_FULL or BUSY while a group cannot be committed. */
int leader_install_schema(struct leader *leader, const char *text, struct error *error);
/* Makes the state anew and gives every session a fresh image. */
int leader_rebuild(struct leader *leader, bool accept_loss, struct error *error);

/* Can the log be changed by others than pushes: no group is open, nothing is wrong? Says what is. */
bool leader_is_ready(struct leader *leader, struct error *why);
/* The status of the log was changed beside the machine: told from now on. */
void leader_refresh(struct leader *leader);
/* Pulled pages that wait for their successors are dropped, as is what the machine knows of them. */
void leader_forget_staged(struct leader *leader);

/* What feeds and welcomes say of the log. Borrows from `leader` until it changes. */
void leader_heads(struct leader *leader, Leaderd__Heads *ret);

/* Attached sessions. A session is found by its id while it can be told something. */
int leader_attach(struct leader_session **ret, struct leader *leader, struct peer *peer, const char *id,
                  struct error *error);
struct leader_session *leader_detach(struct leader_session *session); /* accepts NULL; returns NULL */
struct leader_session *leader_find_session(struct leader *leader, const char *id);
void leader_hello_again(struct leader_session *session, const char *reason);

/* Between the files behind this header, and for perform.c: the step is durable, abandoned, or the sync failed. */
void leader_told(struct leader *leader, bool rebased, struct position to);
void leader_abandoned(struct leader *leader, const struct error *why);
void leader_set_trouble(struct leader *leader, const struct error *why);
void leader_clear_trouble(struct leader *leader);
/* The units that the step took are durable and leave the group. */
void group_settle(struct leader *leader);
void leader_set_timer(struct event *timer, uint64_t ms);
/* The store's state may be another one now: counts the pages of its write-ahead log. */
void leader_watch_state(struct leader *leader);
/* May the passing of time alone end this trouble? */
bool leader_trouble_passes(const struct error *trouble);

#endif
