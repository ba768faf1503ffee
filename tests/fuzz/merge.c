/*
 * The merge, against a slow and plain reckoning of what a node sees afterwards.
 *
 * The bytes make a node (its upstream head, what is pending and where) and a
 * payload. What merge takes must leave the log that DESIGN asks for: upstream's
 * events as sent, then every pending event that neither arrived nor was refused, in
 * old order, gap-free; and it must not undo what could have stayed.
 */

#include <string.h>

#include "fuzz.h"
#include "model/merge.h"

#define PENDING_MAX 12u
#define EVENTS_MAX 12u
#define IDS 24u

struct story {
	struct pending pending[PENDING_MAX];
	struct incoming events[EVENTS_MAX];
	struct event_id refused[4];
	struct merge_view view;
	struct payload payload;
};

static struct event_id id_of(unsigned number) {
	return (struct event_id){ { (uint8_t)(number + 1) } };
}

/* Makes units of one to three events of entries side by side; now and then a wrong one. */
static void make_entry(struct fuzz_input *input, struct entry *ret, const struct entry *before) {
	uint8_t wrong = fuzz_u8(input);

	ret->content.bytes[0] = ret->id.bytes[0];
	if (before && before->unit_index + 1 < before->unit_count) {
		ret->unit = before->unit;
		ret->unit_index = before->unit_index + 1;
		ret->unit_count = before->unit_count;
		ret->client_only = before->client_only;
	} else {
		ret->unit = ret->id;
		ret->unit_count = 1 + wrong % 8 / 6;
	}
	if (wrong == 255)
		ret->unit_count++;
}

static void make_pending(struct fuzz_input *input, struct story *story) {
	struct position head = story->view.upstream_head;
	unsigned n = fuzz_below(input, PENDING_MAX);

	for (unsigned i = 0; i < n; i++) {
		struct entry *entry = &story->pending[i].entry;
		struct entry *before = i > 0 ? &story->pending[i - 1].entry : NULL;

		*entry = (struct entry){ .id = id_of(i) };
		entry->client_only = fuzz_below(input, 4) == 0;
		entry->content.bytes[0] = entry->id.bytes[0];
		entry->unit = entry->id;
		entry->unit_count = 1;
		if (before && fuzz_below(input, 4) == 0 && before->unit_count == 1) { /* a unit of two */
			before->unit_count = entry->unit_count = 2;
			entry->unit = before->unit;
			entry->unit_index = 1;
			entry->client_only = before->client_only;
		}
		head = entry->at = position_next(head, entry->client_only);
		story->pending[i].suspended = fuzz_below(input, 8) == 0;
	}
	story->view.pending = story->pending;
	story->view.n_pending = n;
	story->view.local_head = head;
}

static const struct pending *find(const struct story *story, const struct event_id *id) {
	for (size_t i = 0; i < story->view.n_pending; i++)
		if (event_id_equal(&story->pending[i].entry.id, id))
			return &story->pending[i];
	return NULL;
}

static void make_event(struct fuzz_input *input, struct story *story, size_t i, struct position *head) {
	struct incoming *incoming = &story->events[i];
	struct entry *entry = &incoming->entry;
	const struct pending *own;
	uint8_t place = fuzz_u8(input);

	*incoming = (struct incoming){ 0 };
	entry->id = id_of(fuzz_below(input, IDS));
	entry->client_only = place % 4 == 1;
	own = find(story, &entry->id);
	if (own)
		*entry = own->entry;
	else
		make_entry(input, entry, i > 0 ? &story->events[i - 1].entry : NULL);
	*head = entry->at = position_next(*head, entry->client_only);
	if (place > 250)
		entry->at.global = fuzz_number(input);
	if (place == 250)
		entry->at.client = fuzz_number(input);
	incoming->is_pending = own != NULL;
	incoming->content_differs = fuzz_u8(input) > 250;
	incoming->hash_differs = fuzz_u8(input) > 250;
}

static void make_story(struct fuzz_input *input, struct story *story) {
	struct position head;
	unsigned n;

	*story = (struct story){ 0 };
	story->view.upstream_head = (struct position){ fuzz_below(input, 8), fuzz_below(input, 3) };
	make_pending(input, story);
	story->payload.kind = fuzz_below(input, 2) ? PAYLOAD_REBASE : PAYLOAD_ADVANCE;
	head = story->view.upstream_head;
	if (story->payload.kind == PAYLOAD_REBASE)
		head = story->payload.back_to = (struct position){ fuzz_below(input, 9), fuzz_below(input, 3) };
	n = fuzz_below(input, 5);
	for (unsigned i = 0; i < n && i < 4; i++)
		story->refused[story->payload.n_refused++] = id_of(fuzz_below(input, IDS));
	story->payload.refused = story->refused;
	n = fuzz_below(input, EVENTS_MAX);
	for (unsigned i = 0; i < n; i++)
		make_event(input, story, i, &head);
	story->payload.events = story->events;
	story->payload.n_events = n;
}

