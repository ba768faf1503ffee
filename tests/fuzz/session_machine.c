/*
 * The session machine, driven by bytes: commits and a lost connection at any time,
 * answers as a shell gives them, and from upstream whatever a frame may say. The
 * machine checks its own invariants; here it is held to what it owes the shell.
 */

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "model/session_step.h"

#define STEPS_MAX 200u
#define UNIT_MAX 3u
#define EVENTS_MAX 8u
#define IDS 64u

struct story {
	struct fuzz_input *input;
	struct session_machine machine;
	struct session_effects effects;
	unsigned committed; /* ids given so far */
	struct entry unit[UNIT_MAX];
	struct incoming events[EVENTS_MAX];
	struct event_id refused[4];
	enum session_verdict verdicts[IDS];
	bool suspended[IDS];
};

static struct event_id id_of(unsigned number) {
	return (struct event_id){ { (uint8_t)(number >> 8), (uint8_t)number, 1 } };
}

static struct position make_position(struct fuzz_input *input) {
	struct position at = { fuzz_number(input), 0 };

	if (fuzz_below(input, 4) == 0)
		at.client = fuzz_number(input);
	/* As the checks of frames leave it. */
	at.global &= INT64_MAX;
	at.client &= INT64_MAX;
	if (at.global == 0)
		at.client = 0;
	return at;
}

/* Where upstream may well stand: at what the session has seen, or near it. */
static struct position near(struct story *story) {
	struct position at = story->machine.heads.leader;

	switch (fuzz_below(story->input, 4)) {
	case 0:
		return make_position(story->input);
	case 1:
		return at.global > 0 ? (struct position){ at.global - 1, 0 } : at;
	default:
		return at;
	}
}

static struct session_heads make_heads(struct story *story) {
	struct session_heads heads = { .backend = near(story), .final = near(story), .has_backend = true };

	if (fuzz_below(story->input, 4) > 0)
		heads.backend = heads.final;
	heads.generation = story->machine.heads.generation + fuzz_below(story->input, 2);
	return heads;
}

static void make_commit(struct story *story, struct session_input *ret) {
	unsigned n = 1 + fuzz_below(story->input, UNIT_MAX);
	bool client_only = fuzz_below(story->input, 4) == 0;

	for (unsigned i = 0; i < n; i++) {
		story->unit[i] = (struct entry){ .id = id_of(story->committed + i), .unit = id_of(story->committed),
			                             .unit_index = i, .unit_count = n, .client_only = client_only };
		story->unit[i].content.bytes[0] = (uint8_t)(story->committed + i);
	}
	story->committed += n;
	*ret = (struct session_input){ .kind = SESSION_COMMIT, .unit = story->unit, .n_unit = n };
}

static void make_welcome(struct story *story, struct session_input *ret) {
	struct session_welcome *welcome = &ret->welcome;
	size_t known, n = story->machine.n_greeted < IDS ? story->machine.n_greeted : IDS;

	*ret = (struct session_input){ .kind = SESSION_WELCOME };
	welcome->image = fuzz_below(story->input, 2) || story->machine.want_image;
	welcome->at = near(story);
	welcome->heads = make_heads(story);
	welcome->verdicts = story->verdicts;
	welcome->n_verdicts = n + (fuzz_u8(story->input) == 255);
	if (welcome->n_verdicts > IDS)
		welcome->n_verdicts = IDS;
	known = fuzz_below(story->input, (unsigned)n + 1);
	for (size_t i = 0; i < welcome->n_verdicts; i++)
		story->verdicts[i] = i < known ? 1 + fuzz_below(story->input, 2) : VERDICT_UNKNOWN;
	if (fuzz_u8(story->input) == 255)
		story->verdicts[IDS - 1] = VERDICT_LOGGED;
}

static const struct entry *find_pending(const struct story *story, const struct event_id *id) {
	size_t n;
	const struct pending *pending = session_pending(&story->machine, &n);

	for (size_t i = 0; i < n; i++)
		if (event_id_equal(&pending[i].entry.id, id))
			return &pending[i].entry;
	return NULL;
}

static void make_event(struct story *story, struct incoming *ret, size_t own_at, struct position *head) {
	struct fuzz_input *input = story->input;
	size_t n;
	const struct pending *pending = session_pending(&story->machine, &n);
	const struct entry *own;
	uint8_t what = fuzz_u8(input);

	*ret = (struct incoming){ 0 };
	ret->entry.id = id_of(1000u + fuzz_u8(input));
	ret->entry.unit = ret->entry.id;
	ret->entry.unit_count = 1;
	ret->entry.client_only = what % 8 == 1;
	if (what % 2 == 0 && own_at < n)
		ret->entry = pending[own_at].entry;
	else if (what == 255)
		ret->entry.id = id_of(fuzz_below(input, IDS));
	ret->entry.at = make_position(input);
	if (what < 240 && head->global < INT64_MAX && head->client < INT64_MAX)
		ret->entry.at = position_next(*head, ret->entry.client_only);
	*head = ret->entry.at;
	/* The shell looks it up. */
	own = find_pending(story, &ret->entry.id);
	ret->is_pending = own != NULL;
	ret->content_differs = own && !hash_equal(&own->content, &ret->entry.content);
	ret->hash_differs = what == 249;
}

