/* The runtime, between a leader's frames and a backend that does as it is told. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "runtime/runtime.h"
#include "store/hash.h"

/* What the backend answers next, and what it was asked. */
static struct fake {
	int fails;         /* a code for the next operation, 0: none */
	bool finds_lineage;
	uint32_t batch_events_max;
	uint64_t batch_bytes_max, event_bytes_max;
	uint64_t epoch_asked;
	uint8_t lineage_asked[16];
	size_t n_log;      /* events that it has, of `events` */
	unsigned n_opened, n_closed, n_pushed, n_pulled, n_taken;
	bool news;         /* what live_take says */
} fake;

#define N_EVENTS 6u /* units of two */
static struct event *events[N_EVENTS];
static const uint8_t other_lineage[16] = "other 16 bytes!!", known_lineage[16] = "known 16 bytes!!";

static struct backend_point point_at(size_t global) {
	struct backend_point point = { .global = global };

	if (global > 0)
		point.chain_hash = events[global - 1]->chain_hash;
	return point;
}

static int fail_once(struct error *error) {
	int r = fake.fails;

	fake.fails = 0;
	return r == 0 ? 0 : error_set(error, r, "the backend\nfailed");
}

static int fake_open(void **ret_backend, const struct adapter_open *open, struct adapter_opened *ret,
                     struct error *error) {
	int r = fail_once(error);

	if (r == ERROR_CONFLICT)
		memcpy(ret->lineage, other_lineage, sizeof(ret->lineage));
	if (r < 0)
		return r;
	fake.n_opened++;
	fake.epoch_asked = open->new_epoch;
	memcpy(fake.lineage_asked, open->new_lineage, sizeof(fake.lineage_asked));
	memcpy(ret->lineage, fake.finds_lineage ? other_lineage : open->new_lineage, sizeof(ret->lineage));
	ret->epoch = 1;
	ret->head = point_at(fake.n_log);
	ret->batch_events_max = fake.batch_events_max;
	ret->batch_bytes_max = fake.batch_bytes_max;
	ret->event_bytes_max = fake.event_bytes_max;
	*ret_backend = &fake;
	return 0;
}

static int fake_push(void *backend, const struct adapter_push *push, struct adapter_push_answer *ret,
                     struct error *error) {
	int r = fail_once(error);

	if (r < 0)
		return r;
	fake.n_pushed++;
	fake.n_log = push->parent.global + push->n_events;
	ret->result = PUSH_ACCEPTED;
	ret->head = point_at(fake.n_log);
	return 0;
}

static int fake_pull(void *backend, const struct adapter_pull *pull, struct adapter_page *ret, struct error *error) {
	size_t from = (size_t)pull->after.global;
	struct adapter_page page = { .end = point_at(from), .head = point_at(fake.n_log) };
	int r = fail_once(error);

	if (r < 0)
		return r;
	fake.n_pulled++;
	page.diverged = from > fake.n_log;
	if (fake.n_log > from) {
		page.events = calloc(2, sizeof(struct event *));
		for (; page.events != NULL && page.n_events < 2; page.n_events++) {
			page.events[page.n_events] = event_copy(events[from + page.n_events]);
			if (page.events[page.n_events] == NULL)
				break;
		}
		if (page.n_events < 2) {
			events_free(page.events, page.n_events);
			return error_no_memory(error);
		}
		page.end = point_at(from + 2);
		page.more = page.end.global < fake.n_log;
	}
	*ret = page;
	return 0;
}

static int fake_live_fd(void *backend) {
	return 7;
}

static int fake_live_take(void *backend, struct error *error) {
	fake.n_taken++;
	return fake.news ? 1 : fail_once(error);
}

static void fake_close(void *backend) {
	fake.n_closed++;
}

static const struct adapter_operations operations = {
	.name = "fake",
	.open = fake_open,
	.push = fake_push,
	.pull = fake_pull,
	.live_fd = fake_live_fd,
	.live_take = fake_live_take,
	.close = fake_close,
};

