/*
 * Materializing: the statements of an event's definition turn it into state.
 * Step 3 of docs/ARCHITECTURE.md.
 *
 * A unit runs in a savepoint of its own. An old version of an event is lifted
 * first: a SELECT makes the arguments of the next definition from those of the
 * old one, until none is left that becomes another. Which error is what:
 * constraints, refuse() and value errors are the event's own fault and refuse the
 * unit; everything else (a full disk, no memory, an interrupt) ends the whole
 * transaction. FULL, IOERR, NOMEM and INTERRUPT can end it by themselves, so that
 * is asked after each failed statement. A statement over its step budget is
 * neither: the store must hold, for the same event would stall every device.
 */

#include "store/state.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "store/database.h"
#include "store/state_private.h"

/* What one event runs with, after lifting. */
struct plan {
	const struct schema_event *definition;
	struct arguments *arguments; /* owned */
};

static int refuse(const struct event *event, const char *reason, struct error *error) {
	error_set(error, ERROR_REFUSED, "%s: %s", event->name, reason);
	return STATE_REFUSED;
}

/* An error of the arguments is the event's fault, unless memory ran out. */
static int refuse_arguments(const struct event *event, int r, const struct error *why, struct error *error) {
	return r == ERROR_NO_MEMORY ? error_no_memory(error) : refuse(event, why->text, error);
}

static int look_at_budget(void *data) {
	struct state *state = data;

	if (state->budget_left == 0) {
		state->over_budget = true;
		return 1;
	}
	state->budget_left--;
	return 0;
}

static void start_budget(struct state *state) {
	state->over_budget = false;
	state->budget_left = state->statement_looks_max;
}

/* Our own statements between two of the event's have no budget. */
static void end_budget(struct state *state) {
	state->budget_left = UINT64_MAX;
}

static int statement_failed(struct state *state, const struct event *event, const struct schema_statement *statement,
                            int rc, struct error *error) {
	const char *text = sqlite3_errmsg(state->db);

	if (state->over_budget)
		return error_set(error, ERROR_HOLD, "%s: the statement on line %u of the schema took more than %llu steps",
		                 event->name, statement->line,
		                 (unsigned long long)state->statement_looks_max * STATEMENT_STEPS_PER_CHECK);
	if (!database_is_event_fault(rc))
		return database_error(state->db, rc, "materialize an event", error);
	if (!database_in_transaction(state->db))
		return error_set(error, ERROR_IO, "%s: a statement ended the transaction: %s", event->name, text);
	if (strncmp(text, REFUSE_PREFIX, strlen(REFUSE_PREFIX)) == 0)
		text += strlen(REFUSE_PREFIX);
	return refuse(event, text, error);
}

/* Prepared once and kept for the connection's life. */
static int prepared(struct state *state, const struct schema_event *definition, size_t i, sqlite3_stmt **ret,
                    struct error *error) {
	size_t index = (size_t)(definition - state->schema->events);
	sqlite3_stmt ***list = &state->materializers[index];
	int r = 0;

	if (!*list && !(*list = calloc(definition->n_statements, sizeof(**list))))
		return error_no_memory(error);
	if (!(*list)[i]) {
		state->guard.mode = schema_event_mode(definition);
		r = database_prepare(&(*list)[i], state->db, definition->statements[i].sql, error);
		state->guard.mode = AUTHORIZER_OWN;
	}
	if (r == ERROR_REFUSED)
		return error_set(error, ERROR_CORRUPT, "the tables do not fit their schema: %s", sqlite3_errmsg(state->db));
	if (r == 0)
		*ret = (*list)[i];
	return r;
}

/* A step can prepare again, so it needs the guard's mode as well. */
static int guarded_step(struct state *state, const struct schema_event *definition, sqlite3_stmt *statement) {
	state->guard.mode = schema_event_mode(definition);
	int rc = sqlite3_step(statement);
	state->guard.mode = AUTHORIZER_OWN;
	return rc;
}

