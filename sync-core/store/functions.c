/*
 * What materializers may call.
 *
 * The allowed functions give, for equal arguments, equal results in every
 * process that runs the same SQLite: no clock, no randomness, no connection
 * state (changes(), last_insert_rowid()), no version of anything, no libm, whose
 * last digits differ between machines (sin, pow, ln, ... are absent).
 *
 * round(), printf() and format() stay. They are SQLite's own arithmetic, without
 * libm and without a locale. Their conversion between REAL and text is the same
 * that CAST and || do, which no list of functions could take away; refusing them
 * would gain nothing. A schema that must agree to the last digit between kinds of
 * processors keeps amounts in INTEGER (docs/schema.md says so).
 *
 * Aggregates whose result depends on the order of rows (group_concat, sums of
 * REAL) stay too: the order is the schema's to fix, and `schema check --order`
 * shows where it is not.
 *
 * Date functions are pure but for three words. The wrappers look for them and
 * hand everything else to the real functions, on a private connection, because
 * a function that was replaced cannot be reached on its own connection any more.
 */

#include "store/schema.h"

#include <stdlib.h>
#include <string.h>

static const char *const allowed_functions[] = {
	"->",
	"->>",
	"abs",
	"avg",
	"char",
	"coalesce",
	"count",
	"cume_dist",
	"date",
	"datetime",
	"dense_rank",
	"first_value",
	"format",
	"glob",
	"group_concat",
	"hex",
	"ifnull",
	"iif",
	"instr",
	"json",
	"json_array",
	"json_array_length",
	"json_extract",
	"json_group_array",
	"json_group_object",
	"json_insert",
	"json_object",
	"json_patch",
	"json_quote",
	"json_remove",
	"json_replace",
	"json_set",
	"json_type",
	"json_valid",
	"julianday",
	"lag",
	"last_value",
	"lead",
	"length",
	"like",
	"likelihood",
	"likely",
	"lower",
	"ltrim",
	"max",
	"min",
	"nth_value",
	"ntile",
	"nullif",
	"percent_rank",
	"printf",
	"quote",
	"rank",
	"refuse",
	"replace",
	"round",
	"row_number",
	"rtrim",
	"sign",
	"strftime",
	"substr",
	"substring",
	"sum",
	"time",
	"total",
	"trim",
	"typeof",
	"unicode",
	"unixepoch",
	"unlikely",
	"upper",
	"zeroblob",
};

bool schema_function_is_allowed(const char *name) {
	for (size_t i = 0; i < sizeof(allowed_functions) / sizeof(allowed_functions[0]); i++)
		if (sqlite3_stricmp(name, allowed_functions[i]) == 0)
			return true;
	return false;
}

static void refuse(sqlite3_context *context, int n, sqlite3_value **values) {
	const char *reason = (const char *)sqlite3_value_text(values[0]);
	char *text = sqlite3_mprintf(REFUSE_PREFIX "%s", reason ? reason : "no reason given");

	if (!text) {
		sqlite3_result_error_nomem(context);
		return;
	}
	sqlite3_result_error(context, text, -1);
	sqlite3_free(text);
}

/* The real date functions, behind a connection that nobody else uses. Shared by
 * the wrappers of one connection, freed with the last of them. */
struct calendar {
	sqlite3 *db; /* opened when the first date is asked for */
	const struct schema_authorizer *authorizer;
	unsigned n_users;
};

struct date_function {
	struct calendar *calendar;
	const char *name;
	int n_formats; /* arguments before the time */
};

static void release_date_function(void *data) {
	struct date_function *function = data;

	if (--function->calendar->n_users == 0) {
		sqlite3_close_v2(function->calendar->db);
		free(function->calendar);
	}
	free(function);
}

static bool clock_is_allowed(const struct calendar *calendar) {
	return calendar->authorizer &&
	       (calendar->authorizer->mode == AUTHORIZER_OWN || calendar->authorizer->mode == AUTHORIZER_READER);
}

