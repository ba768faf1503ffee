/* What lds_commit promises, with a leader that takes its time. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scripted_leader.h"
#include "store/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOTES "SELECT count(*) FROM note"
#define ADDED(n) "{\"id\":\"" n "\",\"text\":\"t\"}"

static struct scripted_leader leader;
static struct lds_session *session;

static int set_up(void **state) {
	(void)state;
	scripted_start(&leader, NOTES_1);
	session = scripted_session(&leader);
	return 0;
}

static int tear_down(void **state) {
	(void)state;
	lds_close(session);
	scripted_stop(&leader);
	return 0;
}

static const Leaderd__Push *read_push(void) {
	return scripted_read(&leader, LEADERD__TO_LEADER__BODY_PUSH)->push;
}

static char *text_room(size_t n) {
	char *room = malloc(n);

	if (!room)
		abort();
	return room;
}

static void a_commit_that_returned_0_is_in_the_kernel(void **state) {
	struct lds_id id;
	const Leaderd__Push *push;

	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), &id), 0);

	push = read_push();
	assert_int_equal(push->n_events, 1);
	assert_string_equal(push->events[0]->name, "noteAdded");
	assert_memory_equal(push->events[0]->args.data, ADDED("a"), strlen(ADDED("a")));
	assert_memory_equal(push->events[0]->id.data, id.bytes, sizeof(id.bytes));
	assert_int_equal(push->events[0]->global, 1);
	assert_string_equal(push->events[0]->session_id, "mine");
	assert_int_equal(session_count(session, NOTES), 1);
	assert_int_equal(session_status(session).pending, 1);
}

static void a_confirmed_commit_leaves_pending(void **state) {
	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), 0);
	scripted_take_push(&leader, read_push());
	scripted_say_feed(&leader, &(struct scripted_feed){ .first = 0 });

	assert_int_equal(session_settle(session), 0);

	assert_int_equal(session_status(session).pending, 0);
	assert_int_equal(session_status(session).leader_head.global, 1);
	assert_int_equal(session_count(session, NOTES), 1);
}

static void a_batch_is_one_unit_in_one_frame(void **state) {
	struct lds_event_input events[] = { { "noteAdded", 0, ADDED("a") }, { "noteAdded", 1, ADDED("b") } };
	struct lds_id ids[2];
	const Leaderd__Push *push;

	assert_int_equal(lds_commit_batch(session, events, 2, ids), 0);

	push = read_push();
	assert_int_equal(push->n_events, 2);
	assert_memory_equal(push->events[1]->unit.data, ids[0].bytes, sizeof(ids[0].bytes));
	assert_int_equal(push->events[1]->unit_index, 1);
	assert_int_equal(push->events[1]->unit_count, 2);
	assert_int_equal(push->events[1]->global, 2);
}

static void a_refused_commit_leaves_no_trace(void **state) {
	struct lds_event_input events[] = { { "noteAdded", 0, ADDED("a") }, { "noteRemoved", 0, "{\"id\":\"none\"}" } };

	assert_int_equal(lds_commit_batch(session, events, 2, NULL), LDS_REFUSED);

	assert_non_null(strstr(lds_last_error(session), "no such note"));
	assert_int_equal(session_count(session, NOTES), 0);
	assert_int_equal(session_status(session).pending, 0);
	assert_null(scripted_try_read(&leader));
	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), 0);
	assert_int_equal(read_push()->events[0]->global, 1);
}

static void a_commit_that_breaks_a_constraint_is_refused(void **state) {
	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), 0);

	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), LDS_REFUSED);

	assert_int_equal(session_status(session).pending, 1);
}

static void client_only_events_stand_behind_their_synced_one(void **state) {
	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), 0);
	assert_int_equal(lds_commit(session, "filterChanged", "{\"filter\":\"x\"}", NULL), 0);

	assert_int_equal(session_status(session).local_head.global, 1);
	assert_int_equal(session_status(session).local_head.client, 1);
	read_push();
	assert_true(read_push()->events[0]->client_only);
}

static void expect_invalid(const char *name, const char *args, int code) {
	assert_int_equal(lds_commit(session, name, args, NULL), code);
	assert_true(strlen(lds_last_error(session)) > 0);
	assert_int_equal(session_status(session).pending, 0);
	assert_null(scripted_try_read(&leader));
}

static void misuse_is_answered_and_nothing_has_happened(void **state) {
	struct lds_event_input mixed[] = { { "noteAdded", 0, ADDED("a") }, { "filterChanged", 0, "{\"filter\":\"x\"}" } };
	char *large = text_room(EVENT_ARGS_BYTES_MAX + 64);

	expect_invalid("noteForgotten", "{}", LDS_INVALID);
	assert_non_null(strstr(lds_last_error(session), "unknown event"));
	expect_invalid("noteAdded", "{\"id\":\"a\"}", LDS_INVALID);
	expect_invalid("noteAdded", "{\"id\":\"a\",\"id\":\"a\",\"text\":\"t\"}", LDS_INVALID);
	expect_invalid("noteAdded", "{\"id\":\"a\",\"text\":\"t\",\"more\":1}", LDS_INVALID);
	expect_invalid("noteAdded", "{\"id\":\"a\",", LDS_INVALID);
	expect_invalid("noteAdded", "[]", LDS_INVALID);
	expect_invalid("noteAdded", "", LDS_INVALID);
	expect_invalid("noteAdded", "{\"id\":\"\xff\",\"text\":\"t\"}", LDS_INVALID);
	expect_invalid("noteAdded", NULL, LDS_INVALID);
	expect_invalid(NULL, "{}", LDS_INVALID);
	assert_int_equal(lds_commit_batch(session, mixed, 2, NULL), LDS_INVALID);
	assert_int_equal(lds_commit_batch(session, mixed, 0, NULL), LDS_INVALID);
	assert_int_equal(lds_commit_batch(session, mixed, UNIT_EVENTS_MAX + 1, NULL), LDS_TOO_LARGE);
	memset(large, 'x', EVENT_ARGS_BYTES_MAX + 63);
	large[EVENT_ARGS_BYTES_MAX + 63] = '\0';
	expect_invalid("noteAdded", large, LDS_TOO_LARGE);
	mixed[0].version = 7;
	assert_int_equal(lds_commit_batch(session, mixed, 1, NULL), LDS_INVALID);
	free(large);
}

static void a_unit_over_its_bytes_is_too_large(void **state) {
	struct lds_event_input events[3];
	size_t n = UNIT_BYTES_MAX / 3 + 16;
	char *args = text_room(n + 64);
	int at = sprintf(args, "{\"id\":\"a\",\"text\":\"");

	memset(args + at, 'x', n);
	strcpy(args + at + n, "\"}");
	for (size_t i = 0; i < 3; i++)
		events[i] = (struct lds_event_input){ "noteAdded", 0, args };

	assert_int_equal(lds_commit_batch(session, events, 3, NULL), LDS_TOO_LARGE);

	assert_int_equal(session_status(session).pending, 0);
	free(args);
}

static void a_read_only_session_does_not_commit(void **state) {
	struct lds_options options = scripted_options(&leader);
	struct lds_session *reader = NULL;

	options.flags = LDS_READ_ONLY;
	options.session_id = "reader";
	assert_int_equal(scripted_open(&leader, &options, false, &reader), 0);

	assert_int_equal(lds_commit(reader, "noteAdded", ADDED("a"), NULL), LDS_INVALID);

	lds_close(reader);
}

static void commits_while_the_leader_is_away_are_queued_and_sent_in_order(void **state) {
	const Leaderd__Hello *hello;
	uint8_t verdicts[3] = { 0, 0, 0 };

	scripted_leave(&leader);
	session_settle(session);
	assert_int_equal(session_status(session).connection, LDS_DISCONNECTED);
	assert_int_equal(lds_get_fd(session), -1);
	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), LDS_QUEUED);
	assert_int_equal(lds_commit(session, "noteAdded", ADDED("b"), NULL), LDS_QUEUED);
	assert_int_equal(lds_commit(session, "noteRemoved", "{\"id\":\"a\"}", NULL), LDS_QUEUED);
	assert_int_equal(session_count(session, NOTES), 1);
	assert_true(session_status(session).queued_bytes > 0);

	scripted_return(&leader);
	session_reconnect(session, &leader);
	hello = scripted_read(&leader, LEADERD__TO_LEADER__BODY_HELLO)->hello;
	assert_int_equal(hello->pending.len, 3 * 16);
	scripted_say_welcome(&leader, &(struct scripted_welcome){ .verdicts = verdicts, .n_verdicts = 3 });
	session_settle(session);

	assert_memory_equal(read_push()->events[0]->args.data, ADDED("a"), strlen(ADDED("a")));
	assert_memory_equal(read_push()->events[0]->args.data, ADDED("b"), strlen(ADDED("b")));
	assert_string_equal(read_push()->events[0]->name, "noteRemoved");
	assert_int_equal(session_status(session).queued_bytes, 0);
}

static void a_commit_to_a_slow_leader_is_queued_until_it_reads(void **state) {
	size_t n = 0, n_read = 0;
	char args[8192];
	int r;

	do {
		int at = sprintf(args, "{\"id\":\"%zu\",\"text\":\"", n++);

		memset(args + at, 'x', 4096);
		strcpy(args + at + 4096, "\"}");
		r = lds_commit(session, "noteAdded", args, NULL);
	} while (r == 0);
	assert_int_equal(r, LDS_QUEUED);
	assert_true(lds_get_events(session) & 4 /* POLLOUT */);

	while (n_read < n) {
		const Leaderd__Push *push = read_push();

		assert_int_equal(push->events[0]->global, ++n_read);
		session_settle(session);
	}
	assert_int_equal(session_status(session).queued_bytes, 0);
	assert_false(lds_get_events(session) & 4);
}

