/*
 * A request becomes one call of an operation and one answer. What the backend
 * cannot do is an answer as well; only a leader that breaks the protocol, or the
 * lack of memory for an answer, ends the program.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/runtime.h"

void runtime_close(struct runtime *runtime) {
	if (runtime->backend != NULL)
		runtime->operations->close(runtime->backend);
	runtime->backend = NULL;
	runtime->live = (struct live){ 0 };
}

static bool has_lineage(const uint8_t lineage[BACKEND_LINEAGE_BYTES]) {
	static const uint8_t none[BACKEND_LINEAGE_BYTES];

	return memcmp(lineage, none, sizeof(none)) != 0;
}

static int compare_lineage(const struct adapter_open *open, const struct adapter_opened *opened, struct error *error) {
	char expected[2 * BACKEND_LINEAGE_BYTES + 1], found[2 * BACKEND_LINEAGE_BYTES + 1];

	if (open->lineage == NULL || memcmp(open->lineage, opened->lineage, BACKEND_LINEAGE_BYTES) == 0)
		return 0;
	hex_print(expected, open->lineage, BACKEND_LINEAGE_BYTES);
	hex_print(found, opened->lineage, BACKEND_LINEAGE_BYTES);
	return error_set(error, ERROR_CONFLICT, "the log had lineage %s, expected %s: it is another store's", found,
	                 expected);
}

static int answer_open(struct runtime *runtime, const Leaderd__Open *request, struct error *error) {
	struct adapter_open open = {
		.store = request->store,
		.url = request->url,
		.client_id = request->client_id,
		.lineage = request->lineage.len > 0 ? request->lineage.data : NULL,
		.epoch = request->epoch,
		.new_lineage = request->lineage.len > 0 ? request->lineage.data : request->new_lineage.data,
		.new_epoch = request->epoch + 1,
	};
	struct adapter_opened opened = { 0 };
	struct error cause = { 0 };
	int r;

	runtime_close(runtime);
	r = runtime->operations->open(&runtime->backend, &open, &opened, &cause);
	if (r >= 0)
		r = compare_lineage(&open, &opened, &cause);
	if (r < 0) {
		cause.code = r;
		runtime_close(runtime);
		return answer_problem(runtime, request->number, &cause,
		                      r == ERROR_CONFLICT && has_lineage(opened.lineage) ? opened.lineage : NULL, error);
	}
	runtime->opened = opened;
	return answer_opened(runtime, request->number, error);
}

/* What is too large stays too large: the leader refuses these events. */
static int refuse_large(struct runtime *runtime, const struct adapter_push *push, struct adapter_push_answer *ret,
                        struct error *error) {
	uint64_t event_bytes_max = runtime->opened.event_bytes_max;
	uint64_t bytes = 0;

	for (size_t i = 0; i < push->n_events; i++) {
		size_t event_bytes = adapter_event_bytes(push->events[i]);

		bytes += event_bytes;
		if (event_bytes <= event_bytes_max)
			continue;
		if (ret->refused == NULL)
			ret->refused = calloc(push->n_events, sizeof(struct event_id));
		if (ret->refused == NULL)
			return error_no_memory(error);
		ret->refused[ret->n_refused++] = push->events[i]->entry.id;
		ret->result = PUSH_REFUSED;
		ret->permanent = true;
		snprintf(ret->reason, sizeof(ret->reason), "the event had %zu bytes, the backend takes %" PRIu64, event_bytes,
		         event_bytes_max);
	}
	if (ret->result == PUSH_REFUSED)
		return 0;
	if (push->n_events > runtime->opened.batch_events_max)
		return error_set(error, ERROR_TOO_LARGE, "the batch held %zu events, the backend takes %u", push->n_events,
		                 runtime->opened.batch_events_max);
	if (bytes > runtime->opened.batch_bytes_max)
		return error_set(error, ERROR_TOO_LARGE, "the batch had %" PRIu64 " bytes, the backend takes %" PRIu64, bytes,
		                 runtime->opened.batch_bytes_max);
	return 0;
}

