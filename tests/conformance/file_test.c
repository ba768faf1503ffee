/* What the conformance suite cannot ask of the file adapter: its file, and where it lies. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allocation.h"
#include "file/file.h"
#include "proto/backend_wire.h"
#include "store/hash.h"

struct fixture {
	char folder[64], path[80], url[96];
	struct file_backend *backend;
	struct adapter_opened opened;
	struct event *events[4]; /* two units of two */
	struct error error;
};

static const uint8_t new_lineage[BACKEND_LINEAGE_BYTES] = "lineage 16 bytes";

static void make_events(struct fixture *fixture) {
	struct hash chain = { 0 };

	for (size_t i = 0; i < 4; i++) {
		struct event *event = event_create("noteAdded", "{\"text\":\"x\"}", 12);

		assert_non_null(event);
		memset(event->entry.id.bytes, (int)i + 1, 16);
		event->entry.unit = i % 2 == 0 ? event->entry.id : fixture->events[i - 1]->entry.id;
		event->entry.unit_index = i % 2;
		event->entry.unit_count = 2;
		event->entry.at = (struct position){ i + 1, 0 };
		event->version = 1;
		strcpy(event->client_id, "00112233445566778899aabbccddeeff");
		strcpy(event->session_id, "app.1");
		hash_content(&event->entry.content, event);
		hash_chain(&event->chain_hash, &chain, event->entry.at, &event->entry.content);
		chain = event->chain_hash;
		fixture->events[i] = event;
	}
}

static int set_up(void **state) {
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	const char *temporary = getenv("TMPDIR");

	snprintf(fixture->folder, sizeof(fixture->folder), "%.40s/adapter-XXXXXX", temporary == NULL ? "/tmp" : temporary);
	assert_non_null(mkdtemp(fixture->folder));
	snprintf(fixture->path, sizeof(fixture->path), "%s/log.db", fixture->folder);
	snprintf(fixture->url, sizeof(fixture->url), "file:%s", fixture->path);
	make_events(fixture);
	*state = fixture;
	return 0;
}

static int tear_down(void **state) {
	struct fixture *fixture = *state;
	char command[128];

	file_close(fixture->backend);
	for (size_t i = 0; i < 4; i++)
		event_destroy(fixture->events[i]);
	snprintf(command, sizeof(command), "rm -rf '%s'", fixture->folder);
	assert_int_equal(system(command), 0);
	free(fixture);
	return 0;
}

static int open_url(struct fixture *fixture, const char *url) {
	struct adapter_open open = { .store = "todos", .url = url, .new_lineage = new_lineage, .new_epoch = 1 };
	void *backend = NULL;

	file_close(fixture->backend);
	fixture->backend = NULL;
	fixture->error = (struct error){ 0 };
	int r = file_open(&backend, &open, &fixture->opened, &fixture->error);
	fixture->backend = backend;
	return r;
}

static int push(struct fixture *fixture, size_t from, struct adapter_push_answer *ret) {
	struct adapter_push push = { .events = fixture->events + from, .n_events = 2, .parent.global = from };

	if (from > 0)
		push.parent.chain_hash = fixture->events[from - 1]->chain_hash;
	*ret = (struct adapter_push_answer){ 0 };
	return file_push(fixture->backend, &push, ret, &fixture->error);
}

static int count(struct fixture *fixture, size_t *ret) {
	struct adapter_pull pull = { .events_max = 100, .bytes_max = 100000 };
	struct adapter_page page = { 0 };
	int r = file_pull(fixture->backend, &pull, &page, &fixture->error);

	*ret = page.n_events;
	for (size_t i = 0; i < page.n_events; i++)
		event_destroy(page.events[i]);
	free(page.events);
	return r;
}

