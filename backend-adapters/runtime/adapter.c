/*
 * An adapter's program; step 10 of docs/ARCHITECTURE.md. Requests come by
 * descriptor 3 and are answered one at a time; in between is the look for news.
 * It may block, in a call of the backend or in a write to the leader; the leader
 * never does. It ends with the leader's end of the socket, and that is no failure.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/runtime.h"

#define POLL_MS_MAX 3600000

static void print_help(const char *name) {
	printf("usage: leaderd-backend-%s\n\n"
	       "Connects leaderd to a backend of the kind \"%s\". leaderd starts it by itself, with a\n"
	       "socket as descriptor %d, for a store whose backend URL begins with \"%s:\".\n\n"
	       "  --help     this text\n"
	       "  --version  version of the program and of the adapters' protocol\n\n"
	       "environment:\n"
	       "  ADAPTER_POLL_MS  how often to look for news without a hint (default %u)\n",
	       name, name, ADAPTER_DESCRIPTOR, name, ADAPTER_POLL_MS);
}

static int usage(const char *name, const char *what) {
	fprintf(stderr, "leaderd-backend-%s: %s\n", name, what);
	return 2;
}

/* -1: go on. */
static int handle_options(int argc, char **argv, const char *name) {
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		print_help(name);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("leaderd-backend-%s %s (adapter protocol %u)\n", name, LEADERD_VERSION, BACKEND_PROTOCOL_VERSION);
		return 0;
	}
	return argc > 1 ? usage(name, "takes no arguments but --help and --version") : -1;
}

static int prepare_descriptor(void) {
	int type;
	socklen_t n = sizeof(type);
	int flags;

	if (getsockopt(ADAPTER_DESCRIPTOR, SOL_SOCKET, SO_TYPE, &type, &n) < 0 || type != SOCK_STREAM)
		return ERROR_INVALID;
	flags = fcntl(ADAPTER_DESCRIPTOR, F_GETFL);
	if (flags < 0 || fcntl(ADAPTER_DESCRIPTOR, F_SETFL, flags & ~O_NONBLOCK) < 0 ||
	    fcntl(ADAPTER_DESCRIPTOR, F_SETFD, FD_CLOEXEC) < 0)
		return ERROR_INVALID;
	return 0;
}

static uint32_t poll_ms_of_environment(void) {
	const char *text = getenv("ADAPTER_POLL_MS");
	char *end;
	long value;

	if (text == NULL)
		return ADAPTER_POLL_MS;
	value = strtol(text, &end, 10);
	return *text == '\0' || *end != '\0' || value < 1 || value > POLL_MS_MAX ? ADAPTER_POLL_MS : (uint32_t)value;
}

static int send_output(struct runtime *runtime, struct error *error) {
	size_t at = 0;

	while (at < runtime->output.n) {
		ssize_t n = send(ADAPTER_DESCRIPTOR, runtime->output.data + at, runtime->output.n - at, MSG_NOSIGNAL);

		if (n >= 0) {
			at += (size_t)n;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			runtime->hung_up = true;
			break;
		} else if (errno != EINTR) {
			return error_set(error, ERROR_IO, "cannot write to the leader: %s", strerror(errno));
		}
	}
	bytes_clear(&runtime->output);
	return 0;
}

static int receive(struct runtime *runtime, struct error *error) {
	size_t n_room;
	uint8_t *room = wire_reader_room(&runtime->reader, 65536, &n_room);
	ssize_t n;

	if (room == NULL)
		return error_no_memory(error);
	n = recv(ADAPTER_DESCRIPTOR, room, n_room, 0);
	if (n > 0)
		wire_reader_filled(&runtime->reader, (size_t)n);
	else if (n == 0 || errno == ECONNRESET)
		runtime->hung_up = true;
	else if (errno != EINTR)
		return error_set(error, ERROR_IO, "cannot read from the leader: %s", strerror(errno));
	return 0;
}

static int answer_requests(struct runtime *runtime, struct error *error) {
	const uint8_t *payload;
	size_t n;

	while (!runtime->hung_up) {
		int r = wire_reader_next(&runtime->reader, &payload, &n, error);

		if (r <= 0)
			return r;
		r = runtime_request(runtime, payload, n, error);
		if (r == 0)
			r = send_output(runtime, error);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Waits for a request, a hint or the time to look; requests go first. */
static int turn(struct runtime *runtime, struct error *error) {
	struct pollfd descriptors[2] = {
		{ .fd = ADAPTER_DESCRIPTOR, .events = POLLIN },
		{ .fd = live_descriptor(runtime), .events = POLLIN },
	};
	int r = poll(descriptors, 2, live_timeout_ms(runtime));

	if (r < 0 && errno != EINTR)
		return error_set(error, ERROR_IO, "cannot wait for the leader: %s", strerror(errno));
	if (r < 0)
		return 0;
	if (descriptors[0].revents != 0) {
		r = receive(runtime, error);
		return r < 0 ? r : answer_requests(runtime, error);
	}
	if (runtime->live.on && runtime->backend != NULL) {
		r = live_look(runtime, descriptors[1].revents != 0, error);
		return r < 0 ? r : send_output(runtime, error);
	}
	return 0;
}

int adapter_run(int argc, char **argv, const struct adapter_operations *operations) {
	struct runtime runtime = { .operations = operations };
	struct error error = { 0 };
	int r = handle_options(argc, argv, operations->name);

	if (r >= 0)
		return r;
	if (prepare_descriptor() < 0)
		return usage(operations->name, "is started by leaderd, with a socket as descriptor 3; --help says more");
	signal(SIGPIPE, SIG_IGN); /* client libraries write to sockets as well */
	runtime.poll_ms = poll_ms_of_environment();
	r = 0;
	while (r == 0 && !runtime.hung_up)
		r = turn(&runtime, &error);
	if (r < 0)
		fprintf(stderr, "leaderd-backend-%s: %s\n", operations->name, error.text);
	runtime_close(&runtime);
	wire_reader_finish(&runtime.reader);
	wire_arena_clear(&runtime.arena);
	bytes_finish(&runtime.output);
	return r < 0 ? 1 : 0;
}
