/* The merge: every row of its table, as a session sees it and as a leader does. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "chains.h"
#include "chance.h"
#include "model/notation.h"

struct setting {
	struct pending pending[CHAIN_MAX];
	struct incoming incoming[CHAIN_MAX];
	struct event_id refused[CHAIN_MAX];
	struct merge_view view;
	struct payload payload;
	struct merge_result result;
	struct error error;
};

/* A session that has seen upstream up to `upstream` and has `pending`. */
static void set(struct setting *setting, const char *upstream, const char *pending, const char *incoming) {
	struct chain own = chain_of(pending), theirs = chain_of(incoming);

	memset(setting, 0, sizeof(*setting));
	for (size_t i = 0; i < own.n; i++)
		setting->pending[i].entry = own.entries[i];
	for (size_t i = 0; i < theirs.n; i++) {
		setting->incoming[i].entry = theirs.entries[i];
		for (size_t k = 0; k < own.n; k++) {
			if (letter_of(&own.entries[k]) != letter_of(&theirs.entries[i]))
				continue;
			setting->incoming[i].is_pending = true;
			setting->incoming[i].pending_at = own.entries[k].at;
		}
	}
	setting->view =
		(struct merge_view){ .upstream_head = at(upstream), .pending = setting->pending, .n_pending = own.n };
	setting->view.local_head = own.n > 0 ? own.entries[own.n - 1].at : at(upstream);
	setting->payload.events = setting->incoming;
	setting->payload.n_events = theirs.n;
}

static void rebase_to(struct setting *setting, const char *back_to) {
	setting->payload.kind = PAYLOAD_REBASE;
	setting->payload.back_to = at(back_to);
}

static void refuse(struct setting *setting, const char *letters) {
	for (size_t i = 0; letters[i] != '\0'; i++)
		setting->refused[i] = id_of(letters[i]);
	setting->payload.refused = setting->refused;
	setting->payload.n_refused = strlen(letters);
}

static void merges(struct setting *setting) {
	if (merge(&setting->view, &setting->payload, &setting->result, &setting->error) != 0)
		fail_msg("%s", setting->error.text);
}

static void expect_advance(struct setting *setting, size_t n_confirmed, const char *upstream) {
	merges(setting);
	assert_int_equal(setting->result.kind, MERGE_ADVANCE);
	assert_int_equal(setting->result.n_confirmed, n_confirmed);
	assert_true(position_equal(setting->result.upstream_head, at(upstream)));
}

static void expect_rebase(struct setting *setting, const char *undo_to, size_t n_confirmed, size_t n_left,
                          size_t n_kept) {
	merges(setting);
	assert_int_equal(setting->result.kind, MERGE_REBASE);
	assert_true(position_equal(setting->result.undo_to, at(undo_to)));
	assert_int_equal(setting->result.n_confirmed, n_confirmed);
	assert_int_equal(setting->result.n_left, n_left);
	assert_int_equal(setting->result.n_kept, n_kept);
}

static void expect_error(struct setting *setting, int code, const char *text) {
	setting->result.n_left = 77;
	assert_int_equal(merge(&setting->view, &setting->payload, &setting->result, &setting->error), code);
	assert_string_equal(setting->error.text, text);
	assert_int_equal(setting->result.n_left, 77);
}

static void new_events_behind_nothing_pending_advance(void **state) {
	struct setting s;

	set(&s, "e2", "", "x@e3 y@e3.1 z@e4");
	expect_advance(&s, 0, "e4");
}

static void equal_events_confirm_the_pending_prefix(void **state) {
	struct setting s;

	set(&s, "e2", "a@e3 b@e3.1 c@e4", "a@e3 b@e3.1");
	expect_advance(&s, 2, "e3.1");
	assert_int_equal(s.result.n_left, 2);
	assert_int_equal(s.result.n_kept, 3);
}

static void behind_a_confirmed_prefix_the_rest_is_new(void **state) {
	struct setting s;

	set(&s, "e2", "a@e3", "a@e3 x@e4 y@e5");
	expect_advance(&s, 1, "e5");
	assert_int_equal(s.result.n_left, 1);
}

static void a_foreign_event_in_front_rebases_everything(void **state) {
	struct setting s;

	set(&s, "e2", "a@e3 b@e4", "x@e3");
	expect_rebase(&s, "e2", 0, 0, 0);
	assert_true(position_equal(s.result.upstream_head, at("e3")));
}

