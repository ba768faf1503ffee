/* A client that speaks frames; see raw_client.h. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "store/hash.h"
#include "tests/socket/raw_client.h"

#define WAIT_MS 10000

void raw_connect(struct raw_client *client, const char *socket_path) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*client = (struct raw_client){ .image_fd = -1 };
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(client->fd >= 0);
	strncpy(address.sun_path, socket_path, sizeof(address.sun_path) - 1);
	assert_int_equal(connect(client->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

void raw_close(struct raw_client *client) {
	if (client->fd >= 0)
		close(client->fd);
	if (client->image_fd >= 0)
		close(client->image_fd);
	client->fd = client->image_fd = -1;
	wire_arena_clear(&client->arena);
	wire_reader_finish(&client->input);
}

void raw_send_bytes(struct raw_client *client, const void *data, size_t n) {
	const uint8_t *at = data;

	while (n > 0) {
		ssize_t sent = send(client->fd, at, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		assert_true(sent > 0);
		at += sent;
		n -= (size_t)sent;
	}
}

void raw_send(struct raw_client *client, const Leaderd__ToLeader *message) {
	struct bytes frame = { 0 };
	struct error error;

	assert_int_equal(wire_pack_to_leader(&frame, message, &error), 0);
	raw_send_bytes(client, frame.data, frame.n);
	bytes_finish(&frame);
}

/* One read, with the descriptor that may come along; 0 at the end. */
static size_t receive_some(struct raw_client *client) {
	struct pollfd readable = { .fd = client->fd, .events = POLLIN };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr aligned;
	} control;
	size_t room;
	struct iovec piece = { .iov_base = wire_reader_room(&client->input, 4096, &room) };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.bytes,
		                      .msg_controllen = sizeof(control.bytes) };

	if (client->on_wait)
		client->on_wait(client->on_wait_data);
	if (poll(&readable, 1, WAIT_MS) != 1)
		fail_msg("nothing came within %d ms", WAIT_MS);
	piece.iov_len = room;
	ssize_t n = recvmsg(client->fd, &message, MSG_CMSG_CLOEXEC);
	if (n < 0 && errno == ECONNRESET)
		return 0;
	assert_true(n >= 0);
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header) {
		assert_int_equal(header->cmsg_type, SCM_RIGHTS);
		if (client->image_fd >= 0)
			close(client->image_fd);
		memcpy(&client->image_fd, CMSG_DATA(header), sizeof(int));
	}
	wire_reader_filled(&client->input, (size_t)n);
	return (size_t)n;
}

/* NULL: the connection has ended. */
static const Leaderd__ToSession *receive_or_end(struct raw_client *client) {
	const Leaderd__ToSession *message;
	const uint8_t *payload;
	struct error error = { 0 };
	size_t n;
	int r;

	wire_arena_clear(&client->arena);
	while ((r = wire_reader_next(&client->input, &payload, &n, &error)) == 0)
		if (receive_some(client) == 0)
			return NULL;
	assert_int_equal(r, WIRE_FRAME);
	if (wire_unpack_to_session(&client->arena, payload, n, &message, &error) < 0)
		fail_msg("the daemon sent what is not allowed: %s", error.text);
	return message;
}

const Leaderd__ToSession *raw_receive(struct raw_client *client) {
	const Leaderd__ToSession *message = receive_or_end(client);

	assert_non_null(message);
	return message;
}

bool raw_receive_end(struct raw_client *client, int *ret_code, char *ret_text, size_t text_bytes) {
	const Leaderd__ToSession *message;
	bool failed = false;

	while ((message = receive_or_end(client))) {
		assert_false(failed);
		if (message->body_case != LEADERD__TO_SESSION__BODY_FAILURE)
			continue;
		failed = true;
		if (ret_code)
			*ret_code = message->failure->code;
		if (ret_text)
			snprintf(ret_text, text_bytes, "%s", message->failure->error);
	}
	return failed;
}

/* ---- sessions ------------------------------------------------------------------ */