static int lift_row(struct state *state, const struct plan *plan, const struct event *event, sqlite3_stmt *statement,
                    struct bytes *ret, struct error *error) {
	const struct schema_event *definition = plan->definition;
	struct error why = { 0 };
	int rc, r;

	start_budget(state);
	rc = guarded_step(state, definition, statement);
	if (rc == SQLITE_DONE)
		return refuse(event, "lifting it gave no row", error);
	if (rc != SQLITE_ROW)
		return statement_failed(state, event, &definition->statements[0], rc, error);
	r = arguments_lift(ret, &state->schema->events[definition->becomes_index], statement, &why);
	if (r < 0)
		return refuse_arguments(event, r, &why, error);
	rc = guarded_step(state, definition, statement);
	if (rc == SQLITE_ROW)
		return refuse(event, "lifting it gave more than one row", error);
	return rc == SQLITE_DONE ? 0 : statement_failed(state, event, &definition->statements[0], rc, error);
}

/* One step up: plan->definition becomes the next one. */
static int lift(struct state *state, struct plan *plan, const struct event *event, struct bytes *lifted,
                struct error *error) {
	const struct schema_event *target = &state->schema->events[plan->definition->becomes_index];
	struct arguments *arguments = NULL;
	struct error why = { 0 };
	sqlite3_stmt *statement = NULL;
	int r = prepared(state, plan->definition, 0, &statement, error);

	if (r < 0)
		return r;
	r = arguments_bind(plan->arguments, event, statement, error);
	if (r == 0)
		r = lift_row(state, plan, event, statement, lifted, error);
	end_budget(state);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	if (r != 0)
		return r;
	r = arguments_parse(&arguments, target, (const char *)lifted->data, lifted->n, &why);
	if (r < 0)
		return refuse_arguments(event, r, &why, error);
	arguments_destroy(plan->arguments);
	plan->arguments = arguments;
	plan->definition = target;
	return 0;
}

static int make_plan(struct state *state, const struct event *event, struct plan *plan, struct error *error) {
	struct error why = { 0 };
	size_t n_lifts = 0;
	int r;

	plan->definition = schema_find_event(state->schema, event->name, event->version);
	if (!plan->definition) {
		error_set(error, ERROR_REFUSED, "%s@%u: this schema has no such event", event->name, event->version);
		return STATE_REFUSED;
	}
	r = arguments_parse(&plan->arguments, plan->definition, event->args, event->args_bytes, &why);
	if (r < 0)
		return refuse_arguments(event, r, &why, error);
	for (r = 0; r == 0 && plan->definition->becomes; n_lifts++)
		r = lift(state, plan, event, &state->lifted[n_lifts % 2], error);
	/* A position that this schema means otherwise would carry an event into the
	 * other world's tables. */
	if (r == 0 && plan->definition->client_only != position_is_client_only(event->entry.at))
		r = refuse(event,
		           plan->definition->client_only ? "this schema has it as client-only, its place is a synced one"
		                                         : "this schema has it as synced, its place is a client-only one",
		           error);
	return r;
}

static int run_statement(struct state *state, const struct plan *plan, size_t i, const struct event *event,
                         struct error *error) {
	sqlite3_stmt *statement = NULL;
	int rc;
	int r = prepared(state, plan->definition, i, &statement, error);

	if (r == 0)
		r = arguments_bind(plan->arguments, event, statement, error);
	if (r < 0)
		return r;
	start_budget(state);
	do
		rc = guarded_step(state, plan->definition, statement);
	while (rc == SQLITE_ROW);
	end_budget(state);
	/* Told before the reset: it is the connection's newest error. */
	r = rc == SQLITE_DONE ? 0 : statement_failed(state, event, &plan->definition->statements[i], rc, error);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return r;
}

static int run_plan(struct state *state, const struct plan *plan, const struct event *event, uint64_t *ret_digest,
                    struct error *error) {
	struct capture *capture = &state->capture;
	int r = 0;

	capture_start(capture);
	for (size_t i = 0; r == 0 && i < plan->definition->n_statements; i++)
		r = run_statement(state, plan, i, event, error);
	/* A failure inside the hook explains more than what came of it. */
	int captured = capture_end(capture, ret_digest, error);

	return captured < 0 ? captured : r;
}

