/* Answers that never came, and what the leader does then: ask, and push again. */

#include <poll.h>
#include <signal.h>

#include "conformance.h"

static struct backend_point root;

static struct client *open_again(struct trial *trial, struct client *before) {
	struct adapter_opened known = before->opened;
	struct client *client = client_start(trial, 0);

	client_open_knowing(client, &(struct knowledge){ .lineage = known.lineage, .epoch = known.epoch });
	return client;
}

/* The retry of a push that may have been accepted: told "behind" with our own
 * head, or accepted once more as what it is. In the log it stands once. */
static void expect_recognised(struct trial *trial, struct client *client, const struct batch *batch,
                              const struct history *history) {
	struct answer answer = client_push(client, batch);
	struct backend_point head = history_point(history, history->n);

	expect(trial, answer.result == PUSH_BEHIND || answer.result == PUSH_ACCEPTED, "a push once more got result %d %s%s",
	       answer.result, answer.reason, answer.problem.text);
	expect(trial, points_equal(&answer.head, &head), "a push once more was told another head");
	client_expect_log(client, history, &root);
}

static void a_push_once_more_changes_nothing(struct trial *trial) {
	struct client *client = client_start(trial, 0);
	struct history history = { 0 };
	struct backend_point parent;

	client_open(client);
	history_add_unit(trial, &history, 2, 100);
	parent = client_push_all(client, &history, 0, &root);
	history_add_unit(trial, &history, 3, 100);
	client_push_all(client, &history, 2, &parent);
	expect_recognised(trial, client, &(struct batch){ .parent = &parent, .events = history.events + 2, .n = 3 },
	                  &history);
	expect_recognised(trial, client, &(struct batch){ .parent = &parent, .events = history.events + 2, .n = 3 },
	                  &history);
	history_finish(&history);
}

static void a_retry_with_a_longer_batch_is_not_accepted_blindly(struct trial *trial) {
	struct client *client = client_start(trial, 0);
	struct history history = { 0 };
	struct backend_point taken;

	client_open(client);
	history_add_unit(trial, &history, 2, 100);
	taken = client_push_all(client, &history, 0, &root);
	history_add_unit(trial, &history, 1, 100);
	history_add_unit(trial, &history, 2, 100);

	/* The same first ids on the same parent, and three events more. */
	struct answer answer = client_push(client, &(struct batch){ .parent = &root, .events = history.events, .n = 5 });
	expect(trial, answer.result == PUSH_BEHIND, "a longer retry got result %d %s", answer.result, answer.problem.text);
	expect(trial, points_equal(&answer.head, &taken), "a longer retry was told another head");
	struct page page = client_pull(client, &(struct ask){ 0 });
	expect(trial, page.n == 2 && !page.more, "a longer retry left %zu events, expected 2", page.n);
	page_finish(&page);
	client_push_all(client, &history, 2, &taken);
	client_expect_log(client, &history, &root);

	/* And a shorter one. */
	answer = client_push(client, &(struct batch){ .parent = &root, .events = history.events, .n = 2 });
	expect(trial, answer.result == PUSH_BEHIND, "a shorter retry got result %d", answer.result);
	client_expect_log(client, &history, &root);
	history_finish(&history);
}

static void an_adapter_killed_before_the_commit_has_written_nothing(struct trial *trial) {
	struct client *client = client_start(trial, 0);
	struct history history = { 0 };

	client_open(client);
	history_add_unit(trial, &history, 3, 2000);
	/* Stopped, it cannot have read the push when it is killed. */
	kill(client->pid, SIGSTOP);
	client_send_push(client, &(struct batch){ .parent = &root, .events = history.events, .n = 3 });
	client_kill(client);

	client = client_start(trial, 0);
	client_open(client);
	struct history nothing = { 0 };
	client_expect_log(client, &nothing, &root);
	client_push_all(client, &history, 0, &root);
	client_expect_log(client, &history, &root);
	history_finish(&history);
}

