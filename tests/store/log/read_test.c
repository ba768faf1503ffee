/* Reading pages: whatever is asked, the log answers as a plain array would. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "log_fixture.h"

#define N_EVENTS 700u
#define N_QUERIES 1500u

static const char *const names[] = { "todoCreated", "todoCompleted", "filterChanged" };
static const char *const clients[] = { "00000000000000000000000000000000", "11111111111111111111111111111111" };

struct model {
	struct event *events[N_EVENTS]; /* in log order */
};

static void fill(struct eventlog *log, struct model *model, struct chance *chance) {
	begin(log);
	for (unsigned i = 0; i < N_EVENTS; i++) {
		struct recipe recipe = {
			.number = i + 1,
			.at = position_next(status_of(log).head, chance_below(chance, 3) == 0),
			.name = names[chance_below(chance, 3)],
			.client_id = clients[chance_below(chance, 2)],
			.args_bytes = chance_below(chance, 20) == 0 ? 3000 : 0,
		};

		model->events[i] = make(&recipe);
		append(log, make(&recipe));
	}
	commit(log);
}

static struct position any_position(const struct model *model, struct chance *chance) {
	struct position at = model->events[chance_below(chance, N_EVENTS)]->entry.at;

	switch (chance_below(chance, 6)) {
	case 0:
		return POSITION_ROOT;
	case 1: /* between or behind all */
		return (struct position){ at.global, at.client + 50 };
	case 2:
		return (struct position){ at.global + N_EVENTS, 0 };
	default:
		return at;
	}
}

static struct eventlog_query any_query(const struct model *model, struct chance *chance) {
	return (struct eventlog_query){
		.after = any_position(model, chance),
		.has_until = chance_below(chance, 2),
		.until = any_position(model, chance),
		.reverse = chance_below(chance, 2),
		.include_client_only = chance_below(chance, 2),
		.name = chance_below(chance, 2) ? names[chance_below(chance, 3)] : NULL,
		.client_id = chance_below(chance, 3) == 0 ? clients[chance_below(chance, 2)] : NULL,
		.n_max = 1 + chance_below(chance, chance_below(chance, 2) ? 8 : PAGE_EVENTS_MAX),
		.bytes_max = chance_below(chance, 2) ? PAGE_BYTES_MAX : chance_below(chance, 5000),
	};
}

static bool is_asked_for(const struct eventlog_query *query, const struct event *event) {
	struct position at = event->entry.at;
	int after = position_compare(at, query->after);
	int until = query->has_until ? position_compare(at, query->until) : 0;

	if (query->reverse ? (after >= 0 && !position_is_root(query->after)) || until < 0 : after <= 0 || until > 0)
		return false;
	return (query->include_client_only || !event->entry.client_only) &&
	       (!query->name || strcmp(query->name, event->name) == 0) &&
	       (!query->client_id || strcmp(query->client_id, event->client_id) == 0);
}

/* All pages of a query, against the model: same events, same order, none twice;
 * each page within its bounds, and as large as they allow. */
static void check_query(struct eventlog *log, const struct model *model, struct eventlog_query query) {
	const struct eventlog_query asked = query;
	struct event *page[PAGE_EVENTS_MAX];
	struct position last;
	unsigned at = 0;
	size_t n;

	for (;;) {
		size_t bytes = 0;

		assert_int_equal(eventlog_read(log, &query, page, &n, &last, NULL), 0);
		assert_true(n <= query.n_max);
		for (size_t i = 0; i < n; i++) {
			while (at < N_EVENTS &&
			       !is_asked_for(&asked, model->events[asked.reverse ? N_EVENTS - 1 - at : at]))
				at++;
			assert_true(at < N_EVENTS);
			struct event *expected = model->events[asked.reverse ? N_EVENTS - 1 - at : at];
			assert_true(position_equal(page[i]->entry.at, expected->entry.at));
			assert_true(event_id_equal(&page[i]->entry.id, &expected->entry.id));
			assert_int_equal(page[i]->args_bytes, expected->args_bytes);
			assert_memory_equal(page[i]->args, expected->args, expected->args_bytes);
			bytes += page[i]->args_bytes;
			assert_true(i == 0 || bytes <= query.bytes_max);
			at++;
		}
		if (n > 0)
			assert_true(asked.reverse ? position_compare(last, page[n - 1]->entry.at) <= 0
			                          : position_compare(last, page[n - 1]->entry.at) >= 0);
		for (size_t i = 0; i < n; i++)
			event_destroy(page[i]);
		if (position_equal(last, query.after))
			break;
		query.after = last;
	}
	while (at < N_EVENTS && !is_asked_for(&asked, model->events[asked.reverse ? N_EVENTS - 1 - at : at]))
		at++;
	assert_int_equal(at, N_EVENTS);
}

