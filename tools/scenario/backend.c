/*
 * The backend of a story: which kind, where, and whether it can be reached.
 *
 *   file      a database in a folder of its own; out of reach while the folder has another name
 *   postgres  a server, made by its script
 *   nats      the same
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "scenario.h"

static const char *const kind_names[] = {
	[BACKEND_NONE] = "none", [BACKEND_FILE] = "file", [BACKEND_POSTGRES] = "postgres", [BACKEND_NATS] = "nats"
};

static void folder_of_file(const struct scenario *scenario, const char *name, char ret[BACKEND_PATH_BYTES]) {
	snprintf(ret, BACKEND_PATH_BYTES, "%s/%s", scenario->folder, name);
}

static int choose_file(struct scenario *scenario, struct error *error) {
	struct backend *backend = &scenario->backend;
	char folder[BACKEND_PATH_BYTES];

	folder_of_file(scenario, "backend", folder);
	if (mkdir(folder, 0700) < 0)
		return error_set(error, ERROR_IO, "cannot make %s: %s", folder, strerror(errno));
	snprintf(backend->url, sizeof(backend->url), "file:%s/log.db", folder);
	return 0;
}

/* Loopback only, so without TLS; the log has the story's own name. */
static int choose_server(struct scenario *scenario, struct error *error) {
	struct backend *backend = &scenario->backend;
	struct server *server = scenario->server;
	char url[256];
	int r = server_need(server, scenario->scripts, kind_names[backend->kind], error);

	if (r == 0)
		r = server_ask(server, "url", url, sizeof(url), error);
	if (r < 0)
		return r;
	server->n_logs++;
	if (backend->kind == BACKEND_POSTGRES)
		snprintf(backend->url, sizeof(backend->url), "%s?sslmode=disable&passfile=%s/passfile&store=story-%u", url,
		         server->folder, server->n_logs);
	else
		snprintf(backend->url, sizeof(backend->url), "%s?store=story-%u", url, server->n_logs);
	return 0;
}

static int find_kind(enum backend_kind *ret, const char *name, struct error *error) {
	for (unsigned i = 0; i < sizeof(kind_names) / sizeof(kind_names[0]); i++) {
		if (strcmp(kind_names[i], name) == 0) {
			*ret = (enum backend_kind)i;
			return 0;
		}
	}
	return error_set(error, ERROR_INVALID, "backend \"%s\" is not known; file, postgres, nats and none are", name);
}

int backend_choose(struct scenario *scenario, const char *kind, struct error *error) {
	struct backend *backend = &scenario->backend;
	int r;

	if (backend->kind != BACKEND_NONE)
		return error_set(error, ERROR_INVALID, "the story has a backend already");
	if (scenario->n_devices > 0)
		return error_set(error, ERROR_INVALID, "put the backend line before the devices");
	r = find_kind(&backend->kind, kind, error);
	if (r < 0 || backend->kind == BACKEND_NONE)
		return r;
	r = backend->kind == BACKEND_FILE ? choose_file(scenario, error) : choose_server(scenario, error);
	backend->runs = r == 0;
	return r;
}

const char *backend_url(const struct scenario *scenario) {
	return scenario->backend.kind != BACKEND_NONE ? scenario->backend.url : NULL;
}

/* ---- out of reach, and back ---------------------------------------------------------------- */

static int rename_file(struct scenario *scenario, const char *from, const char *to, struct error *error) {
	char old_path[BACKEND_PATH_BYTES], new_path[BACKEND_PATH_BYTES];

	folder_of_file(scenario, from, old_path);
	folder_of_file(scenario, to, new_path);
	if (rename(old_path, new_path) < 0)
		return error_set(error, ERROR_IO, "cannot rename %s to %s: %s", old_path, new_path, strerror(errno));
	return 0;
}

static int check_runs(const struct scenario *scenario, bool runs, struct error *error) {
	if (scenario->backend.kind == BACKEND_NONE)
		return error_set(error, ERROR_INVALID, "the story has no backend");
	if (scenario->backend.runs != runs)
		return error_set(error, ERROR_INVALID, runs ? "the backend does not run" : "the backend runs already");
	return 0;
}

int backend_stop(struct scenario *scenario, struct error *error) {
	int r = check_runs(scenario, true, error);

	if (r < 0)
		return r;
	adapter_end(&scenario->backend.adapter);
	r = scenario->backend.kind == BACKEND_FILE ? rename_file(scenario, "backend", "backend.away", error)
	                                           : server_stop(scenario->server, error);
	scenario->backend.runs = r < 0;
	return r;
}

int backend_start(struct scenario *scenario, struct error *error) {
	int r = check_runs(scenario, false, error);

	if (r < 0)
		return r;
	r = scenario->backend.kind == BACKEND_FILE ? rename_file(scenario, "backend.away", "backend", error)
	                                           : server_start(scenario->server, error);
	scenario->backend.runs = r == 0;
	return r;
}

int backend_chain(struct scenario *scenario, struct chain *ret, struct hash *ret_hash, struct error *error) {
	struct backend *backend = &scenario->backend;
	int r = backend->runs ? adapter_need(&backend->adapter, kind_names[backend->kind], backend->url, error)
	                      : error_set(error, ERROR_INVALID, "there is no backend that runs");

	if (r == 0)
		r = adapter_chain(&backend->adapter, ret, ret_hash, error);
	if (r < 0)
		adapter_end(&backend->adapter);
	return r < 0 ? error_prefix(error, "the backend") : 0;
}
