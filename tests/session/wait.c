/* lds_wait, and the streams of lds_events. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scripted_leader.h"

#include <stdio.h>
#include <string.h>

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

static struct event *commit_and_push(const char *args, struct lds_id *ret_id) {
	struct event *event = NULL;
	struct error error = { 0 };
	const Leaderd__Push *push;

	assert_int_equal(lds_commit(session, "noteAdded", args, ret_id), 0);
	push = scripted_read(&leader, LEADERD__TO_LEADER__BODY_PUSH)->push;
	assert_int_equal(wire_event_unpack(&event, push->events[0], &error), 0);
	return event;
}

/* ---- wait ---------------------------------------------------------------------------- */

static void a_durable_event_ends_the_wait(void **state) {
	struct lds_id id;

	scripted_append(&leader, commit_and_push(ADDED("a"), &id));
	assert_int_equal(lds_wait(session, &id, LDS_APPLIED, 0), 0);
	assert_int_equal(lds_wait(session, &id, LDS_DURABLE, 0), LDS_TIMEOUT);
	scripted_say_feed(&leader, &(struct scripted_feed){ 0 });

	assert_int_equal(lds_wait(session, &id, LDS_DURABLE, 5000), 0);
	assert_int_equal(lds_wait(session, NULL, LDS_DURABLE, 5000), 0);
}

static void a_wait_for_all_is_for_all(void **state) {
	scripted_append(&leader, commit_and_push(ADDED("a"), NULL));
	event_destroy(commit_and_push(ADDED("b"), NULL));
	scripted_say_feed(&leader, &(struct scripted_feed){ 0 });

	assert_int_equal(lds_wait(session, NULL, LDS_DURABLE, 20), LDS_TIMEOUT);
	assert_int_equal(session_status(session).pending, 1);
}

static void a_refused_event_ends_the_wait_with_its_reason(void **state) {
	struct lds_id id;
	struct event *mine = commit_and_push(ADDED("a"), &id);

	scripted_say_feed(&leader,
	                  &(struct scripted_feed){ .refused = &mine, .n_refused = 1, .refused_reason = "too late" });

	assert_int_equal(lds_wait(session, &id, LDS_DURABLE, 5000), LDS_REFUSED);
	assert_string_equal(lds_last_error(session), "too late");
	event_destroy(mine);
}

static void a_refusal_ends_the_wait_for_all_too(void **state) {
	struct event *mine = commit_and_push(ADDED("a"), NULL);

	scripted_say_feed(&leader,
	                  &(struct scripted_feed){ .refused = &mine, .n_refused = 1, .refused_reason = "too late" });

	assert_int_equal(lds_wait(session, NULL, LDS_DURABLE, 5000), LDS_REFUSED);
	assert_string_equal(lds_last_error(session), "too late");
	event_destroy(mine);
}

static void without_a_backend_nothing_is_confirmed(void **state) {
	struct lds_id id;

	event_destroy(commit_and_push(ADDED("a"), &id));
	assert_int_equal(lds_wait(session, &id, LDS_CONFIRMED, -1), LDS_NO_BACKEND);
	assert_int_equal(lds_wait(session, NULL, LDS_CONFIRMED, -1), LDS_NO_BACKEND);
}

static void a_full_disk_ends_the_wait_at_once(void **state) {
	event_destroy(commit_and_push(ADDED("a"), NULL));
	leader.trouble_code = LDS_FULL;
	leader.trouble = "the disk is full";
	scripted_say_feed(&leader, &(struct scripted_feed){ 0 });

	assert_int_equal(lds_wait(session, NULL, LDS_DURABLE, -1), LDS_FULL);
	assert_string_equal(lds_last_error(session), "the disk is full");
	assert_int_equal(session_status(session).pending, 1);
}

/* A wait asks and reads in one call, so the answer is there before the question:
 * questions are numbered from 1. */
static void say_known(uint64_t number, uint32_t what, struct position at, const char *reason) {
	Leaderd__ToSession message = LEADERD__TO_SESSION__INIT;
	Leaderd__Response response = LEADERD__RESPONSE__INIT;
	Leaderd__Known known = LEADERD__KNOWN__INIT, *list[] = { &known };
	uint8_t id[16] = { 1 };

	known.id = (ProtobufCBinaryData){ sizeof(id), id };
	known.what = what;
	known.global = at.global;
	known.reason = (char *)reason;
	response.number = number;
	response.n_known = 1;
	response.known = list;
	message.body_case = LEADERD__TO_SESSION__BODY_RESPONSE;
	message.response = &response;
	scripted_send(&leader, &message);
}

