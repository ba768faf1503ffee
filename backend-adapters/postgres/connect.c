/*
 * A connection: made within a time, to the primary, and set up.
 *
 * TLS with the certificate and its name verified, unless the URL says otherwise
 * (a local socket has no TLS). Nothing but the URL decides where and how, the
 * environment's passfile apart: libpq's other variables are forgotten.
 *
 * Errors of a connection that was not made come from libpq as text only. The
 * server's part is asked for as a bare SQLSTATE, so that it can be understood
 * in any language and cannot bring back what was sent.
 */

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "postgres/postgres.h"

#define OPTIONS_MAX 40

static_assert(POSTGRES_LOCK_MS == 4000 && POSTGRES_IDLE_MS == 5000 && POSTGRES_STATEMENT_MS == 10000,
              "SET below says the same");

/* Names are looked up in pg_catalog only: what else the database holds cannot come between. A push says by itself when
 * it must be durable; nothing else has to be. */
static const char set_up_session[] =
	"SET search_path = pg_catalog; SET lock_timeout = 4000; SET statement_timeout = 10000;"
	"SET idle_in_transaction_session_timeout = 5000; SET default_transaction_isolation = 'read committed';"
	"SET synchronous_commit = off; SET jit = off";

static void forget_environment(void) {
	PQconninfoOption *options = PQconndefaults();

	for (const PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++)
		if (option->envvar != NULL && strcmp(option->envvar, "PGPASSFILE") != 0)
			unsetenv(option->envvar);
	unsetenv("PGSERVICEFILE");
	unsetenv("PGREQUIRESSL");
	PQconninfoFree(options);
	setenv("RES_OPTIONS", "timeout:2 attempts:2", 0); /* libpq waits for the resolver */
}

struct options {
	const char *keywords[OPTIONS_MAX + 1], *values[OPTIONS_MAX + 1];
	size_t n;
};

static void option_add(struct options *options, const char *keyword, const char *value) {
	options->keywords[options->n] = keyword;
	options->values[options->n++] = value;
}

static void options_fill(struct options *ret, const struct address *address, const char *application) {
	const char *host = address_option(address, "host"), *host_address = address_option(address, "hostaddr");

	/* What the URL says comes last, and counts. */
	option_add(ret, "sslmode", "verify-full");
	option_add(ret, "gssencmode", "disable"); /* or a ticket would take the place of TLS */
	option_add(ret, "client_encoding", "UTF8");
	option_add(ret, "application_name", application);
	option_add(ret, "keepalives_idle", "15");
	option_add(ret, "keepalives_interval", "5");
	option_add(ret, "keepalives_count", "3");
	option_add(ret, "tcp_user_timeout", "15000");
	if (address->passfile != NULL)
		option_add(ret, "passfile", address->passfile);
	if (strchr(host == NULL ? "" : host, ',') != NULL || strchr(host_address == NULL ? "" : host_address, ',') != NULL)
		option_add(ret, "target_session_attrs", "primary");
	for (const PQconninfoOption *option = address->options; option->keyword != NULL; option++)
		if (option->val != NULL && ret->n < OPTIONS_MAX)
			option_add(ret, option->keyword, option->val);
}

/* "…: one line; the next", without the advice that libpq puts on lines of its own. */
static void make_one_line(char *ret, size_t ret_bytes, const char *text) {
	size_t n = 0;

	while (*text != '\0' && n + 3 < ret_bytes) {
		size_t n_line = strcspn(text, "\n");
		bool advice = *text == '\t' || strncmp(text, "Either provide", 14) == 0;

		if (!advice && n_line > 0) {
			int added = snprintf(ret + n, ret_bytes - n, "%s%.*s", n == 0 ? "" : "; ", (int)n_line, text);

			n += (size_t)added < ret_bytes - n ? (size_t)added : ret_bytes - n - 1;
		}
		text += n_line + (text[n_line] == '\n');
	}
	ret[n] = '\0';
}

