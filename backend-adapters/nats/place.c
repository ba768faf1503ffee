/*
 * Where the log is: nats://HOST[:PORT][,HOST[:PORT]…][?PARAMETER=VALUE&…]
 *
 * Secrets stand in files. What is misspelled is refused, not passed over:
 * "tsl=on" would send everything in the clear.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nats/jetstream.h"

#define PORT_DEFAULT "4222"
#define PASSFILE_BYTES_MAX 1024u

/* As asprintf: the text is owned by the caller; NULL: no memory. */
__attribute__((format(printf, 1, 2))) static char *text_make(const char *format, ...) {
	va_list arguments;
	char *ret;

	va_start(arguments, format);
	int n = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	ret = malloc((size_t)n + 1);
	if (ret == NULL)
		return NULL;
	va_start(arguments, format);
	vsnprintf(ret, (size_t)n + 1, format, arguments);
	va_end(arguments);
	return ret;
}

static const char *const parameters[] = { "store", "tls", "ca", "cert", "key", "creds", "passfile", "replicas" };

static bool is_parameter(const char *text, size_t n) {
	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++)
		if (strlen(parameters[i]) == n && memcmp(parameters[i], text, n) == 0)
			return true;
	return false;
}

static int check_parameters(const char *url, struct error *error) {
	const char *at = url + strcspn(url, "?#");

	while (*at == '?' || *at == '&') {
		size_t n = strcspn(at + 1, "=&#");

		if (!is_parameter(at + 1, n) || at[1 + n] != '=')
			return error_set(error, ERROR_INVALID,
			                 "a nats URL has no parameter \"%.*s\"; it has store, tls, ca, cert, "
			                 "key, creds, passfile and replicas",
			                 n > 32 ? 32 : (int)n, at + 1);
		at += 1 + strcspn(at + 1, "&#");
	}
	return 0;
}

/* NULL in `*ret`: the URL has no such parameter. */
static int parameter(char **ret, const char *url, const char *name, struct error *error) {
	const char *at = url + strcspn(url, "?#");
	size_t n = strlen(name);

	*ret = NULL;
	while ((*at == '?' || *at == '&') && (strncmp(at + 1, name, n) != 0 || at[1 + n] != '='))
		at += 1 + strcspn(at + 1, "&#");
	if (*at != '?' && *at != '&')
		return 0;
	*ret = adapter_url_parameter(url, name);
	return *ret == NULL ? error_no_memory(error) : 0;
}

