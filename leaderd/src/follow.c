/*
 * Follow; see follow.h. A stream that does not follow ends at the head as it was
 * when it was opened, so a busy log cannot keep it going.
 */

#include "leaderd/src/follow.h"

#include <stdlib.h>
#include <string.h>

#include "leaderd/src/event_page.h"
#include "leaderd/src/leader.h"
#include "leaderd/src/peer.h"
#include "leaderd/src/stores.h"

static int send_page(struct follow *follow, Leaderd__EventsPage *message, struct error *error) {
	Leaderd__ToSession envelope = LEADERD__TO_SESSION__INIT;

	message->number = follow->number;
	message->upstream_global = follow->leader->told.upstream_head.global;
	envelope.body_case = LEADERD__TO_SESSION__BODY_EVENTS_PAGE;
	envelope.events_page = message;
	return peer_send(follow->peer, &envelope, error);
}

/* A stream that cannot be opened ends with its error; the connection goes on. */
static int refuse(struct peer *peer, uint64_t number, const struct error *why, struct error *error) {
	Leaderd__EventsPage page = LEADERD__EVENTS_PAGE__INIT;
	Leaderd__ToSession envelope = LEADERD__TO_SESSION__INIT;

	page.number = number;
	page.end = true;
	page.code = why->code;
	page.error = (char *)why->text;
	envelope.body_case = LEADERD__TO_SESSION__BODY_EVENTS_PAGE;
	envelope.events_page = &page;
	return peer_send(peer, &envelope, error);
}

static struct follow *find(struct peer *peer, uint64_t number) {
	struct follow *follow;

	LIST_FOREACH(follow, &peer->follows, of_peer)
		if (follow->number == number)
			return follow;
	return NULL;
}

static struct position earlier(struct position a, struct position b) {
	return position_compare(a, b) < 0 ? a : b;
}

static int find_leader(struct leader **ret, struct peer *peer, const Leaderd__EventsOpen *open, struct error *error) {
	struct leader *leader = NULL;
	int r = 0;

	if (open->store[0] != '\0')
		r = stores_get(&leader, peer->daemon, open->store, error);
	else if (!peer->session)
		return error_set(error, ERROR_INVALID, "an event stream named no store");
	else
		leader = peer->session->leader;
	if (r < 0)
		return r;
	if (leader->retired || !leader->store->log)
		return error_set(error, ERROR_NOT_FOUND, "the log of store %s is not open", leader->name);
	*ret = leader;
	return 0;
}

static struct follow *make(struct peer *peer, struct leader *leader, const Leaderd__EventsOpen *open) {
	struct follow *follow = calloc(1, sizeof(*follow));

	if (!follow)
		return NULL;
	follow->peer = peer;
	follow->leader = leader;
	follow->number = open->number;
	follow->credit = open->credit;
	follow->left = open->limit == 0 ? UINT64_MAX : open->limit;
	follow->follows = open->follow && !open->reverse;
	follow->reverse = open->reverse;
	follow->include_client_only = open->include_client_only;
	/* The wire has checked their lengths. */
	strncpy(follow->name, open->name, sizeof(follow->name) - 1);
	strncpy(follow->client_id, open->client_id, sizeof(follow->client_id) - 1);
	follow->cursor = follow->sent = (struct position){ open->since_global, open->since_client };
	follow->has_until = open->has_until;
	follow->until = (struct position){ open->until_global, open->until_client };
	if (!follow->follows && !follow->reverse) {
		follow->until = follow->has_until ? earlier(follow->until, leader->told.head) : leader->told.head;
		follow->has_until = true;
	}
	LIST_INSERT_HEAD(&peer->follows, follow, of_peer);
	LIST_INSERT_HEAD(&leader->follows, follow, of_leader);
	peer->n_follows++;
	return follow;
}

int follow_open(struct peer *peer, const Leaderd__EventsOpen *open, struct error *error) {
	struct error why = { 0 };
	struct leader *leader = NULL;
	int r;

	if (find(peer, open->number))
		return error_set(error, ERROR_PROTOCOL, "an event stream was opened twice under one number");
	if (peer->n_follows >= PEER_FOLLOWS_MAX)
		r = error_set(&why, ERROR_FULL, "a connection has at most %u event streams", PEER_FOLLOWS_MAX);
	else
		r = find_leader(&leader, peer, open, &why);
	if (r == 0) {
		leader_flush(leader);
		if (!make(peer, leader, open))
			r = error_no_memory(&why);
	}
	if (r < 0)
		return refuse(peer, open->number, &why, error);
	leader_wake(leader);
	return 0;
}

