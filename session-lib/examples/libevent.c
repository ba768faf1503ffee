/*
 * A session in a libevent loop: one event for its descriptor, one timer for its
 * deadline, both set again after each turn. Counts the rows of a table.
 *
 *   libevent STORE TABLE
 *
 *   cc libevent.c $(pkg-config --cflags --libs leaderd-session libevent_core) -o libevent
 */

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <event2/event.h>
#include <leaderd/session.h>

struct watch {
	struct event_base *base;
	struct event *io, *timer;
	struct lds_session *session;
	const char *table;
};

static void on_ready(evutil_socket_t fd, short events, void *data);

static void set_timer(struct watch *watch) {
	uint64_t deadline = lds_get_deadline(watch->session), now_us, left;
	struct timespec now;
	struct timeval timeout;

	event_del(watch->timer);
	if (deadline == UINT64_MAX)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	left = deadline > now_us ? deadline - now_us : 0;
	timeout.tv_sec = (time_t)(left / 1000000);
	timeout.tv_usec = (suseconds_t)(left % 1000000);
	event_add(watch->timer, &timeout);
}

/* The descriptor and what to wait for may be others after each turn. */
static void set_io(struct watch *watch) {
	int fd = lds_get_fd(watch->session), events = lds_get_events(watch->session);
	short kinds = (short)((events & POLLIN ? EV_READ : 0) | (events & POLLOUT ? EV_WRITE : 0));

	event_del(watch->io);
	if (fd < 0 || kinds == 0)
		return;
	event_assign(watch->io, watch->base, fd, kinds, on_ready, watch);
	event_add(watch->io, NULL);
}

static void on_ready(evutil_socket_t fd, short events, void *data) {
	struct watch *watch = data;

	(void)fd;
	(void)events;
	if (lds_process(watch->session) < 0)
		fprintf(stderr, "%s\n", lds_last_error(watch->session));
	set_io(watch);
	set_timer(watch);
}

static void on_tables(struct lds_session *session, const char *const *tables, size_t n_tables, void *data) {
	const struct watch *watch = data;
	struct lds_rows *rows;
	struct lds_value count;
	char sql[256];

	(void)tables;
	(void)n_tables;
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM \"%s\"", watch->table);
	if (lds_query(session, sql, NULL, 0, &rows) < 0)
		return;
	if (lds_rows_next(rows) == LDS_ROW && lds_rows_value(rows, 0, &count) == 0)
		printf("%s: %lld rows\n", watch->table, (long long)count.integer);
	fflush(stdout);
	lds_rows_close(rows);
}

static void on_status(struct lds_session *session, const struct lds_status *status, void *data) {
	(void)session;
	(void)data;
	if (status->connection == LDS_DISCONNECTED)
		printf("the leader is away, %llu pending\n", (unsigned long long)status->pending);
}

int main(int argc, char **argv) {
	struct lds_options options = { .size = sizeof(options), .flags = LDS_READ_ONLY };
	struct watch watch = { 0 };
	char error[512];

	if (argc != 3) {
		fprintf(stderr, "usage: %s STORE TABLE\n", argv[0]);
		return 2;
	}
	options.store = argv[1];
	watch.table = argv[2];
	if (lds_open(&watch.session, &options, error, sizeof(error)) < 0) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	watch.base = event_base_new();
	watch.io = event_new(watch.base, -1, EV_READ, on_ready, &watch);
	watch.timer = event_new(watch.base, -1, 0, on_ready, &watch);
	if (!watch.base || !watch.io || !watch.timer ||
	    lds_subscribe(watch.session, &watch.table, 1, on_tables, &watch, NULL) < 0) {
		fprintf(stderr, "cannot watch %s\n", watch.table);
		return 1;
	}
	lds_on_status(watch.session, on_status, NULL);
	on_tables(watch.session, NULL, 0, &watch);
	on_ready(-1, 0, &watch);
	event_base_dispatch(watch.base);
	lds_close(watch.session);
	return 0;
}
