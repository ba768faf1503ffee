/* The notation: every form, every refusal, and that reading undoes printing. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "aborts.h"
#include "chance.h"
#include "model/notation.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static struct notation read_token(const char *text) {
	struct error e = { 0 };
	struct notation token;

	if (notation_parse(&token, text, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	return token;
}

static void expect_printed(const struct notation *token, const char *expected) {
	char text[NOTATION_BYTES_MAX];

	assert_int_equal(notation_print(text, token), strlen(expected));
	assert_string_equal(text, expected);
}

/* --- forms --- */

static void each_form_is_read_and_printed_the_same(void **state) {
	static const char *const forms[] = {
		"e0",
		"A:e0",
		"e0r2",
		"e3",
		"e42",
		"e5.1",
		"e0.1",
		"e0.1'",
		"e3r1",
		"e3r0",
		"e3'",
		"e5.1'",
		"A:e3'",
		"B:e5'/e3'",
		"C:e8'/e5'/e3'",
		"e3{todoCreated}",
		"e2{userCreated}",
		"e3'{user.updated}",
		"e4'{postDeleted.123}",
		"e5'{user.123.email}",
		"B:e5.1'{user.456}/e3'",
		"B:e5.1'{user.456.email}/e3'",
		"B:e7'/e5'",
		"A.1:e3r1'",
		"_n-o.d_e:e5.1r2'{a b→c/d'}/e4.1'/e3.2'",
		"e5:e5",
		"e9223372036854775807.9223372036854775807r9223372036854775807'",
		"e9'/e8'/e7'/e6'/e5'/e4'/e3'/e2'/e1'",
		"e3{ä}",
		"e3{:}",
	};

	for (size_t i = 0; i < LENGTH(forms); i++) {
		struct notation token = read_token(forms[i]);
		expect_printed(&token, forms[i]);
	}
}

static void the_parts_of_a_token_are_told_apart(void **state) {
	struct notation token = read_token("B:e5.1r2'{user.456.email}/e4'/e3.2'");

	assert_string_equal(token.node, "B");
	assert_true(position_equal(token.at, (struct position){ 5, 1 }));
	assert_true(token.has_generation);
	assert_int_equal(token.generation, 2);
	assert_true(token.unconfirmed);
	assert_string_equal(token.context, "user.456.email");
	assert_int_equal(token.n_origins, 2);
	assert_true(position_equal(token.origins[0], (struct position){ 4, 0 }));
	assert_true(position_equal(token.origins[1], (struct position){ 3, 2 }));
}

static void parts_that_are_left_out_are_empty(void **state) {
	struct notation token = read_token("e3");

	assert_string_equal(token.node, "");
	assert_false(token.has_generation);
	assert_int_equal(token.generation, 0);
	assert_false(token.unconfirmed);
	assert_string_equal(token.context, "");
	assert_int_equal(token.n_origins, 0);
}

static void a_hint_may_stand_behind_the_origins_and_is_printed_before_them(void **state) {
	struct notation token = read_token("B:e5.1'/e3'{user.456}");
	expect_printed(&token, "B:e5.1'{user.456}/e3'");

	token = read_token("C:e8'/e5'/e3'{x}");
	expect_printed(&token, "C:e8'{x}/e5'/e3'");
}

static void an_origins_mark_and_generation_are_read_and_left(void **state) {
	struct notation token = read_token("B:e5'/e4r2/e3.1r1'/e2");
	expect_printed(&token, "B:e5'/e4'/e3.1'/e2'");
}

static void a_confirmed_event_may_name_its_origins(void **state) {
	struct notation token = read_token("e8/e5'");

	assert_false(token.unconfirmed);
	expect_printed(&token, "e8/e5'");
}

static void the_longest_token_fits(void **state) {
	char text[NOTATION_BYTES_MAX];
	struct notation token = { .at = { UINT64_MAX, UINT64_MAX },
		                      .has_generation = true,
		                      .generation = UINT64_MAX,
		                      .unconfirmed = true,
		                      .n_origins = ORIGINS_MAX };

	memset(token.node, 'n', sizeof(token.node) - 1);
	memset(token.context, 'c', sizeof(token.context) - 1);
	for (size_t i = 0; i < ORIGINS_MAX; i++)
		token.origins[i] = token.at;

	size_t n = notation_print(text, &token);
	assert_int_equal(n, strlen(text));
	const size_t place = 1 + 20 + 1 + 20;
	assert_int_equal(n, 64 + 1 + place + (1 + 20) + 1 + (1 + 255 + 1) + 8 * (1 + place + 1));
}