static int need_backend(const struct runtime *runtime, struct error *error) {
	return runtime->backend == NULL ? error_set(error, ERROR_NOT_RUNNING, "the backend is not open") : 0;
}

static int carry_out_push(struct runtime *runtime, const struct adapter_push *push, struct adapter_push_answer *ret,
                          struct error *error) {
	int r = need_backend(runtime, error);

	if (r == 0)
		r = runtime_check_batch(push, error);
	if (r == 0)
		r = refuse_large(runtime, push, ret, error);
	if (r == 0 && ret->result == 0)
		r = runtime->operations->push(runtime->backend, push, ret, error);
	if (r >= 0 && ret->result == PUSH_ACCEPTED)
		live_pushed(runtime, push, &ret->head);
	return r;
}

static int push_batch(struct runtime *runtime, const Leaderd__PushBatch *request, struct error *error) {
	struct adapter_push push = { .n_events = request->n_events };
	struct adapter_push_answer answer = { 0 };
	struct event **events = NULL;
	struct error cause = { 0 };
	int r = events_get(&events, request->events, request->n_events, &cause);

	point_get(&push.parent, request->parent);
	push.events = events;
	if (r == 0)
		r = carry_out_push(runtime, &push, &answer, &cause);
	if (r < 0) {
		cause.code = r;
		r = answer_problem(runtime, request->number, &cause, NULL, error);
	} else {
		r = answer_push(runtime, request->number, &answer, error);
	}
	free(answer.refused);
	events_free(events, push.n_events);
	return r;
}

static int pull_page(struct runtime *runtime, const Leaderd__Pull *request, struct error *error) {
	struct adapter_pull pull = { .events_max = request->events_max, .bytes_max = request->bytes_max };
	struct adapter_page page = { 0 };
	struct error cause = { 0 };
	int r = need_backend(runtime, &cause);

	runtime->live.on = false; /* until the next pull: this one */
	point_get(&pull.after, request->after);
	if (r == 0)
		r = runtime->operations->pull(runtime->backend, &pull, &page, &cause);
	if (r < 0) {
		cause.code = r;
		return answer_problem(runtime, request->number, &cause, NULL, error);
	}
	r = answer_page(runtime, request->number, &page, error);
	if (request->live)
		live_start(runtime, request->number, &pull, &page);
	events_free(page.events, page.n_events);
	return r;
}

static int answer_ping(struct runtime *runtime, const Leaderd__Ping *request, struct error *error) {
	Leaderd__FromAdapter message = LEADERD__FROM_ADAPTER__INIT;
	Leaderd__Pong body = LEADERD__PONG__INIT;

	body.number = request->number;
	message.body_case = LEADERD__FROM_ADAPTER__BODY_PONG;
	message.pong = &body;
	return backend_pack_from_adapter(&runtime->output, &message, error);
}

int runtime_request(struct runtime *runtime, const uint8_t *payload, size_t n, struct error *error) {
	const Leaderd__ToAdapter *message;
	int r = backend_unpack_to_adapter(&runtime->arena, payload, n, &message, error);

	if (r == ERROR_VERSION) /* the one that a leader of another version understands */
		return answer_problem(runtime, 0, error, NULL, error);
	if (r < 0)
		return r;
	switch (message->body_case) {
	case LEADERD__TO_ADAPTER__BODY_OPEN:
		r = answer_open(runtime, message->open, error);
		break;
	case LEADERD__TO_ADAPTER__BODY_PUSH:
		r = push_batch(runtime, message->push, error);
		break;
	case LEADERD__TO_ADAPTER__BODY_PULL:
		r = pull_page(runtime, message->pull, error);
		break;
	default:
		r = answer_ping(runtime, message->ping, error);
		break;
	}
	wire_arena_clear(&runtime->arena);
	return r;
}
