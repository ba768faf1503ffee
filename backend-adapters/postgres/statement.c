/*
 * One statement, within the time of the operation under way.
 *
 * The server is given less time than we have, so that it is the server that
 * gives up and says why; when it does not answer at all, the connection is
 * given up, and the server ends what was under way by its own limits.
 */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "base/must.h"
#include "postgres/postgres.h"

void number_put(uint8_t *ret, uint64_t value, size_t n_bytes) {
	for (size_t i = 0; i < n_bytes; i++)
		ret[i] = (uint8_t)(value >> (8 * (n_bytes - 1 - i)));
}

void statement_add(struct statement *statement, const void *data, size_t n) {
	must(statement->n < STATEMENT_VALUES_MAX);
	statement->values[statement->n] = data;
	statement->bytes[statement->n++] = (int)n;
}

void statement_add_text(struct statement *statement, const char *text) {
	statement_add(statement, text, strlen(text));
}

void statement_add_number(struct statement *statement, uint64_t value) {
	uint8_t *number = statement->numbers[statement->n];

	number_put(number, value, 8);
	statement_add(statement, number, 8);
}

int64_t operation_now_us(void) {
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void operation_begin(struct postgres *postgres) {
	postgres->deadline_us = operation_now_us() + (int64_t)POSTGRES_CALL_MS * 1000;
}

int operation_wait(const struct postgres *postgres, int64_t deadline_us, short events, struct error *error) {
	while (true) {
		struct pollfd descriptor = { .fd = PQsocket(postgres->connection), .events = events };
		int64_t left_us = deadline_us - operation_now_us();
		int n = left_us <= 0 ? 0 : poll(&descriptor, 1, (int)((left_us + 999) / 1000));

		if (n == 1)
			return 0;
		if (n == 0)
			return error_set(error, ERROR_TIMEOUT, "%s did not answer in time", postgres->place);
		if (errno != EINTR)
			return error_set(error, ERROR_IO, "cannot wait for %s: %s", postgres->place, strerror(errno));
	}
}

int failure_code(const char *sqlstate, const char **ret_meaning) {
	/* The first that fits; a class has two characters. */
	static const struct {
		const char *sqlstate;
		int code;
		const char *meaning;
	} meanings[] = {
		{ "53100", ERROR_FULL, "the server's disk was full" },
		{ "53300", ERROR_NOT_RUNNING, "the server had no connection left" },
		{ "53", ERROR_BUSY, "the server ran out of resources" },
		{ "55P03", ERROR_BUSY, "another writer kept the log locked" },
		{ "40", ERROR_BUSY, "another transaction was in the way" },
		{ "57014", ERROR_TIMEOUT, "the server gave up for lack of time" },
		{ "57P04", ERROR_INVALID, "the database was dropped" },
		{ "57", ERROR_NOT_RUNNING, "the server was stopping or starting" },
		{ "25006", ERROR_NOT_RUNNING, "the server took no writes" },
		{ "25", ERROR_IO, "the transaction was ended by the server" },
		{ "28P01", ERROR_PERMISSION, "the password was wrong, or the user unknown" },
		{ "28", ERROR_PERMISSION, "the server's rules did not let this user in" },
		{ "42501", ERROR_PERMISSION, "the user lacked a privilege" },
		{ "3D000", ERROR_INVALID, "the database did not exist" },
		{ "42P01", ERROR_NOT_RUNNING, "the tables were gone" },
		{ "3F000", ERROR_NOT_RUNNING, "the tables were gone" },
		{ "42703", ERROR_VERSION, "the tables had another format" },
		{ "XX", ERROR_CORRUPT, "the server found its data damaged" },
		{ "08", ERROR_IO, "the connection broke" },
	};

	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (strncmp(sqlstate, meanings[i].sqlstate, strlen(meanings[i].sqlstate)) == 0) {
			*ret_meaning = meanings[i].meaning;
			return meanings[i].code;
		}
	*ret_meaning = "the server refused a statement";
	return ERROR_IO;
}

static int connection_lost(const struct postgres *postgres, struct error *error) {
	return error_set(error, ERROR_NOT_RUNNING, "%s closed the connection", postgres->place);
}

/* The detail and the context of a server's message can hold a statement's values; its first line does not. */
static int statement_failed(const struct postgres *postgres, const PGresult *result, struct error *error) {
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *meaning;
	int code;

	if (sqlstate == NULL)
		return connection_lost(postgres, error);
	code = failure_code(sqlstate, &meaning);
	return error_set(error, code, "%s: %s (%s: %.200s)", postgres->place, meaning, sqlstate,
	                 message == NULL ? "" : message);
}

/* 1: a result; 0: that was the last one. */
static int next_result(struct postgres *postgres, PGresult **ret, struct error *error) {
	while (true) {
		int unsent = PQflush(postgres->connection);
		int r;

		if (unsent < 0)
			return connection_lost(postgres, error);
		if (unsent == 0 && !PQisBusy(postgres->connection))
			break;
		r = operation_wait(postgres, postgres->deadline_us, unsent == 0 ? POLLIN : POLLIN | POLLOUT, error);
		if (r < 0)
			return r;
		if (PQconsumeInput(postgres->connection) == 0)
			return connection_lost(postgres, error);
	}
	*ret = PQgetResult(postgres->connection);
	return *ret != NULL;
}

/* A hint that came with an answer has been taken off the socket. */
void statement_note_hints(struct postgres *postgres) {
	PGnotify *notification;

	while ((notification = PQnotifies(postgres->connection)) != NULL) {
		postgres->news = postgres->news || notification->be_pid != PQbackendPID(postgres->connection);
		PQfreemem(notification);
	}
}

/* All results of what was sent: the last one is returned, the first failure counts. */
static int take_results(struct postgres *postgres, PGresult **ret, struct error *error) {
	PGresult *last = NULL, *result = NULL;
	int failure = 0;
	int r;

	while ((r = next_result(postgres, &result, error)) == 1) {
		ExecStatusType status = PQresultStatus(result);

		if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && failure == 0)
			failure = statement_failed(postgres, result, error);
		PQclear(last);
		last = result;
	}
	statement_note_hints(postgres);
	if (failure == 0 && r == 0 && last == NULL)
		failure = connection_lost(postgres, error);
	if (failure < 0 || r < 0) {
		PQclear(last);
		return failure < 0 ? failure : r;
	}
	*ret = last;
	return 0;
}

