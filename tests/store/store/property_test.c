/*
 * Whatever happens to a store, in whatever order, its state is that of a replay.
 */

#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"

#define ROUNDS 12
#define STEPS 120

struct world {
	struct chance chance;
	struct place place;
	struct store *store;
	struct kept old; /* a state of some time ago */
	bool has_old;
	unsigned next_number;
	uint32_t version; /* of the schema in force */
};

static struct event *make_any(struct world *world, unsigned number) {
	char id[8], args[96];

	snprintf(id, sizeof(id), "t%u", (unsigned)chance_below(&world->chance, 8));
	snprintf(args, sizeof(args), "{\"id\":\"%s\"}", id);
	switch (chance_below(&world->chance, 8)) {
	case 0:
	case 1:
	case 2:
		return added(number, id);
	case 3:
		return make_event(number, "removed", args);
	case 4:
		return make_event(number, "counted", args); /* known to every second schema */
	default:
		snprintf(args, sizeof(args), "title %u", number);
		return renamed(number, id, args);
	}
}

static size_t make_unit(struct world *world, struct event **unit) {
	size_t n = chance_below(&world->chance, 4) ? 1 : 1 + chance_below(&world->chance, 5);

	for (size_t i = 0; i < n; i++)
		unit[i] = make_any(world, world->next_number++);
	join(unit, n);
	return n;
}

static enum death any_death(struct world *world) {
	return chance_below(&world->chance, 6) == 0 ? DIES_BEFORE_STATE : LIVES;
}

/* After such a death either the process starts again, or it rolls forward. */
static void recover(struct world *world, enum death death) {
	struct error error = { 0 };

	if (death == LIVES)
		return;
	if (chance_below(&world->chance, 2))
		world->store = reopen(world->store, &world->place);
	else if (store_roll_forward(world->store, &error) < 0)
		fail_msg("%s", error.text);
}

static void push_any(struct world *world) {
	struct event *unit[8];
	enum death death = any_death(world);
	size_t n = make_unit(world, unit);

	push_unit(world->store, unit, n, death);
	recover(world, death);
}

static void look_any(struct world *world) {
	struct event *event = make_event(world->next_number++, "looked", "{\"id\":\"t1\"}");
	enum death death = any_death(world);

	push_unit(world->store, &event, 1, death);
	recover(world, death);
}

/* The number of an event that was confirmed, or 0. */
static unsigned any_confirmed(struct world *world) {
	uint64_t n = status_of(world->store).upstream_head.global;
	struct event *event = NULL;
	struct error error = { 0 };
	unsigned number = 0;

	if (n == 0)
		return 0;
	assert_int_equal(eventlog_get(world->store->log, synced(1 + chance_below(&world->chance, n)), &event, &error), 0);
	for (size_t i = 12; i < 16; i++)
		number = number << 8 | event->entry.id.bytes[i];
	event_destroy(event);
	return number;
}

static void pull_any(struct world *world) {
	struct event *unit[8];
	enum death death = any_death(world);
	size_t n = make_unit(world, unit);

	/* Now and then an id that was confirmed before, so that its unit is void. */
	if (chance_below(&world->chance, 5) == 0) {
		unsigned number = any_confirmed(world);

		if (number) {
			event_destroy(unit[n - 1]);
			unit[n - 1] = make_any(world, number);
			join(unit, n);
		}
	}
	pull_unit(world->store, unit, n, death);
	recover(world, death);
}

static void confirm_some(struct world *world) {
	struct eventlog_status status = status_of(world->store);
	struct position at = status.upstream_head;
	struct event *event = NULL;
	struct error error = { 0 };

	if (status.head.global == status.upstream_head.global)
		return;
	at.global += 1 + chance_below(&world->chance, status.head.global - status.upstream_head.global);
	/* To the end of that unit. */
	assert_int_equal(eventlog_get(world->store->log, at, &event, &error), 0);
	at.global += event->entry.unit_count - 1 - event->entry.unit_index;
	event_destroy(event);
	confirm(world->store, at);
}

static void keep_or_put_back(struct world *world) {
	if (!world->has_old) {
		keep_state(&world->place, &world->old);
		world->has_old = true;
		return;
	}
	store_close(world->store);
	put_back(&world->place, &world->old);
	kept_finish(&world->old);
	world->has_old = false;
	world->store = open_store(&world->place);
}

static void lose_state(struct world *world) {
	store_close(world->store);
	remove_state(&world->place);
	world->store = open_store(&world->place);
}

static void rebuild(struct world *world) {
	struct error error = { 0 };

	if (store_rebuild(world->store, false, &error) < 0)
		fail_msg("%s", error.text);
}

static void upgrade(struct world *world) {
	const char *base = chance_below(&world->chance, 2) ? schema_1 : schema_2;
	const char *number = strstr(base, "version ") + strlen("version ");
	struct error error = { 0 };
	char *text = NULL;

	assert_true(asprintf(&text, "%.*s%u%s", (int)(number - base), base, ++world->version, number + 1) > 0);
	if (store_install_schema(world->store, text, NULL, &error) < 0)
		fail_msg("%s", error.text);
	free(text);
}

static void step(struct world *world) {
	switch (chance_below(&world->chance, 20)) {
	case 0:
	case 1:
	case 2:
	case 3:
		pull_any(world);
		break;
	case 4:
	case 5:
		confirm_some(world);
		break;
	case 6:
	case 7:
		look_any(world);
		break;
	case 8:
	case 9:
		keep_or_put_back(world);
		break;
	case 10:
		world->store = reopen(world->store, &world->place);
		if (chance_below(&world->chance, 3) == 0)
			shorten_journal(world->store); /* until the next opening */
		break;
	case 11:
		lose_state(world);
		break;
	case 12:
		rebuild(world);
		break;
	case 13:
		upgrade(world);
		break;
	default:
		push_any(world);
		break;
	}
}

static void the_state_is_always_that_of_a_replay(void **data) {
	struct world world = { .chance = chance_begin("store/property") };
	struct store_verification result;
	struct error error = { 0 };
	uint64_t voids = 0, refused = 0, generations = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		place_make(&world.place);
		world.store = open_store(&world.place);
		world.next_number = 1;
		world.version = 1;
		set_has_backend(world.store, true);
		for (unsigned i = 0; i < STEPS; i++) {
			step(&world);
			assert_is_replay(world.store);
		}
		if (store_verify(world.place.folder, NULL, NULL, NULL, &result, &error) < 0)
			fail_msg("%s", error.text);
		voids += result.voids;
		refused += result.refused;
		generations += status_of(world.store).generation;
		if (world.has_old)
			kept_finish(&world.old);
		world.has_old = false;
		store_close(world.store);
		place_remove(&world.place);
	}
	printf("%llu voids, %llu refused, %llu rebases\n", (unsigned long long)voids, (unsigned long long)refused,
	       (unsigned long long)generations);
	/* Of each a good number, or the test has lost its point. */
	assert_true(voids > ROUNDS && refused > ROUNDS && generations > ROUNDS);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_state_is_always_that_of_a_replay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
