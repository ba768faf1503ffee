/* The steps of a scenario, one verb each. */

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "scenario.h"

/* The next word of *rest, cut off; empty at the end. */
static char *word(char **rest) {
	char *start = *rest + strspn(*rest, " \t");
	size_t n = strcspn(start, " \t");

	*rest = start + n;
	if (**rest != '\0')
		*(*rest)++ = '\0';
	*rest += strspn(*rest, " \t");
	return start;
}

static int unknown(const char *name, struct error *error) {
	return error_set(error, ERROR_NOT_FOUND, "there is no device or session \"%s\"", name);
}

static struct control *session_of(struct scenario *scenario, char **rest, struct error *error) {
	char *name = word(rest);
	struct control *control = control_find(scenario, name);

	if (control == NULL)
		error_set(error, ERROR_NOT_FOUND, "there is no session \"%s\"", name);
	return control;
}

/* Asks `holds` until it answers 1 or time is up; a failure (< 0) may pass too. */
static int wait_for(int (*holds)(void *data, struct error *error), void *data, int timeout_ms, struct error *error) {
	struct timespec start, now;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while ((r = holds(data, error)) <= 0) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 > timeout_ms)
			return r < 0 ? r : ERROR_TIMEOUT;
		poll(NULL, 0, 10);
	}
	return 0;
}

/* ---- setting up ------------------------------------------------------------------- */

static int step_schema(struct scenario *scenario, char *rest, struct error *error) {
	char *name = word(&rest);
	const char *slash = strrchr(scenario->file, '/');
	FILE *file;

	snprintf(scenario->schema_path, sizeof(scenario->schema_path), "%.*s%s",
	         slash != NULL && name[0] != '/' ? (int)(slash - scenario->file + 1) : 0, scenario->file, name);
	file = fopen(scenario->schema_path, "re");
	if (file == NULL)
		return error_set(error, ERROR_NOT_FOUND, "cannot open %s: %s", scenario->schema_path, strerror(errno));
	free(scenario->schema);
	scenario->schema = calloc(1, SCHEMA_BYTES_MAX + 1);
	if (scenario->schema != NULL && fread(scenario->schema, 1, SCHEMA_BYTES_MAX, file) == 0)
		error_set(error, ERROR_IO, "cannot read %s", scenario->schema_path);
	fclose(file);
	return scenario->schema == NULL ? error_no_memory(error) : 0;
}

static int step_backend(struct scenario *scenario, char *rest, struct error *error) {
	if (strcmp(word(&rest), "none") != 0)
		return error_set(error, ERROR_INVALID, "only \"backend none\" is part of this version");
	scenario->backend_none = true;
	return 0;
}

static int for_each_word(struct scenario *scenario, char *rest, struct error *error,
                         int (*act)(struct scenario *scenario, const char *name, struct error *error)) {
	char *name;
	int r = 0;

	while (r == 0 && *(name = word(&rest)) != '\0')
		r = act(scenario, name, error);
	return r;
}

static int step_device(struct scenario *scenario, char *rest, struct error *error) {
	return for_each_word(scenario, rest, error, device_add);
}

static int step_session(struct scenario *scenario, char *rest, struct error *error) {
	return for_each_word(scenario, rest, error, control_add);
}

/* ---- what happens ------------------------------------------------------------------ */

static int pause_one(struct scenario *scenario, const char *name, struct error *error) {
	struct control *control = control_find(scenario, name);

	if (control == NULL)
		return unknown(name, error);
	control->paused = true;
	return control_ask(control, NULL, error, "pause");
}

static int resume_one(struct scenario *scenario, const char *name, struct error *error) {
	struct control *control = control_find(scenario, name);

	if (control == NULL)
		return unknown(name, error);
	control->paused = false;
	return control_ask(control, NULL, error, "resume");
}

static int step_pause(struct scenario *scenario, char *rest, struct error *error) {
	return for_each_word(scenario, rest, error, pause_one);
}

static int step_resume(struct scenario *scenario, char *rest, struct error *error) {
	return for_each_word(scenario, rest, error, resume_one);
}

static int step_commit(struct scenario *scenario, char *rest, struct error *error) {
	struct control *control = session_of(scenario, &rest, error);
	int r = control == NULL ? ERROR_NOT_FOUND : control_ask(control, NULL, error, "commit %s", rest);

	return r < 0 ? r : 0;
}

static int step_commit_fails(struct scenario *scenario, char *rest, struct error *error) {
	struct control *control = session_of(scenario, &rest, error);
	int r = control == NULL ? ERROR_NOT_FOUND : control_ask(control, NULL, error, "commit %s", rest);

	if (r == ERROR_REFUSED || r == ERROR_INVALID)
		return 0;
	return r < 0 ? r : error_set(error, ERROR_CONFLICT, "the commit was expected to fail, and did not");
}

