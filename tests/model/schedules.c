/*
 * Random schedules: two devices with two sessions each, one backend, ten kinds of
 * fault. Every machine checks its invariants after every step; after healing,
 * DESIGN's promises are checked: convergence, nothing lost, doubled, split or
 * reordered, no confirmed event without effect.
 *
 * LEADERD_SEED starts elsewhere; LEADERD_SCHEDULES runs more of them.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"

#define SCHEDULES 10000u
#define STEPS 150u

static unsigned schedules_wanted(void) {
	const char *given = getenv("LEADERD_SCHEDULES");

	return given != NULL ? (unsigned)strtoul(given, NULL, 10) : SCHEDULES;
}

static void every_schedule_heals(void **state) {
	struct chance chance = chance_begin("schedules");
	uint64_t first_seed = chance.state;
	unsigned n = schedules_wanted(), faults[FAULTS] = { 0 }, events = 0, rebases = 0, refusals = 0, suspensions = 0,
			 confirmed = 0, staged = 0;

	for (unsigned i = 0; i < n; i++) {
		struct world *world = world_create(first_seed + i, 8 + i % 40);

		if (getenv("LEADERD_TRACE") != NULL)
			printf("schedule of seed %" PRIu64 "\n", first_seed + i), fflush(stdout);
		for (unsigned step = 0; step < STEPS; step++)
			world_step(world);
		world_heal(world);
		world_check_healed(world);
		for (unsigned k = 0; k < FAULTS; k++)
			faults[k] += world->faults[k];
		events += world->n_events;
		confirmed += (unsigned)world->n_backend;
		rebases += world->rebases;
		refusals += world->refusals;
		staged += world->staged_rebases;
		suspensions += world->suspensions;
		world_destroy(world);
	}
	printf("%u schedules of %u steps from seed %" PRIu64
	       ": %u events, %u confirmed, %u rebases (%u staged), %u refusals, %u suspensions\n",
	       n, STEPS, first_seed, events, confirmed, rebases, staged, refusals, suspensions);
	for (unsigned k = 0; k < FAULTS; k++) {
		printf("  fault: %-24s %u\n", fault_names[k], faults[k]);
		assert_true(faults[k] > 0);
	}
	assert_true(rebases > 0 && staged > 0 && refusals > 0 && suspensions > 0);
}

int main(void) {
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_schedule_heals) };

	return cmocka_run_group_tests_name("schedules", tests, NULL, NULL);
}
