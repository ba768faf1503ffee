/* The scripted leader. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scripted_leader.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "store/hash.h"

#define PATIENCE_MS 10000

static void check(int r, const struct error *error) {
	if (r < 0)
		fail_msg("%s", error->text);
}

/* ---- life ---------------------------------------------------------------------- */

static void listen_again(struct scripted_leader *leader) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", leader->socket);
	leader->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(leader->listen_fd >= 0);
	assert_int_equal(bind(leader->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(leader->listen_fd, 16), 0);
}

static void open_state(struct scripted_leader *leader, const char *schema) {
	struct error error = { 0 };
	struct state_options options = { 0 };

	leader->schema_text = schema;
	check(schema_load(&leader->schema, schema, strlen(schema), "notes", &error), &error);
	options.schema = leader->schema;
	check(state_open(&leader->state, &options, &error), &error);
}

void scripted_start(struct scripted_leader *leader, const char *schema) {
	*leader = (struct scripted_leader){ .listen_fd = -1, .fd = -1, .trouble = "" };
	strcpy(leader->folder, "/tmp/leaderd-session-test-XXXXXX");
	if (!mkdtemp(leader->folder))
		abort();
	snprintf(leader->socket, sizeof(leader->socket), "%s/socket", leader->folder);
	memset(leader->client_id, 'c', CLIENT_ID_BYTES);
	open_state(leader, schema);
	listen_again(leader);
}

void scripted_hang_up(struct scripted_leader *leader) {
	if (leader->fd >= 0)
		close(leader->fd);
	leader->fd = -1;
	wire_reader_finish(&leader->reader);
	wire_arena_clear(&leader->arena);
}

void scripted_leave(struct scripted_leader *leader) {
	scripted_hang_up(leader);
	if (leader->listen_fd >= 0)
		close(leader->listen_fd);
	leader->listen_fd = -1;
	unlink(leader->socket);
}

void scripted_return(struct scripted_leader *leader) {
	listen_again(leader);
}

void scripted_stop(struct scripted_leader *leader) {
	scripted_leave(leader);
	for (size_t i = 0; i < leader->n_log; i++)
		event_destroy(leader->log[i]);
	state_close(leader->state);
	schema_destroy(leader->schema);
	bytes_finish(&leader->output);
	rmdir(leader->folder);
}

static void apply(struct scripted_leader *leader, struct event *event) {
	struct error error = { 0 };
	int r;

	check(state_begin(leader->state, &error), &error);
	r = state_apply(leader->state, &event, 1, &error);
	check(r, &error);
	if (r == STATE_REFUSED) {
		event->digest = 0;
		check(state_skip(leader->state, event, "void", &error), &error);
	}
	check(state_commit(leader->state, &error), &error);
}

void scripted_change_schema(struct scripted_leader *leader, const char *schema) {
	leader->state = state_close(leader->state);
	leader->schema = schema_destroy(leader->schema);
	open_state(leader, schema);
	for (size_t i = 0; i < leader->n_log; i++)
		apply(leader, leader->log[i]);
}

/* ---- frames -------------------------------------------------------------------- */

void scripted_accept(struct scripted_leader *leader) {
	struct pollfd poll_fd = { .fd = leader->listen_fd, .events = POLLIN };

	scripted_hang_up(leader);
	assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);
	leader->fd = accept4(leader->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(leader->fd >= 0);
}

/* False when nothing came in time, or the session hung up. */
static bool receive(struct scripted_leader *leader, int timeout_ms) {
	struct pollfd poll_fd = { .fd = leader->fd, .events = POLLIN };
	size_t room;
	uint8_t *data;
	ssize_t n;

	if (poll(&poll_fd, 1, timeout_ms) != 1)
		return false;
	data = wire_reader_room(&leader->reader, 65536, &room);
	assert_non_null(data);
	n = recv(leader->fd, data, room, 0);
	if (n <= 0)
		return false;
	wire_reader_filled(&leader->reader, (size_t)n);
	return true;
}

static const Leaderd__ToLeader *read_frame(struct scripted_leader *leader, int timeout_ms) {
	const Leaderd__ToLeader *message = NULL;
	struct error error = { 0 };
	const uint8_t *payload;
	size_t n;
	int r;

	while ((r = wire_reader_next(&leader->reader, &payload, &n, &error)) == 0)
		if (!receive(leader, timeout_ms))
			return NULL;
	check(r, &error);
	wire_arena_clear(&leader->arena);
	check(wire_unpack_to_leader(&leader->arena, payload, n, &message, &error), &error);
	return message;
}

/* Acknowledgements come when they like; only who asks for one sees it. */
const Leaderd__ToLeader *scripted_try_read(struct scripted_leader *leader) {
	const Leaderd__ToLeader *message;

	do
		message = read_frame(leader, 0);
	while (message && message->body_case == LEADERD__TO_LEADER__BODY_ACKNOWLEDGE);
	return message;
}