static void the_leader_is_asked_about_events_that_are_not_pending(void **state) {
	struct lds_id id = { { 1, 2, 3 } };

	say_known(1, 0, POSITION_ROOT, "");
	assert_int_equal(lds_wait(session, &id, LDS_DURABLE, 5000), LDS_UNKNOWN);
	say_known(2, 1, (struct position){ 4, 0 }, "");
	assert_int_equal(lds_wait(session, &id, LDS_DURABLE, 5000), 0);
	say_known(3, 3, POSITION_ROOT, "it was late");
	assert_int_equal(lds_wait(session, &id, LDS_DURABLE, 5000), LDS_REFUSED);
	assert_string_equal(lds_last_error(session), "it was late");
}

static void confirmed_follows_the_backends_head(void **state) {
	struct lds_id id;

	leader.has_backend = true;
	scripted_append(&leader, commit_and_push(ADDED("a"), &id));
	scripted_say_feed(&leader, &(struct scripted_feed){ 0 });
	assert_int_equal(lds_wait(session, &id, LDS_DURABLE, 5000), 0);
	assert_int_equal(lds_wait(session, NULL, LDS_CONFIRMED, 0), LDS_TIMEOUT);

	leader.backend = (struct position){ 1, 0 };
	scripted_say_feed(&leader, &(struct scripted_feed){ .first = leader.n_log });
	assert_int_equal(lds_wait(session, NULL, LDS_CONFIRMED, 5000), 0);
	say_known(1, 2, (struct position){ 1, 0 }, "");
	assert_int_equal(lds_wait(session, &id, LDS_CONFIRMED, 5000), 0);
}

/* ---- events ---------------------------------------------------------------------------- */

static const Leaderd__EventsOpen *read_open(void) {
	return scripted_read(&leader, LEADERD__TO_LEADER__BODY_EVENTS_OPEN)->events_open;
}

/* A page of the log's events [from, to). */
static void say_page(uint64_t number, size_t from, size_t to, bool end) {
	Leaderd__ToSession message = LEADERD__TO_SESSION__INIT;
	Leaderd__EventsPage page = LEADERD__EVENTS_PAGE__INIT;
	static Leaderd__Event events[64], *list[64];
	static uint64_t origins[64][2 * ORIGINS_MAX];

	for (size_t i = from; i < to; i++) {
		wire_event_pack(&events[i], leader.log[i], origins[i]);
		list[i - from] = &events[i];
	}
	page.number = number;
	page.n_events = to - from;
	page.events = list;
	page.end = end;
	page.upstream_global = leader.backend.global;
	message.body_case = LEADERD__TO_SESSION__BODY_EVENTS_PAGE;
	message.events_page = &page;
	scripted_send(&leader, &message);
}

static void say_rebased_page(uint64_t number, struct position back) {
	Leaderd__ToSession message = LEADERD__TO_SESSION__INIT;
	Leaderd__EventsPage page = LEADERD__EVENTS_PAGE__INIT;

	page.number = number;
	page.rebased = true;
	page.back_global = back.global;
	message.body_case = LEADERD__TO_SESSION__BODY_EVENTS_PAGE;
	message.events_page = &page;
	scripted_send(&leader, &message);
}

static void expect_event(struct lds_events *events, const char *notation) {
	const struct lds_event *event = NULL;
	char text[128];

	assert_int_equal(lds_events_next(events, 5000, &event), LDS_EVENT);
	lds_event_notation(text, sizeof(text), event, NULL, 0);
	assert_string_equal(text, notation);
}

static void a_stream_gives_the_log_and_ends(void **state) {
	struct lds_events *events;
	const struct lds_event *event;

	leader.has_backend = true;
	leader.backend = (struct position){ 1, 0 };
	scripted_foreign(&leader, "noteAdded", ADDED("a"));
	scripted_foreign(&leader, "noteAdded", ADDED("b"));
	scripted_say_feed(&leader, &(struct scripted_feed){ 0 });
	session_settle(session);
	assert_int_equal(lds_events_open(session, NULL, &events), 0);
	say_page(read_open()->number, 0, 2, true);

	expect_event(events, "e1");
	assert_int_equal(lds_events_next(events, 0, &event), LDS_EVENT);
	assert_string_equal(event->name, "noteAdded");
	assert_string_equal(event->args, ADDED("b"));
	assert_false(event->confirmed);
	assert_int_equal(event->parent.global, 1);
	assert_string_equal(event->session_id, "theirs");
	assert_int_equal(event->time_ms, 1000);
	assert_int_equal(lds_events_next(events, 0, &event), 0);
	lds_events_close(events);
}