static void a_full_queue_is_told_and_nothing_has_happened(void **state) {
	struct lds_event_input events[2];
	char *args = text_room(200 * 1024 + 64), id[32];
	uint64_t pending = 0;
	int r;

	scripted_leave(&leader);
	session_settle(session);
	do {
		int at = sprintf(args, "{\"id\":\"%llu\",\"text\":\"", (unsigned long long)pending++);

		memset(args + at, 'x', 200 * 1024);
		strcpy(args + at + 200 * 1024, "\"}");
		events[0] = (struct lds_event_input){ "noteAdded", 0, args };
		r = lds_commit_batch(session, events, 1, NULL);
	} while (r == LDS_QUEUED);

	assert_int_equal(r, LDS_FULL);
	assert_int_equal(session_status(session).pending, pending - 1);
	assert_int_equal(session_count(session, NOTES), (int64_t)pending - 1);
	assert_true(session_status(session).queued_bytes <= SESSION_QUEUE_BYTES_MAX);
	sprintf(id, "{\"id\":\"%llu\"}", (unsigned long long)pending - 1);
	assert_int_equal(lds_commit(session, "noteRemoved", id, NULL), LDS_REFUSED); /* it is not there */
	free(args);
}

static void trouble_of_the_leader_is_told_before_anything_happens(void **state) {
	leader.trouble_code = LDS_FULL;
	leader.trouble = "no space left on the leader's disk";
	scripted_say_feed(&leader, &(struct scripted_feed){ 0 });
	session_settle(session);

	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), LDS_FULL);
	assert_string_equal(lds_last_error(session), leader.trouble);
	assert_int_equal(session_status(session).trouble_code, LDS_FULL);
	assert_int_equal(session_status(session).pending, 0);

	leader.trouble_code = 0;
	leader.trouble = "";
	scripted_say_feed(&leader, &(struct scripted_feed){ 0 });
	session_settle(session);
	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), 0);
}

