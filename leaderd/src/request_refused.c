/*
 * Requests about refused events: list, drop, retry, and what became of an id.
 * A unit is refused, dropped and retried as a whole.
 */

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/must.h"
#include "leaderd/src/leader.h"
#include "leaderd/src/peer.h"
#include "leaderd/src/request.h"
#include "store/hash.h"

#define REFUSED_PAGE 16u /* rows read at once; with full arguments they are 4 MiB for a moment */

/* ---- reading them ------------------------------------------------------------------------ */

struct refused_page {
	struct refused_event rows[REFUSED_PAGE];
	size_t n;
};

static void page_finish(struct refused_page *page) {
	for (size_t i = 0; i < page->n; i++)
		refused_event_finish(&page->rows[i]);
	page->n = 0;
}

static int page_read(struct refused_page *page, struct leader *leader, uint64_t after, size_t n_max,
                     struct error *error) {
	size_t n = 0;

	page_finish(page);
	int r = eventlog_refused(leader->store->log, after, NULL, false, page->rows, n_max, &n, error);
	page->n = r == 0 ? n : 0;
	return r;
}

/* The next whole unit behind ordinal `after`, as owned events; *ret_n 0: none is
 * left. The caller frees the list. */
struct refused_unit {
	struct event **events;
	size_t n;
	uint64_t first, last; /* ordinals */
};

static void refused_unit_finish(struct refused_unit *unit) {
	for (size_t i = 0; unit->events && i < unit->n; i++)
		event_destroy(unit->events[i]);
	free(unit->events);
	*unit = (struct refused_unit){ 0 };
}

static int take_row(struct refused_unit *unit, struct refused_event *row, struct error *error) {
	if (!unit->events) {
		unit->events = calloc(row->event->entry.unit_count, sizeof(struct event *));
		unit->first = row->ordinal;
	}
	if (!unit->events)
		return error_no_memory(error);
	unit->events[unit->n++] = row->event;
	unit->last = row->ordinal;
	row->event = NULL;
	return 0;
}

static int read_unit(struct refused_unit *ret, struct leader *leader, uint64_t after, struct error *error) {
	struct refused_page page = { 0 };
	struct refused_unit unit = { 0 };
	size_t wanted = 1;
	int r = 0;

	while (r == 0 && unit.n < wanted) {
		r = page_read(&page, leader, unit.n == 0 ? after : unit.last, REFUSED_PAGE, error);
		if (r < 0 || page.n == 0)
			break;
		if (unit.n == 0)
			wanted = page.rows[0].event->entry.unit_count;
		for (size_t i = 0; r == 0 && i < page.n && unit.n < wanted; i++)
			r = take_row(&unit, &page.rows[i], error);
	}
	page_finish(&page);
	if (r == 0 && unit.n > 0 && unit.n < wanted)
		r = error_set(error, ERROR_CORRUPT, "a refused unit of %zu events has only %zu", wanted, unit.n);
	if (r < 0) {
		refused_unit_finish(&unit);
		return r;
	}
	*ret = unit;
	return 0;
}

/* ---- list --------------------------------------------------------------------------------- */

static int send_refusals(struct peer *peer, const Leaderd__Request *request, const struct refused_page *page,
                         struct error *error) {
	Leaderd__Response response = LEADERD__RESPONSE__INIT;
	Leaderd__Refusal refusals[REFUSED_PAGE], *list[REFUSED_PAGE];
	Leaderd__Event events[REFUSED_PAGE];
	uint64_t origins[REFUSED_PAGE][2 * ORIGINS_MAX];
	size_t args_bytes = 0, i;

	for (i = 0; i < page->n && (i == 0 || args_bytes < PAGE_BYTES_MAX); i++) {
		wire_event_pack(&events[i], page->rows[i].event, origins[i]);
		leaderd__refusal__init(&refusals[i]);
		refusals[i].event = &events[i];
		refusals[i].reason = page->rows[i].reason;
		refusals[i].ordinal = page->rows[i].ordinal;
		list[i] = &refusals[i];
		args_bytes += page->rows[i].event->args_bytes;
	}
	response.number = request->number;
	response.n_refusals = i;
	response.refusals = list;
	return request_answer(peer, &response, error);
}

/* One page behind `after`; the asker goes on from the last ordinal until a page is empty. */
int request_refused_list(struct peer *peer, struct leader *leader, const Leaderd__Request *request,
                         struct error *error) {
	struct refused_page page = { 0 };
	struct error why = { 0 };
	size_t n_max = request->limit == 0 || request->limit > REFUSED_PAGE ? REFUSED_PAGE : request->limit;
	int r = page_read(&page, leader, request->after, n_max, &why);

	if (r < 0)
		return request_answer_error(peer, request->number, &why, error);
	r = send_refusals(peer, request, &page, error);
	page_finish(&page);
	return r;
}

