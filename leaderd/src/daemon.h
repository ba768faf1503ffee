#ifndef LEADERD_DAEMON_H
#define LEADERD_DAEMON_H

/*
 * The daemon's core: what is passed down from main instead of globals. One
 * event base, one thread, many stores, many peers.
 *
 * One turn of the loop: everything readable is read and taken; pushes open a
 * group. The flush event of a store is activated by the first push of the turn,
 * and libevent runs it behind the callbacks of the same poll: so everything that
 * was readable in one turn is one transaction and one sync. The pump tells
 * sessions and followers what is new, one page each per turn; it comes again by
 * a timer of no delay, which polls in between, so that it starves nobody.
 *
 * Nothing is freed inside a callback that others might still be walking over:
 * peers and stores that are over are marked, and the reaper frees them.
 */

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/error.h"

struct leader;
struct peer;
struct event_page;

LIST_HEAD(peer_list, peer);
LIST_HEAD(leader_list, leader);

struct daemon {
	struct event_base *base;    /* borrowed */
	char *data_dir;             /* owned */
	char *stores_dir;           /* owned: <data dir>/stores */
	struct leader_list leaders; /* open stores; see stores.h */
	struct leader_list retired; /* removed stores, until the reaper comes */
	struct peer_list peers;
	size_t n_peers;
	struct event *pump;
	struct event *reaper;
	struct event *drain_deadline;
	struct event_page *page; /* scratch: the page under way, or the last one fed */
	uint64_t status_serial;  /* grows with each change that a status would show */
	bool draining;
	void (*on_drained)(void *data);
	void *on_drained_data;
};

struct daemon_options {
	struct event_base *base; /* borrowed until daemon_destroy */
	const char *data_dir;    /* exists, belongs to us alone; copied */
};

/* Makes <data dir>/stores if absent. Stores with a backend are opened at once, the
 * others when they are first asked for. */
int daemon_create(struct daemon **ret, const struct daemon_options *options, struct error *error);

/* A new connection; `fd` is taken in any case. Refused with a log line: a peer of
 * another user, and one past PEERS_MAX. */
void daemon_accept(struct daemon *daemon, int fd);

/* Takes what is readable, commits it, answers, and calls back when everything is
 * told or DRAIN_MS_MAX is over. Connections that come later are closed. The
 * callback may run before this returns. */
void daemon_drain(struct daemon *daemon, void (*on_drained)(void *data), void *data);

/* Closes every connection and store. Accepts NULL; returns NULL. */
struct daemon *daemon_destroy(struct daemon *daemon);

/* For the modules inside: the pump runs in the next turn; the reaper in this one. */
void daemon_wake(struct daemon *daemon);
void daemon_reap_soon(struct daemon *daemon);
/* Something that a status shows has changed. */
void daemon_status_changed(struct daemon *daemon);

#endif
