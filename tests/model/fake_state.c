#include "fake_state.h"

#include <string.h>

#include "base/must.h"

unsigned fake_number(const struct entry *entry) {
	unsigned number;

	memcpy(&number, entry->id.bytes, sizeof(number));
	return number;
}

static void set_id(struct event_id *ret, unsigned number) {
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->bytes, &number, sizeof(number));
	ret->bytes[15] = 1;
}

void fake_entry(struct entry *ret, const struct fake_event *events, unsigned number, struct position at) {
	const struct fake_event *event = &events[number];

	*ret = (struct entry){ .at = at,
		                   .unit_index = number - event->unit_first,
		                   .unit_count = event->unit_count,
		                   .client_only = event->operation == FAKE_LOOK };
	set_id(&ret->id, number);
	set_id(&ret->unit, event->unit_first);
	memcpy(ret->content.bytes, ret->id.bytes, sizeof(ret->id.bytes));
}

static bool apply_to_keys(bool keys[FAKE_KEYS], const struct fake_event *event) {
	switch (event->operation) {
	case FAKE_CREATE:
		if (keys[event->key])
			return false;
		keys[event->key] = true;
		return true;
	case FAKE_REMOVE:
		if (!keys[event->key])
			return false;
		keys[event->key] = false;
		return true;
	case FAKE_TOUCH:
		return true;
	case FAKE_LOOK:
		return keys[event->key];
	}
	return false;
}

bool fake_apply(struct fake_state *state, const struct fake_event *events, const struct entry *unit, size_t n) {
	bool keys[FAKE_KEYS];

	memcpy(keys, state->keys, sizeof(keys));
	for (size_t i = 0; i < n; i++)
		if (!apply_to_keys(keys, &events[fake_number(&unit[i])]))
			return false;
	memcpy(state->keys, keys, sizeof(keys));
	must(state->n + n <= FAKE_EVENTS_MAX);
	for (size_t i = 0; i < n; i++) {
		must(position_compare(state->head, unit[i].at) < 0);
		state->rows[state->n++] = (struct fake_row){ fake_number(&unit[i]), unit[i].at };
		state->head = unit[i].at;
	}
	return true;
}

bool fake_undo(struct fake_state *state, const struct fake_event *events, struct position to) {
	if (position_compare(to, state->base) < 0)
		return false;
	while (state->n > 0 && position_compare(state->rows[state->n - 1].at, to) > 0)
		state->n--;
	if (position_compare(to, state->head) < 0)
		state->head = to;
	memset(state->keys, 0, sizeof(state->keys));
	for (size_t i = 0; i < state->n; i++)
		must(apply_to_keys(state->keys, &events[state->rows[i].event]));
	return true;
}

bool fake_equal(const struct fake_state *a, const struct fake_state *b) {
	if (a->n != b->n || memcmp(a->keys, b->keys, sizeof(a->keys)) != 0)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->rows[i].event != b->rows[i].event || !position_equal(a->rows[i].at, b->rows[i].at))
			return false;
	return true;
}
