/*
 * Readiness notification. A failure costs a warning: the manager's time-out will
 * say the rest.
 */

#include "leaderd/src/ready.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

void ready_init(struct ready *ret) {
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path ? strlen(path) : 0;

	*ret = (struct ready){ .address.sun_family = AF_UNIX };
	if (n > 0 && n < sizeof(ret->address.sun_path) && (path[0] == '/' || path[0] == '@')) {
		memcpy(ret->address.sun_path, path, n);
		if (path[0] == '@') /* the abstract namespace */
			ret->address.sun_path[0] = '\0';
		ret->address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	} else if (n > 0) {
		log_warning("NOTIFY_SOCKET names no Unix socket, nobody will be told that we are ready: %s", path);
	}
	unsetenv("NOTIFY_SOCKET");
}

static void tell(const struct ready *ready, const char *text) {
	int fd;

	if (ready->address_bytes == 0)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&ready->address,
	                     ready->address_bytes) < 0)
		log_warning("cannot tell the service manager %s: %s", text, strerror(errno));
	if (fd >= 0)
		close(fd);
}

void ready_tell_ready(const struct ready *ready) {
	tell(ready, "READY=1");
}

/* With the time, since a manager that waits for the reload's end must know which one it sees. */
void ready_tell_reloading(const struct ready *ready) {
	struct timespec now;
	char text[64];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%ju",
	         (uintmax_t)now.tv_sec * 1000000u + (uintmax_t)now.tv_nsec / 1000u);
	tell(ready, text);
}

void ready_tell_stopping(const struct ready *ready) {
	tell(ready, "STOPPING=1");
}