static int make_events(void **state) {
	struct hash chain = { 0 };

	for (size_t i = 0; i < N_EVENTS; i++) {
		struct event *event = event_create("noteAdded", "{\"text\":\"x\"}", 12);

		assert_non_null(event);
		memset(event->entry.id.bytes, (int)i + 1, 16);
		event->entry.unit = i % 2 == 0 ? event->entry.id : events[i - 1]->entry.id;
		event->entry.unit_index = i % 2;
		event->entry.unit_count = 2;
		event->entry.at = (struct position){ i + 1, 0 };
		event->version = 1;
		strcpy(event->client_id, "00112233445566778899aabbccddeeff");
		strcpy(event->session_id, "app.1");
		hash_content(&event->entry.content, event);
		hash_chain(&event->chain_hash, &chain, event->entry.at, &event->entry.content);
		chain = event->chain_hash;
		events[i] = event;
	}
	return 0;
}

static int free_events(void **state) {
	for (size_t i = 0; i < N_EVENTS; i++)
		events[i] = event_destroy(events[i]);
	return 0;
}

static int set_up(void **state) {
	struct runtime *runtime = calloc(1, sizeof(*runtime));

	fake = (struct fake){ .batch_events_max = 4, .batch_bytes_max = 100000, .event_bytes_max = 50000 };
	runtime->operations = &operations;
	runtime->poll_ms = 3600000;
	*state = runtime;
	return 0;
}

static int tear_down(void **state) {
	struct runtime *runtime = *state;

	runtime_close(runtime);
	wire_arena_clear(&runtime->arena);
	bytes_finish(&runtime->output);
	free(runtime);
	return 0;
}

static struct wire_arena arena; /* of the newest answer */

/* The answer that stands in the output; NULL: none. */
static const Leaderd__FromAdapter *answer_of(struct runtime *runtime) {
	const Leaderd__FromAdapter *answer;
	struct error error = { 0 };

	wire_arena_clear(&arena);
	if (runtime->output.n == 0)
		return NULL;
	int r = backend_unpack_from_adapter(&arena, runtime->output.data + WIRE_HEADER_BYTES,
	                                    runtime->output.n - WIRE_HEADER_BYTES, &answer, &error);
	if (r < 0)
		fail_msg("%s", error.text);
	bytes_clear(&runtime->output);
	return answer;
}

static int ask(struct runtime *runtime, const Leaderd__ToAdapter *message) {
	struct bytes frame = { 0 };
	struct error error = { 0 };

	int r = backend_pack_to_adapter(&frame, message, &error);

	if (r == 0)
		r = runtime_request(runtime, frame.data + WIRE_HEADER_BYTES, frame.n - WIRE_HEADER_BYTES, &error);
	bytes_finish(&frame);
	return r;
}

static ProtobufCBinaryData lend(const void *data, size_t n) {
	return (ProtobufCBinaryData){ .len = n, .data = (uint8_t *)data };
}

static int ask_open(struct runtime *runtime, const uint8_t *lineage) {
	Leaderd__ToAdapter message = LEADERD__TO_ADAPTER__INIT;
	Leaderd__Open body = LEADERD__OPEN__INIT;
	char client_id[] = "00112233445566778899aabbccddeeff", store[] = "todos", url[] = "fake:";

	body.number = 5;
	body.protocol = BACKEND_PROTOCOL_VERSION;
	body.store = store;
	body.url = url;
	body.client_id = client_id;
	body.epoch = lineage == NULL ? 0 : 4;
	if (lineage != NULL)
		body.lineage = lend(lineage, 16);
	body.new_lineage = lend("fresh 16 bytes!!", 16);
	message.body_case = LEADERD__TO_ADAPTER__BODY_OPEN;
	message.open = &body;
	return ask(runtime, &message);
}

