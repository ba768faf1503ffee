/* Administration of what is in a store: sessions, chains, refused events. */

#include "admin.h"

#include <stdlib.h>
#include <string.h>

#include "event_view.h"
#include "session.h"

static int misused(struct lda_connection *connection) {
	return admin_fail(connection, LDS_INVALID, "no store was named, or no place for the answer");
}

/* ---- sessions ---------------------------------------------------------------------- */

void lda_sessions_free(struct lda_sessions *sessions) {
	for (size_t i = 0; sessions && i < sessions->n; i++)
		free((char *)sessions->items[i].session_id);
	if (sessions)
		free(sessions->items);
	free(sessions);
}

static int add_sessions(struct lda_connection *connection, const Leaderd__Response *response, void *data) {
	struct lda_sessions *sessions = data;
	struct lda_session_status *items =
		realloc(sessions->items, (sessions->n + response->n_sessions + 1) * sizeof(*items));

	if (!items)
		return error_no_memory(&connection->error);
	sessions->items = items;
	for (size_t i = 0; i < response->n_sessions; i++) {
		const Leaderd__SessionStatus *message = response->sessions[i];

		items[sessions->n] = (struct lda_session_status){
			.session_id = strdup(message->session_id),
			.process_id = message->process_id,
			.acknowledged = { message->global, message->client },
			.sent = { message->sent_global, message->sent_client },
			.generation = message->generation,
			.pending = message->pending,
			.suspended = message->suspended,
			.read_only = message->read_only,
		};
		if (!items[sessions->n++].session_id)
			return error_no_memory(&connection->error);
	}
	return 0;
}

int lda_sessions_list(struct lda_connection *connection, const char *store, struct lda_sessions **ret_sessions) {
	struct lda_sessions *sessions;
	Leaderd__Request request;
	int r = admin_enter(connection);

	if (r < 0)
		return r;
	if (!store || !ret_sessions)
		return misused(connection);
	sessions = calloc(1, sizeof(*sessions));
	if (!sessions)
		return error_no_memory(&connection->error);
	admin_request_init(&request, LEADERD__OPERATION__SESSIONS, store);
	r = admin_ask(connection, &request, add_sessions, sessions);
	if (r < 0) {
		lda_sessions_free(sessions);
		return r;
	}
	*ret_sessions = sessions;
	return 0;
}

/* ---- events that the caller owns ----------------------------------------------------- */

/* An event with everything that its public form borrows. */
struct owned_event {
	struct event *event;
	struct event_view view;
};

/* The lists of the header hold lds_events by value; what those borrow stands
 * beside them, in the same order. */
struct chain {
	struct lda_events list; /* first: the caller has a pointer to it */
	struct owned_event **owned;
};

struct refusals_list {
	struct lda_refusals list; /* first, likewise */
	struct owned_event **owned;
};

static struct owned_event *owned_event_free(struct owned_event *owned) {
	if (owned)
		event_destroy(owned->event);
	free(owned);
	return NULL;
}

static int owned_event_make(struct owned_event **ret, const Leaderd__Event *message, bool has_backend,
                            struct position backend, struct error *error) {
	struct owned_event *owned = calloc(1, sizeof(*owned));
	int r = owned ? wire_event_unpack(&owned->event, message, error) : error_no_memory(error);

	if (r < 0) {
		owned_event_free(owned);
		return r;
	}
	event_view_fill(&owned->view, owned->event, event_is_confirmed(owned->event->entry.at, has_backend, backend),
	                false);
	*ret = owned;
	return 0;
}

/* ---- chain ------------------------------------------------------------------------------ */

struct chain_reading {
	struct chain *chain;
	bool has_backend;
	struct position backend;
};

void lda_events_free(struct lda_events *events) {
	struct chain *chain = (struct chain *)events;

	for (size_t i = 0; chain && i < chain->list.n; i++)
		owned_event_free(chain->owned[i]);
	if (chain) {
		free(chain->owned);
		free(chain->list.items);
	}
	free(chain);
}

