/* leaderctl query */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "connect.h"
#include "file.h"
#include "output.h"
#include "parse.h"
#include "query_print.h"
#include "report.h"

/* ---- parameters ---------------------------------------------------------------- */

/* A number only if it is written just as a number prints: "007" and "1e3" are texts. */
static void read_value(struct lds_value *ret, const char *text) {
	char printed[64], *end;

	*ret = (struct lds_value){ .type = LDS_TEXT, .text = text, .bytes = strlen(text) };
	errno = 0;
	ret->integer = strtoll(text, &end, 10);
	snprintf(printed, sizeof(printed), "%lld", (long long)ret->integer);
	if (errno == 0 && strcmp(printed, text) == 0) {
		ret->type = LDS_INTEGER;
		return;
	}
	if (strspn(text, "-0123456789.") != ret->bytes || strchr(text, '.') == NULL)
		return;
	errno = 0;
	ret->real = strtod(text, &end);
	if (errno == 0 && end != text && *end == '\0' && end[-1] != '.')
		ret->type = LDS_REAL;
}

struct parameters {
	struct lds_parameter *items; /* owned, with their names */
	size_t n;
};

static void parameters_finish(struct parameters *parameters) {
	for (size_t i = 0; i < parameters->n; i++)
		free((char *)parameters->items[i].name);
	free(parameters->items);
}

static int parameters_take(struct parameters *ret, const struct call *call) {
	ret->items = must_have(calloc(call->n_parameters + 1, sizeof(*ret->items)));
	for (size_t i = 0; i < call->n_parameters; i++) {
		const char *text = call->parameters[i], *equals = strchr(text, '=');

		if (!equals || equals == text)
			return usage_error(call, "--param must be NAME=VALUE, not \"%s\"", text);
		ret->items[i].name = must_have(strndup(text, (size_t)(equals - text)));
		ret->n++;
		read_value(&ret->items[i].value, equals + 1);
	}
	return 0;
}

/* ---- the query ------------------------------------------------------------------- */

static int query(const struct call *call, const char *sql, const struct parameters *parameters) {
	struct lds_session *session;
	struct lds_rows *rows;
	int r = connect_current(call, call->words[0], LDS_READ_ONLY, &session);

	if (r != 0)
		return r;
	r = lds_query(session, sql, parameters->items, parameters->n, &rows);
	if (r == 0) {
		r = query_print(rows, call->json ? QUERY_JSON : call_has(call, OPTION_CSV) ? QUERY_CSV : QUERY_TABLE);
		lds_rows_close(rows);
	}
	if (r < 0)
		r = session_failed(session, r);
	lds_close(session);
	return r;
}

static int run(const struct call *call) {
	bool from_input = call->n_words < 2 || strcmp(call->words[1], "-") == 0;
	struct parameters parameters = { 0 };
	char *text = NULL;
	int r;

	if (call->json && call_has(call, OPTION_CSV))
		return usage_error(call, "--json and --csv do not go together");
	r = parameters_take(&parameters, call);
	if (r == 0 && from_input)
		r = file_read("-", TEXT_INPUT_BYTES_MAX, &text);
	if (r == 0)
		r = query(call, from_input ? text : call->words[1], &parameters);
	free(text);
	parameters_finish(&parameters);
	return r;
}

const struct command command_query = {
	.name = "query",
	.synopsis = "STORE [SQL|-] [--param NAME=VALUE]... [--csv]",
	.summary = "Run one reading SQL statement on the state",
	.details = "The state is that of a session: all that the leader's log holds, confirmed or not. Without\n"
			   "SQL, or with \"-\", the statement comes from standard input. A VALUE that is written as\n"
			   "an integer or a decimal number is bound as one, any other as text. In --json and --csv a\n"
			   "BLOB is base64.",
	.examples = "  leaderctl query org.example.todos 'SELECT id, title FROM todo WHERE done = :done' --param done=0\n"
				"  leaderctl query files 'SELECT * FROM file ORDER BY path' --csv > files.csv",
	.words = { "STORE", "SQL" },
	.n_required = 1,
	.options = { OPTION_PARAM, OPTION_CSV, OPTION_TIMEOUT },
	.timeout_s = 10,
	.run = run,
};