/* ---- which units are meant -------------------------------------------------------------------- */

static bool is_named(const Leaderd__Request *request, const struct refused_unit *unit) {
	struct event_id id;

	for (size_t i = 0; i < request->ids.len / sizeof(id); i++) {
		wire_id_at(&id, &request->ids, i);
		for (size_t k = 0; k < unit->n; k++)
			if (event_id_equal(&id, &unit->events[k]->entry.id))
				return true;
	}
	return false;
}

/* A session that has not been told yet would wait for ever: its next hello says
 * that the event is known as refused. */
static void resync_untold(struct leader *leader, const struct refused_unit *unit) {
	struct leader_session *session = leader_find_session(leader, unit->events[0]->session_id);

	if (session && session->welcomed && session->feed.refused_sent < unit->last)
		leader_hello_again(session, "refused events were dropped");
}

typedef int (*unit_action)(struct leader *leader, struct refused_unit *unit, struct error *error);

static int for_each_named(struct leader *leader, const Leaderd__Request *request, unit_action act,
                          struct error *error) {
	uint64_t after = 0, up_to = leader->told.refused_ordinal;
	size_t n_done = 0;

	if (!request->all && request->ids.len == 0)
		return error_set(error, ERROR_INVALID, "no refused event was named");
	for (;;) {
		struct refused_unit unit = { 0 };
		int r = read_unit(&unit, leader, after, error);

		if (r < 0)
			return r;
		if (unit.n == 0 || unit.first > up_to) {
			refused_unit_finish(&unit);
			break;
		}
		after = unit.last;
		if (request->all || is_named(request, &unit)) {
			r = act(leader, &unit, error);
			n_done++;
		}
		refused_unit_finish(&unit);
		if (r < 0)
			return r;
	}
	if (!request->all && n_done == 0)
		return error_set(error, ERROR_NOT_FOUND, "no such event is among the refused of store %s", leader->name);
	return 0;
}

/* ---- drop ---------------------------------------------------------------------------------------- */

static int drop_unit(struct leader *leader, struct refused_unit *unit, struct error *error) {
	struct eventlog *log = leader->store->log;
	int r = eventlog_begin(log, error);

	if (r == 0)
		r = eventlog_forget(log, &unit->events[0]->entry.id, error);
	if (r == 0)
		r = eventlog_commit(log, error);
	if (r < 0) {
		eventlog_rollback(log);
		return r;
	}
	resync_untold(leader, unit);
	return 0;
}

static int check_may_write(const struct leader *leader, struct error *error) {
	if (leader->trouble.code != 0)
		return error_set(error, leader->trouble.code, "%s", leader->trouble.text);
	return 0;
}

int request_refused_drop(struct leader *leader, const Leaderd__Request *request, struct error *error) {
	int r = check_may_write(leader, error);

	if (r == 0)
		r = for_each_named(leader, request, drop_unit, error);
	daemon_status_changed(leader->daemon);
	return r;
}

/* ---- retry ---------------------------------------------------------------------------------------- */