static int ask_push(struct runtime *runtime, size_t from, size_t n) {
	Leaderd__ToAdapter message = LEADERD__TO_ADAPTER__INIT;
	Leaderd__PushBatch body = LEADERD__PUSH_BATCH__INIT;
	Leaderd__Event messages[N_EVENTS], *list[N_EVENTS];
	struct backend_point at = point_at(from);
	Leaderd__BackendPoint parent;

	for (size_t i = 0; i < n; i++) {
		backend_event_pack(&messages[i], events[from + i]);
		list[i] = &messages[i];
	}
	point_set(&parent, &at);
	body.number = 6;
	body.parent = &parent;
	body.events = list;
	body.n_events = n;
	message.body_case = LEADERD__TO_ADAPTER__BODY_PUSH;
	message.push = &body;
	return ask(runtime, &message);
}

static int ask_pull(struct runtime *runtime, size_t from, bool live) {
	Leaderd__ToAdapter message = LEADERD__TO_ADAPTER__INIT;
	Leaderd__Pull body = LEADERD__PULL__INIT;
	struct backend_point at = point_at(from);
	Leaderd__BackendPoint after;

	point_set(&after, &at);
	body.number = 7;
	body.after = &after;
	body.live = live;
	body.events_max = 100;
	body.bytes_max = 10000;
	message.body_case = LEADERD__TO_ADAPTER__BODY_PULL;
	message.pull = &body;
	return ask(runtime, &message);
}

static void open_it(struct runtime *runtime) {
	assert_int_equal(ask_open(runtime, NULL), 0);
	assert_int_equal(answer_of(runtime)->body_case, LEADERD__FROM_ADAPTER__BODY_OPENED);
}

static const Leaderd__Problem *problem_of(struct runtime *runtime) {
	const Leaderd__FromAdapter *answer = answer_of(runtime);

	assert_non_null(answer);
	assert_int_equal(answer->body_case, LEADERD__FROM_ADAPTER__BODY_PROBLEM);
	return answer->problem;
}

static void a_log_is_made_with_the_lineage_that_is_known(void **state) {
	struct runtime *runtime = *state;

	open_it(runtime);
	assert_memory_equal(fake.lineage_asked, "fresh 16 bytes!!", 16);
	assert_int_equal(fake.epoch_asked, 1);
	assert_int_equal(ask_open(runtime, known_lineage), 0);
	assert_int_equal(answer_of(runtime)->opened->number, 5);
	assert_memory_equal(fake.lineage_asked, known_lineage, 16);
	assert_int_equal(fake.epoch_asked, 5);
	assert_int_equal(fake.n_closed, 1); /* the one before */
}

static void another_lineage_is_a_conflict_whoever_notices(void **state) {
	struct runtime *runtime = *state;

	fake.finds_lineage = true;
	assert_int_equal(ask_open(runtime, known_lineage), 0);
	const Leaderd__Problem *problem = problem_of(runtime);
	assert_int_equal(problem->number, 5);
	assert_int_equal(problem->code, ERROR_CONFLICT);
	assert_true(problem->permanent);
	assert_memory_equal(problem->lineage.data, other_lineage, 16);
	assert_int_equal(fake.n_closed, 1);

	fake.fails = ERROR_CONFLICT; /* the adapter itself */
	assert_int_equal(ask_open(runtime, known_lineage), 0);
	problem = problem_of(runtime);
	assert_true(problem->permanent);
	assert_memory_equal(problem->lineage.data, other_lineage, 16);
}

