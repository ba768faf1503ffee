/* The real daemon, for tests. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon.h"

#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "scripted_leader.h"

const char *daemon_program;

void daemon_home_make(struct daemon_home *home) {
	strcpy(home->folder, "/tmp/leaderd-daemon-test-XXXXXX");
	if (!mkdtemp(home->folder))
		abort();
	strcat(strcpy(home->socket, home->folder), "/run/socket");
	setenv("XDG_DATA_HOME", home->folder, 1);
	setenv("XDG_CONFIG_HOME", home->folder, 1);
	setenv("XDG_RUNTIME_DIR", home->folder, 1);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
	(void)status;
	(void)kind;
	(void)place;
	return remove(path);
}

void daemon_home_remove(struct daemon_home *home) {
	daemon_end(home, SIGTERM);
	nftw(home->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct lds_options daemon_options(const struct daemon_home *home, const char *session_id) {
	return (struct lds_options){ .size = sizeof(struct lds_options),
		                         .flags = LDS_START_LEADER,
		                         .socket = home->socket,
		                         .store = "notes",
		                         .schema = NOTES_1,
		                         .session_id = session_id,
		                         .leader_path = daemon_program,
		                         .timeout_ms = 30000 };
}

struct lds_session *daemon_session(const struct daemon_home *home, const char *session_id) {
	struct lds_options options = daemon_options(home, session_id);
	struct lds_session *session = NULL;
	char error[512] = "";

	if (lds_open(&session, &options, error, sizeof(error)) < 0)
		fail_msg("%s", error);
	return session;
}

struct lda_connection *daemon_connection(const struct daemon_home *home) {
	struct lda_options options = { .size = sizeof(options), .socket = home->socket, .timeout_ms = 30000 };
	struct lda_connection *connection = NULL;
	char error[512] = "";

	if (lda_open(&connection, &options, error, sizeof(error)) < 0)
		fail_msg("%s", error);
	return connection;
}

pid_t daemon_pid(const struct daemon_home *home) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct ucred peer = { 0 };
	socklen_t bytes = sizeof(peer);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", home->socket);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes), 0);
	close(fd);
	return peer.pid;
}

void daemon_end(const struct daemon_home *home, int signal) {
	pid_t pid = daemon_pid(home);
	struct pollfd poll_fd = { .events = POLLIN };

	if (pid == 0)
		return;
	poll_fd.fd = pidfd_open(pid, 0);
	assert_true(poll_fd.fd >= 0);
	assert_int_equal(kill(pid, signal), 0);
	assert_int_equal(poll(&poll_fd, 1, 30000), 1);
	close(poll_fd.fd);
}
