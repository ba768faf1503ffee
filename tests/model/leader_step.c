/* The leader machine, told as stories. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "chains.h"
#include "model/leader_step.h"

static struct leader_machine leader;
static struct leader_effects effects;
static struct error error;

static int begin(void **state) {
	leader_machine_init(&leader, &(struct leader_start){ .has_backend = true });
	leader.tracing = true;
	return 0;
}

static int end(void **state) {
	leader_machine_finish(&leader);
	return 0;
}

static void stands_at(const char *upstream, const char *head) {
	struct leader_start start = { at(head), at(upstream), 5, true };

	leader_machine_finish(&leader);
	leader_machine_init(&leader, &start);
	leader.tracing = true;
}

static int give(struct leader_input input) {
	return leader_step(&leader, &input, &effects, &error);
}

static void gives(struct leader_input input) {
	if (give(input) != 0)
		fail_msg("%s", error.text);
}

static const struct leader_effect *expect_effects(const enum leader_effect_kind *kinds, unsigned n) {
	assert_int_equal(effects.n, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(effects.list[i].kind, kinds[i]);
	return n > 0 ? &effects.list[n - 1] : NULL;
}

/* The effects of the newest step, exactly; the last of them is returned. */
#define EXPECT(...)                                            \
	expect_effects((enum leader_effect_kind[]){ __VA_ARGS__ }, \
	               sizeof((enum leader_effect_kind[]){ __VA_ARGS__ }) / sizeof(enum leader_effect_kind))

static int push(const char *unit, enum leader_known known) {
	struct chain chain = chain_of(unit);

	return give((struct leader_input){ .kind = LEADER_PUSH, .unit = chain.entries, .n_unit = chain.n, .known = known });
}

static void takes(const char *unit) {
	assert_int_equal(push(unit, LEADER_NEW), 0);
	gives((struct leader_input){ .kind = LEADER_ADMITTED });
	EXPECT(LEADER_APPEND);
}

static void answer(enum leader_input_kind kind, enum leader_outcome outcome) {
	gives((struct leader_input){ .kind = kind, .outcome = outcome });
}

static const struct leader_effect *flushes_to_the_end(void) {
	answer(LEADER_FLUSH, LEADER_DONE);
	answer(LEADER_LOGGED, LEADER_DONE);
	answer(LEADER_SETTLED, LEADER_DONE);
	return EXPECT(LEADER_TELL);
}

static struct incoming incoming[CHAIN_MAX];

static int more_pages(struct leader_input page, const char *events, const char *pending) {
	struct chain theirs = chain_of(events), own = chain_of(pending);

	for (size_t i = 0; i < theirs.n; i++) {
		incoming[i] = (struct incoming){ .entry = theirs.entries[i] };
		for (size_t k = 0; k < own.n; k++) {
			if (letter_of(&own.entries[k]) != letter_of(&theirs.entries[i]))
				continue;
			incoming[i].is_pending = true;
			incoming[i].pending_at = own.entries[k].at;
		}
	}
	page.kind = LEADER_PAGE;
	page.events = incoming;
	page.n_events = theirs.n;
	return give(page);
}

static int page(const char *events, const char *pending) {
	return more_pages((struct leader_input){ 0 }, events, pending);
}

static void displaced(const char *units) {
	struct chain chain = chain_of(units);

	gives((struct leader_input){ .kind = LEADER_DISPLACED, .unit = chain.entries, .n_unit = chain.n });
}

static void pushed_on_an_old_head_is_placed_behind_the_leaders(void **state) {
	stands_at("e0", "e5.1");
	assert_int_equal(push("a@e3", LEADER_NEW), 0);
	assert_string_equal(chain_text(EXPECT(LEADER_BEGIN, LEADER_ADMIT)->unit, 1), "a@e6");
	assert_string_equal(effects.trace, "a unit of 1 is taken at e6");
}

