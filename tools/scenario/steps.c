/* The steps of a scenario that do something, one verb each. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "scenario.h"

char *step_word(char **rest) {
	char *start = *rest + strspn(*rest, " \t");
	size_t n = strcspn(start, " \t");

	*rest = start + n;
	if (**rest != '\0')
		*(*rest)++ = '\0';
	*rest += strspn(*rest, " \t");
	return start;
}

int step_unknown(const char *name, struct error *error) {
	return error_set(error, ERROR_NOT_FOUND, "there is no device or session \"%s\"", name);
}

struct control *step_session_of(struct scenario *scenario, char **rest, struct error *error) {
	char *name = step_word(rest);
	struct control *control = control_find(scenario, name);

	if (control == NULL)
		error_set(error, ERROR_NOT_FOUND, "there is no session \"%s\"", name);
	return control;
}

int step_wait_for(int (*holds)(void *data, struct error *error), void *data, int timeout_ms, struct error *error) {
	struct timespec start, now;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while ((r = holds(data, error)) <= 0) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (r == ERROR_INVALID)
			return r;
		if ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 > timeout_ms)
			return r < 0 ? r : ERROR_TIMEOUT;
		poll(NULL, 0, 10);
	}
	return 0;
}

/* ---- setting up ------------------------------------------------------------------- */

static int step_schema(struct scenario *scenario, char *rest, struct error *error) {
	char *name = step_word(&rest);
	const char *slash = strrchr(scenario->file, '/');
	FILE *file;
	size_t n = 0;

	snprintf(scenario->schema_path, sizeof(scenario->schema_path), "%.*s%s",
	         slash != NULL && name[0] != '/' ? (int)(slash - scenario->file + 1) : 0, scenario->file, name);
	file = fopen(scenario->schema_path, "re");
	if (file == NULL)
		return error_set(error, ERROR_NOT_FOUND, "cannot open %s: %s", scenario->schema_path, strerror(errno));
	free(scenario->schema);
	scenario->schema = calloc(1, SCHEMA_BYTES_MAX + 1);
	if (scenario->schema != NULL)
		n = fread(scenario->schema, 1, SCHEMA_BYTES_MAX, file);
	fclose(file);
	if (scenario->schema == NULL)
		return error_no_memory(error);
	return n == 0 ? error_set(error, ERROR_IO, "nothing to read in %s", scenario->schema_path) : 0;
}

static int step_backend(struct scenario *scenario, char *rest, struct error *error) {
	char *kind = step_word(&rest);

	return backend_choose(scenario, scenario->kind != NULL ? scenario->kind : kind, error);
}

static int for_each_word(struct scenario *scenario, char *rest, struct error *error,
                         int (*act)(struct scenario *scenario, const char *name, struct error *error)) {
	int r = 0;

	if (*rest == '\0')
		return error_set(error, ERROR_INVALID, "expected the name of a device or session");
	while (r == 0 && *rest != '\0')
		r = act(scenario, step_word(&rest), error);
	return r;
}

static int step_device(struct scenario *scenario, char *rest, struct error *error) {
	return for_each_word(scenario, rest, error, device_add);
}

static int step_session(struct scenario *scenario, char *rest, struct error *error) {
	return for_each_word(scenario, rest, error, control_add);
}

/* ---- sessions ---------------------------------------------------------------------- */

static int set_paused(struct scenario *scenario, const char *name, bool paused, struct error *error) {
	struct control *control = control_find(scenario, name);
	int r;

	if (control == NULL)
		return error_set(error, ERROR_NOT_FOUND, "there is no session \"%s\"", name);
	r = control_ask(control, NULL, error, "%s", paused ? "pause" : "resume");
	if (r == 0)
		control->paused = paused;
	return r;
}

static int pause_one(struct scenario *scenario, const char *name, struct error *error) {
	return set_paused(scenario, name, true, error);
}

static int resume_one(struct scenario *scenario, const char *name, struct error *error) {
	return set_paused(scenario, name, false, error);
}

static int step_pause(struct scenario *scenario, char *rest, struct error *error) {
	return for_each_word(scenario, rest, error, pause_one);
}

static int step_resume(struct scenario *scenario, char *rest, struct error *error) {
	return for_each_word(scenario, rest, error, resume_one);
}

static int step_commit(struct scenario *scenario, char *rest, struct error *error) {
	struct control *control = step_session_of(scenario, &rest, error);
	int r = control == NULL ? ERROR_NOT_FOUND : control_ask(control, NULL, error, "commit %s", rest);

	return r < 0 ? r : 0;
}

static int step_commit_fails(struct scenario *scenario, char *rest, struct error *error) {
	struct control *control = step_session_of(scenario, &rest, error);
	int r = control == NULL ? ERROR_NOT_FOUND : control_ask(control, NULL, error, "commit %s", rest);

	if (r == ERROR_REFUSED)
		return 0;
	return r < 0 ? r : error_set(error, ERROR_CONFLICT, "the commit was expected to be refused, and was not");
}

