/* Which backend a store has; see backend.h. */

#include "leaderd/src/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "proto/backend_wire.h"

#define NEW_FILE BACKEND_FILE ".new"

void backend_finish(struct backend *backend) {
	free(backend->url);
	free(backend->repaired);
	*backend = (struct backend){ 0 };
}

/* ---- URLs ------------------------------------------------------------------------ */

static size_t scheme_length(const char *url) {
	return strspn(url, "abcdefghijklmnopqrstuvwxyz0123456789");
}

static bool has_control_characters(const char *url) {
	uint32_t code;
	size_t n;

	for (; *url != '\0'; url += n) {
		n = text_character(url, &code);
		if (n == 0 || text_is_control(code) || code == ' ')
			return true;
	}
	return false;
}

/* "user:password@" between "//" and the path. */
static bool has_password_before_host(const char *rest) {
	size_t n, n_user;

	if (strncmp(rest, "//", 2) != 0)
		return false;
	n = strcspn(rest + 2, "/?#");
	n_user = n;
	while (n_user > 0 && rest[2 + n_user - 1] != '@')
		n_user--;
	return n_user > 0 && memchr(rest + 2, ':', n_user) != NULL;
}

static bool has_secret_parameter(const char *rest) {
	static const char *const secret[] = { "password", "sslpassword", "pass", "token" };
	const char *at = rest + strcspn(rest, "?");

	while (*at == '?' || *at == '&') {
		size_t n = strcspn(at + 1, "=&#");

		for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
			if (n == strlen(secret[i]) && strncmp(at + 1, secret[i], n) == 0)
				return true;
		at += 1 + strcspn(at + 1, "&#");
	}
	return false;
}

/* The text of a URL that is turned down is not repeated: it may hold a secret. */
int backend_check_url(const char *url, struct error *error) {
	size_t n = scheme_length(url);

	if (n == 0 || n > BACKEND_SCHEME_BYTES_MAX || url[n] != ':' || url[n + 1] == '\0')
		return error_set(error, ERROR_INVALID, "the backend's URL was not SCHEME:..., with a scheme of [a-z0-9]");
	if (strlen(url) > BACKEND_URL_BYTES_MAX)
		return error_set(error, ERROR_TOO_LARGE, "the backend's URL had %zu bytes, at most %u", strlen(url),
		                 BACKEND_URL_BYTES_MAX);
	if (has_control_characters(url))
		return error_set(error, ERROR_INVALID, "the backend's URL held blanks, control characters or bytes that are "
		                 "no UTF-8");
	if (has_password_before_host(url + n + 1) || has_secret_parameter(url + n + 1))
		return error_set(error, ERROR_INVALID, "the backend's URL held a password: keep it in the file that the "
		                 "adapter's page names");
	return 0;
}

void backend_scheme(char ret[BACKEND_SCHEME_BYTES_MAX + 1], const char *url) {
	size_t n = scheme_length(url);

	memcpy(ret, url, n);
	ret[n] = '\0';
}

/* ---- the file ----------------------------------------------------------------------- */

static int fail(struct error *error, const char *doing, const char *folder) {
	int code = errno == ENOSPC || errno == EDQUOT ? ERROR_FULL
	           : errno == EACCES || errno == EPERM || errno == ELOOP ? ERROR_PERMISSION
	                                                                 : ERROR_IO;

	return error_set(error, code, "cannot %s the backend file in %s: %s", doing, folder, strerror(errno));
}

static int open_folder(int *ret_fd, const char *folder, struct error *error) {
	*ret_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret_fd < 0 ? fail(error, "reach", folder) : 0;
}

static int take_text(char **ret, const json_t *object, const char *key) {
	const char *text = json_string_value(json_object_get(object, key));

	if (text == NULL || text[0] == '\0')
		return 0;
	*ret = strdup(text);
	return *ret == NULL ? ERROR_NO_MEMORY : 0;
}