static void a_group_is_one_commit_of_the_log_then_of_the_state_then_told(void **state) {
	takes("a@e1");
	assert_int_equal(push("(b c)@e1", LEADER_NEW), 0);
	assert_string_equal(chain_text(EXPECT(LEADER_ADMIT)->unit, 2), "b@e2 c@e3");
	answer(LEADER_ADMITTED, LEADER_DONE);
	answer(LEADER_FLUSH, LEADER_DONE);
	EXPECT(LEADER_COMMIT_LOG);
	assert_true(position_is_root(leader.head));
	answer(LEADER_LOGGED, LEADER_DONE);
	EXPECT(LEADER_COMMIT_STATE);
	answer(LEADER_SETTLED, LEADER_DONE);
	assert_false(EXPECT(LEADER_TELL)->rebased);
	assert_true(position_equal(leader.head, at("e3")));
}

static void a_refused_unit_takes_no_number(void **state) {
	assert_int_equal(push("(a b)@e1", LEADER_NEW), 0);
	answer(LEADER_ADMITTED, LEADER_REFUSED);
	assert_int_equal(EXPECT(LEADER_RECORD_REFUSED)->n_unit, 2);
	assert_int_equal(push("c@e3", LEADER_NEW), 0);
	assert_string_equal(chain_text(EXPECT(LEADER_ADMIT)->unit, 1), "c@e1");
}

static void client_only_events_stand_behind_the_synced_head(void **state) {
	takes("a@e1");
	assert_int_equal(push("b@e1.1", LEADER_NEW), 0);
	assert_string_equal(chain_text(effects.list[0].unit, 1), "b@e1.1");
	answer(LEADER_ADMITTED, LEADER_DONE);
	takes("c@e1");
	assert_int_equal(push("d@e7.1", LEADER_NEW), 0);
	assert_string_equal(chain_text(effects.list[0].unit, 1), "d@e2.1");
}

static void a_resent_unit_is_not_doubled(void **state) {
	takes("a@e1");
	assert_int_equal(push("a@e1", LEADER_KNOWN), 0);
	EXPECT(LEADER_REPORT_KNOWN);
	flushes_to_the_end();
	assert_true(position_equal(leader.head, at("e1")));
}

static void a_known_id_with_other_content_is_reported(void **state) {
	assert_int_equal(push("a@e1", LEADER_CONFLICT), 0);
	EXPECT(LEADER_BEGIN, LEADER_REPORT_CONFLICT);
	flushes_to_the_end();
}

static void malformed_pushes_are_error_values(void **state) {
	struct chain chain = chain_of("(a b)@e1");

	assert_int_equal(push("", LEADER_NEW), ERROR_INVALID);
	assert_string_equal(error.text, "an empty unit was pushed");
	assert_int_equal(push("a@e1 b@e2", LEADER_NEW), ERROR_INVALID);
	assert_string_equal(error.text, "a push held more than one unit");
	chain.entries[1].client_only = true;
	assert_int_equal(give((struct leader_input){ .kind = LEADER_PUSH, .unit = chain.entries, .n_unit = 2 }),
	                 ERROR_INVALID);
	assert_string_equal(error.text, "a unit mixed synced and client-only events");
	assert_int_equal(leader.state, LEADER_IDLE);
	assert_int_equal(effects.n, 0);
}

static void a_failing_disk_abandons_the_group_which_may_be_given_again(void **state) {
	takes("a@e1");
	answer(LEADER_FLUSH, LEADER_DONE);
	answer(LEADER_LOGGED, LEADER_FAILED);
	EXPECT(LEADER_ABANDON);
	assert_int_equal(leader.state, LEADER_IDLE);
	assert_true(position_is_root(leader.head));
	assert_int_equal(push("a@e1", LEADER_NEW), 0);
	answer(LEADER_ADMITTED, LEADER_FAILED);
	EXPECT(LEADER_ABANDON);
	takes("a@e1");
	flushes_to_the_end();
	assert_true(position_equal(leader.head, at("e1")));
}

static void after_a_failed_sync_nothing_is_taken_any_more(void **state) {
	takes("a@e1");
	answer(LEADER_FLUSH, LEADER_DONE);
	answer(LEADER_LOGGED, LEADER_UNKNOWN);
	EXPECT(LEADER_STOP);
	assert_string_equal(leader_state_name(leader.state), "stopped");
	assert_int_equal(push("b@e2", LEADER_NEW), LEADER_LATER);
	assert_int_equal(effects.n, 0);
}

