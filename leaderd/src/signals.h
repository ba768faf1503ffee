#ifndef LEADERD_SIGNALS_H
#define LEADERD_SIGNALS_H

/*
 * Signals: SIGTERM and SIGINT stop, SIGHUP reloads, SIGPIPE is ignored. Once the
 * stop has begun, the next SIGTERM or SIGINT kills, even when the loop is stuck:
 * by then they have the system's own meaning again.
 */

#include <event2/event.h>

#include "base/error.h"

struct signals;

struct signals_options {
	struct event_base *base; /* borrowed */
	void (*on_stop)(int number, void *data);
	void (*on_reload)(void *data);
	void *data;
};

int signals_create(struct signals **ret, const struct signals_options *options, struct error *error);
struct signals *signals_destroy(struct signals *signals); /* accepts NULL; returns NULL */

#endif
