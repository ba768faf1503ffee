/*
 * Push: the log's row is locked before its head is compared, so of two leaders
 * that push on one head the second waits and then finds it moved. One statement
 * adds the events and moves the head; the server has the commit on disk when it
 * answers.
 *
 * The hint for the others is a transaction of its own, behind the commit: a
 * NOTIFY takes a lock of the whole server until its transaction has ended, and
 * inside the push that would put all stores' pushes in one row.
 */

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "postgres/postgres.h"

#define ADD_EVENTS                                                                                                    \
	"WITH moved AS (UPDATE leaderd.log SET head_global = $2::bigint, head_chain_hash = $3::bytea"                     \
	" WHERE name = $1::text RETURNING name, head_global, head_chain_hash),"                                           \
	" added AS (INSERT INTO leaderd.event (log, global, chain_hash, id, packed)"                                      \
	" SELECT $1::text, batch.* FROM unnest($4::bigint[], $5::bytea[], $6::uuid[], $7::bytea[]) AS batch RETURNING 1)" \
	" SELECT moved.head_global, moved.head_chain_hash, (SELECT count(*) FROM added) FROM moved"

/* Object ids of types, fixed in PostgreSQL's catalog. */
enum { OID_BYTEA = 17, OID_INT8 = 20, OID_UUID = 2950 };

/* An array in binary form: dimensions, has NULLs, type, length, lower bound; then each value behind its length. */
#define ARRAY_HEADER_BYTES 20u

struct columns {
	struct bytes global, chain_hash, id, packed;
};

static int add_u32(struct bytes *out, uint32_t value) {
	uint8_t number[4];

	number_put(number, value, sizeof(number));
	return bytes_add(out, number, sizeof(number));
}

static int array_begin(struct bytes *out, uint32_t type, size_t n) {
	int r = bytes_reserve(out, ARRAY_HEADER_BYTES);

	if (r < 0)
		return r;
	add_u32(out, 1);
	add_u32(out, 0);
	add_u32(out, type);
	add_u32(out, (uint32_t)n);
	return add_u32(out, 1);
}

static int array_add(struct bytes *out, const void *data, size_t n) {
	int r = add_u32(out, (uint32_t)n);

	return r < 0 ? r : bytes_add(out, data, n);
}

static int columns_add(struct columns *columns, const struct event *event, struct bytes *packed) {
	uint8_t global[8];
	int r;

	number_put(global, event->entry.at.global, sizeof(global));
	bytes_clear(packed);
	r = adapter_event_pack(packed, event);
	if (r == 0)
		r = array_add(&columns->global, global, sizeof(global));
	if (r == 0)
		r = array_add(&columns->chain_hash, event->chain_hash.bytes, sizeof(event->chain_hash.bytes));
	if (r == 0)
		r = array_add(&columns->id, event->entry.id.bytes, sizeof(event->entry.id.bytes));
	return r < 0 ? r : array_add(&columns->packed, packed->data, packed->n);
}

static void columns_finish(struct columns *columns) {
	bytes_finish(&columns->global);
	bytes_finish(&columns->chain_hash);
	bytes_finish(&columns->id);
	bytes_finish(&columns->packed);
}

static int columns_fill(struct columns *ret, const struct adapter_push *push, struct error *error) {
	struct bytes packed = { 0 };
	int r = array_begin(&ret->global, OID_INT8, push->n_events);

	if (r == 0)
		r = array_begin(&ret->chain_hash, OID_BYTEA, push->n_events);
	if (r == 0)
		r = array_begin(&ret->id, OID_UUID, push->n_events);
	if (r == 0)
		r = array_begin(&ret->packed, OID_BYTEA, push->n_events);
	for (size_t i = 0; r == 0 && i < push->n_events; i++)
		r = columns_add(ret, push->events[i], &packed);
	bytes_finish(&packed);
	return r < 0 ? error_no_memory(error) : 0;
}

/* The new head as the server has it. */
static int read_head(const struct postgres *postgres, const PGresult *result, const struct adapter_push *push,
                     struct backend_point *ret, struct error *error) {
	const struct event *last = push->events[push->n_events - 1];
	struct backend_point head = { 0 };

	if (PQntuples(result) == 1)
		head.global = result_number(result, 0, 0);
	if (head.global != last->entry.at.global ||
	    !result_bytes(result, 0, 1, head.chain_hash.bytes, sizeof(head.chain_hash.bytes)) ||
	    !hash_equal(&head.chain_hash, &last->chain_hash) || result_number(result, 0, 2) != push->n_events)
		return error_set(error, ERROR_IO, "%s did not store what it was sent", postgres->place);
	*ret = head;
	return 0;
}

