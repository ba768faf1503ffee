/*
 * The listener. A plain event rather than evconnlistener, which accepts without
 * a bound in one turn.
 */

#include "leaderd/src/listener.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/limits.h"
#include "base/log.h"

struct listener {
	struct listener_options options;
	struct event *readable, *pause_over;
	bool short_of_descriptors; /* since the newest connection that was taken */
};

/* The first rest is worth a warning; the next ones tell nothing new. */
static void pause_accepting(struct listener *listener, int number) {
	const struct timeval pause = { .tv_sec = ACCEPT_PAUSE_MS / 1000, .tv_usec = ACCEPT_PAUSE_MS % 1000 * 1000 };

	log_line(listener->short_of_descriptors ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING,
	         "new connections wait, next try in %u ms: %s", ACCEPT_PAUSE_MS, strerror(number));
	listener->short_of_descriptors = true;
	if (event_add(listener->pause_over, &pause) == 0)
		event_del(listener->readable);
}

static void on_pause_over(evutil_socket_t fd, short what, void *data) {
	struct listener *listener = data;

	if (event_add(listener->readable, NULL) < 0)
		pause_accepting(listener, ENOMEM);
}

/* Errors of the connection that was about to come, not of the listener. */
static bool is_passing(int number) {
	return number == EINTR || number == ECONNABORTED || number == EPROTO;
}

static void on_readable(evutil_socket_t fd, short what, void *data) {
	struct listener *listener = data;

	/* As many as there can be peers, so that a turn ends whatever comes. */
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (peer >= 0) {
			listener->short_of_descriptors = false;
			listener->options.on_accept(peer, listener->options.data);
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			return;
		} else if (!is_passing(errno)) {
			pause_accepting(listener, errno);
			return;
		}
	}
}

int listener_create(struct listener **ret, const struct listener_options *options, struct error *error) {
	struct listener *listener = calloc(1, sizeof(*listener));

	if (!listener)
		return error_no_memory(error);
	listener->options = *options;
	listener->readable = event_new(options->base, options->fd, EV_READ | EV_PERSIST, on_readable, listener);
	listener->pause_over = evtimer_new(options->base, on_pause_over, listener);
	if (!listener->readable || !listener->pause_over || event_add(listener->readable, NULL) < 0) {
		listener_destroy(listener);
		return error_no_memory(error);
	}
	*ret = listener;
	return 0;
}

struct listener *listener_destroy(struct listener *listener) {
	if (!listener)
		return NULL;
	if (listener->readable)
		event_free(listener->readable);
	if (listener->pause_over)
		event_free(listener->pause_over);
	free(listener);
	return NULL;
}
