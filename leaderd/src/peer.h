#ifndef LEADERD_PEER_H
#define LEADERD_PEER_H

/*
 * A peer: one connection. Bytes in become messages for dispatch.h; messages out
 * become bytes that wait here until the socket takes them.
 *
 *   silent --first frame--> greeted --end of input, or a failure--> closing --output sent--> dead
 *
 * A hang-up (EPIPE, ECONNRESET) ends writing only: what the peer sent before is
 * still read to the end. A partial last frame is dropped. When something must
 * wait (its store cannot write, or its output is full) the message is held and
 * nothing more is read, so that the socket pushes back.
 *
 * Descriptors that a peer sends are never accepted: recv without control data
 * makes the kernel drop them.
 */

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/error.h"
#include "leaderd/src/follow.h"
#include "leaderd/src/status.h"
#include "proto/wire.h"

struct daemon;
struct leader_session;

enum peer_wait {
	PEER_FLOWS,
	PEER_WAITS_FOR_LEADER, /* the message held is a push that its store cannot take now */
	PEER_WAITS_FOR_OUTPUT  /* the message held wants an answer, and the output is full */
};

struct peer {
	LIST_ENTRY(peer) link;
	struct daemon *daemon; /* borrowed */
	int fd;
	pid_t process_id;
	struct event *readable, *writable, *timer;
	bool armed_read, armed_write;
	struct wire_reader input;
	struct wire_arena arena;       /* holds the message under way, or the held one */
	const Leaderd__ToLeader *held; /* NULL: none */
	enum peer_wait wait;
	struct bytes output;
	size_t output_at; /* bytes at its front that are sent */
	int output_fd;    /* -1, or a descriptor that goes with the byte at output_fd_at */
	size_t output_fd_at;
	bool greeted;
	bool input_ended, output_ended;
	bool closing;                   /* nothing more is taken; what waits is sent */
	bool dead;                      /* the reaper frees it */
	struct leader_session *session; /* NULL: not a session */
	struct follow_list follows;
	size_t n_follows;
	struct status_follow status_follows[STATUS_FOLLOWS_MAX];
	size_t n_status_follows;
};

/* Takes `fd`, which belongs to a process of our own user. */
int peer_create(struct peer **ret, struct daemon *daemon, int fd, pid_t process_id, struct error *error);
struct peer *peer_destroy(struct peer *peer); /* accepts NULL; returns NULL */

/* Reads and takes what is there, at most PEER_INPUT_BYTES_MAX. */
void peer_read(struct peer *peer);

/* Sets the interest in its socket anew: the daemon stopped reading. */
void peer_rearm(struct peer *peer);

/* What it waited for has come: takes the held message and goes on. */
void peer_resume(struct peer *peer);

/* Sends as far as the socket takes it; the rest waits. For a peer that cannot be
 * told any more it does nothing. ERROR_TOO_LARGE, ERROR_NO_MEMORY. */
int peer_send(struct peer *peer, const Leaderd__ToSession *message, struct error *error);
/* The same, with a descriptor on the frame's first byte; `fd` is taken on success.
 * Only one can wait: see peer_may_be_answered. */
int peer_send_descriptor(struct peer *peer, const Leaderd__ToSession *message, int fd, struct error *error);

/* Tells the peer why, and ends the connection when that is sent. */
void peer_fail(struct peer *peer, const struct error *why);

/* May more be put into its output? False for one that cannot be told any more. */
bool peer_has_room(const struct peer *peer);
/* False: an answer has to wait for the output. */
bool peer_may_be_answered(const struct peer *peer);
/* Can the other end still be told anything? */
bool peer_is_alive(const struct peer *peer);
/* Has the other end hung up, whether we have read that far or not? */
bool peer_has_hung_up(const struct peer *peer);
/* Ends writing; what it sent is still read to the end. */
void peer_end_output(struct peer *peer);

#endif
