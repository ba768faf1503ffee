/*
 * Requests; see request.h. Each operation fails into `why`, which becomes the
 * response's code and text; only the lack of memory to answer ends a connection.
 */

#include "leaderd/src/request.h"

#include <stdlib.h>
#include <string.h>

#include "leaderd/src/event_page.h"
#include "leaderd/src/leader.h"
#include "leaderd/src/peer.h"
#include "leaderd/src/status.h"
#include "leaderd/src/stores.h"
#include "leaderd/src/upstream.h"

int request_answer(struct peer *peer, Leaderd__Response *response, struct error *error) {
	Leaderd__ToSession message = LEADERD__TO_SESSION__INIT;

	message.body_case = LEADERD__TO_SESSION__BODY_RESPONSE;
	message.response = response;
	return peer_send(peer, &message, error);
}

int request_answer_error(struct peer *peer, uint64_t number, const struct error *why, struct error *error) {
	Leaderd__Response response = LEADERD__RESPONSE__INIT;

	response.number = number;
	response.code = why->code;
	response.error = (char *)why->text;
	return request_answer(peer, &response, error);
}

/* The operation is done, or `why` says why not. */
static int answer_outcome(struct peer *peer, const Leaderd__Request *request, int r, const struct error *why,
                          struct error *error) {
	static const struct error none = { 0 };

	return request_answer_error(peer, request->number, r < 0 ? why : &none, error);
}

/* ---- stores and schemas ------------------------------------------------------------------ */

static int store_create(struct peer *peer, const Leaderd__Request *request, struct error *why) {
	struct leader *leader;
	bool has_backend = request->backend[0] != '\0';
	int r = 0;

	if (request->text[0] == '\0')
		return error_set(why, ERROR_INVALID, "a store is made with a schema, none was given");
	if (has_backend)
		r = upstream_check_backend(request->backend, why);
	if (r == 0)
		r = stores_create(&leader, peer->daemon, request->store, request->text, why);
	return r == 0 && has_backend ? upstream_set_backend(leader->upstream, request->backend, why) : r;
}

/* Does the store hold events that would be gone with it? */
static bool has_unsynced(const struct leader *leader) {
	return leader->told.n_events > 0 &&
	       (!leader->told.has_backend || position_compare(leader->told.upstream_head, leader->told.head) < 0);
}

static int store_remove(struct leader *leader, const Leaderd__Request *request, struct error *why) {
	if (!request->force && leader->n_sessions > 0)
		return error_set(why, ERROR_CONFLICT, "%zu sessions of store %s are open", leader->n_sessions, leader->name);
	if (!request->force && has_unsynced(leader))
		return error_set(why, ERROR_CONFLICT, "store %s holds events that no backend has confirmed", leader->name);
	if (!request->force && leader->store->hold.code != 0)
		return error_set(why, ERROR_CONFLICT, "store %s is on hold: %s", leader->name, leader->store->hold.text);
	return stores_remove(leader, why);
}

static int schema_show(struct peer *peer, struct leader *leader, const Leaderd__Request *request, struct error *error) {
	Leaderd__Response response = LEADERD__RESPONSE__INIT;

	response.number = request->number;
	response.text = leader->store->schema->text;
	return request_answer(peer, &response, error);
}

/* ---- sessions and chain --------------------------------------------------------------------- */

static void fill_session(Leaderd__SessionStatus *ret, const struct leader_session *session) {
	leaderd__session_status__init(ret);
	ret->session_id = (char *)session->id;
	ret->process_id = (uint64_t)session->peer->process_id;
	ret->global = session->acknowledged.global;
	ret->client = session->acknowledged.client;
	ret->generation = session->generation;
	ret->pending = session->pending;
	ret->suspended = session->suspended;
	ret->sent_global = session->feed.sent.global;
	ret->sent_client = session->feed.sent.client;
	ret->read_only = session->read_only;
	ret->connected_for_reading = !session->peer->armed_write;
}

static int sessions(struct peer *peer, struct leader *leader, const Leaderd__Request *request, struct error *error) {
	Leaderd__Response response = LEADERD__RESPONSE__INIT;
	Leaderd__SessionStatus *statuses = calloc(leader->n_sessions + 1, sizeof(*statuses));
	Leaderd__SessionStatus **list = calloc(leader->n_sessions + 1, sizeof(Leaderd__SessionStatus *));
	struct leader_session *session;
	int r = 0;

	response.number = request->number;
	if (statuses && list) {
		LIST_FOREACH(session, &leader->sessions, link) {
			if (session->replaced || !peer_is_alive(session->peer))
				continue;
			list[response.n_sessions] = &statuses[response.n_sessions];
			fill_session(&statuses[response.n_sessions++], session);
		}
		response.sessions = list;
		r = request_answer(peer, &response, error);
	} else {
		r = error_no_memory(error);
	}
	free(statuses);
	free(list);
	return r;
}

