/* The session machine, told as stories: what comes in, what it decides. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "chains.h"
#include "model/session_step.h"

static struct session_machine session;
static struct session_effects effects;
static struct error error;

static int begin(void **state) {
	session_machine_init(&session);
	session.tracing = true;
	return 0;
}

static int end(void **state) {
	session_machine_finish(&session);
	return 0;
}

static int give(struct session_input input) {
	return session_step(&session, &input, &effects, &error);
}

static const struct session_effect *expect_effect(unsigned i, enum session_effect_kind kind) {
	assert_in_range(i, 0, effects.n - 1);
	assert_int_equal(effects.list[i].kind, kind);
	return &effects.list[i];
}

static void expect_pending(const char *expected) {
	size_t n;
	const struct pending *pending = session_pending(&session, &n);

	assert_string_equal(pending_text(pending, n), expected);
}

/* Letters; where they stand is the machine's business, client-only as the text says. */
static int offer(const char *unit) {
	struct chain chain = chain_of(unit);

	return give((struct session_input){ .kind = SESSION_COMMIT, .unit = chain.entries, .n_unit = chain.n });
}

static void commits(const char *unit) {
	assert_int_equal(offer(unit), 0);
	expect_effect(0, SESSION_APPLY);
	assert_int_equal(give((struct session_input){ .kind = SESSION_APPLIED }), 0);
	expect_effect(0, SESSION_ACCEPT);
}

static struct session_heads heads(const char *backend) {
	return (struct session_heads){ .backend = at(backend), .final = at(backend), .has_backend = true, .generation = 1 };
}

static int welcome(const char *resume, bool image, const enum session_verdict *verdicts, size_t n) {
	struct session_input input = { .kind = SESSION_WELCOME };

	input.welcome = (struct session_welcome){
		.image = image, .at = at(resume), .heads = heads("e0"), .verdicts = verdicts, .n_verdicts = n
	};
	return give(input);
}

static const struct session_change *expect_change(unsigned i) {
	return &expect_effect(i, SESSION_CHANGE)->change;
}

static void changed(enum session_outcome outcome, const bool *suspended) {
	assert_int_equal(
		give((struct session_input){ .kind = SESSION_CHANGED, .outcome = outcome, .suspended = suspended }), 0);
}

static void goes_live_at(const char *image) {
	assert_int_equal(give((struct session_input){ .kind = SESSION_CONNECTED }), 0);
	expect_effect(0, SESSION_HELLO);
	assert_int_equal(welcome(image, true, NULL, 0), 0);
	assert_int_equal(expect_change(0)->base, SESSION_BASE_IMAGE);
	changed(SESSION_DONE, NULL);
	expect_effect(0, SESSION_MOVED);
	assert_int_equal(session.link, SESSION_LIVE);
}

static struct incoming incoming[CHAIN_MAX];
static struct event_id refused[CHAIN_MAX];

static int feed(const char *back_to, const char *events, const char *refused_letters) {
	struct chain chain = chain_of(events);
	struct session_input input = { .kind = SESSION_FEED };
	size_t n;
	const struct pending *pending = session_pending(&session, &n);

	for (size_t i = 0; i < chain.n; i++) {
		incoming[i] = (struct incoming){ .entry = chain.entries[i] };
		for (size_t k = 0; k < n; k++)
			incoming[i].is_pending |= letter_of(&pending[k].entry) == letter_of(&chain.entries[i]);
	}
	for (size_t i = 0; refused_letters[i] != '\0'; i++)
		refused[i] = id_of(refused_letters[i]);
	input.feed.heads = heads("e0");
	input.feed.payload = (struct payload){ .kind = back_to != NULL ? PAYLOAD_REBASE : PAYLOAD_ADVANCE,
		                                   .back_to = back_to != NULL ? at(back_to) : POSITION_ROOT,
		                                   .events = incoming,
		                                   .n_events = chain.n,
		                                   .refused = refused,
		                                   .n_refused = strlen(refused_letters) };
	return give(input);
}

static void a_commit_is_applied_then_pending_then_sent(void **state) {
	goes_live_at("e1");
	assert_int_equal(offer("a@e9"), 0);
	assert_string_equal(chain_text(expect_effect(0, SESSION_APPLY)->unit, 1), "a@e2");
	expect_pending("");
	assert_int_equal(give((struct session_input){ .kind = SESSION_APPLIED }), 0);
	expect_effect(0, SESSION_ACCEPT);
	assert_int_equal(expect_effect(1, SESSION_SEND)->n, 1);
	expect_pending("a@e2");
	assert_string_equal(effects.trace, "the unit stands, the local head is e2");
}

