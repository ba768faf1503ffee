/* The parent's end of a session process: one line out, one reply in. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenario.h"

struct control *control_find(struct scenario *scenario, const char *name) {
	for (unsigned i = 0; i < scenario->n_sessions; i++)
		if (strcmp(scenario->sessions[i].name, name) == 0)
			return &scenario->sessions[i];
	return NULL;
}

static int read_exactly(int fd, void *data, size_t n) {
	char *at = data;

	while (n > 0) {
		struct pollfd ready = { fd, POLLIN, 0 };
		ssize_t got;

		if (poll(&ready, 1, REPLY_MS) != 1)
			return ERROR_TIMEOUT;
		got = read(fd, at, n);
		if (got <= 0)
			return ERROR_IO;
		at += got;
		n -= (size_t)got;
	}
	return 0;
}

struct reply_header {
	int code;
	size_t n;
};

static int take_reply(struct control *control, struct bytes *ret_reply, struct error *error) {
	struct reply_header header;
	struct bytes reply = { 0 };
	int r = read_exactly(control->fd, &header, sizeof(header));

	if (r == 0)
		r = bytes_reserve(&reply, header.n + 1);
	if (r == 0)
		r = read_exactly(control->fd, reply.data, header.n);
	if (r < 0) {
		bytes_finish(&reply);
		return error_set(error, r, "session %s did not answer", control->name);
	}
	reply.n = header.n;
	reply.data[reply.n] = '\0';
	if (header.code < 0)
		error_set(error, header.code, "session %s: %s", control->name, (const char *)reply.data);
	if (ret_reply != NULL && header.code >= 0) {
		bytes_finish(ret_reply);
		*ret_reply = reply;
	} else {
		bytes_finish(&reply);
	}
	return header.code;
}

int control_ask(struct control *control, struct bytes *ret_reply, struct error *error, const char *format, ...) {
	va_list arguments;
	char *line;
	int n;
	bool sent;

	if (control->process == 0)
		return error_set(error, ERROR_NOT_RUNNING, "session %s does not run", control->name);
	va_start(arguments, format);
	n = vasprintf(&line, format, arguments);
	va_end(arguments);
	if (n < 0)
		return error_no_memory(error);
	line[n] = '\n';
	sent = send(control->fd, line, (size_t)n + 1, MSG_NOSIGNAL) == n + 1;
	free(line);
	if (!sent)
		return error_set(error, ERROR_IO, "session %s is gone", control->name);
	return take_reply(control, ret_reply, error);
}

int control_start(struct scenario *scenario, struct control *control, struct error *error) {
	struct device *device = &scenario->devices[control->device];
	int ends[2];
	char fd_text[16];

	if (control->process != 0)
		return error_set(error, ERROR_INVALID, "session %s runs already", control->name);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return error_set(error, ERROR_IO, "socketpair: %s", strerror(errno));
	control->process = fork();
	if (control->process == 0) {
		fcntl(ends[1], F_SETFD, 0);
		snprintf(fd_text, sizeof(fd_text), "%d", ends[1]);
		execl(scenario->own, "leader-scenario", "--session-process", fd_text, device->socket, scenario->schema_path,
		      control->name, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	if (control->process < 0) {
		control->process = 0;
		close(ends[0]);
		return error_set(error, ERROR_IO, "cannot fork: %s", strerror(errno));
	}
	control->fd = ends[0];
	control->paused = false;
	return take_reply(control, NULL, error); /* opened */
}

int control_add(struct scenario *scenario, const char *name, struct error *error) {
	struct control *control = &scenario->sessions[scenario->n_sessions];
	char device_name[NAME_BYTES];
	struct device *device;

	if (scenario->n_sessions == SESSIONS_MAX)
		return error_set(error, ERROR_TOO_LARGE, "more than %u sessions", SESSIONS_MAX);
	if (strlen(name) >= NAME_BYTES || strchr(name, '.') == NULL || control_find(scenario, name) != NULL)
		return error_set(error, ERROR_INVALID, "\"%s\" is no name for a new session; A.1 is one", name);
	snprintf(device_name, sizeof(device_name), "%.*s", (int)strcspn(name, "."), name);
	device = device_find(scenario, device_name);
	if (device == NULL)
		return error_set(error, ERROR_NOT_FOUND, "there is no device %s", device_name);
	*control = (struct control){ .device = (unsigned)(device - scenario->devices), .fd = -1 };
	snprintf(control->name, sizeof(control->name), "%s", name);
	scenario->n_sessions++;
	return control_start(scenario, control, error);
}

int control_end(struct control *control, int signal, struct error *error) {
	if (control->process == 0)
		return error_set(error, ERROR_INVALID, "session %s does not run", control->name);
	kill(control->process, signal);
	waitpid(control->process, NULL, 0);
	close(control->fd);
	control->fd = -1;
	control->process = 0;
	return 0;
}
