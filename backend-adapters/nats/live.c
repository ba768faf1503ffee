/*
 * Hints. The stream republishes what it has stored, headers only, on a subject of
 * its own; a subscription to the log's own subject would hear of what is about to
 * be stored, too early, and in full. The library's threads tell the descriptor.
 */

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "nats/jetstream.h"

struct nats_signal {
	int fd;
	char *live_subject;          /* owned */
	atomic_uint_fast64_t newest; /* sequence of the newest message that we heard of */
	atomic_bool unknown;         /* one came whose sequence could not be read */
	atomic_bool closed, denied;
};

struct nats_signal *signal_destroy(struct nats_signal *signal) {
	if (signal == NULL)
		return NULL;
	close(signal->fd);
	free(signal->live_subject);
	free(signal);
	return NULL;
}

int signal_create(struct nats_signal **ret, const char *live_subject, struct error *error) {
	struct nats_signal *signal = calloc(1, sizeof(*signal));

	if (signal == NULL)
		return error_no_memory(error);
	signal->live_subject = strdup(live_subject);
	signal->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (signal->live_subject == NULL || signal->fd < 0) {
		bool no_memory = signal->live_subject == NULL;

		free(signal->live_subject);
		if (signal->fd >= 0)
			close(signal->fd);
		free(signal);
		return no_memory ? error_no_memory(error) : error_set(error, ERROR_IO, "cannot make an eventfd");
	}
	*ret = signal;
	return 0;
}

bool signal_is_closed(const struct nats_signal *signal) {
	return atomic_load(&signal->closed);
}

bool signal_is_denied(const struct nats_signal *signal) {
	return atomic_load(&signal->denied);
}

static void wake(struct nats_signal *signal) {
	eventfd_write(signal->fd, 1); /* full: it is readable already */
}

static void on_closed(natsConnection *connection, void *data) {
	struct nats_signal *signal = data;

	atomic_store(&signal->closed, true);
	wake(signal);
}

/* A request that is not allowed is not answered: this is the only word about it. */
static void on_error(natsConnection *connection, natsSubscription *subscription, natsStatus status, void *data) {
	struct nats_signal *signal = data;
	const char *text = NULL;

	if (status != NATS_NOT_PERMITTED)
		return;
	natsConnection_GetLastError(connection, &text);
	if (text == NULL || strstr(text, signal->live_subject) == NULL)
		atomic_store(&signal->denied, true);
}

int signal_connect(struct nats_signal *signal, natsOptions *options, struct error *error) {
	natsStatus s = natsOptions_SetClosedCB(options, on_closed, signal);

	if (s == NATS_OK)
		s = natsOptions_SetErrorHandler(options, on_error, signal);
	return s == NATS_OK ? 0 : error_no_memory(error);
}

static void on_stored(natsConnection *connection, natsSubscription *subscription, natsMsg *message, void *data) {
	struct nats_signal *signal = data;
	const char *text = NULL;

	if (natsMsgHeader_Get(message, "Nats-Sequence", &text) == NATS_OK && text != NULL) {
		atomic_store(&signal->newest, strtoull(text, NULL, 10));
	} else {
		atomic_store(&signal->unknown, true);
	}
	natsMsg_Destroy(message);
	wake(signal);
}

bool live_subscribe(struct nats_backend *backend) {
	return backend->republished &&
	       natsConnection_Subscribe(&backend->hints, backend->connection, backend->place.live_subject, on_stored,
	                                backend->signal) == NATS_OK;
}

/* To the last hint: the library loses what comes to its end while it ends itself. */
void live_end(struct nats_backend *backend) {
	if (backend->hints != NULL && natsSubscription_DrainTimeout(backend->hints, NATS_FORGET_MS) == NATS_OK)
		natsSubscription_WaitForDrainCompletion(backend->hints, NATS_FORGET_MS);
	natsSubscription_Destroy(backend->hints);
	backend->hints = NULL;
}

int nats_live_fd(void *data) {
	const struct nats_backend *backend = data;

	return backend->signal->fd;
}

/* What the leader has pushed itself is no news: it stood on the head, so it had everything before. */
int nats_live_take(void *data, struct error *error) {
	const struct nats_backend *backend = data;
	struct nats_signal *signal = backend->signal;
	eventfd_t value;

	eventfd_read(signal->fd, &value);
	if (atomic_load(&signal->closed))
		return error_set(error, ERROR_NOT_RUNNING, "the connection to the server ended");
	if (atomic_exchange(&signal->unknown, false))
		return 1;
	return atomic_load(&signal->newest) == backend->own ? 0 : 1;
}
