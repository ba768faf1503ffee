/*
 * The configuration file, split into sections, keys and values by inih. The
 * lines come through our own reader: it counts them, and refuses what inih would
 * bend into something else (a line that is too long continues as the next one, an
 * indented key continues the value above it).
 */

#include "leaderd/src/config.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "leaderd/src/paths.h"

static const char section_name[] = "daemon";
static const char *const level_names[] = { "error", "warning", "notice", "debug" };

struct reading {
	FILE *file;
	const char *name;
	int line;        /* of the newest line that was read */
	int failed_line; /* 0: none */
	struct error error;
	struct config config;
	bool seen_data_dir, seen_socket;
};

const char *config_log_level_name(enum log_level level) {
	return level_names[level];
}

/* Keeps the first failure; the text after the place is the caller's. */
static int fail(struct reading *reading, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(struct reading *reading, const char *format, ...) {
	char text[sizeof(reading->error.text)];
	va_list arguments;

	if (reading->failed_line > 0)
		return ERROR_INVALID;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	reading->failed_line = reading->line;
	return error_set(&reading->error, ERROR_INVALID, "%s:%d: %s", reading->name, reading->line, text);
}

/* inih tells of a section only with its first key: an empty one is seen here. */
static int check_section(struct reading *reading, const char *line) {
	const char *name = line + 1, *end = strchr(name, ']');

	if (!end)
		return fail(reading, "a section's name had no closing ]");
	if ((size_t)(end - name) != strlen(section_name) || strncmp(name, section_name, strlen(section_name)) != 0)
		return fail(reading, "unknown section [%.*s]; there is only [%s]", (int)(end - name), name, section_name);
	return 0;
}

/* One line without its leading blanks; `room` includes the NUL. 0: the end, or a failure. */
static size_t read_line(struct reading *reading, char *ret, size_t room) {
	size_t n = 0;
	int c;

	reading->line++;
	while ((c = getc(reading->file)) != EOF) {
		if (n == 0 && (c == ' ' || c == '\t'))
			continue;
		if (c == '\0') {
			fail(reading, "the line held a NUL");
			return 0;
		}
		if (n + 1 >= room) {
			fail(reading, "the line was longer than %zu bytes", room - 2);
			return 0;
		}
		ret[n++] = (char)c;
		if (c == '\n')
			break;
	}
	ret[n] = '\0';
	return n;
}

static char *next_line(char *ret, int room, void *stream) {
	struct reading *reading = stream;

	if (reading->failed_line > 0 || read_line(reading, ret, (size_t)room) == 0)
		return NULL;
	return ret[0] != '[' || check_section(reading, ret) == 0 ? ret : NULL;
}

static int take_path(struct reading *reading, char ret[PATH_MAX], bool *seen, const char *key, const char *value) {
	struct error error;

	if (*seen)
		return fail(reading, "%s was given twice", key);
	*seen = true;
	if (value[0] != '/')
		return fail(reading, "%s must be an absolute path, and was \"%s\"", key, value);
	if (paths_copy(ret, value, key, &error) < 0)
		return fail(reading, "%s", error.text);
	return 0;
}

static int take_socket(struct reading *reading, const char *value) {
	struct error error;
	int r = take_path(reading, reading->config.socket, &reading->seen_socket, "socket", value);

	if (r == 0 && paths_check_socket(value, &error) < 0)
		return fail(reading, "%s", error.text);
	return r;
}

static int take_log_level(struct reading *reading, const char *value) {
	if (reading->config.has_log_level)
		return fail(reading, "log-level was given twice");
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++)
		if (strcmp(value, level_names[i]) == 0) {
			reading->config.log_level = (enum log_level)i;
			reading->config.has_log_level = true;
			return 0;
		}
	return fail(reading, "log-level must be error, warning, notice or debug, and was \"%s\"", value);
}

static int take(struct reading *reading, const char *section, const char *key, const char *value) {
	if (section[0] == '\0')
		return fail(reading, "the key %s stood before the line [%s]", key, section_name);
	if (strcmp(section, section_name) != 0) /* the reader saw no [ behind a byte order mark */
		return fail(reading, "unknown section [%s]; there is only [%s]", section, section_name);
	if (strcmp(key, "data-dir") == 0)
		return take_path(reading, reading->config.data_dir, &reading->seen_data_dir, key, value);
	if (strcmp(key, "socket") == 0)
		return take_socket(reading, value);
	if (strcmp(key, "log-level") == 0)
		return take_log_level(reading, value);
	return fail(reading, "unknown key %s; there are data-dir, socket and log-level", key);
}

/* inih's: true for what was taken. */
static int on_key(void *data, const char *section, const char *key, const char *value) {
	return take(data, section, key, value ? value : "") == 0;
}

/* Never waits: a pipe in the file's place is refused. */
static int open_file(FILE **ret, const char *name, struct error *error) {
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat found;
	FILE *file;

	if (fd < 0) {
		int code = ERROR_IO;

		if (errno == ENOENT || errno == ENOTDIR)
			code = ERROR_NOT_FOUND;
		else if (errno == EACCES)
			code = ERROR_PERMISSION;
		return error_set(error, code, "cannot open the configuration %s: %s", name, strerror(errno));
	}
	if (fstat(fd, &found) < 0 || !S_ISREG(found.st_mode)) {
		close(fd);
		return error_set(error, ERROR_INVALID, "the configuration %s was no regular file", name);
	}
	file = fdopen(fd, "r");
	if (!file) {
		close(fd);
		return error_no_memory(error);
	}
	*ret = file;
	return 0;
}

int config_read(struct config *ret, const char *file, struct error *error) {
	struct reading reading = { .name = file, .config.log_level = LOG_LEVEL_NOTICE };
	int r = open_file(&reading.file, file, error);
	bool unreadable;

	if (r < 0)
		return r;
	r = ini_parse_stream(next_line, &reading, on_key, &reading);
	unreadable = ferror(reading.file) != 0;
	fclose(reading.file);
	if (unreadable)
		return error_set(error, ERROR_IO, "cannot read the configuration %s", file);
	/* inih names the first line that either of us refused. */
	if (r > 0 && (reading.failed_line == 0 || r < reading.failed_line))
		return error_set(error, ERROR_INVALID, "%s:%d: neither [section] nor key = value", file, r);
	if (reading.failed_line > 0)
		return error_set(error, ERROR_INVALID, "%s", reading.error.text);
	if (r < 0)
		return error_no_memory(error);
	*ret = reading.config;
	return 0;
}