static void a_state_that_fails_behind_the_log_is_rolled_forward_first(void **state) {
	takes("a@e1");
	answer(LEADER_FLUSH, LEADER_DONE);
	answer(LEADER_LOGGED, LEADER_DONE);
	answer(LEADER_SETTLED, LEADER_FAILED);
	EXPECT(LEADER_ROLL_FORWARD);
	assert_int_equal(push("b@e2", LEADER_NEW), LEADER_LATER);
	answer(LEADER_CAUGHT_UP, LEADER_FAILED);
	EXPECT(LEADER_ROLL_FORWARD);
	answer(LEADER_CAUGHT_UP, LEADER_DONE);
	EXPECT(LEADER_TELL);
	assert_true(position_equal(leader.head, at("e1")));
}

static void the_journal_is_trimmed_up_to_what_is_final(void **state) {
	takes("a@e1");
	answer(LEADER_FLUSH, LEADER_DONE);
	answer(LEADER_LOGGED, LEADER_DONE);
	assert_true(position_is_root(EXPECT(LEADER_COMMIT_STATE)->trim_to));
	answer(LEADER_SETTLED, LEADER_DONE);
	gives((struct leader_input){ .kind = LEADER_BACKEND, .has_backend = false });
	takes("b@e2");
	answer(LEADER_FLUSH, LEADER_DONE);
	answer(LEADER_LOGGED, LEADER_DONE);
	assert_true(position_equal(EXPECT(LEADER_COMMIT_STATE)->trim_to, at("e2")));
}

static void own_events_that_come_back_are_confirmed_where_they_stand(void **state) {
	stands_at("e2", "e4.1");
	assert_int_equal(page("a@e3 b@e4", "a@e3 b@e4"), 0);
	assert_int_equal(EXPECT(LEADER_BEGIN, LEADER_CONFIRM, LEADER_APPLY)->n, 0);
	answer(LEADER_APPLIED, LEADER_DONE);
	assert_true(position_equal(effects.list[0].head, at("e4")));
	EXPECT(LEADER_SET_UPSTREAM, LEADER_COMMIT_LOG);
	answer(LEADER_LOGGED, LEADER_DONE);
	assert_true(position_equal(EXPECT(LEADER_COMMIT_STATE)->trim_to, at("e4")));
	answer(LEADER_SETTLED, LEADER_DONE);
	assert_false(EXPECT(LEADER_TELL)->rebased);
	assert_int_equal(leader.generation, 5);
	assert_true(position_equal(leader.head, at("e4.1")));
}

static void a_page_that_differs_rebases_what_is_pending(void **state) {
	stands_at("e2", "e4");
	assert_int_equal(page("x@e3", "a@e3 b@e4"), 0);
	assert_true(position_equal(EXPECT(LEADER_BEGIN, LEADER_UNDO)->from, at("e3")));
	gives((struct leader_input){ .kind = LEADER_UNDONE, .head = at("e2.2") });
	assert_int_equal(EXPECT(LEADER_APPLY)->n, 1);
	answer(LEADER_APPLIED, LEADER_DONE);
	EXPECT(LEADER_TAKE_DISPLACED);
	displaced("a@e3");
	assert_string_equal(chain_text(EXPECT(LEADER_ADMIT)->unit, 1), "a@e4");
	assert_true(effects.list[0].replay);
	answer(LEADER_ADMITTED, LEADER_DONE);
	EXPECT(LEADER_APPEND, LEADER_TAKE_DISPLACED);
	displaced("c@e3.1 b@e4");
	assert_string_equal(chain_text(EXPECT(LEADER_ADMIT)->unit, 1), "c@e4.1");
	answer(LEADER_ADMITTED, LEADER_DONE);
	assert_string_equal(chain_text(EXPECT(LEADER_APPEND, LEADER_ADMIT)->unit, 1), "b@e5");
	answer(LEADER_ADMITTED, LEADER_REFUSED);
	EXPECT(LEADER_RECORD_REFUSED, LEADER_TAKE_DISPLACED);
	displaced("");
	EXPECT(LEADER_SET_UPSTREAM, LEADER_COMMIT_LOG);
	answer(LEADER_LOGGED, LEADER_DONE);
	answer(LEADER_SETTLED, LEADER_DONE);
	assert_true(EXPECT(LEADER_TELL)->rebased);
	assert_true(position_equal(effects.list[0].from, at("e2.2")));
	assert_int_equal(leader.generation, 6);
	assert_true(position_equal(leader.head, at("e4.1")));
	assert_true(position_equal(leader.upstream_head, at("e3")));
}

