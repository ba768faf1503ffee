/* Each thing that a story can say, as a leader meets it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "conformance.h"

static struct backend_point root;

struct fixture {
	char folder[64], url[160];
	struct options options;
	struct trial trial;
	struct history history;
	struct client *client;
};

static int set_up(void **state) {
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	const char *temporary = getenv("TMPDIR");

	snprintf(fixture->folder, sizeof(fixture->folder), "%.40s/script-XXXXXX", temporary == NULL ? "/tmp" : temporary);
	assert_non_null(mkdtemp(fixture->folder));
	snprintf(fixture->url, sizeof(fixture->url), "script:%s/story", fixture->folder);
	fixture->options.program = getenv("SCRIPT_ADAPTER");
	assert_non_null(fixture->options.program);
	fixture->options.url = fixture->url;
	fixture->trial = (struct trial){ .options = &fixture->options, .chance = 1, .store = "todos" };
	*state = fixture;
	return 0;
}

static int tear_down(void **state) {
	struct fixture *fixture = *state;
	char command[128];

	while (fixture->trial.n_clients > 0)
		client_destroy(fixture->trial.clients[0]);
	history_finish(&fixture->history);
	snprintf(command, sizeof(command), "rm -rf '%s'", fixture->folder);
	assert_int_equal(system(command), 0);
	free(fixture);
	return 0;
}

static void write_story(struct fixture *fixture, const char *text) {
	FILE *file = fopen(strchr(fixture->url, '/'), "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* Runs `body` where expect() of the suite's client ends: as a failure of this test. */
#define AS_A_TRIAL(fixture)      \
	jmp_buf end;                 \
	(fixture)->trial.end = &end; \
	if (setjmp(end) != 0)        \
	fail_msg("%s", (fixture)->trial.failure)

static void start(struct fixture *fixture) {
	fixture->client = client_start(&fixture->trial, 0);
	client_open(fixture->client);
}

/* n units of one event are pushed, in one batch. */
static struct answer push(struct fixture *fixture, size_t n) {
	size_t from = fixture->history.n;
	struct backend_point parent = history_point(&fixture->history, from);

	for (size_t i = 0; i < n; i++)
		history_add_unit(&fixture->trial, &fixture->history, 1, 80);
	client_send_push(fixture->client,
	                 &(struct batch){ .parent = &parent, .events = fixture->history.events + from, .n = n });
	return client_take_answer(fixture->client);
}

static struct page pull(struct fixture *fixture) {
	return client_pull(fixture->client, &(struct ask){ 0 });
}

static void wait_until_dead(struct fixture *fixture) {
	for (int i = 0; client_is_alive(fixture->client); i++) {
		assert_true(i < 5000);
		poll(NULL, 0, 2);
	}
}

static void push_and_lose(struct fixture *fixture, size_t n) {
	size_t from = fixture->history.n;
	struct backend_point parent = history_point(&fixture->history, from);

	for (size_t i = 0; i < n; i++)
		history_add_unit(&fixture->trial, &fixture->history, 1, 80);
	client_send_push(fixture->client,
	                 &(struct batch){ .parent = &parent, .events = fixture->history.events + from, .n = n });
	wait_until_dead(fixture);
	client_destroy(fixture->client);
}

static void refusals_name_events(void **state) {
	struct fixture *fixture = *state;
	AS_A_TRIAL(fixture);

	write_story(fixture, "# two kinds\n"
	                     "push refuse 2 balance too low\n"
	                     "push refuse-for-now none   # the leader itself\n"
	                     "push later ask again\n");
	start(fixture);
	struct answer answer = push(fixture, 3);
	assert_int_equal(answer.result, PUSH_REFUSED);
	assert_true(answer.permanent);
	assert_string_equal(answer.reason, "balance too low");
	assert_int_equal(answer.n_refused, 1);
	assert_true(event_id_equal(&answer.refused, &fixture->history.events[1]->entry.id));

	history_cut(&fixture->history, 0);
	answer = push(fixture, 3);
	assert_int_equal(answer.result, PUSH_REFUSED);
	assert_false(answer.permanent);
	assert_int_equal(answer.n_refused, 0);

	history_cut(&fixture->history, 0);
	answer = push(fixture, 1);
	assert_int_equal(answer.result, PUSH_LATER);
	assert_string_equal(answer.reason, "ask again");

	history_cut(&fixture->history, 0);
	assert_int_equal(push(fixture, 3).result, PUSH_ACCEPTED);
}