static void the_divergence_is_the_first_difference(void **state) {
	struct setting s;

	set(&s, "e2", "a@e3 b@e4 c@e5", "a@e3 x@e4");
	expect_rebase(&s, "e3", 1, 1, 1);
}

static void an_own_event_at_another_place_is_recognised(void **state) {
	struct setting s;

	set(&s, "e2", "a@e3 b@e4 c@e5", "x@e3 a@e4 b@e5");
	expect_rebase(&s, "e2", 0, 2, 2);
}

static void after_a_divergence_nothing_confirms_in_place(void **state) {
	struct setting s;

	/* b comes back at its old place by chance; it has been undone and must be applied again */
	set(&s, "e2", "a@e2.1 b@e3", "x@e2.1 a@e2.2 b@e3");
	expect_rebase(&s, "e2", 0, 2, 2);
}

static void a_suspended_event_never_confirms_in_place(void **state) {
	struct setting s;

	set(&s, "e2", "a@e3 b@e4 c@e5", "a@e3 b@e4");
	s.pending[1].suspended = true;
	expect_rebase(&s, "e3", 1, 2, 2);
}

static void upstreams_rebase_undoes_what_it_had_confirmed(void **state) {
	struct setting s;

	set(&s, "e5", "a@e6", "x@e4 y@e5");
	rebase_to(&s, "e3");
	expect_rebase(&s, "e3", 0, 0, 0);
	assert_true(position_equal(s.result.upstream_head, at("e5")));
}

static void upstreams_rebase_may_bring_own_pending_events(void **state) {
	struct setting s;

	set(&s, "e5", "a@e6 b@e7", "x@e4 a@e5");
	rebase_to(&s, "e3");
	expect_rebase(&s, "e3", 0, 1, 1);
}

static void upstreams_rebase_without_events_goes_back(void **state) {
	struct setting s;

	set(&s, "e5", "", "");
	rebase_to(&s, "e3");
	expect_rebase(&s, "e3", 0, 0, 0);
	assert_true(position_equal(s.result.upstream_head, at("e3")));
}

static void a_refusal_replays_what_stood_behind_it(void **state) {
	struct setting s;

	set(&s, "e2", "a@e3 b@e4 c@e5", "");
	refuse(&s, "b");
	expect_rebase(&s, "e3", 0, 0, 1);
}

static void a_refusal_of_the_first_goes_back_to_upstreams_head(void **state) {
	struct setting s;

	set(&s, "e2", "a@e3 b@e4", "");
	refuse(&s, "a");
	expect_rebase(&s, "e2", 0, 1, 1);
}

static void one_event_names_its_whole_refused_unit(void **state) {
	struct setting s;
	struct chain pending = chain_of("a@e3 (b c)@e4 d@e6");

	set(&s, "e2", "a@e3 (b c)@e4 d@e6", "");
	refuse(&s, "b");
	assert_false(merge_is_refused(&s.payload, &pending.entries[0]));
	assert_true(merge_is_refused(&s.payload, &pending.entries[1]));
	assert_true(merge_is_refused(&s.payload, &pending.entries[2]));
	expect_rebase(&s, "e3", 0, 0, 1);
}

static void a_refusal_lets_the_younger_arrive(void **state) {
	struct setting s;

	set(&s, "e2", "a@e3 b@e4 c@e5", "a@e3 c@e4");
	refuse(&s, "b");
	expect_rebase(&s, "e3", 1, 3, 3);
}

static void a_refusal_of_a_foreign_event_changes_nothing(void **state) {
	struct setting s;

	set(&s, "e2", "a@e3", "");
	refuse(&s, "z");
	expect_advance(&s, 0, "e2");
}

static void own_events_come_in_order_or_not_at_all(void **state) {
	struct setting s;

	set(&s, "e2", "a@e3 b@e4", "b@e3");
	expect_error(&s, ERROR_PROTOCOL,
	             "the own event at e3 arrived while the older e3 had neither arrived nor been refused");
}

static void an_own_event_arrives_once(void **state) {
	struct setting s;

	set(&s, "e2", "a@e3", "a@e3 a@e4");
	expect_error(&s, ERROR_PROTOCOL, "the own event at e4 arrived twice");
}

static void behind_a_refused_last_one_others_take_its_place(void **state) {
	struct setting s;

	set(&s, "e2", "a@e3 b@e4", "a@e3 x@e4");
	refuse(&s, "b");
	expect_rebase(&s, "e3", 1, 2, 2);
}

