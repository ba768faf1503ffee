/*
 * Two devices over the file backend, in this process, and each allocation of the
 * way from one to the other fails in turn: a pause and another try is all that it
 * costs. Nothing is lost or doubled, and nothing leaks.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "leaderd/src/leader.h"
#include "leaderd/src/stores.h"
#include "leaderd/src/upstream.h"
#include "store/hash.h"
#include "tests/model/allocation.h"

#define SCHEMA                                                                       \
	"-- store notes version 1\n"                                                     \
	"CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, text TEXT NOT NULL) STRICT;\n" \
	"-- event noteAdded(id TEXT, text TEXT)\n"                                       \
	"INSERT INTO note (id, text) VALUES (:id, :text);\n"

struct device {
	char folder[96];
	struct daemon *daemon;
	struct leader *leader;
};

struct world {
	char folder[64], url[128];
	struct event_base *base;
	struct device a, b;
	uint64_t n_notes;
	unsigned long k; /* the allocation that fails */
};

static void start_device(struct world *world, struct device *device, const char *name) {
	struct daemon_options options = { .base = world->base, .data_dir = device->folder };
	struct error error;

	snprintf(device->folder, sizeof(device->folder), "%s/%s", world->folder, name);
	assert_int_equal(mkdir(device->folder, 0700), 0);
	assert_int_equal(daemon_create(&device->daemon, &options, &error), 0);
	assert_int_equal(stores_create(&device->leader, device->daemon, "notes", SCHEMA, &error), 0);
}

