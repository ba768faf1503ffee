/*
 * The log in the database. Schema "leaderd":
 *
 *   log    one row for each log: its name, the format of its rows (1), lineage
 *          (16 bytes) and epoch of its creation, position and chain hash (32
 *          bytes, zero before the first event) of its head. A push locks it.
 *   event  one row for each event: the log's name, position (from 1, without a
 *          gap), chain hash, id, and the packed leaderd.Event as
 *          adapter_event_pack makes it, arguments byte for byte
 *
 * Made by the first leader that finds nothing there; an administrator may make
 * them as well, and then a leader's user needs no more than USAGE on the schema,
 * SELECT, INSERT and UPDATE on log, SELECT and INSERT on event.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "postgres/postgres.h"

#define FORMAT_VERSION 1

#define LOOK                                                                                      \
	"SELECT l.format, l.lineage, l.epoch, l.head_global, l.head_chain_hash, pg_is_in_recovery()," \
	" (SELECT e.chain_hash FROM leaderd.event e WHERE e.log = l.name AND e.global = $2::bigint)"  \
	" FROM leaderd.log l WHERE l.name = $1::text"
#define LOCK                                                                                                    \
	"SELECT format, lineage, epoch, head_global, head_chain_hash, false FROM leaderd.log WHERE name = $1::text" \
	" FOR UPDATE"
#define ADD                                                                                \
	"INSERT INTO leaderd.log (name, format, lineage, epoch, head_global, head_chain_hash)" \
	" VALUES ($1::text, 1, $2::bytea, $3::bigint, 0, $4::bytea) ON CONFLICT (name) DO NOTHING"
/* Asked of the catalog's tables: to_regclass may answer from a cache that is older than the lock. */
#define FIND_TABLES                                                                 \
	"SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'leaderd'),"           \
	" EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace" \
	" WHERE n.nspname = 'leaderd' AND c.relname = 'event')"

/* "leaderd" in ASCII: whoever makes the tables waits for whoever makes them already. */
static const char lock_tables[] = "SELECT pg_advisory_xact_lock(30510766455353956)";
static const char create_tables[] =
	"CREATE TABLE leaderd.log (name text PRIMARY KEY, format integer NOT NULL,"
	" lineage bytea NOT NULL CHECK (octet_length(lineage) = 16), epoch bigint NOT NULL,"
	" head_global bigint NOT NULL, head_chain_hash bytea NOT NULL CHECK (octet_length(head_chain_hash) = 32));"
	"CREATE TABLE leaderd.event (log text NOT NULL, global bigint NOT NULL CHECK (global > 0),"
	" chain_hash bytea NOT NULL CHECK (octet_length(chain_hash) = 32), id uuid NOT NULL, packed bytea NOT NULL,"
	" PRIMARY KEY (log, global))";
static const char begin_durable[] =
	"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL synchronous_commit = on";

/* 1: they are there. */
static int find_tables(struct postgres *postgres, bool *ret_schema, struct error *error) {
	struct statement statement = { .sql = FIND_TABLES };
	PGresult *result;
	int r = statement_run(postgres, &statement, &result, error);

	if (r < 0)
		return r;
	*ret_schema = result_flag(result, 0, 0);
	r = result_flag(result, 0, 1);
	PQclear(result);
	return r;
}

static int make_tables_locked(struct postgres *postgres, struct error *error) {
	bool has_schema = false;
	int r = command_run(postgres, lock_tables, error);

	if (r == 0)
		r = find_tables(postgres, &has_schema, error); /* another leader may have been first */
	if (r != 0)
		return r < 0 ? r : 0;
	if (!has_schema)
		r = command_run(postgres, "CREATE SCHEMA leaderd", error);
	return r < 0 ? r : command_run(postgres, create_tables, error);
}

static int make_tables(struct postgres *postgres, struct error *error) {
	bool has_schema;
	int r = find_tables(postgres, &has_schema, error);

	if (r != 0)
		return r < 0 ? r : 0;
	r = command_run(postgres, begin_durable, error);
	if (r == 0)
		r = make_tables_locked(postgres, error);
	if (r == 0)
		r = command_run(postgres, "COMMIT", error);
	transaction_roll_back(postgres);
	return r;
}

static int damaged(const struct postgres *postgres, struct error *error) {
	return error_set(error, ERROR_CORRUPT, "the row of the log %s in leaderd.log was damaged (%s)", postgres->log,
	                 postgres->place);
}

static int read_state(const struct postgres *postgres, const PGresult *result, struct log_state *ret,
                      struct error *error) {
	static const struct hash none;
	uint64_t format = result_number(result, 0, 0);

	if (format != FORMAT_VERSION)
		return error_set(error, ERROR_VERSION, "the log %s had format %" PRIu64 ", this program knows format %d (%s)",
		                 postgres->log, format, FORMAT_VERSION, postgres->place);
	*ret = (struct log_state){ .epoch = result_number(result, 0, 2), .head.global = result_number(result, 0, 3) };
	if (!result_bytes(result, 0, 1, ret->lineage, sizeof(ret->lineage)) ||
	    !result_bytes(result, 0, 4, ret->head.chain_hash.bytes, sizeof(ret->head.chain_hash.bytes)) ||
	    ret->head.global > INT64_MAX || (ret->head.global == 0) != hash_equal(&ret->head.chain_hash, &none))
		return damaged(postgres, error);
	if (result_flag(result, 0, 5))
		return error_set(error, ERROR_NOT_RUNNING, "%s has become a standby", postgres->place);
	if (PQnfields(result) > 6)
		ret->has_event = result_bytes(result, 0, 6, ret->chain_hash.bytes, sizeof(ret->chain_hash.bytes));
	return 0;
}

