/* Three servers, of which some are away. */

#include <poll.h>

#include "base/must.h"
#include "nats_test.h"

#define PATIENCE_MS 90000 /* elections, several of them */

static struct backend_point root;

static void three_servers_keep_the_log(struct trial *trial) {
	struct admin admin = { 0 };
	jsStreamInfo *info = NULL;

	open_device(trial, 0);
	admin_open(trial, &admin);
	expect(trial, js_GetStreamInfo(&info, admin.js, admin.stream, NULL, NULL) == NATS_OK, "no stream %s", admin.stream);
	expect(trial, info->Config->Replicas == 3, "%d replicas", (int)info->Config->Replicas);
	jsStreamInfo_Destroy(info);
	admin_close(&admin);
}

static struct client *open_patiently(struct trial *trial, const struct knowledge *known) {
	struct client *client = client_start(trial, 0);
	int64_t end = now_ms() + PATIENCE_MS;
	struct problem problem;

	while (!client_try_open(client, known, &problem)) {
		expect(trial, !problem.permanent, "opening was a permanent problem: %s", problem.text);
		expect(trial, now_ms() < end, "the log could not be opened: %s", problem.text);
		poll(NULL, 0, 100);
	}
	expect(trial, client->opened.epoch == known->epoch, "the log has epoch %d, expected %d", (int)client->opened.epoch,
	       (int)known->epoch);
	return client;
}

/* As a leader does: opens again after a problem, and pushes again until the events stand in the log. */
static struct client *push_patiently(struct trial *trial, struct client *client, const struct knowledge *known,
                                     const struct history *history, size_t from) {
	struct backend_point parent = history_point(history, from), head = history_point(history, history->n);
	struct batch batch = { .parent = &parent, .events = history->events + from, .n = history->n - from };
	int64_t end = now_ms() + PATIENCE_MS;

	for (;;) {
		struct answer answer = client_push(client, &batch);

		if (answer.result == PUSH_ACCEPTED || answer.result == PUSH_BEHIND) {
			expect(trial, points_equal(&answer.head, &head), "the log's head is e%d", (int)answer.head.global);
			return client;
		}
		expect(trial, answer.result == 0 && !answer.problem.permanent, "a push got result %d: %s%s", answer.result,
		       answer.reason, answer.problem.text);
		expect(trial, now_ms() < end, "nothing could be pushed: %s", answer.problem.text);
		client_destroy(client);
		client = open_patiently(trial, known);
	}
}

/* The whole log, whatever is elected meanwhile. */
static struct client *read_patiently(struct trial *trial, struct client *client, const struct knowledge *known,
                                     const struct history *history) {
	int64_t end = now_ms() + PATIENCE_MS;
	struct backend_point at = { 0 };

	while (at.global < history->n) {
		client_send_pull(client, &(struct ask){ .after = &at });
		struct page page = client_take_page(client, ANSWER_MS);

		expect(trial, now_ms() < end, "the log could not be read: %s", page.what.text);
		if (page.problem) {
			expect(trial, !page.what.permanent, "a pull was a permanent problem: %s", page.what.text);
			client_destroy(client);
			client = open_patiently(trial, known);
		} else {
			page_expect(trial, &page, history, at.global);
			at = page.end;
		}
		page_finish(&page);
	}
	return client;
}

static void any_one_server_may_be_away(struct trial *trial) {
	struct client *client = open_device(trial, 0);
	struct adapter_opened opened = client->opened;
	struct knowledge known = { .lineage = opened.lineage, .epoch = opened.epoch };
	struct history history = { 0 };
	char verb[32];

	for (size_t node = 1; node <= 3; node++) {
		snprintf(verb, sizeof(verb), "kill %zu", node);
		server_command(trial, verb);
		for (size_t i = 0; i < 5; i++) {
			history_add_unit(trial, &history, 2, 1000);
			client = push_patiently(trial, client, &known, &history, history.n - 2);
		}
		client_destroy(client);
		client = open_patiently(trial, &known);
		client = read_patiently(trial, client, &known, &history);
		snprintf(verb, sizeof(verb), "start %zu", node);
		server_command(trial, verb);
	}
	read_patiently(trial, client, &known, &history);
	history_finish(&history);
}

/* One server of three confirms nothing, and says nothing wrong either. */
static void a_minority_confirms_nothing(struct trial *trial) {
	struct client *client = open_device(trial, 0);
	struct adapter_opened opened = client->opened;
	struct knowledge known = { .lineage = opened.lineage, .epoch = opened.epoch };
	struct history history = { 0 };

	history_add_unit(trial, &history, 2, 1000);
	struct backend_point head = client_push_all(client, &history, 0, &root);
	server_command(trial, "kill 1");
	server_command(trial, "kill 2");
	history_add_unit(trial, &history, 2, 1000);
	client_send_push(client, &(struct batch){ .parent = &head, .events = history.events + 2, .n = 2 });
	struct answer answer = client_take_answer(client);
	expect(trial, answer.result == PUSH_LATER || (answer.result == 0 && !answer.problem.permanent),
	       "a push to one of three got result %d: %s", answer.result, answer.problem.text);
	server_command(trial, "start");
	client_destroy(client);
	client = open_patiently(trial, &known);
	client = push_patiently(trial, client, &known, &history, 2);
	read_patiently(trial, client, &known, &history);
	history_finish(&history);
}

const struct story stories_of_clusters[] = {
	{ .name = "three servers keep the log", .run = three_servers_keep_the_log },
	{ .name = "any one server may be away", .run = any_one_server_may_be_away },
	{ .name = "a minority confirms nothing", .run = a_minority_confirms_nothing },
	{ 0 },
};
