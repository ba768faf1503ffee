/*
 * A leader that is killed at any change of any file: the next opening has the
 * log's state, and what the log had made durable is there.
 */

#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash.h"

/* Freed memory that the address sanitizer keeps would be copied by every fork. */
const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *__asan_default_options(void) {
	return "quarantine_size_mb=1";
}

/* What the dying process told its session before it died. */
static struct told { uint64_t durable; /* commits that it was told of */ } * told;

typedef void (*story)(const struct place *place);
typedef void (*ending)(struct store *store, const struct told *told);

struct drama {
	story before;  /* lives */
	story act;     /* dies at each of its changes in turn, until it lives */
	ending expect; /* of the store that is opened again; may be NULL */
	bool may_make; /* the store may not exist yet */
};

static bool play(const struct drama *drama, const struct place *place, unsigned long k, bool torn) {
	int status;
	pid_t child;

	*told = (struct told){ 0 };
	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		crash_at(k, torn);
		drama->act(place);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == CRASHED);
	return WEXITSTATUS(status) == CRASHED;
}

static void look(const struct drama *drama, const struct place *place) {
	struct store_verification result;
	struct error error = { 0 };
	struct store *store = try_open(place, drama->may_make ? schema_1 : NULL);

	if (store->hold.code)
		fail_msg("%s", store->hold.text);
	assert_is_replay(store);
	if (drama->expect)
		drama->expect(store, told);
	assert_false(exists(place->new_state));
	push(store, added(9999, "after the crash"));
	assert_is_replay(store);
	store_close(store);
	if (store_verify(place->folder, NULL, NULL, NULL, &result, &error) != 0)
		fail_msg("%s", error.text);
}

static void run(const struct drama *drama) {
	struct place origin;
	unsigned long k = 0;
	bool crashed = true;

	place_make(&origin);
	if (drama->before)
		drama->before(&origin);
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(told != MAP_FAILED);
	while (crashed) {
		struct place place;

		k++;
		place_copy(&origin, &place);
		crashed = play(drama, &place, k, k % 2);
		look(drama, &place);
		place_remove(&place);
	}
	printf("%lu moments to die\n", k - 1);
	assert_true(k > 10);
	munmap(told, sizeof(*told));
	place_remove(&origin);
}

/* -- Acts -- */

static void make_content(const struct place *place) {
	struct store *store = open_store(place);

	set_has_backend(store, true);
	push(store, added(1, "a"));
	push(store, added(2, "b"));
	confirm(store, synced(2));
	push(store, renamed(3, "a", "A"));
	push(store, make_event(4, "looked", "{\"id\":\"b\"}"));
	push(store, added(5, "c"));
	store_close(store);
}

static void create(const struct place *place) {
	store_close(open_store(place));
}

static void commit_some(const struct place *place) {
	struct store *store = open_store(place);

	for (unsigned i = 0; i < 4; i++) {
		char id[8];

		snprintf(id, sizeof(id), "n%u", i);
		push(store, added(10 + i, id));
		told->durable = i + 1;
	}
	store_close(store);
}

static void expect_what_was_durable(struct store *store, const struct told *heard) {
	/* The one under way may be there or not; of the others none is lost. */
	assert_true(status_of(store).head.global >= 4 + heard->durable);
	assert_true(status_of(store).head.global <= 4 + heard->durable + 1);
}

static void rebase(const struct place *place) {
	struct store *store = open_store(place);
	struct event *unit[] = { added(20, "x"), renamed(21, "x", "X") };

	join(unit, 2);
	pull_unit(store, unit, 2, LIVES);
	pull(store, added(22, "c")); /* ours is refused */
	store_close(store);
}

static void rebase_beyond_journal(const struct place *place) {
	struct store *store = open_store(place);

	shorten_journal(store);
	push(store, added(23, "y"));
	pull(store, added(24, "z"));
	store_close(store);
}

static void make_log_ahead(const struct place *place) {
	struct store *store;
	struct event *event = added(22, "c");

	make_content(place);
	store = open_store(place);
	pull_unit(store, &event, 1, DIES_BEFORE_STATE);
	store_close(store);
}

static void open_and_close(const struct place *place) {
	store_close(open_store(place));
}

static void make_without_state(const struct place *place) {
	make_content(place);
	remove_state(place);
}

static void make_with_foreign_state(const struct place *place) {
	make_content(place);
	change_file(place->state, "UPDATE leaderd_state SET schema = zeroblob(32)");
}

