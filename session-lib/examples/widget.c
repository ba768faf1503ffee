/*
 * A read-only widget: one line that always shows how many todos are open. It
 * opens whatever schema is in force, commits nothing, and keeps showing the last
 * state while the leader is away.
 *
 *   widget STORE
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>

#include <leaderd/session.h>

static void on_rows(struct lds_session *session, struct lds_rows *rows, void *data) {
	struct lds_value open;

	(void)session;
	(void)data;
	if (lds_rows_next(rows) == LDS_ROW && lds_rows_value(rows, 0, &open) == 0)
		printf("\r%lld to do ", (long long)open.integer);
	fflush(stdout);
}

static void on_status(struct lds_session *session, const struct lds_status *status, void *data) {
	(void)session;
	(void)data;
	printf("%s", status->connection == LDS_CONNECTED ? "        " : "(stale) ");
	fflush(stdout);
}

static int timeout_ms(const struct lds_session *session) {
	uint64_t deadline = lds_get_deadline(session), now_us;
	struct timespec now;

	if (deadline == UINT64_MAX)
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &now);
	now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	return deadline <= now_us ? 0 : (int)((deadline - now_us + 999) / 1000);
}

int main(int argc, char **argv) {
	struct lds_options options = { .size = sizeof(options), .flags = LDS_READ_ONLY };
	struct lds_session *session = NULL;
	char error[512];

	if (argc != 2) {
		fprintf(stderr, "usage: %s STORE\n", argv[0]);
		return 2;
	}
	options.store = argv[1];
	if (lds_open(&session, &options, error, sizeof(error)) < 0) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	lds_on_status(session, on_status, NULL);
	if (lds_subscribe_query(session, "SELECT count(*) FROM todo WHERE NOT done", NULL, 0, on_rows, NULL, NULL) < 0) {
		fprintf(stderr, "%s\n", lds_last_error(session));
		lds_close(session);
		return 1;
	}
	for (;;) {
		struct pollfd fd = { .fd = lds_get_fd(session), .events = (short)lds_get_events(session) };

		if (poll(&fd, 1, timeout_ms(session)) < 0 && errno != EINTR)
			break;
		lds_process(session);
	}
	lds_close(session);
	return 0;
}
