/* Several writers: the backend's head decides, and one of them wins. */

#include <string.h>

#include "conformance.h"

static struct backend_point root;

static void who_is_behind_is_told_and_pulls(struct trial *trial) {
	struct client *a = client_start(trial, 0), *b = client_start(trial, 0);
	struct history of_a = { 0 }, of_b = { 0 };

	client_open(a);
	client_open(b);
	history_add_unit(trial, &of_a, 2, 100);
	history_add_unit(trial, &of_a, 3, 100);
	history_add_unit(trial, &of_b, 1, 100);
	client_push_all(a, &of_a, 0, &root);

	struct answer answer = client_push(b, &(struct batch){ .parent = &root, .events = of_b.events, .n = 1 });
	struct backend_point head = history_point(&of_a, of_a.n);
	expect(trial, answer.result == PUSH_BEHIND, "a push on an old head got result %d %s", answer.result,
	       answer.problem.text);
	expect(trial, points_equal(&answer.head, &head), "\"behind\" did not tell the backend's head");
	struct backend_point at = client_expect_log(b, &of_a, &root);

	/* What B had goes behind it. */
	struct history merged = history_copy(trial, &of_a, of_a.n);
	history_add_unit(trial, &merged, 1, 100);
	client_push_all(b, &merged, of_a.n, &at);
	client_expect_log(a, &merged, &head);
	history_finish(&of_a);
	history_finish(&of_b);
	history_finish(&merged);
}

static void a_parent_that_is_not_in_the_log_has_diverged(struct trial *trial) {
	struct client *client = client_start(trial, 0);
	struct history history = { 0 }, other = { 0 };
	struct answer answer;

	client_open(client);
	for (size_t i = 0; i < 4; i++) {
		history_add_unit(trial, &history, 2, 100);
		history_add_unit(trial, &other, 2, 100);
	}
	history_add_unit(trial, &other, 1, 100);
	client_push_all(client, &history, 0, &root);
	for (size_t at = 2; at <= 8; at += 2) {
		size_t n = other.events[at]->entry.unit_count;
		struct backend_point parent = history_point(&other, at);

		answer = client_push(client, &(struct batch){ .parent = &parent, .events = other.events + at, .n = n });
		expect(trial, answer.result == PUSH_DIVERGED, "a parent with another hash at e%zu got result %d", at,
		       answer.result);
		struct page page = client_pull(client, &(struct ask){ .after = &parent });
		expect(trial, page.diverged && page.n == 0, "a pull behind another history's e%zu gave events", at);
		expect(trial, page.head.global == history.n, "a diverged page did not tell the backend's head");
		page_finish(&page);
	}
	for (size_t i = 0; i < 3; i++)
		history_add_unit(trial, &history, 1, 100);
	struct backend_point beyond = history_point(&history, 10);
	answer = client_push(client, &(struct batch){ .parent = &beyond, .events = history.events + 10, .n = 1 });
	expect(trial, answer.result == PUSH_DIVERGED, "a parent beyond the head got result %d", answer.result);
	history_cut(&history, 8);
	client_expect_log(client, &history, &root);
	history_finish(&history);
	history_finish(&other);
}

/* One of a round's two pushes, sent again while it is told "later". */
static struct answer take_final(struct client *client, const struct batch *batch) {
	struct answer answer = client_take_answer(client);

	return answer.result == PUSH_LATER ? client_push(client, batch) : answer;
}

static struct backend_point race(struct trial *trial, struct client *const clients[2], struct history *history,
                                 const struct backend_point parents[2]) {
	size_t from = history->n, n = trial_between(trial, 1, 3);
	struct history other = history_copy(trial, history, from);
	struct batch batches[2];
	struct answer answers[2];

	history_add_unit(trial, history, n, 120);
	history_add_unit(trial, &other, n, 120);
	batches[0] = (struct batch){ .parent = &parents[0], .events = history->events + from, .n = n };
	batches[1] = (struct batch){ .parent = &parents[1], .events = other.events + from, .n = n };
	size_t first = trial_between(trial, 0, 1);
	client_send_push(clients[first], &batches[first]);
	client_send_push(clients[1 - first], &batches[1 - first]);
	for (size_t i = 0; i < 2; i++)
		answers[i] = take_final(clients[i], &batches[i]);

	size_t winner = answers[0].result == PUSH_ACCEPTED ? 0 : 1;
	expect(trial, answers[winner].result == PUSH_ACCEPTED, "nobody won at e%zu: results %d and %d (%s%s)", from + 1,
	       answers[0].result, answers[1].result, answers[1].reason, answers[1].problem.text);
	expect(trial, answers[1 - winner].result == PUSH_BEHIND, "who lost at e%zu got result %d %s", from + 1,
	       answers[1 - winner].result, answers[1 - winner].problem.text);
	if (winner == 1) {
		struct history lost = *history;

		*history = other;
		other = lost;
	}
	struct backend_point head = history_point(history, history->n);
	expect(trial, points_equal(&answers[winner].head, &head), "the winner was told another head");
	expect(trial, points_equal(&answers[1 - winner].head, &head), "the loser was told another head");
	history_finish(&other);
	return answers[winner].head;
}

static void of_two_writers_one_wins_each_round(struct trial *trial) {
	struct client *clients[2] = { client_start(trial, 0), client_start(trial, 0) };
	struct backend_point at[2] = { { 0 }, { 0 } };
	struct history history = { 0 };

	client_open(clients[0]);
	client_open(clients[1]);
	for (size_t round = 0; round < trial->options->race_rounds; round++) {
		race(trial, clients, &history, at);
		for (size_t i = 0; i < 2; i++)
			at[i] = client_expect_log(clients[i], &history, &at[i]);
	}
	client_expect_log(clients[0], &history, &root);
	history_finish(&history);
}

static void of_two_first_pushes_one_wins(struct trial *trial) {
	for (size_t round = 0; round < 50; round++) {
		struct client *clients[2] = { client_start(trial, 0), client_start(trial, 0) };
		struct backend_point at[2] = { { 0 }, { 0 } };
		struct history history = { 0 };

		trial_new_store(trial);
		for (size_t i = 0; i < 2; i++)
			client_send_open(clients[i], &(struct knowledge){ 0 });
		for (size_t i = 0; i < 2; i++)
			client_take_opened(clients[i]);
		expect(trial, memcmp(clients[0]->opened.lineage, clients[1]->opened.lineage, 16) == 0,
		       "two who made a log at once found two lineages");
		race(trial, clients, &history, at);
		client_expect_log(clients[0], &history, &root);
		client_expect_log(clients[1], &history, &root);
		history_finish(&history);
		client_destroy(clients[0]);
		client_destroy(clients[1]);
	}
}

const struct story stories_of_writers[] = {
	{ "who is behind is told, and pulls", who_is_behind_is_told_and_pulls },
	{ "a parent that is not in the log has diverged", a_parent_that_is_not_in_the_log_has_diverged },
	{ "of two writers one wins each round", of_two_writers_one_wins_each_round },
	{ "of two first pushes one wins", of_two_first_pushes_one_wins },
	{ 0 },
};
