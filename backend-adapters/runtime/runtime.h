#ifndef LEADERD_RUNTIME_H
#define LEADERD_RUNTIME_H

/*
 * One connection of an adapter: what its parts share. Private to the runtime.
 *
 *   adapter.c   the program, its loop, descriptor 3
 *   request.c   a request becomes a call of an operation, and an answer
 *   live.c      further pages, after a pull that asked for them
 *   message.c   model types into messages and back
 *   event.c     events as bytes, batches checked
 *   url.c       parameters of the URL
 */

#include "proto/backend_wire.h"
#include "runtime/adapter.h"

struct live {
	bool on;
	uint64_t number;          /* of the pull */
	struct adapter_pull pull; /* the next page's */
	int64_t due_us;           /* CLOCK_MONOTONIC: the next look without a hint */
};

struct runtime {
	const struct adapter_operations *operations;
	struct wire_reader reader;
	struct wire_arena arena;
	struct bytes output; /* one answer on its way */
	void *backend;       /* NULL: closed */
	struct adapter_opened opened;
	struct live live;
	uint32_t poll_ms;
	bool hung_up;
};

/* Answers into runtime->output. A failure is none of the backend's: it ends the program. */
int runtime_request(struct runtime *runtime, const uint8_t *payload, size_t n, struct error *error);
void runtime_close(struct runtime *runtime);

void live_start(struct runtime *runtime, uint64_t number, const struct adapter_pull *pull,
                const struct adapter_page *page);
/* The leader has these events from its own hands. */
void live_pushed(struct runtime *runtime, const struct adapter_push *push, const struct backend_point *head);
int live_descriptor(const struct runtime *runtime);                       /* -1: none to watch */
int live_timeout_ms(const struct runtime *runtime);                       /* until the next look; -1: none */
int live_look(struct runtime *runtime, bool hinted, struct error *error); /* a page into the output, if there is news */

/* Messages. They borrow; outputs of `get` are owned by the caller. */
void point_get(struct backend_point *ret, const Leaderd__BackendPoint *message);
void point_set(Leaderd__BackendPoint *ret, const struct backend_point *point);
int events_get(struct event ***ret, Leaderd__Event *const *messages, size_t n, struct error *error);
struct event **events_free(struct event **events, size_t n);
int answer_page(struct runtime *runtime, uint64_t number, const struct adapter_page *page, struct error *error);
int answer_push(struct runtime *runtime, uint64_t number, const struct adapter_push_answer *answer,
                struct error *error);
int answer_opened(struct runtime *runtime, uint64_t number, struct error *error);
/* Closes as well, where the cause says that the connection is gone. */
int answer_problem(struct runtime *runtime, uint64_t number, const struct error *cause, const uint8_t *lineage,
                   struct error *error);

/* ERROR_INVALID: a gap, a wrong chain hash, a unit that is not whole. */
int runtime_check_batch(const struct adapter_push *push, struct error *error);

#endif
