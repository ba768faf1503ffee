/* What a leader makes of an adapter's answers: whole pushes, whole logs. */

#include <inttypes.h>
#include <poll.h>

#include "conformance.h"

#define LATER_MAX 1000

struct answer client_push(struct client *client, const struct batch *batch) {
	struct answer answer;

	for (int i = 0; i < LATER_MAX; i++) {
		client_send_push(client, batch);
		answer = client_take_answer(client);
		if (answer.result != PUSH_LATER)
			return answer;
		poll(NULL, 0, 1 + i % 50); /* the adapter's own wish */
	}
	fail_story(client->trial, "the adapter said \"later\" %d times: %s", LATER_MAX, answer.reason);
}

/* So many events from `from` on make the next batch: whole units within the limits. */
static size_t batch_size(struct client *client, const struct history *history, size_t from) {
	uint64_t bytes_max = client->opened.batch_bytes_max;
	size_t events_max = client->opened.batch_events_max;
	size_t whole = 0;
	uint64_t bytes = 0;

	if (bytes_max > BACKEND_BATCH_BYTES_MAX)
		bytes_max = BACKEND_BATCH_BYTES_MAX;
	if (events_max > BACKEND_BATCH_EVENTS_MAX)
		events_max = BACKEND_BATCH_EVENTS_MAX;
	for (size_t i = from; i < history->n && i - from < events_max; i++) {
		const struct event *event = history->events[i];

		bytes += adapter_event_bytes(event);
		if (bytes > bytes_max)
			break;
		if (event->entry.unit_index + 1 == event->entry.unit_count)
			whole = i + 1 - from;
	}
	expect(client->trial, whole > 0, "the limits (%zu events, %" PRIu64 " bytes) have no room for a unit", events_max,
	       bytes_max);
	return whole;
}

struct backend_point client_push_all(struct client *client, const struct history *history, size_t from,
                                     const struct backend_point *parent) {
	struct backend_point head = *parent;

	while (from < history->n) {
		size_t n = batch_size(client, history, from);
		struct answer answer =
			client_push(client, &(struct batch){ .parent = &head, .events = history->events + from, .n = n });
		struct backend_point expected = history_point(history, from + n);

		expect(client->trial, answer.result == PUSH_ACCEPTED, "e%zu to e%zu were not accepted: result %d %s%s",
		       from + 1, from + n, answer.result, answer.reason, answer.problem.text);
		expect(client->trial, points_equal(&answer.head, &expected),
		       "the accepted head was e%" PRIu64 " or another hash, expected e%zu", answer.head.global, from + n);
		head = answer.head;
		from += n;
	}
	return head;
}

struct page client_pull(struct client *client, const struct ask *ask) {
	client_send_pull(client, ask);
	struct page page = client_take_page(client, ANSWER_MS);

	expect(client->trial, !page.problem, "cannot pull: %s", page.what.text);
	return page;
}

void page_expect(struct trial *trial, const struct page *page, const struct history *history, size_t from) {
	expect(trial, !page->diverged, "the page said that the log had diverged behind e%zu", from);
	expect(trial, from + page->n <= history->n, "the page held %zu events behind e%zu, at most %zu were there", page->n,
	       from, history->n - from);
	for (size_t i = 0; i < page->n; i++)
		expect(trial, events_equal(page->events[i], history->events[from + i]), "e%zu came back as another event",
		       from + i + 1);
	struct backend_point end = history_point(history, from + page->n);
	expect(trial, points_equal(&page->end, &end),
	       "the page said that it ends at e%" PRIu64 " or with another hash, "
	       "expected e%zu",
	       page->end.global, from + page->n);
}

struct backend_point client_expect_log(struct client *client, const struct history *history,
                                       const struct backend_point *after) {
	struct backend_point at = *after;
	bool more = true;

	while (more) {
		struct page page = client_pull(client, &(struct ask){ .after = &at });

		page_expect(client->trial, &page, history, at.global);
		more = page.more;
		at = page.end;
		page_finish(&page);
	}
	expect(client->trial, at.global == history->n, "the log ended at e%" PRIu64 ", expected e%zu", at.global,
	       history->n);
	return at;
}
