/*
 * The leader machine, driven by bytes, around a log that is nothing but a list:
 * pushes, pages and refusals as a backend may send them, answers of every outcome.
 * The log that its effects make must be gap-free at each step and be the one that
 * the machine believes in whenever it tells of it.
 */

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "model/leader_step.h"

#define STEPS_MAX 300u
#define ROWS_MAX 256u
#define UNIT_MAX 3u
#define EVENTS_MAX 6u

struct log {
	struct entry rows[ROWS_MAX];
	size_t n;
	struct position upstream;
};

struct story {
	struct fuzz_input *input;
	struct leader_machine machine;
	struct log log, durable;      /* durable: as of the newest commit */
	struct entry displaced[ROWS_MAX], staged[ROWS_MAX];
	size_t n_displaced, displaced_at, n_staged;
	unsigned made;                /* ids given so far */
	struct entry unit[UNIT_MAX];
	struct incoming events[EVENTS_MAX];
	size_t n_events;
	struct event_id refused[2];
	struct leader_input answer;
	bool answers;
};

static struct event_id id_of(unsigned number) {
	return (struct event_id){ { (uint8_t)(number >> 8), (uint8_t)number, 1 } };
}

static struct position head_of(const struct log *log) {
	return log->n > 0 ? log->rows[log->n - 1].at : POSITION_ROOT;
}

static const struct entry *find(const struct log *log, const struct event_id *id) {
	for (size_t i = 0; i < log->n; i++)
		if (event_id_equal(&log->rows[i].id, id))
			return &log->rows[i];
	return NULL;
}

static void append(struct story *story, const struct entry *entry) {
	fuzz_expect(position_equal(entry->at, position_next(head_of(&story->log), entry->at.client != 0)));
	must(story->log.n < ROWS_MAX);
	story->log.rows[story->log.n++] = *entry;
}

/* ---- effects ----------------------------------------------------------------------- */

static void displace(struct story *story, struct position from) {
	size_t n = story->log.n;

	while (n > 0 && position_compare(story->log.rows[n - 1].at, from) >= 0)
		n--;
	story->n_displaced = story->log.n - n;
	memcpy(story->displaced, story->log.rows + n, story->n_displaced * sizeof(*story->displaced));
	story->displaced_at = 0;
	story->log.n = n;
	story->answer.head = head_of(&story->log);
}

/* The next displaced unit that has not arrived. */
static void take_displaced(struct story *story) {
	while (story->displaced_at < story->n_displaced) {
		const struct entry *unit = &story->displaced[story->displaced_at];

		story->displaced_at += unit->unit_count;
		if (find(&story->log, &unit->id))
			continue;
		story->answer.unit = unit;
		story->answer.n_unit = unit->unit_count;
		return;
	}
}

static void apply_staged(struct story *story) {
	for (size_t i = 0; i < story->n_staged; i++)
		if (position_compare(story->staged[i].at, head_of(&story->log)) > 0)
			append(story, &story->staged[i]);
}

static void stage(struct story *story) {
	must(story->n_staged + story->n_events <= ROWS_MAX);
	for (size_t i = 0; i < story->n_events; i++)
		story->staged[story->n_staged++] = story->events[i].entry;
}

static void expect_told(const struct story *story) {
	fuzz_expect(position_equal(story->machine.head, head_of(&story->durable)));
	fuzz_expect(position_equal(story->machine.upstream_head, story->durable.upstream));
	fuzz_expect(story->machine.state == LEADER_IDLE);
}

static void perform_answered(struct story *story, const struct leader_effect *effect) {
	switch (effect->kind) {
	case LEADER_ADMIT:
		story->answer.kind = LEADER_ADMITTED;
		break;
	case LEADER_COMMIT_LOG:
		story->answer.kind = LEADER_LOGGED;
		break;
	case LEADER_COMMIT_STATE:
		story->answer.kind = LEADER_SETTLED;
		break;
	case LEADER_ROLL_FORWARD:
		story->answer.kind = LEADER_CAUGHT_UP;
		break;
	case LEADER_UNDO:
		story->answer.kind = LEADER_UNDONE;
		displace(story, effect->from);
		break;
	case LEADER_STAGE:
		story->answer.kind = LEADER_STAGED;
		stage(story);
		break;
	case LEADER_APPLY_STAGED:
		story->answer.kind = LEADER_APPLIED;
		apply_staged(story);
		break;
	case LEADER_APPLY:
		story->answer.kind = LEADER_APPLIED;
		fuzz_expect(effect->first + effect->n <= story->n_events);
		for (size_t i = 0; i < effect->n; i++)
			append(story, &story->events[effect->first + i].entry);
		break;
	case LEADER_TAKE_DISPLACED:
		story->answer.kind = LEADER_DISPLACED;
		take_displaced(story);
		break;
	default:
		return;
	}
	fuzz_expect(!story->answers);
	story->answers = true;
}

