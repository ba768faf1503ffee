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
	struct device *device; /* or: */
	struct control *control;
	bool end_only;
	struct chain expected, found;
	const char *sql, *value; /* expect-query */
	struct bytes reply;
	size_t count, found_count;
};

/* ---- settle ---------------------------------------------------------------------------- */

/* Which nodes have to settle: all that run and read, or those named. */
struct settling {
	struct scenario *scenario;
	bool devices[DEVICES_MAX], sessions[SESSIONS_MAX];
};

static int choose_named(struct settling *settling, char *rest, struct error *error) {
	struct scenario *scenario = settling->scenario;

	while (*rest != '\0') {
		char *name = step_word(&rest);
		struct device *device = device_find(scenario, name);
		struct control *control = control_find(scenario, name);

		if (device == NULL && control == NULL)
			return step_unknown(name, error);
		if (control != NULL && control->paused)
			return error_set(error, ERROR_INVALID, "session %s is paused and cannot settle", name);
		if (device != NULL)
			settling->devices[device - scenario->devices] = true;
		else
			settling->sessions[control - scenario->sessions] = true;
	}
	return 0;
}

static void choose_all(struct settling *settling) {
	const struct scenario *scenario = settling->scenario;

	for (unsigned i = 0; i < scenario->n_devices; i++)
		settling->devices[i] = scenario->devices[i].process != 0;
	for (unsigned i = 0; i < scenario->n_sessions; i++)
		settling->sessions[i] = scenario->sessions[i].process != 0 && !scenario->sessions[i].paused &&
		                        settling->devices[scenario->sessions[i].device];
}

static int session_is_settled(struct scenario *scenario, struct control *control, struct error *error) {
	struct session_standing standing;
	struct position head;
	size_t ignored;
	int r = control_standing(control, &standing, error);

	if (r == 0)
		r = device_head(&scenario->devices[control->device], &head, &ignored, error);
	if (r < 0)
		return r;
	if (standing.connected && standing.pending == 0 && standing.queued_bytes == 0 &&
	    position_compare(standing.leader_head, head) == 0)
		return 1;
	return error_set(error, 0, "session %s has %llu pending events, %s", control->name, standing.pending,
	                 !standing.connected ? "and no leader" : "and may not have taken in all of its leader's log");
}

static int is_settled(void *data, struct error *error) {
	struct settling *settling = data;
	struct scenario *scenario = settling->scenario;
	int r = 1;

	for (unsigned i = 0; i < scenario->n_sessions && r == 1; i++)
		if (settling->sessions[i])
			r = session_is_settled(scenario, &scenario->sessions[i], error);
	for (unsigned i = 0; i < scenario->n_devices && r == 1; i++) {
		struct position head;
		size_t pending = 0;

		if (settling->devices[i])
			r = device_head(&scenario->devices[i], &head, &pending, error) < 0 ? error->code : 1;
		if (pending > 0)
			r = error_set(error, 0, "device %s has %zu events that its backend has not confirmed",
			              scenario->devices[i].name, pending);
	}
	return r;
}

int step_settle(struct scenario *scenario, char *rest, struct error *error) {
	struct settling settling = { .scenario = scenario };
	int r = 0;

	if (*rest != '\0')
		r = choose_named(&settling, rest, error);
	else
		choose_all(&settling);
	return r < 0 ? r : step_wait_for(is_settled, &settling, SETTLE_MS, error);
}

/* ---- chains ------------------------------------------------------------------------------ */

static int fetch_chain(struct expectation *expectation, struct error *error) {
	if (expectation->device != NULL)
		return device_chain(expectation->scenario, expectation->device, &expectation->found, error);
	return control_chain(expectation->scenario, expectation->control, &expectation->found, error);
}

static int chain_holds(void *data, struct error *error) {
	struct expectation *expectation = data;
	int r = fetch_chain(expectation, error);

	return r < 0 ? r : chain_matches(&expectation->expected, &expectation->found, expectation->end_only);
}

