/*
 * Messages of the adapter become inputs of the upstream machine; see upstream.h.
 * The wire has checked their form. Here they are compared with what was asked, and
 * what is wrong gets its words.
 */

#include "leaderd/src/upstream.h"

#include <string.h>

#include "leaderd/src/leader.h"

static void nonsense(struct upstream *upstream, const char *what) {
	error_set(&upstream->why, ERROR_PROTOCOL, "the adapter talked nonsense: %s", what);
	upstream_give(upstream, &(struct upstream_input){ .kind = UPSTREAM_GONE });
}

/* Is it the answer to the newest request, of this kind? */
static bool is_asked(struct upstream *upstream, enum upstream_asked asked, uint64_t number) {
	if (upstream->asked != asked || number != upstream->number)
		return false;
	upstream->asked = ASKED_NOTHING;
	return true;
}

/* ---- open ------------------------------------------------------------------------------ */

int upstream_read_opened(struct upstream_opened *ret, struct upstream_limits *ret_limits,
                         const Leaderd__Opened *message) {
	memcpy(ret->lineage, message->lineage.data, sizeof(ret->lineage));
	ret->epoch = message->epoch;
	upstream_point_get(&ret->head, message->head);
	*ret_limits = (struct upstream_limits){
		.known = true,
		.batch_events_max = message->batch_events_max,
		.batch_bytes_max = message->batch_bytes_max,
		.event_bytes_max = message->event_bytes_max,
	};
	return 0;
}

static enum upstream_lineage compare_lineage(struct upstream *upstream) {
	const struct eventlog_status *told = &upstream->leader->told;
	char ours[2 * UPSTREAM_LINEAGE_BYTES + 1], theirs[2 * UPSTREAM_LINEAGE_BYTES + 1];

	if (position_is_root(told->upstream_head))
		return LINEAGE_FIRST;
	if (memcmp(told->lineage, upstream->opened.lineage, sizeof(told->lineage)) == 0)
		return LINEAGE_SAME;
	hex_print(ours, told->lineage, sizeof(told->lineage));
	hex_print(theirs, upstream->opened.lineage, sizeof(upstream->opened.lineage));
	error_set(&upstream->why, ERROR_HOLD, "the backend's log is another store's: its lineage is %s, ours is %s", theirs,
	          ours);
	return LINEAGE_OTHER;
}

static void take_opened(struct upstream *upstream, const Leaderd__Opened *message) {
	if (!is_asked(upstream, ASKED_OPEN, message->number)) {
		nonsense(upstream, "it opened what it was not asked to");
		return;
	}
	upstream_read_opened(&upstream->opened, &upstream->limits, message);
	upstream_give(upstream, &(struct upstream_input){ .kind = UPSTREAM_OPENED, .lineage = compare_lineage(upstream),
	                                                  .live = message->live });
}

/* ---- what differs --------------------------------------------------------------------------- */

#define HASH_WORDS 17u /* of a chain hash, as many digits as tell two apart */

static void print_hash(char ret[HASH_WORDS], const struct hash *hash) {
	hex_print(ret, hash->bytes, (HASH_WORDS - 1) / 2);
}

/* Positions and hashes, so that the reader sees which side lacks what. */
static void describe(struct upstream *upstream, const Leaderd__BackendPoint *message, const char *reason) {
	struct upstream_point confirmed, head;
	struct error *why = &upstream->why;
	struct hash ours;
	char our_words[HASH_WORDS], their_words[HASH_WORDS];
	unsigned long long at, end;

	upstream_point_get(&head, message);
	error_set(why, ERROR_HOLD, "the backend's log is not the one that confirmed our events: %s", reason);
	if (upstream_point_confirmed(&confirmed, upstream->leader, NULL) < 0)
		return;
	at = head.global < confirmed.global ? head.global : confirmed.global;
	end = head.global;
	if (upstream_chain_hash_at(&ours, upstream->leader, at, NULL) < 0)
		return;
	print_hash(our_words, &ours);
	print_hash(their_words, &head.chain_hash);
	if (end < confirmed.global && hash_equal(&ours, &head.chain_hash))
		error_set(why, ERROR_HOLD, "the backend's log is shorter than what it had confirmed: it ends at e%llu, our "
		          "confirmed head is e%llu, and up to e%llu they are equal (chain hash %s): --repair writes the rest", end,
		          (unsigned long long)confirmed.global, end, our_words);
	else if (end <= confirmed.global)
		error_set(why, ERROR_HOLD, "the backend's log forked: it ends at e%llu with chain hash %s, ours is %s there, and "
		          "our confirmed head is e%llu: --adopt takes its history", end, their_words, our_words,
		          (unsigned long long)confirmed.global);
	else
		error_set(why, ERROR_HOLD, "the backend's log forked: our confirmed head e%llu with chain hash %s is not in it, and "
		          "it ends at e%llu: --adopt takes its history%s%s", at, our_words, end, reason[0] ? "; " : "", reason);
}

/* ---- pull ------------------------------------------------------------------------------------- */

