/*
 * The link to the leader; step 4 of docs/ARCHITECTURE.md.
 *
 * A descriptor (the image of a welcome) travels on the first byte of its frame;
 * it is close-on-exec from birth and kept until the frame is read. Sends never
 * raise SIGPIPE.
 */

#include "leader_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/must.h"

#define READ_BYTES (64u * 1024u) /* asked of the kernel at once */
#define DESCRIPTORS_MAX 4u       /* in one message; more than one is a mistake that must not leak */

uint64_t clock_monotonic_us(void) {
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint64_t clock_realtime_ms(void) {
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

int leader_default_socket(char *ret, size_t bytes, struct error *error) {
	const char *socket = getenv("LEADERD_SOCKET");
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	int n;

	if (socket && *socket)
		n = snprintf(ret, bytes, "%s", socket);
	else if (runtime && *runtime)
		n = snprintf(ret, bytes, "%s/leaderd/socket", runtime);
	else
		return error_set(error, ERROR_INVALID,
		                 "no socket was named: neither LEADERD_SOCKET nor XDG_RUNTIME_DIR is set");
	if (n < 0 || (size_t)n >= bytes)
		return error_set(error, ERROR_INVALID, "the path of the leader's socket was too long");
	return 0;
}

void leader_link_init(struct leader_link *link) {
	*link = (struct leader_link){ .fd = -1, .image_fd = -1 };
}

static int close_descriptor(int fd) {
	if (fd >= 0)
		close(fd);
	return -1;
}

void leader_link_close(struct leader_link *link) {
	close_descriptor(link->fd);
	close_descriptor(link->image_fd);
	wire_reader_finish(&link->reader);
	bytes_finish(&link->output);
	leader_link_init(link);
}

static int connect_error(const char *path, int number, struct error *error) {
	switch (number) {
	case ENOENT:
	case ECONNREFUSED:
	case ENOTDIR:
		return error_set(error, ERROR_NOT_RUNNING, "no leader listens on %s", path);
	case EACCES:
	case EPERM:
		return error_set(error, ERROR_PERMISSION, "the socket %s is not open to this user", path);
	case EAGAIN:
		return error_set(error, ERROR_BUSY, "the leader on %s takes no more connections at present", path);
	default:
		return error_set(error, ERROR_IO, "cannot connect to %s: %s", path, strerror(number));
	}
}

/* What a leader sends is run and shown as the user's own: no other user may pose
 * as one (root can do all that anyway, and listens for us under a system manager). */
static int check_peer(int fd, const char *path, struct error *error) {
	struct ucred peer;
	socklen_t bytes = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) < 0)
		return error_set(error, ERROR_IO, "cannot ask who listens on %s: %s", path, strerror(errno));
	if (peer.uid != geteuid() && peer.uid != 0)
		return error_set(error, ERROR_PERMISSION, "the leader on %s belongs to user %u", path, (unsigned)peer.uid);
	return 0;
}

int leader_link_open(struct leader_link *link, const char *path, struct error *error) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, r;

	must(link->fd < 0);
	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(error, ERROR_INVALID, "the socket path %s was longer than %zu bytes", path,
		                 sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(error, ERROR_IO, "cannot make a socket: %s", strerror(errno));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		r = connect_error(path, errno, error);
	else
		r = check_peer(fd, path, error);
	if (r < 0) {
		close(fd);
		return r;
	}
	leader_link_close(link);
	link->fd = fd;
	return 0;
}

static int keep_descriptors(struct leader_link *link, struct msghdr *message, struct error *error) {
	int r = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (link->image_fd < 0) {
				link->image_fd = fd;
			} else {
				close(fd);
				r = error_set(error, ERROR_PROTOCOL, "the leader sent more descriptors than images");
			}
		}
	}
	return r;
}

bool leader_link_wants_input(const struct leader_link *link) {
	return !link->read_ended && link->reader.input.n - link->reader.at < FRAME_BYTES_MAX + WIRE_HEADER_BYTES;
}

/* 1: something was read; 0: nothing is there now. */
static int receive_some(struct leader_link *link, struct error *error) {
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
	} control;
	size_t room;
	uint8_t *data = wire_reader_room(&link->reader, READ_BYTES, &room);
	struct iovec vector = { data, room };
	struct msghdr message = {
		.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)
	};
	ssize_t n;

	if (!data)
		return error_no_memory(error);
	do
		n = recvmsg(link->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n <= 0) {
		link->read_ended = true;
		return 0;
	}
	wire_reader_filled(&link->reader, (size_t)n);
	if (keep_descriptors(link, &message, error) < 0)
		return ERROR_PROTOCOL;
	return 1;
}

int leader_link_receive(struct leader_link *link, struct error *error) {
	int r = 1;

	while (r == 1 && leader_link_wants_input(link))
		r = receive_some(link, error);
	return r < 0 ? r : 0;
}

size_t leader_link_waiting(const struct leader_link *link) {
	return link->output.n - link->output_at;
}

void leader_link_flush(struct leader_link *link) {
	while (!link->write_ended && link->fd >= 0 && leader_link_waiting(link) > 0) {
		ssize_t n =
			send(link->fd, link->output.data + link->output_at, leader_link_waiting(link), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			link->output_at += (size_t)n;
		} else if (n < 0 && errno == EINTR) {
			continue;
		} else {
			link->write_ended = !(n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
			break;
		}
	}
	if (leader_link_waiting(link) == 0) {
		bytes_clear(&link->output);
		link->output_at = 0;
	} else if (link->output_at > link->output.n / 2) {
		bytes_drop_front(&link->output, link->output_at);
		link->output_at = 0;
	}
}

int leader_link_take_image(struct leader_link *link) {
	int fd = link->image_fd;

	link->image_fd = -1;
	return fd;
}
