/* One adapter process, on a socketpair as descriptor 3, and the bytes to and from it. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/must.h"
#include "conformance.h"

#define EXIT_MS 10000
#define SELDOM_MS 600000u

static _Noreturn void become_adapter(const char *program, int fd, unsigned poll_ms) {
	char text[16];

	snprintf(text, sizeof(text), "%u", poll_ms == 0 ? SELDOM_MS : poll_ms);
	setenv("ADAPTER_POLL_MS", text, 1);
	if (fd == ADAPTER_DESCRIPTOR)
		fcntl(fd, F_SETFD, 0);
	else
		dup2(fd, ADAPTER_DESCRIPTOR);
	execl(program, program, (char *)NULL);
	perror(program);
	_exit(127);
}

struct client *client_start(struct trial *trial, unsigned poll_ms) {
	struct client *client = calloc(1, sizeof(*client));
	int fds[2];

	expect(trial, trial->n_clients < CLIENTS_MAX, "the story started too many adapters");
	must(client != NULL);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	client->trial = trial;
	client->fd = fds[0];
	for (size_t i = 0; i < CLIENT_ID_BYTES; i++)
		client->client_id[i] = "0123456789abcdef"[trial_between(trial, 0, 15)];
	arc4random_buf(client->new_lineage, sizeof(client->new_lineage));
	client->pid = fork();
	must(client->pid >= 0);
	if (client->pid == 0)
		become_adapter(trial->options->program, fds[1], poll_ms);
	close(fds[1]);
	client->pid_fd = pidfd_open(client->pid, 0);
	must(client->pid_fd >= 0);
	trial->clients[trial->n_clients++] = client;
	return client;
}

void client_destroy(struct client *client) {
	struct trial *trial = client->trial;

	for (size_t i = 0; i < trial->n_clients; i++)
		if (trial->clients[i] == client)
			trial->clients[i--] = trial->clients[--trial->n_clients];
	if (client->pid > 0) {
		kill(client->pid, SIGKILL);
		waitpid(client->pid, NULL, 0);
	}
	if (client->fd >= 0)
		close(client->fd);
	close(client->pid_fd);
	wire_reader_finish(&client->reader);
	wire_arena_clear(&client->arena);
	free(client);
}

void client_kill(struct client *client) {
	client_destroy(client);
}

bool client_is_alive(struct client *client) {
	struct pollfd descriptor = { .fd = client->pid_fd, .events = POLLIN };

	return poll(&descriptor, 1, 0) == 0;
}

int client_hang_up(struct client *client) {
	struct pollfd descriptor = { .fd = client->pid_fd, .events = POLLIN };
	int status;

	close(client->fd);
	client->fd = -1;
	expect(client->trial, poll(&descriptor, 1, EXIT_MS) == 1, "the adapter did not end when its leader hung up");
	waitpid(client->pid, &status, 0);
	client->pid = 0;
	client_destroy(client);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Reads what is there; false when the adapter hung up. */