static int read_chain(struct event_page *page, struct leader *leader, uint32_t n_max, struct error *error) {
	struct eventlog_query query = { .reverse = true, .include_client_only = true, .bytes_max = PAGE_BYTES_MAX };

	query.n_max = n_max == 0 || n_max > PAGE_EVENTS_MAX ? PAGE_EVENTS_MAX : n_max;
	int r = event_page_read(page, leader->store->log, &query, error);
	/* Read from the head backwards, told oldest first. */
	for (size_t i = 0; r == 0 && i < page->n / 2; i++) {
		struct event *event = page->events[i];

		page->events[i] = page->events[page->n - 1 - i];
		page->events[page->n - 1 - i] = event;
	}
	return r;
}

static int chain(struct peer *peer, struct leader *leader, const Leaderd__Request *request, struct error *error) {
	struct event_page *page = peer->daemon->page;
	Leaderd__Response response = LEADERD__RESPONSE__INIT;
	struct error why = { 0 };

	if (read_chain(page, leader, request->limit, &why) < 0)
		return request_answer_error(peer, request->number, &why, error);
	event_page_pack(page, NULL, NULL);
	response.number = request->number;
	response.n_events = page->n;
	response.events = page->list;
	return request_answer(peer, &response, error);
}

/* ---- the table ---------------------------------------------------------------------------------- */

/* Operations on the log or the schema of one store, which must be usable. */
static int take_for_store(struct peer *peer, struct leader *leader, const Leaderd__Request *request,
                          struct error *error) {
	struct error why = { 0 };
	int r;

	switch (request->operation) {
	case LEADERD__OPERATION__SCHEMA_SHOW:
		return schema_show(peer, leader, request, error);
	case LEADERD__OPERATION__SESSIONS:
		return sessions(peer, leader, request, error);
	case LEADERD__OPERATION__CHAIN:
		return chain(peer, leader, request, error);
	case LEADERD__OPERATION__REFUSED_LIST:
		return request_refused_list(peer, leader, request, error);
	case LEADERD__OPERATION__LOOKUP:
		return request_lookup(peer, leader, request, error);
	case LEADERD__OPERATION__BACKEND_SET:
		return request_backend_set(peer, leader, request, error);
	case LEADERD__OPERATION__OFFLINE:
		return request_offline(peer, leader, request, error);
	case LEADERD__OPERATION__ONLINE:
		return request_online(peer, leader, request, error);
	case LEADERD__OPERATION__SYNC:
		return request_sync(peer, leader, request, error);
	case LEADERD__OPERATION__IMPORT:
		return request_import(peer, leader, request, error);
	case LEADERD__OPERATION__SCHEMA_INSTALL:
		r = leader_install_schema(leader, request->text, &why);
		return answer_outcome(peer, request, r, &why, error);
	case LEADERD__OPERATION__REFUSED_DROP:
		r = request_refused_drop(leader, request, &why);
		return answer_outcome(peer, request, r, &why, error);
	case LEADERD__OPERATION__REFUSED_RETRY:
		r = request_refused_retry(leader, request, &why);
		return answer_outcome(peer, request, r, &why, error);
	default:
		error_set(&why, ERROR_INVALID, "operation %d is not known here", (int)request->operation);
		return request_answer_error(peer, request->number, &why, error);
	}
}

/* What is possible on hold too. */
static int take_for_any(struct peer *peer, struct leader *leader, const Leaderd__Request *request,
                        struct error *error) {
	struct error why = { 0 };
	int r;

	leader_flush(leader);
	if (request->operation == LEADERD__OPERATION__STORE_REMOVE) {
		r = store_remove(leader, request, &why);
		return answer_outcome(peer, request, r, &why, error);
	}
	if (request->operation == LEADERD__OPERATION__REBUILD) {
		r = leader_rebuild(leader, request->accept_loss, &why);
		return answer_outcome(peer, request, r, &why, error);
	}
	if (leader->store->hold.code != 0 || !leader->store->log || !leader->store->schema)
		return request_answer_error(peer, request->number, &leader->store->hold, error);
	return take_for_store(peer, leader, request, error);
}

int request_take(struct peer *peer, const Leaderd__Request *request, struct error *error) {
	struct leader *leader;
	struct error why = { 0 };
	int r;

	switch (request->operation) {
	case LEADERD__OPERATION__STORE_CREATE:
		r = store_create(peer, request, &why);
		return answer_outcome(peer, request, r, &why, error);
	case LEADERD__OPERATION__STORE_LIST:
	case LEADERD__OPERATION__STATUS:
		return status_request(peer, request, error);
	default:
		r = stores_get(&leader, peer->daemon, request->store, &why);
		if (r < 0)
			return request_answer_error(peer, request->number, &why, error);
		return take_for_any(peer, leader, request, error);
	}
}
