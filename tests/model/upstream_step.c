/* The upstream machine, told as stories on a virtual clock. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "chance.h"
#include "model/upstream_step.h"

static struct upstream_machine upstream;
static struct upstream_effects effects;
static uint64_t now_ms;
static bool pending;

static int begin(void **state) {
	upstream_machine_init(&upstream);
	upstream.tracing = true;
	now_ms = 1000;
	pending = false;
	return 0;
}

static void give(struct upstream_input input) {
	input.now_ms = now_ms;
	input.pending = pending;
	upstream_step(&upstream, &input, &effects);
}

/* The effects of the newest step, as letters, timers left out. */
static void expect(const char *letters) {
	static const char names[] = {
		[UPSTREAM_DO_START] = 'S',   [UPSTREAM_DO_STOP] = 'X',   [UPSTREAM_DO_TAKE_LINEAGE] = 'L',
		[UPSTREAM_DO_PULL] = 'P',    [UPSTREAM_DO_PUSH] = 'U',   [UPSTREAM_DO_MERGE] = 'M',
		[UPSTREAM_DO_CONFIRM] = 'C', [UPSTREAM_DO_REFUSE] = 'R', [UPSTREAM_DO_HOLD] = 'H',
		[UPSTREAM_DO_RELEASE] = 'F'
	};
	char found[UPSTREAM_EFFECTS_MAX + 1] = "";
	size_t n = 0;

	for (unsigned i = 0; i < effects.n; i++)
		if (effects.list[i].kind != UPSTREAM_DO_TIMER)
			found[n++] = names[effects.list[i].kind];
	assert_string_equal(found, letters);
}

static void expect_state(enum upstream_state state) {
	assert_string_equal(upstream_state_name(upstream.state), upstream_state_name(state));
}

static void configure(bool wanted, bool may_push) {
	give((struct upstream_input){ .kind = UPSTREAM_CONFIGURE, .wanted = wanted, .may_push = may_push });
}

static void opened(bool live) {
	give((struct upstream_input){ .kind = UPSTREAM_OPENED, .live = live });
}

static void page(bool has_events, bool more) {
	give((struct upstream_input){
		.kind = UPSTREAM_PAGE,
		.page = { .has_events = has_events, .more = more, .follows = has_events, .is_news = has_events } });
}

static void merged(void) {
	give((struct upstream_input){ .kind = UPSTREAM_MERGED });
}

static void answered(enum upstream_answer answer, bool permanent) {
	give((struct upstream_input){ .kind = UPSTREAM_ANSWER, .answer = answer, .permanent = permanent });
}

static void is_following(void) {
	configure(true, true);
	opened(true);
	page(false, false);
	merged();
	expect_state(UPSTREAM_FOLLOWING);
}

static void passes(uint64_t ms) {
	now_ms += ms;
	give((struct upstream_input){ .kind = UPSTREAM_TIMER });
}

static void it_pulls_first_and_then_pushes(void **state) {
	pending = true;
	configure(true, true);
	expect("S");
	opened(true);
	expect("LP");
	page(true, true);
	expect("M");
	merged();
	expect("P");
	page(true, false);
	merged();
	expect("FU");
	pending = false;
	answered(ANSWER_ACCEPTED, false);
	expect("C");
	merged();
	expect("F");
	expect_state(UPSTREAM_FOLLOWING);
	assert_string_equal(effects.trace, "upstream was merging, is following");
}

static void a_commit_is_pushed_at_once(void **state) {
	is_following();
	pending = true;
	give((struct upstream_input){ .kind = UPSTREAM_PENDING });
	expect("U");
	answered(ANSWER_ACCEPTED, false);
	merged();
	expect("FU");
}

static void behind_pulls_at_once_but_only_while_pulls_bring_something(void **state) {
	is_following();
	pending = true;
	give((struct upstream_input){ .kind = UPSTREAM_PENDING });
	answered(ANSWER_BEHIND, false);
	expect("P");
	page(true, false);
	expect("M");
	merged();
	expect("FU");
	answered(ANSWER_BEHIND, false);
	expect("P");
	page(false, false);
	merged();
	expect("FU");
	answered(ANSWER_BEHIND, false);
	expect_state(UPSTREAM_RESTING);
}

static void a_live_page_that_follows_is_merged_and_any_other_is_a_hint(void **state) {
	is_following();
	page(true, false);
	expect("M");
	merged();
	give((struct upstream_input){ .kind = UPSTREAM_PAGE, .page = { .has_events = true, .is_news = true } });
	expect("P");
	page(false, false);
	merged();
	give((struct upstream_input){ .kind = UPSTREAM_PAGE, .page = { .has_events = true } });
	expect("");
}