static void several_calls_and_each_third(void **state) {
	struct fixture *fixture = *state;
	AS_A_TRIAL(fixture);

	write_story(fixture, "every 3 push behind\n2 x push later not yet\npush diverged\n");
	start(fixture);
	const enum push_result expected[] = { PUSH_LATER,    PUSH_LATER,  PUSH_BEHIND,  PUSH_DIVERGED,
		                                  PUSH_ACCEPTED, PUSH_BEHIND, PUSH_ACCEPTED };
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		size_t n = fixture->history.n;

		assert_int_equal(push(fixture, 1).result, expected[i]);
		if (expected[i] != PUSH_ACCEPTED)
			history_cut(&fixture->history, n);
	}
}

static void lost_answers_and_crashes_go_on_with_the_next_line(void **state) {
	struct fixture *fixture = *state;
	AS_A_TRIAL(fixture);

	write_story(fixture, "push lose\npush crash\n");
	start(fixture);
	push_and_lose(fixture, 2); /* they are there */
	start(fixture);
	client_expect_log(fixture->client, &fixture->history, &root);
	push_and_lose(fixture, 1); /* it is not */
	history_cut(&fixture->history, 2);
	start(fixture);
	client_expect_log(fixture->client, &fixture->history, &root);
	assert_int_equal(push(fixture, 1).result, PUSH_ACCEPTED);
}

static void who_hangs_says_nothing_and_goes_with_its_leader(void **state) {
	struct fixture *fixture = *state;
	AS_A_TRIAL(fixture);

	write_story(fixture, "push hang\npush mute\n");
	for (size_t round = 0; round < 2; round++) {
		start(fixture);
		struct backend_point parent = history_point(&fixture->history, 0);
		history_add_unit(&fixture->trial, &fixture->history, 1, 80);
		client_send_push(fixture->client,
		                 &(struct batch){ .parent = &parent, .events = fixture->history.events, .n = 1 });
		assert_false(client_has_news(fixture->client, 100));
		assert_true(client_is_alive(fixture->client));
		assert_int_equal(client_hang_up(fixture->client), 0);
		if (round == 0)
			history_cut(&fixture->history, 0);
	}
	start(fixture);
	client_expect_log(fixture->client, &fixture->history, &root);
}

static void nonsense_is_no_frame(void **state) {
	struct fixture *fixture = *state;
	AS_A_TRIAL(fixture);
	uint8_t bytes[4];

	write_story(fixture, "look nonsense\n");
	start(fixture);
	client_send_pull(fixture->client, &(struct ask){ 0 });
	assert_int_equal(recv(fixture->client->fd, bytes, sizeof(bytes), MSG_WAITALL), 4);
	assert_memory_equal(bytes, "\xff\xfe n", 4);
	wait_until_dead(fixture);
}