static void clocks_grow_with_each_commit_and_with_what_is_seen(void **state) {
	struct event *theirs;
	struct lds_event_input events[] = { { "noteAdded", 0, ADDED("a") }, { "noteAdded", 0, ADDED("b") } };
	const Leaderd__Push *push;

	theirs = scripted_foreign(&leader, "noteAdded", ADDED("x"));
	theirs->hlc.time_ms = 1ull << 47; /* far ahead of every clock here */
	hash_content(&theirs->entry.content, theirs);
	hash_local(&theirs->local_hash, &(struct hash){ { 0 } }, theirs->entry.at, &theirs->entry.content);
	scripted_say_feed(&leader, &(struct scripted_feed){ .first = 0 });
	session_settle(session);

	assert_int_equal(lds_commit_batch(session, events, 2, NULL), 0);

	push = read_push();
	assert_true(push->events[0]->hlc_time_ms == 1ull << 47);
	assert_int_equal(push->events[0]->hlc_counter, 1);
	assert_int_equal(push->events[1]->hlc_counter, 2);
}

static void a_child_of_fork_is_no_second_writer(void **state) {
	struct lds_rows *rows;
	pid_t child;
	int status;

	assert_int_equal(lds_query(session, NOTES, NULL, 0, &rows), 0);
	child = fork();
	if (child == 0) {
		struct lds_status session_status = { .size = sizeof(session_status) };
		int good = lds_commit(session, "noteAdded", ADDED("a"), NULL) == LDS_INVALID &&
		           lds_process(session) == LDS_INVALID && lds_wait(session, NULL, LDS_DURABLE, 0) == LDS_INVALID &&
		           lds_get_fd(session) == -1 && lds_get_deadline(session) == UINT64_MAX &&
		           lds_rows_next(rows) == LDS_INVALID && lds_db(session) == NULL &&
		           lds_get_status(session, &session_status) == LDS_INVALID &&
		           strstr(lds_last_error(session), "child") && lds_close(session) == 0;

		_exit(good ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_null(scripted_try_read(&leader));
	lds_rows_close(rows);
	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), 0);
	assert_int_equal(read_push()->n_events, 1);
}

