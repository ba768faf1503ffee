/*
 * Undo is an optimization over replay, and replay is its oracle: whatever
 * generated events did, and wherever they are undone to, the state is byte for
 * byte, rowids included, what a fresh state makes of the events that are left.
 *
 * LEADERD_SEED chooses another run, LEADERD_ROUNDS another length.
 */

#include "fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "generate.h"

#define STEPS 60
#define LOG_MAX (STEPS * 3 + 1)

/* An event that stands in the log: what a replay needs, and its digest. */
struct logged {
	struct event *event;
	bool skipped;
};

struct counts {
	uint64_t applied, refused, undone, skipped, undos, replays, images, reopened, rolled_back, trims;
};

struct run {
	struct chance chance;
	struct generated generated;
	struct schema *schema;
	struct state *state;
	char *path;          /* NULL: in memory */
	struct logged log[LOG_MAX];
	size_t n_log;
	uint64_t serial;
	struct counts counts;
};

static struct position head_of(const struct run *run) {
	return run->n_log ? run->log[run->n_log - 1].event->entry.at : POSITION_ROOT;
}

static struct event *random_event(struct run *run, struct position after) {
	struct bytes args = { 0 };
	char name[16];
	bool local = chance_below(&run->chance, 10) == 0;
	unsigned n = local ? run->generated.n_client_only : run->generated.n_events;

	snprintf(name, sizeof(name), "%c%u", local ? 'c' : 'e', chance_below(&run->chance, n));
	generate_args(&run->chance, &args);
	struct event *event = make_event(position_next(after, local), name, (const char *)args.data);

	run->serial++;
	memcpy(event->entry.id.bytes, &run->serial, sizeof(run->serial));
	bytes_finish(&args);
	return event;
}

static void drop_log(struct run *run, size_t n) {
	while (run->n_log > n)
		event_destroy(run->log[--run->n_log].event);
}

static void begin(struct run *run) {
	struct error error = { 0 };

	assert_int_equal(state_begin(run->state, &error), 0);
}

static void commit(struct run *run) {
	struct error error = { 0 };

	assert_int_equal(state_commit(run->state, &error), 0);
}

/* One to three events as a unit, each accepted or the unit without a trace. */
static void apply_unit(struct run *run) {
	size_t n = 1 + (chance_below(&run->chance, 4) == 0 ? chance_below(&run->chance, 3) : 0);
	struct event *unit[3];
	struct error error = { 0 };
	struct position at = head_of(run);
	char *before = deep_dump_of(run->state);

	for (size_t i = 0; i < n; i++) {
		unit[i] = random_event(run, at);
		at = unit[i]->entry.at;
	}
	begin(run);
	int r = state_apply(run->state, unit, n, &error);

	if (r < 0)
		fail_msg("%s %s: %s\n%s", unit[0]->name, unit[0]->args, error.text, (const char *)run->generated.text.data);
	if (r == 0 && chance_below(&run->chance, 12) == 0) {
		state_rollback(run->state);
		run->counts.rolled_back++;
		r = STATE_REFUSED;
	} else {
		commit(run);
	}
	if (r == 0) {
		for (size_t i = 0; i < n; i++)
			run->log[run->n_log++] = (struct logged){ .event = unit[i] };
		run->counts.applied += n;
	} else {
		char *after = deep_dump_of(run->state);

		assert_string_equal(before, after);
		free(after);
		for (size_t i = 0; i < n; i++)
			event_destroy(unit[i]);
		run->counts.refused += n;
	}
	assert_head(run->state, head_of(run));
	free(before);
}

static void skip_event(struct run *run) {
	struct event *event = random_event(run, head_of(run));
	struct error error = { 0 };

	begin(run);
	assert_int_equal(state_skip(run->state, event, "a test", &error), 0);
	commit(run);
	run->log[run->n_log++] = (struct logged){ .event = event, .skipped = true };
	run->counts.skipped++;
}

/* The oracle: a fresh state, and the same digests on the way. */
static void compare_with_replay(struct run *run) {
	struct state *fresh = open_memory(run->schema);
	struct error error = { 0 };

	assert_int_equal(state_begin(fresh, &error), 0);
	for (size_t i = 0; i < run->n_log; i++) {
		struct event *event = run->log[i].event;
		uint64_t digest = event->digest;

		if (run->log[i].skipped)
			assert_int_equal(state_skip(fresh, event, "a test", &error), 0);
		else if (state_apply(fresh, &event, 1, &error) != 0)
			fail_msg("%s %s: %s", event->name, event->args, error.text);
		assert_true(event->digest == digest);
	}
	assert_int_equal(state_commit(fresh, &error), 0);

	char *expected = deep_dump_of(fresh), *found = deep_dump_of(run->state);

	if (strcmp(expected, found) != 0)
		fail_msg("expected\n%s\nfound\n%s\nunder\n%s", expected, found, (const char *)run->generated.text.data);
	assert_int_equal(state_voids(run->state), state_voids(fresh));
	assert_sound(run->state);
	free(expected);
	free(found);
	state_close(fresh);
	run->counts.replays++;
}

