/* Locks, limits and damage within the server; what its hints do. */

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "postgres_test.h"

static struct backend_point root;

/* A client whose log holds `n` events of `history`. */
static struct client *open_filled(struct trial *trial, struct history *history, size_t n) {
	struct client *client = open_device(trial, 0);

	for (size_t i = 0; i < n; i++)
		history_add_unit(trial, history, 1, 100);
	client_push_all(client, history, 0, &root);
	return client;
}

/* On e2. */
static void admin_damage(struct trial *trial, PGconn *admin, const char *what) {
	char sql[300];

	snprintf(sql, sizeof(sql), "%s WHERE log = '%s' AND global = 2", what, trial->store);
	admin_run(trial, admin, sql);
}

/* What stands in the history behind the first `n` events. */
static struct batch batch_after(const struct history *history, size_t n, struct backend_point *parent) {
	*parent = history_point(history, n);
	return (struct batch){ .parent = parent, .events = history->events + n, .n = history->n - n };
}

static void leaders_that_come_first_at_once_find_one_log(struct trial *trial) {
	PGconn *admin = admin_open(trial);

	for (int round = 0; round < 8; round++) {
		struct client *clients[6];

		admin_run(trial, admin, "DROP SCHEMA IF EXISTS leaderd CASCADE");
		for (size_t i = 0; i < 6; i++)
			clients[i] = client_start(trial, 0);
		for (size_t i = 0; i < 6; i++)
			client_send_open(clients[i], &(struct knowledge){ 0 });
		for (size_t i = 0; i < 6; i++) {
			client_take_opened(clients[i]);
			expect(trial, memcmp(clients[i]->opened.lineage, clients[0]->opened.lineage, 16) == 0,
			       "two lineages in round %d", round);
		}
		for (size_t i = 0; i < 6; i++)
			client_destroy(clients[i]);
	}
	PQfinish(admin);
}

static void a_locked_log_is_a_matter_of_time(struct trial *trial) {
	struct history history = { 0 };
	struct client *client = open_filled(trial, &history, 2);
	PGconn *admin = admin_open(trial);
	struct backend_point parent;

	history_add_unit(trial, &history, 1, 100);
	struct batch batch = batch_after(&history, 2, &parent);
	admin_run(trial, admin, "BEGIN; SELECT * FROM leaderd.log FOR UPDATE");
	client_send_push(client, &batch);
	struct answer answer = client_take_answer(client);
	expect(trial, answer.result == PUSH_LATER, "result %d %s%s", answer.result, answer.reason, answer.problem.text);
	expect(trial, strstr(answer.reason, "locked") != NULL, "the reason was another one: %s", answer.reason);

	admin_run(trial, admin, "ROLLBACK");
	client_push_all(client, &history, 2, &parent);
	client_expect_log(client, &history, &root);
	history_finish(&history);
	PQfinish(admin);
}