void follow_credit(struct peer *peer, uint64_t number, uint32_t credit) {
	struct follow *follow = find(peer, number);

	if (!follow)
		return;
	follow->credit += credit;
	leader_wake(follow->leader);
}

void follow_close(struct peer *peer, uint64_t number) {
	follow_destroy(find(peer, number));
}

struct follow *follow_destroy(struct follow *follow) {
	if (!follow)
		return NULL;
	LIST_REMOVE(follow, of_peer);
	LIST_REMOVE(follow, of_leader);
	follow->peer->n_follows--;
	free(follow);
	return NULL;
}

void follow_rebased(struct follow *follow, struct position to) {
	if (position_compare(follow->cursor, to) <= 0)
		return;
	/* What a reverse stream has passed now stands elsewhere: it cannot go on. */
	if (follow->reverse) {
		follow->rebased = true;
		return;
	}
	follow->cursor = to;
	if (position_compare(follow->sent, to) <= 0)
		return;
	follow->back = follow->rebased ? earlier(follow->back, to) : to;
	follow->sent = to;
	follow->rebased = true;
}

void follow_fail(struct follow *follow, const struct error *why) {
	/* Without memory to say why, the stream stays silent: the peer's own time-out has to do. */
	(void)refuse(follow->peer, follow->number, why, NULL);
	follow_destroy(follow);
}

static int read_page(struct follow *follow, struct event_page *page, struct error *error) {
	struct eventlog_query query = {
		.after = follow->cursor,
		.has_until = follow->reverse ? follow->has_until : true,
		.until = follow->until,
		.reverse = follow->reverse,
		.include_client_only = follow->include_client_only,
		.name = follow->name[0] != '\0' ? follow->name : NULL,
		.client_id = follow->client_id[0] != '\0' ? follow->client_id : NULL,
		.n_max = follow->left < PAGE_EVENTS_MAX ? (size_t)follow->left : PAGE_EVENTS_MAX,
		.bytes_max = PAGE_BYTES_MAX,
	};

	if (!follow->reverse)
		query.until = follow->has_until ? earlier(follow->until, follow->leader->told.head) : follow->leader->told.head;
	return event_page_read(page, follow->leader->store->log, &query, error);
}

/* Nothing more will ever come: the limit, the end of the log, or `until`. */
static bool is_over(const struct follow *follow, bool searched_all) {
	if (follow->left == 0)
		return true;
	if (follow->follows)
		return follow->has_until && position_compare(follow->cursor, follow->until) >= 0;
	return searched_all;
}

/* 1: something was sent or searched, there may be more; 0: nothing to do now, or
 * the end was sent. */
static int pump_page(struct follow *follow, struct error *error) {
	struct event_page *page = follow->leader->daemon->page;
	Leaderd__EventsPage message = LEADERD__EVENTS_PAGE__INIT;
	int r = read_page(follow, page, error);

	if (r < 0)
		return r;
	bool searched_all = position_equal(page->last, follow->cursor);
	follow->cursor = page->last;
	follow->left -= follow->left == UINT64_MAX ? 0 : page->n;
	message.end = is_over(follow, searched_all);
	if (page->n == 0 && !message.end && !follow->rebased)
		return searched_all ? 0 : 1;

	event_page_pack(page, NULL, NULL);
	message.n_events = page->n;
	message.events = page->list;
	message.rebased = follow->rebased;
	message.back_global = follow->rebased ? follow->back.global : 0;
	message.back_client = follow->rebased ? follow->back.client : 0;
	r = send_page(follow, &message, error);
	if (r < 0)
		return r;
	follow->credit--;
	follow->rebased = false;
	if (page->n > 0 && !follow->reverse)
		follow->sent = page->events[page->n - 1]->entry.at;
	if (message.end)
		follow_destroy(follow);
	return message.end ? 0 : 1;
}

bool follow_pump(struct follow *follow) {
	struct error error = { 0 };
	int r;

	if (follow->credit == 0 || !peer_has_room(follow->peer))
		return false;
	if (follow->reverse && follow->rebased)
		r = error_set(&error, ERROR_BUSY, "the log was rebased under a stream that reads it backwards");
	else
		r = pump_page(follow, &error);
	if (r < 0)
		follow_fail(follow, &error);
	return r > 0;
}