static void pages_that_differ_are_staged_and_make_one_rebase(void **state) {
	stands_at("e2", "e5");
	assert_int_equal(more_pages((struct leader_input){ .more = true }, "a@e3 x@e4", "a@e3 b@e4 c@e5"), 0);
	EXPECT(LEADER_STAGE);
	answer(LEADER_STAGED, LEADER_DONE);
	assert_int_equal(effects.n, 0);
	assert_true(position_equal(leader.head, at("e5")));
	/* sessions go on committing */
	takes("d@e6");
	flushes_to_the_end();
	assert_int_equal(more_pages((struct leader_input){ .more = true }, "b@e5 y@e6", "a@e3 b@e4 c@e5 d@e6"), 0);
	answer(LEADER_STAGED, LEADER_DONE);
	assert_int_equal(page("z@e7", ""), 0);
	answer(LEADER_STAGED, LEADER_DONE);
	assert_true(position_equal(EXPECT(LEADER_BEGIN, LEADER_UNDO)->from, at("e4")));
	gives((struct leader_input){ .kind = LEADER_UNDONE, .head = at("e3") });
	EXPECT(LEADER_APPLY_STAGED);
	answer(LEADER_APPLIED, LEADER_DONE);
	EXPECT(LEADER_TAKE_DISPLACED);
	displaced("c@e5 d@e6");
	assert_string_equal(chain_text(EXPECT(LEADER_ADMIT)->unit, 2), "c@e8 d@e6");
	answer(LEADER_ADMITTED, LEADER_DONE);
	answer(LEADER_ADMITTED, LEADER_DONE);
	displaced("");
	assert_true(position_equal(effects.list[0].head, at("e7")));
	answer(LEADER_LOGGED, LEADER_DONE);
	answer(LEADER_SETTLED, LEADER_DONE);
	assert_true(position_equal(leader.head, at("e9")));
	assert_false(leader.staged.active);
	assert_int_equal(leader.generation, 6);
}

static void own_events_stay_in_order_across_staged_pages(void **state) {
	stands_at("e2", "e5");
	assert_int_equal(more_pages((struct leader_input){ .more = true }, "x@e3 a@e4", "a@e3 b@e4 c@e5"), 0);
	answer(LEADER_STAGED, LEADER_DONE);
	assert_int_equal(page("c@e5", "a@e3 b@e4 c@e5"), ERROR_PROTOCOL);
	assert_string_equal(error.text,
	                    "the own event at e5 arrived while the older e4 had neither arrived nor been refused");
	assert_int_equal(page("y@e6", ""), ERROR_PROTOCOL);
	assert_string_equal(error.text, "upstream sent e6 where e5 was expected");
	assert_true(leader.staged.active);
}

static void an_empty_page_between_staged_ones_confirms_nothing(void **state) {
	stands_at("e2", "e3");
	assert_int_equal(more_pages((struct leader_input){ .more = true }, "x@e3", "a@e3"), 0);
	answer(LEADER_STAGED, LEADER_DONE);
	assert_int_equal(more_pages((struct leader_input){ .more = true }, "", ""), 0);
	assert_int_equal(effects.n, 0);
	takes("b@e4");
	answer(LEADER_FLUSH, LEADER_DONE);
	EXPECT(LEADER_COMMIT_LOG); /* and no upstream head */
	answer(LEADER_LOGGED, LEADER_DONE);
	assert_true(position_equal(leader.upstream_head, at("e2")));
}

