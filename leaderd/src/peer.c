/*
 * A peer; step 5 of docs/ARCHITECTURE.md. See peer.h.
 *
 * Interest in reading and writing is set in one place (arm), from what the peer
 * is: nothing else adds or deletes its events.
 */

#include "leaderd/src/peer.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/must.h"
#include "leaderd/src/daemon.h"
#include "leaderd/src/dispatch.h"
#include "leaderd/src/leader.h"

/* Room made for one read. A peer's buffer grows past it only for a larger frame. */
#define READ_BYTES (32u * 1024u)

static void log_peer(const struct peer *peer, const struct error *why) {
	const struct leader_session *session = peer->session;

	log_warning("store=%s session=%s pid=%ld: connection ends: %s", session ? session->leader->name : "-",
	            session ? session->id : "-", (long)peer->process_id, why->text);
}

static size_t output_waiting(const struct peer *peer) {
	return peer->output.n - peer->output_at;
}

/* Can a message be taken now? */
static bool listens(const struct peer *peer) {
	return !peer->dead && !peer->closing && peer->wait == PEER_FLOWS;
}

static void set_interest(struct event *event, bool wanted, bool *armed) {
	if (wanted == *armed)
		return;
	if (wanted ? event_add(event, NULL) == 0 : event_del(event) == 0)
		*armed = wanted;
}

static void arm(struct peer *peer) {
	set_interest(peer->readable, listens(peer) && !peer->input_ended && !peer->daemon->draining, &peer->armed_read);
	set_interest(peer->writable, !peer->dead && output_waiting(peer) > 0, &peer->armed_write);
}

void peer_rearm(struct peer *peer) {
	arm(peer);
}

static void mark_dead(struct peer *peer) {
	peer->dead = true;
	arm(peer);
	daemon_reap_soon(peer->daemon);
}

static void set_timer(struct peer *peer) {
	const struct timeval silence = { .tv_sec = PEER_HANDSHAKE_MS_MAX / 1000,
		                             .tv_usec = PEER_HANDSHAKE_MS_MAX % 1000 * 1000 };

	event_add(peer->timer, &silence);
}

/* ---- output ------------------------------------------------------------------- */

static void drop_descriptor(struct peer *peer) {
	if (peer->output_fd >= 0)
		close(peer->output_fd);
	peer->output_fd = -1;
}

void peer_end_output(struct peer *peer) {
	peer->output_ended = true;
	bytes_finish(&peer->output);
	peer->output_at = 0;
	drop_descriptor(peer);
	arm(peer);
}

/* One sendmsg: never across the byte that a descriptor belongs to. */
static ssize_t send_some(struct peer *peer) {
	struct iovec piece = { peer->output.data + peer->output_at, output_waiting(peer) };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr aligned;
	} control = { 0 };
	bool with_descriptor = peer->output_fd >= 0 && peer->output_at == peer->output_fd_at;

	if (with_descriptor) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &peer->output_fd, sizeof(int));
	} else if (peer->output_fd >= 0) {
		piece.iov_len = peer->output_fd_at - peer->output_at;
	}

	ssize_t n = sendmsg(peer->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n > 0 && with_descriptor)
		drop_descriptor(peer);
	return n;
}

/* The bytes that are sent leave the buffer when they are most of it. */
static void forget_sent(struct peer *peer) {
	if (output_waiting(peer) == 0) {
		bytes_finish(&peer->output);
		peer->output_at = 0;
	} else if (peer->output_at > peer->output.n / 2) {
		bytes_drop_front(&peer->output, peer->output_at);
		peer->output_fd_at -= peer->output_fd >= 0 ? peer->output_at : 0;
		peer->output_at = 0;
	}
}

static void flush_output(struct peer *peer) {
	while (!peer->output_ended && output_waiting(peer) > 0) {
		ssize_t n = send_some(peer);

		if (n > 0) {
			peer->output_at += (size_t)n;
		} else if (n < 0 && errno == EINTR) {
			continue;
		} else {
			if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
				peer_end_output(peer);
			break;
		}
	}
	forget_sent(peer);
	if (peer->closing && !peer->dead && output_waiting(peer) == 0)
		mark_dead(peer);
	arm(peer);
}

