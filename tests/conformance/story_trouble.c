/* Wrong requests, wrong credentials, a backend that is away. */

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "conformance.h"

static struct backend_point root;

static void a_ping_is_answered_before_and_after_opening(struct trial *trial) {
	struct client *client = client_start(trial, 0);

	expect(trial, client_ping(client) == 1, "a pong bore another number than its ping");
	client_open(client);
	expect(trial, client_ping(client) == 3, "a pong bore another number than its ping");
}

static void a_request_before_opening_is_a_problem(struct trial *trial) {
	struct client *client = client_start(trial, 0);
	struct history history = { 0 };

	client_send_pull(client, &(struct ask){ 0 });
	struct page page = client_take_page(client, ANSWER_MS);
	expect(trial, page.problem, "a pull before opening gave a page");
	history_add_unit(trial, &history, 1, 100);
	client_send_push(client, &(struct batch){ .parent = &root, .events = history.events, .n = 1 });
	struct answer answer = client_take_answer(client);
	expect(trial, answer.result == 0, "a push before opening got result %d", answer.result);
	client_open(client);
	expect(trial, client->opened.head.global == 0, "a push before opening left something");
	history_finish(&history);
}

static void an_address_that_is_none_is_a_permanent_problem(struct trial *trial) {
	struct client *client = client_start(trial, 0);
	struct problem problem;

	expect(trial, !client_try_open(client, &(struct knowledge){ .url = "nothing-of-the-kind" }, &problem),
	       "an address that is none was opened");
	expect(trial, problem.permanent, "an address that is none was a passing problem: %s", problem.text);
	expect(trial, problem.text[0] != '\0', "a problem had no text");
}

static void nonsense_ends_the_adapter_without_a_crash(struct trial *trial) {
	static const struct {
		const char *bytes;
		size_t n;
	} nonsense[] = {
		{ "\0\0\0\0", 4 },                   /* a frame of no bytes */
		{ "\xff\xff\xff\x7f", 4 },           /* one of 2 GiB */
		{ "\x03\0\0\0xyz", 7 },              /* no message */
		{ "\x02\0\0\0\x22\x00", 6 },         /* a ping without a number */
		{ "\x10\0\0\0\x12\x0e\x08\x01", 8 }, /* the beginning of one, and silence */
	};

	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		struct client *client = client_start(trial, 0);

		client_open(client);
		client_send_bytes(client, nonsense[i].bytes, nonsense[i].n);
		if (i < 4)
			client_has_news(client, ANSWER_MS); /* it hung up, or told a problem */
		expect(trial, client_hang_up(client) >= 0, "nonsense %zu crashed the adapter", i);
	}
}

static void it_tells_what_it_is(struct trial *trial) {
	const char *options[] = { "--help", "--version" };
	char command[8192];

	for (size_t i = 0; i < 2; i++) {
		snprintf(command, sizeof(command), "test -n \"$('%s' %s)\"", trial->options->program, options[i]);
		trial_command(trial, command, options[i]);
	}
	/* Started by hand it says so, and does not wait for a leader. */
	snprintf(command, sizeof(command), "'%s' 3<&- 2>&1 >/dev/null | grep -q .", trial->options->program);
	trial_command(trial, command, "start it without a leader");
}

static void wrong_credentials_are_a_permanent_problem(struct trial *trial) {
	struct client *client = client_start(trial, 0);
	struct problem problem;

	expect(trial, !client_try_open(client, &(struct knowledge){ .url = trial->options->bad_url }, &problem),
	       "the bad address was opened");
	expect(trial, problem.permanent, "the bad address was a passing problem (%s): %s", error_name(problem.code),
	       problem.text);
}

static void expect_passing(struct trial *trial, const struct problem *problem, const char *what) {
	expect(trial, !problem->permanent, "%s while the backend was away was a permanent problem: %s", what,
	       problem->text);
	expect(trial, problem->text[0] != '\0', "a problem had no text");
}

