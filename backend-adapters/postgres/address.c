/*
 * The URL: postgres://user@host:port/database?parameter=value
 *
 * libpq reads it, but repeats in its errors what it does not understand, and
 * that could be a password with a slash in it. So the URL is looked at here
 * before libpq sees it, and no text repeats more of it than the name of a
 * parameter.
 *
 * A password comes from a passfile and from nowhere else: the one that the URL
 * names, else $CREDENTIALS_DIRECTORY/leaderd-postgres-passfile where there is
 * one, else the one that libpq looks for (PGPASSFILE, ~/.pgpass).
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "postgres/postgres.h"

#define SCHEME "postgres://"
#define CREDENTIAL_NAME "leaderd-postgres-passfile"
#define CREDENTIAL_BYTES_MAX (64 * 1024)
#define PARAMETER_NAME_BYTES_MAX 32

static const char *const own_parameters[] = { "store", "listen", "passfile", "connect_timeout" };
static const char *const libpq_parameters[] = {
	"host",        "hostaddr", "port",   "user",   "dbname",          "sslmode",
	"sslrootcert", "sslcert",  "sslkey", "sslcrl", "channel_binding", "requirepeer",
};
static const char *const secret_parameters[] = { "password", "sslpassword" };
static const char *const ssl_modes[] = { "disable", "allow", "prefer", "require", "verify-ca", "verify-full" };

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static bool is_one_of(const char *text, size_t n, const char *const *list, size_t n_list) {
	for (size_t i = 0; i < n_list; i++)
		if (strlen(list[i]) == n && memcmp(text, list[i], n) == 0)
			return true;
	return false;
}

static int refuse_password(struct error *error) {
	return error_set(error, ERROR_INVALID,
	                 "the backend's URL held a password; it belongs into a passfile "
	                 "(parameter passfile, PGPASSFILE or ~/.pgpass, mode 0600)");
}

static int check_ports(const char *at, const char *end, struct error *error) {
	while (at < end) {
		if (*at == '[')
			at += strcspn(at, "]/?");
		if (*at++ != ':')
			continue;
		at += strspn(at, "0123456789");
		if (at < end && *at != ',')
			return error_set(error, ERROR_INVALID, "the port in the backend's URL was no number");
	}
	return 0;
}

static int check_authority(const char *url, struct error *error) {
	const char *authority = url + strlen(SCHEME);
	const char *end = authority + strcspn(authority, "/?#");
	const char *user_end = memchr(authority, '@', (size_t)(end - authority));

	if (user_end != NULL && memchr(authority, ':', (size_t)(user_end - authority)) != NULL)
		return refuse_password(error);
	if (strchr(url, '#') != NULL)
		return error_set(error, ERROR_INVALID, "the backend's URL held a \"#\"; write it as %%23");
	if (strchr(user_end == NULL ? authority : user_end + 1, '@') != NULL)
		return error_set(error, ERROR_INVALID,
		                 "the backend's URL held an \"@\" that ended no user name; write it as %%40, "
		                 "and leave a password to the passfile");
	return check_ports(user_end == NULL ? authority : user_end + 1, end, error);
}

static int check_parameter(const char *at, size_t n, struct error *error) {
	size_t n_name = strcspn(at, "=&");

	if (is_one_of(at, n_name, secret_parameters, N_OF(secret_parameters)))
		return refuse_password(error);
	if (n_name < n && (is_one_of(at, n_name, libpq_parameters, N_OF(libpq_parameters)) ||
	                   is_one_of(at, n_name, own_parameters, N_OF(own_parameters))))
		return 0;
	if (n_name == n || n_name > PARAMETER_NAME_BYTES_MAX || strspn(at, "abcdefghijklmnopqrstuvwxyz_") != n_name)
		return error_set(error, ERROR_INVALID,
		                 "the backend's URL held something behind its \"?\" that is no parameter");
	return error_set(error, ERROR_INVALID, "the backend's URL held the parameter \"%.*s\", which does not exist",
	                 (int)n_name, at);
}

/* Checks each parameter and keeps those that libpq knows: the URL for libpq. */
static int make_libpq_url(struct bytes *ret, const char *url, struct error *error) {
	const char *at = url + strcspn(url, "?");
	char mark = '?';
	int r = bytes_add(ret, url, (size_t)(at - url));

	while (r == 0 && *at != '\0') {
		size_t n = strcspn(++at, "&");

		if (n > 0 && (r = check_parameter(at, n, error)) < 0)
			return r;
		if (n > 0 && is_one_of(at, strcspn(at, "="), libpq_parameters, N_OF(libpq_parameters))) {
			r = bytes_add(ret, &mark, 1);
			if (r == 0)
				r = bytes_add(ret, at, n);
			mark = '&';
		}
		at += n;
	}
	if (r == 0)
		r = bytes_add(ret, "", 1);
	return r < 0 ? error_no_memory(error) : 0;
}

const char *address_option(const struct address *address, const char *keyword) {
	for (const PQconninfoOption *option = address->options; option->keyword != NULL; option++)
		if (strcmp(option->keyword, keyword) == 0)
			return option->val;
	return NULL;
}

static void name_place(struct address *address) {
	const char *host = address_option(address, "host"), *port = address_option(address, "port");
	const char *database = address_option(address, "dbname");

	if (host == NULL)
		host = address_option(address, "hostaddr");
	snprintf(address->place, sizeof(address->place), "PostgreSQL at %s%s%s, database %s",
	         host == NULL || *host == '\0' ? "the local socket" : host, port == NULL ? "" : ":",
	         port == NULL ? "" : port, database == NULL ? "of the user's name" : database);
}