static void staged_pages_that_could_not_be_written_are_dropped(void **state) {
	stands_at("e2", "e3");
	assert_int_equal(more_pages((struct leader_input){ .more = true }, "x@e3", "a@e3"), 0);
	answer(LEADER_STAGED, LEADER_FAILED);
	EXPECT(LEADER_ABANDON, LEADER_DROP_STAGED);
	assert_false(leader.staged.active);
}

static void another_history_is_adopted_from_the_common_ancestor_on(void **state) {
	stands_at("e4", "e5");
	assert_int_equal(
		more_pages((struct leader_input){ .more = true, .adopt = true, .adopt_from = at("e3") }, "x@e3", ""), 0);
	answer(LEADER_STAGED, LEADER_DONE);
	assert_int_equal(more_pages((struct leader_input){ .adopt = true, .adopt_from = at("e3") }, "", ""), 0);
	assert_true(position_equal(EXPECT(LEADER_BEGIN, LEADER_UNDO)->from, at("e3")));
	gives((struct leader_input){ .kind = LEADER_UNDONE, .head = at("e2") });
	answer(LEADER_APPLIED, LEADER_DONE);
	displaced("a@e3 b@e4 c@e5");
	answer(LEADER_ADMITTED, LEADER_DONE);
	answer(LEADER_ADMITTED, LEADER_DONE);
	answer(LEADER_ADMITTED, LEADER_DONE);
	displaced("");
	answer(LEADER_LOGGED, LEADER_DONE);
	answer(LEADER_SETTLED, LEADER_DONE);
	assert_true(position_equal(leader.upstream_head, at("e3")));
	assert_true(position_equal(leader.head, at("e6")));
}

static void a_rebase_that_fails_half_way_is_as_if_it_never_began(void **state) {
	static const enum leader_input_kind answers[] = { LEADER_UNDONE, LEADER_APPLIED, LEADER_DISPLACED,
		                                              LEADER_ADMITTED };

	for (unsigned failing = 0; failing < 4; failing++) {
		stands_at("e2", "e4");
		assert_int_equal(page("x@e3", "a@e3 b@e4"), 0);
		for (unsigned i = 0; i < failing; i++) {
			if (answers[i] == LEADER_DISPLACED)
				displaced("a@e3");
			else
				gives((struct leader_input){ .kind = answers[i], .head = at("e2") });
		}
		answer(answers[failing], LEADER_FAILED);
		EXPECT(LEADER_ABANDON);
		assert_int_equal(leader.state, LEADER_IDLE);
		assert_true(position_equal(leader.head, at("e4")));
		assert_true(position_equal(leader.upstream_head, at("e2")));
	}
}

static void the_backends_refusal_takes_events_out_of_the_log(void **state) {
	struct event_id refused = id_of('a');

	stands_at("e2", "e4");
	gives((struct leader_input){
		.kind = LEADER_REFUSAL, .refused = &refused, .n_refused = 1, .refused_first = at("e3") });
	assert_true(position_equal(EXPECT(LEADER_BEGIN, LEADER_UNDO)->from, at("e3")));
	gives((struct leader_input){ .kind = LEADER_UNDONE, .head = at("e2") });
	EXPECT(LEADER_TAKE_DISPLACED);
	displaced("a@e3 b@e4");
	assert_true(EXPECT(LEADER_ADMIT)->refused_by_backend);
	answer(LEADER_ADMITTED, LEADER_REFUSED);
	assert_string_equal(chain_text(EXPECT(LEADER_RECORD_REFUSED, LEADER_ADMIT)->unit, 1), "b@e3");
	assert_false(effects.list[1].refused_by_backend);
}

static void a_refusal_of_what_is_not_pending_is_wrong(void **state) {
	struct event_id refused = id_of('a');

	stands_at("e2", "e4");
	assert_int_equal(give((struct leader_input){
						 .kind = LEADER_REFUSAL, .refused = &refused, .n_refused = 1, .refused_first = at("e2") }),
	                 ERROR_PROTOCOL);
	assert_string_equal(error.text, "the backend refused e2, which is not pending");
}