bool peer_is_alive(const struct peer *peer) {
	return !peer->dead && !peer->closing && !peer->output_ended && !peer->input_ended;
}

bool peer_has_room(const struct peer *peer) {
	return peer_is_alive(peer) && output_waiting(peer) < PEER_OUTPUT_BYTES_MAX;
}

bool peer_may_be_answered(const struct peer *peer) {
	return peer->output_ended || (output_waiting(peer) < PEER_OUTPUT_BYTES_MAX && peer->output_fd < 0);
}

int peer_send_descriptor(struct peer *peer, const Leaderd__ToSession *message, int fd, struct error *error) {
	size_t at = peer->output.n;

	must(peer->output_fd < 0 || fd < 0);
	if (peer->dead || peer->output_ended) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	int r = wire_pack_to_session(&peer->output, message, error);
	if (r < 0)
		return r;
	if (fd >= 0) {
		peer->output_fd = fd;
		peer->output_fd_at = at;
	}
	flush_output(peer);
	return 0;
}

int peer_send(struct peer *peer, const Leaderd__ToSession *message, struct error *error) {
	return peer_send_descriptor(peer, message, -1, error);
}

/* Nothing more is taken; the connection ends when what waits is sent, or when
 * the peer does not take it for too long. */
static void start_closing(struct peer *peer) {
	peer->closing = true;
	peer->held = NULL;
	set_timer(peer);
	flush_output(peer);
}

void peer_fail(struct peer *peer, const struct error *why) {
	Leaderd__Failure failure = LEADERD__FAILURE__INIT;
	Leaderd__ToSession message = LEADERD__TO_SESSION__INIT;

	if (peer->closing || peer->dead)
		return;
	log_peer(peer, why);
	failure.code = why->code;
	failure.error = (char *)why->text;
	message.body_case = LEADERD__TO_SESSION__BODY_FAILURE;
	message.failure = &failure;
	/* Without memory to say why, the end of the connection has to do. */
	(void)peer_send(peer, &message, NULL);
	start_closing(peer);
}

/* ---- input ---------------------------------------------------------------------- */

static void take(struct peer *peer, const Leaderd__ToLeader *message) {
	struct error error = { 0 };
	int r = dispatch(peer, message, &error);

	if (r > 0 && !peer->closing) {
		peer->held = message;
		peer->wait = (enum peer_wait)r;
		return;
	}
	if (r < 0)
		peer_fail(peer, &error);
	wire_arena_clear(&peer->arena);
}

/* The first frame says what kind of connection this is; its refusal comes ready. */
static int first_message(struct peer *peer, const Leaderd__ToLeader **ret) {
	struct error error = { 0 };
	int r = handshake_leader(&peer->input, &peer->arena, ret, &peer->output, &error);

	if (r < 0) {
		log_peer(peer, &error);
		wire_arena_clear(&peer->arena);
		start_closing(peer);
	} else if (r > 0) {
		peer->greeted = true;
		event_del(peer->timer);
	}
	return r;
}

static int next_message(struct peer *peer, const Leaderd__ToLeader **ret) {
	struct error error = { 0 };
	const uint8_t *payload;
	size_t n;

	if (!peer->greeted)
		return first_message(peer, ret);
	int r = wire_reader_next(&peer->input, &payload, &n, &error);
	if (r == WIRE_FRAME && (r = wire_unpack_to_leader(&peer->arena, payload, n, ret, &error)) == 0)
		return 1;
	if (r < 0) {
		wire_arena_clear(&peer->arena);
		peer_fail(peer, &error);
	}
	return r;
}

static void handle_input(struct peer *peer) {
	const Leaderd__ToLeader *message;

	while (listens(peer) && next_message(peer, &message) > 0)
		take(peer, message);
	/* Everything before the end was taken; a partial frame is dropped. */
	if (peer->input_ended && listens(peer))
		start_closing(peer);
}