/* The last "SEVERITY:  SQLSTATE" in the text. */
static bool find_sqlstate(const char *text, char ret[6]) {
	bool found = false;

	for (const char *at = strstr(text, ":  "); at != NULL; at = strstr(at + 1, ":  ")) {
		size_t n = strspn(at + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");

		if (n != 5 || (at[8] != '\n' && at[8] != '\0'))
			continue;
		memcpy(ret, at + 3, 5);
		ret[5] = '\0';
		found = true;
	}
	return found;
}

int connect_failure(const struct postgres *postgres, const char *text, struct error *error) {
	char sqlstate[6], line[300];
	const char *meaning;

	if (find_sqlstate(text, sqlstate)) {
		int code = failure_code(sqlstate, &meaning);

		return error_set(error, code, "%s: %s (%s)", postgres->place, meaning, sqlstate);
	}
	make_one_line(line, sizeof(line), text);
	if (strstr(text, "certificate verify failed") != NULL)
		return error_set(error, ERROR_PERMISSION,
		                 "%s: the server's certificate was not accepted: it has expired, is not "
		                 "valid yet, or is not signed by the root certificate",
		                 postgres->place);
	if (strstr(text, "no password supplied") != NULL)
		return error_set(error, ERROR_PERMISSION, "%s: the server asked for a password, and no passfile had one for it",
		                 postgres->place);
	if (strstr(text, "certificate") != NULL || strstr(text, "does not support SSL") != NULL ||
	    strstr(text, "authentication method") != NULL || strstr(text, "channel binding") != NULL ||
	    strstr(text, "requirepeer") != NULL || strstr(text, "private key") != NULL)
		return error_set(error, ERROR_PERMISSION, "%s: %s", postgres->place, line);
	return error_set(error, ERROR_NOT_RUNNING, "%s: %s", postgres->place, line);
}

static int wait_for_connection(struct postgres *postgres, unsigned connect_ms, struct error *error) {
	int64_t deadline_us = operation_now_us() + (int64_t)connect_ms * 1000;
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	while (status != PGRES_POLLING_OK) {
		int r;

		if (status == PGRES_POLLING_FAILED || PQstatus(postgres->connection) == CONNECTION_BAD)
			return connect_failure(postgres, PQerrorMessage(postgres->connection), error);
		r = operation_wait(postgres, deadline_us, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, error);
		if (r < 0)
			return r;
		status = PQconnectPoll(postgres->connection);
	}
	return 0;
}

static void ignore_notice(void *data, const PGresult *result) {
	(void)data;
	(void)result;
}

static int check_server(struct postgres *postgres, struct error *error) {
	struct statement statement = { .sql = "SELECT pg_is_in_recovery()" };
	int version = PQserverVersion(postgres->connection);
	PGresult *result;
	bool standby;
	int r;

	if (version < POSTGRES_VERSION_MIN)
		return error_set(error, ERROR_VERSION, "%s is version %d, older than version %d", postgres->place,
		                 version / 10000, POSTGRES_VERSION_MIN / 10000);
	r = statement_run(postgres, &statement, &result, error);
	if (r < 0)
		return r;
	standby = result_flag(result, 0, 0);
	PQclear(result);
	if (standby)
		return error_set(error, ERROR_NOT_RUNNING, "%s is a standby; a store needs the primary", postgres->place);
	return 0;
}

int connect_open(struct postgres *postgres, const struct address *address, const char *client_id, struct error *error) {
	struct options options = { 0 };
	char application[64];
	int r;

	forget_environment();
	snprintf(application, sizeof(application), "leaderd %s", client_id == NULL ? "" : client_id);
	memcpy(postgres->place, address->place, sizeof(postgres->place));
	options_fill(&options, address, application);
	postgres->connection = PQconnectStartParams(options.keywords, options.values, 0);
	if (postgres->connection == NULL)
		return error_no_memory(error);
	PQsetErrorVerbosity(postgres->connection, PQERRORS_SQLSTATE);
	PQsetNoticeReceiver(postgres->connection, ignore_notice, NULL);
	r = wait_for_connection(postgres, address->connect_ms, error);
	if (r < 0)
		return r;
	if (PQsetnonblocking(postgres->connection, 1) != 0)
		return error_no_memory(error);
	r = command_run(postgres, set_up_session, error);
	return r < 0 ? r : check_server(postgres, error);
}