/* Another leader sees the events: only then does the first one lose its answer. */
static void wait_for_head(struct trial *trial, struct client *witness, uint64_t global) {
	int64_t end = now_ms() + ADAPTER_CALL_MS;

	for (;;) {
		struct page page = client_pull(witness, &(struct ask){ 0 });
		uint64_t head = page.head.global;

		page_finish(&page);
		if (head >= global)
			return;
		expect(trial, now_ms() < end, "a push was never seen by another leader");
		poll(NULL, 0, 2);
	}
}

static void an_answer_lost_after_the_commit_is_found_by_pulling(struct trial *trial) {
	struct client *client = client_start(trial, 0), *witness = client_start(trial, 0);
	struct history history = { 0 };

	client_open(client);
	client_open(witness);
	history_add_unit(trial, &history, 3, 2000);
	client_send_push(client, &(struct batch){ .parent = &root, .events = history.events, .n = 3 });
	wait_for_head(trial, witness, 3);
	client_kill(client);

	client = open_again(trial, witness);
	struct backend_point at = client_expect_log(client, &history, &root);
	expect_recognised(trial, client, &(struct batch){ .parent = &root, .events = history.events, .n = 3 }, &history);
	history_add_unit(trial, &history, 1, 100);
	client_push_all(client, &history, 3, &at);
	client_expect_log(witness, &history, &root);
	history_finish(&history);
}

/* At any moment: all of a batch is there, or nothing. */
static void an_adapter_killed_at_any_moment_leaves_whole_batches(struct trial *trial) {
	struct client *client = client_start(trial, 0);
	struct history history = { 0 };

	client_open(client);
	for (size_t round = 0; round < 30; round++) {
		size_t from = history.n;
		struct backend_point parent = history_point(&history, from);

		history_add_unit(trial, &history, 4, 3000);
		history_add_unit(trial, &history, 4, 3000);
		client_send_push(client, &(struct batch){ .parent = &parent, .events = history.events + from, .n = 8 });
		poll(&(struct pollfd){ .fd = client->fd, .events = POLLIN }, 1, (int)trial_between(trial, 0, 8));
		struct client *next = open_again(trial, client);
		client_kill(client);
		client = next;

		/* Whatever the dead one had under way may still arrive: a push of the same settles it. */
		struct answer answer =
			client_push(client, &(struct batch){ .parent = &parent, .events = history.events + from, .n = 8 });
		expect(trial, answer.result == PUSH_ACCEPTED || answer.result == PUSH_BEHIND, "the retry got result %d %s%s",
		       answer.result, answer.reason, answer.problem.text);
		client_expect_log(client, &history, &parent);
	}
	client_expect_log(client, &history, &root);
	history_finish(&history);
}

static void leaders_come_and_go(struct trial *trial) {
	struct client *client = client_start(trial, 0);
	struct history history = { 0 };
	struct backend_point at = { 0 };

	client_open(client);
	for (size_t round = 0; round < 10; round++) {
		history_add_unit(trial, &history, 2, 100);
		at = client_push_all(client, &history, history.n - 2, &at);
		struct client *next = open_again(trial, client);
		expect(trial, points_equal(&next->opened.head, &at), "who opened again found another head");
		expect(trial, next->opened.epoch == client->opened.epoch, "who opened again found another epoch");
		expect(trial, client_hang_up(client) == 0, "an adapter whose leader hung up ended with a failure");
		client = next;
	}
	client_expect_log(client, &history, &root);
	/* The same process may be asked to open again. */
	client_open(client);
	client_expect_log(client, &history, &root);
	history_finish(&history);
}

const struct story stories_of_losses[] = {
	{ "a push once more changes nothing", a_push_once_more_changes_nothing },
	{ "a retry with a longer batch is not accepted blindly", a_retry_with_a_longer_batch_is_not_accepted_blindly },
	{ "an adapter killed before the commit has written nothing",
	  an_adapter_killed_before_the_commit_has_written_nothing },
	{ "an answer lost after the commit is found by pulling", an_answer_lost_after_the_commit_is_found_by_pulling },
	{ "an adapter killed at any moment leaves whole batches", an_adapter_killed_at_any_moment_leaves_whole_batches },
	{ "leaders come and go", leaders_come_and_go },
	{ 0 },
};
