/*
 * The administrative connection: synchronous requests on a socket of their own.
 */

#include "admin.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "session.h"

/* ---- guard ------------------------------------------------------------------------- */

int admin_enter(const struct lda_connection *connection) {
	if (!connection || connection->magic != CONNECTION_MAGIC || connection->pid != getpid())
		return LDS_INVALID;
	return 0;
}

int admin_fail(struct lda_connection *connection, int code, const char *format, ...) {
	char text[sizeof(connection->error.text)];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return error_set(&connection->error, code, "%s", text);
}

const char *lda_last_error(const struct lda_connection *connection) {
	return admin_enter(connection) < 0 ? "the connection is not open" : connection->error.text;
}

/* ---- open and close ------------------------------------------------------------------ */

uint64_t admin_deadline(int timeout_ms) {
	return timeout_ms < 0 ? UINT64_MAX : clock_monotonic_us() + (uint64_t)timeout_ms * 1000u;
}

/* A full backlog is the only thing that is worth another try. */
static int connect_until(struct lda_connection *connection, const char *socket, uint64_t until_us) {
	int r = leader_link_open(&connection->link, socket, &connection->error);

	while (r == ERROR_BUSY && clock_monotonic_us() < until_us) {
		(void)poll(NULL, 0, (int)RECONNECT_DELAY_MS_MIN);
		r = leader_link_open(&connection->link, socket, &connection->error);
	}
	return r == ERROR_BUSY ? admin_fail(connection, LDS_TIMEOUT, "the leader on %s takes no connections", socket) : r;
}

static int open_connection(struct lda_connection *connection, const struct lda_options *options) {
	const char *socket = OPTION(options, struct lda_options, socket);
	char path[SOCKET_PATH_BYTES_MAX];
	int r = 0;

	connection->timeout_ms = OPTION(options, struct lda_options, timeout_ms);
	if (connection->timeout_ms <= 0)
		connection->timeout_ms = SESSION_TIMEOUT_MS;
	if (!socket || !*socket) {
		r = leader_default_socket(path, sizeof(path), &connection->error);
		socket = path;
	}
	return r < 0 ? r : connect_until(connection, socket, admin_deadline(connection->timeout_ms));
}

int lda_open(struct lda_connection **ret_connection, const struct lda_options *options, char *ret_error,
             size_t error_bytes) {
	struct lda_connection *connection = NULL;
	struct error error = { 0 };
	int r;

	if (!ret_connection || (options && options->size < sizeof(options->size)))
		r = error_set(&error, LDS_INVALID, "open needs a place for the connection, and options that have a size");
	else if (!(connection = calloc(1, sizeof(*connection))))
		r = error_no_memory(&error);
	else {
		connection->magic = CONNECTION_MAGIC;
		connection->pid = getpid();
		leader_link_init(&connection->link);
		r = open_connection(connection, options);
		error = connection->error;
	}
	if (r == 0) {
		*ret_connection = connection;
		return 0;
	}
	free(connection);
	if (ret_error && error_bytes > 0)
		snprintf(ret_error, error_bytes, "%s", error.text);
	return r;
}

void lda_close(struct lda_connection *connection) {
	if (!connection || connection->magic != CONNECTION_MAGIC)
		return;
	connection->magic = 0;
	wire_arena_clear(&connection->arena);
	leader_link_close(&connection->link);
	lda_stores_free(connection->followed);
	free(connection->follow_store);
	free(connection);
}

int lda_default_socket(char *ret_text, size_t bytes) {
	return ret_text ? leader_default_socket(ret_text, bytes, NULL) : LDS_INVALID;
}

/* ---- one request, its answers ------------------------------------------------------------ */

static int lost(struct lda_connection *connection) {
	leader_link_close(&connection->link);
	return admin_fail(connection, LDS_NOT_RUNNING, "the leader closed the connection");
}