static void failures_are_passing_or_permanent_and_some_close(void **state) {
	static const struct {
		int code;
		bool permanent, closes;
	} failures[] = {
		{ ERROR_IO, false, true },          { ERROR_TIMEOUT, false, true },    { ERROR_NOT_RUNNING, false, true },
		{ ERROR_FULL, false, false },       { ERROR_NO_MEMORY, false, false }, { ERROR_BUSY, false, false },
		{ ERROR_CORRUPT, false, false },    { ERROR_PERMISSION, true, false }, { ERROR_CONFLICT, true, false },
		{ ERROR_INVALID, true, false },     { ERROR_VERSION, true, false },
	};
	struct runtime *runtime = *state;

	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		unsigned n_closed;

		open_it(runtime);
		n_closed = fake.n_closed;
		fake.fails = failures[i].code;
		assert_int_equal(i % 2 == 0 ? ask_push(runtime, 0, 2) : ask_pull(runtime, 0, false), 0);
		const Leaderd__Problem *problem = problem_of(runtime);
		assert_int_equal(problem->number, i % 2 == 0 ? 6 : 7);
		assert_int_equal(problem->code, failures[i].code);
		assert_int_equal(problem->permanent, failures[i].permanent);
		assert_string_equal(problem->text, "the backend failed"); /* one line */
		assert_int_equal(fake.n_closed - n_closed, failures[i].closes);
		assert_int_equal(runtime->backend == NULL, failures[i].closes);
	}
}

static void what_is_not_open_says_so(void **state) {
	struct runtime *runtime = *state;

	assert_int_equal(ask_push(runtime, 0, 2), 0);
	assert_int_equal(problem_of(runtime)->code, ERROR_NOT_RUNNING);
	assert_int_equal(ask_pull(runtime, 0, true), 0);
	assert_int_equal(problem_of(runtime)->code, ERROR_NOT_RUNNING);
	assert_int_equal(live_timeout_ms(runtime), -1);
	assert_int_equal(fake.n_pushed + fake.n_pulled, 0);
}

static void a_batch_is_looked_at_before_the_backend_sees_it(void **state) {
	struct runtime *runtime = *state;

	open_it(runtime);
	assert_int_equal(ask_push(runtime, 0, 1), 0); /* half a unit */
	assert_int_equal(problem_of(runtime)->code, ERROR_INVALID);
	assert_int_equal(ask_push(runtime, 0, 6), 0);
	const Leaderd__Problem *problem = problem_of(runtime);
	assert_int_equal(problem->code, ERROR_TOO_LARGE);
	assert_string_equal(problem->text, "the batch held 6 events, the backend takes 4");
	assert_int_equal(fake.n_pushed, 0);
	assert_int_equal(ask_push(runtime, 0, 4), 0);
	assert_int_equal(answer_of(runtime)->push_answer->head->global, 4);
	assert_int_equal(fake.n_pushed, 1);
}

static void limits_of_bytes_are_kept(void **state) {
	struct runtime *runtime = *state;
	size_t bytes = adapter_event_bytes(events[0]);

	fake.batch_bytes_max = 3 * bytes;
	open_it(runtime);
	assert_int_equal(ask_push(runtime, 0, 4), 0);
	assert_int_equal(problem_of(runtime)->code, ERROR_TOO_LARGE);
	assert_int_equal(ask_push(runtime, 0, 2), 0);
	assert_int_equal(answer_of(runtime)->body_case, LEADERD__FROM_ADAPTER__BODY_PUSH_ANSWER);

	fake.event_bytes_max = bytes - 1;
	open_it(runtime);
	assert_int_equal(ask_push(runtime, 0, 2), 0);
	const Leaderd__PushAnswer *answer = answer_of(runtime)->push_answer;
	assert_int_equal(answer->result, LEADERD__PUSH_RESULT__PUSH_REFUSED);
	assert_true(answer->permanent);
	assert_int_equal(answer->refused.len, 32);
	assert_memory_equal(answer->refused.data, events[0]->entry.id.bytes, 16);
	assert_int_equal(fake.n_pushed, 1);
}

static int look(struct runtime *runtime, bool hinted) {
	return live_look(runtime, hinted, NULL);
}