static bool read_some(struct client *client) {
	size_t n_room;
	uint8_t *room = wire_reader_room(&client->reader, 65536, &n_room);
	ssize_t n;

	must(room != NULL);
	n = recv(client->fd, room, n_room, MSG_DONTWAIT);
	if (n > 0)
		wire_reader_filled(&client->reader, (size_t)n);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* As a leader does, it reads while it writes: a live page may be on its way. */
void client_send_bytes(struct client *client, const void *data, size_t n) {
	const uint8_t *at = data;
	int64_t end = now_ms() + ANSWER_MS;

	while (n > 0) {
		struct pollfd descriptor = { .fd = client->fd, .events = POLLIN | POLLOUT };

		expect(client->trial, poll(&descriptor, 1, (int)(end - now_ms())) == 1, "the adapter took no request");
		if ((descriptor.revents & POLLIN) != 0)
			expect(client->trial, read_some(client), "the adapter hung up instead of taking a request");
		ssize_t sent = send(client->fd, at, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		expect(client->trial, sent > 0 || errno == EAGAIN || errno == EINTR, "cannot write to the adapter: %s",
		       strerror(errno));
		if (sent > 0) {
			at += sent;
			n -= (size_t)sent;
		}
	}
}

static void send_message(struct client *client, const Leaderd__ToAdapter *message) {
	struct bytes frame = { 0 };
	struct error error = { 0 };
	int r = backend_pack_to_adapter(&frame, message, &error);

	if (r == 0)
		client_send_bytes(client, frame.data, frame.n);
	bytes_finish(&frame);
	expect(client->trial, r == 0, "%s", error.text);
}

bool client_has_news(struct client *client, int timeout_ms) {
	struct pollfd descriptor = { .fd = client->fd, .events = POLLIN };

	return client->reader.input.n > client->reader.at || poll(&descriptor, 1, timeout_ms) == 1;
}

static const Leaderd__FromAdapter *receive(struct client *client, int timeout_ms) {
	struct trial *trial = client->trial;
	int64_t end = now_ms() + timeout_ms;
	const Leaderd__FromAdapter *message;
	struct error error = { 0 };
	const uint8_t *payload;
	size_t n;
	int r;

	wire_arena_clear(&client->arena);
	while ((r = wire_reader_next(&client->reader, &payload, &n, &error)) == 0) {
		struct pollfd descriptor = { .fd = client->fd, .events = POLLIN };
		int64_t left = end - now_ms();

		expect(trial, poll(&descriptor, 1, left < 0 ? 0 : (int)left) == 1, "nothing came in %d ms", timeout_ms);
		expect(trial, read_some(client), "the adapter hung up instead of answering");
	}
	if (r > 0)
		r = backend_unpack_from_adapter(&client->arena, payload, n, &message, &error);
	expect(trial, r >= 0, "the adapter's message was not valid: %s", error.text);
	return message;
}

static ProtobufCBinaryData lend(const void *data, size_t n) {
	return (ProtobufCBinaryData){ .len = n, .data = (uint8_t *)data };
}

void client_send_open(struct client *client, const struct knowledge *knowledge) {
	Leaderd__ToAdapter message = LEADERD__TO_ADAPTER__INIT;
	Leaderd__Open body = LEADERD__OPEN__INIT;
	Leaderd__BackendPoint confirmed;

	point_set(&confirmed, &knowledge->confirmed);
	body.number = ++client->number;
	body.protocol = BACKEND_PROTOCOL_VERSION;
	body.store = client->trial->store;
	body.url = (char *)(knowledge->url == NULL ? client->trial->options->url : knowledge->url);
	if (knowledge->lineage != NULL)
		body.lineage = lend(knowledge->lineage, BACKEND_LINEAGE_BYTES);
	body.epoch = knowledge->epoch;
	body.confirmed = &confirmed;
	body.client_id = client->client_id;
	body.new_lineage = lend(client->new_lineage, sizeof(client->new_lineage));
	message.body_case = LEADERD__TO_ADAPTER__BODY_OPEN;
	message.open = &body;
	send_message(client, &message);
}

static void get_problem(const Leaderd__Problem *message, struct problem *ret) {
	*ret = (struct problem){ .code = message->code, .permanent = message->permanent };
	snprintf(ret->text, sizeof(ret->text), "%s", message->text);
	ret->has_lineage = message->lineage.len > 0;
	if (ret->has_lineage)
		memcpy(ret->lineage, message->lineage.data, sizeof(ret->lineage));
}

static bool take_opened(struct client *client, struct problem *ret) {
	const Leaderd__FromAdapter *message = receive(client, ANSWER_MS);
	const Leaderd__Opened *opened = message->opened;

	if (message->body_case == LEADERD__FROM_ADAPTER__BODY_PROBLEM) {
		get_problem(message->problem, ret);
		return false;
	}
	expect(client->trial, message->body_case == LEADERD__FROM_ADAPTER__BODY_OPENED, "an open was answered by body %d",
	       message->body_case);
	expect(client->trial, opened->number == client->number, "an answer bore another number than its request");
	memcpy(client->opened.lineage, opened->lineage.data, sizeof(client->opened.lineage));
	client->opened.epoch = opened->epoch;
	point_get(&client->opened.head, opened->head);
	client->opened.batch_events_max = opened->batch_events_max;
	client->opened.batch_bytes_max = opened->batch_bytes_max;
	client->opened.event_bytes_max = opened->event_bytes_max;
	client->opened.live = opened->live;
	return true;
}

void client_take_opened(struct client *client) {
	struct problem problem;

	expect(client->trial, take_opened(client, &problem), "cannot open: %s (%s)", problem.text,
	       error_name(problem.code));
}

bool client_try_open(struct client *client, const struct knowledge *knowledge, struct problem *ret) {
	client_send_open(client, knowledge);
	return take_opened(client, ret);
}

void client_open_knowing(struct client *client, const struct knowledge *knowledge) {
	client_send_open(client, knowledge);
	client_take_opened(client);
}

void client_open(struct client *client) {
	client_open_knowing(client, &(struct knowledge){ 0 });
}

void client_send_push(struct client *client, const struct batch *batch) {
	Leaderd__ToAdapter message = LEADERD__TO_ADAPTER__INIT;
	Leaderd__PushBatch body = LEADERD__PUSH_BATCH__INIT;
	Leaderd__Event *events = calloc(batch->n, sizeof(*events));
	Leaderd__Event **list = calloc(batch->n, sizeof(Leaderd__Event *));
	Leaderd__BackendPoint parent;

	must(events != NULL && list != NULL);
	for (size_t i = 0; i < batch->n; i++) {
		backend_event_pack(&events[i], batch->events[i]);
		list[i] = &events[i];
	}
	point_set(&parent, batch->parent);
	body.number = ++client->number;
	body.parent = &parent;
	body.events = list;
	body.n_events = batch->n;
	message.body_case = LEADERD__TO_ADAPTER__BODY_PUSH;
	message.push = &body;
	send_message(client, &message);
	free(events);
	free(list);
}

struct answer client_take_answer(struct client *client) {
	const Leaderd__FromAdapter *message = receive(client, ANSWER_MS);
	const Leaderd__PushAnswer *body = message->push_answer;
	struct answer answer = { 0 };

	if (message->body_case == LEADERD__FROM_ADAPTER__BODY_PROBLEM) {
		get_problem(message->problem, &answer.problem);
		return answer;
	}
	expect(client->trial, message->body_case == LEADERD__FROM_ADAPTER__BODY_PUSH_ANSWER,
	       "a push was answered by body %d", message->body_case);
	expect(client->trial, body->number == client->number, "an answer bore another number than its request");
	answer.result = (enum push_result)body->result;
	point_get(&answer.head, body->head);
	answer.n_refused = body->refused.len / sizeof(struct event_id);
	if (answer.n_refused > 0)
		wire_id_at(&answer.refused, &body->refused, 0);
	answer.permanent = body->permanent;
	snprintf(answer.reason, sizeof(answer.reason), "%s", body->reason);
	return answer;
}

void client_send_pull(struct client *client, const struct ask *ask) {
	Leaderd__ToAdapter message = LEADERD__TO_ADAPTER__INIT;
	Leaderd__Pull body = LEADERD__PULL__INIT;
	struct backend_point root = { 0 };
	Leaderd__BackendPoint after;

	point_set(&after, ask->after == NULL ? &root : ask->after);
	body.number = ++client->number;
	body.after = &after;
	body.live = ask->live;
	body.events_max = ask->events_max == 0 ? UPSTREAM_PAGE_EVENTS_MAX : (uint32_t)ask->events_max;
	body.bytes_max = ask->bytes_max == 0 ? UNIT_BYTES_MAX : ask->bytes_max;
	message.body_case = LEADERD__TO_ADAPTER__BODY_PULL;
	message.pull = &body;
	send_message(client, &message);
}

struct page client_take_page(struct client *client, int timeout_ms) {
	const Leaderd__FromAdapter *message = receive(client, timeout_ms);
	const Leaderd__Page *body = message->page;
	struct page page = { 0 };
	struct error error = { 0 };

	if (message->body_case == LEADERD__FROM_ADAPTER__BODY_PROBLEM) {
		page.problem = true;
		get_problem(message->problem, &page.what);
		return page;
	}
	expect(client->trial, message->body_case == LEADERD__FROM_ADAPTER__BODY_PAGE, "a pull was answered by body %d",
	       message->body_case);
	page.n = body->n_events;
	if (page.n > 0)
		must(events_get(&page.events, body->events, body->n_events, &error) == 0);
	point_get(&page.end, body->end);
	point_get(&page.head, body->head);
	page.more = body->more;
	page.diverged = body->diverged;
	return page;
}

void page_finish(struct page *page) {
	events_free(page->events, page->n);
	*page = (struct page){ 0 };
}

uint64_t client_ping(struct client *client) {
	Leaderd__ToAdapter message = LEADERD__TO_ADAPTER__INIT;
	Leaderd__Ping body = LEADERD__PING__INIT;
	const Leaderd__FromAdapter *answer;

	body.number = ++client->number;
	message.body_case = LEADERD__TO_ADAPTER__BODY_PING;
	message.ping = &body;
	send_message(client, &message);
	answer = receive(client, ANSWER_MS);
	expect(client->trial, answer->body_case == LEADERD__FROM_ADAPTER__BODY_PONG, "a ping was answered by body %d",
	       answer->body_case);
	return answer->pong->number;
}
