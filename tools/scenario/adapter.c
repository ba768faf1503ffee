/*
 * What stands in a backend's log, asked as a leader would: through the adapter's
 * program, by an open and pulls from the beginning. So it is the same for every
 * kind of backend, and nothing of this tool knows how one stores its log.
 */

#include <errno.h>
#include <fcntl.h>
#include <leaderd/session.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/must.h"
#include "scenario.h"

#define ADAPTER_DESCRIPTOR 3

/* ---- its process ------------------------------------------------------------------------- */

/* As the leader finds it: in LEADERD_BACKEND_PATH, then where it is installed. */
static void find_program(const char *kind, char ret[ADAPTER_PATH_BYTES]) {
	const char *at = getenv("LEADERD_BACKEND_PATH");

	while (at != NULL && *at != '\0') {
		size_t n = strcspn(at, ":");

		snprintf(ret, ADAPTER_PATH_BYTES, "%.*s/leaderd-backend-%s", (int)n, at, kind);
		if (access(ret, X_OK) == 0)
			return;
		at += n + (at[n] == ':');
	}
	snprintf(ret, ADAPTER_PATH_BYTES, "%s/leaderd-backend-%s", LEADERD_LIBEXECDIR, kind);
}

static _Noreturn void become_adapter(const char *program, int fd) {
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd == ADAPTER_DESCRIPTOR)
		fcntl(fd, F_SETFD, 0);
	else
		dup2(fd, ADAPTER_DESCRIPTOR);
	execl(program, program, (char *)NULL);
	fprintf(stderr, "leader-scenario: cannot run %s: %s\n", program, strerror(errno));
	_exit(127);
}

static int start(struct adapter *adapter, const char *kind, struct error *error) {
	char program[ADAPTER_PATH_BYTES];
	int ends[2];

	find_program(kind, program);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return error_set(error, ERROR_IO, "socketpair: %s", strerror(errno));
	adapter->process = fork();
	if (adapter->process == 0)
		become_adapter(program, ends[1]);
	close(ends[1]);
	adapter->fd = ends[0];
	if (adapter->process > 0)
		return 0;
	adapter->process = 0;
	close(adapter->fd);
	return error_set(error, ERROR_IO, "cannot fork: %s", strerror(errno));
}

void adapter_end(struct adapter *adapter) {
	if (adapter->process > 0) {
		kill(adapter->process, SIGKILL);
		waitpid(adapter->process, NULL, 0);
		close(adapter->fd);
	}
	wire_reader_finish(&adapter->reader);
	wire_arena_clear(&adapter->arena);
	*adapter = (struct adapter){ 0 };
}

/* ---- questions --------------------------------------------------------------------------- */

static int send_message(struct adapter *adapter, const Leaderd__ToAdapter *message, struct error *error) {
	struct bytes frame = { 0 };
	int r = backend_pack_to_adapter(&frame, message, error);

	/* A question is short and comes alone: the socket has room for it. */
	if (r == 0 && send(adapter->fd, frame.data, frame.n, MSG_NOSIGNAL) != (ssize_t)frame.n)
		r = error_set(error, ERROR_IO, "the adapter took no request: %s", strerror(errno));
	bytes_finish(&frame);
	return r;
}

static int read_some(struct adapter *adapter, struct error *error) {
	struct pollfd ready = { adapter->fd, POLLIN, 0 };
	uint8_t *room;
	ssize_t got;
	size_t n;

	if (poll(&ready, 1, REPLY_MS) != 1)
		return error_set(error, ERROR_TIMEOUT, "the adapter did not answer");
	room = wire_reader_room(&adapter->reader, 65536, &n);
	if (room == NULL)
		return error_no_memory(error);
	got = read(adapter->fd, room, n);
	if (got <= 0)
		return error_set(error, ERROR_IO, "the adapter ended instead of answering");
	wire_reader_filled(&adapter->reader, (size_t)got);
	return 0;
}

/* The answer lives in the arena until the next one. A problem is an error. */
static int take_answer(struct adapter *adapter, const Leaderd__FromAdapter **ret, struct error *error) {
	const Leaderd__FromAdapter *message = NULL;
	const uint8_t *payload;
	size_t n;
	int r;

	wire_arena_clear(&adapter->arena);
	while ((r = wire_reader_next(&adapter->reader, &payload, &n, error)) == 0) {
		r = read_some(adapter, error);
		if (r < 0)
			return r;
	}
	if (r > 0)
		r = backend_unpack_from_adapter(&adapter->arena, payload, n, &message, error);
	if (r < 0)
		return r;
	must(message != NULL);
	if (message->body_case == LEADERD__FROM_ADAPTER__BODY_PROBLEM)
		return error_set(error, ERROR_IO, "%s", message->problem->text);
	*ret = message;
	return 0;
}