static void run_sql(const char *path, const char *sql) {
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void expect_error(struct fixture *fixture, int r, int expected, const char *part) {
	assert_int_equal(r, expected);
	assert_int_equal(fixture->error.code, expected);
	if (strstr(fixture->error.text, part) == NULL)
		fail_msg("the error was: %s", fixture->error.text);
}

static void file_systems_of_several_machines_are_named(void **state) {
	assert_string_equal(place_network_name(0x6969), "NFS");
	assert_string_equal(place_network_name(0xff534d42), "CIFS");
	assert_string_equal(place_network_name((unsigned long)(long)(int)0xfe534d42), "SMB"); /* as 32 bits, signed */
	assert_string_equal(place_network_name(0x01021997), "9P");
	assert_string_equal(place_network_name(0x65735546), "FUSE");
	assert_null(place_network_name(0xef53));     /* ext4 */
	assert_null(place_network_name(0x9123683e)); /* btrfs */
	assert_null(place_network_name(0x58465342)); /* XFS */
	assert_null(place_network_name(0x01021994)); /* tmpfs */
}

static void urls_name_a_file_by_its_absolute_path(void **state) {
	static const char *const bad[] = { "file:log.db",
		                               "file:",
		                               "file:/",
		                               "file://host/log.db",
		                               "file:////log.db",
		                               "file:/tmp/",
		                               "files:/tmp/log.db",
		                               "postgres://host/db",
		                               "" };
	struct fixture *fixture = *state;
	char url[160];
	struct stat status;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_error(fixture, open_url(fixture, bad[i]), ERROR_INVALID, "file:/path/log.db");
	snprintf(url, sizeof(url), "file://%s?x=1&store=other", fixture->path);
	assert_int_equal(open_url(fixture, url), 0);
	assert_int_equal(stat(fixture->path, &status), 0);
	snprintf(url, sizeof(url), "file:%s/my%%20log%%3F.db", fixture->folder);
	assert_int_equal(open_url(fixture, url), 0);
	snprintf(url, sizeof(url), "%s/my log?.db", fixture->folder);
	assert_int_equal(stat(url, &status), 0);
}

static void a_parameter_names_the_log(void **state) {
	struct fixture *fixture = *state;
	struct adapter_push_answer answer;
	char url[160];

	assert_int_equal(open_url(fixture, fixture->url), 0);
	assert_int_equal(push(fixture, 0, &answer), 0);
	snprintf(url, sizeof(url), "%s?store=other", fixture->url);
	assert_int_equal(open_url(fixture, url), 0);
	assert_int_equal(fixture->opened.head.global, 0);
	snprintf(url, sizeof(url), "%s?store=tod%%6fs", fixture->url);
	assert_int_equal(open_url(fixture, url), 0);
	assert_int_equal(fixture->opened.head.global, 2);
}

static void the_file_is_its_owners_alone(void **state) {
	struct fixture *fixture = *state;
	mode_t mask = umask(0);
	struct stat status;

	assert_int_equal(open_url(fixture, fixture->url), 0);
	umask(mask);
	assert_int_equal(stat(fixture->path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
}

static void a_commit_is_on_disk_when_it_returns(void **state) {
	struct fixture *fixture = *state;
	int64_t synchronous;

	assert_int_equal(open_url(fixture, fixture->url), 0);
	assert_int_equal(database_number(fixture->backend, "PRAGMA synchronous", &synchronous, NULL), 0);
	assert_true(synchronous >= 2);
}

static void a_missing_folder_is_not_made(void **state) {
	struct fixture *fixture = *state;
	char url[160];

	snprintf(url, sizeof(url), "file:%s/missing/log.db", fixture->folder);
	expect_error(fixture, open_url(fixture, url), ERROR_NOT_FOUND, "/missing: No such file or directory");
	assert_int_not_equal(access(strchr(url, '/'), F_OK), 0);
}

static void what_is_no_file_is_refused(void **state) {
	struct fixture *fixture = *state;
	char other[160];

	assert_int_equal(mkdir(fixture->path, 0700), 0);
	expect_error(fixture, open_url(fixture, fixture->url), ERROR_INVALID, fixture->path);
	assert_int_equal(rmdir(fixture->path), 0);
	assert_int_equal(mkfifo(fixture->path, 0600), 0);
	expect_error(fixture, open_url(fixture, fixture->url), ERROR_INVALID, "is no file");
	assert_int_equal(unlink(fixture->path), 0);
	snprintf(other, sizeof(other), "%s/other", fixture->folder);
	assert_int_equal(symlink(other, fixture->path), 0);
	expect_error(fixture, open_url(fixture, fixture->url), ERROR_INVALID, "symbolic link");
	assert_int_not_equal(access(other, F_OK), 0);
}

static void a_folder_may_be_reached_by_a_link(void **state) {
	struct fixture *fixture = *state;
	char link[100], url[160];

	snprintf(link, sizeof(link), "%s/link", fixture->folder);
	assert_int_equal(symlink(fixture->folder, link), 0);
	snprintf(url, sizeof(url), "file:%s/log.db", link);
	assert_int_equal(open_url(fixture, url), 0);
	assert_string_equal(fixture->backend->path, fixture->path);
}

static void expect_untouched(struct fixture *fixture, const char *part, int code) {
	struct stat before, after;

	assert_int_equal(stat(fixture->path, &before), 0);
	expect_error(fixture, open_url(fixture, fixture->url), code, part);
	assert_int_equal(stat(fixture->path, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	assert_int_equal(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	assert_int_equal(unlink(fixture->path), 0);
}

static void the_file_of_another_program_is_left_alone(void **state) {
	struct fixture *fixture = *state;
	FILE *file = fopen(fixture->path, "we");

	assert_non_null(file);
	fputs("these are notes and no database, in a file that is longer than a header of SQLite, which has 100 bytes",
	      file);
	assert_int_equal(fclose(file), 0);
	expect_untouched(fixture, "another program", ERROR_CONFLICT);
	run_sql(fixture->path, "CREATE TABLE log (a)");
	expect_untouched(fixture, "another program", ERROR_CONFLICT);
	run_sql(fixture->path, "PRAGMA application_id = 7");
	expect_untouched(fixture, "another program", ERROR_CONFLICT);
	run_sql(fixture->path, "PRAGMA user_version = 7");
	expect_untouched(fixture, "another program", ERROR_CONFLICT);
}

static void a_newer_format_is_left_alone(void **state) {
	struct fixture *fixture = *state;

	assert_int_equal(open_url(fixture, fixture->url), 0);
	file_close(fixture->backend);
	fixture->backend = NULL;
	run_sql(fixture->path, "PRAGMA user_version = 2");
	expect_untouched(fixture, "has format 2, this program knows formats up to 1", ERROR_VERSION);
}

static void an_empty_file_becomes_a_log(void **state) {
	struct fixture *fixture = *state;

	assert_int_equal(close(open(fixture->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
	assert_int_equal(open_url(fixture, fixture->url), 0);
	assert_memory_equal(fixture->opened.lineage, new_lineage, sizeof(new_lineage));
}

static void a_full_disk_loses_nothing(void **state) {
	struct fixture *fixture = *state;
	struct adapter_push_answer answer;
	size_t n;

	assert_int_equal(open_url(fixture, fixture->url), 0);
	assert_int_equal(push(fixture, 0, &answer), 0);
	/* Of SQLite's own limits: the page count is the one that looks like a full disk. */
	assert_int_equal(database_run(fixture->backend, "PRAGMA max_page_count = 1", "limit", NULL), 0);
	char *large = malloc(EVENT_ARGS_BYTES_MAX);
	assert_non_null(large);
	memset(large, 'x', EVENT_ARGS_BYTES_MAX);
	struct event *event = event_create("noteAdded", large, EVENT_ARGS_BYTES_MAX);
	free(large);
	free(event->name);
	free(fixture->events[2]->args);
	event->name = NULL;
	fixture->events[2]->args = event->args;
	fixture->events[2]->args_bytes = event->args_bytes;
	event->args = NULL;
	event_destroy(event);

	expect_error(fixture, push(fixture, 2, &answer), ERROR_FULL, "cannot write");
	assert_int_equal(answer.result, 0);
	assert_int_equal(count(fixture, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(database_run(fixture->backend, "PRAGMA max_page_count = 100000", "limit", NULL), 0);
	assert_int_equal(push(fixture, 2, &answer), 0);
	assert_int_equal(answer.result, PUSH_ACCEPTED);
}

static void a_writer_who_stays_long_makes_it_later(void **state) {
	struct fixture *fixture = *state;
	struct adapter_push_answer answer;
	sqlite3 *other;
	size_t n;

	assert_int_equal(open_url(fixture, fixture->url), 0);
	sqlite3_busy_timeout(fixture->backend->db, 5);
	assert_int_equal(sqlite3_open(fixture->path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(push(fixture, 0, &answer), 0);
	assert_int_equal(answer.result, PUSH_LATER);
	assert_non_null(strstr(answer.reason, "locked"));
	assert_int_equal(count(fixture, &n), 0); /* who reads does not wait */
	assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
	assert_int_equal(push(fixture, 0, &answer), 0);
	assert_int_equal(answer.result, PUSH_ACCEPTED);
}

static void a_file_that_was_replaced_is_no_longer_written(void **state) {
	struct fixture *fixture = *state;
	struct adapter_push_answer answer;
	char away[100];
	size_t n;

	assert_int_equal(open_url(fixture, fixture->url), 0);
	snprintf(away, sizeof(away), "%s/away.db", fixture->folder);
	assert_int_equal(rename(fixture->path, away), 0);
	expect_error(fixture, push(fixture, 0, &answer), ERROR_NOT_RUNNING, "is gone");
	expect_error(fixture, count(fixture, &n), ERROR_NOT_RUNNING, "is gone");
	run_sql(fixture->path, "CREATE TABLE t (a)");
	expect_error(fixture, push(fixture, 0, &answer), ERROR_NOT_RUNNING, "another file");
	expect_error(fixture, count(fixture, &n), ERROR_NOT_RUNNING, "another file");
}

static void damage_is_named_and_not_passed_on(void **state) {
	static const char *const damages[][2] = {
		{ "DELETE FROM event WHERE global = 2", "e2 is missing" },
		{ "UPDATE event SET data = substr(data, 1, 30) WHERE global = 1", "an event in the backend" },
		{ "UPDATE event SET data = (SELECT data FROM event WHERE global = 4) WHERE global = 3", "e3 is missing" },
		{ "DELETE FROM event WHERE global = 4", "is not whole" },
		{ "UPDATE log SET chain_hash = x'00'", "the head" },
		{ "UPDATE log SET head = -1", "the head" },
	};
	struct fixture *fixture = *state;
	struct adapter_push_answer answer;
	size_t n;

	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		assert_int_equal(open_url(fixture, fixture->url), 0);
		assert_int_equal(push(fixture, 0, &answer), 0);
		assert_int_equal(push(fixture, 2, &answer), 0);
		run_sql(fixture->path, damages[i][0]);
		expect_error(fixture, count(fixture, &n), ERROR_CORRUPT, damages[i][1]);
		file_close(fixture->backend);
		fixture->backend = NULL;
		assert_int_equal(unlink(fixture->path), 0);
	}
}

static void a_log_that_was_taken_out_is_not_there(void **state) {
	struct fixture *fixture = *state;
	struct adapter_push_answer answer;
	size_t n;

	assert_int_equal(open_url(fixture, fixture->url), 0);
	run_sql(fixture->path, "DELETE FROM log");
	expect_error(fixture, push(fixture, 0, &answer), ERROR_NOT_RUNNING, "was taken out");
	expect_error(fixture, count(fixture, &n), ERROR_NOT_RUNNING, "was taken out");
}

/* Each of our own; SQLite's allocations are its own tests' business. */
static void each_allocation_may_fail(void **state) {
	struct fixture *fixture = *state;
	struct adapter_push_answer answer;
	unsigned long k;
	size_t n;

	for (k = 1; k < 500; k++) {
		size_t n_before = fixture->opened.head.global;

		allocation_fail_at(k);
		int r = open_url(fixture, fixture->url);
		if (r == 0 && fixture->opened.head.global == 0)
			r = push(fixture, 0, &answer);
		if (r == 0)
			r = count(fixture, &n);
		bool failed = allocation_has_failed();
		allocation_fail_at(0);
		assert_int_equal(r, failed ? ERROR_NO_MEMORY : 0);
		assert_true(fixture->opened.head.global >= n_before);
		if (!failed)
			break;
	}
	assert_in_range(k, 8, 499);
	assert_int_equal(n, 2);
}

#define ON_A_FILE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_systems_of_several_machines_are_named),
		ON_A_FILE(urls_name_a_file_by_its_absolute_path),
		ON_A_FILE(a_parameter_names_the_log),
		ON_A_FILE(the_file_is_its_owners_alone),
		ON_A_FILE(a_commit_is_on_disk_when_it_returns),
		ON_A_FILE(a_missing_folder_is_not_made),
		ON_A_FILE(what_is_no_file_is_refused),
		ON_A_FILE(a_folder_may_be_reached_by_a_link),
		ON_A_FILE(the_file_of_another_program_is_left_alone),
		ON_A_FILE(a_newer_format_is_left_alone),
		ON_A_FILE(an_empty_file_becomes_a_log),
		ON_A_FILE(a_full_disk_loses_nothing),
		ON_A_FILE(a_writer_who_stays_long_makes_it_later),
		ON_A_FILE(a_file_that_was_replaced_is_no_longer_written),
		ON_A_FILE(damage_is_named_and_not_passed_on),
		ON_A_FILE(a_log_that_was_taken_out_is_not_there),
		ON_A_FILE(each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
