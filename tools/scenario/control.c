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

#include "base/must.h"
#include "scenario.h"

struct control *control_find(struct scenario *scenario, const char *name) {
	for (unsigned i = 0; i < scenario->n_sessions; i++)
		if (strcmp(scenario->sessions[i].name, name) == 0)
			return &scenario->sessions[i];
	return NULL;
}

/* ---- questions --------------------------------------------------------------------------- */

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
		return error_set(error, r, "session %s %s", control->name,
		                 r == ERROR_TIMEOUT ? "did not answer" : "ended before it answered");
	}
	must(reply.data != NULL);
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
	if ((size_t)n >= LINE_BYTES_MAX) {
		free(line);
		return error_set(error, ERROR_TOO_LARGE, "a line for session %s was longer than %u bytes", control->name,
		                 LINE_BYTES_MAX);
	}
	line[n] = '\n';
	sent = send(control->fd, line, (size_t)n + 1, MSG_NOSIGNAL) == n + 1;
	free(line);
	if (!sent)
		return error_set(error, ERROR_IO, "session %s is gone", control->name);
	return take_reply(control, ret_reply, error);
}

int control_chain(struct scenario *scenario, struct control *control, struct chain *ret, struct error *error) {
	struct bytes reply = { 0 };
	int r = control_ask(control, &reply, error, "chain");

	if (r >= 0)
		r = notation_parse_chain(ret->tokens, CHAIN_TOKENS_MAX, &ret->n, (const char *)reply.data, error);
	bytes_finish(&reply);
	for (size_t i = 0; r == 0 && i < ret->n; i++) { /* the process knows its device's id, not its name */
		const char *name = device_name_of(scenario, ret->tokens[i].node);

		snprintf(ret->tokens[i].node, sizeof(ret->tokens[i].node), "%s", name != NULL ? name : "");
	}
	return r;
}

int control_standing(struct control *control, struct session_standing *ret, struct error *error) {
	unsigned long long at[4] = { 0 };
	struct session_standing standing = { 0 };
	struct bytes reply = { 0 };
	int r = control_ask(control, &reply, error, "standing"), connected = 0;

	if (r >= 0 &&
	    sscanf((const char *)reply.data, "%d %llu %llu %llu %llu %llu %llu %llu", &connected, &standing.pending,
	           &standing.queued_bytes, &standing.generation, &at[0], &at[1], &at[2], &at[3]) != 8)
		r = error_set(error, ERROR_PROTOCOL, "session %s said \"%s\"", control->name, (const char *)reply.data);
	bytes_finish(&reply);
	if (r < 0)
		return r;
	standing.connected = connected;
	standing.leader_head = (struct position){ at[0], at[1] };
	standing.confirmed = (struct position){ at[2], at[3] };
	*ret = standing;
	return 0;
}

/* ---- its life ------------------------------------------------------------------------------ */

static _Noreturn void become_session_process(const struct scenario *scenario, const struct control *control, int fd) {
	const struct device *device = &scenario->devices[control->device];
	char fd_text[16];

	fcntl(fd, F_SETFD, 0);
	snprintf(fd_text, sizeof(fd_text), "%d", fd);
	execl(scenario->own, "leader-scenario", "--session-process", fd_text, device->socket, scenario->schema_path,
	      control->name, (char *)NULL);
	_exit(127);
}

int control_start(struct scenario *scenario, struct control *control, struct error *error) {
	int ends[2], r;

	if (control->process != 0)
		return error_set(error, ERROR_INVALID, "session %s runs already", control->name);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return error_set(error, ERROR_IO, "socketpair: %s", strerror(errno));
	control->process = fork();
	if (control->process == 0)
		become_session_process(scenario, control, ends[1]);
	close(ends[1]);
	if (control->process < 0) {
		control->process = 0;
		close(ends[0]);
		return error_set(error, ERROR_IO, "cannot fork: %s", strerror(errno));
	}
	control->fd = ends[0];
	control->paused = false;
	r = take_reply(control, NULL, error); /* opened */
	if (r < 0) {
		struct error ignored;

		control_end(control, SIGKILL, &ignored);
	}
	return r < 0 ? r : 0;
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
		return error_set(error, ERROR_NOT_FOUND, "there is no device \"%s\"", device_name);
	*control = (struct control){ .device = (unsigned)(device - scenario->devices), .fd = -1 };
	snprintf(control->name, sizeof(control->name), "%s", name);
	scenario->n_sessions++;
	return control_start(scenario, control, error);
}

int control_end(struct control *control, int signal, struct error *error) {
	int status;

	if (control->process == 0)
		return error_set(error, ERROR_INVALID, "session %s does not run", control->name);
	if (signal == SIGKILL)
		kill(control->process, SIGKILL);
	close(control->fd); /* the process ends by itself when it sees that */
	waitpid(control->process, &status, 0);
	control->fd = -1;
	control->process = 0;
	if (signal != SIGKILL && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return error_set(error, ERROR_IO, "session %s did not end well (wait status %#x)", control->name,
		                 (unsigned)status);
	return 0;
}
