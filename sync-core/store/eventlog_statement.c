/*
 * The event log's statements: their texts, and how they are bound and run.
 */

#include "store/eventlog_internal.h"

#include <string.h>

#include "base/must.h"
#include "store/database.h"

#define EVENT_COLUMNS                                                                                   \
	"global, client, id, unit, unit_index, unit_count, version, time_ms, counter, generation, digest, " \
	"content_hash, chain_hash, local_hash, checksum, client_id, session_id, name, args, origins, sync_metadata"
#define EVENT_VALUES "?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22"

static const char *const texts[STATEMENT_COUNT] = {
	[STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
	[STATEMENT_COMMIT] = "COMMIT",
	[STATEMENT_STATUS_READ] =
		"SELECT client_id, generation, upstream_global, upstream_chain_hash, lineage, epoch, time_ms, counter, "
		"has_backend, refused_ordinal, cursor, staged_cursor, checksum FROM status WHERE one = 1",
	[STATEMENT_STATUS_WRITE] =
		"UPDATE status SET generation = ?1, upstream_global = ?2, upstream_chain_hash = ?3, lineage = ?4, "
		"epoch = ?5, time_ms = ?6, counter = ?7, has_backend = ?8, refused_ordinal = ?9, checksum = ?10 "
		"WHERE one = 1",
	[STATEMENT_CURSOR_READ] = "SELECT cursor FROM status WHERE one = 1",
	[STATEMENT_CURSOR_WRITE] = "UPDATE status SET cursor = ?1 WHERE one = 1",
	[STATEMENT_STAGED_CURSOR_READ] = "SELECT staged_cursor FROM status WHERE one = 1",
	[STATEMENT_STAGED_CURSOR_WRITE] = "UPDATE status SET staged_cursor = ?1 WHERE one = 1",
	[STATEMENT_APPEND] = "INSERT INTO event_log (number, " EVENT_COLUMNS ") VALUES (?1, " EVENT_VALUES ")",
	[STATEMENT_LAST] = "SELECT number, global, client FROM event_log ORDER BY number DESC LIMIT 1",
	[STATEMENT_POSITION] = "SELECT global, client FROM event_log WHERE number = ?1",
	[STATEMENT_GET] = "SELECT number, " EVENT_COLUMNS " FROM event_log WHERE number = ?1",
	[STATEMENT_FIND] = "SELECT number, " EVENT_COLUMNS " FROM event_log WHERE id = ?1 ORDER BY number LIMIT 1",
	[STATEMENT_LOCATE] = "SELECT global, client, content_hash FROM event_log WHERE id = ?1 ORDER BY number LIMIT 1",
	[STATEMENT_HASHES] = "SELECT global, client, chain_hash, local_hash FROM event_log WHERE number = ?1",
	[STATEMENT_READ_FORWARD] =
		"SELECT number, " EVENT_COLUMNS " FROM event_log WHERE number BETWEEN ?1 AND ?2 ORDER BY number",
	[STATEMENT_READ_REVERSE] =
		"SELECT number, " EVENT_COLUMNS " FROM event_log WHERE number BETWEEN ?1 AND ?2 ORDER BY number DESC",
	[STATEMENT_TRUNCATE] = "DELETE FROM event_log WHERE number > ?1",
	[STATEMENT_SET_METADATA] = "UPDATE event_log SET sync_metadata = ?2, checksum = ?3 WHERE number = ?1",
	[STATEMENT_DISPLACE] = "INSERT INTO displaced (ordinal, number, " EVENT_COLUMNS
						   ") SELECT ?2 + number, number, " EVENT_COLUMNS " FROM event_log WHERE number > ?1",
	[STATEMENT_DISPLACED_FIRST] = "SELECT ordinal FROM displaced ORDER BY ordinal LIMIT 1",
	[STATEMENT_DISPLACED_READ] = "SELECT number, " EVENT_COLUMNS ", ordinal FROM displaced ORDER BY ordinal",
	[STATEMENT_DISPLACED_DELETE] = "DELETE FROM displaced WHERE ordinal <= ?1",
	[STATEMENT_STAGED_LAST] = "SELECT ordinal FROM staged ORDER BY ordinal DESC LIMIT 1",
	[STATEMENT_STAGED_COUNT] = "SELECT count(*) FROM staged",
	[STATEMENT_STAGED_WRITE] = "INSERT INTO staged (ordinal, " EVENT_COLUMNS ") VALUES (?1, " EVENT_VALUES ")",
	[STATEMENT_STAGED_READ] = "SELECT ordinal, " EVENT_COLUMNS ", ordinal FROM staged ORDER BY ordinal",
	[STATEMENT_STAGED_DELETE] = "DELETE FROM staged WHERE ordinal <= ?1",
	[STATEMENT_REFUSED_COUNT] = "SELECT count(*) FROM refused",
	[STATEMENT_REFUSED_WRITE] =
		"INSERT INTO refused (ordinal, " EVENT_COLUMNS ", reported, reason) VALUES (?1, " EVENT_VALUES ", ?23, ?24)",
	[STATEMENT_REFUSED_READ] =
		"SELECT ordinal, " EVENT_COLUMNS ", reported, reason FROM refused WHERE ordinal > ?1 AND ordinal <= ?2 "
		"AND (?3 IS NULL OR session_id = ?3) AND (?4 = 0 OR reported = 0) ORDER BY ordinal",
	[STATEMENT_REFUSED_FIND] = "SELECT ordinal, " EVENT_COLUMNS ", reported, reason FROM refused WHERE id = ?1",
	[STATEMENT_REFUSED_REPORT] = "UPDATE refused SET reported = 1, checksum = ?2 WHERE ordinal = ?1",
	[STATEMENT_REFUSED_DELETE] = "DELETE FROM refused WHERE ordinal = ?1",
	[STATEMENT_FORGOTTEN_WRITE] = "INSERT OR IGNORE INTO forgotten (id, content_hash, checksum) VALUES (?1, ?2, ?3)",
	[STATEMENT_FORGOTTEN_FIND] = "SELECT id, content_hash, checksum FROM forgotten WHERE id = ?1",
	[STATEMENT_FORGOTTEN_READ] = "SELECT id, content_hash, checksum FROM forgotten ORDER BY id",
	[STATEMENT_SCHEMA_LAST] = "SELECT ordinal, version, text, checksum FROM schema_text ORDER BY ordinal DESC LIMIT 1",
	[STATEMENT_SCHEMA_READ] = "SELECT ordinal, version, text, checksum FROM schema_text ORDER BY ordinal",
	[STATEMENT_SCHEMA_WRITE] = "INSERT INTO schema_text (ordinal, version, text, checksum) VALUES (?1, ?2, ?3, ?4)",
};

/* Our statements are right: what SQLite blames on them is a damaged file. */
static int statement_error(struct eventlog *log, int rc, const char *doing, struct error *error) {
	int code = database_error(log->db, rc, doing, error);

	if (code == ERROR_REFUSED) {
		code = ERROR_CORRUPT;
		if (error)
			error->code = code;
	}
	return code;
}

int log_statement(struct eventlog *log, enum log_statement which, sqlite3_stmt **ret, struct error *error) {
	int rc = SQLITE_OK;

	if (!log->statements[which])
		rc = sqlite3_prepare_v3(log->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, &log->statements[which], NULL);
	if (rc != SQLITE_OK)
		return statement_error(log, rc, "prepare a statement of the event log", error);
	sqlite3_reset(log->statements[which]);
	*ret = log->statements[which];
	return 0;
}

int log_step(struct eventlog *log, sqlite3_stmt *statement, const char *doing, struct error *error) {
	int rc = sqlite3_step(statement);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE) {
		sqlite3_reset(statement);
		return 0;
	}
	/* Resetting repeats the error, so the text is fetched first. */
	int code = statement_error(log, rc, doing, error);

	sqlite3_reset(statement);
	return code;
}