static void print_more_origins_than_there_are(void) {
	char text[NOTATION_BYTES_MAX];
	struct notation token = { .n_origins = ORIGINS_MAX + 1 };

	notation_print(text, &token);
}

static void origins_that_do_not_exist_are_never_printed(void **state) {
	char text[512];

	assert_true(aborts(print_more_origins_than_there_are, text, sizeof(text)));
}

/* --- refusals --- */

struct refusal {
	const char *text;
	const char *error;
};

#define TEN "1234567890"
#define N50 TEN TEN TEN TEN TEN
#define N250 N50 N50 N50 N50 N50

static const struct refusal token_refusals[] = {
	{ "", "notation, column 1: found the end, expected \"e\" or a node and \":\"" },
	{ "x", "notation, column 1: found \"x\", expected \"e\" or a node and \":\"" },
	{ "3", "notation, column 1: found \"3\", expected \"e\" or a node and \":\"" },
	{ "E3", "notation, column 1: found \"E\", expected \"e\" or a node and \":\"" },
	{ " e3", "notation, column 1: found \" \", expected \"e\" or a node and \":\"" },
	{ ":e3", "notation, column 1: found \":\", expected \"e\" or a node and \":\"" },
	{ "ä:e3", "notation, column 1: found \"ä\", expected \"e\" or a node and \":\"" },
	{ "A B:e3", "notation, column 1: found \"A\", expected \"e\" or a node and \":\"" },
	{ "A:", "notation, column 3: found the end, expected \"e\"" },
	{ "A:3", "notation, column 3: found \"3\", expected \"e\"" },
	{ "A:B:e3", "notation, column 3: found \"B\", expected \"e\"" },
	{ N50 TEN "12345:e3", "notation, column 1: found \"12345678901234567890123456789012...\", "
	                      "expected a node of at most 64 characters" },
	{ "e", "notation, column 2: found the end, expected a digit" },
	{ "e-1", "notation, column 2: found \"-\", expected a digit" },
	{ "e'", "notation, column 2: found \"'\", expected a digit" },
	{ "e\t", "notation, column 2: found character U+0009, expected a digit" },
	{ "e\xff", "notation, column 2: found byte 0xff, expected a digit" },
	{ "e03", "notation, column 2: found \"03\", expected a number without leading zeros" },
	{ "e9223372036854775808", "notation, column 2: found \"9223372036854775808\", "
	                          "expected a number up to 9223372036854775807" },
	{ "e" N50, "notation, column 2: found \"12345678901234567890123456789012...\", "
	           "expected a number up to 9223372036854775807" },
	{ "e5.", "notation, column 4: found the end, expected a digit" },
	{ "e5.0", "notation, column 4: found \"0\", expected a number from 1" },
	{ "e5.01", "notation, column 4: found \"01\", expected a number without leading zeros" },
	{ "e5.1.2", "notation, column 5: found \".\", expected the end" },
	{ "e5r", "notation, column 4: found the end, expected a digit" },
	{ "e5r01", "notation, column 4: found \"01\", expected a number without leading zeros" },
	{ "e5'r1", "notation, column 4: found \"r\", expected the end" },
	{ "e5''", "notation, column 4: found \"'\", expected the end" },
	{ "e5 ", "notation, column 3: found \" \", expected the end" },
	{ "e5x", "notation, column 3: found \"x\", expected the end" },
	{ "e5 → e6", "notation, column 3: found \" \", expected the end" },
	{ "e5{x}'", "notation, column 6: found \"'\", expected the end" },
	{ "e5{}", "notation, column 4: found \"}\", expected a hint between { and }" },
	{ "e5{", "notation, column 4: found the end, expected a character of the hint or \"}\"" },
	{ "e5{x", "notation, column 5: found the end, expected a character of the hint or \"}\"" },
	{ "e5{x{y}}", "notation, column 5: found \"{\", expected a character of the hint or \"}\"" },
	{ "e5{x}}", "notation, column 6: found \"}\", expected the end" },
	{ "e5{x}{y}", "notation, column 6: found \"{\", expected the end" },
	{ "e5{x}/e3'{y}", "notation, column 10: found \"{\", expected the end" },
	{ "e5{→\n}", "notation, column 5: found character U+000A, expected a character of the hint or \"}\"" },
	{ "e5{a\x7f}", "notation, column 5: found character U+007F, expected a character of the hint or \"}\"" },
	{ "e5{a\xc2\x85}", "notation, column 5: found character U+0085, expected a character of the hint or \"}\"" },
	{ "e5{a\x80}", "notation, column 5: found byte 0x80, expected a character of the hint or \"}\"" },
	{ "e5{" N250 "123456}", "notation, column 259: found \"6\", expected \"}\" after at most 255 bytes" },
	{ "e5{" N250 "123→}", "notation, column 257: found \"→\", expected \"}\" after at most 255 bytes" },
	{ "e5/", "notation, column 4: found the end, expected \"e\"" },
	{ "e5//e3", "notation, column 4: found \"/\", expected \"e\"" },
	{ "e5/A:e3", "notation, column 4: found \"A\", expected \"e\"" },
	{ "e5/e", "notation, column 5: found the end, expected a digit" },
	{ "e5/e3''", "notation, column 7: found \"'\", expected the end" },
	{ "e5/e3{x}/e2", "notation, column 9: found \"/\", expected the end" },
	{ "e5'/e0", "notation, column 5: found \"e0\", expected the place of an event, which e0 is not" },
	{ "e9/e8/e7/e6/e5/e4/e3/e2/e1/e1", "notation, column 27: found \"/\", expected at most 8 origins" },
	{ "e0'", "notation, column 3: found \"'\", expected nothing that only an event has behind e0" },
	{ "e0{x}", "notation, column 3: found \"{\", expected nothing that only an event has behind e0" },
	{ "e0/e1", "notation, column 3: found \"/\", expected nothing that only an event has behind e0" },
	{ "e0r1'", "notation, column 5: found \"'\", expected nothing that only an event has behind e0" },
};

