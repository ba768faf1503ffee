/*
 * Whole devices: the world of tests/model, its two leaders, four sessions and one
 * backend, with every choice and every fault taken from the bytes. It may go wrong
 * in any order; in the end it heals, and everything promised must hold.
 *
 * The world's files are compiled for this target with chance_of_bytes.h in the place
 * of chance.h: chance is the input, and behind its end a fixed sequence, so that healing ends.
 */

#include "fuzz.h"
#include "world.h"

#define STEPS_MAX 150u

static struct fuzz_input chance_input;

uint64_t chance_next(struct chance *chance) {
	uint64_t bits = chance->state += UINT64_C(0x9e3779b97f4a7c15);

	if (chance_input.n > 0)
		return fuzz_u8(&chance_input);
	bits = (bits ^ bits >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	bits = (bits ^ bits >> 27) * UINT64_C(0x94d049bb133111eb);
	return bits ^ bits >> 31;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
	struct fuzz_input input = { data, n };
	unsigned fault_rate = 4 + fuzz_below(&input, 60);
	struct world *world = world_create(20240229, fault_rate);

	chance_input = input;
	for (unsigned step = 0; step < STEPS_MAX && chance_input.n > 0; step++)
		world_step(world);
	chance_input = (struct fuzz_input){ 0 };
	world_heal(world);
	world_check_healed(world);
	world_destroy(world);
	return 0;
}
