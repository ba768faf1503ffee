/* Runs one scenario file in a fresh temporary folder, and cleans up behind it. */

#include "scenario.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Ends every process: at the end of a story that held each one has to end well. */
static int end_all(struct scenario *scenario, int signal, struct error *error) {
	int r = 0;

	for (unsigned i = 0; i < scenario->n_sessions && r == 0; i++)
		if (scenario->sessions[i].process != 0)
			r = control_end(&scenario->sessions[i], signal, error);
	for (unsigned i = 0; i < scenario->n_devices && r == 0; i++)
		if (scenario->devices[i].process != 0)
			r = device_end(&scenario->devices[i], signal, error);
	return r;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
	return remove(path);
}

static void clean_up(struct scenario *scenario) {
	struct error ignored;

	end_all(scenario, SIGKILL, &ignored);
	adapter_end(&scenario->backend.adapter);
	nftw(scenario->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(scenario->schema);
}

/* A comment begins at a '#' that begins the line or follows a blank, but not
 * inside the double quotes of JSON. */
static void cut_comment(char *line) {
	bool quoted = false;
	size_t end = 0;

	for (; line[end] != '\0'; end++) {
		if (!quoted && line[end] == '#' && (end == 0 || line[end - 1] == ' ' || line[end - 1] == '\t'))
			break;
		if (line[end] == '"')
			quoted = !quoted;
		else if (quoted && line[end] == '\\' && line[end + 1] != '\0')
			end++;
	}
	line[end] = '\0';
	for (size_t n = strlen(line); n > 0 && strchr(" \t\r\n", line[n - 1]) != NULL; n--)
		line[n - 1] = '\0';
}

static int run_lines(struct scenario *scenario, FILE *lines, struct error *error) {
	char *line = NULL;
	size_t allocated = 0;
	int r = 0;

	while (r == 0 && getline(&line, &allocated, lines) >= 0) {
		scenario->line++;
		cut_comment(line);
		if (scenario->verbose && *line != '\0')
			fprintf(stderr, "%s:%u: %s\n", scenario->file, scenario->line, line);
		r = step_perform(scenario, line, error);
	}
	free(line);
	if (r == 0 && scenario->n_expectations == 0)
		r = error_set(error, ERROR_INVALID, "the story expects nothing, so it could not fail");
	return r < 0 ? r : end_all(scenario, SIGTERM, error);
}

int scenario_run(struct scenario *scenario, const char *file, struct error *error) {
	const char *temporary = getenv("TMPDIR");
	FILE *lines = fopen(file, "re");
	int r;

	scenario->file = file;
	if (lines == NULL)
		return error_set(error, ERROR_NOT_FOUND, "cannot open %s: %s", file, strerror(errno));
	snprintf(scenario->folder, sizeof(scenario->folder), "%s/leader-scenario-XXXXXX",
	         temporary != NULL ? temporary : "/tmp");
	if (mkdtemp(scenario->folder) == NULL) {
		fclose(lines);
		return error_set(error, ERROR_IO, "cannot make %s: %s", scenario->folder, strerror(errno));
	}
	r = run_lines(scenario, lines, error);
	fclose(lines);
	for (unsigned i = 0; r < 0 && r != ERROR_SKIP && i < scenario->n_devices; i++)
		device_print_log(&scenario->devices[i]);
	clean_up(scenario);
	return r;
}
