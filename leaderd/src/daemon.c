/* The daemon's core; see daemon.h. */

#include "leaderd/src/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "leaderd/src/event_page.h"
#include "leaderd/src/leader.h"
#include "leaderd/src/peer.h"
#include "leaderd/src/status.h"
#include "leaderd/src/stores.h"
#include "leaderd/src/upstream_wait.h"

/* ---- the pump -------------------------------------------------------------------- */

void daemon_wake(struct daemon *daemon) {
	const struct timeval next_turn = { 0 };

	if (!evtimer_pending(daemon->pump, NULL))
		event_add(daemon->pump, &next_turn);
}

void daemon_status_changed(struct daemon *daemon) {
	daemon->status_serial++;
	daemon_wake(daemon);
}

/* Everything is told that can be: what a session has not read it resumes from the log. */
static bool is_drained(const struct daemon *daemon) {
	const struct peer *peer;

	LIST_FOREACH(peer, &daemon->peers, link)
		if (!peer->session && !peer->dead && peer->armed_write)
			return false;
	return true;
}

static void finish_drain(struct daemon *daemon) {
	void (*on_drained)(void *data) = daemon->on_drained;

	daemon->on_drained = NULL;
	evtimer_del(daemon->drain_deadline);
	if (on_drained)
		on_drained(daemon->on_drained_data);
}

static struct leader *find_resuming(struct daemon *daemon) {
	struct leader *leader;

	LIST_FOREACH(leader, &daemon->leaders, link)
		if (leader->resumes)
			return leader;
	return NULL;
}

static void on_pump(evutil_socket_t fd, short what, void *data) {
	struct daemon *daemon = data;
	struct leader *leader;
	struct peer *peer;

	/* A peer that goes on may remove stores: the search starts over each time. */
	while ((leader = find_resuming(daemon)))
		leader_resume_peers(leader);
	LIST_FOREACH(leader, &daemon->leaders, link)
		if (leader->restless)
			leader_pump(leader);
	LIST_FOREACH(peer, &daemon->peers, link)
		if (peer->n_status_follows > 0)
			status_pump(peer);
	if (daemon->draining && is_drained(daemon))
		finish_drain(daemon);
}

/* ---- the reaper -------------------------------------------------------------------- */

void daemon_reap_soon(struct daemon *daemon) {
	event_active(daemon->reaper, 0, 0);
}

static void remove_peer(struct daemon *daemon, struct peer *peer) {
	LIST_REMOVE(peer, link);
	daemon->n_peers--;
	upstream_wait_forget(daemon, peer);
	peer_destroy(peer);
}

static void close_leader(struct leader *leader) {
	struct daemon *daemon = leader->daemon;

	LIST_REMOVE(leader, link);
	if (daemon->page->leader == leader)
		event_page_clear(daemon->page);
	leader_close(leader);
}

static void on_reap(evutil_socket_t fd, short what, void *data) {
	struct daemon *daemon = data;
	struct leader *leader, *next_leader;
	struct peer *peer, *next_peer;

	LIST_FOREACH_SAFE(peer, &daemon->peers, link, next_peer)
		if (peer->dead)
			remove_peer(daemon, peer);
	LIST_FOREACH_SAFE(leader, &daemon->retired, link, next_leader)
		if (LIST_EMPTY(&leader->sessions) && LIST_EMPTY(&leader->follows))
			close_leader(leader);
	if (daemon->draining)
		daemon_wake(daemon);
}

/* ---- connections --------------------------------------------------------------------- */

/* The user id is the only boundary. */
static int check_peer(struct daemon *daemon, int fd, pid_t *ret_process_id, struct error *error) {
	struct ucred credentials;
	socklen_t n = sizeof(credentials);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &n) < 0)
		return error_set(error, ERROR_IO, "the credentials of a peer cannot be read: %s", strerror(errno));
	if (credentials.uid != geteuid())
		return error_set(error, ERROR_PERMISSION, "a process of user %lu connected, this is user %lu's leader",
		                 (unsigned long)credentials.uid, (unsigned long)geteuid());
	if (daemon->n_peers >= PEERS_MAX)
		return error_set(error, ERROR_FULL, "%u connections are the most that one leader keeps", PEERS_MAX);
	if (daemon->draining)
		return error_set(error, ERROR_BUSY, "the leader is stopping");
	*ret_process_id = credentials.pid;
	return 0;
}