static int start(void **state) {
	struct world *world = calloc(1, sizeof(*world));

	strcpy(world->folder, "/tmp/leaderd-test-XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	snprintf(world->url, sizeof(world->url), "file:%s/log.db", world->folder);
	world->base = event_base_new();
	start_device(world, &world->a, "a");
	start_device(world, &world->b, "b");
	*state = world;
	return 0;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place) {
	return remove(path);
}

static int stop(void **state) {
	struct world *world = *state;

	allocation_fail_at(0);
	daemon_destroy(world->a.daemon);
	daemon_destroy(world->b.daemon);
	event_base_free(world->base);
	nftw(world->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(world);
	return 0;
}

/* A note committed by the device itself. */
static void commit(struct world *world, struct device *device) {
	char args[64];
	struct event *event;
	struct unit *unit;
	struct error error;

	snprintf(args, sizeof(args), "{\"id\":\"n%llu\",\"text\":\"t\"}", (unsigned long long)++world->n_notes);
	event = event_create("noteAdded", args, strlen(args));
	event_id_make(&event->entry.id, 1700000000000 + world->n_notes);
	event->entry.unit = event->entry.id;
	event->entry.unit_count = 1;
	event->version = 1;
	event->hlc = (struct hlc){ .time_ms = 1700000000000 + world->n_notes };
	strcpy(event->client_id, device->leader->told.client_id);
	strcpy(event->session_id, "s1");
	hash_content(&event->entry.content, event);
	assert_int_equal(unit_from_events(&unit, &event, 1, &error), 0);
	assert_int_equal(leader_push(device->leader, unit, &error), 0);
	leader_flush(device->leader);
	assert_int_equal(device->leader->trouble.code, 0);
}

static void print_device(const struct device *device) {
	print_message("%s: backend %s (%s), confirmed e%llu of e%llu; %s\n", device->folder,
	              upstream_state(device->leader->upstream), device->leader->upstream->trouble.text,
	              (unsigned long long)device->leader->told.upstream_head.global,
	              (unsigned long long)device->leader->told.head.global, device->leader->trouble.text);
}

static void give_up(evutil_socket_t fd, short what, void *data) {
	struct world *world = data;

	print_device(&world->a);
	print_device(&world->b);
	fail_msg("nothing happened in 20 s with the allocation %lu", world->k);
}

static bool has_all(const struct world *world, const struct device *device) {
	return device->leader->told.upstream_head.global == world->n_notes &&
	       device->leader->told.head.global == world->n_notes;
}

/* A device that rests because memory was short is told to go on at once. */
static void go_on(struct device *device) {
	if (device->leader->upstream->machine.state == UPSTREAM_RESTING)
		upstream_give(device->leader->upstream, &(struct upstream_input){ .kind = UPSTREAM_SYNC });
	if (device->leader->trouble.code != 0)
		leader_retry(device->leader);
}

static void run_until_both_have_all(struct world *world) {
	const struct timeval longest = { .tv_sec = 20 };
	struct event *deadline = evtimer_new(world->base, give_up, world);

	event_add(deadline, &longest);
	while (!has_all(world, &world->a) || !has_all(world, &world->b)) {
		event_base_loop(world->base, EVLOOP_ONCE);
		if (allocation_has_failed()) {
			go_on(&world->a);
			go_on(&world->b);
		}
	}
	event_free(deadline);
}

static void expect_replay(struct device *device) {
	struct store_verification found;
	struct error error = { 0 };

	if (store_verify(device->leader->folder, NULL, NULL, NULL, &found, &error) < 0)
		fail_msg("%s", error.text);
}

static void attach(struct world *world, struct device *device) {
	struct error error = { 0 };
	int r = upstream_set_backend(device->leader->upstream, world->url, &error);

	if (r == ERROR_NO_MEMORY && allocation_has_failed())
		r = upstream_set_backend(device->leader->upstream, world->url, &error);
	if (r < 0)
		fail_msg("%s", error.text);
}

static void set_offline(struct device *device, bool offline) {
	struct upstream *upstream = device->leader->upstream;
	struct error error;
	int r;

	do
		r = offline ? upstream_set_offline(upstream, false, &error) : upstream_set_online(upstream, &error);
	while (r == ERROR_NO_MEMORY);
	assert_int_equal(r, 0);
}

static void each_failing_allocation_costs_a_pause_and_nothing_more(void **state) {
	struct world *world = *state;

	attach(world, &world->a);
	attach(world, &world->b);
	do {
		/* B comes back with a pending event, behind one that A has confirmed: pulled, rebased, pushed, pulled. */
		set_offline(&world->b, true);
		commit(world, &world->b);
		commit(world, &world->a);
		allocation_fail_at(++world->k);
		set_offline(&world->b, false);
		run_until_both_have_all(world);
	} while (allocation_has_failed() && world->k < 5000);
	allocation_fail_at(0);

	print_message("%lu allocations were made to fail\n", world->k - 1);
	assert_in_range(world->k, 20, 4999);
	assert_memory_equal(world->a.leader->told.upstream_chain_hash.bytes,
	                    world->b.leader->told.upstream_chain_hash.bytes, sizeof(struct hash));
	assert_int_equal(world->a.leader->told.refused_ordinal + world->b.leader->told.refused_ordinal, 0);
	expect_replay(&world->a);
	expect_replay(&world->b);
}

static void each_failing_allocation_of_attaching_leaves_a_store_that_can_be_attached(void **state) {
	struct world *world = *state;
	struct error error;
	bool failed;

	attach(world, &world->b);
	do {
		commit(world, &world->a);
		allocation_fail_at(++world->k);
		attach(world, &world->a);
		run_until_both_have_all(world);
		failed = allocation_has_failed();
		allocation_fail_at(0);
		assert_int_equal(upstream_set_backend(world->a.leader->upstream, NULL, &error), 0);
		assert_false(world->a.leader->told.has_backend);
	} while (failed && world->k < 5000);

	print_message("%lu allocations were made to fail\n", world->k - 1);
	assert_in_range(world->k, 20, 4999);
	expect_replay(&world->a);
	expect_replay(&world->b);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void) {
	const struct CMUnitTest tests[] = {
		STORY(each_failing_allocation_costs_a_pause_and_nothing_more),
		STORY(each_failing_allocation_of_attaching_leaves_a_store_that_can_be_attached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