const Leaderd__ToLeader *scripted_read(struct scripted_leader *leader, Leaderd__ToLeader__BodyCase kind) {
	const Leaderd__ToLeader *message;

	do {
		message = read_frame(leader, PATIENCE_MS);
		assert_non_null(message);
	} while (message->body_case == LEADERD__TO_LEADER__BODY_ACKNOWLEDGE && kind != message->body_case);
	assert_int_equal(message->body_case, kind);
	return message;
}

static void write_all(struct scripted_leader *leader, size_t from) {
	while (from < leader->output.n) {
		ssize_t n = send(leader->fd, leader->output.data + from, leader->output.n - from, MSG_NOSIGNAL);

		assert_true(n > 0);
		from += (size_t)n;
	}
	bytes_clear(&leader->output);
}

static void damage(struct scripted_leader *leader) {
	for (int i = 0; i < 4; i++)
		leader->output.data[(size_t)rand_r(leader->damage_seed) % leader->output.n] =
			(uint8_t)rand_r(leader->damage_seed);
}

void scripted_send(struct scripted_leader *leader, const Leaderd__ToSession *message) {
	struct error error = { 0 };

	check(wire_pack_to_session(&leader->output, message, &error), &error);
	if (leader->damage_seed)
		damage(leader);
	write_all(leader, 0);
}

static void send_with_descriptor(struct scripted_leader *leader, const Leaderd__ToSession *message, int fd) {
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct error error = { 0 };
	struct iovec vector;
	struct msghdr header = {
		.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)
	};

	check(wire_pack_to_session(&leader->output, message, &error), &error);
	vector = (struct iovec){ leader->output.data, 1 };
	CMSG_FIRSTHDR(&header)->cmsg_level = SOL_SOCKET;
	CMSG_FIRSTHDR(&header)->cmsg_type = SCM_RIGHTS;
	CMSG_FIRSTHDR(&header)->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&header)), &fd, sizeof(int));
	assert_int_equal(sendmsg(leader->fd, &header, MSG_NOSIGNAL), 1);
	write_all(leader, 1);
}

/* ---- the log --------------------------------------------------------------------- */

static struct position head_of(const struct scripted_leader *leader) {
	return leader->n_log > 0 ? leader->log[leader->n_log - 1]->entry.at : POSITION_ROOT;
}

static struct hash hash_of(const struct scripted_leader *leader, size_t n) {
	return n > 0 ? leader->log[n - 1]->local_hash : (struct hash){ { 0 } };
}

void scripted_append(struct scripted_leader *leader, struct event *event) {
	struct hash previous = hash_of(leader, leader->n_log);

	assert_true(leader->n_log < SCRIPTED_LOG_MAX);
	event_move(event, position_next(head_of(leader), event->entry.client_only), leader->generation);
	hash_local(&event->local_hash, &previous, event->entry.at, &event->entry.content);
	apply(leader, event);
	leader->log[leader->n_log++] = event;
}

size_t scripted_take_push(struct scripted_leader *leader, const Leaderd__Push *push) {
	for (size_t i = 0; i < push->n_events; i++) {
		struct event *event;
		struct error error = { 0 };

		check(wire_event_unpack(&event, push->events[i], &error), &error);
		scripted_append(leader, event);
	}
	return push->n_events;
}

struct event *scripted_foreign(struct scripted_leader *leader, const char *name, const char *args) {
	struct event *event = event_create(name, args, strlen(args));

	assert_non_null(event);
	event_id_make(&event->entry.id, 1000);
	event->entry.unit = event->entry.id;
	event->entry.unit_count = 1;
	event->entry.client_only = strcmp(name, "filterChanged") == 0;
	event->version = 1;
	event->hlc = (struct hlc){ 1000, 0 };
	strcpy(event->client_id, leader->client_id);
	strcpy(event->session_id, "theirs");
	hash_content(&event->entry.content, event);
	scripted_append(leader, event);
	return event;
}

size_t scripted_take_back(struct scripted_leader *leader, size_t to, struct event **ret, size_t n_max) {
	size_t n = leader->n_log - to;
	struct position at = to > 0 ? leader->log[to - 1]->entry.at : POSITION_ROOT;
	struct error error = { 0 };

	assert_true(n <= n_max);
	for (size_t i = 0; i < n; i++)
		ret[i] = leader->log[to + i];
	leader->n_log = to;
	leader->generation++;
	check(state_begin(leader->state, &error), &error);
	assert_int_equal(state_undo(leader->state, at, &error), 0);
	check(state_commit(leader->state, &error), &error);
	return n;
}

/* ---- words ------------------------------------------------------------------------ */