/* 1: the log is there. */
static int run_for_state(struct postgres *postgres, const struct statement *statement, struct log_state *ret,
                         struct error *error) {
	PGresult *result;
	int r = statement_run(postgres, statement, &result, error);

	if (r < 0)
		return r;
	if (PQntuples(result) == 1) {
		r = read_state(postgres, result, ret, error);
		r = r < 0 ? r : 1;
	}
	PQclear(result);
	return r;
}

static int find_log(struct postgres *postgres, uint64_t global, struct log_state *ret, struct error *error) {
	struct statement statement = { .sql = LOOK };

	statement_add_text(&statement, postgres->log);
	statement_add_number(&statement, global);
	return run_for_state(postgres, &statement, ret, error);
}

/* A lineage that a crash of the server takes back would make enemies of two devices: it is durable when it is told. */
static int add_log(struct postgres *postgres, const struct adapter_open *open, struct error *error) {
	static const struct hash none;
	struct statement statement = { .sql = ADD };
	PGresult *result = NULL;
	int r = command_run(postgres, begin_durable, error);

	statement_add_text(&statement, postgres->log);
	statement_add(&statement, open->new_lineage, 16);
	statement_add_number(&statement, open->new_epoch);
	statement_add(&statement, none.bytes, sizeof(none.bytes));
	if (r == 0)
		r = statement_run(postgres, &statement, &result, error);
	PQclear(result);
	if (r == 0)
		r = command_run(postgres, "COMMIT", error);
	transaction_roll_back(postgres);
	return r;
}

static int compare_lineage(const struct postgres *postgres, const struct adapter_open *open,
                           const struct adapter_opened *opened, struct error *error) {
	char expected[2 * 16 + 1], found[2 * 16 + 1];

	if (open->lineage == NULL || memcmp(open->lineage, opened->lineage, 16) == 0)
		return 0;
	hex_print(expected, open->lineage, 16);
	hex_print(found, opened->lineage, 16);
	return error_set(error, ERROR_CONFLICT, "the log %s had lineage %s, expected %s: it is another store's (%s)",
	                 postgres->log, found, expected, postgres->place);
}

int log_open(struct postgres *postgres, const struct adapter_open *open, struct adapter_opened *ret,
             struct error *error) {
	struct log_state state = { 0 };
	int r = make_tables(postgres, error);

	if (r == 0)
		r = find_log(postgres, 0, &state, error);
	if (r == 0) {
		r = add_log(postgres, open, error);
		if (r == 0)
			r = find_log(postgres, 0, &state, error);
		if (r == 0)
			r = error_set(error, ERROR_NOT_RUNNING, "the log %s disappeared while it was opened (%s)", postgres->log,
			              postgres->place);
	}
	if (r < 0)
		return r;
	memcpy(postgres->lineage, state.lineage, sizeof(postgres->lineage));
	postgres->epoch = state.epoch;
	memcpy(ret->lineage, state.lineage, sizeof(ret->lineage));
	ret->epoch = state.epoch;
	ret->head = state.head;
	return compare_lineage(postgres, open, ret, error);
}

/* Dropped, restored or made anew under us: the next open finds out what it is now. */
static int check_same(const struct postgres *postgres, const struct log_state *state, bool found, struct error *error) {
	if (!found)
		return error_set(error, ERROR_NOT_RUNNING, "the log %s was removed (%s)", postgres->log, postgres->place);
	if (memcmp(state->lineage, postgres->lineage, sizeof(state->lineage)) != 0 || state->epoch != postgres->epoch)
		return error_set(error, ERROR_NOT_RUNNING, "the log %s was replaced (%s)", postgres->log, postgres->place);
	return 0;
}

int log_look(struct postgres *postgres, uint64_t global, struct log_state *ret, struct error *error) {
	int r = find_log(postgres, global > INT64_MAX ? 0 : global, ret, error);

	return r < 0 ? r : check_same(postgres, ret, r == 1, error);
}

int log_lock(struct postgres *postgres, struct log_state *ret, struct error *error) {
	struct statement statement = { .sql = LOCK };
	int r = command_run(postgres, begin_durable, error);

	statement_add_text(&statement, postgres->log);
	if (r == 0)
		r = run_for_state(postgres, &statement, ret, error);
	return r < 0 ? r : check_same(postgres, ret, r == 1, error);
}

bool log_contains(const struct log_state *state, const struct backend_point *point, char *reason, size_t reason_bytes) {
	if (point->global == 0)
		return true;
	if (point->global > state->head.global) {
		snprintf(reason, reason_bytes, "the log ends at e%" PRIu64 ", e%" PRIu64 " is not in it", state->head.global,
		         point->global);
		return false;
	}
	if (state->has_event && hash_equal(&state->chain_hash, &point->chain_hash))
		return true;
	if (state->has_event)
		snprintf(reason, reason_bytes, "another history stands in the log at e%" PRIu64, point->global);
	else
		snprintf(reason, reason_bytes, "the log has lost e%" PRIu64, point->global);
	return false;
}
