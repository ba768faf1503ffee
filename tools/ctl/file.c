/* Whole files; see file.h. */

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report.h"

const char *file_label(const char *path) {
	return strcmp(path, "-") == 0 ? "standard input" : path;
}

static int read_all(int fd, const char *label, size_t bytes_max, char **ret_text) {
	size_t n = 0, allocated = 0;
	char *text = NULL;

	for (;;) {
		ssize_t got;

		if (n + 1 >= allocated) {
			allocated = allocated ? 2 * allocated : 4096;
			text = must_have(realloc(text, allocated));
		}
		got = read(fd, text + n, allocated - n - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || n + (size_t)got > bytes_max) {
			free(text);
			return got < 0 ? report(STATUS_FAILURE, "cannot read %s: %s", label, strerror(errno))
			               : report(STATUS_FAILURE, "%s is longer than %zu bytes", label, bytes_max);
		}
		if (got == 0)
			break;
		n += (size_t)got;
	}
	text[n] = '\0';
	if (strlen(text) != n) {
		size_t at = strlen(text) + 1;

		free(text);
		return report(STATUS_FAILURE, "%s has a NUL at byte %zu, so it is no text", label, at);
	}
	*ret_text = text;
	return 0;
}

int file_read(const char *path, size_t bytes_max, char **ret_text) {
	int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return report(errno == ENOENT ? STATUS_NOT_FOUND : STATUS_FAILURE, "cannot open %s: %s", path, strerror(errno));
	r = read_all(fd, file_label(path), bytes_max, ret_text);
	if (fd != STDIN_FILENO)
		close(fd);
	return r;
}