static void a_hint_during_a_push_leads_to_a_pull_behind_it(void **state) {
	is_following();
	pending = true;
	give((struct upstream_input){ .kind = UPSTREAM_PENDING });
	page(true, false);
	expect("");
	pending = false;
	answered(ANSWER_ACCEPTED, false);
	merged();
	expect("FP");
}

static void pauses_double_up_to_their_bound_and_end_with_success(void **state) {
	uint64_t last = 0;

	configure(true, true);
	for (unsigned i = 0; i < 12; i++) {
		give((struct upstream_input){ .kind = UPSTREAM_GONE, .chance = UINT32_MAX });
		expect_state(UPSTREAM_RESTING);
		assert_in_range(upstream.timer_ms - now_ms, last / 2, UPSTREAM_REST_MS_MAX);
		last = upstream.timer_ms - now_ms;
		passes(last);
		expect("S");
	}
	assert_in_range(last, UPSTREAM_REST_MS_MAX / 2, UPSTREAM_REST_MS_MAX);
	opened(true);
	page(false, false);
	merged();
	give((struct upstream_input){ .kind = UPSTREAM_GONE });
	assert_in_range(upstream.timer_ms - now_ms, 1, UPSTREAM_REST_MS_MIN);
}

static void a_commit_or_a_sync_ends_a_pause(void **state) {
	configure(true, true);
	give((struct upstream_input){ .kind = UPSTREAM_GONE });
	pending = true;
	give((struct upstream_input){ .kind = UPSTREAM_PENDING });
	expect("");
	now_ms += UPSTREAM_EAGER_MS;
	give((struct upstream_input){ .kind = UPSTREAM_PENDING });
	expect("S");
	give((struct upstream_input){ .kind = UPSTREAM_GONE });
	give((struct upstream_input){ .kind = UPSTREAM_SYNC });
	expect("S");
}

static void an_adapter_that_hangs_is_started_again(void **state) {
	configure(true, true);
	passes(UPSTREAM_ANSWER_MS_MAX - 1);
	expect("");
	passes(1);
	expect("X");
	expect_state(UPSTREAM_RESTING);
	opened(true); /* of the one that was stopped */
	expect("");
}

static void what_forgets_or_forks_is_held(void **state) {
	configure(true, true);
	give((struct upstream_input){ .kind = UPSTREAM_OPENED, .lineage = LINEAGE_OTHER });
	expect("XH");
	give((struct upstream_input){ .kind = UPSTREAM_SYNC });
	opened(true);
	give((struct upstream_input){ .kind = UPSTREAM_PAGE, .page.diverged = true });
	expect("XH");
	pending = true;
	give((struct upstream_input){ .kind = UPSTREAM_PENDING });
	expect("");
	configure(true, true);
	expect("FS");
	opened(true);
	page(false, false);
	merged();
	answered(ANSWER_DIVERGED, false);
	expect("XH");
	expect_state(UPSTREAM_HELD);
}

static void a_page_that_contradicts_the_log_is_named_and_tried_again(void **state) {
	configure(true, true);
	opened(true);
	page(true, false);
	give((struct upstream_input){ .kind = UPSTREAM_MERGED, .outcome = MERGED_WRONG });
	expect("HX");
	expect_state(UPSTREAM_RESTING);
}

static void refusals_by_name_are_merged_and_others_block_pushing(void **state) {
	pending = true;
	configure(true, true);
	opened(true);
	page(false, false);
	merged();
	answered(ANSWER_REFUSED_EVENTS, true);
	expect("R");
	merged();
	expect("FU");
	answered(ANSWER_REFUSED, false);
	expect_state(UPSTREAM_RESTING);
	passes(UPSTREAM_REST_MS_MAX);
	opened(true);
	page(false, false);
	merged();
	answered(ANSWER_REFUSED, true);
	expect("H");
	expect_state(UPSTREAM_FOLLOWING);
	give((struct upstream_input){ .kind = UPSTREAM_PENDING });
	expect("");
	page(true, false);
	expect("M");
}

static void offline_stops_everything_and_push_only_just_pushing(void **state) {
	is_following();
	pending = true;
	configure(true, false);
	expect_state(UPSTREAM_FOLLOWING);
	page(true, false);
	merged();
	expect("F");
	configure(false, false);
	expect("X");
	expect_state(UPSTREAM_OFF);
	configure(true, true);
	expect("S");
}

static void a_backend_that_is_not_live_is_polled(void **state) {
	configure(true, true);
	opened(false);
	page(false, false);
	merged();
	passes(UPSTREAM_POLL_MS);
	expect("P");
}