void daemon_accept(struct daemon *daemon, int fd) {
	struct error error = { 0 };
	struct peer *peer;
	pid_t process_id = 0;
	int r = check_peer(daemon, fd, &process_id, &error);

	if (r == 0)
		r = peer_create(&peer, daemon, fd, process_id, &error);
	if (r < 0) {
		log_warning("store=- session=- a connection was refused: %s", error.text);
		close(fd);
		return;
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	LIST_INSERT_HEAD(&daemon->peers, peer, link);
	daemon->n_peers++;
}

/* ---- life -------------------------------------------------------------------------------- */

static void on_drain_deadline(evutil_socket_t fd, short what, void *data) {
	struct daemon *daemon = data;

	log_warning("store=- not everything could be told within %u ms", DRAIN_MS_MAX);
	finish_drain(daemon);
}

void daemon_drain(struct daemon *daemon, void (*on_drained)(void *data), void *data) {
	const struct timeval longest = { .tv_sec = DRAIN_MS_MAX / 1000, .tv_usec = DRAIN_MS_MAX % 1000 * 1000 };
	struct leader *leader;
	struct peer *peer;

	if (daemon->draining)
		return;
	daemon->on_drained = on_drained;
	daemon->on_drained_data = data;
	LIST_FOREACH(peer, &daemon->peers, link)
		peer_read(peer);
	daemon->draining = true;
	LIST_FOREACH(peer, &daemon->peers, link)
		peer_rearm(peer);
	LIST_FOREACH(leader, &daemon->leaders, link)
		leader_wake(leader);
	evtimer_add(daemon->drain_deadline, &longest);
	daemon_wake(daemon);
}

static int allocate(struct daemon *daemon, const struct daemon_options *options, struct error *error) {
	daemon->base = options->base;
	LIST_INIT(&daemon->leaders);
	LIST_INIT(&daemon->retired);
	LIST_INIT(&daemon->peers);
	daemon->data_dir = strdup(options->data_dir);
	if (asprintf(&daemon->stores_dir, "%s/stores", options->data_dir) < 0)
		daemon->stores_dir = NULL;
	daemon->pump = evtimer_new(options->base, on_pump, daemon);
	daemon->reaper = event_new(options->base, -1, 0, on_reap, daemon);
	daemon->drain_deadline = evtimer_new(options->base, on_drain_deadline, daemon);
	daemon->page = event_page_create();
	return daemon->data_dir && daemon->stores_dir && daemon->pump && daemon->reaper && daemon->drain_deadline &&
	               daemon->page
	           ? 0
	           : error_no_memory(error);
}

int daemon_create(struct daemon **ret, const struct daemon_options *options, struct error *error) {
	struct daemon *daemon = calloc(1, sizeof(*daemon));

	if (!daemon)
		return error_no_memory(error);
	int r = allocate(daemon, options, error);
	if (r == 0)
		r = stores_prepare(daemon, error);
	if (r < 0) {
		daemon_destroy(daemon);
		return r;
	}
	stores_open_synced(daemon);
	*ret = daemon;
	return 0;
}

struct daemon *daemon_destroy(struct daemon *daemon) {
	struct event *events[] = { daemon ? daemon->pump : NULL, daemon ? daemon->reaper : NULL,
		                       daemon ? daemon->drain_deadline : NULL };

	if (!daemon)
		return NULL;
	while (!LIST_EMPTY(&daemon->peers))
		remove_peer(daemon, LIST_FIRST(&daemon->peers));
	while (!LIST_EMPTY(&daemon->retired))
		close_leader(LIST_FIRST(&daemon->retired));
	while (!LIST_EMPTY(&daemon->leaders))
		close_leader(LIST_FIRST(&daemon->leaders));
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i])
			event_free(events[i]);
	event_page_destroy(daemon->page);
	free(daemon->stores_dir);
	free(daemon->data_dir);
	free(daemon);
	return NULL;
}
