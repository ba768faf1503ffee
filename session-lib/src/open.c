/*
 * Opening and closing a session.
 *
 * Opening ends with the first welcome: what the leader has to tell beyond it
 * comes with the first turn, when the app has had time to set its callbacks.
 */

#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "proto/wire.h"

/* ---- options ----------------------------------------------------------------------- */

static int copy_text(struct lds_session *session, char **ret, const char *text) {
	*ret = strdup(text);
	return *ret ? 0 : error_no_memory(&session->error);
}

static int choose_socket(struct lds_session *session, const char *socket) {
	char path[SOCKET_PATH_BYTES_MAX];

	if (!socket || !*socket) {
		if (leader_default_socket(path, sizeof(path), &session->error) < 0)
			return session->error.code;
		socket = path;
	}
	return copy_text(session, &session->socket, socket);
}

static int choose_session_id(struct lds_session *session, const char *id) {
	uint8_t random[16];

	if (!id) {
		arc4random_buf(random, sizeof(random));
		hex_print(session->session_id, random, sizeof(random));
		return 0;
	}
	if (!session_id_is_valid(id))
		return session_fail(session, LDS_INVALID, "the session id was not 1 to %u of [A-Za-z0-9._-]",
		                    SESSION_ID_BYTES_MAX);
	strcpy(session->session_id, id);
	return 0;
}

static int choose_schema(struct lds_session *session, const char *schema, const char *label) {
	int r;

	if (!schema)
		return 0;
	r = session_load_schema(session, schema, label ? label : "schema", &session->app_schema);
	return r < 0 ? r : copy_text(session, &session->app_text, schema);
}

static int take_options(struct lds_session *session, const struct lds_options *options) {
	const char *store = OPTION(options, struct lds_options, store);
	const char *leader_path = OPTION(options, struct lds_options, leader_path);
	int r;

	session->flags = OPTION(options, struct lds_options, flags);
	session->timeout_ms = OPTION(options, struct lds_options, timeout_ms);
	if (session->timeout_ms <= 0)
		session->timeout_ms = SESSION_TIMEOUT_MS;
	if (!store || !store_name_is_valid(store))
		return session_fail(session, LDS_INVALID, "the store's name was not [a-z0-9][a-z0-9._-]{0,63}");
	r = copy_text(session, &session->store, store);
	if (r == 0)
		r = copy_text(session, &session->leader_path, leader_path ? leader_path : "leaderd");
	if (r == 0)
		r = choose_socket(session, OPTION(options, struct lds_options, socket));
	if (r == 0)
		r = choose_session_id(session, OPTION(options, struct lds_options, session_id));
	if (r == 0)
		r = choose_schema(session, OPTION(options, struct lds_options, schema),
		                  OPTION(options, struct lds_options, schema_label));
	return r;
}

/* ---- the first welcome --------------------------------------------------------------- */

static int connect_first(struct lds_session *session, uint64_t until_us) {
	int r = session_connect(session);

	while (r == ERROR_BUSY && clock_monotonic_us() < until_us) {
		session_sleep(session, until_us);
		r = session_connect(session);
	}
	if (r == ERROR_NOT_RUNNING && (session->flags & LDS_START_LEADER))
		r = session_start_leader(session, until_us);
	return r;
}

/* Greeted, and the log taken in up to where it stood then: what the app commits or
 * looks at first must not miss what was durable before it opened. */
static bool is_open(const struct lds_session *session) {
	return session->machine.link == SESSION_LIVE &&
	       position_compare(session->machine.heads.leader, session->log_head) >= 0;
}

static int greet(struct lds_session *session, uint64_t until_us) {
	while (!is_open(session)) {
		int r = session_turn(session);

		if (session->failed.code)
			return session_fail(session, session->failed.code, "%s", session->failed.text);
		if (r < 0)
			return r;
		if (is_open(session))
			break;
		if (session->link.fd < 0 && session->error.code == ERROR_NOT_RUNNING)
			return session->error.code;
		if (clock_monotonic_us() >= until_us)
			return session_fail(session, LDS_TIMEOUT, "the leader on %s did not answer in time", session->socket);
		session_sleep(session, until_us);
	}
	return 0;
}

