/*
 * lds_commit: an event becomes part of this session's state at once, and of the
 * leader's log soon. Step 1 of docs/ARCHITECTURE.md.
 *
 * Everything that could fail for the app's own reasons is found before the
 * machine is asked, and all memory is taken before the state is touched: from
 * the moment the machine accepts the unit nothing can go wrong any more.
 */

#include "session.h"

#include <stdlib.h>
#include <string.h>

#include "store/hash.h"

struct commit {
	const struct lds_event_input *inputs;
	size_t n;
	const struct schema_event **definitions; /* owned */
	struct event **events;                   /* the array is owned; the events belong to the pending table */
	struct entry *entries;                   /* owned */
	size_t n_added;                          /* events that stand in the pending table */
	size_t args_bytes;
};

static int check_session(struct lds_session *session) {
	if (session->flags & LDS_READ_ONLY)
		return session_fail(session, LDS_INVALID, "the session was opened read-only");
	if (session->failed.code)
		return session_fail(session, session->failed.code, "%s", session->failed.text);
	if (session->broken)
		return session_fail(session, session->broken, "the state could not be taken whole yet");
	if (session->trouble_code == ERROR_FULL || session->trouble_code == ERROR_HOLD)
		return session_fail(session, session->trouble_code, "%s", session->trouble);
	return 0;
}

/* The version that the app means, as far as the schema in force can still take it. */
static int find_definition(struct lds_session *session, const struct lds_event_input *input,
                           const struct schema_event **ret) {
	uint32_t version = input->version;
	const struct schema_event *known;

	if (version == 0) {
		known = schema_find_event(session->app_schema, input->name, 0);
		if (!known)
			return session_fail(session, LDS_INVALID, "unknown event %.*s: the schema has none of that name",
			                    (int)EVENT_NAME_BYTES_MAX, input->name);
		version = known->version;
	}
	known = schema_find_event(session->schema, input->name, version);
	if (!known)
		return session_fail(session, LDS_INVALID, "unknown event %.*s: the schema in force has no version %u of it",
		                    (int)EVENT_NAME_BYTES_MAX, input->name, version);
	*ret = known;
	return 0;
}

static int check_input(struct lds_session *session, struct commit *commit, size_t i) {
	const struct lds_event_input *input = &commit->inputs[i];
	size_t n;
	int r;

	if (!input->name || !input->args)
		return session_fail(session, LDS_INVALID, "event %zu of the unit had no %s", i,
		                    input->name ? "arguments" : "name");
	n = strnlen(input->args, EVENT_ARGS_BYTES_MAX + 1);
	if (n > EVENT_ARGS_BYTES_MAX)
		return session_fail(session, LDS_TOO_LARGE, "the arguments of %.*s were over %u bytes",
		                    (int)EVENT_NAME_BYTES_MAX, input->name, EVENT_ARGS_BYTES_MAX);
	commit->args_bytes += n;
	if (commit->args_bytes > UNIT_BYTES_MAX)
		return session_fail(session, LDS_TOO_LARGE, "the arguments of the unit were over %u bytes", UNIT_BYTES_MAX);
	r = find_definition(session, input, &commit->definitions[i]);
	if (r < 0)
		return r;
	if (commit->definitions[i]->client_only != commit->definitions[0]->client_only)
		return session_fail(session, LDS_INVALID, "the unit mixed the %s event %s with others",
		                    commit->definitions[i]->client_only ? "client-only" : "synced", input->name);
	r = arguments_check(commit->definitions[i], input->args, n, &session->error);
	return r < 0 ? error_prefix(&session->error, "%s", input->name) : 0;
}

static int check_bounds(struct lds_session *session, const struct commit *commit) {
	uint64_t queued = session->pending.queued_bytes + leader_link_waiting(&session->link);

	for (size_t i = 0; i < commit->n; i++)
		queued += pending_frame_bytes(commit->events[i]);
	if (queued > SESSION_QUEUE_BYTES_MAX)
		return session_fail(session, LDS_FULL, "%u bytes wait for the leader, more are not kept",
		                    SESSION_QUEUE_BYTES_MAX);
	if (session->pending.args_bytes > SESSION_PENDING_BYTES_MAX)
		return session_fail(session, LDS_FULL, "%u bytes of arguments are pending, more are not kept",
		                    SESSION_PENDING_BYTES_MAX);
	return 0;
}