static void every_query_answers_as_an_array_would(void **state) {
	struct chance chance = chance_begin("store/log/read");
	struct model model;
	struct place place;

	place_make(&place);
	struct eventlog *log = open_log(&place);
	fill(log, &model, &chance);
	for (unsigned i = 0; i < N_QUERIES; i++)
		check_query(log, &model, any_query(&model, &chance));
	eventlog_close(log);
	for (unsigned i = 0; i < N_EVENTS; i++)
		event_destroy(model.events[i]);
	place_remove(&place);
}

static void a_filter_that_matches_nothing_searches_a_bounded_number_of_rows(void **state) {
	struct eventlog_query query = { .name = "nothing", .n_max = 10, .bytes_max = 1000 };
	struct position last;
	struct place place;
	size_t n;

	place_make(&place);
	struct eventlog *log = open_log(&place);
	commit_numbers(log, 1, 17 * PAGE_EVENTS_MAX);

	assert_int_equal(eventlog_read(log, &query, NULL, &n, &last, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(last.global, 16 * PAGE_EVENTS_MAX);
	query.after = last;
	assert_int_equal(eventlog_read(log, &query, NULL, &n, &last, NULL), 0);
	assert_int_equal(last.global, 17 * PAGE_EVENTS_MAX);
	query.after = last;
	assert_int_equal(eventlog_read(log, &query, NULL, &n, &last, NULL), 0);
	assert_int_equal(last.global, 17 * PAGE_EVENTS_MAX);
	eventlog_close(log);
	place_remove(&place);
}

static void a_page_over_its_bound_is_refused(void **state) {
	struct eventlog_query query = { .n_max = PAGE_EVENTS_MAX + 1 };
	struct event *page[1];
	struct place place;
	size_t n = 7;

	place_make(&place);
	struct eventlog *log = open_log(&place);
	assert_int_equal(eventlog_read(log, &query, page, &n, NULL, NULL), ERROR_INVALID);
	query.n_max = 0;
	assert_int_equal(eventlog_read(log, &query, page, &n, NULL, NULL), ERROR_INVALID);
	assert_int_equal(n, 7);
	eventlog_close(log);
	place_remove(&place);
}

static void what_is_not_there_is_not_found_and_ends_no_transaction(void **state) {
	struct event_id id = id_of(9);
	struct event *event = NULL;
	struct hash hash;
	struct place place;

	place_make(&place);
	struct eventlog *log = open_log(&place);
	commit_numbers(log, 1, 3);
	begin(log);
	assert_int_equal(eventlog_get(log, synced(4), &event, NULL), ERROR_NOT_FOUND);
	assert_int_equal(eventlog_get(log, POSITION_ROOT, &event, NULL), ERROR_NOT_FOUND);
	assert_int_equal(eventlog_find(log, &id, &event, NULL), ERROR_NOT_FOUND);
	assert_int_equal(eventlog_local_hash(log, client_only(3, 1), &hash, NULL), ERROR_NOT_FOUND);
	assert_int_equal(eventlog_local_hash(log, POSITION_ROOT, &hash, NULL), 0);
	assert_null(event);
	append(log, make_at(4, synced(4)));
	commit(log);
	assert_int_equal(eventlog_get(log, synced(4), &event, NULL), 0);
	assert_int_equal(eventlog_local_hash(log, synced(4), &hash, NULL), 0);
	assert_true(hash_equal(&hash, &event->local_hash));
	event_destroy(event);
	eventlog_close(log);
	place_remove(&place);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_query_answers_as_an_array_would),
		cmocka_unit_test(a_filter_that_matches_nothing_searches_a_bounded_number_of_rows),
		cmocka_unit_test(a_page_over_its_bound_is_refused),
		cmocka_unit_test(what_is_not_there_is_not_found_and_ends_no_transaction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