static void a_refused_commit_leaves_no_trace(void **state) {
	goes_live_at("e1");
	assert_int_equal(offer("a@e2"), 0);
	assert_int_equal(give((struct session_input){ .kind = SESSION_APPLIED, .outcome = SESSION_REFUSED }), 0);
	assert_int_equal(expect_effect(0, SESSION_REJECT)->outcome, SESSION_REFUSED);
	assert_int_equal(effects.n, 1);
	expect_pending("");
	commits("b@e2");
	expect_pending("b@e2");
}

static void while_an_answer_is_outstanding_inputs_are_kept_back(void **state) {
	goes_live_at("e1");
	assert_int_equal(offer("a@e2"), 0);
	assert_int_equal(offer("b@e3"), SESSION_LATER);
	assert_int_equal(feed(NULL, "x@e2", ""), SESSION_LATER);
	assert_int_equal(give((struct session_input){ .kind = SESSION_APPLIED }), 0);
	assert_int_equal(feed(NULL, "x@e2", ""), 0);
	assert_int_equal(offer("b@e3"), SESSION_LATER);
	changed(SESSION_DONE, NULL);
	expect_pending("a@e3");
}

static void away_from_the_leader_commits_wait_for_the_welcome(void **state) {
	goes_live_at("e1");
	assert_int_equal(give((struct session_input){ .kind = SESSION_LOST }), 0);
	commits("a@e2");
	assert_int_equal(effects.n, 1);
	commits("b@e2.1");
	assert_int_equal(give((struct session_input){ .kind = SESSION_CONNECTED }), 0);
	assert_int_equal(welcome("e1", false, (enum session_verdict[]){ VERDICT_UNKNOWN, VERDICT_UNKNOWN }, 2), 0);
	assert_int_equal(expect_change(0)->base, SESSION_BASE_PRESENT);
	assert_int_equal(expect_change(0)->n_replay, 0);
	changed(SESSION_DONE, NULL);
	assert_int_equal(expect_effect(1, SESSION_SEND)->first, 0);
	assert_int_equal(effects.list[1].n, 2);
}

static void what_the_leader_knows_already_is_not_sent_again(void **state) {
	goes_live_at("e1");
	commits("a@e2");
	commits("b@e3");
	commits("c@e4");
	give((struct session_input){ .kind = SESSION_LOST });
	give((struct session_input){ .kind = SESSION_CONNECTED });
	assert_int_equal(
		welcome("e1", false, (enum session_verdict[]){ VERDICT_LOGGED, VERDICT_REFUSED, VERDICT_UNKNOWN }, 3), 0);
	assert_int_equal(expect_change(0)->base, SESSION_BASE_UNDO);
	assert_string_equal(pending_text(expect_change(0)->replay, expect_change(0)->n_replay), "a@e2 c@e3");
	assert_true(expect_change(0)->left_refused[0]);
	changed(SESSION_DONE, NULL);
	assert_int_equal(expect_effect(1, SESSION_SEND)->first, 1);
	assert_int_equal(effects.list[1].n, 1);
	assert_int_equal(feed(NULL, "a@e2 c@e3", ""), 0);
	changed(SESSION_DONE, NULL);
	expect_pending("");
}

static void with_an_image_logged_events_have_left(void **state) {
	goes_live_at("e1");
	commits("a@e2");
	commits("b@e3");
	give((struct session_input){ .kind = SESSION_LOST });
	give((struct session_input){ .kind = SESSION_CONNECTED });
	assert_int_equal(welcome("e7", true, (enum session_verdict[]){ VERDICT_LOGGED, VERDICT_UNKNOWN }, 2), 0);
	assert_int_equal(expect_change(0)->n_left, 1);
	assert_string_equal(pending_text(expect_change(0)->replay, 1), "b@e8");
	changed(SESSION_DONE, NULL);
	expect_pending("b@e8");
	assert_int_equal(expect_effect(1, SESSION_SEND)->n, 1);
}