static void undo_somewhere(struct run *run) {
	size_t keep = chance_below(&run->chance, (unsigned)run->n_log + 1);
	struct position to = keep ? run->log[keep - 1].event->entry.at : POSITION_ROOT;
	struct position base = state_journal_base(run->state);

	if (position_compare(to, base) < 0) {
		assert_int_equal(undo_to(run->state, to), STATE_BEYOND_JOURNAL);
		return;
	}
	assert_int_equal(undo_to(run->state, to), 0);
	run->counts.undone += run->n_log - keep;
	run->counts.undos++;
	drop_log(run, keep);
	assert_head(run->state, to);
	compare_with_replay(run);
}

static void trim_somewhere(struct run *run) {
	size_t up_to = chance_below(&run->chance, (unsigned)run->n_log + 1);
	struct error error = { 0 };

	begin(run);
	assert_int_equal(state_trim(run->state, up_to ? run->log[up_to - 1].event->entry.at : POSITION_ROOT, &error), 0);
	commit(run);
	run->counts.trims++;
}

/* A file is closed and opened; a state in memory goes through an image. */
static void move_state(struct run *run) {
	struct error error = { 0 };

	if (run->path) {
		struct state_options options = { .path = run->path, .schema = run->schema };

		state_close(run->state);
		assert_int_equal(state_open(&run->state, &options, &error), 0);
		run->counts.reopened++;
		return;
	}
	int fd = memfd_create("image", MFD_CLOEXEC);
	uint64_t bytes;
	struct state *other = open_memory(run->schema);

	assert_true(fd >= 0);
	assert_int_equal(state_image_write(run->state, fd, &bytes, &error), 0);
	if (state_image_read(other, fd, bytes, run->schema, &error) != 0)
		fail_msg("%s", error.text);
	close(fd);
	state_close(run->state);
	run->state = other;
	run->counts.images++;
}

static void step(struct run *run) {
	unsigned what = chance_below(&run->chance, 100);

	if (what < 80)
		apply_unit(run);
	else if (what < 82)
		skip_event(run);
	else if (what < 94)
		undo_somewhere(run);
	else if (what < 96)
		trim_somewhere(run);
	else
		move_state(run);
}

static void open_state(struct run *run) {
	struct state_options options = { .schema = run->schema };
	struct error error = { 0 };

	if (chance_below(&run->chance, 8) > 0) {
		run->state = open_memory(run->schema);
		return;
	}
	options.path = run->path = make_path();
	assert_int_equal(state_open(&run->state, &options, &error), STATE_REBUILD);
	begin(run);
	assert_int_equal(state_set_complete(run->state, true, &error), 0);
	commit(run);
}

static void one_round(struct run *run) {
	generate_schema(&run->chance, &run->generated);
	run->schema = make_schema((const char *)run->generated.text.data);
	open_state(run);
	for (unsigned i = 0; i < STEPS; i++)
		step(run);
	compare_with_replay(run);
	run->state = state_close(run->state);
	if (run->path)
		remove_path(run->path);
	run->path = NULL;
	drop_log(run, 0);
	run->schema = schema_destroy(run->schema);
}

static uint64_t number_of(const char *name, uint64_t otherwise) {
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void undo_equals_replay_for_generated_schemas_and_events(void **data) {
	struct run run = { 0 };
	uint64_t seed = number_of("LEADERD_SEED", 20240229);
	uint64_t rounds = number_of("LEADERD_ROUNDS", 120);

	run.chance.state = seed;
	print_message("seed %" PRIu64 ", %" PRIu64 " rounds\n", seed, rounds);
	for (uint64_t i = 0; i < rounds; i++)
		one_round(&run);
	generate_finish(&run.generated);
	print_message("applied %" PRIu64 ", refused %" PRIu64 ", skipped %" PRIu64 ", undone %" PRIu64 " in %" PRIu64
	              " undos, replays %" PRIu64 ", images %" PRIu64 ", reopened %" PRIu64 ", rolled back %" PRIu64 "\n",
	              run.counts.applied, run.counts.refused, run.counts.skipped, run.counts.undone, run.counts.undos,
	              run.counts.replays, run.counts.images, run.counts.reopened, run.counts.rolled_back);
	/* The generator still does what this test is for. */
	assert_true(run.counts.applied > 15 * rounds);
	assert_true(run.counts.refused > rounds);
	assert_true(run.counts.undone > 5 * rounds);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(undo_equals_replay_for_generated_schemas_and_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