/* Storage that a heads message borrows. */
struct heads {
	Leaderd__Heads message;
	struct hash final_hash;
};

static size_t index_of(const struct scripted_leader *leader, struct position at) {
	for (size_t i = 0; i < leader->n_log; i++)
		if (position_equal(leader->log[i]->entry.at, at))
			return i + 1;
	return 0;
}

static void fill_heads(const struct scripted_leader *leader, struct heads *heads) {
	struct position head = head_of(leader), final = leader->has_backend ? leader->backend : head;
	Leaderd__Heads *message = &heads->message;

	leaderd__heads__init(message);
	heads->final_hash = hash_of(leader, index_of(leader, final));
	message->log_global = head.global;
	message->log_client = head.client;
	message->backend_global = leader->backend.global;
	message->backend_client = leader->backend.client;
	message->final_global = final.global;
	message->final_client = final.client;
	message->generation = leader->generation;
	message->has_backend = leader->has_backend;
	message->trouble = (char *)leader->trouble;
	message->trouble_code = leader->trouble_code;
	if (!position_is_root(final))
		message->final_local_hash = (ProtobufCBinaryData){ sizeof(heads->final_hash.bytes), heads->final_hash.bytes };
}

void scripted_say_welcome(struct scripted_leader *leader, const struct scripted_welcome *options) {
	Leaderd__ToSession message = LEADERD__TO_SESSION__INIT;
	Leaderd__Welcome welcome = LEADERD__WELCOME__INIT;
	Leaderd__Point at;
	struct heads heads;
	struct hash local_hash;
	size_t n = options->image ? leader->n_log : options->n_resumed;
	struct error error = { 0 };
	int fd = -1;

	fill_heads(leader, &heads);
	local_hash = hash_of(leader, n);
	wire_point_set(&at, n > 0 ? leader->log[n - 1]->entry.at : POSITION_ROOT, &local_hash);
	welcome.protocol = options->protocol ? options->protocol : WIRE_PROTOCOL_VERSION;
	welcome.client_id = leader->client_id;
	welcome.image = options->image;
	welcome.at = &at;
	welcome.verdicts = (ProtobufCBinaryData){ options->n_verdicts, (uint8_t *)options->verdicts };
	welcome.heads = &heads.message;
	welcome.schema = (char *)(options->with_schema ? leader->schema_text : "");
	welcome.schema_is_newer = options->schema_is_newer;
	if (options->image) {
		fd = memfd_create("image", MFD_CLOEXEC);
		assert_true(fd >= 0);
		check(state_image_write(leader->state, fd, &welcome.image_bytes, &error), &error);
	}
	message.body_case = LEADERD__TO_SESSION__BODY_WELCOME;
	message.welcome = &welcome;
	if (fd >= 0 && !options->no_descriptor)
		send_with_descriptor(leader, &message, fd);
	else
		scripted_send(leader, &message);
	if (fd >= 0)
		close(fd);
}

static Leaderd__Refusal **make_refusals(struct scripted_leader *leader, const struct scripted_feed *feed,
                                        Leaderd__Refusal *refusals, Leaderd__Event *events,
                                        uint64_t (*origins)[2 * ORIGINS_MAX], Leaderd__Refusal **list) {
	for (size_t i = 0; i < feed->n_refused; i++) {
		wire_event_pack(&events[i], feed->refused[i], origins[i]);
		leaderd__refusal__init(&refusals[i]);
		refusals[i].event = &events[i];
		refusals[i].reason = (char *)feed->refused_reason;
		refusals[i].ordinal = ++leader->refused_ordinal;
		refusals[i].was_pending = true;
		list[i] = &refusals[i];
	}
	return list;
}

void scripted_say_feed(struct scripted_leader *leader, const struct scripted_feed *feed) {
	static Leaderd__Event events[SCRIPTED_LOG_MAX], refused_events[16];
	static Leaderd__Event *list[SCRIPTED_LOG_MAX];
	static uint64_t origins[SCRIPTED_LOG_MAX][2 * ORIGINS_MAX], refused_origins[16][2 * ORIGINS_MAX];
	Leaderd__Refusal refusals[16], *refusal_list[16];
	Leaderd__ToSession message = LEADERD__TO_SESSION__INIT;
	Leaderd__Feed body = LEADERD__FEED__INIT;
	Leaderd__Point back_to;
	const char *mine = feed->short_session ? feed->short_session : "mine";
	struct hash back_hash = hash_of(leader, feed->first), wrong = { { 1 } };
	struct heads heads;

	fill_heads(leader, &heads);
	assert_true(feed->n_refused <= 16);
	for (size_t i = feed->first; i < leader->n_log; i++) {
		size_t k = i - feed->first;

		if (!feed->full && strcmp(leader->log[i]->session_id, mine) == 0)
			wire_event_pack_short(&events[k], leader->log[i]);
		else
			wire_event_pack(&events[k], leader->log[i], origins[k]);
		if (feed->break_hash)
			events[k].local_hash = (ProtobufCBinaryData){ sizeof(wrong.bytes), wrong.bytes };
		if (feed->break_digest)
			events[k].digest ^= 1;
		list[k] = &events[k];
	}
	wire_point_set(&back_to, feed->first > 0 ? leader->log[feed->first - 1]->entry.at : POSITION_ROOT, &back_hash);
	body.n_refusals = feed->n_refused;
	body.refusals = make_refusals(leader, feed, refusals, refused_events, refused_origins, refusal_list);
	body.rebase = feed->rebase;
	body.back_to = feed->rebase ? &back_to : NULL;
	body.n_events = leader->n_log - feed->first;
	body.events = list;
	body.heads = &heads.message;
	message.body_case = LEADERD__TO_SESSION__BODY_FEED;
	message.feed = &body;
	scripted_send(leader, &message);
}

