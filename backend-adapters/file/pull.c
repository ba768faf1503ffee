/* Pull: one read transaction, so that a page and the head that it names agree. */

#include <inttypes.h>

#include "file/file.h"
#include "runtime/collector.h"

#define READ_EVENTS "SELECT global, data FROM event WHERE log = ?1 AND global > ?2 ORDER BY global"

static int read_event(const struct file_backend *backend, sqlite3_stmt *statement, struct collector *collector,
                      uint64_t expected, struct error *error) {
	struct event *event;
	int n = sqlite3_column_bytes(statement, 1);
	int r = adapter_event_unpack(&event, sqlite3_column_blob(statement, 1), (size_t)n, error);

	if (r < 0)
		return r;
	if (event->entry.at.global != expected || (uint64_t)sqlite3_column_int64(statement, 0) != expected)
		r = error_set(error, ERROR_CORRUPT, "e%" PRIu64 " is missing in %s", expected, backend->path);
	else
		r = collector_add(collector, event, error);
	if (r < 0)
		event_destroy(event);
	return r;
}

/* Whole units within the bounds; the first one always. */
static int collect(const struct file_backend *backend, sqlite3_stmt *statement, const struct adapter_pull *pull,
                   struct collector *collector, struct error *error) {
	bool full = false;
	int r = 0;

	sqlite3_bind_int64(statement, 1, backend->log);
	sqlite3_bind_int64(statement, 2, (int64_t)pull->after.global);
	while (!full && (r = database_step(backend, statement, "read", error)) == 1) {
		r = read_event(backend, statement, collector, pull->after.global + collector->n + 1, error);
		if (r < 0)
			return r;
		if (collector->unit_ended)
			collector_end_unit(collector);
		full = collector_is_full(collector);
	}
	if (r < 0)
		return r;
	if (!full && collector->n > 0 && !collector->unit_ended)
		return error_set(error, ERROR_CORRUPT, "the last unit in %s is not whole", backend->path);
	collector_cut(collector);
	return 0;
}

static int read_page(const struct file_backend *backend, const struct adapter_pull *pull, struct adapter_page *page,
                     struct error *error) {
	struct collector collector = { .pull = pull };
	sqlite3_stmt *statement;
	int r = database_prepare(backend, &statement, READ_EVENTS, error);

	if (r < 0)
		return r;
	r = collect(backend, statement, pull, &collector, error);
	sqlite3_finalize(statement);
	if (r < 0) {
		collector_finish(&collector);
		return r;
	}
	page->events = collector.events;
	page->n_events = collector.n;
	if (collector.n > 0) {
		const struct event *last = collector.events[collector.n - 1];

		page->end = (struct backend_point){ .global = last->entry.at.global, .chain_hash = last->chain_hash };
	}
	page->more = page->end.global < page->head.global;
	return 0;
}

int file_pull(void *data, const struct adapter_pull *pull, struct adapter_page *ret, struct error *error) {
	const struct file_backend *backend = data;
	struct adapter_page page = { .end = pull->after };
	int r = place_check_same(backend, error);

	if (r == 0)
		r = database_run(backend, "BEGIN", "read", error);
	if (r == 0)
		r = database_head(backend, &page.head, error);
	if (r == 0)
		r = database_find(backend, &pull->after, &page.head, page.reason, sizeof(page.reason), error);
	if (r >= 0) {
		page.diverged = r == 0;
		r = page.diverged ? 0 : read_page(backend, pull, &page, error);
	}
	database_roll_back(backend);
	if (r < 0)
		return r;
	*ret = page;
	return 0;
}