static bool is_alphanumeric(char c) {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* "[::1]", "host.name", "10.0.0.1": the length; 0: no host. */
static size_t host_length(const char *text) {
	size_t n = 0;

	if (text[0] == '[') {
		n = 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");
		return n > 1 && text[n] == ']' ? n + 1 : 0;
	}
	while (is_alphanumeric(text[n]) || text[n] == '.' || text[n] == '-' || text[n] == '_')
		n++;
	return n;
}

/* By its name alone: "127." may begin a host's name as well. */
static bool is_this_machine(const char *host, size_t n) {
	return (n == 9 && memcmp(host, "localhost", n) == 0) || (n == 5 && memcmp(host, "[::1]", n) == 0) ||
	       (n > 4 && memcmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") >= n);
}

/* One "host:port" of the list; `*at` moves behind it. */
static int add_server(struct nats_place *place, const char **at, struct error *error) {
	size_t n = host_length(*at);
	bool has_port = n > 0 && (*at)[n] == ':';
	const char *port = has_port ? *at + n + 1 : PORT_DEFAULT;
	size_t n_port = strspn(port, "0123456789");
	const char *end = has_port ? port + n_port : *at + n;
	long number = n_port > 5 ? 0 : strtol(port, NULL, 10);

	if (n == 0 || number < 1 || number > 65535 || (*end != ',' && *end != '\0'))
		return error_set(error, ERROR_INVALID, "the URL names no server: nats://host:port, or several behind commas");
	if (place->n_servers == NATS_SERVERS_MAX)
		return error_set(error, ERROR_INVALID, "the URL names more than %u servers", NATS_SERVERS_MAX);
	place->servers[place->n_servers] = text_make("nats://%.*s:%ld", (int)n, *at, number);
	if (place->servers[place->n_servers] == NULL)
		return error_no_memory(error);
	place->n_servers++;
	if (!is_this_machine(*at, n))
		place->tls = true;
	*at = end;
	return 0;
}

static int parse_servers(struct nats_place *place, const char *path, struct error *error) {
	const char *at = path + 2;
	int r;

	if (strncmp(path, "//", 2) != 0)
		return error_set(error, ERROR_INVALID, "the URL names no server: nats://host:port");
	if (strchr(path, '@') != NULL)
		return error_set(error, ERROR_INVALID,
		                 "a user or password stands in the URL: put it into a file that only you "
		                 "can read, and say passfile=FILE, or creds=FILE for NATS' own credentials");
	r = add_server(place, &at, error);
	while (r == 0 && *at == ',') {
		at++;
		r = add_server(place, &at, error);
	}
	return r;
}

/* A subject's token has no blank, dot, star or arrow, a stream's name no slash, a file system perhaps no capitals. */
char *place_token(const char *log_name) {
	char *ret = malloc(3 * strlen(log_name) + 1);
	char *at = ret;

	if (ret == NULL)
		return NULL;
	for (; *log_name != '\0'; log_name++) {
		if ((*log_name >= 'a' && *log_name <= 'z') || (*log_name >= '0' && *log_name <= '9') || *log_name == '-')
			*at++ = *log_name;
		else
			at += sprintf(at, "_%02X", (unsigned char)*log_name);
	}
	*at = '\0';
	return ret;
}

static int name_log(struct nats_place *place, const struct adapter_open *open, struct error *error) {
	char *given, *token;
	int r = parameter(&given, open->url, "store", error);
	const char *name = given == NULL ? open->store : given;

	if (r < 0)
		return r;
	if (name[0] == '\0' || strlen(name) > NATS_LOG_NAME_BYTES_MAX) {
		r = error_set(error, ERROR_INVALID, "the log's name has %zu bytes, allowed are 1 to %u", strlen(name),
		              NATS_LOG_NAME_BYTES_MAX);
		free(given);
		return r;
	}
	token = place_token(name);
	if (token != NULL) {
		place->stream = text_make("leaderd-%s", token);
		place->subject = text_make("leaderd.%s", token);
		place->live_subject = text_make("leaderd.%s.live", token);
	}
	if (place->stream == NULL || place->subject == NULL || place->live_subject == NULL)
		r = error_no_memory(error);
	free(token);
	free(given);
	return r;
}

static int parse_file(char **ret, const char *url, const char *name, struct error *error) {
	int r = parameter(ret, url, name, error);

	if (r == 0 && *ret != NULL && (*ret)[0] != '/')
		return error_set(error, ERROR_INVALID, "%s=%.100s names no file by its absolute path", name, *ret);
	return r;
}

static int parse_files(struct nats_place *place, const char *url, struct error *error) {
	int r = parse_file(&place->creds, url, "creds", error);

	if (r == 0)
		r = parse_file(&place->passfile, url, "passfile", error);
	if (r == 0)
		r = parse_file(&place->ca, url, "ca", error);
	if (r == 0)
		r = parse_file(&place->cert, url, "cert", error);
	if (r == 0)
		r = parse_file(&place->key, url, "key", error);
	if (r < 0)
		return r;
	if ((place->cert == NULL) != (place->key == NULL))
		return error_set(error, ERROR_INVALID, "of cert and key the URL names only one");
	if (place->creds != NULL && place->passfile != NULL)
		return error_set(error, ERROR_INVALID, "the URL names both creds and passfile");
	return 0;
}

/* Without a word in the URL, TLS is for every server that is not on this machine. */
static int parse_tls(struct nats_place *place, const char *url, struct error *error) {
	bool wanted = place->ca != NULL || place->cert != NULL;
	char *value;
	int r = parameter(&value, url, "tls", error);

	if (wanted)
		place->tls = true;
	if (value != NULL) {
		bool off = strcmp(value, "off") == 0;

		if (!off && strcmp(value, "on") != 0)
			r = error_set(error, ERROR_INVALID, "tls=%.32s is neither on nor off", value);
		else if (off && wanted)
			r = error_set(error, ERROR_INVALID, "the URL says tls=off and names files for TLS");
		place->tls = !off;
	}
	free(value);
	return r;
}

static int parse_replicas(struct nats_place *place, const char *url, struct error *error) {
	char *value;
	int r = parameter(&value, url, "replicas", error);

	place->replicas = 1;
	if (value != NULL) {
		place->replicas = value[0] - '0';
		if (strlen(value) != 1 || place->replicas < 1 || place->replicas > NATS_REPLICAS_MAX)
			r = error_set(error, ERROR_INVALID, "replicas=%.32s is no number from 1 to %d", value, NATS_REPLICAS_MAX);
	}
	free(value);
	return r;
}

void place_finish(struct nats_place *place) {
	for (size_t i = 0; i < place->n_servers; i++)
		free(place->servers[i]);
	free(place->stream);
	free(place->subject);
	free(place->live_subject);
	free(place->creds);
	free(place->passfile);
	free(place->ca);
	free(place->cert);
	free(place->key);
	*place = (struct nats_place){ 0 };
}

int place_parse(struct nats_place *ret, const struct adapter_open *open, struct error *error) {
	struct nats_place place = { 0 };
	char *path = adapter_url_path(open->url, "nats");
	int r;

	if (path == NULL && strncmp(open->url, "nats:", 5) == 0)
		return error_no_memory(error);
	if (path == NULL)
		return error_set(error, ERROR_INVALID, "the URL is none of a NATS server: nats://host:port");
	r = parse_servers(&place, path, error);
	free(path);
	if (r == 0)
		r = check_parameters(open->url, error);
	if (r == 0)
		r = parse_files(&place, open->url, error);
	if (r == 0)
		r = parse_tls(&place, open->url, error);
	if (r == 0)
		r = parse_replicas(&place, open->url, error);
	if (r == 0)
		r = name_log(&place, open, error);
	if (r < 0) {
		place_finish(&place);
		return r;
	}
	*ret = place;
	return 0;
}

/* The descriptor. O_NONBLOCK: a FIFO must not make us wait for its other end. */
static int open_secret(const char *path, struct error *error) {
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;
	int r = 0;

	if (fd < 0)
		return error_set(error, errno == EACCES ? ERROR_PERMISSION : ERROR_INVALID, "cannot open %s: %s", path,
		                 strerror(errno));
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		r = error_set(error, ERROR_INVALID, "%s is no file", path);
	else if ((status.st_mode & 077) != 0)
		r = error_set(error, ERROR_PERMISSION, "%s holds a secret and can be read by others: chmod 600", path);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

int place_check_secret(const char *path, struct error *error) {
	int fd = open_secret(path, error);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* libnats puts user and password between quotes of a JSON text as they are. */
static char *escape(const char *text, size_t n) {
	char *ret = malloc(2 * n + 1), *at = ret;

	if (ret == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '"' || text[i] == '\\')
			*at++ = '\\';
		*at++ = text[i];
	}
	*at = '\0';
	return ret;
}

static int split_secret(const char *path, const char *text, char **ret_user, char **ret_password, struct error *error) {
	size_t n = strcspn(text, "\r\n"), n_user = strcspn(text, ":\r\n");
	bool token = n_user == n;

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < ' ')
			n = 0;
	if (n == 0 || n_user == 0)
		return error_set(error, ERROR_INVALID, "%s does not begin with a line user:password", path);
	char *user = escape(text, n_user);
	char *password = token ? NULL : escape(text + n_user + 1, n - n_user - 1);
	if (user == NULL || (!token && password == NULL)) {
		free(user);
		free(password);
		return error_no_memory(error);
	}
	*ret_user = user;
	*ret_password = password;
	return 0;
}

int place_read_passfile(const struct nats_place *place, char **ret_user, char **ret_password, struct error *error) {
	char text[PASSFILE_BYTES_MAX + 1];
	int fd = open_secret(place->passfile, error), r;
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, text, PASSFILE_BYTES_MAX);
	close(fd);
	if (n < 0)
		return error_set(error, ERROR_IO, "cannot read %s", place->passfile);
	text[n] = '\0';
	r = split_secret(place->passfile, text, ret_user, ret_password, error);
	explicit_bzero(text, sizeof(text));
	return r;
}