/* Bytes read; 0: nothing is there now, or the input has ended. */
static size_t receive(struct peer *peer) {
	size_t room;
	uint8_t *data = wire_reader_room(&peer->input, READ_BYTES, &room);
	ssize_t n;

	if (!data) {
		struct error error;

		error_no_memory(&error);
		peer_fail(peer, &error);
		return 0;
	}
	/* A reset is told once; what was sent before it can be read after that. */
	do
		n = recv(peer->fd, data, room, MSG_DONTWAIT);
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n > 0) {
		wire_reader_filled(&peer->input, (size_t)n);
		return (size_t)n;
	}
	if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
		peer->input_ended = true;
	return 0;
}

void peer_read(struct peer *peer) {
	size_t read_bytes = 0;

	while (listens(peer) && !peer->input_ended && read_bytes < PEER_INPUT_BYTES_MAX) {
		size_t n = receive(peer);

		read_bytes += n;
		handle_input(peer);
		if (n == 0)
			break;
	}
	arm(peer);
}

void peer_resume(struct peer *peer) {
	const Leaderd__ToLeader *message = peer->held;

	if (peer->dead || peer->closing || peer->wait == PEER_FLOWS)
		return;
	peer->wait = PEER_FLOWS;
	peer->held = NULL;
	take(peer, message);
	handle_input(peer);
	arm(peer);
}

bool peer_has_hung_up(const struct peer *peer) {
	struct pollfd hang_up = { .fd = peer->fd, .events = POLLRDHUP };

	return !peer_is_alive(peer) || (poll(&hang_up, 1, 0) > 0 && (hang_up.revents & (POLLHUP | POLLRDHUP | POLLERR)));
}

/* ---- events, life ------------------------------------------------------------------ */

static void on_readable(evutil_socket_t fd, short what, void *data) {
	peer_read(data);
}

/* Room again: what waited for it goes on. */
static void on_writable(evutil_socket_t fd, short what, void *data) {
	struct peer *peer = data;
	struct follow *follow;

	flush_output(peer);
	if (!peer_may_be_answered(peer))
		return;
	if (peer->wait == PEER_WAITS_FOR_OUTPUT)
		peer_resume(peer);
	if (peer->session)
		leader_wake(peer->session->leader);
	LIST_FOREACH(follow, &peer->follows, of_peer)
		leader_wake(follow->leader);
	if (peer->n_status_follows > 0 || peer->daemon->draining)
		daemon_wake(peer->daemon);
}

static void on_timer(evutil_socket_t fd, short what, void *data) {
	struct peer *peer = data;
	struct error why;

	if (peer->closing) {
		mark_dead(peer);
		return;
	}
	error_set(&why, ERROR_TIMEOUT, "no frame came within %u ms of connecting", PEER_HANDSHAKE_MS_MAX);
	peer_fail(peer, &why);
}

int peer_create(struct peer **ret, struct daemon *daemon, int fd, pid_t process_id, struct error *error) {
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return error_no_memory(error);
	peer->daemon = daemon;
	peer->fd = -1;
	peer->output_fd = -1;
	peer->process_id = process_id;
	LIST_INIT(&peer->follows);
	peer->readable = event_new(daemon->base, fd, EV_READ | EV_PERSIST, on_readable, peer);
	peer->writable = event_new(daemon->base, fd, EV_WRITE | EV_PERSIST, on_writable, peer);
	peer->timer = evtimer_new(daemon->base, on_timer, peer);
	if (!peer->readable || !peer->writable || !peer->timer) {
		peer_destroy(peer);
		return error_no_memory(error);
	}
	peer->fd = fd;
	set_timer(peer);
	arm(peer);
	*ret = peer;
	return 0;
}

struct peer *peer_destroy(struct peer *peer) {
	if (!peer)
		return NULL;
	while (!LIST_EMPTY(&peer->follows))
		follow_destroy(LIST_FIRST(&peer->follows));
	leader_detach(peer->session);
	if (peer->readable)
		event_free(peer->readable);
	if (peer->writable)
		event_free(peer->writable);
	if (peer->timer)
		event_free(peer->timer);
	drop_descriptor(peer);
	if (peer->fd >= 0)
		close(peer->fd);
	wire_arena_clear(&peer->arena);
	wire_reader_finish(&peer->input);
	bytes_finish(&peer->output);
	free(peer);
	return NULL;
}