static void a_refusal_without_events_or_beyond_the_head_is_wrong(void **state) {
	struct event_id refused = id_of('a');

	stands_at("e2", "e4");
	assert_int_equal(give((struct leader_input){ .kind = LEADER_REFUSAL, .refused_first = at("e3") }), ERROR_PROTOCOL);
	assert_int_equal(give((struct leader_input){
						 .kind = LEADER_REFUSAL, .refused = &refused, .n_refused = 1, .refused_first = at("e5") }),
	                 ERROR_PROTOCOL);
	assert_string_equal(error.text, "the backend refused e5, which is not pending");
}

static void a_refusal_moves_what_staged_pages_stand_on(void **state) {
	struct event_id refused = id_of('b');

	stands_at("e2", "e4");
	assert_int_equal(more_pages((struct leader_input){ .more = true }, "x@e3", "a@e3 b@e4"), 0);
	answer(LEADER_STAGED, LEADER_DONE);
	gives((struct leader_input){
		.kind = LEADER_REFUSAL, .refused = &refused, .n_refused = 1, .refused_first = at("e4") });
	EXPECT(LEADER_DROP_STAGED, LEADER_BEGIN, LEADER_UNDO);
	assert_false(leader.staged.active);
}

static void an_empty_page_with_more_behind_it_leaves_what_is_staged(void **state) {
	stands_at("e2", "e4");
	assert_int_equal(more_pages((struct leader_input){ .more = true }, "x@e3", "a@e3 b@e4"), 0);
	answer(LEADER_STAGED, LEADER_DONE);
	assert_int_equal(more_pages((struct leader_input){ .more = true }, "", ""), 0);
	assert_int_equal(effects.n, 0);
	assert_true(leader.staged.active);
	assert_int_equal(page("", ""), 0);
	EXPECT(LEADER_BEGIN, LEADER_UNDO);
}

static void another_history_may_end_at_the_common_ancestor(void **state) {
	stands_at("e4", "e5");
	assert_int_equal(more_pages((struct leader_input){ .adopt = true, .adopt_from = at("e3") }, "", ""), 0);
	EXPECT(LEADER_STAGE);
	answer(LEADER_STAGED, LEADER_DONE);
	assert_true(position_equal(EXPECT(LEADER_BEGIN, LEADER_UNDO)->from, at("e3")));
	gives((struct leader_input){ .kind = LEADER_UNDONE, .head = at("e2") });
	EXPECT(LEADER_APPLY_STAGED);
	answer(LEADER_APPLIED, LEADER_DONE);
	EXPECT(LEADER_TAKE_DISPLACED);
	displaced("c@e3 d@e4 e@e5");
	answer(LEADER_ADMITTED, LEADER_DONE);
	answer(LEADER_ADMITTED, LEADER_DONE);
	answer(LEADER_ADMITTED, LEADER_DONE);
	displaced("");
	answer(LEADER_LOGGED, LEADER_DONE);
	answer(LEADER_SETTLED, LEADER_DONE);
	assert_true(position_equal(leader.head, at("e5")));
	assert_true(position_equal(leader.upstream_head, at("e2")));
}

static void displaced_units_that_are_not_whole_are_an_error_value(void **state) {
	struct chain chain = chain_of("(a b)@e3");

	stands_at("e2", "e4");
	assert_int_equal(page("x@e3", "a@e3 b@e4"), 0);
	gives((struct leader_input){ .kind = LEADER_UNDONE, .head = at("e2") });
	answer(LEADER_APPLIED, LEADER_DONE);
	EXPECT(LEADER_TAKE_DISPLACED);
	assert_int_equal(give((struct leader_input){ .kind = LEADER_DISPLACED, .unit = chain.entries, .n_unit = 1 }),
	                 ERROR_INVALID);
	gives((struct leader_input){ .kind = LEADER_DISPLACED, .outcome = LEADER_FAILED });
	EXPECT(LEADER_ABANDON);
}

