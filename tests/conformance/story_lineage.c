/* Logs that are another store's, or not what they were. */

#include <string.h>

#include "conformance.h"

static struct backend_point root;

static void another_lineage_is_the_wrong_store(struct trial *trial) {
	struct client *first = client_start(trial, 0), *second = client_start(trial, 0);
	struct problem problem;

	client_open(first);
	expect(trial, !client_try_open(second, &(struct knowledge){ .lineage = second->new_lineage, .epoch = 1 }, &problem),
	       "a log of another lineage was opened");
	expect(trial, problem.code == ERROR_CONFLICT && problem.permanent, "a wrong store was called %s",
	       error_name(problem.code));
	expect(trial, problem.has_lineage && memcmp(problem.lineage, first->opened.lineage, 16) == 0,
	       "the lineage that was found was not told");
}

/* The log is gone; whoever knew it makes it anew, under its name. */
static struct client *lose_log(struct trial *trial, struct client *before) {
	struct adapter_opened known = before->opened;

	client_destroy(before);
	trial_command(trial, trial->options->reset, "take the log away");
	struct client *client = client_start(trial, 0);
	client_open_knowing(client, &(struct knowledge){ .lineage = known.lineage, .epoch = known.epoch });
	expect(trial, memcmp(client->opened.lineage, known.lineage, 16) == 0,
	       "a log that was made anew did not take the lineage that its leader knew");
	expect(trial, client->opened.epoch == known.epoch + 1, "a log that was made anew did not get the next epoch");
	expect(trial, client->opened.head.global == 0, "a log that was made anew had a head");
	return client;
}

static struct client *write_log(struct trial *trial, struct history *history, struct backend_point *ret_head) {
	struct client *client = client_start(trial, 0);

	for (size_t i = 0; i < 5; i++)
		history_add_unit(trial, history, 2, 100);
	client_open(client);
	*ret_head = client_push_all(client, history, 0, &root);
	return client;
}

static void expect_diverged(struct trial *trial, struct client *client, const struct backend_point *at, uint64_t head) {
	struct page page = client_pull(client, &(struct ask){ .after = at });

	expect(trial, page.diverged && page.n == 0, "a pull behind what is not in the log gave events");
	expect(trial, page.head.global == head, "a diverged page did not tell the backend's head");
	page_finish(&page);
}

static void a_new_epoch_with_the_same_chain_goes_on(struct trial *trial) {
	struct history history = { 0 };
	struct backend_point head;
	struct client *client = lose_log(trial, write_log(trial, &history, &head));

	expect_diverged(trial, client, &head, 0);
	client_push_all(client, &history, 0, &root);
	client_expect_log(client, &history, &head); /* by the cursor of the log that is gone */
	history_add_unit(trial, &history, 1, 100);
	client_push_all(client, &history, 10, &head);
	client_expect_log(client, &history, &root);
	history_finish(&history);
}

static void a_new_epoch_with_a_shorter_chain_is_seen(struct trial *trial) {
	struct history history = { 0 };
	struct backend_point head;
	struct client *client = lose_log(trial, write_log(trial, &history, &head));
	struct history longer = history_copy(trial, &history, history.n);

	history_cut(&history, 6);
	client_push_all(client, &history, 0, &root);
	expect_diverged(trial, client, &head, 6);
	history_add_unit(trial, &longer, 1, 100);
	struct answer answer =
		client_push(client, &(struct batch){ .parent = &head, .events = longer.events + 10, .n = 1 });
	expect(trial, answer.result == PUSH_DIVERGED, "a push on what the log has lost got result %d %s", answer.result,
	       answer.problem.text);
	/* And repaired, by the leader that has it. */
	struct backend_point known = history_point(&history, 6);
	client_push_all(client, &longer, 6, &known);
	client_expect_log(client, &longer, &root);
	history_finish(&history);
	history_finish(&longer);
}

static void a_fork_of_the_same_length_is_seen(struct trial *trial) {
	struct history history = { 0 };
	struct backend_point head;
	struct client *client = lose_log(trial, write_log(trial, &history, &head));
	struct history fork = history_copy(trial, &history, 6);

	while (fork.n < history.n)
		history_add_unit(trial, &fork, 2, 100);
	client_push_all(client, &fork, 0, &root);
	expect_diverged(trial, client, &head, 10);
	history_add_unit(trial, &history, 1, 100);
	struct answer answer =
		client_push(client, &(struct batch){ .parent = &head, .events = history.events + 10, .n = 1 });
	expect(trial, answer.result == PUSH_DIVERGED, "a push on a fork got result %d %s", answer.result,
	       answer.problem.text);
	struct backend_point common = history_point(&history, 6);
	client_expect_log(client, &fork, &common);
	client_expect_log(client, &fork, &root);
	history_finish(&history);
	history_finish(&fork);
}

const struct story stories_of_lineage[] = {
	{ "another lineage is the wrong store", another_lineage_is_the_wrong_store },
	{ "a new epoch with the same chain goes on", a_new_epoch_with_the_same_chain_goes_on, .needs_reset = true },
	{ "a new epoch with a shorter chain is seen", a_new_epoch_with_a_shorter_chain_is_seen, .needs_reset = true },
	{ "a fork of the same length is seen", a_fork_of_the_same_length_is_seen, .needs_reset = true },
	{ 0 },
};