static void problems_rest_or_hold(void **state) {
	configure(true, true);
	give((struct upstream_input){ .kind = UPSTREAM_PROBLEM });
	expect("X");
	expect_state(UPSTREAM_RESTING);
	give((struct upstream_input){ .kind = UPSTREAM_SYNC });
	give((struct upstream_input){ .kind = UPSTREAM_PROBLEM, .permanent = true });
	expect("XH");
}

static void what_is_not_taken_now_is_pushed_again_after_a_pause(void **state) {
	pending = true;
	configure(true, true);
	opened(true);
	page(false, false);
	merged();
	expect("FU");
	answered(ANSWER_LATER, false);
	expect("X");
	expect_state(UPSTREAM_RESTING);
	passes(UPSTREAM_REST_MS_MAX);
	expect("S");
}

static void a_fork_that_is_told_while_following_is_asked_for(void **state) {
	is_following();
	give((struct upstream_input){ .kind = UPSTREAM_PAGE, .page.diverged = true });
	expect("P");
	give((struct upstream_input){ .kind = UPSTREAM_PAGE, .page.diverged = true });
	expect("XH");
}

static void a_commit_waits_while_pushing_is_off(void **state) {
	is_following();
	configure(true, false);
	pending = true;
	give((struct upstream_input){ .kind = UPSTREAM_PENDING });
	expect("");
	expect_state(UPSTREAM_FOLLOWING);
}

static void a_machine_that_tells_nothing_decides_the_same(void **state) {
	upstream.tracing = false;
	is_following();
	assert_string_equal(effects.trace, "");
}

/* Whatever comes in whatever order: the machine's invariants hold, and there is
 * always a way on: a timer, an answer that is due, or someone who must act. */
static void any_order_of_inputs_leaves_a_way_on(void **state) {
	struct chance chance = chance_begin("upstream");

	for (unsigned i = 0; i < 200000; i++) {
		bool waits;

		pending = chance_below(&chance, 2) != 0;
		now_ms += chance_below(&chance, 3000);
		give((struct upstream_input){
			.kind = (enum upstream_input_kind)chance_below(&chance, UPSTREAM_TIMER + 1),
			.chance = (uint32_t)chance_next(&chance),
			.wanted = chance_below(&chance, 8) != 0,
			.may_push = chance_below(&chance, 8) != 0,
			.lineage = (enum upstream_lineage)chance_below(&chance, 3),
			.live = chance_below(&chance, 2) != 0,
			.page = { chance_below(&chance, 2) != 0, chance_below(&chance, 2) != 0, chance_below(&chance, 9) == 0,
		              chance_below(&chance, 2) != 0, chance_below(&chance, 2) != 0 },
			.answer = (enum upstream_answer)chance_below(&chance, 6),
			.outcome = (enum upstream_merged)chance_below(&chance, 3),
			.permanent = chance_below(&chance, 4) == 0,
		});
		waits = upstream.timer_ms != 0 || upstream.state == UPSTREAM_MERGING || upstream.live;
		assert_true(waits || upstream.state == UPSTREAM_OFF || upstream.state == UPSTREAM_HELD);
	}
}

#define STORY(name) cmocka_unit_test_setup(name, begin)

int main(void) {
	const struct CMUnitTest tests[] = {
		STORY(it_pulls_first_and_then_pushes),
		STORY(a_commit_is_pushed_at_once),
		STORY(behind_pulls_at_once_but_only_while_pulls_bring_something),
		STORY(a_live_page_that_follows_is_merged_and_any_other_is_a_hint),
		STORY(a_hint_during_a_push_leads_to_a_pull_behind_it),
		STORY(pauses_double_up_to_their_bound_and_end_with_success),
		STORY(a_commit_or_a_sync_ends_a_pause),
		STORY(an_adapter_that_hangs_is_started_again),
		STORY(what_forgets_or_forks_is_held),
		STORY(a_page_that_contradicts_the_log_is_named_and_tried_again),
		STORY(refusals_by_name_are_merged_and_others_block_pushing),
		STORY(offline_stops_everything_and_push_only_just_pushing),
		STORY(a_backend_that_is_not_live_is_polled),
		STORY(problems_rest_or_hold),
		STORY(what_is_not_taken_now_is_pushed_again_after_a_pause),
		STORY(a_fork_that_is_told_while_following_is_asked_for),
		STORY(a_commit_waits_while_pushing_is_off),
		STORY(a_machine_that_tells_nothing_decides_the_same),
		STORY(any_order_of_inputs_leaves_a_way_on),
	};

	return cmocka_run_group_tests_name("upstream machine", tests, NULL, NULL);
}