/* The frozen adapter gets the lock and does nothing with it; the server takes it away. */
static void a_frozen_adapter_does_not_keep_the_others_waiting(struct trial *trial) {
	struct history history = { 0 };
	struct client *frozen = open_filled(trial, &history, 1);
	struct client *other = open_device(trial, 0);
	PGconn *admin = admin_open(trial);
	struct backend_point parent;

	history_add_unit(trial, &history, 1, 100);
	struct batch batch = batch_after(&history, 1, &parent);
	admin_run(trial, admin, "BEGIN; SELECT * FROM leaderd.log FOR UPDATE");
	PGconn *watcher = admin_open(trial);
	client_send_push(frozen, &batch);
	while (admin_number(trial, watcher, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 0)
		;
	kill(frozen->pid, SIGSTOP);
	admin_run(trial, admin, "ROLLBACK");

	struct answer answer = client_push(other, &batch);
	expect(trial, answer.result == PUSH_ACCEPTED, "result %d %s%s", answer.result, answer.reason, answer.problem.text);
	kill(frozen->pid, SIGCONT);
	answer = client_take_answer(frozen);
	expect(trial, answer.result == 0 && !answer.problem.permanent, "the one who was frozen got result %d",
	       answer.result);
	client_open(frozen);
	client_expect_log(frozen, &history, &root);
	history_finish(&history);
	PQfinish(watcher);
	PQfinish(admin);
}

static void a_full_disk_takes_nothing_and_passes(struct trial *trial) {
	struct history history = { 0 };
	struct client *client = open_filled(trial, &history, 1);
	PGconn *admin = admin_open(trial);
	struct backend_point parent;

	history_add_unit(trial, &history, 3, 100);
	struct batch batch = batch_after(&history, 1, &parent);
	admin_run(trial, admin,
	          "CREATE FUNCTION leaderd.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
	          " RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;"
	          "CREATE TRIGGER full_disk AFTER INSERT ON leaderd.event EXECUTE FUNCTION leaderd.full()");
	client_send_push(client, &batch);
	struct answer answer = client_take_answer(client);
	admin_run(trial, admin, "DROP FUNCTION leaderd.full CASCADE");
	expect(trial, answer.result == 0 && answer.problem.code == ERROR_FULL && !answer.problem.permanent,
	       "result %d, problem %d: %s", answer.result, answer.problem.code, answer.problem.text);
	expect(trial, strstr(answer.problem.text, "disk was full") != NULL, "another text: %s", answer.problem.text);

	client_push_all(client, &history, 1, &parent);
	client_expect_log(client, &history, &root);
	history_finish(&history);
	PQfinish(admin);
}

static void expect_damage(struct trial *trial, struct client *client, const char *part) {
	client_send_pull(client, &(struct ask){ 0 });
	struct page page = client_take_page(client, ANSWER_MS);

	expect(trial, page.problem && page.what.code == ERROR_CORRUPT, "damage gave a page, or problem %d: %s",
	       page.what.code, page.what.text);
	expect(trial, strstr(page.what.text, part) != NULL, "the damage at %s was called: %s", part, page.what.text);
	page_finish(&page);
}

static void damaged_rows_are_named_and_not_passed_on(struct trial *trial) {
	struct history history = { 0 };
	PGconn *admin = admin_open(trial);

	struct client *client = open_filled(trial, &history, 3);
	admin_damage(trial, admin, "DELETE FROM leaderd.event");
	expect_damage(trial, client, "e2 ");
	history_finish(&history);

	trial_new_store(trial);
	client = open_filled(trial, &history, 3);
	admin_damage(trial, admin, "UPDATE leaderd.event SET chain_hash = sha256('x')");
	expect_damage(trial, client, "e2 ");
	history_finish(&history);

	trial_new_store(trial);
	client = open_filled(trial, &history, 3);
	admin_damage(trial, admin, "UPDATE leaderd.event SET packed = substr(packed, 1, 40)");
	expect_damage(trial, client, "an event in the backend");
	history_finish(&history);

	trial_new_store(trial);
	client = open_filled(trial, &history, 2);
	admin_run(trial, admin, "UPDATE leaderd.log SET head_chain_hash = sha256('x')");
	expect_damage(trial, client, "head");
	history_finish(&history);
	PQfinish(admin);
}

static void a_log_of_a_newer_format_is_left_alone(struct trial *trial) {
	PGconn *admin = admin_open(trial);
	struct problem problem;
	char sql[200];

	client_destroy(open_device(trial, 0));
	snprintf(sql, sizeof(sql), "UPDATE leaderd.log SET format = 2 WHERE name = '%s'", trial->store);
	admin_run(trial, admin, sql);
	struct client *client = client_start(trial, 0);
	expect(trial, !client_try_open(client, &(struct knowledge){ 0 }, &problem), "a newer format was opened");
	expect(trial, problem.code == ERROR_VERSION && problem.permanent, "problem %d: %s", problem.code, problem.text);
	PQfinish(admin);
}

static void a_restored_and_regrown_database_has_diverged(struct trial *trial) {
	struct history history = { 0 }, other;
	struct client *client = open_filled(trial, &history, 3);
	char command[200];

	snprintf(command, sizeof(command), "dump '%s/old.sql'", server_of(trial)->folder);
	server_command(trial, command);
	other = history_copy(trial, &history, 3);
	for (int i = 0; i < 2; i++) {
		history_add_unit(trial, &history, 1, 100);
		history_add_unit(trial, &other, 1, 100);
	}
	struct backend_point fork = history_point(&history, 3);
	struct backend_point old = client_push_all(client, &history, 3, &fork);
	snprintf(command, sizeof(command), "restore '%s/old.sql'", server_of(trial)->folder);
	server_command(trial, command);

	client = open_device(trial, 0);
	struct page page = client_pull(client, &(struct ask){ .after = &old });
	expect(trial, page.diverged && page.head.global == 3, "a shorter log was not seen");
	page_finish(&page);
	client_push_all(client, &other, 3, &fork);
	page = client_pull(client, &(struct ask){ .after = &old });
	expect(trial, page.diverged && page.head.global == 5, "a fork of the same length was not seen");
	page_finish(&page);
	history_finish(&history);
	history_finish(&other);
}

static void a_log_that_is_taken_away_under_us_is_found_again(struct trial *trial) {
	struct history history = { 0 };
	struct client *client = open_filled(trial, &history, 2);
	PGconn *admin = admin_open(trial);
	struct backend_point parent;
	uint8_t lineage[16];

	history_add_unit(trial, &history, 1, 100);
	struct batch batch = batch_after(&history, 2, &parent);
	admin_run(trial, admin, "DROP SCHEMA leaderd CASCADE");
	client_send_push(client, &batch);
	struct answer answer = client_take_answer(client);
	expect(trial, answer.result == 0 && !answer.problem.permanent, "result %d", answer.result);
	memcpy(lineage, client->opened.lineage, sizeof(lineage));
	client_open_knowing(client, &(struct knowledge){ .lineage = lineage, .epoch = client->opened.epoch });
	expect(trial, memcmp(lineage, client->opened.lineage, 16) == 0 && client->opened.head.global == 0,
	       "the new log was another store's, or not empty");
	client_push_all(client, &history, 0, &root);
	history_finish(&history);
	PQfinish(admin);
}

/* Whoever loses gets the winner's hint together with its own answer, or behind it: either way, it looks. */
static void a_hint_that_comes_with_an_answer_is_not_lost(struct trial *trial) {
	struct client *clients[2] = { open_device(trial, 0), open_device(trial, 0) };
	struct history history = { 0 };
	PGconn *admin = admin_open(trial), *watcher = admin_open(trial);

	for (size_t round = 0; round < 20; round++) {
		struct backend_point parent = history_point(&history, round);
		struct history other = history_copy(trial, &history, round);
		struct answer answers[2];

		history_add_unit(trial, &history, 1, 100);
		history_add_unit(trial, &other, 1, 100);
		for (size_t i = 0; i < 2; i++) {
			struct page page = client_pull(clients[i], &(struct ask){ .after = &parent, .live = true });

			page_finish(&page);
		}
		admin_run(trial, admin, "BEGIN; SELECT * FROM leaderd.log FOR UPDATE");
		for (size_t i = 0; i < 2; i++) {
			const struct history *pushed = i == 0 ? &history : &other;

			client_send_push(clients[i], &(struct batch){ &parent, pushed->events + round, 1 });
			while ((size_t)admin_number(trial, watcher, "SELECT count(*) FROM pg_locks WHERE NOT granted") <= i)
				;
		}
		admin_run(trial, admin, "ROLLBACK");
		for (size_t i = 0; i < 2; i++)
			answers[i] = client_take_answer(clients[i]);
		expect(trial, answers[0].result == PUSH_ACCEPTED && answers[1].result == PUSH_BEHIND, "results %d and %d",
		       answers[0].result, answers[1].result);
		struct page page = client_take_page(clients[1], ANSWER_MS);
		page_expect(trial, &page, &history, round);
		expect(trial, page.n == 1, "the hint brought %zu events", page.n);
		page_finish(&page);
		history_finish(&other);
	}
	history_finish(&history);
	PQfinish(watcher);
	PQfinish(admin);
}

static void without_listen_news_come_by_polling(struct trial *trial) {
	struct client *writer = open_device(trial, 0), *reader = client_start(trial, 30);
	struct history history = { 0 };
	char url[URL_BYTES];

	snprintf(url, sizeof(url), "%s&listen=off", trial->options->url);
	client_open_knowing(reader, &(struct knowledge){ .url = url });
	expect(trial, !reader->opened.live, "it promised hints");
	struct page page = client_pull(reader, &(struct ask){ .live = true });
	page_finish(&page);
	history_add_unit(trial, &history, 2, 100);
	client_push_all(writer, &history, 0, &root);
	page = client_take_page(reader, ANSWER_MS);
	page_expect(trial, &page, &history, 0);
	expect(trial, page.n == 2, "polling brought %zu events", page.n);
	page_finish(&page);
	history_finish(&history);
}

/* The server must go on waiting: a wait that it cut short would count as a commit. */
static void without_its_synchronous_standby_nothing_is_accepted(struct trial *trial) {
	struct history history = { 0 };
	struct client *client = open_filled(trial, &history, 1);
	PGconn *admin = admin_open(trial);
	struct backend_point parent;

	history_add_unit(trial, &history, 1, 100);
	struct batch batch = batch_after(&history, 1, &parent);
	admin_run(trial, admin, "ALTER SYSTEM SET synchronous_standby_names = 'missing'");
	admin_run(trial, admin, "SELECT pg_reload_conf()");
	while (admin_number(trial, admin,
	                    "SELECT count(*) FROM pg_settings WHERE name = 'synchronous_standby_names'"
	                    " AND setting = 'missing'") == 0)
		;
	client_send_push(client, &batch);
	struct answer answer = client_take_answer(client);
	admin_run(trial, admin, "ALTER SYSTEM RESET synchronous_standby_names");
	admin_run(trial, admin, "SELECT pg_reload_conf()");
	expect(trial, answer.result == 0 && answer.problem.code == ERROR_TIMEOUT, "result %d, problem %d: %s",
	       answer.result, answer.problem.code, answer.problem.text);
	client_open(client);
	client_push(client, &batch);
	client_expect_log(client, &history, &root);
	history_finish(&history);
	PQfinish(admin);
}

/* NOTIFY within the push would make all pushes of the server wait for one another. */
static void pushes_of_two_stores_do_not_wait_for_each_other(struct trial *trial) {
	struct history blocked_history = { 0 }, history = { 0 };
	struct client *blocked = open_filled(trial, &blocked_history, 1);
	PGconn *admin = admin_open(trial), *watcher = admin_open(trial);
	struct backend_point parent;
	char sql[300];

	history_add_unit(trial, &blocked_history, 1, 100);
	struct batch batch = batch_after(&blocked_history, 1, &parent);
	snprintf(sql, sizeof(sql), "BEGIN; SELECT * FROM leaderd.log WHERE name = '%s' FOR UPDATE", trial->store);
	admin_run(trial, admin, sql);
	client_send_push(blocked, &batch);
	while (admin_number(trial, watcher, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 0)
		;
	trial_new_store(trial);
	int64_t start = now_ms();
	open_filled(trial, &history, 20);
	expect(trial, now_ms() - start < 3000, "it took %d ms", (int)(now_ms() - start));
	admin_run(trial, admin, "ROLLBACK");
	struct answer answer = client_take_answer(blocked);
	expect(trial, answer.result == PUSH_ACCEPTED, "result %d %s", answer.result, answer.reason);
	history_finish(&history);
	history_finish(&blocked_history);
	PQfinish(watcher);
	PQfinish(admin);
}

const struct story stories_of_rows[] = {
	{ .name = "leaders that come first at once find one log", .run = leaders_that_come_first_at_once_find_one_log },
	{ .name = "a locked log is a matter of time", .run = a_locked_log_is_a_matter_of_time },
	{ .name = "a frozen adapter does not keep the others waiting",
	  .run = a_frozen_adapter_does_not_keep_the_others_waiting },
	{ .name = "without its synchronous standby nothing is accepted",
	  .run = without_its_synchronous_standby_nothing_is_accepted },
	{ .name = "a full disk takes nothing and passes", .run = a_full_disk_takes_nothing_and_passes },
	{ .name = "damaged rows are named and not passed on", .run = damaged_rows_are_named_and_not_passed_on },
	{ .name = "a log of a newer format is left alone", .run = a_log_of_a_newer_format_is_left_alone },
	{ .name = "a restored and regrown database has diverged", .run = a_restored_and_regrown_database_has_diverged },
	{ .name = "a log that is taken away under us is found again",
	  .run = a_log_that_is_taken_away_under_us_is_found_again },
	{ .name = "a hint that comes with an answer is not lost", .run = a_hint_that_comes_with_an_answer_is_not_lost },
	{ .name = "without LISTEN news come by polling", .run = without_listen_news_come_by_polling },
	{ .name = "pushes of two stores do not wait for each other",
	  .run = pushes_of_two_stores_do_not_wait_for_each_other },
	{ 0 },
};
