/*
 * Default paths.
 */

#include "leaderd/src/paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/must.h"

#define SOCKET_PATH_BYTES_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

static const char *absolute(const char *variable) {
	const char *value = getenv(variable);

	return value && value[0] == '/' ? value : NULL;
}

static int join(char ret[PATH_MAX], const char *variable, const char *base, const char *rest, struct error *error) {
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", base, rest);

	if (n < 0 || (size_t)n >= sizeof(path))
		return error_set(error, ERROR_INVALID, "$%s was longer than a path may be (%d bytes)", variable, PATH_MAX - 1);
	memcpy(ret, path, (size_t)n + 1);
	return 0;
}

struct place {
	const char *variable, *rest;
	const char *rest_of_home; /* when the variable is not set */
	const char *option;       /* that would name the place */
};

static int below(char ret[PATH_MAX], const struct place *place, struct error *error) {
	const char *base = absolute(place->variable), *home = absolute("HOME");

	if (base)
		return join(ret, place->variable, base, place->rest, error);
	if (home)
		return join(ret, "HOME", home, place->rest_of_home, error);
	return error_set(error, ERROR_INVALID, "neither %s nor HOME was set to an absolute path: set one, or give %s",
	                 place->variable, place->option);
}

int paths_data_dir(char ret[PATH_MAX], struct error *error) {
	static const struct place place = { "XDG_DATA_HOME", "leaderd", ".local/share/leaderd", "--data-dir" };

	return below(ret, &place, error);
}

int paths_config(char ret[PATH_MAX], struct error *error) {
	static const struct place place = { "XDG_CONFIG_HOME", "leaderd/leaderd.conf", ".config/leaderd/leaderd.conf",
		                                "--config" };

	return below(ret, &place, error);
}

int paths_socket(char ret[PATH_MAX], struct error *error) {
	const char *base = absolute("XDG_RUNTIME_DIR");

	if (base)
		return join(ret, "XDG_RUNTIME_DIR", base, "leaderd/socket", error);
	return error_set(error, ERROR_INVALID,
	                 "XDG_RUNTIME_DIR was not set to an absolute path, so there is no default socket: set it (a login "
	                 "session has /run/user/UID), or give --socket");
}

int paths_check_socket(const char *path, struct error *error) {
	size_t n = strlen(path);

	if (n == 0 || path[n - 1] == '/')
		return error_set(error, ERROR_INVALID, "the socket path \"%s\" names no file", path);
	if (n > SOCKET_PATH_BYTES_MAX)
		return error_set(error, ERROR_INVALID, "a socket path may have %zu bytes, this one had %zu: %s",
		                 SOCKET_PATH_BYTES_MAX, n, path);
	return 0;
}

int paths_copy(char ret[PATH_MAX], const char *path, const char *what, struct error *error) {
	size_t n = strlen(path);

	if (n >= PATH_MAX)
		return error_set(error, ERROR_INVALID, "%s was longer than a path may be (%d bytes)", what, PATH_MAX - 1);
	memcpy(ret, path, n + 1);
	return 0;
}

void paths_folder_of(char ret[PATH_MAX], const char *path) {
	const char *slash = strrchr(path, '/');
	size_t n;

	if (!slash) {
		strcpy(ret, ".");
		return;
	}
	/* The last slash stays only where it is the root. */
	n = (size_t)(slash - path);
	while (n > 1 && path[n - 1] == '/')
		n--;
	if (n == 0)
		n = 1;
	must(n < PATH_MAX);
	memcpy(ret, path, n);
	ret[n] = '\0';
}