static void make_feed(struct story *story, struct session_input *ret) {
	struct payload *payload = &ret->feed.payload;
	struct position head = story->machine.heads.leader;
	size_t own_at = 0;
	unsigned n;

	*ret = (struct session_input){ .kind = SESSION_FEED };
	payload->kind = fuzz_below(story->input, 3) == 0 ? PAYLOAD_REBASE : PAYLOAD_ADVANCE;
	if (payload->kind == PAYLOAD_REBASE)
		head = payload->back_to = near(story);
	n = fuzz_below(story->input, 4);
	for (unsigned i = 0; i < n; i++)
		story->refused[i] = id_of(fuzz_below(story->input, IDS));
	payload->refused = story->refused;
	payload->n_refused = n;
	n = fuzz_below(story->input, EVENTS_MAX);
	for (unsigned i = 0; i < n; i++) {
		make_event(story, &story->events[i], own_at, &head);
		own_at += story->events[i].is_pending;
	}
	payload->events = story->events;
	payload->n_events = n;
	ret->feed.heads = make_heads(story);
}

static void make_changed(struct story *story, struct session_input *ret) {
	static const enum session_outcome outcomes[] = { SESSION_DONE, SESSION_DONE, SESSION_DONE, SESSION_FAILED,
		                                             SESSION_BEYOND_JOURNAL, SESSION_DIFFERS };

	*ret = (struct session_input){ .kind = SESSION_CHANGED, .outcome = outcomes[fuzz_below(story->input, 6)] };
	if (story->machine.replay.n <= IDS) {
		for (size_t i = 0; i < story->machine.replay.n; i++)
			story->suspended[i] = fuzz_below(story->input, 4) == 0;
		ret->suspended = story->suspended;
	}
}

/* What may come now. False: nothing, the machine waits for an answer and gets it. */
static void make_input(struct story *story, struct session_input *ret) {
	unsigned choice = fuzz_below(story->input, 16);

	if (story->machine.work == SESSION_CHANGING && choice > 2) {
		make_changed(story, ret);
	} else if (story->machine.work == SESSION_APPLYING && choice > 2) {
		*ret = (struct session_input){ .kind = SESSION_APPLIED, .outcome = choice % 8 };
		if (ret->outcome > SESSION_FAILED)
			ret->outcome = SESSION_DONE;
	} else if (choice == 0) {
		*ret = (struct session_input){ .kind = SESSION_LOST };
	} else if (choice == 1) {
		*ret = (struct session_input){ .kind = SESSION_RESYNC };
	} else if (choice < 6) {
		make_commit(story, ret);
	} else if (story->machine.link == SESSION_DETACHED) {
		*ret = (struct session_input){ .kind = SESSION_CONNECTED };
	} else if (story->machine.link == SESSION_GREETING ? choice != 7 : choice == 7) {
		make_welcome(story, ret);
	} else {
		make_feed(story, ret);
	}
}

static void expect_effects(const struct story *story) {
	size_t n;

	session_pending(&story->machine, &n);
	for (unsigned i = 0; i < story->effects.n; i++) {
		const struct session_effect *effect = &story->effects.list[i];

		if (effect->kind == SESSION_SEND || effect->kind == SESSION_ACCEPT)
			fuzz_expect(effect->n > 0 && effect->first + effect->n <= n);
		if (effect->kind == SESSION_SEND)
			fuzz_expect(story->machine.link == SESSION_LIVE);
		if (effect->kind == SESSION_CHANGE)
			fuzz_expect(story->machine.work == SESSION_CHANGING && i + 1 == story->effects.n);
	}
}

/* Committed events stay pending until upstream brings or refuses them: an input that is not taken changes nothing. */
static void step(struct story *story, const struct session_input *input) {
	struct error error = { 0 };
	size_t n_before, n_after;
	int r;

	session_pending(&story->machine, &n_before);
	story->machine.tracing = fuzz_below(story->input, 2) == 0;
	r = session_step(&story->machine, input, &story->effects, &error);
	session_pending(&story->machine, &n_after);
	fuzz_expect_told(r, &error);
	fuzz_expect(r == 0 || r == SESSION_LATER || r == ERROR_PROTOCOL || r == ERROR_CONFLICT || r == ERROR_FULL);
	fuzz_expect(r == 0 || story->effects.n == 0);
	if (r != 0 || (input->kind != SESSION_CHANGED && input->kind != SESSION_APPLIED))
		fuzz_expect(n_before == n_after);
	if (r == 0)
		expect_effects(story);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
	struct fuzz_input input = { data, n };
	struct story *story = calloc(1, sizeof(*story));

	must(story != NULL);
	story->input = &input;
	session_machine_init(&story->machine);
	for (unsigned i = 0; i < STEPS_MAX && input.n > 0; i++) {
		struct session_input next;

		make_input(story, &next);
		step(story, &next);
	}
	session_machine_finish(&story->machine);
	free(story);
	return 0;
}