void scripted_say_failure(struct scripted_leader *leader, int code, const char *text) {
	Leaderd__ToSession message = LEADERD__TO_SESSION__INIT;
	Leaderd__Failure failure = LEADERD__FAILURE__INIT;

	failure.code = code;
	failure.error = (char *)text;
	message.body_case = LEADERD__TO_SESSION__BODY_FAILURE;
	message.failure = &failure;
	scripted_send(leader, &message);
}

void scripted_say_hello_again(struct scripted_leader *leader) {
	Leaderd__ToSession message = LEADERD__TO_SESSION__INIT;
	Leaderd__HelloAgain again = LEADERD__HELLO_AGAIN__INIT;

	again.reason = (char *)"the schema changed";
	message.body_case = LEADERD__TO_SESSION__BODY_HELLO_AGAIN;
	message.hello_again = &again;
	scripted_send(leader, &message);
}

/* ---- opening ------------------------------------------------------------------------- */

struct opening {
	const struct lds_options *options;
	struct lds_session *session;
	int r;
};

static void *open_in_thread(void *data) {
	struct opening *opening = data;
	char error[256];

	opening->r = lds_open(&opening->session, opening->options, error, sizeof(error));
	return NULL;
}

struct lds_options scripted_options(const struct scripted_leader *leader) {
	return (struct lds_options){ .size = sizeof(struct lds_options),
		                         .socket = leader->socket,
		                         .store = "notes",
		                         .schema = NOTES_1,
		                         .session_id = "mine",
		                         .timeout_ms = 5000 };
}

int scripted_open(struct scripted_leader *leader, const struct lds_options *options, bool image,
                  struct lds_session **ret) {
	struct scripted_welcome welcome = { .image = image, .with_schema = !options->schema };
	struct opening opening = { .options = options };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, open_in_thread, &opening), 0);
	scripted_accept(leader);
	scripted_read(leader, LEADERD__TO_LEADER__BODY_HELLO);
	scripted_say_welcome(leader, &welcome);
	assert_int_equal(pthread_join(thread, NULL), 0);
	*ret = opening.session;
	return opening.r;
}

struct lds_session *scripted_session(struct scripted_leader *leader) {
	struct lds_options options = scripted_options(leader);
	struct lds_session *session = NULL;

	assert_int_equal(scripted_open(leader, &options, false, &session), 0);
	return session;
}

/* ---- looking ------------------------------------------------------------------------- */

int64_t session_count(struct lds_session *session, const char *sql) {
	struct lds_rows *rows = NULL;
	struct lds_value value;

	if (lds_query(session, sql, NULL, 0, &rows) < 0)
		fail_msg("%s", lds_last_error(session));
	assert_int_equal(lds_rows_next(rows), LDS_ROW);
	assert_int_equal(lds_rows_value(rows, 0, &value), 0);
	lds_rows_close(rows);
	return value.integer;
}

int session_settle(struct lds_session *session) {
	int r;

	do
		r = lds_process(session);
	while (r == LDS_MORE);
	return r;
}

struct lds_status session_status(struct lds_session *session) {
	struct lds_status status = { .size = sizeof(status) };

	assert_int_equal(lds_get_status(session, &status), 0);
	return status;
}

void session_reconnect(struct lds_session *session, struct scripted_leader *leader) {
	while (session_settle(session), session_status(session).connection == LDS_DISCONNECTED) {
		uint64_t deadline_us = lds_get_deadline(session);
		struct timespec now;

		assert_true(deadline_us != UINT64_MAX);
		clock_gettime(CLOCK_MONOTONIC, &now);
		uint64_t now_us = (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
		if (deadline_us > now_us)
			poll(NULL, 0, (int)((deadline_us - now_us) / 1000u) + 1);
	}
	scripted_accept(leader);
}