static void news_are_told_once_and_from_where_the_leader_is(void **state) {
	struct runtime *runtime = *state;

	open_it(runtime);
	assert_int_equal(live_descriptor(runtime), -1); /* nobody follows */
	assert_int_equal(ask_pull(runtime, 0, true), 0);
	assert_int_equal(answer_of(runtime)->page->n_events, 0);
	assert_int_equal(live_descriptor(runtime), 7);
	assert_in_range(live_timeout_ms(runtime), 3500000, 3600000);

	assert_int_equal(look(runtime, true), 0); /* a hint at nothing */
	assert_null(answer_of(runtime));
	assert_int_equal(fake.n_pulled, 1);
	fake.news = true;
	assert_int_equal(look(runtime, true), 0); /* another one's news, perhaps */
	assert_null(answer_of(runtime));
	fake.n_log = 2;
	assert_int_equal(look(runtime, true), 0);
	const Leaderd__Page *page = answer_of(runtime)->page;
	assert_int_equal(page->number, 7);
	assert_int_equal(page->n_events, 2);
	assert_int_equal(page->end->global, 2);
	assert_int_equal(look(runtime, true), 0);
	assert_null(answer_of(runtime));

	/* What it pushed itself, it knows. */
	assert_int_equal(ask_push(runtime, 2, 2), 0);
	answer_of(runtime);
	assert_int_equal(look(runtime, true), 0);
	assert_null(answer_of(runtime));
}

static void more_than_a_page_waits_for_the_leader(void **state) {
	struct runtime *runtime = *state;

	open_it(runtime);
	assert_int_equal(ask_pull(runtime, 0, true), 0);
	answer_of(runtime);
	fake.news = true;
	fake.n_log = 6;
	assert_int_equal(look(runtime, true), 0);
	assert_true(answer_of(runtime)->page->more);
	assert_int_equal(live_descriptor(runtime), -1);
	assert_int_equal(live_timeout_ms(runtime), -1);
	assert_int_equal(ask_pull(runtime, 2, true), 0);
	assert_true(answer_of(runtime)->page->more);
	assert_int_equal(live_descriptor(runtime), -1);
	assert_int_equal(ask_pull(runtime, 4, true), 0);
	assert_false(answer_of(runtime)->page->more);
	assert_int_equal(live_descriptor(runtime), 7);
}

static void a_log_that_lost_events_is_told_unasked(void **state) {
	struct runtime *runtime = *state;

	fake.n_log = 2;
	open_it(runtime);
	assert_int_equal(ask_pull(runtime, 2, true), 0);
	answer_of(runtime);
	fake.n_log = 0;
	fake.news = true;
	assert_int_equal(look(runtime, true), 0);
	assert_true(answer_of(runtime)->page->diverged);
	assert_int_equal(live_descriptor(runtime), -1);
}

static void a_look_that_fails_is_a_problem_without_a_number(void **state) {
	struct runtime *runtime = *state;

	open_it(runtime);
	assert_int_equal(ask_pull(runtime, 0, true), 0);
	answer_of(runtime);
	fake.fails = ERROR_FULL;
	assert_int_equal(look(runtime, true), 0); /* by the hint's descriptor */
	const Leaderd__Problem *problem = problem_of(runtime);
	assert_int_equal(problem->number, 0);
	assert_int_equal(problem->code, ERROR_FULL);
	assert_int_equal(live_descriptor(runtime), -1);

	runtime->poll_ms = 0;
	assert_int_equal(ask_pull(runtime, 0, true), 0);
	answer_of(runtime);
	assert_int_equal(live_timeout_ms(runtime), 0);
	fake.fails = ERROR_IO;
	assert_int_equal(look(runtime, false), 0); /* by the pull */
	assert_int_equal(problem_of(runtime)->number, 0);
	assert_null(runtime->backend);
}

static void another_protocol_is_told_and_nonsense_ends_it(void **state) {
	struct runtime *runtime = *state;
	struct error error = { 0 };

	assert_int_equal(runtime_request(runtime, (const uint8_t *)"\x0a\x02\x10\x09", 4, &error), 0);
	const Leaderd__Problem *problem = problem_of(runtime);
	assert_int_equal(problem->code, ERROR_VERSION);
	assert_true(problem->permanent);
	assert_string_equal(problem->text, "Open.protocol was version 9, this program speaks version 1");
	assert_int_equal(runtime_request(runtime, (const uint8_t *)"\xff", 1, &error), ERROR_PROTOCOL);
}