static int wait_for_chain(struct expectation *expectation, const char *name, struct error *error) {
	struct bytes difference = { 0 };
	int r = step_wait_for(chain_holds, expectation, expectation->scenario->expect_ms, error);

	if (r != ERROR_TIMEOUT)
		return r;
	chain_compare(&difference, &expectation->expected, &expectation->found, expectation->end_only);
	fwrite(difference.data, 1, difference.n, stderr);
	bytes_finish(&difference);
	return error_set(error, ERROR_CONFLICT, "the chain of %s is another one", name);
}

int step_expect(struct scenario *scenario, char *rest, struct error *error) {
	struct expectation expectation = { .scenario = scenario };
	char *name = step_word(&rest);
	int r;

	expectation.device = device_find(scenario, name);
	expectation.control = control_find(scenario, name);
	if (expectation.device == NULL && expectation.control == NULL)
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
	int r = device_refused_count(expectation->device, &expectation->found_count, error);

	return r < 0 ? r : expectation->found_count == expectation->count;
}

int step_expect_refused(struct scenario *scenario, char *rest, struct error *error) {
	struct expectation expectation = { .scenario = scenario };
	char *name = step_word(&rest), *end;
	int r;

	expectation.device = device_find(scenario, name);
	if (expectation.device == NULL)
		return error_set(error, ERROR_NOT_FOUND, "there is no device \"%s\"", name);
	expectation.count = strtoul(rest, &end, 10);
	if (!isdigit((unsigned char)*rest) || *end != '\0')
		return error_set(error, ERROR_INVALID, "expected: expect-refused DEVICE NUMBER");
	r = step_wait_for(count_holds, &expectation, scenario->expect_ms, error);
	if (r == ERROR_TIMEOUT)
		error_set(error, ERROR_CONFLICT, "device %s keeps %zu refused events", name, expectation.found_count);
	return r;
}

/* ---- all nodes --------------------------------------------------------------------------- */

static int state_holds(void *data, struct error *error) {
	struct expectation *expectation = data;
	struct bytes dump = { 0 };
	int r = control_ask(expectation->control, &dump, error, "dump");

	if (r >= 0)
		r = dump.n == expectation->reply.n && memcmp(dump.data, expectation->reply.data, dump.n) == 0;
	bytes_finish(&dump);
	return r;
}

static int session_agrees(struct expectation *expectation, struct error *error) {
	int r = wait_for_chain(expectation, expectation->control->name, error);

	if (r == 0)
		r = step_wait_for(state_holds, expectation, expectation->scenario->expect_ms, error);
	if (r == ERROR_TIMEOUT)
		error_set(error, ERROR_CONFLICT, "session %s has another state than its device", expectation->control->name);
	return r;
}

static int sessions_agree_with(struct scenario *scenario, struct device *device, struct error *error) {
	struct expectation expectation = { .scenario = scenario, .device = device };
	int r = device_dump(device, &expectation.reply, error);

	if (r == 0)
		r = fetch_chain(&expectation, error);
	expectation.expected = expectation.found;
	expectation.device = NULL;
	for (unsigned i = 0; i < scenario->n_sessions && r == 0; i++) {
		expectation.control = &scenario->sessions[i];
		if (&scenario->devices[expectation.control->device] == device && expectation.control->process != 0)
			r = session_agrees(&expectation, error);
	}
	bytes_finish(&expectation.reply);
	return r;
}

/* Without a backend nothing is confirmed, so each device is compared with its own sessions. */
int step_expect_same(struct scenario *scenario, char *rest, struct error *error) {
	int r = 0;

	for (unsigned i = 0; i < scenario->n_devices && r == 0; i++) {
		r = sessions_agree_with(scenario, &scenario->devices[i], error);
		if (r == 0)
			r = device_verify(&scenario->devices[i], error);
	}
	return r;
}
