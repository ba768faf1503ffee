/*
 * Pull: the head and the hash at `after` from one snapshot, then the events up
 * to that head. A log only grows, so they agree; where it was restored in
 * between, what is missing shows.
 *
 * The server adds up the sizes, so that it does not send what would not fit:
 * that needs no look at the large values themselves.
 */

#include <inttypes.h>
#include <stdlib.h>

#include "postgres/postgres.h"

#define READ_EVENTS                                                                                       \
	"SELECT global, chain_hash, packed FROM (SELECT global, chain_hash, packed,"                          \
	" sum(octet_length(packed)) OVER (ORDER BY global) - octet_length(packed) AS bytes_before FROM"       \
	" (SELECT global, chain_hash, packed FROM leaderd.event WHERE log = $1::text AND global > $2::bigint" \
	" AND global <= $3::bigint ORDER BY global LIMIT $4::bigint) AS next) AS sized"                       \
	" WHERE bytes_before < $5::bigint ORDER BY global"

struct range {
	uint64_t after, until;
	size_t events_max, bytes_max;
};

static int run(struct postgres *postgres, const struct range *range, PGresult **ret, struct error *error) {
	struct statement statement = { .sql = READ_EVENTS };

	statement_add_text(&statement, postgres->log);
	statement_add_number(&statement, range->after);
	statement_add_number(&statement, range->until);
	statement_add_number(&statement, range->events_max > INT32_MAX ? INT32_MAX : range->events_max);
	statement_add_number(&statement, range->bytes_max > INT64_MAX ? INT64_MAX : range->bytes_max);
	return statement_run(postgres, &statement, ret, error);
}

static int missing(const struct postgres *postgres, uint64_t global, struct error *error) {
	return error_set(error, ERROR_CORRUPT, "e%" PRIu64 " of the log %s was missing (%s)", global, postgres->log,
	                 postgres->place);
}

static int read_event(const struct postgres *postgres, const PGresult *result, int row, uint64_t expected,
                      struct event **ret, struct error *error) {
	struct hash chain_hash;
	struct event *event;
	int r;

	if (result_number(result, row, 0) != expected)
		return missing(postgres, expected, error);
	r = adapter_event_unpack(&event, PQgetvalue(result, row, 2), (size_t)PQgetlength(result, row, 2), error);
	if (r < 0)
		return r;
	if (event->entry.at.global != expected ||
	    !result_bytes(result, row, 1, chain_hash.bytes, sizeof(chain_hash.bytes)) ||
	    !hash_equal(&chain_hash, &event->chain_hash)) {
		event_destroy(event);
		return error_set(error, ERROR_CORRUPT, "the row of e%" PRIu64 " of the log %s contradicted itself (%s)",
		                 expected, postgres->log, postgres->place);
	}
	*ret = event;
	return 0;
}

static void cut(struct adapter_page *page, size_t n) {
	while (page->n_events > n)
		event_destroy(page->events[--page->n_events]);
}

static void drop(struct adapter_page *page) {
	cut(page, 0);
	free(page->events);
	page->events = NULL;
}

static int read_events(struct postgres *postgres, const struct range *range, struct adapter_page *page,
                       struct error *error) {
	PGresult *result;
	int r = run(postgres, range, &result, error);

	if (r < 0)
		return r;
	int n = PQntuples(result);
	page->events = calloc((size_t)n + 1, sizeof(struct event *));
	if (page->events == NULL)
		r = error_no_memory(error);
	for (int row = 0; r == 0 && row < n; row++) {
		r = read_event(postgres, result, row, range->after + 1 + (uint64_t)row, &page->events[row], error);
		if (r == 0)
			page->n_events++;
	}
	PQclear(result);
	if (r < 0)
		drop(page);
	return r;
}

/* What the unit that begins at `first` has left, and its bytes as far as they are here. */
static size_t unit_rest(const struct adapter_page *page, size_t first, size_t *ret_bytes) {
	const struct entry *entry = &page->events[first]->entry;
	size_t n = entry->unit_index < entry->unit_count ? entry->unit_count - entry->unit_index : 1;

	*ret_bytes = 0;
	for (size_t i = first; i < first + n && i < page->n_events; i++)
		*ret_bytes += adapter_event_bytes(page->events[i]);
	return n;
}

/* The events of the whole units that fit; the first unit always does, if it is here. */
static size_t count_whole(const struct adapter_page *page, const struct adapter_pull *pull) {
	size_t n = 0, bytes = 0;

	while (n < page->n_events) {
		size_t unit_bytes, rest = unit_rest(page, n, &unit_bytes);

		if (n + rest > page->n_events)
			break;
		if (n > 0 && (n + rest > pull->events_max || bytes + unit_bytes > pull->bytes_max))
			break;
		n += rest;
		bytes += unit_bytes;
	}
	return n;
}

/* The first unit is larger than the page should be: it comes alone. */
static int read_first_unit(struct postgres *postgres, const struct range *range, struct adapter_page *page,
                           struct error *error) {
	size_t bytes, n = unit_rest(page, 0, &bytes);
	struct range unit = { .after = range->after, .until = range->until, .events_max = n, .bytes_max = SIZE_MAX };
	int r;

	drop(page);
	r = read_events(postgres, &unit, page, error);
	if (r < 0)
		return r;
	if (page->n_events == n)
		return 0;
	n = page->n_events;
	drop(page);
	return missing(postgres, range->after + 1 + n, error);
}

static int read_page(struct postgres *postgres, const struct adapter_pull *pull, struct adapter_page *page,
                     struct error *error) {
	struct range range = {
		.after = pull->after.global,
		.until = page->head.global,
		.events_max = pull->events_max == 0 ? 1 : pull->events_max,
		.bytes_max = pull->bytes_max == 0 ? 1 : pull->bytes_max,
	};
	const struct event *last;
	size_t n;
	int r = read_events(postgres, &range, page, error);

	if (r == 0 && page->n_events == 0) {
		drop(page);
		r = missing(postgres, range.after + 1, error);
	}
	if (r < 0)
		return r;
	n = count_whole(page, pull);
	if (n == 0) {
		r = read_first_unit(postgres, &range, page, error);
		n = page->n_events;
	}
	if (r < 0)
		return r;
	cut(page, n);
	last = page->events[n - 1];
	page->end = (struct backend_point){ .global = last->entry.at.global, .chain_hash = last->chain_hash };
	page->more = page->end.global < page->head.global;
	if (page->more || hash_equal(&page->end.chain_hash, &page->head.chain_hash))
		return 0;
	drop(page);
	return error_set(error, ERROR_CORRUPT, "the head of the log %s was not its last event (%s)", postgres->log,
	                 postgres->place);
}

int postgres_pull(void *backend, const struct adapter_pull *pull, struct adapter_page *ret, struct error *error) {
	struct postgres *postgres = backend;
	struct adapter_page page = { .end = pull->after };
	struct log_state state;
	int r;

	operation_begin(postgres);
	r = log_look(postgres, pull->after.global, &state, error);
	if (r < 0)
		return r;
	page.head = state.head;
	page.diverged = !log_contains(&state, &pull->after, page.reason, sizeof(page.reason));
	if (!page.diverged && pull->after.global < state.head.global)
		r = read_page(postgres, pull, &page, error);
	if (r < 0)
		return r;
	*ret = page;
	return 0;
}