static void options_reach_the_leader(void **state) {
	struct lds_position until = { 9, 1 };
	struct lds_events_options options = { .size = sizeof(options),
		                                  .flags = LDS_EVENTS_REVERSE | LDS_EVENTS_CLIENT_ONLY,
		                                  .since = { 2, 0 },
		                                  .until = &until,
		                                  .name = "noteAdded",
		                                  .limit = 7 };
	const Leaderd__EventsOpen *open;
	struct lds_events *events;

	assert_int_equal(lds_events_open(session, &options, &events), 0);
	open = read_open();
	assert_true(open->reverse);
	assert_true(open->include_client_only);
	assert_false(open->follow);
	assert_string_equal(open->name, "noteAdded");
	assert_int_equal(open->limit, 7);
	/* On the wire in reading order: from just behind `until` down to just behind `since`. */
	assert_int_equal(open->since_global, 9);
	assert_int_equal(open->since_client, 2);
	assert_int_equal(open->until_global, 2);
	assert_int_equal(open->until_client, 1);
	lds_events_close(events);
	assert_int_equal(scripted_read(&leader, LEADERD__TO_LEADER__BODY_EVENTS_CLOSE)->events_close->number, 1);

	options.flags = LDS_EVENTS_PENDING | LDS_EVENTS_FOLLOW;
	assert_int_equal(lds_events_open(session, &options, &events), LDS_INVALID);
	options = (struct lds_events_options){ .size = sizeof(options), .name = "\xff" };
	assert_int_equal(lds_events_open(session, &options, &events), LDS_INVALID);
	options = (struct lds_events_options){ .size = sizeof(options), .since = { UINT64_MAX, 0 } };
	assert_int_equal(lds_events_open(session, &options, &events), LDS_INVALID);
}

static void credit_is_given_as_pages_are_read(void **state) {
	struct lds_events_options options = { .size = sizeof(options), .flags = LDS_EVENTS_FOLLOW };
	const struct lds_event *event;
	struct lds_events *events;
	uint32_t credit;
	uint64_t number;

	for (int i = 0; i < 4; i++)
		scripted_foreign(&leader, "fromAFutureProgram", "{}");
	assert_int_equal(lds_events_open(session, &options, &events), 0);
	credit = read_open()->credit;
	number = 1;
	assert_true(credit >= 1 && credit <= 16);
	for (size_t i = 0; i < 4; i++)
		say_page(number, i, i + 1, false);
	expect_event(events, "e1'");
	assert_null(scripted_try_read(&leader));
	expect_event(events, "e2'");
	expect_event(events, "e3'");
	expect_event(events, "e4'");
	assert_int_equal(lds_events_next(events, 0, &event), LDS_TIMEOUT);

	credit = 0;
	while (credit < 4)
		credit += scripted_read(&leader, LEADERD__TO_LEADER__BODY_EVENTS_CREDIT)->events_credit->credit;
	assert_int_equal(credit, 4);
	lds_events_close(events);
}

static void a_follower_hears_of_a_rebase(void **state) {
	struct lds_events_options options = { .size = sizeof(options), .flags = LDS_EVENTS_FOLLOW };
	const struct lds_event *event;
	struct lds_events *events;

	scripted_foreign(&leader, "fromAFutureProgram", "{}");
	scripted_foreign(&leader, "fromAFutureProgram", "{}");
	assert_int_equal(lds_events_open(session, &options, &events), 0);
	read_open();
	say_page(1, 0, 2, false);
	say_rebased_page(1, (struct position){ 1, 0 });
	say_page(1, 1, 2, false);

	expect_event(events, "e1'");
	expect_event(events, "e2'");
	assert_int_equal(lds_events_next(events, 5000, &event), LDS_REBASED);
	assert_int_equal(event->position.global, 1);
	expect_event(events, "e2'");
	lds_events_close(events);
}

static void a_stream_goes_on_after_a_lost_leader(void **state) {
	struct lds_events_options options = { .size = sizeof(options), .flags = LDS_EVENTS_FOLLOW, .limit = 3 };
	const Leaderd__EventsOpen *open;
	const struct lds_event *event;
	struct lds_events *events;

	for (int i = 0; i < 3; i++)
		scripted_foreign(&leader, "fromAFutureProgram", "{}");
	scripted_say_feed(&leader, &(struct scripted_feed){ 0 });
	session_settle(session);
	assert_int_equal(lds_events_open(session, &options, &events), 0);
	read_open();
	say_page(1, 0, 2, false);
	expect_event(events, "e1'");

	scripted_hang_up(&leader);
	session_reconnect(session, &leader);
	scripted_read(&leader, LEADERD__TO_LEADER__BODY_HELLO);
	scripted_say_welcome(&leader, &(struct scripted_welcome){ .n_resumed = 3 });
	session_settle(session);
	open = read_open();
	assert_int_equal(open->since_global, 2);
	assert_int_equal(open->limit, 1);
	say_page(open->number, 2, 3, true);
	expect_event(events, "e2'");
	expect_event(events, "e3'");
	assert_int_equal(lds_events_next(events, 0, &event), 0);
	lds_events_close(events);
}