int statement_run(struct postgres *postgres, const struct statement *statement, PGresult **ret, struct error *error) {
	static const int formats[STATEMENT_VALUES_MAX] = { 1, 1, 1, 1, 1, 1, 1 };

	if (PQsendQueryParams(postgres->connection, statement->sql, statement->n, NULL, statement->values, statement->bytes,
	                      formats, 1) == 0)
		return connection_lost(postgres, error);
	return take_results(postgres, ret, error);
}

int command_run(struct postgres *postgres, const char *sql, struct error *error) {
	PGresult *result;
	int r;

	if (PQsendQuery(postgres->connection, sql) == 0)
		return connection_lost(postgres, error);
	r = take_results(postgres, &result, error);
	if (r == 0)
		PQclear(result);
	return r;
}

void transaction_roll_back(struct postgres *postgres) {
	PGTransactionStatusType status = PQtransactionStatus(postgres->connection);

	if (status == PQTRANS_INTRANS || status == PQTRANS_INERROR)
		command_run(postgres, "ROLLBACK", NULL);
}

uint64_t result_number(const PGresult *result, int row, int column) {
	const uint8_t *data = (const uint8_t *)PQgetvalue(result, row, column);
	int n = PQgetlength(result, row, column);
	uint64_t value = 0;

	for (int i = 0; i < n && i < 8; i++)
		value = value << 8 | data[i];
	return value;
}

bool result_flag(const PGresult *result, int row, int column) {
	return PQgetlength(result, row, column) == 1 && *PQgetvalue(result, row, column) != 0;
}

bool result_bytes(const PGresult *result, int row, int column, void *ret, size_t n) {
	if (PQgetisnull(result, row, column) != 0 || (size_t)PQgetlength(result, row, column) != n)
		return false;
	memcpy(ret, PQgetvalue(result, row, column), n);
	return true;
}