static int open_log(struct adapter *adapter, const char *url, struct error *error) {
	Leaderd__ToAdapter message = LEADERD__TO_ADAPTER__INIT;
	Leaderd__Open open = LEADERD__OPEN__INIT;
	const Leaderd__FromAdapter *answer = NULL;
	uint8_t new_lineage[BACKEND_LINEAGE_BYTES];
	char client_id[CLIENT_ID_BYTES + 1] = { 0 };
	int r;

	memset(client_id, '0', CLIENT_ID_BYTES);
	arc4random_buf(new_lineage, sizeof(new_lineage));
	open.number = ++adapter->number;
	open.protocol = BACKEND_PROTOCOL_VERSION;
	open.store = (char *)STORE;
	open.url = (char *)url;
	open.client_id = client_id;
	open.new_lineage.data = new_lineage;
	open.new_lineage.len = sizeof(new_lineage);
	message.body_case = LEADERD__TO_ADAPTER__BODY_OPEN;
	message.open = &open;
	r = send_message(adapter, &message, error);
	if (r == 0)
		r = take_answer(adapter, &answer, error);
	if (r == 0 && answer->body_case != LEADERD__FROM_ADAPTER__BODY_OPENED)
		r = error_set(error, ERROR_PROTOCOL, "an open was answered by message %d", (int)answer->body_case);
	return r;
}

int adapter_need(struct adapter *adapter, const char *kind, const char *url, struct error *error) {
	int r;

	if (adapter->process > 0)
		return 0;
	r = start(adapter, kind, error);
	return r < 0 ? r : open_log(adapter, url, error);
}

/* ---- the log ----------------------------------------------------------------------------- */

static int pull_page(struct adapter *adapter, const Leaderd__BackendPoint *after, const Leaderd__Page **ret,
                     struct error *error) {
	Leaderd__ToAdapter message = LEADERD__TO_ADAPTER__INIT;
	Leaderd__Pull pull = LEADERD__PULL__INIT;
	const Leaderd__FromAdapter *answer = NULL;
	int r;

	pull.number = ++adapter->number;
	pull.after = (Leaderd__BackendPoint *)after;
	pull.events_max = CHAIN_TOKENS_MAX;
	pull.bytes_max = UNIT_BYTES_MAX;
	message.body_case = LEADERD__TO_ADAPTER__BODY_PULL;
	message.pull = &pull;
	r = send_message(adapter, &message, error);
	if (r == 0)
		r = take_answer(adapter, &answer, error);
	if (r < 0)
		return r;
	must(answer != NULL);
	if (answer->body_case != LEADERD__FROM_ADAPTER__BODY_PAGE)
		return error_set(error, ERROR_PROTOCOL, "a pull was answered by message %d", (int)answer->body_case);
	if (answer->page->diverged)
		return error_set(error, ERROR_CONFLICT, "the log changed while it was read");
	*ret = answer->page;
	return 0;
}

static int add_page(struct chain *chain, const Leaderd__Page *page, struct error *error) {
	int r = 0;

	for (size_t i = 0; i < page->n_events && r == 0; i++) {
		const Leaderd__Event *message = page->events[i];
		const struct lds_event event = { .name = message->name,
			                             .args = (const char *)message->args.data,
			                             .args_bytes = message->args.len,
			                             .position = { message->global, message->client },
			                             .confirmed = true };

		r = chain_add(chain, &event, NULL, error);
	}
	return r;
}

/* Where the next page begins; it outlives the arena that the page lived in. */
struct place {
	Leaderd__BackendPoint message;
	struct hash hash;
	uint8_t cursor[BACKEND_CURSOR_BYTES_MAX];
};

static void move_behind(struct place *place, const Leaderd__BackendPoint *end) {
	leaderd__backend_point__init(&place->message);
	place->message.global = end->global;
	if (end->global > 0) {
		memcpy(&place->hash, end->chain_hash.data, sizeof(place->hash));
		place->message.chain_hash = (ProtobufCBinaryData){ sizeof(place->hash), place->hash.bytes };
	}
	if (end->cursor.len > 0)
		memcpy(place->cursor, end->cursor.data, end->cursor.len);
	place->message.cursor = (ProtobufCBinaryData){ end->cursor.len, place->cursor };
}

int adapter_chain(struct adapter *adapter, struct chain *ret, struct hash *ret_hash, struct error *error) {
	struct place place = { .message = LEADERD__BACKEND_POINT__INIT };
	bool more = true;

	ret->n = 0;
	while (more) {
		const Leaderd__Page *page = NULL;
		int r = pull_page(adapter, &place.message, &page, error);

		if (r == 0)
			r = add_page(ret, page, error);
		if (r < 0)
			return r;
		more = page->more;
		if (page->end != NULL)
			move_behind(&place, page->end);
	}
	*ret_hash = place.hash;
	return 0;
}
