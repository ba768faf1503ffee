#ifndef LEADERD_READY_H
#define LEADERD_READY_H

/*
 * Readiness: what a service manager that set NOTIFY_SOCKET is told (sd_notify(3)).
 * A few lines of our own instead of libsystemd: the protocol is one datagram.
 */

#include <sys/socket.h>
#include <sys/un.h>

struct ready {
	struct sockaddr_un address;
	socklen_t address_bytes; /* 0: nobody asked */
};

/* Takes NOTIFY_SOCKET out of the environment, so that no program that we start
 * speaks in our name. */
void ready_init(struct ready *ret);

void ready_tell_ready(const struct ready *ready);
void ready_tell_reloading(const struct ready *ready);
void ready_tell_stopping(const struct ready *ready);

#endif