static int read_options(struct address *address, const char *url, struct error *error) {
	struct bytes libpq_url = { 0 };
	char *libpq_error = NULL;
	const char *ssl_mode;
	int r = make_libpq_url(&libpq_url, url, error);

	if (r == 0) {
		address->options = PQconninfoParse((const char *)libpq_url.data, &libpq_error);
		PQfreemem(libpq_error);
		if (address->options == NULL)
			r = error_set(error, ERROR_INVALID,
			              "the backend's URL could not be read; it has the form "
			              "postgres://user@host:port/database?parameter=value");
	}
	bytes_finish(&libpq_url);
	if (r < 0)
		return r;
	name_place(address);
	ssl_mode = address_option(address, "sslmode");
	if (ssl_mode != NULL && !is_one_of(ssl_mode, strlen(ssl_mode), ssl_modes, N_OF(ssl_modes)))
		return error_set(error, ERROR_INVALID,
		                 "the backend's URL held an sslmode that does not exist; left out it is "
		                 "verify-full");
	return 0;
}

static int read_timeout(struct address *address, const char *url, struct error *error) {
	char *text = adapter_url_parameter(url, "connect_timeout");
	char *end = text;
	unsigned long seconds = text == NULL ? POSTGRES_CONNECT_MS / 1000 : strtoul(text, &end, 10);
	bool good = text == NULL || (end != text && *end == '\0' && seconds >= 1 && seconds <= POSTGRES_CONNECT_MS / 1000);

	free(text);
	if (!good)
		return error_set(error, ERROR_INVALID,
		                 "the parameter connect_timeout of the backend's URL was not 1 to %u seconds",
		                 POSTGRES_CONNECT_MS / 1000);
	address->connect_ms = (unsigned)seconds * 1000;
	return 0;
}

static int read_listen(struct address *address, const char *url, struct error *error) {
	char *text = adapter_url_parameter(url, "listen");
	bool on = text == NULL || strcmp(text, "on") == 0;
	bool off = text != NULL && strcmp(text, "off") == 0;

	free(text);
	if (!on && !off)
		return error_set(error, ERROR_INVALID,
		                 "the parameter listen of the backend's URL was neither \"on\" nor \"off\"");
	address->listen = on;
	return 0;
}

/* libpq would pass over a passfile with these faults, and the server would only miss the password. */
static int check_passfile(const char *path, struct error *error) {
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r = fd < 0 ? -errno : fstat(fd, &status) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	if (r < 0)
		return error_set(error, ERROR_PERMISSION, "cannot read the passfile %s: %s", path, strerror(-r));
	if (!S_ISREG(status.st_mode))
		return error_set(error, ERROR_PERMISSION, "the passfile %s is no regular file", path);
	if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return error_set(error, ERROR_PERMISSION,
		                 "the passfile %s is open to others than its owner; its mode must be 0600", path);
	return 0;
}

static int copy_all(int from, int to) {
	char buffer[4096];
	size_t copied = 0;
	ssize_t n;

	while ((n = read(from, buffer, sizeof(buffer))) > 0) {
		copied += (size_t)n;
		if (copied > CREDENTIAL_BYTES_MAX)
			return -EFBIG;
		if (write(to, buffer, (size_t)n) != n)
			return -EIO;
	}
	return n < 0 ? -errno : 0;
}

/* The service manager may show its access list as rights of the group, and libpq does not take such a file: it gets a
 * copy that has none. */
static int copy_credential(struct address *address, int fd, struct error *error) {
	char path[32];
	int r;

	address->passfile_copy = memfd_create("passfile", MFD_CLOEXEC);
	r = address->passfile_copy < 0 || fchmod(address->passfile_copy, 0600) < 0 ? -errno
	                                                                           : copy_all(fd, address->passfile_copy);
	if (r < 0)
		return error_set(error, ERROR_IO, "cannot copy the credential " CREDENTIAL_NAME ": %s", strerror(-r));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", address->passfile_copy);
	address->passfile = strdup(path);
	return address->passfile == NULL ? error_no_memory(error) : 0;
}

static int find_credential(struct address *address, struct error *error) {
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	int folder_fd, fd = -1, r;

	if (folder == NULL || *folder != '/')
		return 0;
	folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder_fd >= 0) {
		fd = openat(folder_fd, CREDENTIAL_NAME, O_RDONLY | O_CLOEXEC);
		r = errno;
		close(folder_fd);
		errno = r;
	}
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return error_set(error, ERROR_PERMISSION, "cannot read the credential " CREDENTIAL_NAME ": %s",
		                 strerror(errno));
	r = copy_credential(address, fd, error);
	close(fd);
	return r;
}

static int find_passfile(struct address *address, const char *url, struct error *error) {
	address->passfile = adapter_url_parameter(url, "passfile");
	return address->passfile != NULL ? check_passfile(address->passfile, error) : find_credential(address, error);
}

int address_parse(struct address *ret, const char *url, struct error *error) {
	struct address address = { .passfile_copy = -1 };
	int r;

	if (strncmp(url, SCHEME, strlen(SCHEME)) != 0)
		return error_set(error, ERROR_INVALID, "the URL of a PostgreSQL backend begins with " SCHEME);
	r = check_authority(url, error);
	if (r == 0)
		r = read_options(&address, url, error);
	if (r == 0)
		r = read_timeout(&address, url, error);
	if (r == 0)
		r = read_listen(&address, url, error);
	if (r == 0)
		r = find_passfile(&address, url, error);
	if (r < 0) {
		address_finish(&address);
		return r;
	}
	*ret = address;
	return 0;
}

void address_finish(struct address *address) {
	PQconninfoFree(address->options);
	free(address->passfile);
	if (address->passfile_copy >= 0)
		close(address->passfile_copy);
	*address = (struct address){ .passfile_copy = -1 };
}
