/*
 * Push: one message. The server stores it only behind the message that was the
 * last one when the parent was compared; of two leaders that push on one head,
 * one is told that it was overtaken.
 */

#include <stdio.h>

#include "nats/jetstream.h"

/* May the batch stand behind the head? */
static int compare_parent(struct nats_backend *backend, const struct adapter_push *push,
                          struct adapter_push_answer *ret, struct error *error) {
	struct nats_spot spot;
	int r = log_find(backend, &push->parent, &spot, ret->reason, sizeof(ret->reason), error);

	if (r < 0)
		return r;
	log_point(&ret->head, &backend->head);
	if (r == 0)
		ret->result = PUSH_DIVERGED;
	else if (spot.global < backend->head.global)
		ret->result = PUSH_BEHIND;
	else
		ret->result = PUSH_ACCEPTED;
	return 0;
}

static void accept_batch(struct nats_backend *backend, const struct adapter_push *push,
                         struct adapter_push_answer *ret) {
	const struct event *last = push->events[push->n_events - 1];

	backend->head = (struct nats_spot){
		.sequence = backend->head.sequence + 1,
		.global = last->entry.at.global,
		.message_last = last->entry.at.global,
		.chain_hash = last->chain_hash,
	};
	backend->read = backend->head;
	backend->own = backend->head.sequence;
	log_point(&ret->head, &backend->head);
}

static int write_batch(struct nats_backend *backend, const struct adapter_push *push, struct error *error) {
	natsMsg *message;
	int r = message_make_batch(&message, &backend->place, push, error);

	if (r < 0)
		return r;
	r = server_publish(backend, message, backend->head.sequence, error);
	natsMsg_Destroy(message);
	return r;
}

/*
 * Someone's message got there first, or this very one did before: the server knew
 * its id. What stands in the log says which; "duplicate" alone says nothing.
 */
static int judge_overtaken(struct nats_backend *backend, const struct adapter_push *push,
                           struct adapter_push_answer *ret, struct error *error) {
	int r = server_settle(backend, error);

	if (r == 0)
		r = compare_parent(backend, push, ret, error);
	if (r == 0 && ret->result == PUSH_ACCEPTED) {
		ret->result = PUSH_LATER;
		snprintf(ret->reason, sizeof(ret->reason), "the server knows of another message than it shows");
	}
	return r;
}

int nats_push(void *data, const struct adapter_push *push, struct adapter_push_answer *ret, struct error *error) {
	struct nats_backend *backend = data;
	struct adapter_push_answer answer = { 0 };
	int r;

	server_begin(backend);
	r = compare_parent(backend, push, &answer, error);
	if (r == 0 && answer.result == PUSH_ACCEPTED) {
		r = write_batch(backend, push, error);
		if (r == SERVER_STORED) {
			accept_batch(backend, push, &answer);
		} else if (r == SERVER_OVERTAKEN) {
			r = judge_overtaken(backend, push, &answer, error);
		} else if (r == SERVER_LATER) {
			answer.result = PUSH_LATER;
			snprintf(answer.reason, sizeof(answer.reason), "the stream is between two of its leaders");
		}
	}
	if (r < 0)
		return r;
	*ret = answer;
	return 0;
}