static void head_of(const struct event *event, struct state_head *ret) {
	*ret = (struct state_head){
		.at = event->entry.at,
		.id = event->entry.id,
		.generation = event->generation,
		.local_hash = event->local_hash,
	};
}

static int apply_event(struct state *state, const struct event *event, uint64_t *ret_digest, struct error *error) {
	struct plan plan = { 0 };
	struct state_head head;
	int r = make_plan(state, event, &plan, error);

	if (r == 0)
		r = run_plan(state, &plan, event, ret_digest, error);
	arguments_destroy(plan.arguments);
	if (r != 0)
		return r;
	head_of(event, &head);
	return journal_add(state, &head, state->capture.too_large ? NULL : &state->capture.images, error);
}

static int apply_in_savepoint(struct state *state, struct event *const *events, size_t n_events, struct error *error) {
	struct state_row before = state->row;
	int r = state_run(state, OWN_SAVEPOINT, "begin a unit", error);

	for (size_t i = 0; r == 0 && i < n_events; i++) {
		r = apply_event(state, events[i], &state->digests[i], error);
		if (r == STATE_REFUSED && n_events > 1)
			error_prefix(error, "event %zu of the unit", i + 1);
	}
	if (r < 0)
		return r;
	if (r == STATE_REFUSED) {
		int back = state_run(state, OWN_ROLLBACK_TO, "take a refused unit back", error);

		if (back < 0)
			return back;
		state->row = before;
	}
	int released = state_run(state, OWN_RELEASE, "end a unit", error);

	return released < 0 ? released : r;
}

static int check_place(const struct state *state, struct event *const *events, size_t n_events, struct error *error) {
	struct position last = state->row.head.at;

	if (n_events == 0 || n_events > UNIT_EVENTS_MAX)
		return error_set(error, ERROR_INVALID, "a unit of %zu events cannot be applied", n_events);
	for (size_t i = 0; i < n_events; i++) {
		if (position_compare(events[i]->entry.at, last) <= 0)
			return error_set(error, ERROR_INVALID, "event %s does not stand behind the state's head", events[i]->name);
		last = events[i]->entry.at;
	}
	return 0;
}

int state_apply(struct state *state, struct event *const *events, size_t n_events, struct error *error) {
	int r;

	must(state->open);
	state_enter(state);
	end_budget(state);
	sqlite3_progress_handler(state->db, (int)STATEMENT_STEPS_PER_CHECK, look_at_budget, state);
	r = check_place(state, events, n_events, error);
	if (r == 0)
		r = apply_in_savepoint(state, events, n_events, error);
	sqlite3_progress_handler(state->db, 0, NULL, NULL);
	if (r < 0)
		state_abandon(state);
	for (size_t i = 0; r == 0 && i < n_events; i++)
		events[i]->digest = state->digests[i];
	state_leave(state);
	return r;
}

static int add_void(struct state *state, const struct event *event, const char *reason, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int rc;
	int r = state_own(state, OWN_VOID_ADD, &statement, error);

	if (r < 0)
		return r;
	rc = sqlite3_bind_int64(statement, 1, (int64_t)event->entry.at.global);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(statement, 2, (int64_t)event->entry.at.client);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_blob(statement, 3, event->entry.id.bytes, sizeof(event->entry.id.bytes), SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(statement, 4, reason, -1, SQLITE_STATIC);
	if (rc != SQLITE_OK)
		return database_error(state->db, rc, "bind a void", error);
	return state_step(state, statement, "record a void", error);
}

int state_skip(struct state *state, const struct event *event, const char *reason, struct error *error) {
	struct event *const events[] = { (struct event *)event };
	const struct bytes nothing = { 0 };
	struct state_head head;
	int r;

	must(state->open);
	state_enter(state);
	head_of(event, &head);
	r = check_place(state, events, 1, error);
	if (r == 0)
		r = add_void(state, event, reason, error);
	if (r == 0)
		r = journal_add(state, &head, &nothing, error);
	if (r == 0)
		state->row.n_voids++;
	else
		state_abandon(state);
	state_leave(state);
	return r;
}