static int step_batch(struct scenario *scenario, char *rest, struct error *error) {
	struct control *control = step_session_of(scenario, &rest, error);
	int r = control == NULL ? ERROR_NOT_FOUND : control_ask(control, NULL, error, "batch %s", rest);

	return r < 0 ? r : 0;
}

/* ---- the link to the backend ----------------------------------------------------------- */

static int set_link(struct scenario *scenario, const char *name, enum device_link link, struct error *error) {
	struct device *device = device_find(scenario, name);

	if (device == NULL)
		return error_set(error, ERROR_NOT_FOUND, "there is no device \"%s\"", name);
	return device_set_offline(device, link, error);
}

static int cut_one(struct scenario *scenario, const char *name, struct error *error) {
	return set_link(scenario, name, LINK_OFFLINE, error);
}

static int stop_pushing_one(struct scenario *scenario, const char *name, struct error *error) {
	return set_link(scenario, name, LINK_PULLS_ONLY, error);
}

static int join_one(struct scenario *scenario, const char *name, struct error *error) {
	return set_link(scenario, name, LINK_ONLINE, error);
}

/* offline DEVICE... [push] */
static int step_offline(struct scenario *scenario, char *rest, struct error *error) {
	size_t n = strlen(rest);
	bool pulls_on = n > 5 && strcmp(rest + n - 5, " push") == 0;

	if (pulls_on)
		rest[n - 5] = '\0';
	return for_each_word(scenario, rest, error, pulls_on ? stop_pushing_one : cut_one);
}

static int step_online(struct scenario *scenario, char *rest, struct error *error) {
	return for_each_word(scenario, rest, error, join_one);
}

/* ---- processes ------------------------------------------------------------------------ */

static int end_one(struct scenario *scenario, const char *name, int signal, struct error *error) {
	struct device *device = device_find(scenario, name);
	struct control *control = control_find(scenario, name);

	if (device != NULL)
		return device_end(device, signal, error);
	if (signal == SIGTERM && strcmp(name, "backend") == 0)
		return backend_stop(scenario, error);
	return control != NULL ? control_end(control, signal, error) : step_unknown(name, error);
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
	if (strcmp(name, "backend") == 0)
		return backend_start(scenario, error);
	return control != NULL ? control_start(scenario, control, error) : step_unknown(name, error);
}

/* kill A during STEP: A dies as soon as the step makes it write to its log. */
static int kill_during(struct scenario *scenario, const char *name, char *step, struct error *error) {
	struct device *device = device_find(scenario, name);
	int fd, r;

	if (device == NULL)
		return error_set(error, ERROR_NOT_FOUND, "there is no device \"%s\"", name);
	r = device_watch_log(device, &fd, error);
	if (r < 0)
		return r;
	r = step_perform(scenario, step, error);
	if (r == 0)
		r = device_wait_for_write(device, fd, scenario->expect_ms, error);
	close(fd);
	return r < 0 ? r : device_end(device, SIGKILL, error);
}

static int step_kill(struct scenario *scenario, char *rest, struct error *error) {
	char *during = strstr(rest, " during ");

	if (during == NULL)
		return for_each_word(scenario, rest, error, kill_one);
	*during = '\0';
	return kill_during(scenario, rest, during + strlen(" during "), error);
}

static int step_stop(struct scenario *scenario, char *rest, struct error *error) {
	return for_each_word(scenario, rest, error, stop_one);
}

static int step_start(struct scenario *scenario, char *rest, struct error *error) {
	return for_each_word(scenario, rest, error, start_one);
}

/* ---- the table --------------------------------------------------------------------------- */

static const struct {
	const char *verb;
	int (*act)(struct scenario *scenario, char *rest, struct error *error);
	bool expects;
} verbs[] = {
	{ "schema", step_schema, false },
	{ "backend", step_backend, false },
	{ "device", step_device, false },
	{ "session", step_session, false },
	{ "offline", step_offline, false },
	{ "online", step_online, false },
	{ "pause", step_pause, false },
	{ "resume", step_resume, false },
	{ "commit", step_commit, false },
	{ "commit-fails", step_commit_fails, true },
	{ "batch", step_batch, false },
	{ "kill", step_kill, false },
	{ "stop", step_stop, false },
	{ "start", step_start, false },
	{ "settle", step_settle, false },
	{ "expect", step_expect, true },
	{ "expect-query", step_expect_query, true },
	{ "expect-refused", step_expect_refused, true },
	{ "expect-same", step_expect_same, true },
};

int step_perform(struct scenario *scenario, char *line, struct error *error) {
	char *verb = step_word(&line);

	if (*verb == '\0')
		return 0;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].verb, verb) == 0) {
			scenario->n_expectations += verbs[i].expects;
			return verbs[i].act(scenario, line, error);
		}
	}
	return error_set(error, ERROR_INVALID, "unknown step \"%s\"", verb);
}
