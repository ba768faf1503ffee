#ifndef LEADERD_LISTENER_H
#define LEADERD_LISTENER_H

/*
 * Listener: takes connections from one listening socket. When descriptors or
 * memory run out it rests for ACCEPT_PAUSE_MS: the socket stays readable, and
 * without a rest the loop would spin.
 */

#include <event2/event.h>

#include "base/error.h"

struct listener;

struct listener_options {
	struct event_base *base;               /* borrowed */
	int fd;                                /* listening, non-blocking; borrowed */
	void (*on_accept)(int fd, void *data); /* takes the connection */
	void *data;
};

int listener_create(struct listener **ret, const struct listener_options *options, struct error *error);
/* Takes nothing more; the socket itself stays open. Accepts NULL; returns NULL. */
struct listener *listener_destroy(struct listener *listener);

#endif
