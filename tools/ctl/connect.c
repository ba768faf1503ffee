/* Reaching the leader; see connect.h. */

#include "connect.h"

#include <limits.h>
#include <poll.h>
#include <time.h>

#include "report.h"

#define ERROR_BYTES 512

static int library_timeout(const struct call *call) {
	return call->timeout_ms < 0 ? INT_MAX : call->timeout_ms;
}

int connect_admin(const struct call *call, struct lda_connection **ret) {
	struct lda_options options = { .size = sizeof(options),
		                           .socket = call->values[OPTION_SOCKET],
		                           .timeout_ms = library_timeout(call) };
	char error[ERROR_BYTES] = "";
	int r = lda_open(ret, &options, error, sizeof(error));

	return r < 0 ? report_code(r, error) : 0;
}

int admin_failed(struct lda_connection *connection, int code) {
	return report_code(code, lda_last_error(connection));
}

int connect_session(const struct call *call, const char *store, uint32_t flags, struct lds_session **ret) {
	struct lds_options options = { .size = sizeof(options),
		                           .flags = flags,
		                           .socket = call->values[OPTION_SOCKET],
		                           .store = store,
		                           .timeout_ms = library_timeout(call) };
	char error[ERROR_BYTES] = "";
	int r = lds_open(ret, &options, error, sizeof(error));

	return r < 0 ? report_code(r, error) : 0;
}

int session_failed(struct lds_session *session, int code) {
	return report_code(code, lds_last_error(session));
}

int ask_status(const struct call *call, const char *store, struct lda_stores **ret) {
	struct lda_connection *connection;
	int r = connect_admin(call, &connection);

	if (r != 0)
		return r;
	r = lda_status(connection, store, ret);
	if (r < 0)
		r = admin_failed(connection, r);
	lda_close(connection);
	return r;
}

void wait_for_turn(struct lds_session *session, uint64_t until_us) {
	struct pollfd fd = { .fd = lds_get_fd(session), .events = (short)lds_get_events(session) };
	uint64_t deadline_us = lds_get_deadline(session);

	poll(&fd, 1, clock_ms_until(deadline_us < until_us ? deadline_us : until_us));
}

static int compare(struct lds_position a, struct lds_position b) {
	if (a.global != b.global)
		return a.global < b.global ? -1 : 1;
	return a.client < b.client ? -1 : a.client > b.client;
}

/* Behind a rebase the head may stand below the one that was asked for. */
static int has_caught_up(struct lds_session *session, const struct lda_store *store, bool *ret) {
	struct lds_status status = { .size = sizeof(status) };
	int r = lds_get_status(session, &status);

	if (r == 0)
		*ret = compare(status.leader_head, store->head) >= 0 || status.generation > store->generation;
	return r;
}

static int catch_up(const struct call *call, struct lds_session *session, const struct lda_store *store) {
	uint64_t until_us = call->timeout_ms < 0 ? UINT64_MAX : clock_us() + (uint64_t)call->timeout_ms * 1000;

	for (;;) {
		bool caught_up = false;
		int turn = lds_process(session), r = has_caught_up(session, store, &caught_up);

		if (turn < 0 || r < 0)
			return session_failed(session, turn < 0 ? turn : r);
		if (caught_up)
			return 0;
		if (clock_us() >= until_us)
			return report_code(LDS_TIMEOUT, "the leader did not send the newest events in time");
		if (turn == 0)
			wait_for_turn(session, until_us);
	}
}

int connect_current(const struct call *call, const char *store, uint32_t flags, struct lds_session **ret) {
	struct lda_stores *stores;
	struct lds_session *session;
	int r = ask_status(call, store, &stores);

	if (r != 0)
		return r;
	r = connect_session(call, store, flags, &session);
	if (r == 0 && stores->n > 0) {
		r = catch_up(call, session, &stores->items[0]);
		if (r != 0)
			lds_close(session);
	}
	lda_stores_free(stores);
	if (r == 0)
		*ret = session;
	return r;
}

uint64_t clock_us(void) {
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int clock_ms_until(uint64_t at_us) {
	uint64_t now = clock_us();

	if (at_us == UINT64_MAX)
		return -1;
	if (at_us <= now)
		return 0;
	return at_us - now > (uint64_t)INT_MAX * 1000 ? INT_MAX : (int)((at_us - now + 999) / 1000);
}
