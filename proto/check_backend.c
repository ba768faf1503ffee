/*
 * What each message between leader and adapter must be before anyone acts on
 * it. An adapter may be anyone's program: the leader believes it as little as a
 * session.
 */

#include <string.h>

#include "proto/check.h"
#include "proto/check_backend.h"

#define TEXT_BYTES_MAX (sizeof(((struct error *)NULL)->text) - 1)

static int check_point(const struct place *in, const char *name, const Leaderd__BackendPoint *point) {
	struct place at = place_single(in, name);
	int r;

	if (point == NULL) /* before the first event */
		return 0;
	r = check_position(&at, "global", point->global, 0);
	if (r == 0)
		r = check_bytes(&at, "chain_hash", &point->chain_hash, point->global == 0 ? 0 : sizeof(struct hash));
	if (r < 0)
		return r;
	if (point->cursor.len > BACKEND_CURSOR_BYTES_MAX)
		return check_failed(&at, "cursor", ERROR_TOO_LARGE, "had %zu bytes, at most %u", point->cursor.len,
		                    BACKEND_CURSOR_BYTES_MAX);
	return 0;
}

static int check_events(const struct place *in, Leaderd__Event *const *events, size_t n_events, size_t events_max) {
	size_t bytes = 0;

	if (n_events > events_max)
		return check_failed(in, "events", ERROR_TOO_LARGE, "held %zu events, at most %zu", n_events, events_max);
	for (size_t i = 0; i < n_events; i++) {
		struct place at = place_index(in, "events", i);
		int r = check_event(&at, events[i], EVENT_CONFIRMED);

		if (r < 0)
			return r;
		bytes += events[i]->args.len;
	}
	if (bytes > BACKEND_BATCH_BYTES_MAX)
		return check_failed(in, "events", ERROR_TOO_LARGE, "had %zu bytes of arguments, at most %u", bytes,
		                    BACKEND_BATCH_BYTES_MAX);
	return 0;
}

static int check_open(const struct place *at, const Leaderd__Open *open) {
	int r = 0;

	if (open->protocol != BACKEND_PROTOCOL_VERSION)
		return check_failed(at, "protocol", ERROR_VERSION, "was version %u, this program speaks version %u",
		                    open->protocol, BACKEND_PROTOCOL_VERSION);
	r = check_at_least_one(at, "number", open->number);
	if (r == 0)
		r = check_store_name(at, "store", open->store);
	if (r == 0)
		r = check_text_length(at, "url", open->url, BACKEND_URL_BYTES_MAX);
	if (r == 0)
		r = check_bytes_or_none(at, "lineage", &open->lineage, BACKEND_LINEAGE_BYTES);
	if (r == 0)
		r = check_number(at, "epoch", open->epoch, INT64_MAX - 1);
	if (r == 0)
		r = check_point(at, "confirmed", open->confirmed);
	if (r == 0)
		r = check_client_id(at, "client_id", open->client_id);
	return r < 0 ? r : check_id(at, "new_lineage", &open->new_lineage);
}

static int check_push(const struct place *at, const Leaderd__PushBatch *push) {
	int r = check_at_least_one(at, "number", push->number);

	if (r == 0)
		r = check_point(at, "parent", push->parent);
	if (r == 0 && push->n_events == 0)
		r = check_failed(at, "events", ERROR_PROTOCOL, "was empty");
	return r < 0 ? r : check_events(at, push->events, push->n_events, BACKEND_BATCH_EVENTS_MAX);
}

static int check_pull(const struct place *at, const Leaderd__Pull *pull) {
	int r = check_at_least_one(at, "number", pull->number);

	if (r == 0)
		r = check_point(at, "after", pull->after);
	if (r == 0)
		r = check_at_least_one(at, "events_max", pull->events_max);
	if (r == 0)
		r = check_number(at, "events_max", pull->events_max, BACKEND_PAGE_EVENTS_MAX);
	if (r == 0)
		r = check_at_least_one(at, "bytes_max", pull->bytes_max);
	return r < 0 ? r : check_number(at, "bytes_max", pull->bytes_max, BACKEND_BATCH_BYTES_MAX);
}

int backend_check_to_adapter(const Leaderd__ToAdapter *message, struct error *error) {
	struct place at = { .index = PLACE_SINGLE, .error = error };

	switch (message->body_case) {
	case LEADERD__TO_ADAPTER__BODY_OPEN:
		at.name = "Open";
		return check_open(&at, message->open);
	case LEADERD__TO_ADAPTER__BODY_PUSH:
		at.name = "PushBatch";
		return check_push(&at, message->push);
	case LEADERD__TO_ADAPTER__BODY_PULL:
		at.name = "Pull";
		return check_pull(&at, message->pull);
	case LEADERD__TO_ADAPTER__BODY_PING:
		at.name = "Ping";
		return check_at_least_one(&at, "number", message->ping->number);
	default:
		return error_set(error, ERROR_PROTOCOL, "ToAdapter had no body that is known here");
	}
}