static int add_events(struct lda_connection *connection, const Leaderd__Response *response, void *data) {
	struct chain_reading *reading = data;
	struct chain *chain = reading->chain;
	size_t n = chain->list.n + response->n_events + 1;
	struct lds_event *items = realloc(chain->list.items, n * sizeof(*items));
	struct owned_event **owned;

	if (items)
		chain->list.items = items;
	owned = realloc(chain->owned, n * sizeof(struct owned_event *));
	if (owned)
		chain->owned = owned;
	if (!items || !owned)
		return error_no_memory(&connection->error);
	for (size_t i = 0; i < response->n_events; i++) {
		int r = owned_event_make(&owned[chain->list.n], response->events[i], reading->has_backend, reading->backend,
		                         &connection->error);

		if (r < 0)
			return r;
		items[chain->list.n] = owned[chain->list.n]->view.event;
		chain->list.n++;
	}
	return 0;
}

/* Which events are confirmed is the status's to say. It is asked first: the
 * backend's head only grows, so no event is called confirmed that is not. */
static int ask_backend(struct lda_connection *connection, const char *store, struct chain_reading *reading) {
	struct lda_stores *stores;
	uint8_t seen[sizeof(connection->seen)];
	int r;

	memcpy(seen, connection->seen, sizeof(seen));
	r = lda_status(connection, store, &stores);
	memcpy(connection->seen, seen, sizeof(seen));
	if (r < 0)
		return r;
	if (stores->n > 0) {
		reading->has_backend = stores->items[0].has_backend;
		reading->backend =
			(struct position){ stores->items[0].backend_head.global, stores->items[0].backend_head.client };
	}
	lda_stores_free(stores);
	return 0;
}

int lda_chain(struct lda_connection *connection, const char *store, uint32_t n_max, struct lda_events **ret_events) {
	struct chain_reading reading = { 0 };
	Leaderd__Request request;
	int r = admin_enter(connection);

	if (r < 0)
		return r;
	if (!store || !ret_events || n_max == 0 || n_max > PAGE_EVENTS_MAX)
		return admin_fail(connection, LDS_INVALID, "a chain is 1 to %u events of a store that is named",
		                  PAGE_EVENTS_MAX);
	r = ask_backend(connection, store, &reading);
	if (r < 0)
		return r;
	reading.chain = calloc(1, sizeof(*reading.chain));
	if (!reading.chain)
		return error_no_memory(&connection->error);
	admin_request_init(&request, LEADERD__OPERATION__CHAIN, store);
	request.limit = n_max;
	r = admin_ask(connection, &request, add_events, &reading);
	if (r < 0) {
		lda_events_free(&reading.chain->list);
		return r;
	}
	*ret_events = &reading.chain->list;
	return 0;
}

/* ---- refused events ----------------------------------------------------------------------- */

void lda_refusals_free(struct lda_refusals *refusals) {
	struct refusals_list *list = (struct refusals_list *)refusals;

	for (size_t i = 0; list && i < list->list.n; i++) {
		owned_event_free(list->owned[i]);
		free((char *)list->list.items[i].reason);
	}
	if (list) {
		free(list->owned);
		free(list->list.items);
	}
	free(list);
}

static int add_refusal(struct refusals_list *list, const Leaderd__Refusal *message, struct error *error) {
	char *reason = strdup(message->reason);
	struct lda_refused *item = &list->list.items[list->list.n];
	int r = reason ? owned_event_make(&list->owned[list->list.n], message->event, false, POSITION_ROOT, error)
	               : error_no_memory(error);

	if (r < 0) {
		free(reason);
		return r;
	}
	*item = (struct lda_refused){ .event = list->owned[list->list.n]->view.event,
		                          .reason = reason,
		                          .ordinal = message->ordinal };
	list->list.n++;
	return 0;
}