static void give_page(struct upstream *upstream, const Leaderd__Page *page) {
	const struct eventlog_status *told = &upstream->leader->told;
	const struct leader_staging *staged = &upstream->leader->machine.staged;
	uint64_t head = staged->active ? staged->head.global : told->upstream_head.global;
	struct upstream_input input = { .kind = UPSTREAM_PAGE };

	input.page.has_events = page->n_events > 0;
	input.page.more = page->more;
	input.page.diverged = page->diverged;
	input.page.follows = page->n_events > 0 && page->events[0]->global == head + 1;
	input.page.is_news = page->end && page->end->global > head;
	upstream->page = page;
	upstream_give(upstream, &input);
	upstream->page = NULL;
}

/* A page of an older pull, sent before the newer one was read, is passed over. */
static void take_page(struct upstream *upstream, const Leaderd__Page *page) {
	bool asked = page->number == upstream->pull_number && is_asked(upstream, ASKED_PULL, page->number);

	if (page->number > upstream->pull_number || upstream->asked == ASKED_OPEN) {
		nonsense(upstream, "it sent a page that it was not asked for");
		return;
	}
	if (page->number != upstream->pull_number)
		return;
	if (page->diverged && asked)
		describe(upstream, page->head, page->reason);
	give_page(upstream, page);
}

/* ---- push ---------------------------------------------------------------------------------------- */

/* Confirmation is by hash: a backend that took something else than what it was sent has forked. */
static enum upstream_answer check_accepted(struct upstream *upstream, const Leaderd__BackendPoint *head) {
	struct upstream_point point;
	struct hash ours;

	upstream_point_get(&point, head);
	if (upstream_chain_hash_at(&ours, upstream->leader, upstream->pushed_until, &upstream->why) < 0)
		return ANSWER_LATER; /* what was accepted comes back by a pull */
	if (point.global == upstream->pushed_until && hash_equal(&ours, &point.chain_hash))
		return ANSWER_ACCEPTED;
	error_set(&upstream->why, ERROR_HOLD, "the backend accepted something else than what was pushed: e%llu, pushed up to "
	          "e%llu, or with another chain hash", (unsigned long long)point.global,
	          (unsigned long long)upstream->pushed_until);
	return ANSWER_DIVERGED;
}

static void say_reason(struct upstream *upstream, int code, const char *otherwise, const char *reason) {
	error_set(&upstream->why, code, "%s", reason[0] != '\0' ? reason : otherwise);
}

static struct upstream_input input_of(struct upstream *upstream, const Leaderd__PushAnswer *answer) {
	struct upstream_input input = { .kind = UPSTREAM_ANSWER, .permanent = answer->permanent };

	switch (answer->result) {
	case LEADERD__PUSH_RESULT__PUSH_ACCEPTED:
		input.answer = check_accepted(upstream, answer->head);
		break;
	case LEADERD__PUSH_RESULT__PUSH_BEHIND:
		input.answer = ANSWER_BEHIND;
		break;
	case LEADERD__PUSH_RESULT__PUSH_DIVERGED:
		input.answer = ANSWER_DIVERGED;
		describe(upstream, answer->head, answer->reason);
		break;
	case LEADERD__PUSH_RESULT__PUSH_REFUSED:
		input.answer = answer->permanent && answer->refused.len > 0 ? ANSWER_REFUSED_EVENTS : ANSWER_REFUSED;
		if (input.answer == ANSWER_REFUSED)
			say_reason(upstream, ERROR_REFUSED, "the backend takes no pushes of this leader", answer->reason);
		break;
	default:
		input.answer = ANSWER_LATER;
		say_reason(upstream, ERROR_BUSY, "the backend takes no pushes at present", answer->reason);
	}
	return input;
}

static void take_answer(struct upstream *upstream, const Leaderd__PushAnswer *answer) {
	if (!is_asked(upstream, ASKED_PUSH, answer->number)) {
		nonsense(upstream, "it answered a push that was not made");
		return;
	}
	struct upstream_input input = input_of(upstream, answer);

	upstream->answer = answer;
	upstream_give(upstream, &input);
	upstream->answer = NULL;
}

/* ---- the rest -------------------------------------------------------------------------------------- */

static void take_problem(struct upstream *upstream, const Leaderd__Problem *problem) {
	upstream->asked = ASKED_NOTHING;
	error_set(&upstream->why, problem->code, "%s", problem->text);
	upstream_give(upstream, &(struct upstream_input){ .kind = UPSTREAM_PROBLEM, .permanent = problem->permanent });
}

void upstream_take_message(struct upstream *upstream, const Leaderd__FromAdapter *message) {
	if (upstream->errand.kind != ERRAND_NONE) {
		errand_take(upstream, message);
		return;
	}
	switch (message->body_case) {
	case LEADERD__FROM_ADAPTER__BODY_OPENED:
		take_opened(upstream, message->opened);
		break;
	case LEADERD__FROM_ADAPTER__BODY_PAGE:
		take_page(upstream, message->page);
		break;
	case LEADERD__FROM_ADAPTER__BODY_PUSH_ANSWER:
		take_answer(upstream, message->push_answer);
		break;
	case LEADERD__FROM_ADAPTER__BODY_PROBLEM:
		take_problem(upstream, message->problem);
		break;
	default: /* a pong: it lives */
		upstream->ping_number = 0;
	}
}