static int check_opened(const struct place *at, const Leaderd__Opened *opened) {
	int r = check_at_least_one(at, "number", opened->number);

	if (r == 0)
		r = check_id(at, "lineage", &opened->lineage);
	if (r == 0)
		r = check_at_least_one(at, "epoch", opened->epoch);
	if (r == 0)
		r = check_number(at, "epoch", opened->epoch, INT64_MAX - 1);
	if (r == 0)
		r = check_point(at, "head", opened->head);
	if (r == 0)
		r = check_at_least_one(at, "batch_events_max", opened->batch_events_max);
	if (r == 0)
		r = check_at_least_one(at, "batch_bytes_max", opened->batch_bytes_max);
	return r < 0 ? r : check_at_least_one(at, "event_bytes_max", opened->event_bytes_max);
}

static int check_push_answer(const struct place *at, const Leaderd__PushAnswer *answer) {
	int r = check_at_least_one(at, "number", answer->number);

	if (r == 0)
		r = check_at_least_one(at, "result", (uint64_t)answer->result);
	if (r == 0)
		r = check_number(at, "result", (uint64_t)answer->result, LEADERD__PUSH_RESULT__PUSH_REFUSED);
	if (r == 0)
		r = check_point(at, "head", answer->head);
	if (r < 0)
		return r;
	if (answer->result == LEADERD__PUSH_RESULT__PUSH_ACCEPTED && (answer->head == NULL || answer->head->global == 0))
		return check_failed(at, "head", ERROR_PROTOCOL, "was missing in an acceptance");
	if (answer->result != LEADERD__PUSH_RESULT__PUSH_REFUSED && (answer->refused.len > 0 || answer->permanent))
		return check_failed(at, "refused", ERROR_PROTOCOL, "stood beside another result");
	r = check_text_length(at, "reason", answer->reason, TEXT_BYTES_MAX);
	return r < 0 ? r : check_ids(at, "refused", &answer->refused);
}

static int check_page(const struct place *at, const Leaderd__Page *page) {
	int r = check_at_least_one(at, "number", page->number);

	if (r == 0)
		r = check_events(at, page->events, page->n_events, BACKEND_PAGE_EVENTS_MAX);
	if (r == 0)
		r = check_point(at, "end", page->end);
	if (r == 0)
		r = check_point(at, "head", page->head);
	if (r == 0)
		r = check_text_length(at, "reason", page->reason, TEXT_BYTES_MAX);
	if (r < 0)
		return r;
	if (page->diverged && (page->n_events > 0 || page->more))
		return check_failed(at, "diverged", ERROR_PROTOCOL, "stood beside events, or more of them");
	if (page->more && page->n_events == 0)
		return check_failed(at, "more", ERROR_PROTOCOL, "stood in a page without events");
	return 0;
}

static int check_problem(const struct place *at, const Leaderd__Problem *problem) {
	int r = problem->code == 0 ? check_failed(at, "code", ERROR_PROTOCOL, "was 0, expected a negative code")
	                           : check_code(at, problem->code);

	if (r == 0)
		r = check_text_length(at, "text", problem->text, TEXT_BYTES_MAX);
	return r < 0 ? r : check_bytes_or_none(at, "lineage", &problem->lineage, BACKEND_LINEAGE_BYTES);
}

int backend_check_from_adapter(const Leaderd__FromAdapter *message, struct error *error) {
	struct place at = { .index = PLACE_SINGLE, .error = error };

	switch (message->body_case) {
	case LEADERD__FROM_ADAPTER__BODY_OPENED:
		at.name = "Opened";
		return check_opened(&at, message->opened);
	case LEADERD__FROM_ADAPTER__BODY_PUSH_ANSWER:
		at.name = "PushAnswer";
		return check_push_answer(&at, message->push_answer);
	case LEADERD__FROM_ADAPTER__BODY_PAGE:
		at.name = "Page";
		return check_page(&at, message->page);
	case LEADERD__FROM_ADAPTER__BODY_PONG:
		at.name = "Pong";
		return check_at_least_one(&at, "number", message->pong->number);
	case LEADERD__FROM_ADAPTER__BODY_PROBLEM:
		at.name = "Problem";
		return check_problem(&at, message->problem);
	default:
		return error_set(error, ERROR_PROTOCOL, "FromAdapter had no body that is known here");
	}
}

int backend_check_event(const Leaderd__Event *event, struct error *error) {
	struct place at = { .name = "Event", .index = PLACE_SINGLE, .error = error };

	return check_event(&at, event, EVENT_CONFIRMED);
}
