/*
 * The steps of a scenario that only look: they wait until what they name is so,
 * and say what is there instead when it does not become so.
 */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

struct expectation {
	struct scenario *scenario;
	struct device *device;   /* or: */
	struct control *control; /* or, both NULL: the backend */
	bool end_only;
	struct chain expected, found;
	const char *sql, *value; /* expect-query */
	struct bytes reply;
	const char *reason; /* expect-refused */
	size_t count;
	struct refused_counts refused;
};

/* ---- chains ------------------------------------------------------------------------------ */

static int fetch_chain(struct expectation *expectation, struct error *error) {
	struct hash ignored;

	if (expectation->device != NULL)
		return device_chain(expectation->scenario, expectation->device, &expectation->found, error);
	if (expectation->control != NULL)
		return control_chain(expectation->scenario, expectation->control, &expectation->found, error);
	return backend_chain(expectation->scenario, &expectation->found, &ignored, error);
}

static int chain_holds(void *data, struct error *error) {
	struct expectation *expectation = data;
	int r = fetch_chain(expectation, error);

	return r < 0 ? r : chain_matches(&expectation->expected, &expectation->found, expectation->end_only);
}

static int wait_for_chain(struct expectation *expectation, const char *name, struct error *error) {
	int r = step_wait_for(chain_holds, expectation, expectation->scenario->expect_ms, error);

	if (r != ERROR_TIMEOUT)
		return r;
	chain_print_difference(&expectation->expected, &expectation->found, expectation->end_only);
	return error_set(error, ERROR_CONFLICT, "the chain of %s is another one", name);
}

int step_expect(struct scenario *scenario, char *rest, struct error *error) {
	struct expectation expectation = { .scenario = scenario };
	char *name = step_word(&rest);
	int r;

	expectation.device = device_find(scenario, name);
	expectation.control = control_find(scenario, name);
	if (expectation.device == NULL && expectation.control == NULL && strcmp(name, "backend") != 0)
		return step_unknown(name, error);
	if (strncmp(rest, "ends", 4) == 0 && (rest[4] == '\0' || isspace((unsigned char)rest[4]))) {
		expectation.end_only = true;
		step_word(&rest);
	}
	r = notation_parse_chain(expectation.expected.tokens, CHAIN_TOKENS_MAX, &expectation.expected.n, rest, error);
	if (r == 0 && expectation.end_only && expectation.expected.n == 0)
		r = error_set(error, ERROR_INVALID, "expected a chain behind \"ends\"");
	return r < 0 ? r : wait_for_chain(&expectation, name, error);
}

/* ---- values ------------------------------------------------------------------------------ */

static int value_holds(void *data, struct error *error) {
	struct expectation *expectation = data;
	int r = control_ask(expectation->control, &expectation->reply, error, "query %s", expectation->sql);

	return r < 0 ? r : strcmp((const char *)expectation->reply.data, expectation->value) == 0;
}

int step_expect_query(struct scenario *scenario, char *rest, struct error *error) {
	struct expectation expectation = { .scenario = scenario };
	int r;

	expectation.control = step_session_of(scenario, &rest, error);
	if (expectation.control == NULL)
		return ERROR_NOT_FOUND;
	expectation.value = step_word(&rest);
	expectation.sql = rest;
	if (*rest == '\0')
		return error_set(error, ERROR_INVALID, "expected: expect-query SESSION VALUE SQL");
	r = step_wait_for(value_holds, &expectation, scenario->expect_ms, error);
	if (r == ERROR_TIMEOUT)
		error_set(error, ERROR_CONFLICT, "the query gave \"%s\"", (const char *)expectation.reply.data);
	bytes_finish(&expectation.reply);
	return r;
}

static int count_holds(void *data, struct error *error) {
	struct expectation *expectation = data;
	struct refused_counts *counts = &expectation->refused;
	int r = device_refused(expectation->device, counts, expectation->reason, error);

	return r < 0 ? r : counts->all == expectation->count && counts->for_the_reason == counts->all;
}

/* expect-refused DEVICE NUMBER [what all their reasons contain] */
int step_expect_refused(struct scenario *scenario, char *rest, struct error *error) {
	struct expectation expectation = { .scenario = scenario };
	char *name = step_word(&rest), *number = step_word(&rest), *end;
	int r;

	expectation.device = device_find(scenario, name);
	if (expectation.device == NULL)
		return error_set(error, ERROR_NOT_FOUND, "there is no device \"%s\"", name);
	expectation.count = strtoul(number, &end, 10);
	expectation.reason = rest;
	if (!isdigit((unsigned char)*number) || *end != '\0')
		return error_set(error, ERROR_INVALID, "expected: expect-refused DEVICE NUMBER [REASON]");
	r = step_wait_for(count_holds, &expectation, scenario->expect_ms, error);
	if (r == ERROR_TIMEOUT)
		error_set(error, ERROR_CONFLICT, "device %s keeps %zu refused events%s%s", name, expectation.refused.all,
		          expectation.refused.all > 0 ? "; the newest: " : "", expectation.refused.newest_reason);
	return r;
}