/* The event as it will stay: everything but its position. */
static int make_event(struct lds_session *session, struct commit *commit, size_t i, uint64_t now_ms) {
	const struct lds_event_input *input = &commit->inputs[i];
	struct event *event = event_create(input->name, input->args, strlen(input->args));

	if (!event)
		return error_no_memory(&session->error);
	event_id_make(&event->entry.id, now_ms);
	event->entry.unit = i == 0 ? event->entry.id : commit->events[0]->entry.id;
	event->entry.unit_index = (uint32_t)i;
	event->entry.unit_count = (uint32_t)commit->n;
	event->entry.client_only = commit->definitions[i]->client_only;
	event->version = commit->definitions[i]->version;
	event->generation = session->machine.heads.generation;
	session->hlc = event->hlc = hlc_next(session->hlc, now_ms);
	strcpy(event->client_id, session->client_id);
	strcpy(event->session_id, session->session_id);
	hash_content(&event->entry.content, event);
	if (pending_add(&session->pending, event) < 0) {
		event_destroy(event);
		return error_no_memory(&session->error);
	}
	commit->events[commit->n_added++] = event;
	commit->entries[i] = event->entry;
	return 0;
}

static int prepare(struct lds_session *session, struct commit *commit) {
	uint64_t now_ms = clock_realtime_ms();
	int r = 0;

	commit->definitions = calloc(commit->n, sizeof(*commit->definitions));
	commit->events = calloc(commit->n, sizeof(*commit->events));
	commit->entries = calloc(commit->n, sizeof(*commit->entries));
	if (!commit->definitions || !commit->events || !commit->entries)
		return error_no_memory(&session->error);
	for (size_t i = 0; r == 0 && i < commit->n; i++)
		r = check_input(session, commit, i);
	for (size_t i = 0; r == 0 && i < commit->n; i++)
		r = make_event(session, commit, i, now_ms);
	return r == 0 ? check_bounds(session, commit) : r;
}

static int perform(struct lds_session *session, struct commit *commit) {
	struct step step = { .unit = commit->events, .n_unit = commit->n, .outcome = SESSION_FAILED, .image_fd = -1 };
	struct session_input input = { .kind = SESSION_COMMIT, .unit = commit->entries, .n_unit = commit->n };
	int r = session_perform(session, &input, &step);

	if (r < 0)
		return r;
	return step.outcome == SESSION_DONE ? 0 : step.code;
}

/* Nothing has happened: the events leave as they came. */
static void withdraw(struct lds_session *session, struct commit *commit) {
	for (size_t i = 0; i < commit->n_added; i++)
		pending_remove(&session->pending, pending_find(&session->pending, &commit->events[i]->entry.id));
}

static bool is_handed_over(const struct lds_session *session) {
	return session->machine.link == SESSION_LIVE && TAILQ_EMPTY(&session->pending.queue) &&
	       leader_link_waiting(&session->link) == 0;
}

int lds_commit_batch(struct lds_session *session, const struct lds_event_input *events, size_t n_events,
                     struct lds_id *ret_ids) {
	struct commit commit = { .inputs = events, .n = n_events };
	int r = session_enter(session);

	if (r < 0)
		return r;
	if (!events || n_events == 0)
		return session_fail(session, LDS_INVALID, "a unit had no events");
	if (n_events > UNIT_EVENTS_MAX)
		return session_fail(session, LDS_TOO_LARGE, "a unit had %zu events, at most %u go together", n_events,
		                    UNIT_EVENTS_MAX);
	r = check_session(session);
	if (r == 0)
		r = prepare(session, &commit);
	if (r == 0)
		r = perform(session, &commit);
	for (size_t i = 0; r == 0 && ret_ids && i < n_events; i++)
		memcpy(ret_ids[i].bytes, commit.events[i]->entry.id.bytes, sizeof(ret_ids[i].bytes));
	if (r < 0)
		withdraw(session, &commit);
	else
		r = is_handed_over(session) ? 0 : LDS_QUEUED;
	free(commit.definitions);
	free(commit.events);
	free(commit.entries);
	return r;
}

int lds_commit(struct lds_session *session, const char *name, const char *args, struct lds_id *ret_id) {
	struct lds_event_input input = { .name = name, .args = args };

	return lds_commit_batch(session, &input, 1, ret_id);
}