static void a_commit_between_hello_and_welcome_is_sent_too(void **state) {
	goes_live_at("e1");
	give((struct session_input){ .kind = SESSION_LOST });
	give((struct session_input){ .kind = SESSION_CONNECTED });
	commits("a@e2");
	assert_int_equal(welcome("e1", false, NULL, 0), 0);
	changed(SESSION_DONE, NULL);
	assert_int_equal(expect_effect(1, SESSION_SEND)->n, 1);
}

static void own_events_return_as_confirmations(void **state) {
	goes_live_at("e1");
	commits("a@e2");
	commits("b@e3");
	assert_int_equal(feed(NULL, "a@e2", ""), 0);
	assert_int_equal(expect_change(0)->base, SESSION_BASE_PRESENT);
	assert_int_equal(expect_change(0)->n_apply, 0);
	assert_string_equal(pending_text(expect_change(0)->left, 1), "a@e2");
	changed(SESSION_DONE, NULL);
	expect_pending("b@e3");
	assert_string_equal(effects.trace, "");
}

static void a_foreign_event_in_front_moves_the_pending_ones(void **state) {
	goes_live_at("e1");
	commits("a@e2");
	commits("b@e2.1");
	assert_int_equal(feed(NULL, "x@e2", ""), 0);
	assert_string_equal(effects.trace, "rebase: back to e1, 1 applied, 2 replayed");
	assert_int_equal(expect_change(0)->base, SESSION_BASE_UNDO);
	assert_int_equal(expect_change(0)->n_apply, 1);
	changed(SESSION_DONE, (bool[]){ false, false });
	expect_pending("a@e3 b@e3.1");
}

static void what_does_not_apply_in_a_replay_is_suspended(void **state) {
	goes_live_at("e1");
	commits("a@e2");
	commits("b@e3");
	assert_int_equal(feed(NULL, "x@e2", ""), 0);
	changed(SESSION_DONE, (bool[]){ true, false });
	expect_pending("a@e3? b@e4");
	/* the leader's word: it applied there after all */
	assert_int_equal(feed(NULL, "a@e3", ""), 0);
	assert_int_equal(expect_change(0)->base, SESSION_BASE_UNDO);
	assert_int_equal(expect_change(0)->n_apply, 1);
	changed(SESSION_DONE, (bool[]){ false });
	expect_pending("b@e4");
}

static void a_refused_event_is_taken_out_and_the_rest_replayed(void **state) {
	goes_live_at("e1");
	commits("a@e2");
	commits("(b c)@e3");
	commits("d@e5");
	assert_int_equal(feed(NULL, "", "b"), 0);
	assert_int_equal(expect_change(0)->n_left, 2);
	assert_true(expect_change(0)->left_refused[0] && expect_change(0)->left_refused[1]);
	changed(SESSION_DONE, (bool[]){ false });
	expect_pending("a@e2 d@e3");
}

static void upstreams_rebase_takes_back_what_was_confirmed(void **state) {
	goes_live_at("e1");
	assert_int_equal(feed(NULL, "x@e2 y@e3", ""), 0);
	changed(SESSION_DONE, NULL);
	commits("a@e4");
	assert_int_equal(feed("e2", "z@e3 y@e4", ""), 0);
	assert_true(position_equal(expect_change(0)->undo_to, at("e2")));
	changed(SESSION_DONE, (bool[]){ false });
	expect_pending("a@e5");
}

static void a_change_that_failed_leaves_everything_and_is_tried_again(void **state) {
	goes_live_at("e1");
	commits("a@e2");
	assert_int_equal(feed(NULL, "x@e2", ""), 0);
	changed(SESSION_FAILED, NULL);
	expect_pending("a@e2");
	assert_true(position_equal(session.heads.leader, at("e1")));
	assert_int_equal(feed(NULL, "x@e2", ""), 0);
	changed(SESSION_DONE, (bool[]){ false });
	expect_pending("a@e3");
}

static void beyond_the_journal_it_asks_for_an_image(void **state) {
	goes_live_at("e5");
	commits("a@e6");
	assert_int_equal(feed("e2", "z@e3", ""), 0);
	changed(SESSION_BEYOND_JOURNAL, NULL);
	assert_true(expect_effect(0, SESSION_HELLO)->want_image);
	expect_pending("a@e6");
	assert_int_equal(feed(NULL, "y@e6", ""), 0);
	assert_int_equal(effects.n, 0);
	assert_int_equal(welcome("e5", false, (enum session_verdict[]){ VERDICT_UNKNOWN }, 1), ERROR_PROTOCOL);
	assert_string_equal(error.text, "the welcome had no image, though one was asked for");
	assert_int_equal(welcome("e3", true, (enum session_verdict[]){ VERDICT_UNKNOWN }, 1), 0);
	changed(SESSION_DONE, (bool[]){ false });
	expect_pending("a@e4");
}