static void perform(struct story *story, const struct leader_effect *effect) {
	fuzz_expect(!story->answers || effect->kind == LEADER_DROP_STAGED);
	perform_answered(story, effect);
	switch (effect->kind) {
	case LEADER_APPEND:
		for (size_t i = 0; i < effect->n_unit; i++)
			append(story, &effect->unit[i]);
		break;
	case LEADER_CONFIRM:
		for (size_t i = effect->first; i < effect->first + effect->n; i++) {
			const struct entry *row = find(&story->log, &story->events[i].entry.id);

			fuzz_expect(row && position_equal(row->at, story->events[i].entry.at));
		}
		break;
	case LEADER_SET_UPSTREAM:
		story->log.upstream = effect->head;
		break;
	case LEADER_ABANDON:
	case LEADER_STOP:
		story->log = story->durable;
		break;
	case LEADER_DROP_STAGED:
		story->n_staged = 0;
		break;
	case LEADER_TELL:
		expect_told(story);
		if (!story->machine.staged.active)
			story->n_staged = 0;
		break;
	default:
		break;
	}
}

/* The outcome of what was asked; the log becomes durable when its commit is done. */
static void choose_outcome(struct story *story) {
	uint8_t choice = fuzz_u8(story->input);

	if (choice > 240 && story->answer.kind != LEADER_DISPLACED)
		story->answer.outcome = LEADER_FAILED;
	else if (story->answer.kind == LEADER_ADMITTED && choice % 4 == 1)
		story->answer.outcome = LEADER_REFUSED;
	else if (story->answer.kind == LEADER_LOGGED && choice == 127)
		story->answer.outcome = LEADER_UNKNOWN;
	if (story->answer.kind == LEADER_LOGGED && story->answer.outcome == LEADER_DONE)
		story->durable = story->log;
}

static int give(struct story *story, const struct leader_input *input) {
	struct leader_input next = *input;
	struct leader_effects effects;
	struct error error = { 0 };
	int r, first = leader_step(&story->machine, &next, &effects, &error);

	fuzz_expect_told(first, &error);
	for (r = first; r == 0;) {
		story->answer = (struct leader_input){ 0 };
		story->answers = false;
		for (unsigned i = 0; i < effects.n; i++)
			perform(story, &effects.list[i]);
		if (!story->answers)
			break;
		choose_outcome(story);
		next = story->answer;
		r = leader_step(&story->machine, &next, &effects, &error);
		if (r != 0)
			must_failed(error.text, __FILE__, __LINE__); /* an answer was not taken */
	}
	if (first != 0)
		fuzz_expect(effects.n == 0);
	return first;
}

/* ---- inputs ------------------------------------------------------------------------ */

static void make_push(struct story *story, struct leader_input *ret) {
	unsigned n = 1 + fuzz_below(story->input, UNIT_MAX);
	uint8_t what = fuzz_u8(story->input);

	for (unsigned i = 0; i < n; i++)
		story->unit[i] = (struct entry){ .id = id_of(story->made + i), .unit = id_of(story->made), .unit_index = i,
			                             .unit_count = n, .client_only = what % 4 == 1 };
	story->made += n;
	*ret = (struct leader_input){ .kind = LEADER_PUSH, .unit = story->unit, .n_unit = n };
	if (what == 255)
		story->unit[n - 1].unit_count = fuzz_below(story->input, 4);
	if (what == 254)
		ret->n_unit = 0;
	if (what > 245)
		ret->known = what % 2 ? LEADER_KNOWN : LEADER_CONFLICT;
}

/* Where the next page begins, as the machine sees it. */
static struct position page_start(const struct story *story, const struct leader_input *page) {
	if (story->machine.staged.active)
		return story->machine.staged.head;
	if (page->adopt)
		return (struct position){ page->adopt_from.global - 1, 0 };
	return story->machine.upstream_head;
}

