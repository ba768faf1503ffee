/*
 * Signals, as events of the loop.
 */

#include "leaderd/src/signals.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

struct signals {
	struct signals_options options;
	struct event *terminate, *interrupt, *hang_up;
	bool stopping;
};

static void on_stop(evutil_socket_t number, short what, void *data) {
	struct signals *signals = data;

	signals->stopping = true;
	/* Without its event a signal has the system's default action again. */
	event_del(signals->terminate);
	event_del(signals->interrupt);
	signals->options.on_stop(number, signals->options.data);
}

static void on_hang_up(evutil_socket_t number, short what, void *data) {
	struct signals *signals = data;

	if (!signals->stopping)
		signals->options.on_reload(signals->options.data);
}

/* Whoever started us may have had them blocked, and that is inherited. */
static void unblock(void) {
	sigset_t ours;

	sigemptyset(&ours);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGHUP);
	sigprocmask(SIG_UNBLOCK, &ours, NULL);
}

static struct event *create_event(struct signals *signals, int number, event_callback_fn callback) {
	struct event *event = evsignal_new(signals->options.base, number, callback, signals);

	if (event && event_add(event, NULL) < 0) {
		event_free(event);
		return NULL;
	}
	return event;
}

int signals_create(struct signals **ret, const struct signals_options *options, struct error *error) {
	struct signals *signals = calloc(1, sizeof(*signals));

	if (!signals)
		return error_no_memory(error);
	signals->options = *options;
	signal(SIGPIPE, SIG_IGN);
	signals->terminate = create_event(signals, SIGTERM, on_stop);
	signals->interrupt = create_event(signals, SIGINT, on_stop);
	signals->hang_up = create_event(signals, SIGHUP, on_hang_up);
	if (!signals->terminate || !signals->interrupt || !signals->hang_up) {
		signals_destroy(signals);
		return error_no_memory(error);
	}
	unblock();
	*ret = signals;
	return 0;
}

struct signals *signals_destroy(struct signals *signals) {
	if (!signals)
		return NULL;
	if (signals->terminate)
		event_free(signals->terminate);
	if (signals->interrupt)
		event_free(signals->interrupt);
	if (signals->hang_up)
		event_free(signals->hang_up);
	free(signals);
	return NULL;
}
