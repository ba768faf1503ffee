/* Runs one scenario file in a fresh temporary folder, and cleans up behind it. */

#include "scenario.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
	return remove(path);
}

static void clean_up(struct scenario *scenario) {
	struct error ignored;

	for (unsigned i = 0; i < scenario->n_sessions; i++)
		if (scenario->sessions[i].process != 0)
			control_end(&scenario->sessions[i], SIGKILL, &ignored);
	for (unsigned i = 0; i < scenario->n_devices; i++)
		if (scenario->devices[i].process != 0)
			device_end(&scenario->devices[i], SIGKILL, &ignored);
	nftw(scenario->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(scenario->schema);
}

/* A comment begins at a '#' that follows a space or begins the line. */
static void cut_comment(char *line) {
	for (char *at = line; *at != '\0'; at++) {
		if (*at == '"') { /* not inside JSON text */
			at += strcspn(at + 1, "\"");
			if (*at == '\0')
				return;
			at++;
		} else if (*at == '#' && (at == line || at[-1] == ' ' || at[-1] == '\t')) {
			*at = '\0';
		}
		if (*at == '\0')
			break;
	}
	line[strcspn(line, "\n")] = '\0';
}

static int run_lines(struct scenario *scenario, FILE *lines, struct error *error) {
	char *line = NULL;
	size_t allocated = 0;
	int r = 0;

	while (r == 0 && getline(&line, &allocated, lines) >= 0) {
		scenario->line++;
		cut_comment(line);
		if (scenario->verbose && line[strspn(line, " \t")] != '\0')
			fprintf(stderr, "%s:%u: %s\n", scenario->file, scenario->line, line);
		r = step_perform(scenario, line, error);
	}
	free(line);
	return r;
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
	clean_up(scenario);
	return r;
}