static void problems_have_codes_and_texts(void **state) {
	struct fixture *fixture = *state;
	AS_A_TRIAL(fixture);
	struct problem problem;

	write_story(
		fixture,
		"open problem permission the password was wrong\nopen problem input/output no route\n"
		"open problem not-running it is away\nopen lineage\n"
		"look problem full no space\n");
	fixture->client = client_start(&fixture->trial, 0);
	assert_false(client_try_open(fixture->client, &(struct knowledge){ 0 }, &problem));
	assert_int_equal(problem.code, ERROR_PERMISSION);
	assert_true(problem.permanent);
	assert_string_equal(problem.text, "the password was wrong");
	assert_false(client_try_open(fixture->client, &(struct knowledge){ 0 }, &problem));
	assert_int_equal(problem.code, ERROR_IO);
	assert_false(problem.permanent);
	assert_false(client_try_open(fixture->client, &(struct knowledge){ 0 }, &problem));
	assert_int_equal(problem.code, ERROR_NOT_RUNNING);
	struct knowledge knowledge = { .lineage = fixture->client->new_lineage, .epoch = 1 };
	assert_false(client_try_open(fixture->client, &knowledge, &problem));
	assert_int_equal(problem.code, ERROR_CONFLICT);
	client_open_knowing(fixture->client, &knowledge);
	client_send_pull(fixture->client, &(struct ask){ 0 });
	struct page page = client_take_page(fixture->client, ANSWER_MS);
	assert_true(page.problem);
	assert_int_equal(page.what.code, ERROR_FULL);
}

