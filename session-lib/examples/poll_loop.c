/*
 * A loop of one's own: poll(2) on the session and on standard input. Each line
 * that is typed becomes a todo; whatever changes, here or elsewhere, is shown.
 *
 *   poll_loop todos.sql
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <leaderd/session.h>

static void on_rows(struct lds_session *session, struct lds_rows *rows, void *data) {
	struct lds_value value;

	(void)session;
	(void)data;
	printf("----\n");
	while (lds_rows_next(rows) == LDS_ROW)
		if (lds_rows_value(rows, 0, &value) == 0)
			printf("%s\n", value.text);
	fflush(stdout);
}

static void on_refused(struct lds_session *session, const struct lds_event *event, const char *reason, void *data) {
	(void)session;
	(void)data;
	printf("not taken: %s: %s\n", event->name, reason);
}

/* How long poll may sleep: until the session's deadline, or for ever. */
static int timeout_ms(const struct lds_session *session) {
	uint64_t deadline = lds_get_deadline(session), now_us;
	struct timespec now;

	if (deadline == UINT64_MAX)
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &now);
	now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	return deadline <= now_us ? 0 : (int)((deadline - now_us + 999) / 1000);
}

static void add(struct lds_session *session, const char *title) {
	static unsigned n;
	char args[512];

	snprintf(args, sizeof(args), "{\"id\":\"%.20s-%u\",\"title\":\"%s\"}", lds_session_id(session), n++, title);
	if (lds_commit(session, "todoCreated", args, NULL) < 0)
		printf("%s\n", lds_last_error(session));
}

/* Each line becomes a todo. False at the end of the input. */
static int read_lines(struct lds_session *session) {
	char text[256], *line, *rest = text;
	ssize_t bytes = read(STDIN_FILENO, text, sizeof(text) - 1);

	if (bytes <= 0)
		return 0;
	text[bytes] = '\0';
	while ((line = strtok_r(NULL, "\n", &rest)) != NULL) {
		line[strcspn(line, "\"\\")] = '\0'; /* what JSON would want escaped */
		add(session, line);
	}
	return 1;
}

static void run(struct lds_session *session) {
	struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN } };

	for (;;) {
		/* Ask each time: the descriptor changes when the leader comes and goes. */
		fds[1].fd = lds_get_fd(session);
		fds[1].events = (short)lds_get_events(session);
		if (poll(fds, 2, timeout_ms(session)) < 0 && errno != EINTR)
			return;
		if ((fds[0].revents & (POLLIN | POLLHUP)) && !read_lines(session))
			return;
		if (lds_process(session) < 0)
			fprintf(stderr, "%s\n", lds_last_error(session));
	}
}

int main(int argc, char **argv) {
	static char schema[256 * 1024 + 1];
	struct lds_options options = { .size = sizeof(options), .store = "org.example.todos", .schema = schema };
	struct lds_session *session = NULL;
	char error[512];
	FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;

	if (!file || fread(schema, 1, sizeof(schema) - 1, file) == 0) {
		fprintf(stderr, "usage: %s SCHEMA\n", argv[0]);
		return 2;
	}
	fclose(file);
	if (lds_open(&session, &options, error, sizeof(error)) < 0) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	lds_on_refused(session, on_refused, NULL);
	lds_subscribe_query(session, "SELECT title FROM todo ORDER BY title", NULL, 0, on_rows, NULL, NULL);
	run(session);
	lds_wait(session, NULL, LDS_DURABLE, 5000);
	lds_close(session);
	return 0;
}