static void a_machine_that_tells_nothing_decides_the_same(void **state) {
	leader.tracing = false;
	gives((struct leader_input){ .kind = LEADER_BACKEND });
	gives((struct leader_input){ .kind = LEADER_BACKEND, .has_backend = true });
	assert_int_equal(push("a@e1", LEADER_KNOWN), 0);
	EXPECT(LEADER_BEGIN, LEADER_REPORT_KNOWN);
	assert_int_equal(push("b@e1", LEADER_CONFLICT), 0);
	EXPECT(LEADER_REPORT_CONFLICT);
	assert_string_equal(effects.trace, "");
	leader.tracing = true;
	flushes_to_the_end();
	gives((struct leader_input){ .kind = LEADER_BACKEND });
	assert_string_equal(effects.trace, "a backend was detached");
	gives((struct leader_input){ .kind = LEADER_BACKEND, .has_backend = true });
	assert_string_equal(effects.trace, "a backend was attached");
}

static void a_page_waits_for_the_open_group(void **state) {
	takes("a@e1");
	assert_int_equal(page("x@e1", "a@e1"), LEADER_LATER);
	flushes_to_the_end();
	assert_int_equal(page("x@e1", "a@e1"), 0);
}

static void a_page_that_contradicts_the_log_changes_nothing(void **state) {
	stands_at("e2", "e4");
	assert_int_equal(page("x@e4", ""), ERROR_PROTOCOL);
	assert_string_equal(error.text, "upstream sent e4 where e3 was expected");
	assert_int_equal(leader.state, LEADER_IDLE);
	gives((struct leader_input){ .kind = LEADER_BACKEND, .has_backend = false });
	assert_int_equal(page("x@e3", ""), ERROR_INVALID);
	assert_string_equal(error.text, "a page came for a store without a backend");
}

static void an_empty_flush_does_nothing(void **state) {
	answer(LEADER_FLUSH, LEADER_DONE);
	assert_int_equal(effects.n, 0);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
	const struct CMUnitTest tests[] = {
		STORY(pushed_on_an_old_head_is_placed_behind_the_leaders),
		STORY(a_group_is_one_commit_of_the_log_then_of_the_state_then_told),
		STORY(a_refused_unit_takes_no_number),
		STORY(client_only_events_stand_behind_the_synced_head),
		STORY(a_resent_unit_is_not_doubled),
		STORY(a_known_id_with_other_content_is_reported),
		STORY(malformed_pushes_are_error_values),
		STORY(a_failing_disk_abandons_the_group_which_may_be_given_again),
		STORY(after_a_failed_sync_nothing_is_taken_any_more),
		STORY(a_state_that_fails_behind_the_log_is_rolled_forward_first),
		STORY(the_journal_is_trimmed_up_to_what_is_final),
		STORY(own_events_that_come_back_are_confirmed_where_they_stand),
		STORY(a_page_that_differs_rebases_what_is_pending),
		STORY(pages_that_differ_are_staged_and_make_one_rebase),
		STORY(own_events_stay_in_order_across_staged_pages),
		STORY(an_empty_page_between_staged_ones_confirms_nothing),
		STORY(staged_pages_that_could_not_be_written_are_dropped),
		STORY(another_history_is_adopted_from_the_common_ancestor_on),
		STORY(a_rebase_that_fails_half_way_is_as_if_it_never_began),
		STORY(the_backends_refusal_takes_events_out_of_the_log),
		STORY(a_refusal_of_what_is_not_pending_is_wrong),
		STORY(a_refusal_without_events_or_beyond_the_head_is_wrong),
		STORY(a_refusal_moves_what_staged_pages_stand_on),
		STORY(an_empty_page_with_more_behind_it_leaves_what_is_staged),
		STORY(another_history_may_end_at_the_common_ancestor),
		STORY(displaced_units_that_are_not_whole_are_an_error_value),
		STORY(a_machine_that_tells_nothing_decides_the_same),
		STORY(a_page_waits_for_the_open_group),
		STORY(a_page_that_contradicts_the_log_changes_nothing),
		STORY(an_empty_flush_does_nothing),
	};

	return cmocka_run_group_tests_name("leader machine", tests, NULL, NULL);
}