static int take_object(struct backend *ret, const json_t *object, const char *folder, struct error *error) {
	int r = take_text(&ret->url, object, "url");

	if (r == 0)
		r = take_text(&ret->repaired, object, "repaired");
	if (r < 0)
		return error_no_memory(error);
	ret->offline = json_is_true(json_object_get(object, "offline"));
	ret->push_only = json_is_true(json_object_get(object, "push_only"));
	if (ret->url == NULL || backend_check_url(ret->url, NULL) < 0)
		return error_set(error, ERROR_CORRUPT, "the backend file in %s names no usable URL: set the backend again",
		                 folder);
	return 0;
}

static int parse(struct backend *ret, const char *text, size_t n, const char *folder, struct error *error) {
	json_error_t where;
	json_t *object = json_loadb(text, n, JSON_REJECT_DUPLICATES, &where);
	struct backend backend = { 0 };
	int r;

	if (!json_is_object(object)) {
		json_decref(object);
		return error_set(error, ERROR_CORRUPT, "the backend file in %s is no JSON object: set the backend again", folder);
	}
	r = take_object(&backend, object, folder, error);
	json_decref(object);
	if (r < 0) {
		backend_finish(&backend);
		return r;
	}
	*ret = backend;
	return 0;
}

static int read_all(int fd, char *ret, size_t bytes, size_t *ret_n) {
	size_t n = 0;
	ssize_t got;

	while (n < bytes && (got = read(fd, ret + n, bytes - n)) != 0) {
		if (got < 0 && errno != EINTR)
			return ERROR_IO;
		n += got > 0 ? (size_t)got : 0;
	}
	*ret_n = n;
	return 0;
}

int backend_load(struct backend *ret, const char *folder, struct error *error) {
	char text[BACKEND_FILE_BYTES_MAX];
	size_t n = 0;
	int folder_fd, fd, r = open_folder(&folder_fd, folder, error);

	if (r < 0)
		return r;
	fd = openat(folder_fd, BACKEND_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	close(folder_fd);
	if (fd < 0 && errno == ENOENT) {
		*ret = (struct backend){ 0 };
		return 0;
	}
	if (fd < 0 || read_all(fd, text, sizeof(text), &n) < 0)
		r = fail(error, "read", folder);
	if (fd >= 0)
		close(fd);
	return r < 0 ? r : parse(ret, text, n, folder, error);
}

static int write_all(int fd, const char *text, size_t n) {
	while (n > 0) {
		ssize_t written = write(fd, text, n);

		if (written < 0 && errno != EINTR)
			return ERROR_IO;
		if (written > 0) {
			text += written;
			n -= (size_t)written;
		}
	}
	return 0;
}

static int write_beside(int folder_fd, const char *text) {
	int fd = openat(folder_fd, NEW_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r, number;

	if (fd < 0)
		return ERROR_IO;
	r = write_all(fd, text, strlen(text));
	if (r == 0 && fsync(fd) < 0)
		r = ERROR_IO;
	number = errno;
	close(fd);
	errno = number;
	return r;
}

static int replace(int folder_fd, const char *text) {
	if (text == NULL)
		return unlinkat(folder_fd, BACKEND_FILE, 0) < 0 && errno != ENOENT ? ERROR_IO : 0;
	if (write_beside(folder_fd, text) < 0)
		return ERROR_IO;
	return renameat(folder_fd, NEW_FILE, folder_fd, BACKEND_FILE) < 0 ? ERROR_IO : 0;
}

static char *print(const struct backend *backend) {
	json_t *object = json_pack("{s:s, s:b, s:b, s:s}", "url", backend->url, "offline", backend->offline, "push_only",
	                           backend->push_only, "repaired", backend->repaired ? backend->repaired : "");
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	return text;
}

int backend_save(const struct backend *backend, const char *folder, struct error *error) {
	char *text = backend->url ? print(backend) : NULL;
	int folder_fd, r;

	if (backend->url && !text)
		return error_no_memory(error);
	r = open_folder(&folder_fd, folder, error);
	if (r == 0) {
		if (replace(folder_fd, text) < 0 || fsync(folder_fd) < 0)
			r = fail(error, "write", folder);
		close(folder_fd);
	}
	free(text);
	return r;
}