static int wait_for(struct lda_connection *connection, short events, uint64_t until_us) {
	struct pollfd poll_fd = { .fd = connection->link.fd, .events = events };
	uint64_t now_us = clock_monotonic_us();
	struct timespec timeout;

	if (now_us >= until_us)
		return admin_fail(connection, LDS_TIMEOUT, "the leader did not answer in time");
	timeout.tv_sec = (time_t)((until_us - now_us) / 1000000u);
	timeout.tv_nsec = (long)((until_us - now_us) % 1000000u) * 1000;
	if (ppoll(&poll_fd, 1, until_us == UINT64_MAX ? NULL : &timeout, NULL) < 0 && errno != EINTR)
		return admin_fail(connection, LDS_IO, "cannot wait for the leader: %s", strerror(errno));
	return 0;
}

void admin_request_init(Leaderd__Request *request, Leaderd__Operation operation, const char *store) {
	leaderd__request__init(request);
	request->operation = operation;
	request->protocol = WIRE_PROTOCOL_VERSION;
	if (store)
		request->store = (char *)store;
}

int admin_send(struct lda_connection *connection, Leaderd__Request *request, uint64_t until_us) {
	Leaderd__ToLeader message = LEADERD__TO_LEADER__INIT;
	struct leader_link *link = &connection->link;
	int r;

	if (request->store[0] && !store_name_is_valid(request->store))
		return admin_fail(connection, LDS_INVALID, "the store's name was not [a-z0-9][a-z0-9._-]{0,63}");
	if (link->fd < 0)
		return admin_fail(connection, LDS_NOT_RUNNING, "the connection to the leader was lost");
	request->number = ++connection->next_number;
	message.body_case = LEADERD__TO_LEADER__BODY_REQUEST;
	message.request = request;
	r = wire_pack_to_leader(&link->output, &message, &connection->error);
	while (r == 0) {
		leader_link_flush(link);
		if (leader_link_waiting(link) == 0 || link->write_ended)
			break; /* what a leader said before it hung up is still to be read */
		r = wait_for(connection, POLLOUT, until_us);
	}
	return r;
}

/* A frame of the reader as a response; a failure ends the connection. */
static int unpack(struct lda_connection *connection, const uint8_t *payload, size_t n, const Leaderd__Response **ret) {
	const Leaderd__ToSession *message;
	int r;

	wire_arena_clear(&connection->arena);
	r = wire_unpack_to_session(&connection->arena, payload, n, &message, &connection->error);
	if (r == 0)
		r = handshake_session(message, &connection->error);
	if (r == 0 && message->body_case != LEADERD__TO_SESSION__BODY_RESPONSE)
		r = admin_fail(connection, LDS_PROTOCOL, "the leader answered a request with something else");
	if (r < 0) {
		leader_link_close(&connection->link);
		return r;
	}
	*ret = message->response;
	return 0;
}

int admin_read(struct lda_connection *connection, const Leaderd__Response **ret, uint64_t until_us) {
	struct leader_link *link = &connection->link;
	const uint8_t *payload;
	size_t n;
	int r;

	for (;;) {
		if (link->fd < 0)
			return admin_fail(connection, LDS_NOT_RUNNING, "the connection to the leader was lost");
		r = leader_link_receive(link, &connection->error);
		if (r == 0)
			r = wire_reader_next(&link->reader, &payload, &n, &connection->error);
		if (r == WIRE_FRAME)
			return unpack(connection, payload, n, ret);
		if (r == ERROR_NO_MEMORY)
			return r;
		if (r < 0) {
			leader_link_close(link);
			return r;
		}
		if (link->read_ended)
			return lost(connection);
		r = wait_for(connection, POLLIN, until_us);
		if (r < 0)
			return r;
	}
}

int admin_ask(struct lda_connection *connection, Leaderd__Request *request, admin_on_response on_response, void *data) {
	uint64_t until_us = admin_deadline(connection->timeout_ms);
	const Leaderd__Response *response;
	int r = admin_send(connection, request, until_us);

	while (r == 0) {
		r = admin_read(connection, &response, until_us);
		if (r < 0)
			return r;
		if (response->number != request->number) {
			r = admin_take_followed(connection, response);
			continue;
		}
		if (response->code < 0)
			return admin_fail(connection, response->code < ERROR_LAST ? LDS_PROTOCOL : response->code, "%s",
			                  response->error);
		if (on_response)
			r = on_response(connection, response, data);
		if (!response->more)
			break;
	}
	return r;
}