/* Spaces are passed over although SQLite does not: refusing more is harmless. */
static bool names_the_clock(sqlite3_value *value) {
	static const char *const words[] = { "now", "localtime", "utc" };
	int type = sqlite3_value_type(value);
	const char *text;
	size_t n;

	if (type != SQLITE_TEXT && type != SQLITE_BLOB)
		return false;
	text = (const char *)sqlite3_value_text(value);
	if (!text)
		return false;
	text += strspn(text, " \t\r\n\f\v");
	n = strcspn(text, " \t\r\n\f\v");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == n && sqlite3_strnicmp(text, words[i], (int)n) == 0)
			return true;
	return false;
}

static int open_calendar(struct calendar *calendar) {
	int rc;

	if (calendar->db)
		return SQLITE_OK;
	rc = sqlite3_open_v2(":memory:", &calendar->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK) {
		sqlite3_close_v2(calendar->db);
		calendar->db = NULL;
	}
	return rc;
}

static int prepare_date(sqlite3_stmt **ret, const struct date_function *function, int n) {
	sqlite3_str *sql = sqlite3_str_new(NULL);
	char *text;
	int rc = SQLITE_NOMEM;

	sqlite3_str_appendf(sql, "SELECT %s(", function->name);
	for (int i = 0; i < n; i++)
		sqlite3_str_appendall(sql, i == 0 ? "?" : ", ?");
	sqlite3_str_appendall(sql, ")");
	text = sqlite3_str_finish(sql);
	if (text)
		rc = open_calendar(function->calendar);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(function->calendar->db, text, -1, ret, NULL);
	sqlite3_free(text);
	return rc;
}

static void call_date(sqlite3_context *context, int n, sqlite3_value **values) {
	const struct date_function *function = sqlite3_user_data(context);
	sqlite3_stmt *statement = NULL;
	int rc;

	if (!clock_is_allowed(function->calendar)) {
		bool refused = n <= function->n_formats;

		for (int i = function->n_formats; i < n; i++)
			refused = refused || names_the_clock(values[i]);
		if (refused) {
			sqlite3_result_error(context, "the clock and the time zone are not for materializers", -1);
			return;
		}
	}
	rc = prepare_date(&statement, function, n);
	for (int i = 0; rc == SQLITE_OK && i < n; i++)
		rc = sqlite3_bind_value(statement, i + 1, values[i]);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW)
		sqlite3_result_value(context, sqlite3_column_value(statement, 0));
	else
		sqlite3_result_error_code(context, rc);
	sqlite3_finalize(statement);
}

static int install_date(sqlite3 *db, struct calendar *calendar, const char *name, int n_formats) {
	struct date_function *function = malloc(sizeof(*function));
	int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;

	if (!function)
		return SQLITE_NOMEM;
	*function = (struct date_function){ .calendar = calendar, .name = name, .n_formats = n_formats };
	calendar->n_users++;
	/* On failure SQLite releases the function too. */
	return sqlite3_create_function_v2(db, name, -1, flags, function, call_date, NULL, NULL, release_date_function);
}

static int install_dates(sqlite3 *db, const struct schema_authorizer *authorizer) {
	static const char *const names[] = { "date", "time", "datetime", "julianday", "unixepoch", "strftime" };
	struct calendar *calendar = calloc(1, sizeof(*calendar));
	int rc = SQLITE_OK;

	if (!calendar)
		return SQLITE_NOMEM;
	calendar->authorizer = authorizer;
	calendar->n_users = 1; /* ours, until all are installed */
	for (size_t i = 0; rc == SQLITE_OK && i < sizeof(names) / sizeof(names[0]); i++)
		rc = install_date(db, calendar, names[i], strcmp(names[i], "strftime") == 0);
	if (--calendar->n_users == 0)
		free(calendar);
	return rc;
}

int schema_functions_install(sqlite3 *db, const struct schema_authorizer *authorizer, struct error *error) {
	int rc =
		sqlite3_create_function_v2(db, "refuse", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL, refuse, NULL, NULL, NULL);

	if (rc == SQLITE_OK)
		rc = install_dates(db, authorizer);
	if (rc == SQLITE_OK)
		return 0;
	return rc == SQLITE_NOMEM ? error_no_memory(error)
	                          : error_set(error, ERROR_IO, "cannot register functions: %s", sqlite3_errstr(rc));
}