static void expect_positions(struct page *page, const uint64_t *expected, size_t n) {
	assert_int_equal(page->n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(page->events[i]->entry.at.global, expected[i]);
	assert_int_equal(page->end.global, 4);
	page_finish(page);
}

static void pages_are_spoiled_in_their_order(void **state) {
	struct fixture *fixture = *state;
	AS_A_TRIAL(fixture);
	struct page page;

	write_story(fixture, "pull gap 2\npull repeat 2\npull swap 2\npull cut\npull empty\npull diverged\npull ok\n");
	start(fixture);
	assert_int_equal(push(fixture, 4).result, PUSH_ACCEPTED);
	page = pull(fixture);
	expect_positions(&page, (uint64_t[]){ 1, 3, 4 }, 3);
	page = pull(fixture);
	expect_positions(&page, (uint64_t[]){ 1, 2, 2, 3, 4 }, 5);
	page = pull(fixture);
	expect_positions(&page, (uint64_t[]){ 1, 3, 2, 4 }, 4);
	page = pull(fixture);
	expect_positions(&page, (uint64_t[]){ 1, 2, 3 }, 3);
	page = pull(fixture);
	assert_true(page.n == 0 && !page.diverged && page.head.global == 0);
	page_finish(&page);
	page = pull(fixture);
	assert_true(page.n == 0 && page.diverged);
	page_finish(&page);
	client_expect_log(fixture->client, &fixture->history, &root);
}

static void altered_events_keep_their_ids(void **state) {
	struct fixture *fixture = *state;
	AS_A_TRIAL(fixture);
	struct hash chain = { 0 };

	write_story(fixture, "pull alter 2\npull rewrite 2\n");
	start(fixture);
	assert_int_equal(push(fixture, 3).result, PUSH_ACCEPTED);
	for (size_t round = 0; round < 2; round++) {
		struct page page = pull(fixture);

		assert_true(events_equal(page.events[0], fixture->history.events[0]));
		assert_true(event_id_equal(&page.events[1]->entry.id, &fixture->history.events[1]->entry.id));
		assert_int_equal(page.events[1]->args_bytes, fixture->history.events[1]->args_bytes);
		assert_memory_not_equal(page.events[1]->args, fixture->history.events[1]->args, page.events[1]->args_bytes);
		bool same = hash_equal(&page.events[2]->chain_hash, &fixture->history.events[2]->chain_hash);
		assert_int_equal(same, round == 0);
		chain = page.end.chain_hash;
		assert_true(hash_equal(&chain, &page.events[2]->chain_hash));
		page_finish(&page);
	}
	client_expect_log(fixture->client, &fixture->history, &root);
}

static void the_log_forgets_and_forks(void **state) {
	struct fixture *fixture = *state;
	AS_A_TRIAL(fixture);
	struct page page;

	write_story(fixture, "look forget 2\nlook fork 1\npull wipe\nlook epoch\n");
	start(fixture);
	assert_int_equal(push(fixture, 4).result, PUSH_ACCEPTED);
	struct backend_point at = history_point(&fixture->history, 4);
	page = client_pull(fixture->client, &(struct ask){ .after = &at });
	assert_true(page.diverged && page.head.global == 2);
	page_finish(&page);

	at = history_point(&fixture->history, 2);
	page = client_pull(fixture->client, &(struct ask){ .after = &at });
	assert_true(page.diverged && page.head.global == 2 && !points_equal(&page.head, &at));
	page_finish(&page);

	page = client_pull(fixture->client, &(struct ask){ .after = &at });
	assert_true(page.diverged && page.head.global == 0);
	page_finish(&page);
	page = pull(fixture);
	assert_true(page.n == 0 && !page.diverged);
	page_finish(&page);
	client_open(fixture->client);
	assert_int_equal(fixture->client->opened.epoch, 3);
}

static void looks_do_not_move_the_story_of_the_pulls(void **state) {
	struct fixture *fixture = *state;
	AS_A_TRIAL(fixture);

	write_story(fixture, "pull gap 1\n");
	start(fixture);
	for (int i = 0; i < 3; i++) {
		struct page page = pull(fixture);

		assert_int_equal(page.n, 0);
		page_finish(&page);
	}
	assert_int_equal(push(fixture, 2).result, PUSH_ACCEPTED);
	struct page page = pull(fixture);
	assert_int_equal(page.n, 1);
	assert_int_equal(page.events[0]->entry.at.global, 2);
	page_finish(&page);
}

static void an_answer_may_name_another_head(void **state) {
	struct fixture *fixture = *state;
	AS_A_TRIAL(fixture);

	write_story(fixture, "push wrong-head\npush delay 1\npull again\n");
	start(fixture);
	struct answer answer = push(fixture, 2);
	assert_int_equal(answer.result, PUSH_ACCEPTED);
	assert_false(hash_equal(&answer.head.chain_hash, &fixture->history.events[1]->chain_hash));
	assert_int_equal(push(fixture, 1).result, PUSH_ACCEPTED);
	struct backend_point at = history_point(&fixture->history, 2);
	struct page page = client_pull(fixture->client, &(struct ask){ .after = &at });
	assert_int_equal(page.n, 3);
	page_finish(&page);
	client_expect_log(fixture->client, &fixture->history, &at);
}

static void a_line_that_is_no_step_is_named(void **state) {
	static const char *const wrong[] = {
		"push",
		"pushes ok",
		"push lineage",
		"pull gap",
		"pull gap 0",
		"pull gap 2 3",
		"push ok now",
		"0 x push ok",
		"every push ok",
		"3 push ok",
		"push problem nothing text",
		"push refuse",
		"open gap 1",
		"look swap 1",
	};
	struct fixture *fixture = *state;
	AS_A_TRIAL(fixture);
	struct problem problem;
	char story[64];

	fixture->client = client_start(&fixture->trial, 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(story, sizeof(story), "push ok\n\n%s\n", wrong[i]);
		write_story(fixture, story);
		assert_false(client_try_open(fixture->client, &(struct knowledge){ 0 }, &problem));
		assert_int_equal(problem.code, ERROR_INVALID);
		assert_non_null(strstr(problem.text, "story:3 was no step of a story"));
	}
}

#define OF_A_STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		OF_A_STORY(refusals_name_events),
		OF_A_STORY(several_calls_and_each_third),
		OF_A_STORY(lost_answers_and_crashes_go_on_with_the_next_line),
		OF_A_STORY(who_hangs_says_nothing_and_goes_with_its_leader),
		OF_A_STORY(nonsense_is_no_frame),
		OF_A_STORY(problems_have_codes_and_texts),
		OF_A_STORY(pages_are_spoiled_in_their_order),
		OF_A_STORY(altered_events_keep_their_ids),
		OF_A_STORY(the_log_forgets_and_forks),
		OF_A_STORY(looks_do_not_move_the_story_of_the_pulls),
		OF_A_STORY(an_answer_may_name_another_head),
		OF_A_STORY(a_line_that_is_no_step_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
