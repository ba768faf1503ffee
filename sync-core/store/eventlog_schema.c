/*
 * The schemas of a store: the one in force and its predecessors.
 */

#include "store/eventlog_internal.h"

#include <string.h>

#include "store/hash.h"

int64_t schema_checksum(uint64_t ordinal, uint32_t version, const struct hash *text_hash) {
	struct checksum sum;

	checksum_init(&sum, "schema_text");
	checksum_add_u64(&sum, ordinal);
	checksum_add_u64(&sum, version);
	checksum_add(&sum, text_hash->bytes, sizeof(text_hash->bytes));
	return checksum_finish(&sum);
}

int log_column_schema(sqlite3_stmt *statement, struct schema_row *ret, struct error *error) {
	struct schema_row row = {
		.ordinal = (uint64_t)sqlite3_column_int64(statement, 0),
		.version = (uint32_t)sqlite3_column_int64(statement, 1),
		.text = sqlite3_column_blob(statement, 2),
		.text_bytes = (size_t)sqlite3_column_bytes(statement, 2),
	};
	struct hash hash;

	hash_bytes(&hash, row.text, row.text_bytes);
	if (schema_checksum(row.ordinal, row.version, &hash) != sqlite3_column_int64(statement, 3))
		return error_set(error, ERROR_CORRUPT, "schema %llu in the event log contradicts its checksum",
		                 (unsigned long long)row.ordinal);
	*ret = row;
	return 0;
}

/* Steps to the schema in force. 1: *ret is it, borrowed until the statement is
 * reset; 0: there is none. */
static int step_last(struct eventlog *log, sqlite3_stmt **ret_statement, struct schema_row *ret, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_SCHEMA_LAST, &statement, error);

	if (r == 0)
		r = log_step(log, statement, "read the schema of the event log", error);
	if (r != 1)
		return r;
	r = log_column_schema(statement, ret, error);
	if (r < 0) {
		sqlite3_reset(statement);
		return r;
	}
	*ret_statement = statement;
	return 1;
}

int eventlog_schema(struct eventlog *log, struct bytes *ret_text, uint32_t *ret_version, struct error *error) {
	struct schema_row row;
	sqlite3_stmt *statement = NULL;
	int r = step_last(log, &statement, &row, error);

	if (r == 0)
		return error_set(error, ERROR_NOT_FOUND, "no schema is installed");
	if (r < 0)
		return log_fail_reading(log, r);
	r = bytes_add(ret_text, row.text, row.text_bytes) < 0 ? error_no_memory(error) : 0;
	if (r == 0 && ret_version)
		*ret_version = row.version;
	sqlite3_reset(statement);
	return r < 0 ? log_fail_reading(log, r) : 0;
}

/* 1: nothing is to be done; 0: *ret_ordinal is the new one's. */
static int compare_with_last(struct eventlog *log, const struct schema_row *new, uint64_t *ret_ordinal,
                             struct error *error) {
	struct schema_row last;
	sqlite3_stmt *statement = NULL;
	int r = step_last(log, &statement, &last, error);

	if (r <= 0) {
		*ret_ordinal = 1;
		return r;
	}
	r = 0;
	*ret_ordinal = last.ordinal + 1;
	if (new->version == last.version &&new->text_bytes == last.text_bytes &&
	    memcmp(new->text, last.text, new->text_bytes) == 0)
		r = 1;
	else if (new->version == last.version)
		r = error_set(error, ERROR_CONFLICT, "version %u of the schema is installed with another text", new->version);
	else if (new->version < last.version)
		r = error_set(error, ERROR_CONFLICT, "schema version %u is lower than the installed %u", new->version,
		              last.version);
	sqlite3_reset(statement);
	return r;
}

static int write_schema(struct eventlog *log, const struct schema_row *row, struct error *error) {
	struct hash hash;
	sqlite3_stmt *statement = NULL;
	int r = log_statement(log, STATEMENT_SCHEMA_WRITE, &statement, error);

	if (r < 0)
		return r;
	hash_bytes(&hash, row->text, row->text_bytes);
	log_bind_u64(statement, 1, row->ordinal);
	log_bind_u64(statement, 2, row->version);
	log_bind_u64(statement, 4, (uint64_t)schema_checksum(row->ordinal, row->version, &hash));
	r = log_bind_text(log, statement, 3, row->text, row->text_bytes, error);
	return r == 0 ? log_run(log, statement, "install a schema in the event log", error) : r;
}

int eventlog_install_schema(struct eventlog *log, const char *text, size_t text_bytes, uint32_t version,
                            struct error *error) {
	struct schema_row row = { .version = version, .text = text, .text_bytes = text_bytes };
	int r = log_require_transaction(log, error);

	if (r == 0 && (text_bytes == 0 || text_bytes > SCHEMA_BYTES_MAX))
		r = error_set(error, ERROR_TOO_LARGE, "a schema of %zu bytes is empty or over the bound of %u", text_bytes,
		              SCHEMA_BYTES_MAX);
	if (r == 0)
		r = compare_with_last(log, &row, &row.ordinal, error);
	if (r == 0)
		r = write_schema(log, &row, error);
	return r < 0 ? log_fail(log, r) : 0;
}
