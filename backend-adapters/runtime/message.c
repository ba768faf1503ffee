/*
 * Model types into messages and back. Answers go into the runtime's output,
 * one frame each.
 */

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "runtime/runtime.h"

static ProtobufCBinaryData borrow(const void *data, size_t n) {
	return (ProtobufCBinaryData){ .len = n, .data = (uint8_t *)data };
}

void point_get(struct backend_point *ret, const Leaderd__BackendPoint *message) {
	*ret = (struct backend_point){ 0 };
	if (message == NULL)
		return;
	ret->global = message->global;
	if (message->chain_hash.len > 0)
		memcpy(ret->chain_hash.bytes, message->chain_hash.data, sizeof(ret->chain_hash.bytes));
	ret->cursor_bytes = message->cursor.len;
	if (message->cursor.len > 0)
		memcpy(ret->cursor, message->cursor.data, message->cursor.len);
}

void point_set(Leaderd__BackendPoint *ret, const struct backend_point *point) {
	leaderd__backend_point__init(ret);
	ret->global = point->global;
	if (point->global > 0)
		ret->chain_hash = borrow(point->chain_hash.bytes, sizeof(point->chain_hash.bytes));
	ret->cursor = borrow(point->cursor, point->cursor_bytes);
}

struct event **events_free(struct event **events, size_t n) {
	for (size_t i = 0; events != NULL && i < n; i++)
		event_destroy(events[i]);
	free(events);
	return NULL;
}

int events_get(struct event ***ret, Leaderd__Event *const *messages, size_t n, struct error *error) {
	struct event **events = calloc(n, sizeof(struct event *));

	if (events == NULL)
		return error_no_memory(error);
	for (size_t i = 0; i < n; i++) {
		int r = wire_event_unpack(&events[i], messages[i], error);

		if (r < 0) {
			events_free(events, i);
			return r;
		}
	}
	*ret = events;
	return 0;
}

/* Messages and the list of pointers to them, in one block. */
struct event_messages {
	Leaderd__Event **list;
	Leaderd__Event *messages;
};

static int event_messages_init(struct event_messages *ret, struct event *const *events, size_t n, struct error *error) {
	*ret = (struct event_messages){ 0 };
	if (n == 0)
		return 0;
	ret->list = calloc(n, sizeof(Leaderd__Event *));
	ret->messages = calloc(n, sizeof(Leaderd__Event));
	if (ret->list == NULL || ret->messages == NULL) {
		free(ret->list);
		free(ret->messages);
		return error_no_memory(error);
	}
	for (size_t i = 0; i < n; i++) {
		backend_event_pack(&ret->messages[i], events[i]);
		ret->list[i] = &ret->messages[i];
	}
	return 0;
}

static int pack(struct runtime *runtime, const Leaderd__FromAdapter *message, struct error *error) {
	return backend_pack_from_adapter(&runtime->output, message, error);
}

int answer_page(struct runtime *runtime, uint64_t number, const struct adapter_page *page, struct error *error) {
	Leaderd__FromAdapter message = LEADERD__FROM_ADAPTER__INIT;
	Leaderd__Page body = LEADERD__PAGE__INIT;
	Leaderd__BackendPoint end, head;
	struct event_messages events;
	int r = event_messages_init(&events, page->events, page->n_events, error);

	if (r < 0)
		return r;
	point_set(&end, &page->end);
	point_set(&head, &page->head);
	body.number = number;
	body.events = events.list;
	body.n_events = page->n_events;
	body.end = &end;
	body.head = &head;
	body.more = page->more;
	body.diverged = page->diverged;
	body.reason = (char *)page->reason;
	message.body_case = LEADERD__FROM_ADAPTER__BODY_PAGE;
	message.page = &body;
	r = pack(runtime, &message, error);
	free(events.list);
	free(events.messages);
	return r;
}

int answer_push(struct runtime *runtime, uint64_t number, const struct adapter_push_answer *answer,
                struct error *error) {
	Leaderd__FromAdapter message = LEADERD__FROM_ADAPTER__INIT;
	Leaderd__PushAnswer body = LEADERD__PUSH_ANSWER__INIT;
	Leaderd__BackendPoint head;
	bool refused = answer->result == PUSH_REFUSED;

	point_set(&head, &answer->head);
	body.number = number;
	body.result = (Leaderd__PushResult)answer->result;
	body.head = &head;
	body.reason = (char *)answer->reason;
	if (refused)
		body.refused = borrow(answer->refused, answer->n_refused * sizeof(struct event_id));
	body.permanent = refused && answer->permanent;
	message.body_case = LEADERD__FROM_ADAPTER__BODY_PUSH_ANSWER;
	message.push_answer = &body;
	return pack(runtime, &message, error);
}

int answer_opened(struct runtime *runtime, uint64_t number, struct error *error) {
	const struct adapter_opened *opened = &runtime->opened;
	Leaderd__FromAdapter message = LEADERD__FROM_ADAPTER__INIT;
	Leaderd__Opened body = LEADERD__OPENED__INIT;
	Leaderd__BackendPoint head;

	point_set(&head, &opened->head);
	body.number = number;
	body.lineage = borrow(opened->lineage, sizeof(opened->lineage));
	body.epoch = opened->epoch;
	body.head = &head;
	body.batch_events_max = opened->batch_events_max;
	body.batch_bytes_max = opened->batch_bytes_max;
	body.event_bytes_max = opened->event_bytes_max;
	body.live = opened->live;
	message.body_case = LEADERD__FROM_ADAPTER__BODY_OPENED;
	message.opened = &body;
	return pack(runtime, &message, error);
}

static bool is_permanent(int code) {
	return code == ERROR_PERMISSION || code == ERROR_CONFLICT || code == ERROR_INVALID || code == ERROR_VERSION;
}

static bool is_disconnection(int code) {
	return code == ERROR_IO || code == ERROR_TIMEOUT || code == ERROR_NOT_RUNNING;
}

int answer_problem(struct runtime *runtime, uint64_t number, const struct error *cause, const uint8_t *lineage,
                   struct error *error) {
	Leaderd__FromAdapter message = LEADERD__FROM_ADAPTER__INIT;
	Leaderd__Problem body = LEADERD__PROBLEM__INIT;
	char text[sizeof(cause->text)];

	if (is_disconnection(cause->code))
		runtime_close(runtime);
	strcpy(text, cause->text);
	text_make_line(text); /* client libraries end their lines */
	body.number = number;
	body.code = cause->code < 0 ? cause->code : ERROR_UNKNOWN;
	body.text = text;
	body.permanent = is_permanent(cause->code);
	if (lineage != NULL)
		body.lineage = borrow(lineage, BACKEND_LINEAGE_BYTES);
	message.body_case = LEADERD__FROM_ADAPTER__BODY_PROBLEM;
	message.problem = &body;
	return pack(runtime, &message, error);
}