void raw_hello_init(Leaderd__Hello *hello, struct raw_client *client, const char *session_id) {
	static uint8_t fingerprint[32];
	struct hash hash;

	hash_bytes(&hash, RAW_SCHEMA_1, strlen(RAW_SCHEMA_1));
	memcpy(fingerprint, hash.bytes, sizeof(fingerprint));
	snprintf(client->session_id, sizeof(client->session_id), "%s", session_id);
	memset(client->nonce, session_id[0], sizeof(client->nonce));
	leaderd__hello__init(hello);
	hello->protocol = WIRE_PROTOCOL_VERSION;
	hello->store = (char *)"notes";
	hello->session_id = client->session_id;
	hello->nonce.data = client->nonce;
	hello->nonce.len = sizeof(client->nonce);
	hello->schema = (char *)RAW_SCHEMA_1;
	hello->fingerprint.data = fingerprint;
	hello->fingerprint.len = sizeof(fingerprint);
}

const Leaderd__Welcome *raw_hello(struct raw_client *client, Leaderd__Hello *hello) {
	Leaderd__ToLeader message = LEADERD__TO_LEADER__INIT;

	message.body_case = LEADERD__TO_LEADER__BODY_HELLO;
	message.hello = hello;
	raw_send(client, &message);
	const Leaderd__ToSession *answer = raw_receive(client);
	if (answer->body_case == LEADERD__TO_SESSION__BODY_FAILURE)
		fail_msg("no welcome but: %s", answer->failure->error);
	assert_int_equal(answer->body_case, LEADERD__TO_SESSION__BODY_WELCOME);
	snprintf(client->client_id, sizeof(client->client_id), "%s", answer->welcome->client_id);
	wire_point_get(answer->welcome->at, &client->head, &client->last_hash);
	client->last_at = client->head;
	return answer->welcome;
}

void raw_open(struct raw_client *client, const char *socket_path, const char *session_id) {
	Leaderd__Hello hello;

	raw_connect(client, socket_path);
	raw_hello_init(&hello, client, session_id);
	raw_hello(client, &hello);
}

/* ---- events --------------------------------------------------------------------- */

void raw_event_id(struct event_id *ret, uint64_t number) {
	memset(ret->bytes, 0, sizeof(ret->bytes));
	ret->bytes[6] = 0x70;
	ret->bytes[8] = 0x80;
	for (size_t i = 0; i < 6; i++)
		ret->bytes[15 - i] = (uint8_t)(number >> (8 * i));
}

struct event *raw_event(struct raw_client *client, uint64_t number, const char *name, const char *args) {
	struct event *event = event_create(name, args, strlen(args));

	assert_non_null(event);
	raw_event_id(&event->entry.id, number);
	event->entry.unit = event->entry.id;
	event->entry.unit_count = 1;
	event->entry.client_only = strcmp(name, "noteMarked") == 0;
	event->entry.at = client->head = position_next(client->head, event->entry.client_only);
	event->version = 1;
	event->hlc = (struct hlc){ .time_ms = 1700000000000 + number };
	strcpy(event->client_id, client->client_id);
	strcpy(event->session_id, client->session_id);
	hash_content(&event->entry.content, event);
	return event;
}

struct event *raw_note(struct raw_client *client, uint64_t number) {
	char args[64];

	snprintf(args, sizeof(args), "{\"id\":\"n%llu\",\"text\":\"t\"}", (unsigned long long)number);
	return raw_event(client, number, "noteAdded", args);
}

void raw_push_events(struct raw_client *client, struct event *const *events, size_t n_events) {
	Leaderd__ToLeader message = LEADERD__TO_LEADER__INIT;
	Leaderd__Push push = LEADERD__PUSH__INIT;
	Leaderd__Event messages[8], *list[8];
	uint64_t origins[8][2 * ORIGINS_MAX];

	assert_true(n_events <= 8);
	for (size_t i = 0; i < n_events; i++) {
		wire_event_pack(&messages[i], events[i], origins[i]);
		/* What only a leader sends. */
		messages[i].local_hash = messages[i].chain_hash = (ProtobufCBinaryData){ 0 };
		list[i] = &messages[i];
	}
	push.n_events = n_events;
	push.events = list;
	message.body_case = LEADERD__TO_LEADER__BODY_PUSH;
	message.push = &push;
	raw_send(client, &message);
}

void raw_push(struct raw_client *client, struct event *event) {
	raw_push_events(client, &event, 1);
	event_destroy(event);
}