static int open_session(struct lds_session *session, const struct lds_options *options) {
	uint64_t until_us;
	int r = take_options(session, options);

	if (r < 0)
		return r;
	until_us = clock_monotonic_us() + (uint64_t)session->timeout_ms * 1000u;
	r = connect_first(session, until_us);
	if (r == 0)
		r = greet(session, until_us);
	if (r < 0)
		return r;
	session->opening = false;
	memset(session->changed, 0, sizeof(session->changed));
	session->any_changed = session->schema_changed = session->status_changed = false;
	return session->schema_is_newer ? LDS_NEWER : 0;
}

static struct lds_session *session_create(void) {
	struct lds_session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->magic = SESSION_MAGIC;
	session->pid = getpid();
	session->opening = true;
	session->delay_ms = RECONNECT_DELAY_MS_MIN;
	session->retry_at_us = UINT64_MAX;
	arc4random_buf(session->nonce, sizeof(session->nonce));
	session_machine_init(&session->machine);
	pending_table_init(&session->pending);
	leader_link_init(&session->link);
	TAILQ_INIT(&session->subscriptions);
	TAILQ_INIT(&session->refusals);
	TAILQ_INIT(&session->rows);
	TAILQ_INIT(&session->events);
	return session;
}

int lds_open(struct lds_session **ret_session, const struct lds_options *options, char *ret_error, size_t error_bytes) {
	struct lds_session *session;
	struct error error = { 0 };
	int r;

	if (!ret_session || !options || options->size < sizeof(options->size))
		r = error_set(&error, LDS_INVALID, "open needs options that have a size, and a place for the session");
	else if (!(session = session_create()))
		r = error_no_memory(&error);
	else {
		r = open_session(session, options);
		if (r >= 0) {
			*ret_session = session;
			return r;
		}
		error = session->error;
		session_free(session);
	}
	if (ret_error && error_bytes > 0)
		snprintf(ret_error, error_bytes, "%s", error.text);
	return r;
}

/* ---- the end ---------------------------------------------------------------------------- */

void session_free(struct lds_session *session) {
	session->magic = 0;
	rows_close_all(session);
	events_close_all(session);
	subscriptions_free(session);
	while (!TAILQ_EMPTY(&session->refusals)) {
		struct refusal *refusal = TAILQ_FIRST(&session->refusals);

		TAILQ_REMOVE(&session->refusals, refusal, list);
		refusal_free(refusal);
	}
	wire_arena_clear(&session->arena);
	leader_link_close(&session->link);
	pending_table_finish(&session->pending);
	session_machine_finish(&session->machine);
	state_close(session->state);
	for (size_t i = 0; i < SESSION_SCHEMAS_MAX; i++)
		schema_destroy(session->schemas[i]);
	free(session->socket);
	free(session->store);
	free(session->app_text);
	free(session->leader_path);
	free(session);
}

int lds_close(struct lds_session *session) {
	if (!session)
		return 0;
	if (session->magic != SESSION_MAGIC || session->calling > 0)
		return LDS_INVALID;
	if (session->pid == getpid())
		session_send(session);
	session_free(session);
	return 0;
}

const char *lds_last_error(const struct lds_session *session) {
	if (!session || session->magic != SESSION_MAGIC)
		return "the session is not open";
	if (session->pid != getpid())
		return "the session belongs to the process that opened it, not to this child of it";
	return session->error.text;
}

const char *lds_session_id(const struct lds_session *session) {
	return session_enter(session) < 0 ? "" : session->session_id;
}

const char *lds_client_id(const struct lds_session *session) {
	return session_enter(session) < 0 ? "" : session->client_id;
}
