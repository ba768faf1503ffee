/* A daemon in a process of its own; see raw_daemon.h. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <event2/event.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "leaderd/src/daemon.h"
#include "tests/socket/raw_daemon.h"

struct loop {
	struct event_base *base;
	struct daemon *daemon;
	struct event *accepting, *stopping;
};

static void on_accept(evutil_socket_t fd, short what, void *data) {
	struct loop *loop = data;
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (peer >= 0)
		daemon_accept(loop->daemon, peer);
}

static void on_drained(void *data) {
	struct loop *loop = data;

	event_base_loopbreak(loop->base);
}

static void on_stop(evutil_socket_t fd, short what, void *data) {
	struct loop *loop = data;

	daemon_drain(loop->daemon, on_drained, loop);
}

static void to_stderr(enum log_level level, const char *line, void *data) {
	fprintf(stderr, "daemon: %s\n", line);
}

static int run(const struct raw_daemon *daemon, int listening) {
	struct loop loop = { .base = event_base_new() };
	struct daemon_options options = { .base = loop.base, .data_dir = daemon->folder };
	struct error error;

	log_set_sink(to_stderr, NULL, getenv("LEADERD_DEBUG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
	if (daemon_create(&loop.daemon, &options, &error) < 0) {
		fprintf(stderr, "daemon: %s\n", error.text);
		return 1;
	}
	loop.accepting = event_new(loop.base, listening, EV_READ | EV_PERSIST, on_accept, &loop);
	loop.stopping = evsignal_new(loop.base, SIGTERM, on_stop, &loop);
	event_add(loop.accepting, NULL);
	event_add(loop.stopping, NULL);
	event_base_dispatch(loop.base);
	event_free(loop.accepting);
	event_free(loop.stopping);
	daemon_destroy(loop.daemon);
	event_base_free(loop.base);
	close(listening);
	return 0;
}

static int listen_at(const char *path) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 128), 0);
	return fd;
}

void raw_daemon_start(struct raw_daemon *daemon) {
	/* Bound before the fork: who connects never comes too early. SIGTERM, too, is
	 * kept back until the daemon has its handler. */
	int listening = listen_at(daemon->socket);

	daemon->pid = fork();
	assert_true(daemon->pid >= 0);
	if (daemon->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* exit, not _exit: the leak check runs at exit. */
		exit(run(daemon, listening));
	}
	close(listening);
}

void raw_daemon_create(struct raw_daemon *daemon) {
	*daemon = (struct raw_daemon){ 0 };
	strcpy(daemon->folder, "/tmp/leaderd-test-XXXXXX");
	assert_non_null(mkdtemp(daemon->folder));
	snprintf(daemon->socket, sizeof(daemon->socket), "%s/socket", daemon->folder);
	raw_daemon_start(daemon);
}

static int reap(struct raw_daemon *daemon, int signal) {
	int status = 0;

	if (kill(daemon->pid, signal) < 0)
		fail_msg("the daemon is gone already");
	while (waitpid(daemon->pid, &status, 0) < 0 && errno == EINTR)
		;
	daemon->pid = 0;
	return status;
}

void raw_daemon_stop(struct raw_daemon *daemon) {
	int status = reap(daemon, SIGTERM);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

void raw_daemon_kill(struct raw_daemon *daemon) {
	reap(daemon, SIGKILL);
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place) {
	return remove(path);
}

void raw_daemon_remove(struct raw_daemon *daemon) {
	if (daemon->pid != 0)
		raw_daemon_stop(daemon);
	nftw(daemon->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

int raw_daemon_setup(void **state) {
	struct raw_daemon *daemon = calloc(1, sizeof(*daemon));

	assert_non_null(daemon);
	raw_daemon_create(daemon);
	*state = daemon;
	return 0;
}

int raw_daemon_teardown(void **state) {
	raw_daemon_remove(*state);
	free(*state);
	return 0;
}
