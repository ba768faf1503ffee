/*
 * What a backend says, performed on a real store and told to a session: the
 * daemon runs in this process, and the test plays the upstream.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/event.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "leaderd/src/leader.h"
#include "leaderd/src/stores.h"
#include "store/hash.h"
#include "tests/socket/raw_client.h"

struct world {
	char folder[64];
	struct event_base *base;
	struct daemon *daemon;
	struct leader *leader;
	struct raw_client client;
};

static void turn(void *data) {
	struct world *world = data;

	/* Everything that is due now, and what comes of it. */
	for (int i = 0; i < 8; i++)
		event_base_loop(world->base, EVLOOP_NONBLOCK);
}

static void join(struct world *world, struct raw_client *client, const char *session_id) {
	Leaderd__Hello hello;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	daemon_accept(world->daemon, ends[0]);
	*client = (struct raw_client){ .fd = ends[1], .image_fd = -1, .on_wait = turn, .on_wait_data = world };
	raw_hello_init(&hello, client, session_id);
	raw_hello(client, &hello);
}

static int start(void **state) {
	struct world *world = calloc(1, sizeof(*world));
	struct daemon_options options = { .data_dir = world->folder };
	const struct leader_input attached = { .kind = LEADER_BACKEND, .has_backend = true };
	struct error why;

	strcpy(world->folder, "/tmp/leaderd-test-XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	options.base = world->base = event_base_new();
	assert_int_equal(daemon_create(&world->daemon, &options, &why), 0);
	join(world, &world->client, "a1");
	world->leader = stores_find(world->daemon, "notes");
	assert_int_equal(eventlog_begin(world->leader->store->log, &why), 0);
	assert_int_equal(eventlog_set_has_backend(world->leader->store->log, true, &why), 0);
	assert_int_equal(eventlog_commit(world->leader->store->log, &why), 0);
	assert_int_equal(perform(world->leader, &attached, &why), 0);
	*state = world;
	return 0;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place) {
	return remove(path);
}

static int stop(void **state) {
	struct world *world = *state;

	raw_close(&world->client);
	daemon_destroy(world->daemon);
	event_base_free(world->base);
	nftw(world->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(world);
	return 0;
}

/* ---- the upstream ---------------------------------------------------------------- */

/* An event of another device, confirmed at `global`. */
static struct event *foreign(uint64_t number, uint64_t global) {
	struct raw_client device = { .session_id = "b1", .head = { global - 1, 0 } };

	memset(device.client_id, 'b', CLIENT_ID_BYTES);
	return raw_note(&device, number);
}

/* An event of ours, as the backend has it at `global`. */
static struct event *ours(struct world *world, uint64_t number, uint64_t global) {
	struct event *event;
	struct event_id id;
	struct error error;

	raw_event_id(&id, number);
	assert_int_equal(eventlog_find(world->leader->store->log, &id, &event, &error), 0);
	event->entry.at = (struct position){ global, 0 };
	event->n_origins = 0;
	return event;
}

static void give_page(struct world *world, struct event **events, size_t n) {
	struct incoming incoming[8] = { 0 };
	struct step_upstream upstream = { .events = events, .n_events = n, .cursor = "cursor", .cursor_bytes = 6 };
	struct leader_input input = { .kind = LEADER_PAGE, .events = incoming, .n_events = n };
	struct error error = { 0 };

	for (size_t i = 0; i < n; i++) {
		struct event *pending = NULL;

		incoming[i].entry = events[i]->entry;
		incoming[i].is_pending =
			eventlog_find(world->leader->store->log, &events[i]->entry.id, &pending, &error) == 0;
		if (pending)
			incoming[i].pending_at = pending->entry.at;
		event_destroy(pending);
	}
	world->leader->step.upstream = &upstream;
	if (perform(world->leader, &input, &error) != 0)
		fail_msg("%s", error.text);
	for (size_t i = 0; i < n; i++)
		event_destroy(events[i]);
}

static void push_two(struct world *world) {
	raw_push(&world->client, raw_note(&world->client, 1));
	raw_push(&world->client, raw_note(&world->client, 2));
	raw_take(&world->client, 2, 0);
	/* What comes from now on comes again. */
	world->client.last_id = (struct event_id){ 0 };
}

static void expect_state_equals_log(struct world *world) {
	struct store_verification found;
	struct error error = { 0 };

	if (store_verify(world->leader->folder, NULL, NULL, NULL, &found, &error) < 0)
		fail_msg("%s", error.text);
	assert_int_equal(position_compare(found.head, world->leader->told.head), 0);
	assert_int_equal(position_compare(found.state_head, found.head), 0);
}

/* ---- stories ----------------------------------------------------------------------- */

static void what_the_backend_confirms_where_it_stands_moves_its_head(void **state) {
	struct world *world = *state;

	push_two(world);
	give_page(world, (struct event *[]){ ours(world, 1, 1) }, 1);

	assert_int_equal(world->leader->told.upstream_head.global, 1);
	assert_int_equal(world->leader->final.global, 1);
	expect_state_equals_log(world);
	const Leaderd__ToSession *message = raw_receive(&world->client);
	assert_int_equal(message->feed->heads->backend_global, 1);
	assert_int_equal(message->feed->n_events, 0);
	assert_false(message->feed->rebase);
}

static void a_foreign_event_in_front_rebases_ours_behind_it(void **state) {
	struct world *world = *state;
	struct event *event;
	struct error error;

	push_two(world);
	give_page(world, (struct event *[]){ foreign(100, 1) }, 1);

	assert_int_equal(world->leader->told.head.global, 3);
	assert_int_equal(world->leader->told.upstream_head.global, 1);
	assert_int_equal(eventlog_get(world->leader->store->log, (struct position){ 3, 0 }, &event, &error), 0);
	assert_int_equal(event->n_origins, 1);
	assert_int_equal(event->origins[0].global, 2);
	assert_int_equal(event->generation, 1);
	event_destroy(event);
	expect_state_equals_log(world);

	raw_take_until(&world->client, 2);
	assert_int_equal(world->client.n_rebases, 1);
	assert_int_equal(world->client.back_to.global, 0);
	assert_int_equal(world->client.n_events, 2 + 3);
	assert_int_equal(world->client.n_short, 2);
}

static void a_unit_that_no_longer_applies_behind_a_foreign_one_is_refused(void **state) {
	struct world *world = *state;
	struct event *taken = foreign(100, 1);

	push_two(world);
	free(taken->args);
	taken->args = strdup("{\"id\":\"n1\",\"text\":\"theirs\"}");
	taken->args_bytes = strlen(taken->args);
	hash_content(&taken->entry.content, taken);
	give_page(world, (struct event *[]){ taken }, 1);

	assert_int_equal(world->leader->told.head.global, 2);
	assert_int_equal(world->leader->told.refused_ordinal, 1);
	expect_state_equals_log(world);
	raw_take_until(&world->client, 2);
	assert_int_equal(world->client.n_refused, 1);
	assert_non_null(strstr(world->client.last_reason, "UNIQUE"));
}

static void what_the_backend_refuses_leaves_the_log_with_its_reason(void **state) {
	struct world *world = *state;
	struct step_upstream upstream = { .refusal_reason = "not allowed here" };
	struct leader_input input = { .kind = LEADER_REFUSAL, .refused_first = { 1, 0 }, .n_refused = 1 };
	struct event_id id;
	struct error error;

	push_two(world);
	raw_event_id(&id, 1);
	input.refused = &id;
	world->leader->step.upstream = &upstream;
	assert_int_equal(perform(world->leader, &input, &error), 0);

	assert_int_equal(world->leader->told.head.global, 1);
	expect_state_equals_log(world);
	raw_take_until(&world->client, 2);
	assert_int_equal(world->client.n_refused, 1);
	assert_string_equal(world->client.last_reason, "not allowed here");
	assert_int_equal(world->client.last_at.global, 1);
}

static void client_only_events_keep_their_order_through_a_rebase(void **state) {
	struct world *world = *state;

	push_two(world);
	raw_push(&world->client, raw_event(&world->client, 3, "noteMarked", "{\"id\":\"n1\"}"));
	raw_push(&world->client, raw_event(&world->client, 4, "noteMarked", "{\"id\":\"n2\"}"));
	raw_take(&world->client, 2, 0);
	give_page(world, (struct event *[]){ foreign(100, 1) }, 1);

	assert_int_equal(world->leader->told.head.global, 3);
	assert_int_equal(world->leader->told.head.client, 2);
	expect_state_equals_log(world);
}

static void a_session_that_lags_is_told_one_rebase_for_many(void **state) {
	struct world *world = *state;

	push_two(world);
	give_page(world, (struct event *[]){ foreign(100, 1) }, 1);
	give_page(world, (struct event *[]){ foreign(101, 2) }, 1);
	give_page(world, (struct event *[]){ foreign(102, 3), foreign(103, 4) }, 2);

	raw_take_until(&world->client, 2);
	assert_int_equal(world->client.n_rebases, 1);
	assert_int_equal(world->client.n_events, 2 + 6);
	assert_int_equal(world->leader->told.generation, 3);
	expect_state_equals_log(world);
}

static void a_follower_is_told_what_is_off(void **state) {
	struct world *world = *state;
	Leaderd__EventsOpen open = LEADERD__EVENTS_OPEN__INIT;

	push_two(world);
	open.number = 1;
	open.credit = 10;
	open.follow = true;
	open.since_global = 1;
	raw_events_open(&world->client, &open);
	assert_int_equal(raw_page(&world->client)->events[0]->global, 2);
	give_page(world, (struct event *[]){ foreign(100, 1) }, 1);

	const Leaderd__EventsPage *page = raw_page(&world->client);
	assert_true(page->rebased);
	assert_int_equal(page->back_global, 0);
	assert_int_equal(page->upstream_global, 1);
	assert_int_equal(page->n_events, 3);
}

static void a_stream_that_goes_backwards_ends_when_its_log_is_rebased(void **state) {
	struct world *world = *state;
	Leaderd__EventsOpen open = LEADERD__EVENTS_OPEN__INIT;

	push_two(world);
	open.number = 1;
	open.credit = 1;
	open.reverse = true;
	raw_events_open(&world->client, &open);
	assert_int_equal(raw_page(&world->client)->n_events, 2);
	raw_events_credit(&world->client, 1, 1);
	give_page(world, (struct event *[]){ foreign(100, 1) }, 1);

	const Leaderd__EventsPage *page = raw_page(&world->client);
	assert_true(page->end);
	assert_int_equal(page->code, ERROR_BUSY);
}

static void a_confirmed_event_that_does_not_apply_is_void(void **state) {
	struct world *world = *state;
	struct event *strange = foreign(100, 1);

	free(strange->name);
	strange->name = strdup("noteFlown");
	hash_content(&strange->entry.content, strange);
	give_page(world, (struct event *[]){ strange, foreign(101, 2) }, 2);

	assert_int_equal(world->leader->told.head.global, 2);
	assert_int_equal(state_voids(world->leader->store->state), 1);
	expect_state_equals_log(world);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void) {
	const struct CMUnitTest tests[] = {
		STORY(what_the_backend_confirms_where_it_stands_moves_its_head),
		STORY(a_foreign_event_in_front_rebases_ours_behind_it),
		STORY(a_unit_that_no_longer_applies_behind_a_foreign_one_is_refused),
		STORY(what_the_backend_refuses_leaves_the_log_with_its_reason),
		STORY(client_only_events_keep_their_order_through_a_rebase),
		STORY(a_session_that_lags_is_told_one_rebase_for_many),
		STORY(a_follower_is_told_what_is_off),
		STORY(a_stream_that_goes_backwards_ends_when_its_log_is_rebased),
		STORY(a_confirmed_event_that_does_not_apply_is_void),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
