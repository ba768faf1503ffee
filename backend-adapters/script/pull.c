/* Pull: the right page, and then what the story makes of it. */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "script/script.h"
#include "store/hash.h"

static void page_free(struct adapter_page *page) {
	for (size_t i = 0; page->events != NULL && i < page->n_events; i++)
		event_destroy(page->events[i]);
	free(page->events);
	page->events = NULL;
	page->n_events = 0;
}

/* Whole units within the bounds; the first one always. */
static size_t count_events(const struct script_log *log, const struct adapter_pull *pull, size_t from) {
	size_t n_whole = 0, bytes = 0;

	for (size_t i = from; i < log->n; i++) {
		size_t n = i + 1 - from;

		bytes += adapter_event_bytes(log->events[i]);
		if (n_whole > 0 && (n > pull->events_max || bytes > pull->bytes_max))
			break;
		if (log->events[i]->entry.unit_index + 1 == log->events[i]->entry.unit_count)
			n_whole = n;
	}
	return n_whole;
}

static int fill(const struct script_log *log, const struct adapter_pull *pull, size_t from, struct adapter_page *page,
                struct error *error) {
	size_t n = count_events(log, pull, from);

	page->events = calloc(n + 1, sizeof(struct event *)); /* room for one that is repeated */
	if (page->events == NULL)
		return error_no_memory(error);
	for (; page->n_events < n; page->n_events++) {
		page->events[page->n_events] = event_copy(log->events[from + page->n_events]);
		if (page->events[page->n_events] == NULL)
			return error_no_memory(error);
	}
	if (n > 0)
		page->end = log_point(log, from + n);
	page->more = from + n < log->n;
	return 0;
}

static void leave_out(struct adapter_page *page, size_t at) {
	event_destroy(page->events[at]);
	page->n_events--;
	memmove(page->events + at, page->events + at + 1, (page->n_events - at) * sizeof(struct event *));
	page->more = page->more && page->n_events > 0;
}

static int repeat(struct adapter_page *page, size_t at, struct error *error) {
	struct event *event = event_copy(page->events[at]);

	if (event == NULL)
		return error_no_memory(error);
	memmove(page->events + at + 1, page->events + at, (page->n_events - at) * sizeof(struct event *));
	page->events[at] = event;
	page->n_events++;
	return 0;
}

static void swap(struct adapter_page *page, size_t at) {
	struct event *event = page->events[at];

	if (at + 1 == page->n_events)
		return;
	page->events[at] = page->events[at + 1];
	page->events[at + 1] = event;
}

/* The last letter or digit of the arguments: what is a value, mostly. */
static void alter(struct event *event) {
	for (size_t i = event->args_bytes; i > 0; i--) {
		char *at = &event->args[i - 1];

		if (isalnum((unsigned char)*at)) {
			*at = *at == '1' ? '2' : *at == 'x' ? 'y' : isdigit((unsigned char)*at) ? '1' : 'x';
			return;
		}
	}
}

static void rewrite(struct adapter_page *page, const struct backend_point *after, size_t at) {
	struct hash chain = after->chain_hash;

	alter(page->events[at]);
	for (size_t i = 0; i < page->n_events; i++) {
		struct event *event = page->events[i];

		hash_content(&event->entry.content, event);
		hash_chain(&event->chain_hash, &chain, event->entry.at, &event->entry.content);
		chain = event->chain_hash;
	}
	page->end.chain_hash = chain;
	if (page->head.global == page->end.global)
		page->head.chain_hash = chain;
}

static int spoil(struct adapter_page *page, const struct story_line *line, const struct adapter_pull *pull,
                 struct error *error) {
	size_t at = line->action == ACTION_CUT ? page->n_events - 1 : (size_t)line->number - 1;

	if (page->n_events == 0 || at >= page->n_events)
		return 0;
	switch (line->action) {
	case ACTION_GAP:
	case ACTION_CUT:
		leave_out(page, at);
		return 0;
	case ACTION_REPEAT:
		return repeat(page, at, error);
	case ACTION_SWAP:
		swap(page, at);
		return 0;
	case ACTION_ALTER:
		alter(page->events[at]);
		return 0;
	case ACTION_REWRITE:
		rewrite(page, &pull->after, at);
		return 0;
	default:
		return 0;
	}
}

static int make_page(const struct script_log *log, const struct story_line *line, const struct adapter_pull *pull,
                     struct adapter_page *page, struct error *error) {
	int r;

	page->head = log_point(log, log->n);
	page->end = pull->after;
	page->diverged = !log_holds(log, &pull->after, page->reason, sizeof(page->reason));
	if (line->action == ACTION_DIVERGED) {
		page->diverged = true;
		strcpy(page->reason, "as the story says");
	}
	if (page->diverged)
		return 0;
	if (line->action == ACTION_EMPTY) {
		page->head = pull->after;
		return 0;
	}
	r = fill(log, pull, line->action == ACTION_AGAIN ? 0 : (size_t)pull->after.global, page, error);
	return r < 0 ? r : spoil(page, line, pull, error);
}

int script_pull(void *data, const struct adapter_pull *pull, struct adapter_page *ret, struct error *error) {
	struct script_backend *backend = data;
	struct adapter_page page = { 0 };
	const struct story_line *line;
	int r = act_before(backend, OPERATION_PULL, &pull->after, &line, error);

	if (r < 0)
		return r;
	r = make_page(&backend->log, line, pull, &page, error);
	act_after(backend, line);
	if (r < 0) {
		page_free(&page);
		return r;
	}
	*ret = page;
	return 0;
}
