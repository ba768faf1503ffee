/* The link to an adapter; see adapter_link.h. */

#include "leaderd/src/adapter_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/must.h"

void adapter_link_init(struct adapter_link *link, const struct adapter_link_options *options) {
	*link = (struct adapter_link){ .options = *options, .fd = -1 };
	LIST_INIT(&link->processes);
}

static void free_events(struct adapter_link *link) {
	struct event **events[] = { &link->readable, &link->writable, &link->again };

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (*events[i])
			event_free(*events[i]);
		*events[i] = NULL;
	}
}

void adapter_link_stop(struct adapter_link *link) {
	if (link->fd < 0)
		return;
	free_events(link);
	close(link->fd);
	link->fd = -1;
	adapter_process_end(link->process);
	link->output_at = 0;
	bytes_finish(&link->output);
	wire_reader_finish(&link->input);
}

void adapter_link_finish(struct adapter_link *link) {
	adapter_link_stop(link);
	adapter_processes_finish(&link->processes);
	wire_arena_clear(&link->arena);
}

static void gone(struct adapter_link *link, const struct error *why) {
	adapter_link_stop(link);
	link->options.on_gone(why, link->options.data);
}

/* ---- output ------------------------------------------------------------------------- */

/* A hang-up shows in the input, behind what the adapter said before it. */
static void flush(struct adapter_link *link) {
	while (link->output_at < link->output.n) {
		ssize_t n = send(link->fd, link->output.data + link->output_at, link->output.n - link->output_at,
		                 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)) {
			event_add(link->writable, NULL);
			return;
		}
		if (n < 0)
			break;
		link->output_at += (size_t)n;
	}
	event_del(link->writable);
	bytes_finish(&link->output);
	link->output_at = 0;
}

int adapter_link_send(struct adapter_link *link, const Leaderd__ToAdapter *message, struct error *error) {
	int r;

	must(link->fd >= 0);
	if (link->output.n - link->output_at > FRAME_BYTES_MAX)
		return error_set(error, ERROR_FULL, "the adapter did not take what it was sent before");
	r = backend_pack_to_adapter(&link->output, message, error);
	if (r == 0)
		flush(link);
	return r;
}

/* ---- input ---------------------------------------------------------------------------- */

enum reading { READ_SOME, READ_NOTHING, READ_END, READ_FAILED };

static enum reading receive(struct adapter_link *link, struct error *why) {
	size_t room;
	uint8_t *to = wire_reader_room(&link->input, 64u * 1024u, &room);
	ssize_t n;

	if (!to) {
		error_no_memory(why);
		return READ_FAILED;
	}
	n = recv(link->fd, to, room, MSG_DONTWAIT);
	if (n > 0) {
		wire_reader_filled(&link->input, (size_t)n);
		return READ_SOME;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return READ_NOTHING;
	error_set(why, ERROR_NOT_RUNNING, "the adapter ended");
	return READ_END;
}

/* WIRE_FRAME: a message was given out; the link may be stopped now. */
static int take_frame(struct adapter_link *link, struct error *why) {
	const Leaderd__FromAdapter *message;
	const uint8_t *payload;
	size_t n;
	int r = wire_reader_next(&link->input, &payload, &n, why);

	if (r != WIRE_FRAME)
		return r;
	wire_arena_clear(&link->arena);
	r = backend_unpack_from_adapter(&link->arena, payload, n, &message, why);
	if (r < 0)
		return r;
	link->options.on_message(message, link->options.data);
	wire_arena_clear(&link->arena);
	return WIRE_FRAME;
}

static void on_readable(evutil_socket_t fd, short what, void *data) {
	struct adapter_link *link = data;
	uint64_t start = link->n_starts;
	enum reading reading = READ_SOME;
	struct error why = { 0 };

	for (unsigned frames = 0; frames < ADAPTER_TURN_FRAMES; frames++) {
		int r = take_frame(link, &why);

		if (link->fd < 0 || link->n_starts != start)
			return; /* stopped, perhaps started again */
		if (r == 0 && reading == READ_SOME)
			reading = receive(link, &why);
		if (r < 0 && r != ERROR_NO_MEMORY)
			error_prefix(&why, "the adapter talked nonsense");
		if (r < 0 || reading >= READ_END) {
			gone(link, &why);
			return;
		}
		if (reading == READ_NOTHING)
			return;
	}
	/* By the clock, behind whatever else can be read by now: while an event makes
	 * itself active, libevent looks at no other descriptor. */
	if (evtimer_add(link->again, &(struct timeval){ 0 }) < 0)
		event_active(link->readable, EV_READ, 0);
}

static void on_writable(evutil_socket_t fd, short what, void *data) {
	flush(data);
}

/* ---- start ------------------------------------------------------------------------------ */

static int make_events(struct adapter_link *link, struct error *error) {
	link->readable = event_new(link->options.base, link->fd, EV_READ | EV_PERSIST, on_readable, link);
	link->writable = event_new(link->options.base, link->fd, EV_WRITE | EV_PERSIST, on_writable, link);
	link->again = evtimer_new(link->options.base, on_readable, link);
	if (link->readable && link->writable && link->again && event_add(link->readable, NULL) == 0)
		return 0;
	free_events(link);
	return error_no_memory(error);
}

static int start_process(struct adapter_link *link, const char *path, struct error *error) {
	int ends[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return error_set(error, ERROR_IO, "cannot make a socket for the adapter: %s", strerror(errno));
	link->fd = ends[0];
	r = make_events(link, error);
	if (r == 0) {
		r = adapter_process_start(&link->process, &link->processes, link->options.base, path, ends[1], error);
		if (r < 0)
			free_events(link);
	}
	close(ends[1]);
	if (r < 0) {
		close(ends[0]);
		link->fd = -1;
	}
	return r;
}

int adapter_link_start(struct adapter_link *link, const char *scheme, struct error *error) {
	char *path = NULL;
	int r;

	must(link->fd < 0);
	link->n_starts++;
	r = adapter_process_find(&path, scheme, error);
	if (r == 0)
		r = start_process(link, path, error);
	free(path);
	return r;
}