static int step_batch(struct scenario *scenario, char *rest, struct error *error) {
	struct control *control = session_of(scenario, &rest, error);
	int r = control == NULL ? ERROR_NOT_FOUND : control_ask(control, NULL, error, "batch %s", rest);

	return r < 0 ? r : 0;
}

static int end_one(struct scenario *scenario, const char *name, int signal, struct error *error) {
	struct device *device = device_find(scenario, name);
	struct control *control = control_find(scenario, name);

	if (device != NULL)
		return device_end(device, signal, error);
	return control != NULL ? control_end(control, signal, error) : unknown(name, error);
}

static int kill_one(struct scenario *scenario, const char *name, struct error *error) {
	return end_one(scenario, name, SIGKILL, error);
}

static int stop_one(struct scenario *scenario, const char *name, struct error *error) {
	return end_one(scenario, name, SIGTERM, error);
}

static int start_one(struct scenario *scenario, const char *name, struct error *error) {
	struct device *device = device_find(scenario, name);
	struct control *control = control_find(scenario, name);

	if (device != NULL)
		return device_start(scenario, device, error);
	return control != NULL ? control_start(scenario, control, error) : unknown(name, error);
}

static int step_kill(struct scenario *scenario, char *rest, struct error *error) {
	return for_each_word(scenario, rest, error, kill_one);
}

static int step_stop(struct scenario *scenario, char *rest, struct error *error) {
	return for_each_word(scenario, rest, error, stop_one);
}

static int step_start(struct scenario *scenario, char *rest, struct error *error) {
	return for_each_word(scenario, rest, error, start_one);
}

/* ---- settle -------------------------------------------------------------------------- */

static int is_settled(void *data, struct error *error) {
	struct scenario *scenario = data;

	for (unsigned i = 0; i < scenario->n_sessions; i++) {
		struct control *control = &scenario->sessions[i];
		struct bytes reply = { 0 };
		bool idle;
		int r;

		if (control->process == 0 || control->paused)
			continue;
		r = control_ask(control, &reply, error, "pending");
		idle = r == 0 && strcmp((const char *)reply.data, "0") == 0;
		bytes_finish(&reply);
		if (r < 0)
			return r;
		if (!idle)
			return error_set(error, 0, "session %s still has pending events", control->name);
	}
	return 1;
}

static int step_settle(struct scenario *scenario, char *rest, struct error *error) {
	return wait_for(is_settled, scenario, SETTLE_MS, error);
}

/* ---- expectations ---------------------------------------------------------------------- */

struct expectation {
	struct scenario *scenario;
	struct device *device;   /* or: */
	struct control *control;
	bool end_only;
	struct chain expected, found;
	const char *text;        /* expect-query: the value and the SQL */
	struct bytes value;
	size_t count, found_count;
};

static int find_node(struct scenario *scenario, struct expectation *expectation, char **rest, struct error *error) {
	char *name = word(rest);

	expectation->scenario = scenario;
	expectation->device = device_find(scenario, name);
	expectation->control = control_find(scenario, name);
	return expectation->device == NULL && expectation->control == NULL ? unknown(name, error) : 0;
}

static int fetch_chain(struct expectation *expectation, struct error *error) {
	struct bytes reply = { 0 };
	int r;

	if (expectation->device != NULL)
		return device_chain(expectation->scenario, expectation->device, &expectation->found, error);
	r = control_ask(expectation->control, &reply, error, "chain");
	if (r == 0)
		r = notation_parse_chain(expectation->found.tokens, CHAIN_TOKENS_MAX, &expectation->found.n,
		                         (const char *)reply.data, error);
	bytes_finish(&reply);
	return r;
}

static int chain_holds(void *data, struct error *error) {
	struct expectation *expectation = data;
	int r = fetch_chain(expectation, error);

	return r < 0 ? r : chain_matches(&expectation->expected, &expectation->found, expectation->end_only);
}

static int step_expect(struct scenario *scenario, char *rest, struct error *error) {
	struct expectation expectation = { 0 };
	struct bytes difference = { 0 };
	int r = find_node(scenario, &expectation, &rest, error);

	if (r < 0)
		return r;
	if (strncmp(rest, "ends", 4) == 0 && isspace((unsigned char)rest[4])) {
		expectation.end_only = true;
		word(&rest);
	}
	r = notation_parse_chain(expectation.expected.tokens, CHAIN_TOKENS_MAX, &expectation.expected.n, rest, error);
	if (r < 0)
		return r;
	r = wait_for(chain_holds, &expectation, EXPECT_MS, error);
	if (r != ERROR_TIMEOUT || expectation.found.n + expectation.expected.n == 0)
		return r;
	chain_compare(&difference, &expectation.expected, &expectation.found, expectation.end_only);
	bytes_add_u8(&difference, 0);
	fprintf(stderr, "%s", (const char *)difference.data);
	bytes_finish(&difference);
	return error_set(error, ERROR_CONFLICT, "the chain is another one");
}