static void a_state_that_differs_is_replaced_by_an_image(void **state) {
	goes_live_at("e1");
	assert_int_equal(feed(NULL, "x@e2", ""), 0);
	changed(SESSION_DIFFERS, NULL);
	expect_effect(0, SESSION_MOVED);
	assert_true(expect_effect(1, SESSION_HELLO)->want_image);
}

static void distrust_outlives_a_lost_connection(void **state) {
	goes_live_at("e1");
	give((struct session_input){ .kind = SESSION_LOST });
	assert_int_equal(give((struct session_input){ .kind = SESSION_RESYNC }), 0);
	assert_int_equal(effects.n, 0);
	give((struct session_input){ .kind = SESSION_CONNECTED });
	assert_true(expect_effect(0, SESSION_HELLO)->want_image);
}

static void only_the_newest_hello_is_answered(void **state) {
	goes_live_at("e1");
	give((struct session_input){ .kind = SESSION_RESYNC });
	give((struct session_input){ .kind = SESSION_RESYNC });
	assert_int_equal(welcome("e1", true, NULL, 0), 0);
	assert_int_equal(effects.n, 0);
	assert_int_equal(welcome("e2", true, NULL, 0), 0);
	assert_true(position_equal(expect_change(0)->head, at("e2")));
}

static void a_leader_that_contradicts_itself_is_told_so(void **state) {
	struct session_input input = { .kind = SESSION_FEED };

	goes_live_at("e1");
	commits("a@e2");
	assert_int_equal(feed(NULL, "x@e3", ""), ERROR_PROTOCOL);
	assert_string_equal(error.text, "upstream sent e3 where e2 was expected");
	expect_pending("a@e2");
	input.feed.heads = heads("e3");
	input.feed.heads.final = at("e2");
	assert_int_equal(give(input), ERROR_PROTOCOL);
	assert_string_equal(error.text, "the leader's backend head e3 was ahead of its final head e2");
	give((struct session_input){ .kind = SESSION_RESYNC });
	assert_int_equal(welcome("e1", true, NULL, 0), ERROR_PROTOCOL);
	assert_string_equal(error.text, "the welcome had 0 verdicts for 1 pending events");
}

static void a_welcome_that_knows_too_much_is_wrong(void **state) {
	struct session_input input = { .kind = SESSION_WELCOME };

	goes_live_at("e3");
	give((struct session_input){ .kind = SESSION_LOST });
	give((struct session_input){ .kind = SESSION_CONNECTED });
	assert_int_equal(welcome("e4", false, NULL, 0), ERROR_PROTOCOL);
	assert_string_equal(error.text, "the welcome resumed at e4, which this session has not seen");
	input.welcome = (struct session_welcome){ .at = at("e3"), .heads = heads("e3") };
	input.welcome.heads.final = at("e2");
	assert_int_equal(give(input), ERROR_PROTOCOL);
	assert_string_equal(error.text, "the leader's backend head e3 was ahead of its final head e2");
	assert_int_equal(session.link, SESSION_GREETING);
}

static void a_leader_that_leaves_during_the_welcome_is_greeted_again(void **state) {
	commits("a@e1");
	give((struct session_input){ .kind = SESSION_CONNECTED });
	assert_int_equal(welcome("e5", true, (enum session_verdict[]){ VERDICT_UNKNOWN }, 1), 0);
	assert_int_equal(give((struct session_input){ .kind = SESSION_LOST }), 0);
	changed(SESSION_DONE, (bool[]){ false });
	assert_int_equal(effects.n, 1);
	expect_effect(0, SESSION_MOVED);
	assert_int_equal(session.link, SESSION_DETACHED);
	expect_pending("a@e6");
	give((struct session_input){ .kind = SESSION_CONNECTED });
	assert_false(expect_effect(0, SESSION_HELLO)->want_image);
}