static uint64_t now_ms(void) {
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The same fact, committed anew: a new id, a new clock value, no place yet. */
static void renew(struct leader *leader, struct refused_unit *unit) {
	struct hlc hlc = leader->told.hlc;
	uint64_t now = now_ms();

	for (size_t i = 0; i < unit->n; i++) {
		struct event *event = unit->events[i];

		hlc = hlc_next(hlc, now);
		event_id_make(&event->entry.id, now);
		event->entry.unit = unit->events[0]->entry.id;
		event->entry.at = POSITION_ROOT;
		event->n_origins = 0;
		event->hlc = hlc;
		event->digest = 0;
		strcpy(event->client_id, leader->told.client_id);
		hash_content(&event->entry.content, event);
	}
}

static int retry_unit(struct leader *leader, struct refused_unit *refused, struct error *error) {
	struct event_id old = refused->events[0]->entry.id;
	struct unit *unit;
	int r;

	renew(leader, refused);
	r = unit_from_events(&unit, refused->events, refused->n, error);
	if (r < 0)
		return r;
	/* The events are the unit's now; what is left serves resync_untold. */
	char session_id[SESSION_ID_BYTES_MAX + 1];
	strcpy(session_id, refused->events[0]->session_id);
	free(refused->events);
	refused->events = NULL;
	refused->n = 0;
	unit->replaces = malloc(sizeof(old));
	if (!unit->replaces) {
		unit_destroy(unit);
		return error_no_memory(error);
	}
	*unit->replaces = old;
	r = leader_commit_unit(leader, unit, error);
	struct leader_session *session = leader_find_session(leader, session_id);
	if (r == 0 && session && session->welcomed && session->feed.refused_sent < refused->last)
		leader_hello_again(session, "refused events were committed again");
	return r;
}

int request_refused_retry(struct leader *leader, const Leaderd__Request *request, struct error *error) {
	int r = check_may_write(leader, error);

	return r < 0 ? r : for_each_named(leader, request, retry_unit, error);
}

/* ---- lookup ---------------------------------------------------------------------------------------- */

enum fate { FATE_UNKNOWN, FATE_DURABLE, FATE_CONFIRMED, FATE_REFUSED, FATE_DROPPED };

/* Is it among the refused, and why? The table has no index from ids to reasons. */
static int find_reason(struct leader *leader, const struct event_id *id, char **ret_reason, struct error *error) {
	struct refused_page page = { 0 };
	uint64_t after = 0;
	int r;

	*ret_reason = NULL;
	while ((r = page_read(&page, leader, after, REFUSED_PAGE, error)) == 0 && page.n > 0 && !*ret_reason) {
		for (size_t i = 0; i < page.n && !*ret_reason; i++) {
			if (!event_id_equal(id, &page.rows[i].event->entry.id))
				continue;
			*ret_reason = page.rows[i].reason;
			page.rows[i].reason = NULL;
		}
		after = page.rows[page.n - 1].ordinal;
	}
	page_finish(&page);
	return r;
}

static int look_up(struct leader *leader, const struct event_id *id, Leaderd__Known *ret, struct error *error) {
	static const struct hash no_content = { { 0 } };
	enum eventlog_known known;
	struct position at;
	struct event *event = NULL;
	char *reason = NULL;
	int r = eventlog_known(leader->store->log, id, &no_content, &known, &at, error);

	if (r < 0 || known == KNOWN_NOT)
		return r;
	r = eventlog_find(leader->store->log, id, &event, error);
	if (r == 0) {
		bool confirmed = leader->told.has_backend && event->entry.at.global <= leader->told.upstream_head.global;
		ret->what = confirmed ? FATE_CONFIRMED : FATE_DURABLE;
		ret->global = event->entry.at.global;
		ret->client = event->entry.at.client;
		event_destroy(event);
	} else if (r == ERROR_NOT_FOUND) {
		r = find_reason(leader, id, &reason, error);
		ret->what = reason ? FATE_REFUSED : FATE_DROPPED;
		if (reason)
			ret->reason = reason;
	}
	return r;
}

struct lookup {
	Leaderd__Known *known;
	Leaderd__Known **list;
	struct event_id *ids;
	size_t n;
};

static int look_up_all(struct lookup *lookup, struct leader *leader, const Leaderd__Request *request,
                       struct error *error) {
	int r = 0;

	lookup->known = calloc(lookup->n + 1, sizeof(*lookup->known));
	lookup->list = calloc(lookup->n + 1, sizeof(Leaderd__Known *));
	lookup->ids = calloc(lookup->n + 1, sizeof(*lookup->ids));
	if (!lookup->known || !lookup->list || !lookup->ids)
		return error_no_memory(error);
	for (size_t i = 0; i < lookup->n; i++) {
		leaderd__known__init(&lookup->known[i]);
		wire_id_at(&lookup->ids[i], &request->ids, i);
		lookup->known[i].id.data = lookup->ids[i].bytes;
		lookup->known[i].id.len = sizeof(lookup->ids[i].bytes);
		lookup->list[i] = &lookup->known[i];
	}
	for (size_t i = 0; r == 0 && i < lookup->n; i++)
		r = look_up(leader, &lookup->ids[i], &lookup->known[i], error);
	return r;
}

static void lookup_finish(struct lookup *lookup) {
	for (size_t i = 0; lookup->known && i < lookup->n; i++)
		if (lookup->known[i].what == FATE_REFUSED)
			free(lookup->known[i].reason);
	free(lookup->known);
	free(lookup->list);
	free(lookup->ids);
}

int request_lookup(struct peer *peer, struct leader *leader, const Leaderd__Request *request, struct error *error) {
	struct lookup lookup = { .n = request->ids.len / sizeof(struct event_id) };
	Leaderd__Response response = LEADERD__RESPONSE__INIT;
	struct error why = { 0 };
	int r;

	/* With a reason for each, more would not fit a frame. */
	if (lookup.n > UNIT_EVENTS_MAX)
		r = error_set(&why, ERROR_TOO_LARGE, "%zu ids were looked up at once, at most %u", lookup.n, UNIT_EVENTS_MAX);
	else
		r = look_up_all(&lookup, leader, request, &why);
	if (r < 0) {
		r = request_answer_error(peer, request->number, &why, error);
	} else {
		response.number = request->number;
		response.n_known = lookup.n;
		response.known = lookup.list;
		r = request_answer(peer, &response, error);
	}
	lookup_finish(&lookup);
	return r;
}