static void rebuild(const struct place *place) {
	struct store *store = open_store(place);
	struct error error = { 0 };

	assert_int_equal(store_rebuild(store, false, &error), 0);
	push(store, added(30, "after the rebuild"));
	store_close(store);
}

static void upgrade(const struct place *place) {
	struct store *store = open_store(place);
	struct error error = { 0 };

	assert_int_equal(store_install_schema(store, schema_2, NULL, &error), 0);
	told->durable = 1;
	push(store, added(30, "after the upgrade"));
	store_close(store);
}

static void expect_either_schema(struct store *store, const struct told *heard) {
	assert_true(store->schema->version == 1 || store->schema->version == 2);
	assert_true(store->schema->version == 2 || heard->durable == 0);
}

static void make_lost(const struct place *place) {
	struct store *store;
	uint8_t *log;
	size_t n;

	make_content(place);
	log = read_file(place->log, &n);
	store = open_store(place);
	push(store, added(40, "lost"));
	store_close(store);
	write_file(place->log, log, n);
	free(log);
}

static void accept_loss(const struct place *place) {
	struct store *store = try_open(place, NULL);
	struct error error = { 0 };

	assert_int_equal(store_rebuild(store, true, &error), 0);
	told->durable = 1;
	store_close(store);
}

/* -- Stories -- */

static void while_a_store_is_made(void **data) {
	run(&(struct drama){ .act = create, .may_make = true });
}

static void while_units_are_committed(void **data) {
	run(&(struct drama){ .before = make_content, .act = commit_some, .expect = expect_what_was_durable });
}

static void while_the_log_is_rebased(void **data) {
	run(&(struct drama){ .before = make_content, .act = rebase });
}

static void while_a_rebase_makes_the_state_anew(void **data) {
	run(&(struct drama){ .before = make_content, .act = rebase_beyond_journal });
}

static void while_a_state_is_brought_back_from_an_abandoned_branch(void **data) {
	run(&(struct drama){ .before = make_log_ahead, .act = open_and_close });
}

static void while_a_lost_state_is_made_again(void **data) {
	run(&(struct drama){ .before = make_without_state, .act = open_and_close });
}

static void while_a_foreign_state_is_replaced(void **data) {
	run(&(struct drama){ .before = make_with_foreign_state, .act = open_and_close });
}

static void while_a_state_is_rebuilt(void **data) {
	run(&(struct drama){ .before = make_content, .act = rebuild });
}

static void while_a_schema_is_installed(void **data) {
	run(&(struct drama){ .before = make_content, .act = upgrade, .expect = expect_either_schema });
}

/* A loss that was not accepted in time is still held, and no worse. */
static void while_a_loss_is_accepted(void **data) {
	bool crashed = true;
	unsigned long k;
	struct place origin;

	place_make(&origin);
	make_lost(&origin);
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(told != MAP_FAILED);
	for (k = 1; crashed; k++) {
		const struct drama drama = { .act = accept_loss };
		struct error error = { 0 };
		struct place place;
		struct store *store;

		place_copy(&origin, &place);
		crashed = play(&drama, &place, k, k % 2);
		store = try_open(&place, NULL);
		if (store->hold.code) {
			assert_int_equal(told->durable, 0);
			assert_hold(store, ERROR_CORRUPT, "has lost e5");
			assert_int_equal(store_rebuild(store, true, &error), 0);
		}
		assert_is_replay(store);
		assert_int_equal(status_of(store).generation, 1);
		store_close(store);
		place_remove(&place);
	}
	assert_true(k > 10);
	munmap(told, sizeof(*told));
	place_remove(&origin);
}

static int install_once(void **data) {
	crash_install();
	return 0;
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(while_a_store_is_made),
		cmocka_unit_test(while_units_are_committed),
		cmocka_unit_test(while_the_log_is_rebased),
		cmocka_unit_test(while_a_rebase_makes_the_state_anew),
		cmocka_unit_test(while_a_state_is_brought_back_from_an_abandoned_branch),
		cmocka_unit_test(while_a_lost_state_is_made_again),
		cmocka_unit_test(while_a_foreign_state_is_replaced),
		cmocka_unit_test(while_a_state_is_rebuilt),
		cmocka_unit_test(while_a_schema_is_installed),
		cmocka_unit_test(while_a_loss_is_accepted),
	};

	return cmocka_run_group_tests_name("killed", tests, install_once, NULL);
}