static void a_page_with_half_a_unit_is_wrong_from_there_on(void **state) {
	struct setting s;

	set(&s, "e2", "", "(x y)@e3 z@e5");
	s.incoming[1].entry.unit_index = 0;
	expect_error(&s, ERROR_PROTOCOL, "event 2 of a unit of 2 was missing");
}

static void what_does_not_follow_is_named(void **state) {
	static const struct {
		const char *incoming, *error;
	} cases[] = {
		{ "x@e4", "upstream sent e4 where e3 was expected" },
		{ "x@e2", "upstream sent e2 where e3 was expected" },
		{ "x@e3 y@e3", "upstream sent e3 where e4 was expected" },
		{ "x@e3 y@e5", "upstream sent e5 where e4 was expected" },
		{ "x@e4 y@e3", "upstream sent e4 where e3 was expected" },
		{ "x@e2.2", "upstream sent e2.2 where e2.1 was expected" },
		{ "x@e3 y@e4.1", "upstream sent e4.1 where e3.1 was expected" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct setting s;

		set(&s, "e2", "", cases[i].incoming);
		expect_error(&s, ERROR_PROTOCOL, cases[i].error);
	}
}

static void wrong_hash_content_and_units_are_named(void **state) {
	struct setting s;

	set(&s, "e2", "", "x@e3");
	s.incoming[0].hash_differs = true;
	expect_error(&s, ERROR_PROTOCOL, "the hash of e3 was not the one expected");
	set(&s, "e2", "a@e3", "a@e3");
	s.incoming[0].content_differs = true;
	expect_error(&s, ERROR_CONFLICT, "e3 has an id that is known here with other content");
	set(&s, "e2", "", "(x y z)@e3");
	s.payload.n_events = 2;
	expect_error(&s, ERROR_PROTOCOL, "only 2 events of a unit of 3 were there");
	set(&s, "e2", "", "x@e3");
	rebase_to(&s, "e4");
	expect_error(&s, ERROR_PROTOCOL, "upstream went back to e4, which it had not sent before");
}

/* ---- leader and backend ---- */

static void set_leader(struct setting *setting, const char *upstream, const char *head, const char *pending,
                       const char *incoming) {
	set(setting, upstream, pending, incoming);
	setting->view.synced_only = true;
	setting->view.local_head = at(head);
	setting->view.pending = NULL;
	setting->view.n_pending = 0;
}

static void a_leader_confirms_its_own_without_holding_them(void **state) {
	struct setting s;

	set_leader(&s, "e2", "e4.3", "a@e3 b@e4", "a@e3 b@e4 x@e5");
	expect_advance(&s, 2, "e5");
}

static void client_only_events_are_invisible_to_the_alignment(void **state) {
	struct setting s;

	set_leader(&s, "e2", "e2.5", "", "x@e3");
	expect_advance(&s, 0, "e3");
	set_leader(&s, "e2", "e3.1", "a@e3", "x@e3");
	expect_rebase(&s, "e2", 0, 0, 0);
	assert_true(position_equal(s.result.undo_from, at("e3")));
}

static void a_leader_undoes_from_the_first_difference_on(void **state) {
	struct setting s;

	set_leader(&s, "e2", "e5.2", "a@e3 b@e4 c@e5", "a@e3 x@e4 b@e5");
	expect_rebase(&s, "e3", 1, 2, 2);
	assert_true(position_equal(s.result.undo_from, at("e4")));
}

static void a_backend_that_sends_client_only_events_is_wrong(void **state) {
	struct setting s;

	set_leader(&s, "e2", "e2", "", "x@e2.1");
	expect_error(&s, ERROR_PROTOCOL, "upstream sent the client-only event e2.1");
}

/* ---- an oracle ---- */

static void append(char *text, char letter) {
	size_t n = strlen(text);

	text[n] = letter;
	text[n + 1] = '\0';
}

/* The definition, said slowly: undo all that differs, take theirs, then ours that
 * did not arrive. Letters are events; all are synced and single. */
static void oracle(const char *pending, const char *incoming, char *ret_confirmed, char *ret_replayed) {
	size_t same = 0;

	while (pending[same] != '\0' && incoming[same] != '\0' && pending[same] == incoming[same])
		same++;
	sprintf(ret_confirmed, "%.*s", (int)same, pending);
	ret_replayed[0] = '\0';
	if (incoming[same] == '\0' || pending[same] == '\0')
		return;
	for (const char *p = pending + same; *p != '\0'; p++)
		if (strchr(incoming + same, *p) == NULL)
			append(ret_replayed, *p);
}

static void interleave(struct chance *chance, const char *own, char *ret) {
	char foreign = 'A';

	while (chance_below(chance, 5) != 0 && strlen(ret) < 12) {
		char next = chance_below(chance, 2) != 0 && *own != '\0' ? *own++ : foreign++;

		append(ret, next);
	}
}

static void write_chain(const char *letters, char *ret) {
	unsigned number = 1;

	ret[0] = '\0';
	for (; *letters != '\0'; letters++)
		sprintf(ret + strlen(ret), "%s%c@e%u", *ret != '\0' ? " " : "", *letters, number++);
}

static void merge_does_what_its_definition_says(void **state) {
	struct chance chance = chance_begin("merge");
	unsigned rebases = 0;

	for (unsigned i = 0; i < 20000; i++) {
		struct setting s;
		char own[16] = "", theirs[16] = "", confirmed[16], replayed[16], own_text[256], theirs_text[256];

		for (char c = 'a'; chance_below(&chance, 5) != 0 && c < 'k'; c++)
			append(own, c);
		interleave(&chance, own, theirs);
		oracle(own, theirs, confirmed, replayed);
		write_chain(own, own_text);
		write_chain(theirs, theirs_text);
		if (i % 2 == 0) {
			set(&s, "e0", own_text, theirs_text);
		} else {
			char head[32];

			sprintf(head, "e%zu", strlen(own));
			set_leader(&s, "e0", head, own_text, theirs_text);
		}
		merges(&s);
		assert_int_equal(s.result.n_confirmed, strlen(confirmed));
		assert_int_equal(s.result.kind == MERGE_REBASE ? strlen(own) - s.result.n_kept : 0, strlen(replayed));
		assert_int_equal(s.result.upstream_head.global, strlen(theirs));
		rebases += s.result.kind == MERGE_REBASE;
	}
	assert_in_range(rebases, 1000, 19000);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_events_behind_nothing_pending_advance),
		cmocka_unit_test(equal_events_confirm_the_pending_prefix),
		cmocka_unit_test(behind_a_confirmed_prefix_the_rest_is_new),
		cmocka_unit_test(a_foreign_event_in_front_rebases_everything),
		cmocka_unit_test(the_divergence_is_the_first_difference),
		cmocka_unit_test(an_own_event_at_another_place_is_recognised),
		cmocka_unit_test(after_a_divergence_nothing_confirms_in_place),
		cmocka_unit_test(a_suspended_event_never_confirms_in_place),
		cmocka_unit_test(upstreams_rebase_undoes_what_it_had_confirmed),
		cmocka_unit_test(upstreams_rebase_may_bring_own_pending_events),
		cmocka_unit_test(upstreams_rebase_without_events_goes_back),
		cmocka_unit_test(a_refusal_replays_what_stood_behind_it),
		cmocka_unit_test(a_refusal_of_the_first_goes_back_to_upstreams_head),
		cmocka_unit_test(one_event_names_its_whole_refused_unit),
		cmocka_unit_test(a_refusal_lets_the_younger_arrive),
		cmocka_unit_test(a_refusal_of_a_foreign_event_changes_nothing),
		cmocka_unit_test(own_events_come_in_order_or_not_at_all),
		cmocka_unit_test(an_own_event_arrives_once),
		cmocka_unit_test(behind_a_refused_last_one_others_take_its_place),
		cmocka_unit_test(a_page_with_half_a_unit_is_wrong_from_there_on),
		cmocka_unit_test(what_does_not_follow_is_named),
		cmocka_unit_test(wrong_hash_content_and_units_are_named),
		cmocka_unit_test(a_leader_confirms_its_own_without_holding_them),
		cmocka_unit_test(client_only_events_are_invisible_to_the_alignment),
		cmocka_unit_test(a_leader_undoes_from_the_first_difference_on),
		cmocka_unit_test(a_backend_that_sends_client_only_events_is_wrong),
		cmocka_unit_test(merge_does_what_its_definition_says),
	};

	return cmocka_run_group_tests_name("merge", tests, NULL, NULL);
}
