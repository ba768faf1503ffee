/*
 * Push: one transaction that holds the write lock from its beginning, so that
 * the parent that is compared is still the head when the batch is written. Of
 * two leaders that push on one head, one finds it moved.
 */

#include <stdio.h>

#include "file/file.h"

#define ADD_EVENT \
	"INSERT INTO event (log, global, chain_hash, unit_index, unit_count, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
#define MOVE_HEAD "UPDATE log SET head = ?2, chain_hash = ?3 WHERE id = ?1"

static int add_event(const struct file_backend *backend, sqlite3_stmt *statement, const struct event *event,
                     struct bytes *data, struct error *error) {
	int r;

	bytes_clear(data);
	if (adapter_event_pack(data, event) < 0)
		return error_no_memory(error);
	sqlite3_bind_int64(statement, 2, (int64_t)event->entry.at.global);
	sqlite3_bind_blob(statement, 3, event->chain_hash.bytes, sizeof(event->chain_hash.bytes), SQLITE_STATIC);
	sqlite3_bind_int64(statement, 4, event->entry.unit_index);
	sqlite3_bind_int64(statement, 5, event->entry.unit_count);
	sqlite3_bind_blob(statement, 6, data->data, (int)data->n, SQLITE_STATIC);
	r = database_step(backend, statement, "write", error);
	sqlite3_reset(statement);
	return r;
}

static int add_events(const struct file_backend *backend, const struct adapter_push *push, struct error *error) {
	struct bytes data = { 0 };
	sqlite3_stmt *statement;
	int r = database_prepare(backend, &statement, ADD_EVENT, error);

	if (r < 0)
		return r;
	sqlite3_bind_int64(statement, 1, backend->log);
	for (size_t i = 0; r == 0 && i < push->n_events; i++)
		r = add_event(backend, statement, push->events[i], &data, error);
	sqlite3_finalize(statement);
	bytes_finish(&data);
	return r;
}

static int move_head(const struct file_backend *backend, const struct backend_point *head, struct error *error) {
	sqlite3_stmt *statement;
	int r = database_prepare(backend, &statement, MOVE_HEAD, error);

	if (r < 0)
		return r;
	sqlite3_bind_int64(statement, 1, backend->log);
	sqlite3_bind_int64(statement, 2, (int64_t)head->global);
	sqlite3_bind_blob(statement, 3, head->chain_hash.bytes, sizeof(head->chain_hash.bytes), SQLITE_STATIC);
	r = database_step(backend, statement, "write", error);
	sqlite3_finalize(statement);
	return r;
}

/* May the batch stand behind the head? */
static int compare_parent(const struct file_backend *backend, const struct adapter_push *push,
                          struct adapter_push_answer *ret, struct error *error) {
	int r = database_head(backend, &ret->head, error);

	if (r == 0)
		r = database_find(backend, &push->parent, &ret->head, ret->reason, sizeof(ret->reason), error);
	if (r < 0)
		return r;
	if (r == 0)
		ret->result = PUSH_DIVERGED;
	else if (push->parent.global < ret->head.global)
		ret->result = PUSH_BEHIND;
	else
		ret->result = PUSH_ACCEPTED;
	return 0;
}

static int write_batch(const struct file_backend *backend, const struct adapter_push *push,
                       struct adapter_push_answer *ret, struct error *error) {
	const struct event *last = push->events[push->n_events - 1];
	int r = add_events(backend, push, error);

	ret->head = (struct backend_point){ .global = last->entry.at.global, .chain_hash = last->chain_hash };
	if (r == 0)
		r = move_head(backend, &ret->head, error);
	return r < 0 ? r : database_run(backend, "COMMIT", "write", error);
}

static int push_locked(const struct file_backend *backend, const struct adapter_push *push,
                       struct adapter_push_answer *ret, struct error *error) {
	int r = place_check_same(backend, error);

	if (r == 0)
		r = compare_parent(backend, push, ret, error);
	if (r < 0 || ret->result != PUSH_ACCEPTED)
		return r;
	r = write_batch(backend, push, ret, error);
	if (r == 0)
		live_tell(backend);
	return r < 0 ? r : place_check_same(backend, error); /* what was written into a file that is gone, is gone */
}

int file_push(void *data, const struct adapter_push *push, struct adapter_push_answer *ret, struct error *error) {
	const struct file_backend *backend = data;
	struct adapter_push_answer answer = { 0 };
	struct error cause = { 0 };
	int r = database_run(backend, "BEGIN IMMEDIATE", "write", &cause);

	if (r == 0)
		r = push_locked(backend, push, &answer, &cause);
	database_roll_back(backend);
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