static void what_is_no_open_session_is_answered_with_invalid(void **state) {
	char memory[16384] = { 0 };
	struct lds_session *none = (struct lds_session *)(void *)memory;

	assert_int_equal(lds_commit(NULL, "noteAdded", ADDED("a"), NULL), LDS_INVALID);
	assert_int_equal(lds_commit(none, "noteAdded", ADDED("a"), NULL), LDS_INVALID);
	assert_int_equal(lds_process(none), LDS_INVALID);
	assert_int_equal(lds_close(none), LDS_INVALID);
	assert_int_equal(lds_close(NULL), 0);
	assert_string_equal(lds_session_id(none), "");
	assert_true(strlen(lds_last_error(none)) > 0);
}

static void close_sends_what_the_kernel_takes(void **state) {
	assert_int_equal(lds_commit(session, "noteAdded", ADDED("a"), NULL), 0);

	assert_int_equal(lds_close(session), 0);
	session = NULL;

	assert_int_equal(read_push()->n_events, 1);
	assert_null(scripted_try_read(&leader));
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		STORY(a_commit_that_returned_0_is_in_the_kernel),
		STORY(a_confirmed_commit_leaves_pending),
		STORY(a_batch_is_one_unit_in_one_frame),
		STORY(a_refused_commit_leaves_no_trace),
		STORY(a_commit_that_breaks_a_constraint_is_refused),
		STORY(client_only_events_stand_behind_their_synced_one),
		STORY(misuse_is_answered_and_nothing_has_happened),
		STORY(a_unit_over_its_bytes_is_too_large),
		STORY(a_read_only_session_does_not_commit),
		STORY(commits_while_the_leader_is_away_are_queued_and_sent_in_order),
		STORY(a_commit_to_a_slow_leader_is_queued_until_it_reads),
		STORY(a_full_queue_is_told_and_nothing_has_happened),
		STORY(trouble_of_the_leader_is_told_before_anything_happens),
		STORY(clocks_grow_with_each_commit_and_with_what_is_seen),
		STORY(a_child_of_fork_is_no_second_writer),
		STORY(what_is_no_open_session_is_answered_with_invalid),
		STORY(close_sends_what_the_kernel_takes),
	};

	return cmocka_run_group_tests_name("session/commit", tests, NULL, NULL);
}
