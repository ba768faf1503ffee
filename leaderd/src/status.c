/* Status; see status.h. */

#include "leaderd/src/status.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "leaderd/src/leader.h"
#include "leaderd/src/peer.h"
#include "leaderd/src/request.h"
#include "leaderd/src/stores.h"
#include "leaderd/src/upstream.h"

static void fill_backend(Leaderd__StoreStatus *status, struct upstream *upstream) {
	const struct backend *backend = &upstream->backend;
	const struct eventlog_status *told = &upstream->leader->told;
	static const uint8_t none[sizeof(told->lineage)];

	if (memcmp(told->lineage, none, sizeof(none)) != 0) {
		status->lineage.data = (uint8_t *)told->lineage;
		status->lineage.len = sizeof(told->lineage);
	}
	status->epoch = told->epoch;
	status->backend_code = upstream->trouble.code;
	status->backend_error = upstream->trouble.text;
	if (!backend->url)
		return;
	status->backend = backend->url;
	status->backend_state = (char *)upstream_state(upstream);
	status->offline = backend->offline;
	status->push_only = backend->push_only;
	status->backend_retry_ms = upstream_retry_ms(upstream);
	if (backend->repaired && upstream->trouble.code == 0) {
		status->backend_code = ERROR_HOLD;
		status->backend_error = backend->repaired;
	}
}

int status_fill(struct store_status *ret, struct leader *leader, struct error *error) {
	const struct eventlog_status *told = &leader->told;
	Leaderd__StoreStatus *status = &ret->message;
	struct store *store = leader->store;
	uint64_t refused = 0;

	leaderd__store_status__init(status);
	leaderd__heads__init(&ret->heads);
	leader_heads(leader, &ret->heads);
	int r = store->log ? eventlog_refused_count(store->log, &refused, error) : 0;
	if (r < 0)
		return r;
	status->name = leader->name;
	status->path = leader->folder;
	status->schema_name = store->schema ? store->schema->store_name : (char *)"";
	status->schema_version = store->schema ? store->schema->version : 0;
	status->client_id = (char *)told->client_id;
	status->heads = &ret->heads;
	status->events = told->n_events;
	status->pending = told->head.global - told->upstream_head.global;
	status->refused = refused;
	status->voids = store->state ? state_voids(store->state) : 0;
	status->sessions = (uint32_t)leader->n_sessions;
	status->state = (char *)leader_state_name(leader->machine.state);
	status->group_commits = leader->group_commits;
	fill_backend(status, leader->upstream);
	return 0;
}

/* A store that cannot even be opened is shown with its reason. */
static void fill_broken(struct store_status *ret, const char *name, const struct error *why) {
	leaderd__store_status__init(&ret->message);
	leaderd__heads__init(&ret->heads);
	ret->heads.trouble = (char *)why->text;
	ret->heads.trouble_code = why->code;
	ret->message.heads = &ret->heads;
	ret->message.name = (char *)name;
	ret->message.state = (char *)"not open";
}

struct listing {
	struct store_name *names;
	size_t n;
	struct store_status *statuses;
	Leaderd__StoreStatus **list;
	struct error *errors;
};

static void listing_finish(struct listing *listing) {
	free(listing->names);
	free(listing->statuses);
	free(listing->list);
	free(listing->errors);
}

static int listing_allocate(struct listing *listing, struct error *error) {
	size_t n = listing->n > 0 ? listing->n : 1;

	listing->statuses = calloc(n, sizeof(*listing->statuses));
	listing->list = calloc(n, sizeof(Leaderd__StoreStatus *));
	listing->errors = calloc(n, sizeof(*listing->errors));
	return listing->statuses && listing->list && listing->errors ? 0 : error_no_memory(error);
}

static int name_one(struct listing *ret, struct daemon *daemon, const char *name, struct error *error) {
	struct leader *leader;
	int r = stores_get(&leader, daemon, name, error);

	if (r == ERROR_NOT_FOUND || r == ERROR_INVALID)
		return r;
	ret->names = calloc(1, sizeof(*ret->names));
	if (!ret->names)
		return error_no_memory(error);
	strncpy(ret->names[0].text, name, sizeof(ret->names[0].text) - 1);
	ret->n = 1;
	return 0;
}

static int fill_listing(struct listing *ret, struct daemon *daemon, const char *name, struct error *error) {
	int r = name[0] != '\0' ? name_one(ret, daemon, name, error) : stores_list(daemon, &ret->names, &ret->n, error);

	if (r == 0)
		r = listing_allocate(ret, error);
	for (size_t i = 0; r == 0 && i < ret->n; i++) {
		struct leader *leader;

		if (stores_get(&leader, daemon, ret->names[i].text, &ret->errors[i]) == 0) {
			leader_flush(leader);
			if (status_fill(&ret->statuses[i], leader, &ret->errors[i]) < 0)
				fill_broken(&ret->statuses[i], ret->names[i].text, &ret->errors[i]);
		} else {
			fill_broken(&ret->statuses[i], ret->names[i].text, &ret->errors[i]);
		}
		ret->list[i] = &ret->statuses[i].message;
	}
	return r;
}

/* What failed is the answer's code. */
static int answer(struct peer *peer, uint64_t number, const char *name, int *ret_code, struct error *error) {
	Leaderd__Response response = LEADERD__RESPONSE__INIT;
	struct listing listing = { 0 };
	struct error why = { 0 };
	int r = fill_listing(&listing, peer->daemon, name, &why);

	*ret_code = r;
	if (r < 0) {
		r = request_answer_error(peer, number, &why, error);
	} else {
		response.number = number;
		response.n_stores = listing.n;
		response.stores = listing.list;
		r = request_answer(peer, &response, error);
	}
	listing_finish(&listing);
	return r;
}

int status_request(struct peer *peer, const Leaderd__Request *request, struct error *error) {
	struct status_follow *follow;
	int code;

	if (request->follow && peer->n_status_follows == STATUS_FOLLOWS_MAX) {
		struct error why;

		error_set(&why, ERROR_FULL, "a connection follows at most %u statuses", STATUS_FOLLOWS_MAX);
		return request_answer_error(peer, request->number, &why, error);
	}
	int r = answer(peer, request->number, request->store, &code, error);
	if (r < 0 || code < 0 || !request->follow)
		return r;
	follow = &peer->status_follows[peer->n_status_follows++];
	*follow = (struct status_follow){ .number = request->number, .seen = peer->daemon->status_serial };
	strncpy(follow->store, request->store, sizeof(follow->store) - 1);
	return 0;
}

static void forget(struct peer *peer, size_t i) {
	peer->status_follows[i] = peer->status_follows[--peer->n_status_follows];
}

void status_pump(struct peer *peer) {
	struct error error = { 0 };
	size_t i = 0;

	while (i < peer->n_status_follows && peer_has_room(peer)) {
		struct status_follow *follow = &peer->status_follows[i];
		uint64_t serial = peer->daemon->status_serial;
		int code = 0;

		if (follow->seen != serial) {
			if (answer(peer, follow->number, follow->store, &code, &error) < 0) {
				peer_fail(peer, &error);
				return;
			}
			follow->seen = serial;
		}
		/* An error was the last answer: the store is gone. */
		if (code < 0)
			forget(peer, i);
		else
			i++;
	}
}
