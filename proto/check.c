/*
 * What each message must be before anyone acts on it. Messages that carry a
 * protocol version are judged by it first: what a newer peer says otherwise may
 * be meant otherwise.
 *
 * Not checked here: what needs the log (heads, order, gaps, known ids), which
 * the machines answer, and values that a later leader may add to a list
 * (operations, codes), which are answered one by one.
 */

#include <string.h>

#include "proto/backend_wire.h"
#include "proto/check.h"

#define NONCE_BYTES 16u
#define VERDICT_MAX 2u
#define KNOWN_MAX 4u

static int check_version(const struct place *at, uint32_t protocol) {
	if (protocol != WIRE_PROTOCOL_VERSION)
		return check_failed(at, "protocol", ERROR_VERSION, "was version %u, this program speaks version %u", protocol,
		                    WIRE_PROTOCOL_VERSION);
	return 0;
}

/* An absent point is root, and root's row has no hash. */
static int check_point(const struct place *in, const char *name, const Leaderd__Point *point) {
	struct place at = place_single(in, name);
	int r;

	if (point == NULL)
		return 0;
	r = check_position(&at, "position", point->global, point->client);
	if (r < 0)
		return r;
	if (point->global == 0 && point->client == 0)
		return check_bytes_or_none(&at, "local_hash", &point->local_hash, sizeof(struct hash));
	return check_bytes(&at, "local_hash", &point->local_hash, sizeof(struct hash));
}

static int check_heads(const struct place *in, const Leaderd__Heads *heads) {
	struct place at = place_single(in, "heads");
	int r = check_body(heads, &at);

	if (r == 0)
		r = check_position(&at, "log", heads->log_global, heads->log_client);
	if (r == 0)
		r = check_position(&at, "backend", heads->backend_global, heads->backend_client);
	if (r == 0)
		r = check_position(&at, "final", heads->final_global, heads->final_client);
	if (r == 0)
		r = check_number(&at, "generation", heads->generation, INT64_MAX);
	if (r < 0)
		return r;
	if (heads->trouble_code > 0)
		return check_failed(&at, "trouble_code", ERROR_PROTOCOL, "was %d, expected 0 or a negative code",
		                    heads->trouble_code);
	return 0;
}