static int add_events(struct postgres *postgres, const struct adapter_push *push, struct backend_point *ret,
                      struct error *error) {
	const struct event *last = push->events[push->n_events - 1];
	struct statement statement = { .sql = ADD_EVENTS };
	struct columns columns = { 0 };
	PGresult *result = NULL;
	int r = columns_fill(&columns, push, error);

	if (r == 0) {
		statement_add_text(&statement, postgres->log);
		statement_add_number(&statement, last->entry.at.global);
		statement_add(&statement, last->chain_hash.bytes, sizeof(last->chain_hash.bytes));
		statement_add(&statement, columns.global.data, columns.global.n);
		statement_add(&statement, columns.chain_hash.data, columns.chain_hash.n);
		statement_add(&statement, columns.id.data, columns.id.n);
		statement_add(&statement, columns.packed.data, columns.packed.n);
		r = statement_run(postgres, &statement, &result, error);
	}
	columns_finish(&columns);
	if (r == 0)
		r = read_head(postgres, result, push, ret, error);
	PQclear(result);
	return r;
}

static int push_locked(struct postgres *postgres, const struct adapter_push *push, struct adapter_push_answer *ret,
                       struct error *error) {
	struct log_state state;
	int r = log_lock(postgres, &state, error);

	if (r < 0)
		return r;
	if (state.head.global != push->parent.global ||
	    (push->parent.global > 0 && !hash_equal(&state.head.chain_hash, &push->parent.chain_hash)))
		return 0;
	r = add_events(postgres, push, &ret->head, error);
	/* Waits for a synchronous standby as well, without the server's time limit. When ours runs out, the outcome is
	 * unknown: the next pull tells. */
	if (r == 0)
		r = command_run(postgres, "COMMIT", error);
	if (r == 0)
		ret->result = PUSH_ACCEPTED;
	return r;
}

/* Not the head: is it in the log at all? Asked in one snapshot that is younger than the lock. */
static int find_parent(struct postgres *postgres, const struct adapter_push *push, struct adapter_push_answer *ret,
                       struct error *error) {
	struct log_state state;
	int r = log_look(postgres, push->parent.global, &state, error);

	if (r < 0)
		return r;
	ret->head = state.head;
	if (!log_contains(&state, &push->parent, ret->reason, sizeof(ret->reason)))
		ret->result = PUSH_DIVERGED;
	else if (push->parent.global < state.head.global)
		ret->result = PUSH_BEHIND;
	else
		ret->result = PUSH_LATER;
	return 0;
}

/* The push is accepted, whatever becomes of the hint. */
static void tell_others(struct postgres *postgres) {
	char command[sizeof("NOTIFY ") + POSTGRES_CHANNEL_BYTES];

	snprintf(command, sizeof(command), "NOTIFY %s", postgres->channel);
	command_run(postgres, command, NULL);
}

int postgres_push(void *backend, const struct adapter_push *push, struct adapter_push_answer *ret,
                  struct error *error) {
	struct postgres *postgres = backend;
	struct adapter_push_answer answer = { 0 };
	struct error cause = { 0 };
	int r;

	operation_begin(postgres);
	r = push_locked(postgres, push, &answer, &cause);
	if (r != ERROR_TIMEOUT && r != ERROR_NOT_RUNNING)
		transaction_roll_back(postgres);
	if (r == 0 && answer.result == PUSH_ACCEPTED)
		tell_others(postgres);
	else if (r == 0)
		r = find_parent(postgres, push, &answer, &cause);
	if (r == ERROR_BUSY) {
		answer = (struct adapter_push_answer){ .result = PUSH_LATER };
		snprintf(answer.reason, sizeof(answer.reason), "%.*s", (int)sizeof(answer.reason) - 1, cause.text);
		r = 0;
	}
	if (r < 0) {
		if (error != NULL)
			*error = cause;
		return r;
	}
	*ret = answer;
	return 0;
}