/* While it was away the leader's log may have taken another way. */
static void a_follower_steps_back_when_the_log_took_another_way(void **state) {
	struct lds_events_options options = { .size = sizeof(options), .flags = LDS_EVENTS_FOLLOW };
	const struct lds_event *event;
	struct lds_events *events;
	struct event *back[2];

	leader.has_backend = true;
	leader.backend = (struct position){ 1, 0 };
	scripted_foreign(&leader, "fromAFutureProgram", "{}");
	scripted_foreign(&leader, "fromAFutureProgram", "{}");
	scripted_say_feed(&leader, &(struct scripted_feed){ 0 });
	session_settle(session);
	assert_int_equal(lds_events_open(session, &options, &events), 0);
	read_open();
	say_page(1, 0, 2, false);
	expect_event(events, "e1");
	expect_event(events, "e2'");

	scripted_hang_up(&leader);
	event_destroy((scripted_take_back(&leader, 1, back, 2), back[0]));
	session_reconnect(session, &leader);
	scripted_read(&leader, LEADERD__TO_LEADER__BODY_HELLO);
	scripted_say_welcome(&leader, &(struct scripted_welcome){ .n_resumed = 1 });
	session_settle(session);

	assert_int_equal(read_open()->since_global, 1);
	assert_int_equal(lds_events_next(events, 0, &event), LDS_REBASED);
	assert_int_equal(event->position.global, 1);
	lds_events_close(events);
}

static void pending_events_are_appended_once(void **state) {
	struct lds_events_options options = { .size = sizeof(options), .flags = LDS_EVENTS_PENDING };
	const struct lds_event *event;
	struct lds_events *events;

	scripted_append(&leader, commit_and_push(ADDED("a"), NULL)); /* in the log, the feed has not come yet */
	event_destroy(commit_and_push(ADDED("b"), NULL));
	assert_int_equal(lds_events_open(session, &options, &events), 0);
	say_page(read_open()->number, 0, 1, true);

	expect_event(events, "e1'");
	assert_int_equal(lds_events_next(events, 0, &event), LDS_EVENT);
	assert_true(event->pending);
	assert_int_equal(event->position.global, 2);
	assert_int_equal(lds_events_next(events, 0, &event), 0);
	lds_events_close(events);
}

static void a_stream_that_failed_says_why(void **state) {
	Leaderd__ToSession message = LEADERD__TO_SESSION__INIT;
	Leaderd__EventsPage page = LEADERD__EVENTS_PAGE__INIT;
	const struct lds_event *event;
	struct lds_events *events;

	assert_int_equal(lds_events_open(session, NULL, &events), 0);
	page.number = read_open()->number;
	page.end = true;
	page.code = LDS_CORRUPT;
	page.error = (char *)"e7 is damaged";
	message.body_case = LEADERD__TO_SESSION__BODY_EVENTS_PAGE;
	message.events_page = &page;
	scripted_send(&leader, &message);

	assert_int_equal(lds_events_next(events, 5000, &event), LDS_CORRUPT);
	assert_string_equal(lds_last_error(session), "e7 is damaged");
	lds_events_close(events);
}

static void streams_have_a_bound(void **state) {
	struct lds_events *events[PEER_FOLLOWS_MAX], *more;

	for (size_t i = 0; i < PEER_FOLLOWS_MAX; i++)
		assert_int_equal(lds_events_open(session, NULL, &events[i]), 0);
	assert_int_equal(lds_events_open(session, NULL, &more), LDS_FULL);
	lds_events_close(events[0]);
	assert_int_equal(lds_events_open(session, NULL, &more), 0);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		STORY(a_durable_event_ends_the_wait),
		STORY(a_wait_for_all_is_for_all),
		STORY(a_refused_event_ends_the_wait_with_its_reason),
		STORY(a_refusal_ends_the_wait_for_all_too),
		STORY(without_a_backend_nothing_is_confirmed),
		STORY(a_full_disk_ends_the_wait_at_once),
		STORY(the_leader_is_asked_about_events_that_are_not_pending),
		STORY(confirmed_follows_the_backends_head),
		STORY(a_stream_gives_the_log_and_ends),
		STORY(options_reach_the_leader),
		STORY(credit_is_given_as_pages_are_read),
		STORY(a_follower_hears_of_a_rebase),
		STORY(a_stream_goes_on_after_a_lost_leader),
		STORY(a_follower_steps_back_when_the_log_took_another_way),
		STORY(pending_events_are_appended_once),
		STORY(a_stream_that_failed_says_why),
		STORY(streams_have_a_bound),
	};

	return cmocka_run_group_tests_name("session/wait", tests, NULL, NULL);
}