/* Whether it fails at once or the push waits for the backend, nothing is lost or doubled. */
static void a_backend_comes_back_with_everything(struct trial *trial) {
	struct client *client = client_start(trial, 0);
	struct history history = { 0 };
	struct problem problem;

	client_open(client);
	struct adapter_opened known = client->opened;
	history_add_unit(trial, &history, 3, 100);
	struct backend_point head = client_push_all(client, &history, 0, &root);
	history_add_unit(trial, &history, 2, 100);
	struct batch batch = { .parent = &head, .events = history.events + 3, .n = 2 };

	trial_command(trial, trial->options->stop, "stop the backend");
	int64_t start = now_ms();
	client_send_push(client, &batch);
	struct answer answer = client_take_answer(client);
	expect(trial, answer.result == 0 || answer.result == PUSH_LATER, "a push to a backend that is away got result %d",
	       answer.result);
	expect_passing(trial, answer.result == 0 ? &answer.problem : &(struct problem){ .text = "later" }, "a push");
	expect(trial, now_ms() - start <= ADAPTER_CALL_MS + 2000, "a push to a backend that is away took %d ms",
	       (int)(now_ms() - start));
	struct client *second = client_start(trial, 0);
	struct knowledge knowledge = { .lineage = known.lineage, .epoch = known.epoch };
	expect(trial, !client_try_open(second, &knowledge, &problem), "a backend that is away was opened");
	expect_passing(trial, &problem, "opening");

	trial_command(trial, trial->options->start, "start the backend");
	int64_t end = now_ms() + 60000;
	while (!client_try_open(client, &knowledge, &problem)) {
		expect(trial, now_ms() < end, "the backend was not there again: %s", problem.text);
		expect_passing(trial, &problem, "opening");
		poll(NULL, 0, 100);
	}
	expect(trial, client->opened.epoch == known.epoch, "a backend that came back had another epoch");
	answer = client_push(client, &batch);
	expect(trial, answer.result == PUSH_ACCEPTED || answer.result == PUSH_BEHIND, "the retry got result %d %s%s",
	       answer.result, answer.reason, answer.problem.text);
	client_expect_log(client, &history, &root);
	history_finish(&history);
}

/* A leader that follows is told that it no longer does, and nothing else is needed. */
static void who_follows_learns_that_the_backend_is_away(struct trial *trial) {
	struct client *client = client_start(trial, 200), *writer = client_start(trial, 0);
	struct history history = { 0 };
	struct problem problem;

	client_open(client);
	struct knowledge knowledge = { .lineage = client->opened.lineage, .epoch = client->opened.epoch };
	struct page page = client_pull(client, &(struct ask){ .live = true });
	page_finish(&page);
	trial_command(trial, trial->options->stop, "stop the backend");
	page = client_take_page(client, ANSWER_MS);
	expect(trial, page.problem, "a page came from a backend that is away");
	expect_passing(trial, &page.what, "following");
	trial_command(trial, trial->options->start, "start the backend");

	int64_t end = now_ms() + 60000;
	while (!client_try_open(client, &knowledge, &problem) || !client_try_open(writer, &knowledge, &problem)) {
		expect(trial, now_ms() < end, "the backend was not there again: %s", problem.text);
		poll(NULL, 0, 100);
	}
	page = client_pull(client, &(struct ask){ .live = true });
	page_finish(&page);
	history_add_unit(trial, &history, 2, 100);
	client_push_all(writer, &history, 0, &root);
	page = client_take_page(client, ANSWER_MS);
	expect(trial, !page.problem, "instead of a page came: %s", page.what.text);
	page_expect(trial, &page, &history, 0);
	page_finish(&page);
	history_finish(&history);
}

const struct story stories_of_trouble[] = {
	{ "a ping is answered, before and after opening", a_ping_is_answered_before_and_after_opening },
	{ "a request before opening is a problem", a_request_before_opening_is_a_problem },
	{ "an address that is none is a permanent problem", an_address_that_is_none_is_a_permanent_problem },
	{ "nonsense ends the adapter without a crash", nonsense_ends_the_adapter_without_a_crash },
	{ "it tells what it is", it_tells_what_it_is },
	{ "wrong credentials are a permanent problem", wrong_credentials_are_a_permanent_problem, .needs_bad_url = true },
	{ "a backend comes back with everything", a_backend_comes_back_with_everything, .needs_outage = true },
	{ "who follows learns that the backend is away", who_follows_learns_that_the_backend_is_away,
	  .needs_outage = true },
	{ 0 },
};