static bool is_taken(const struct story *story, const struct event_id *id, size_t n) {
	for (size_t i = 0; i < n; i++)
		if (event_id_equal(&story->events[i].entry.id, id))
			return true;
	for (size_t i = 0; i < story->n_staged; i++)
		if (event_id_equal(&story->staged[i].id, id))
			return true;
	return false;
}

/* An own event, the oldest synced one that is pending and has not arrived, or a foreign one. */
static void make_event(struct story *story, size_t i, struct position *head) {
	struct incoming *incoming = &story->events[i];
	uint8_t what = fuzz_u8(story->input);
	const struct entry *row = NULL;

	*incoming = (struct incoming){ .entry = { .id = id_of(0x8000u + story->made++), .unit_count = 1 } };
	incoming->entry.unit = incoming->entry.id;
	for (size_t k = 0; what % 2 == 0 && !row && k < story->log.n; k++)
		if (story->log.rows[k].at.client == 0 && !is_taken(story, &story->log.rows[k].id, i) &&
		    position_compare(story->log.rows[k].at, story->machine.upstream_head) > 0)
			row = &story->log.rows[k];
	if (row)
		incoming->entry = *row;
	incoming->is_pending = row != NULL;
	incoming->pending_at = row ? row->at : POSITION_ROOT;
	*head = incoming->entry.at = position_next(*head, false);
	if (what > 250)
		incoming->entry.at.global = fuzz_number(story->input);
	incoming->content_differs = what == 249;
	incoming->hash_differs = what == 247;
	if (what == 245)
		incoming->entry.client_only = true, incoming->entry.at.client = 1;
}

static void make_page(struct story *story, struct leader_input *ret) {
	unsigned n = fuzz_below(story->input, EVENTS_MAX + 1);
	struct position head;

	*ret = (struct leader_input){ .kind = LEADER_PAGE, .events = story->events };
	ret->more = fuzz_below(story->input, 4) == 0;
	head = page_start(story, ret);
	for (unsigned i = 0; i < n; i++)
		make_event(story, i, &head);
	story->n_events = ret->n_events = n;
}

static void make_refusal(struct story *story, struct leader_input *ret) {
	const struct entry *row;

	*ret = (struct leader_input){ .kind = LEADER_REFUSAL, .refused = story->refused, .n_refused = 1 };
	ret->refused_first = (struct position){ head_of(&story->log).global + 1, 0 };
	story->n_events = 0;
	if (story->log.n == 0)
		return;
	/* The shell finds the first event of the unit; the backend knows of no client-only one. */
	row = &story->log.rows[fuzz_below(story->input, (unsigned)story->log.n)];
	while (row->unit_index > 0)
		row--;
	if (row->at.client != 0)
		return;
	story->refused[0] = row->id;
	ret->refused_first = row->at;
}

static void make_input(struct story *story, struct leader_input *ret) {
	unsigned choice = fuzz_below(story->input, 16);

	if (choice < 6)
		make_push(story, ret);
	else if (choice < 9)
		*ret = (struct leader_input){ .kind = LEADER_FLUSH };
	else if (choice < 14)
		make_page(story, ret);
	else if (choice == 14)
		make_refusal(story, ret);
	else /* attached; detaching is refused by the shell while something is confirmed */
		*ret = (struct leader_input){ .kind = LEADER_BACKEND, .has_backend = true };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
	struct fuzz_input input = { data, n };
	struct story *story = calloc(1, sizeof(*story));
	struct leader_start start = { 0 };

	must(story != NULL);
	story->input = &input;
	start.has_backend = fuzz_below(&input, 4) > 0;
	leader_machine_init(&story->machine, &start);
	for (unsigned i = 0; i < STEPS_MAX && input.n > 0; i++) {
		struct leader_input next;

		if (story->log.n + story->n_staged + UNIT_MAX + EVENTS_MAX > ROWS_MAX)
			break;
		make_input(story, &next);
		story->machine.tracing = i % 2 == 0;
		give(story, &next);
		if (story->machine.state == LEADER_IDLE)
			fuzz_expect(position_equal(story->machine.head, head_of(&story->durable)));
	}
	leader_machine_finish(&story->machine);
	free(story);
	return 0;
}