static void expect_parameter(const char *url, const char *name, const char *expected) {
	char *value = adapter_url_parameter(url, name);

	if (expected == NULL)
		assert_null(value);
	else
		assert_string_equal(value, expected);
	free(value);
}

static void parameters_are_found_and_decoded(void **state) {
	struct adapter_open open = { .store = "todos", .url = "file:/x?store=" };
	char *name;

	expect_parameter("file:/x", "store", NULL);
	expect_parameter("file:/x?", "store", NULL);
	expect_parameter("file:/x?store", "store", NULL);
	expect_parameter("file:/x?store=", "store", "");
	expect_parameter("file:/x?store=a&b=c", "b", "c");
	expect_parameter("file:/x?stores=a&store=b", "store", "b");
	expect_parameter("file:/x?a=store=b", "store", NULL);
	expect_parameter("file:/store=b?a=1#b=2", "b", NULL);
	expect_parameter("file:/x#?a=1", "a", NULL);
	expect_parameter("file:/x?a=%41%7a%2F%c3%a9", "a", "Az/\xc3\xa9");
	expect_parameter("file:/x?a=%00%4%zz%", "a", "%00%4%zz%");
	expect_parameter("file:/x?a=b#c", "a", "b");
	name = adapter_log_name(&open);
	assert_string_equal(name, "");
	free(name);
	open.url = "file:/x?s=1";
	name = adapter_log_name(&open);
	assert_string_equal(name, "todos");
	free(name);
	name = adapter_url_path("file:/a%20b?c", "file");
	assert_string_equal(name, "/a b");
	free(name);
	assert_null(adapter_url_path("files:/a", "file"));
}

/* Each is an answer that says so, or the end of the program; the backend is as it was. */
static void each_allocation_may_fail(void **state) {
	unsigned long k;

	for (k = 1; k < 300; k++) {
		struct runtime runtime = { .operations = &operations, .poll_ms = 1000 };
		long live = allocation_live();
		bool failed;

		set_up(state);
		free(*state);
		allocation_fail_at(k);
		int r = ask_open(&runtime, NULL);
		if (r == 0)
			r = ask_push(&runtime, 0, 2);
		if (r == 0)
			r = ask_pull(&runtime, 0, true);
		fake.news = true;
		if (r == 0)
			r = live_look(&runtime, true, NULL);
		failed = allocation_has_failed();
		allocation_fail_at(0);
		assert_true(r == 0 || (failed && r == ERROR_NO_MEMORY));
		runtime_close(&runtime);
		wire_arena_clear(&runtime.arena);
		bytes_finish(&runtime.output);
		assert_int_equal(fake.n_opened, fake.n_closed);
		assert_int_equal(allocation_live(), live);
		if (!failed)
			break;
	}
	*state = NULL;
	assert_in_range(k, 15, 299);
}

#define WITH_RUNTIME(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		WITH_RUNTIME(a_log_is_made_with_the_lineage_that_is_known),
		WITH_RUNTIME(another_lineage_is_a_conflict_whoever_notices),
		WITH_RUNTIME(failures_are_passing_or_permanent_and_some_close),
		WITH_RUNTIME(what_is_not_open_says_so),
		WITH_RUNTIME(a_batch_is_looked_at_before_the_backend_sees_it),
		WITH_RUNTIME(limits_of_bytes_are_kept),
		WITH_RUNTIME(news_are_told_once_and_from_where_the_leader_is),
		WITH_RUNTIME(more_than_a_page_waits_for_the_leader),
		WITH_RUNTIME(a_log_that_lost_events_is_told_unasked),
		WITH_RUNTIME(a_look_that_fails_is_a_problem_without_a_number),
		WITH_RUNTIME(another_protocol_is_told_and_nonsense_ends_it),
		cmocka_unit_test(parameters_are_found_and_decoded),
		cmocka_unit_test(each_allocation_may_fail),
	};
	int r = cmocka_run_group_tests(tests, make_events, free_events);

	wire_arena_clear(&arena);
	return r;
}