static int check_refusals(const struct place *in, Leaderd__Refusal *const *refusals, size_t n_refusals) {
	for (size_t i = 0; i < n_refusals; i++) {
		struct place at = place_index(in, "refusals", i);
		struct place event = place_single(&at, "event");
		int r = check_body(refusals[i]->event, &event);

		if (r == 0)
			r = check_event(&event, refusals[i]->event, EVENT_REFUSED);
		if (r == 0)
			r = check_at_least_one(&at, "ordinal", refusals[i]->ordinal);
		if (r == 0)
			r = check_number(&at, "ordinal", refusals[i]->ordinal, INT64_MAX);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_events(const struct place *in, Leaderd__Event *const *events, size_t n_events, enum event_form form) {
	for (size_t i = 0; i < n_events; i++) {
		struct place at = place_index(in, "events", i);
		int r = check_event(&at, events[i], form);

		if (r < 0)
			return r;
	}
	return 0;
}

static int check_hello(const struct place *at, const Leaderd__Hello *hello) {
	int r = check_version(at, hello->protocol);

	if (r == 0)
		r = check_store_name(at, "store", hello->store);
	if (r == 0)
		r = check_session_id(at, "session_id", hello->session_id);
	if (r == 0)
		r = check_bytes(at, "nonce", &hello->nonce, NONCE_BYTES);
	if (r == 0)
		r = check_bytes_or_none(at, "fingerprint", &hello->fingerprint, sizeof(struct hash));
	if (r == 0)
		r = check_text_length(at, "schema", hello->schema, SCHEMA_BYTES_MAX);
	if (r == 0)
		r = check_point(at, "newest", hello->newest);
	if (r == 0)
		r = check_point(at, "confirmed", hello->confirmed);
	if (r == 0)
		r = check_ids(at, "pending", &hello->pending);
	return r < 0 ? r : check_number(at, "refused_seen", hello->refused_seen, INT64_MAX);
}

static int check_acknowledge(const struct place *at, const Leaderd__Acknowledge *acknowledge) {
	int r = check_position(at, "position", acknowledge->global, acknowledge->client);

	if (r == 0)
		r = check_number(at, "generation", acknowledge->generation, INT64_MAX);
	return r < 0 ? r : check_number(at, "refused_seen", acknowledge->refused_seen, INT64_MAX);
}

static int check_events_open(const struct place *at, const Leaderd__EventsOpen *open) {
	int r = open->store[0] == '\0' ? 0 : check_store_name(at, "store", open->store);

	if (r == 0)
		r = check_position(at, "since", open->since_global, open->since_client);
	if (r == 0)
		r = check_position(at, "until", open->until_global, open->until_client);
	if (r == 0)
		r = check_text_length(at, "name", open->name, EVENT_NAME_BYTES_MAX);
	return r < 0 ? r : check_text_length(at, "client_id", open->client_id, CLIENT_ID_BYTES);
}

/* Whole units, one behind the other. */
static int check_units(const struct place *at, Leaderd__Event *const *events, size_t n_events) {
	for (size_t i = 0; i < n_events;) {
		size_t count = events[i]->unit_count;
		struct place event = place_index(at, "events", i);
		int r;

		if (count == 0 || count > n_events - i)
			return check_failed(&event, "unit_count", ERROR_PROTOCOL, "was %zu, with %zu events to come", count, n_events - i);
		r = check_unit(at, events + i, count);
		if (r < 0)
			return r;
		i += count;
	}
	return 0;
}

static int check_request(const struct place *at, const Leaderd__Request *request) {
	int r = check_version(at, request->protocol);

	if (r == 0 && request->store[0] != '\0')
		r = check_store_name(at, "store", request->store);
	if (r == 0)
		r = check_text_length(at, "text", request->text, SCHEMA_BYTES_MAX);
	if (r == 0)
		r = check_text_length(at, "backend", request->backend, BACKEND_URL_BYTES_MAX);
	if (r == 0)
		r = check_ids(at, "ids", &request->ids);
	if (r == 0)
		r = check_units(at, request->events, request->n_events);
	return r < 0 ? r : check_number(at, "after", request->after, INT64_MAX);
}

int wire_check_to_leader(const Leaderd__ToLeader *message, struct error *error) {
	struct place at = { .index = PLACE_SINGLE, .error = error };

	switch (message->body_case) {
	case LEADERD__TO_LEADER__BODY_HELLO:
		at.name = "Hello";
		return check_hello(&at, message->hello);
	case LEADERD__TO_LEADER__BODY_PUSH:
		at.name = "Push";
		return check_unit(&at, message->push->events, message->push->n_events);
	case LEADERD__TO_LEADER__BODY_ACKNOWLEDGE:
		at.name = "Acknowledge";
		return check_acknowledge(&at, message->acknowledge);
	case LEADERD__TO_LEADER__BODY_EVENTS_OPEN:
		at.name = "EventsOpen";
		return check_events_open(&at, message->events_open);
	case LEADERD__TO_LEADER__BODY_REQUEST:
		at.name = "Request";
		return check_request(&at, message->request);
	case LEADERD__TO_LEADER__BODY_EVENTS_CREDIT:
	case LEADERD__TO_LEADER__BODY_EVENTS_CLOSE:
		return 0; /* a number that names no stream is the leader's to answer */
	default:
		return error_set(error, ERROR_PROTOCOL, "ToLeader had no body that is known here");
	}
}

static int check_welcome(const struct place *at, const Leaderd__Welcome *welcome) {
	int r = check_version(at, welcome->protocol);

	if (r == 0)
		r = check_client_id(at, "client_id", welcome->client_id);
	if (r == 0)
		r = check_number(at, "image_bytes", welcome->image_bytes, SESSION_IMAGE_BYTES_MAX);
	if (r == 0 && (welcome->image != 0) != (welcome->image_bytes > 0))
		r = check_failed(at, "image_bytes", ERROR_PROTOCOL, "did not agree with image");
	if (r == 0)
		r = check_point(at, "at", welcome->at);
	if (r == 0 && welcome->verdicts.len > PENDING_IDS_MAX)
		r = check_failed(at, "verdicts", ERROR_TOO_LARGE, "held %zu verdicts, at most %u", welcome->verdicts.len,
		                 PENDING_IDS_MAX);
	for (size_t i = 0; r == 0 && i < welcome->verdicts.len; i++)
		if (welcome->verdicts.data[i] > VERDICT_MAX)
			r = check_failed(at, "verdicts", ERROR_PROTOCOL, "held %u at %zu, expected at most %u",
			                 welcome->verdicts.data[i], i, VERDICT_MAX);
	if (r == 0)
		r = check_heads(at, welcome->heads);
	if (r == 0)
		r = check_text_length(at, "schema", welcome->schema, SCHEMA_BYTES_MAX);
	return r < 0 ? r : check_clock(at, welcome->hlc_time_ms, welcome->hlc_counter);
}

static int check_feed(const struct place *at, const Leaderd__Feed *feed) {
	int r = check_refusals(at, feed->refusals, feed->n_refusals);

	if (r == 0 && !feed->rebase && feed->back_to != NULL)
		r = check_failed(at, "back_to", ERROR_PROTOCOL, "stood in a feed without a rebase");
	if (r == 0)
		r = check_point(at, "back_to", feed->back_to);
	if (r == 0)
		r = check_events(at, feed->events, feed->n_events, EVENT_FED);
	return r < 0 ? r : check_heads(at, feed->heads);
}

static int check_events_page(const struct place *at, const Leaderd__EventsPage *page) {
	int r = check_events(at, page->events, page->n_events, EVENT_LOGGED);

	if (r == 0)
		r = check_position(at, "upstream", page->upstream_global, 0);
	if (r == 0)
		r = check_position(at, "back", page->back_global, page->back_client);
	return r < 0 ? r : check_code(at, page->code);
}

static int check_statuses(const struct place *in, const Leaderd__Response *response) {
	for (size_t i = 0; i < response->n_stores; i++) {
		struct place at = place_index(in, "stores", i);
		int r = check_store_name(&at, "name", response->stores[i]->name);

		if (r == 0)
			r = check_heads(&at, response->stores[i]->heads);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < response->n_sessions; i++) {
		const Leaderd__SessionStatus *session = response->sessions[i];
		struct place at = place_index(in, "sessions", i);
		int r = check_session_id(&at, "session_id", session->session_id);

		if (r == 0)
			r = check_position(&at, "position", session->global, session->client);
		if (r == 0)
			r = check_position(&at, "sent", session->sent_global, session->sent_client);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_response(const struct place *in, const Leaderd__Response *response) {
	int r = check_code(in, response->code);

	if (r == 0)
		r = check_statuses(in, response);
	if (r == 0)
		r = check_refusals(in, response->refusals, response->n_refusals);
	for (size_t i = 0; r == 0 && i < response->n_known; i++) {
		const Leaderd__Known *known = response->known[i];
		struct place at = place_index(in, "known", i);

		r = check_id(&at, "id", &known->id);
		if (r == 0)
			r = check_number(&at, "what", known->what, KNOWN_MAX);
		if (r == 0)
			r = check_position(&at, "position", known->global, known->client);
	}
	return r < 0 ? r : check_events(in, response->events, response->n_events, EVENT_LOGGED);
}

int wire_check_to_session(const Leaderd__ToSession *message, struct error *error) {
	struct place at = { .index = PLACE_SINGLE, .error = error };

	switch (message->body_case) {
	case LEADERD__TO_SESSION__BODY_WELCOME:
		at.name = "Welcome";
		return check_welcome(&at, message->welcome);
	case LEADERD__TO_SESSION__BODY_FEED:
		at.name = "Feed";
		return check_feed(&at, message->feed);
	case LEADERD__TO_SESSION__BODY_EVENTS_PAGE:
		at.name = "EventsPage";
		return check_events_page(&at, message->events_page);
	case LEADERD__TO_SESSION__BODY_RESPONSE:
		at.name = "Response";
		return check_response(&at, message->response);
	case LEADERD__TO_SESSION__BODY_FAILURE:
		at.name = "Failure";
		if (message->failure->code == 0)
			return check_failed(&at, "code", ERROR_PROTOCOL, "was 0, expected a negative code");
		return check_code(&at, message->failure->code);
	case LEADERD__TO_SESSION__BODY_HELLO_AGAIN:
		return 0; /* its reason is text for people */
	default:
		return error_set(error, ERROR_PROTOCOL, "ToSession had no body that is known here");
	}
}