static int value_holds(void *data, struct error *error) {
	struct expectation *expectation = data;
	size_t n = strcspn(expectation->text, " ");
	int r = control_ask(expectation->control, &expectation->value, error, "query %s", expectation->text + n + 1);

	if (r < 0)
		return r;
	return expectation->value.n == n && memcmp(expectation->value.data, expectation->text, n) == 0;
}

static int step_expect_query(struct scenario *scenario, char *rest, struct error *error) {
	struct expectation expectation = { 0 };
	int r;

	expectation.control = session_of(scenario, &rest, error);
	if (expectation.control == NULL)
		return ERROR_NOT_FOUND;
	expectation.text = rest;
	if (strchr(rest, ' ') == NULL)
		return error_set(error, ERROR_INVALID, "expected: expect-query SESSION VALUE SQL");
	r = wait_for(value_holds, &expectation, EXPECT_MS, error);
	if (r == ERROR_TIMEOUT)
		error_set(error, ERROR_CONFLICT, "the query gave \"%s\"", (const char *)expectation.value.data);
	bytes_finish(&expectation.value);
	return r;
}

static int count_holds(void *data, struct error *error) {
	struct expectation *expectation = data;
	int r = device_refused_count(expectation->device, &expectation->found_count, error);

	return r < 0 ? r : expectation->found_count == expectation->count;
}

static int step_expect_refused(struct scenario *scenario, char *rest, struct error *error) {
	struct expectation expectation = { 0 };
	char *name = word(&rest);
	int r;

	expectation.device = device_find(scenario, name);
	if (expectation.device == NULL)
		return unknown(name, error);
	expectation.count = strtoul(rest, NULL, 10);
	r = wait_for(count_holds, &expectation, EXPECT_MS, error);
	if (r == ERROR_TIMEOUT)
		error_set(error, ERROR_CONFLICT, "device %s keeps %zu refused events", name, expectation.found_count);
	return r;
}

static int session_has_dump(void *data, struct error *error) {
	struct expectation *expectation = data;
	struct bytes dump = { 0 };
	int r = control_ask(expectation->control, &dump, error, "dump");

	if (r == 0)
		r = dump.n == expectation->value.n && memcmp(dump.data, expectation->value.data, dump.n) == 0;
	bytes_finish(&dump);
	return r;
}

static int sessions_agree_with(struct scenario *scenario, struct device *device, struct error *error) {
	struct expectation expectation = { .scenario = scenario, .device = device };
	int r = device_dump(device, &expectation.value, error);

	if (r == 0)
		r = fetch_chain(&expectation, error);
	expectation.expected = expectation.found;
	expectation.device = NULL;
	for (unsigned i = 0; i < scenario->n_sessions && r == 0; i++) {
		expectation.control = &scenario->sessions[i];
		if (&scenario->devices[expectation.control->device] != device || expectation.control->process == 0)
			continue;
		for (size_t k = 0; k < expectation.expected.n; k++)
			expectation.expected.tokens[k].node[0] = expectation.expected.tokens[k].context[0] = '\0';
		r = wait_for(session_has_dump, &expectation, EXPECT_MS, error);
		if (r == 0)
			r = wait_for(chain_holds, &expectation, EXPECT_MS, error);
		if (r == ERROR_TIMEOUT)
			error_set(error, ERROR_CONFLICT, "session %s has another state or chain than its device",
			          expectation.control->name);
	}
	bytes_finish(&expectation.value);
	return r;
}

/* All nodes: same confirmed chain, same synced state; every device verifies. */
static int step_expect_same(struct scenario *scenario, char *rest, struct error *error) {
	int r = 0;

	for (unsigned i = 0; i < scenario->n_devices && r == 0; i++) {
		r = sessions_agree_with(scenario, &scenario->devices[i], error);
		if (r == 0)
			r = device_verify(&scenario->devices[i], error);
	}
	return r;
}

/* ---- the table --------------------------------------------------------------------------- */

static const struct {
	const char *verb;
	int (*act)(struct scenario *scenario, char *rest, struct error *error);
} verbs[] = {
	{ "schema", step_schema },
	{ "backend", step_backend },
	{ "device", step_device },
	{ "session", step_session },
	{ "pause", step_pause },
	{ "resume", step_resume },
	{ "commit", step_commit },
	{ "commit-fails", step_commit_fails },
	{ "batch", step_batch },
	{ "kill", step_kill },
	{ "stop", step_stop },
	{ "start", step_start },
	{ "settle", step_settle },
	{ "expect", step_expect },
	{ "expect-query", step_expect_query },
	{ "expect-refused", step_expect_refused },
	{ "expect-same", step_expect_same },
};

int step_perform(struct scenario *scenario, char *line, struct error *error) {
	char *verb = word(&line);

	if (*verb == '\0' || *verb == '#')
		return 0;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].verb, verb) == 0)
			return verbs[i].act(scenario, line, error);
	return error_set(error, ERROR_INVALID, "unknown step \"%s\"", verb);
}