static bool arrives(const struct story *story, const struct entry *entry) {
	for (size_t i = 0; i < story->payload.n_events; i++)
		if (event_id_equal(&story->events[i].entry.id, &entry->id))
			return true;
	return false;
}

/* Of each pending event: does it leave? The result's counts must say the same. */
static void expect_fates(const struct story *story, const struct merge_result *result) {
	fuzz_expect(result->n_left <= result->n_kept && result->n_kept <= story->view.n_pending);
	for (size_t i = 0; i < story->view.n_pending; i++) {
		const struct entry *entry = &story->pending[i].entry;
		bool leaves = arrives(story, entry) || merge_is_refused(&story->payload, entry);

		if (i < result->n_left)
			fuzz_expect(leaves);
		else if (i < result->n_kept)
			fuzz_expect(!leaves);
		else
			fuzz_expect(!arrives(story, entry)); /* the refused among them are not replayed */
	}
}

/* What arrives stands where upstream says, without a gap; what stays stands behind it. */
static void expect_log(const struct story *story, const struct merge_result *result) {
	struct position head = story->view.upstream_head;

	if (story->payload.kind == PAYLOAD_REBASE)
		head = story->payload.back_to;
	for (size_t i = 0; i < story->payload.n_events; i++) {
		const struct incoming *incoming = &story->events[i];

		fuzz_expect(position_equal(incoming->entry.at, position_next(head, incoming->entry.at.client != 0)));
		fuzz_expect(!incoming->hash_differs && !incoming->content_differs);
		head = incoming->entry.at;
	}
	fuzz_expect(position_equal(result->upstream_head, head));
	for (size_t i = result->n_left; i < result->n_kept; i++) {
		const struct entry *entry = &story->pending[i].entry;

		fuzz_expect(position_equal(entry->at, position_next(head, entry->client_only)));
		head = entry->at;
	}
}

/* The state undoes behind undo_to, and applies from n_confirmed on: nothing that stays may be undone, nothing that is
 * applied may stand there already, and what confirms was there. */
static void expect_change(const struct story *story, const struct merge_result *result) {
	bool rebase = result->kind == MERGE_REBASE;

	fuzz_expect(result->n_confirmed <= story->payload.n_events);
	for (size_t i = 0; i < story->payload.n_events; i++) {
		const struct entry *entry = &story->events[i].entry;
		const struct pending *own = find(story, &entry->id);

		if (i < result->n_confirmed) {
			fuzz_expect(own && !own->suspended && position_equal(own->entry.at, entry->at));
			fuzz_expect(!rebase || position_compare(entry->at, result->undo_to) <= 0);
		} else if (rebase) {
			fuzz_expect(position_compare(entry->at, result->undo_to) > 0);
		}
	}
	for (size_t i = result->n_left; rebase && i < story->view.n_pending; i++) {
		int order = position_compare(story->pending[i].entry.at, result->undo_to);

		fuzz_expect(i < result->n_kept ? order <= 0 : order > 0);
	}
	if (rebase) {
		fuzz_expect(position_compare(result->undo_to, result->undo_from) < 0);
		fuzz_expect(position_compare(result->undo_to, story->view.local_head) <= 0);
	} else {
		fuzz_expect(story->payload.kind == PAYLOAD_ADVANCE && result->n_kept == story->view.n_pending);
		fuzz_expect(result->n_confirmed == story->payload.n_events || result->n_left == story->view.n_pending);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
	struct fuzz_input input = { data, n };
	struct story story;
	struct merge_result result;
	struct error error = { 0 };
	int r;

	make_story(&input, &story);
	r = merge(&story.view, &story.payload, &result, &error);
	fuzz_expect_told(r, &error);
	fuzz_expect(r == 0 || r == ERROR_PROTOCOL || r == ERROR_CONFLICT);
	if (r == 0) {
		expect_fates(&story, &result);
		expect_log(&story, &result);
		expect_change(&story, &result);
	}
	return 0;
}