static void take_feed(struct raw_client *client, const Leaderd__Feed *feed) {
	client->n_refused += feed->n_refusals;
	if (feed->n_refusals > 0)
		snprintf(client->last_reason, sizeof(client->last_reason), "%s", feed->refusals[feed->n_refusals - 1]->reason);
	if (feed->rebase) {
		client->n_rebases++;
		client->back_to = (struct position){ feed->back_to->global, feed->back_to->client };
	}
	for (size_t i = 0; i < feed->n_events; i++) {
		const Leaderd__Event *event = feed->events[i];

		client->last_at = (struct position){ event->global, event->client };
		memcpy(client->last_id.bytes, event->id.data, sizeof(client->last_id.bytes));
		memcpy(client->last_hash.bytes, event->local_hash.data, sizeof(client->last_hash.bytes));
		client->n_events++;
		client->n_short += event->short_;
	}
}

void raw_take(struct raw_client *client, uint64_t n_events, uint64_t n_refused) {
	n_events += client->n_events;
	n_refused += client->n_refused;
	while (client->n_events < n_events || client->n_refused < n_refused) {
		const Leaderd__ToSession *message = raw_receive(client);

		if (message->body_case == LEADERD__TO_SESSION__BODY_FAILURE)
			fail_msg("no feed but: %s", message->failure->error);
		if (message->body_case == LEADERD__TO_SESSION__BODY_FEED)
			take_feed(client, message->feed);
	}
	assert_int_equal(client->n_events, n_events);
	assert_int_equal(client->n_refused, n_refused);
}

void raw_take_until(struct raw_client *client, uint64_t number) {
	struct event_id id;

	raw_event_id(&id, number);
	while (!event_id_equal(&client->last_id, &id)) {
		const Leaderd__ToSession *message = raw_receive(client);

		assert_int_equal(message->body_case, LEADERD__TO_SESSION__BODY_FEED);
		take_feed(client, message->feed);
	}
}

void raw_take_trouble(struct raw_client *client, int32_t code) {
	const Leaderd__ToSession *message;

	do {
		message = raw_receive(client);
		assert_int_equal(message->body_case, LEADERD__TO_SESSION__BODY_FEED);
		take_feed(client, message->feed);
	} while (message->feed->heads->trouble_code != code);
}

void raw_events_open(struct raw_client *client, Leaderd__EventsOpen *open) {
	Leaderd__ToLeader message = LEADERD__TO_LEADER__INIT;

	message.body_case = LEADERD__TO_LEADER__BODY_EVENTS_OPEN;
	message.events_open = open;
	raw_send(client, &message);
}

void raw_events_credit(struct raw_client *client, uint64_t number, uint32_t credit) {
	Leaderd__ToLeader message = LEADERD__TO_LEADER__INIT;
	Leaderd__EventsCredit body = LEADERD__EVENTS_CREDIT__INIT;

	body.number = number;
	body.credit = credit;
	message.body_case = LEADERD__TO_LEADER__BODY_EVENTS_CREDIT;
	message.events_credit = &body;
	raw_send(client, &message);
}

const Leaderd__EventsPage *raw_page(struct raw_client *client) {
	const Leaderd__ToSession *message;

	do
		message = raw_receive(client);
	while (message->body_case == LEADERD__TO_SESSION__BODY_FEED);
	assert_int_equal(message->body_case, LEADERD__TO_SESSION__BODY_EVENTS_PAGE);
	return message->events_page;
}

const Leaderd__Response *raw_request(struct raw_client *client, Leaderd__Request *request) {
	Leaderd__ToLeader message = LEADERD__TO_LEADER__INIT;
	const Leaderd__ToSession *answer;

	request->protocol = WIRE_PROTOCOL_VERSION;
	message.body_case = LEADERD__TO_LEADER__BODY_REQUEST;
	message.request = request;
	raw_send(client, &message);
	do
		answer = raw_receive(client);
	while (answer->body_case == LEADERD__TO_SESSION__BODY_FEED);
	assert_int_equal(answer->body_case, LEADERD__TO_SESSION__BODY_RESPONSE);
	assert_int_equal(answer->response->number, request->number);
	return answer->response;
}