static void each_mistake_in_a_token_is_told_with_its_column(void **state) {
	for (size_t i = 0; i < LENGTH(token_refusals); i++) {
		struct notation token, untouched;
		struct error e = { 0 };

		memset(&token, 0x5a, sizeof(token));
		memset(&untouched, 0x5a, sizeof(untouched));
		assert_int_equal(notation_parse(&token, token_refusals[i].text, &e), ERROR_INVALID);
		assert_int_equal(e.code, ERROR_INVALID);
		assert_string_equal(e.text, token_refusals[i].error);
		assert_memory_equal(&token, &untouched, sizeof(token));
		assert_int_equal(notation_parse(&token, token_refusals[i].text, NULL), ERROR_INVALID);
	}
}

/* --- chains --- */

static void expect_chain(const char *text, size_t n_expected, const char *const *expected) {
	struct notation chain[16];
	struct error e = { 0 };
	size_t n = 99;

	if (notation_parse_chain(chain, LENGTH(chain), &n, text, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	assert_int_equal(n, n_expected);
	for (size_t i = 0; i < n; i++)
		expect_printed(&chain[i], expected[i]);
}

static void a_chain_is_read_with_either_arrow_and_any_blanks(void **state) {
	static const char *const expected[] = { "e1", "e2", "e3" };

	expect_chain("e1 → e2 → e3", 3, expected);
	expect_chain("e1 -> e2 -> e3", 3, expected);
	expect_chain("e1→e2->e3", 3, expected);
	expect_chain("\t e1 ->\te2   → e3 \n", 3, expected);
}

static void the_guides_chains_are_read(void **state) {
	static const char *const offline[] = { "e1", "e2", "B:e3'", "B:e4'", "B:e5'" };
	static const char *const rebased[] = { "e1", "e2", "e3", "e4", "B:e5'/e3'", "B:e6'/e4'", "B:e7'/e5'" };
	static const char *const hinted[] = { "e1", "e2{userCreated}", "e3'{userNameUpdated}", "e4'{postDeleted.123}" };
	static const char *const client_only[] = { "e5", "e5.1", "e5.2", "e5.3", "e6" };
	static const char *const out_of_order[] = { "e2", "e1" };
	static const char *const scenario[] = { "e1", "e2", "e3'/e2'" };

	expect_chain("e1 → e2 → B:e3' → B:e4' → B:e5'", 5, offline);
	expect_chain("e1 → e2 → e3 → e4 → B:e5'/e3' → B:e6'/e4' → B:e7'/e5'", 7, rebased);
	expect_chain("e1 → e2{userCreated} → e3'{userNameUpdated} → e4'{postDeleted.123}", 4, hinted);
	expect_chain("e5 → e5.1 → e5.2 → e5.3 → e6", 5, client_only);
	expect_chain("e2 → e1", 2, out_of_order);
	expect_chain("e1 → e2 → e3'/e2'", 3, scenario);
}

static void arrows_and_colons_inside_a_hint_belong_to_it(void **state) {
	static const char *const expected[] = { "e1{a → b -> c: d}", "A-:e2" };

	expect_chain("e1{a → b -> c: d}->A-:e2", 2, expected);
}

static void a_blank_text_is_an_empty_chain(void **state) {
	expect_chain("", 0, NULL);
	expect_chain(" \t\r\n", 0, NULL);
}

static const struct refusal chain_refusals[] = {
	{ "e1 →", "notation, column 5: found the end, expected \"e\" or a node and \":\"" },
	{ "e1 → → e2", "notation, column 6: found \"→\", expected \"e\" or a node and \":\"" },
	{ "→ e1", "notation, column 1: found \"→\", expected \"e\" or a node and \":\"" },
	{ "e1 e2", "notation, column 4: found \"e\", expected \"→\" or the end" },
	{ "e1 - e2", "notation, column 4: found \"-\", expected \"→\" or the end" },
	{ "e1, e2", "notation, column 3: found \",\", expected \"→\" or the end" },
	{ "e1 → e2{→} → ex", "notation, column 15: found \"x\", expected a digit" },
	{ "e1 \xe2\x86\x93 e2", "notation, column 4: found \"↓\", expected \"→\" or the end" },
	{ "e1 \xe2\x86 e2", "notation, column 4: found byte 0xe2, expected \"→\" or the end" },
	{ "e1 → e2 (unchanged)", "notation, column 9: found \"(\", expected \"→\" or the end" },
};

static void each_mistake_in_a_chain_is_told_with_its_column(void **state) {
	for (size_t i = 0; i < LENGTH(chain_refusals); i++) {
		struct notation chain[4], untouched[4];
		struct error e = { 0 };
		size_t n = 99;

		memset(chain, 0x5a, sizeof(chain));
		memset(untouched, 0x5a, sizeof(untouched));
		assert_int_equal(notation_parse_chain(chain, 4, &n, chain_refusals[i].text, &e), ERROR_INVALID);
		assert_string_equal(e.text, chain_refusals[i].error);
		assert_memory_equal(chain, untouched, sizeof(chain));
		assert_int_equal(n, 99);
	}
}

static void a_chain_that_is_too_long_is_told_and_leaves_no_trace(void **state) {
	struct notation chain[3], untouched[3];
	struct error e = { 0 };
	size_t n = 99;

	memset(chain, 0x5a, sizeof(chain));
	memset(untouched, 0x5a, sizeof(untouched));
	assert_int_equal(notation_parse_chain(chain, 2, &n, "e1 → e2 → e3", &e), ERROR_TOO_LARGE);
	assert_string_equal(e.text, "notation, column 11: found more than 2 events in a chain");
	assert_memory_equal(chain, untouched, sizeof(chain));
	assert_int_equal(n, 99);

	assert_int_equal(notation_parse_chain(chain, 3, &n, "e1 → e2 → e3", &e), 0);
	assert_int_equal(n, 3);
	assert_int_equal(notation_parse_chain(NULL, 0, &n, " ", &e), 0);
	assert_int_equal(n, 0);
}

/* --- positions --- */

static void positions_are_read_and_printed_root_included(void **state) {
	static const char *const forms[] = { "e0", "e3", "e5.1", "e0.1", "e9223372036854775807.9223372036854775807" };

	for (size_t i = 0; i < LENGTH(forms); i++) {
		char text[POSITION_TEXT_BYTES];
		struct position p;

		assert_int_equal(position_parse(&p, forms[i], NULL), 0);
		position_print(text, p);
		assert_string_equal(text, forms[i]);
	}
}

static void a_position_is_nothing_but_a_position(void **state) {
	static const struct refusal refusals[] = {
		{ "", "position, column 1: found the end, expected \"e\"" },
		{ "5", "position, column 1: found \"5\", expected \"e\"" },
		{ "A:e5", "position, column 1: found \"A\", expected \"e\"" },
		{ "e3'", "position, column 3: found \"'\", expected the end" },
		{ "e3r1", "position, column 3: found \"r\", expected the end" },
		{ "e5.0", "position, column 4: found \"0\", expected a number from 1" },
		{ "e3 ", "position, column 3: found \" \", expected the end" },
	};

	for (size_t i = 0; i < LENGTH(refusals); i++) {
		struct position p = { 7, 8 };
		struct error e = { 0 };

		assert_int_equal(position_parse(&p, refusals[i].text, &e), ERROR_INVALID);
		assert_string_equal(e.text, refusals[i].error);
		assert_true(position_equal(p, (struct position){ 7, 8 }));
	}
}

/* --- events --- */

static struct event an_event_that_was_e3(void) {
	struct event event = { .entry.at = { 5, 0 }, .generation = 4 };

	event_add_origin(&event, (struct position){ 3, 0 });
	return event;
}

static void an_unconfirmed_event_shows_its_origins(void **state) {
	struct event event = an_event_that_was_e3();
	struct notation token;

	notation_of_event(&token, &event, "B", true, "todoCreated");
	expect_printed(&token, "B:e5'{todoCreated}/e3'");
	notation_of_event(&token, &event, NULL, true, NULL);
	expect_printed(&token, "e5'/e3'");
}

static void a_confirmed_event_shows_no_origins(void **state) {
	struct event event = an_event_that_was_e3();
	struct notation token;

	notation_of_event(&token, &event, NULL, false, NULL);
	expect_printed(&token, "e5");
}

static void the_generation_is_printed_only_on_request(void **state) {
	struct event event = an_event_that_was_e3();
	struct notation token;

	notation_of_event(&token, &event, NULL, false, NULL);
	token.has_generation = true;
	expect_printed(&token, "e5r4");
}

static void what_the_notation_cannot_carry_is_replaced(void **state) {
	struct event event = an_event_that_was_e3();
	struct notation token;

	notation_of_event(&token, &event, "my node/ä", false, "a{b}\nc\xc2\x85\xff→d");
	expect_printed(&token, "my_node___:e5{a_b__c__→d}");
	read_token("my_node___:e5{a_b__c__→d}");
}

static void names_that_are_too_long_are_cut_between_characters(void **state) {
	struct event event = an_event_that_was_e3();
	struct notation token;

	notation_of_event(&token, &event, N50 N50, false, N250 "123→4");
	assert_int_equal(strlen(token.node), 64);
	assert_string_equal(token.context, N250 "123");
	notation_of_event(&token, &event, NULL, false, N250 "12→4");
	assert_string_equal(token.context, N250 "12→");
}

/* --- matching --- */

static bool matches(const char *expected, const char *found) {
	struct notation a = read_token(expected);
	struct notation b = read_token(found);

	return notation_matches(&a, &b);
}

static void parts_that_are_not_named_are_not_compared(void **state) {
	assert_true(matches("e5'", "B:e5r2'{x}/e3'"));
	assert_true(matches("B:e5'", "B:e5r2'{x}/e3'"));
	assert_true(matches("e5r2'", "B:e5r2'{x}/e3'"));
	assert_true(matches("e5'{x}", "B:e5r2'{x}/e3'"));
	assert_true(matches("e5'/e3", "B:e5r2'{x}/e3'"));
	assert_true(matches("B:e5r2'{x}/e3'", "B:e5r2'{x}/e3'"));
}

static void parts_that_are_named_must_be_equal(void **state) {
	assert_false(matches("A:e5'", "B:e5'"));
	assert_false(matches("A:e5'", "e5'"));
	assert_false(matches("e5r1'", "e5r2'"));
	assert_false(matches("e5r0'", "e5'"));
	assert_false(matches("e5'{x}", "e5'{y}"));
	assert_false(matches("e5'{x}", "e5'"));
	assert_false(matches("e8'/e3'", "e8'/e5'/e3'"));
	assert_false(matches("e8'/e4'/e3'", "e8'/e5'/e3'"));
	assert_false(matches("e8'/e5'", "e8'"));
}

static void position_and_mark_are_always_compared(void **state) {
	assert_false(matches("e5", "e5'"));
	assert_false(matches("e5'", "e5"));
	assert_false(matches("e5", "e6"));
	assert_false(matches("e5", "e5.1"));
	assert_false(matches("e5.1", "e5.2"));
}

/* --- properties --- */

static const char *const hint_pieces[] = {
	"a", "Z", "0", ".", " ", "/", "'", ":", "e3", "→", "->", "ä", "\xf0\x9f\x8c\xb1", "\""
};
static const char node_letters[] = "aezAEZ0159._-";

static struct position random_place(struct chance *chance) {
	struct position place = { chance_number(chance, 63), 0 };

	if (chance_below(chance, 3) == 0)
		place.client = 1 + chance_number(chance, 62);
	if (position_is_root(place))
		place.global = 1;
	return place;
}

static struct notation random_token(struct chance *chance) {
	struct notation token = { .at = random_place(chance) };

	if (chance_below(chance, 2))
		for (uint64_t i = 0, n = 1 + chance_below(chance, sizeof(token.node) - 1); i < n; i++)
			token.node[i] = node_letters[chance_below(chance, sizeof(node_letters) - 1)];
	token.has_generation = chance_below(chance, 2);
	if (token.has_generation)
		token.generation = chance_number(chance, 63);
	token.unconfirmed = chance_below(chance, 2);
	if (chance_below(chance, 2))
		for (uint64_t i = 0, n = 1 + chance_below(chance, 60); i < n; i++)
			strcat(token.context, hint_pieces[chance_below(chance, LENGTH(hint_pieces))]);
	token.n_origins = (uint32_t)chance_below(chance, ORIGINS_MAX + 1);
	for (uint32_t i = 0; i < token.n_origins; i++)
		token.origins[i] = random_place(chance);
	return token;
}

static void expect_equal(const struct notation *a, const struct notation *b) {
	assert_string_equal(a->node, b->node);
	assert_true(position_equal(a->at, b->at));
	assert_int_equal(a->has_generation, b->has_generation);
	assert_true(a->generation == b->generation);
	assert_int_equal(a->unconfirmed, b->unconfirmed);
	assert_string_equal(a->context, b->context);
	assert_int_equal(a->n_origins, b->n_origins);
	for (uint32_t i = 0; i < a->n_origins; i++)
		assert_true(position_equal(a->origins[i], b->origins[i]));
}

static void what_is_printed_is_read_back_the_same(void **state) {
	struct chance chance = chance_begin("notation round trip");
	char text[NOTATION_BYTES_MAX];

	for (int i = 0; i < 20000; i++) {
		struct notation token = random_token(&chance);

		notation_print(text, &token);
		struct notation found = read_token(text);
		expect_equal(&token, &found);
		assert_true(notation_matches(&token, &found));
	}
}

static void what_is_printed_as_a_chain_is_read_back_the_same(void **state) {
	static const char *const arrows[] = { " → ", "→", " -> ", "->", "  →\t" };
	static char text[8 * (NOTATION_BYTES_MAX + 8)];
	struct chance chance = chance_begin("notation chain round trip");
	struct notation tokens[8], found[8];

	for (int i = 0; i < 3000; i++) {
		size_t n = chance_below(&chance, 9), length = 0, n_found = 99;
		struct error e = { 0 };

		text[0] = '\0';
		for (size_t k = 0; k < n; k++) {
			tokens[k] = random_token(&chance);
			if (k > 0)
				length += strlen(strcat(text + length, arrows[chance_below(&chance, LENGTH(arrows))]));
			length += notation_print(text + length, &tokens[k]);
		}
		if (notation_parse_chain(found, 8, &n_found, text, &e) < 0)
			fail_msg("%s: %s", text, e.text);
		assert_int_equal(n_found, n);
		for (size_t k = 0; k < n; k++)
			expect_equal(&tokens[k], &found[k]);
	}
}

/* A damaged text either names exactly one thing, or the error says where in it. */
static void expect_read_or_told(const char *text) {
	struct error e = { 0 };
	struct notation token;
	char printed[NOTATION_BYTES_MAX];
	size_t column = 0;

	int r = notation_parse(&token, text, &e);
	if (r == 0) {
		notation_print(printed, &token);
		struct notation again = read_token(printed);
		expect_equal(&token, &again);
		return;
	}
	assert_int_equal(r, ERROR_INVALID);
	assert_int_equal(sscanf(e.text, "notation, column %zu: found", &column), 1);
	assert_non_null(strstr(e.text, ", expected "));
	assert_in_range(column, 1, strlen(text) + 1);
}

static void damaged_texts_are_read_or_refused_with_a_column(void **state) {
	static const char letters[] = "e0123456789.r'{}/:-> \t\n\x7f\x80\xc2\xe2\x86\x92\xff"
								  "Az";
	struct chance chance = chance_begin("notation damage");
	char text[NOTATION_BYTES_MAX + 1];

	for (int i = 0; i < 20000; i++) {
		struct notation token = random_token(&chance);
		size_t n = notation_print(text, &token);

		for (uint64_t k = 0, damages = 1 + chance_below(&chance, 3); k < damages; k++) {
			size_t at = chance_below(&chance, n);
			char letter = letters[chance_below(&chance, sizeof(letters) - 1)];

			switch (chance_below(&chance, 3)) {
			case 0:
				text[at] = letter;
				break;
			case 1:
				memmove(text + at, text + at + 1, n - at);
				n -= n > 1;
				break;
			default:
				text[at] = '\0';
				n = at > 0 ? at : 1;
			}
			text[n] = '\0';
		}
		expect_read_or_told(text);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_form_is_read_and_printed_the_same),
		cmocka_unit_test(the_parts_of_a_token_are_told_apart),
		cmocka_unit_test(parts_that_are_left_out_are_empty),
		cmocka_unit_test(a_hint_may_stand_behind_the_origins_and_is_printed_before_them),
		cmocka_unit_test(an_origins_mark_and_generation_are_read_and_left),
		cmocka_unit_test(a_confirmed_event_may_name_its_origins),
		cmocka_unit_test(the_longest_token_fits),
		cmocka_unit_test(origins_that_do_not_exist_are_never_printed),
		cmocka_unit_test(each_mistake_in_a_token_is_told_with_its_column),
		cmocka_unit_test(a_chain_is_read_with_either_arrow_and_any_blanks),
		cmocka_unit_test(the_guides_chains_are_read),
		cmocka_unit_test(arrows_and_colons_inside_a_hint_belong_to_it),
		cmocka_unit_test(a_blank_text_is_an_empty_chain),
		cmocka_unit_test(each_mistake_in_a_chain_is_told_with_its_column),
		cmocka_unit_test(a_chain_that_is_too_long_is_told_and_leaves_no_trace),
		cmocka_unit_test(positions_are_read_and_printed_root_included),
		cmocka_unit_test(a_position_is_nothing_but_a_position),
		cmocka_unit_test(an_unconfirmed_event_shows_its_origins),
		cmocka_unit_test(a_confirmed_event_shows_no_origins),
		cmocka_unit_test(the_generation_is_printed_only_on_request),
		cmocka_unit_test(what_the_notation_cannot_carry_is_replaced),
		cmocka_unit_test(names_that_are_too_long_are_cut_between_characters),
		cmocka_unit_test(parts_that_are_not_named_are_not_compared),
		cmocka_unit_test(parts_that_are_named_must_be_equal),
		cmocka_unit_test(position_and_mark_are_always_compared),
		cmocka_unit_test(what_is_printed_is_read_back_the_same),
		cmocka_unit_test(what_is_printed_as_a_chain_is_read_back_the_same),
		cmocka_unit_test(damaged_texts_are_read_or_refused_with_a_column),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