static int add_refusals(struct lda_connection *connection, const Leaderd__Response *response, void *data) {
	struct refusals_list *list = data;
	size_t n = list->list.n + response->n_refusals + 1;
	struct lda_refused *items = realloc(list->list.items, n * sizeof(*items));
	struct owned_event **owned;
	int r = 0;

	if (items)
		list->list.items = items;
	owned = realloc(list->owned, n * sizeof(struct owned_event *));
	if (owned)
		list->owned = owned;
	if (!items || !owned)
		return error_no_memory(&connection->error);
	for (size_t i = 0; r == 0 && i < response->n_refusals; i++)
		r = add_refusal(list, response->refusals[i], &connection->error);
	return r;
}

int lda_refused_list(struct lda_connection *connection, const char *store, struct lda_refusals **ret_refusals) {
	struct refusals_list *list;
	Leaderd__Request request;
	size_t n_before;
	int r = admin_enter(connection);

	if (r < 0)
		return r;
	if (!store || !ret_refusals)
		return misused(connection);
	list = calloc(1, sizeof(*list));
	if (!list)
		return error_no_memory(&connection->error);
	do { /* page by page, until one is empty */
		n_before = list->list.n;
		admin_request_init(&request, LEADERD__OPERATION__REFUSED_LIST, store);
		request.after = n_before > 0 ? list->list.items[n_before - 1].ordinal : 0;
		r = admin_ask(connection, &request, add_refusals, list);
	} while (r == 0 && list->list.n > n_before);
	if (r < 0) {
		lda_refusals_free(&list->list);
		return r;
	}
	*ret_refusals = &list->list;
	return 0;
}

static int act_on_refused(struct lda_connection *connection, Leaderd__Operation operation, const char *store,
                          const struct lds_id *ids, size_t n_ids, int all) {
	Leaderd__Request request;
	int r = admin_enter(connection);

	if (r < 0)
		return r;
	if (!store || (!all && (!ids || n_ids == 0)) || n_ids > PENDING_IDS_MAX)
		return admin_fail(connection, LDS_INVALID, "no store was named, or no refused event");
	admin_request_init(&request, operation, store);
	request.all = all != 0;
	if (!all) /* ids lie side by side, as on the wire */
		request.ids = (ProtobufCBinaryData){ n_ids * sizeof(*ids), (uint8_t *)ids };
	return admin_ask(connection, &request, NULL, NULL);
}

int lda_refused_drop(struct lda_connection *connection, const char *store, const struct lds_id *ids, size_t n_ids,
                     int all) {
	return act_on_refused(connection, LEADERD__OPERATION__REFUSED_DROP, store, ids, n_ids, all);
}

int lda_refused_retry(struct lda_connection *connection, const char *store, const struct lds_id *ids, size_t n_ids,
                      int all) {
	return act_on_refused(connection, LEADERD__OPERATION__REFUSED_RETRY, store, ids, n_ids, all);
}

/* ---- one event ------------------------------------------------------------------------------ */

struct fate {
	enum lda_fate fate;
	struct lds_position position;
};

static int keep_fate(struct lda_connection *connection, const Leaderd__Response *response, void *data) {
	struct fate *fate = data;

	if (response->n_known == 0 || response->known[0]->what > LDA_FATE_DROPPED)
		return admin_fail(connection, LDS_PROTOCOL, "the leader's answer on an event was none");
	fate->fate = (enum lda_fate)response->known[0]->what;
	fate->position = (struct lds_position){ response->known[0]->global, response->known[0]->client };
	return 0;
}

int lda_lookup(struct lda_connection *connection, const char *store, const struct lds_id *id, enum lda_fate *ret_fate,
               struct lds_position *ret_position) {
	struct fate fate = { LDA_FATE_UNKNOWN, { 0, 0 } };
	Leaderd__Request request;
	int r = admin_enter(connection);

	if (r < 0)
		return r;
	if (!store || !id || !ret_fate)
		return misused(connection);
	admin_request_init(&request, LEADERD__OPERATION__LOOKUP, store);
	request.ids = (ProtobufCBinaryData){ sizeof(id->bytes), (uint8_t *)id->bytes };
	r = admin_ask(connection, &request, keep_fate, &fate);
	if (r < 0)
		return r;
	*ret_fate = fate.fate;
	if (ret_position)
		*ret_position = fate.position;
	return 0;
}