int log_run(struct eventlog *log, sqlite3_stmt *statement, const char *doing, struct error *error) {
	int r = log_step(log, statement, doing, error);

	sqlite3_reset(statement);
	return r < 0 ? r : 0;
}

int log_bind_blob(struct eventlog *log, sqlite3_stmt *statement, int column, const void *data, size_t n,
                  struct error *error) {
	int rc = sqlite3_bind_blob64(statement, column, data, n, SQLITE_STATIC);

	return rc == SQLITE_OK ? 0 : statement_error(log, rc, "bind bytes for the event log", error);
}

int log_bind_text(struct eventlog *log, sqlite3_stmt *statement, int column, const char *text, size_t n,
                  struct error *error) {
	int rc = sqlite3_bind_text64(statement, column, text, n, SQLITE_STATIC, SQLITE_UTF8);

	return rc == SQLITE_OK ? 0 : statement_error(log, rc, "bind a text for the event log", error);
}

/* Binding a number needs no memory: only a wrong column could make it fail. */
void log_bind_u64(sqlite3_stmt *statement, int column, uint64_t value) {
	must(sqlite3_bind_int64(statement, column, (sqlite3_int64)value) == SQLITE_OK);
}

void log_bind_position(sqlite3_stmt *statement, int column, struct position at) {
	log_bind_u64(statement, column, at.global > INT64_MAX ? INT64_MAX : at.global);
	log_bind_u64(statement, column + 1, at.client > INT64_MAX ? INT64_MAX : at.client);
}

struct position log_column_position(sqlite3_stmt *statement, int column) {
	return (struct position){ (uint64_t)sqlite3_column_int64(statement, column),
		                      (uint64_t)sqlite3_column_int64(statement, column + 1) };
}

bool log_column_bytes(sqlite3_stmt *statement, int column, void *ret, size_t n) {
	const void *data = sqlite3_column_blob(statement, column);

	if (!data || (size_t)sqlite3_column_bytes(statement, column) != n)
		return false;
	memcpy(ret, data, n);
	return true;
}

int log_fail(struct eventlog *log, int code) {
	if (!log->in_transaction)
		return code;
	for (size_t i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_reset(log->statements[i]);
	/* SQLite may have ended it by itself. A rollback that fails has still ended
	 * the transaction: the cache is dropped and read again. */
	if (database_in_transaction(log->db))
		sqlite3_exec(log->db, "ROLLBACK", NULL, NULL, NULL);
	log->in_transaction = false;
	log->view = log->before;
	return code;
}

int log_fail_reading(struct eventlog *log, int code) {
	return code == ERROR_NOT_FOUND ? code : log_fail(log, code);
}

/* Whoever writes beside a read-only log may rebase between two statements. The
 * writer itself needs none. */
int log_begin_snapshot(struct eventlog *log, struct error *error) {
	int r = 0;

	if (!log->read_only || database_in_transaction(log->db))
		return 0;
	r = database_execute(log->db, "BEGIN", error);
	log->in_snapshot = r == 0;
	return r;
}

void log_end_snapshot(struct eventlog *log) {
	if (!log->in_snapshot)
		return;
	log->in_snapshot = false;
	sqlite3_exec(log->db, "ROLLBACK", NULL, NULL, NULL);
}

int log_require_transaction(const struct eventlog *log, struct error *error) {
	if (log->in_transaction)
		return 0;
	return error_set(error, ERROR_INVALID, "cannot change the event log: no transaction is open");
}
