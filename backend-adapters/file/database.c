/*
 * SQLite, as the file backend uses it: statements that live for one call, codes
 * turned into ours, and the two questions that push and pull share.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "file/file.h"

static int code_of(sqlite3 *db) {
	int cause = sqlite3_system_errno(db);

	/* The side files have their own ways to say that the disk is full. */
	if (cause == ENOSPC || cause == EDQUOT)
		return ERROR_FULL;
	switch (sqlite3_errcode(db)) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERROR_BUSY;
	case SQLITE_FULL:
		return ERROR_FULL;
	case SQLITE_NOMEM:
		return ERROR_NO_MEMORY;
	case SQLITE_CORRUPT:
		return ERROR_CORRUPT;
	case SQLITE_NOTADB:
		return ERROR_CONFLICT;
	case SQLITE_PERM:
	case SQLITE_READONLY:
		return ERROR_PERMISSION;
	case SQLITE_CANTOPEN:
		return cause == EACCES || cause == EPERM || cause == EROFS ? ERROR_PERMISSION : ERROR_IO;
	default:
		return ERROR_IO;
	}
}

int database_failed(const struct file_backend *backend, const char *what, struct error *error) {
	int code = code_of(backend->db);

	if (sqlite3_errcode(backend->db) == SQLITE_NOTADB)
		return error_set(error, code, "%s is no SQLite file: it belongs to another program", backend->path);
	return error_set(error, code, "cannot %s %s: %s", what, backend->path, sqlite3_errmsg(backend->db));
}

int database_run(const struct file_backend *backend, const char *sql, const char *what, struct error *error) {
	return sqlite3_exec(backend->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : database_failed(backend, what, error);
}

int database_prepare(const struct file_backend *backend, sqlite3_stmt **ret, const char *sql, struct error *error) {
	return sqlite3_prepare_v2(backend->db, sql, -1, ret, NULL) == SQLITE_OK ? 0
	                                                                        : database_failed(backend, "read", error);
}

int database_step(const struct file_backend *backend, sqlite3_stmt *statement, const char *what, struct error *error) {
	switch (sqlite3_step(statement)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		return 0;
	default:
		return database_failed(backend, what, error);
	}
}

int database_number(const struct file_backend *backend, const char *sql, int64_t *ret, struct error *error) {
	sqlite3_stmt *statement;
	int r = database_prepare(backend, &statement, sql, error);

	if (r < 0)
		return r;
	r = database_step(backend, statement, "read", error);
	if (r >= 0)
		*ret = r == 1 ? sqlite3_column_int64(statement, 0) : 0;
	sqlite3_finalize(statement);
	return r < 0 ? r : 0;
}

void database_roll_back(const struct file_backend *backend) {
	if (!sqlite3_get_autocommit(backend->db))
		sqlite3_exec(backend->db, "ROLLBACK", NULL, NULL, NULL);
}

static int hash_column(sqlite3_stmt *statement, int column, struct hash *ret) {
	if (sqlite3_column_bytes(statement, column) != (int)sizeof(ret->bytes))
		return ERROR_CORRUPT;
	memcpy(ret->bytes, sqlite3_column_blob(statement, column), sizeof(ret->bytes));
	return 0;
}

static int read_head(const struct file_backend *backend, sqlite3_stmt *statement, struct backend_point *ret,
                     struct error *error) {
	struct backend_point head = { 0 };
	int r;

	sqlite3_bind_int64(statement, 1, backend->log);
	r = database_step(backend, statement, "read", error);
	if (r < 0)
		return r;
	if (r == 0)
		return error_set(error, ERROR_NOT_RUNNING, "the log was taken out of %s", backend->path);
	head.global = (uint64_t)sqlite3_column_int64(statement, 0);
	if (head.global > INT64_MAX || hash_column(statement, 1, &head.chain_hash) < 0)
		return error_set(error, ERROR_CORRUPT, "the head in %s is damaged", backend->path);
	*ret = head;
	return 0;
}

int database_head(const struct file_backend *backend, struct backend_point *ret, struct error *error) {
	sqlite3_stmt *statement;
	int r = database_prepare(backend, &statement, "SELECT head, chain_hash FROM log WHERE id = ?1", error);

	if (r < 0)
		return r;
	r = read_head(backend, statement, ret, error);
	sqlite3_finalize(statement);
	return r;
}

static int hash_at(const struct file_backend *backend, uint64_t global, struct hash *ret, struct error *error) {
	sqlite3_stmt *statement;
	int r = database_prepare(backend, &statement, "SELECT chain_hash FROM event WHERE log = ?1 AND global = ?2", error);

	if (r < 0)
		return r;
	sqlite3_bind_int64(statement, 1, backend->log);
	sqlite3_bind_int64(statement, 2, (int64_t)global);
	r = database_step(backend, statement, "read", error);
	if (r >= 0 && (r == 0 || hash_column(statement, 0, ret) < 0))
		r = error_set(error, ERROR_CORRUPT, "e%" PRIu64 " is missing or damaged in %s", global, backend->path);
	sqlite3_finalize(statement);
	return r < 0 ? r : 0;
}

int database_find(const struct file_backend *backend, const struct backend_point *point,
                  const struct backend_point *head, char *reason, size_t reason_bytes, struct error *error) {
	struct hash found = head->chain_hash;
	int r = 0;

	if (point->global == 0)
		return 1;
	if (point->global > head->global) {
		snprintf(reason, reason_bytes, "the log ends at e%" PRIu64 ", e%" PRIu64 " is not in it", head->global,
		         point->global);
		return 0;
	}
	if (point->global < head->global)
		r = hash_at(backend, point->global, &found, error);
	if (r < 0)
		return r;
	if (hash_equal(&found, &point->chain_hash))
		return 1;
	snprintf(reason, reason_bytes, "another history stands in the log at e%" PRIu64, point->global);
	return 0;
}