static void a_machine_that_tells_nothing_decides_the_same(void **state) {
	session.tracing = false;
	goes_live_at("e1");
	give((struct session_input){ .kind = SESSION_RESYNC });
	give((struct session_input){ .kind = SESSION_RESYNC });
	assert_int_equal(welcome("e1", true, NULL, 0), 0);
	assert_int_equal(effects.n, 0);
	assert_string_equal(effects.trace, "");
	assert_int_equal(welcome("e2", true, NULL, 0), 0);
	expect_change(0);
}

static void a_welcome_without_a_hello_is_wrong(void **state) {
	assert_int_equal(welcome("e1", true, NULL, 0), ERROR_PROTOCOL);
	assert_string_equal(error.text, "a welcome came without a hello");
}

static void an_unknown_event_before_a_known_one_is_wrong(void **state) {
	commits("a@e1");
	commits("b@e2");
	give((struct session_input){ .kind = SESSION_CONNECTED });
	assert_int_equal(welcome("e0", false, (enum session_verdict[]){ VERDICT_UNKNOWN, VERDICT_LOGGED }, 2),
	                 ERROR_PROTOCOL);
	assert_string_equal(error.text, "the leader knows pending event 2 but not an older one");
}

static void a_welcome_that_knows_a_part_of_a_unit_is_wrong(void **state) {
	commits("(a b)@e1");
	give((struct session_input){ .kind = SESSION_CONNECTED });
	assert_int_equal(welcome("e0", false, (enum session_verdict[]){ VERDICT_LOGGED, VERDICT_UNKNOWN }, 2),
	                 ERROR_PROTOCOL);
	assert_string_equal(error.text, "the leader knows only the first events of the unit of pending event 2");
}

static void the_bound_on_pending_events_is_an_error_value(void **state) {
	struct chain chain = chain_of("a@e1");

	for (unsigned i = 0; i < SESSION_PENDING_EVENTS_MAX; i++) {
		memcpy(chain.entries[0].id.bytes + 1, &i, sizeof(i));
		chain.entries[0].unit = chain.entries[0].id;
		assert_int_equal(give((struct session_input){ .kind = SESSION_COMMIT, .unit = chain.entries, .n_unit = 1 }), 0);
		assert_int_equal(give((struct session_input){ .kind = SESSION_APPLIED }), 0);
	}
	assert_int_equal(give((struct session_input){ .kind = SESSION_COMMIT, .unit = chain.entries, .n_unit = 1 }),
	                 ERROR_FULL);
	assert_string_equal(error.text, "32768 events are pending, more than 32768 are not kept");
	assert_int_equal(session.work, SESSION_IDLE);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
	const struct CMUnitTest tests[] = {
		STORY(a_commit_is_applied_then_pending_then_sent),
		STORY(a_refused_commit_leaves_no_trace),
		STORY(while_an_answer_is_outstanding_inputs_are_kept_back),
		STORY(away_from_the_leader_commits_wait_for_the_welcome),
		STORY(what_the_leader_knows_already_is_not_sent_again),
		STORY(with_an_image_logged_events_have_left),
		STORY(a_commit_between_hello_and_welcome_is_sent_too),
		STORY(own_events_return_as_confirmations),
		STORY(a_foreign_event_in_front_moves_the_pending_ones),
		STORY(what_does_not_apply_in_a_replay_is_suspended),
		STORY(a_refused_event_is_taken_out_and_the_rest_replayed),
		STORY(upstreams_rebase_takes_back_what_was_confirmed),
		STORY(a_change_that_failed_leaves_everything_and_is_tried_again),
		STORY(beyond_the_journal_it_asks_for_an_image),
		STORY(a_state_that_differs_is_replaced_by_an_image),
		STORY(distrust_outlives_a_lost_connection),
		STORY(only_the_newest_hello_is_answered),
		STORY(a_leader_that_contradicts_itself_is_told_so),
		STORY(a_welcome_that_knows_too_much_is_wrong),
		STORY(a_leader_that_leaves_during_the_welcome_is_greeted_again),
		STORY(a_machine_that_tells_nothing_decides_the_same),
		STORY(a_welcome_without_a_hello_is_wrong),
		STORY(an_unknown_event_before_a_known_one_is_wrong),
		STORY(a_welcome_that_knows_a_part_of_a_unit_is_wrong),
		STORY(the_bound_on_pending_events_is_an_error_value),
	};

	return cmocka_run_group_tests_name("session machine", tests, NULL, NULL);
}
