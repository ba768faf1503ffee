#ifndef LEADERD_SESSION_LINK_H
#define LEADERD_SESSION_LINK_H

/*
 * The link: one socket to a leader, its unread input and its unsent output.
 * Nothing in here waits, and nothing in here knows what a frame means.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire.h"

struct leader_link {
	int fd;       /* -1: no connection */
	int image_fd; /* a descriptor that came and was not taken yet; -1: none */
	struct wire_reader reader;
	struct bytes output; /* packed frames; those before output_at are in the kernel */
	size_t output_at;
	bool read_ended;  /* the leader hung up: what it sent before is still in `reader` */
	bool write_ended; /* nothing can be sent any more */
};

void leader_link_init(struct leader_link *link);
void leader_link_close(struct leader_link *link); /* drops input and output; may be opened again */

/* Connects. NOT_RUNNING: nobody listens there; PERMISSION: not ours to talk to;
 * BUSY: the leader's backlog is full, try again; INVALID: the path is too long. */
int leader_link_open(struct leader_link *link, const char *path, struct error *error);

/* Reads what is there, up to one whole frame more than is buffered. */
int leader_link_receive(struct leader_link *link, struct error *error);
/* Is there room for more input? */
bool leader_link_wants_input(const struct leader_link *link);

/* Writes what the kernel takes. A broken connection only ends writing: what the
 * leader said before it died is still there to be read. */
void leader_link_flush(struct leader_link *link);
size_t leader_link_waiting(const struct leader_link *link); /* bytes not in the kernel yet */

/* The descriptor that came with a welcome, or -1; the caller owns it. */
int leader_link_take_image(struct leader_link *link);

/* $LEADERD_SOCKET, else $XDG_RUNTIME_DIR/leaderd/socket. */
int leader_default_socket(char *ret, size_t bytes, struct error *error);

uint64_t clock_monotonic_us(void);
uint64_t clock_realtime_ms(void);

#endif
