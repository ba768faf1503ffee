/*
 * Starting a leader when none runs, with any number of sessions that try at the
 * same moment: a lock on a file beside the socket lets one of them start it, and
 * the others wait until it listens.
 *
 * The leader becomes nobody's child: it is forked twice, in a session of its
 * own, with no descriptor of the app but /dev/null.
 */

#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RETRY_MS 10 /* between two looks at a socket that a leader is about to open */

/* What the child says before it becomes the leader. */
struct birth {
	pid_t pid;
	int error; /* errno of what failed; 0: nothing yet */
};

/* ---- the child ------------------------------------------------------------------------- */

/* Between fork and exec: only what is safe in a child of a threaded process. */
static _Noreturn void become_leader(const struct lds_session *session, int report) {
	struct birth birth = { .pid = getpid() };
	char *const arguments[] = { session->leader_path, (char *)"--socket", session->socket, NULL };
	sigset_t none;
	int null = open("/dev/null", O_RDWR);
	int safe = fcntl(report, F_DUPFD_CLOEXEC, 4); /* the app may have closed its first three */

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0 ||
	    dup2(safe, 3) < 0 || fcntl(3, F_SETFD, FD_CLOEXEC) < 0)
		_exit(127);
	close_range(4, ~0u, 0);
	if (write(3, &birth, sizeof(birth)) != sizeof(birth))
		_exit(127);
	execvp(session->leader_path, arguments);
	birth.error = errno;
	if (write(3, &birth, sizeof(birth)) != sizeof(birth))
		_exit(126);
	_exit(127);
}

/* Reads what the child says until it is a leader (end of file) or has failed. */
static int read_birth(struct lds_session *session, int report, pid_t *ret_pid) {
	struct birth birth, last = { 0 };
	ssize_t n;

	for (;;) {
		n = read(report, &birth, sizeof(birth));
		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof(birth))
			break;
		last = birth;
	}
	if (last.pid == 0 || last.error != 0)
		return session_fail(session, LDS_NOT_RUNNING, "no leader runs, and %s cannot be started: %s",
		                    session->leader_path, last.error ? strerror(last.error) : "its process could not be made");
	*ret_pid = last.pid;
	return 0;
}

static int spawn(struct lds_session *session, pid_t *ret_pid) {
	int report[2], r;
	pid_t middle;

	if (pipe2(report, O_CLOEXEC) < 0)
		return session_fail(session, LDS_IO, "cannot make a pipe: %s", strerror(errno));
	middle = fork();
	if (middle == 0) {
		setsid();
		if (fork() == 0)
			become_leader(session, report[1]);
		_exit(0);
	}
	close(report[1]);
	if (middle < 0) {
		close(report[0]);
		return session_fail(session, LDS_IO, "cannot start %s: %s", session->leader_path, strerror(errno));
	}
	while (waitpid(middle, NULL, 0) < 0 && errno == EINTR)
		continue;
	r = read_birth(session, report[0], ret_pid);
	close(report[0]);
	return r;
}

/* ---- the parent ------------------------------------------------------------------------ */

static void pause_briefly(int pid_fd) {
	struct pollfd poll_fd = { .fd = pid_fd, .events = POLLIN };

	(void)poll(&poll_fd, 1, RETRY_MS);
}

static bool has_ended(int pid_fd) {
	struct pollfd poll_fd = { .fd = pid_fd, .events = POLLIN };

	return pid_fd >= 0 && poll(&poll_fd, 1, 0) > 0;
}

/* Connects as soon as the leader listens. One that ended at once may have found
 * another already there: so a last look follows. */
static int await_leader(struct lds_session *session, pid_t pid, uint64_t until_us) {
	int pid_fd = pidfd_open(pid, 0);
	bool gone = pid_fd < 0 && errno == ESRCH;
	int r;

	for (;;) {
		bool ended = gone || has_ended(pid_fd);

		r = session_connect(session);
		if (r != ERROR_NOT_RUNNING && r != ERROR_BUSY)
			break;
		if (ended) {
			r = session_fail(session, LDS_NOT_RUNNING, "%s was started, but ended without listening on %s",
			                 session->leader_path, session->socket);
			break;
		}
		if (clock_monotonic_us() >= until_us) {
			r = session_fail(session, LDS_TIMEOUT, "%s was started, but does not listen on %s yet",
			                 session->leader_path, session->socket);
			break;
		}
		pause_briefly(pid_fd);
	}
	if (pid_fd >= 0)
		close(pid_fd);
	return r;
}

/* The folder of the default socket is made: it may be the first leader of a login. */
static int open_lock(struct lds_session *session) {
	char path[SOCKET_PATH_BYTES_MAX], *slash;
	int fd;

	snprintf(path, sizeof(path), "%s", session->socket);
	slash = strrchr(path, '/');
	if (slash && slash != path) {
		*slash = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return session_fail(session, LDS_IO, "cannot make the folder %s: %s", path, strerror(errno));
	}
	if (snprintf(path, sizeof(path), "%s.start", session->socket) >= (int)sizeof(path))
		return session_fail(session, LDS_INVALID, "the path of the leader's socket was too long");
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return session_fail(session, LDS_IO, "cannot open the lock %s: %s", path, strerror(errno));
	return fd;
}

static int start(struct lds_session *session, uint64_t until_us) {
	pid_t pid = 0;
	int r = session_connect(session); /* another starter may have been here before us */

	if (r != ERROR_NOT_RUNNING)
		return r;
	r = spawn(session, &pid);
	return r < 0 ? r : await_leader(session, pid, until_us);
}

int session_start_leader(struct lds_session *session, uint64_t until_us) {
	int lock = open_lock(session), r;

	if (lock < 0)
		return lock;
	while (flock(lock, LOCK_EX | LOCK_NB) < 0) {
		r = errno == EWOULDBLOCK || errno == EINTR
		        ? session_connect(session)
		        : session_fail(session, LDS_IO, "cannot lock beside %s: %s", session->socket, strerror(errno));
		if (r == ERROR_NOT_RUNNING && clock_monotonic_us() >= until_us)
			r = session_fail(session, LDS_TIMEOUT, "another process starts a leader on %s, and it does not listen yet",
			                 session->socket);
		if (r != ERROR_NOT_RUNNING) {
			close(lock);
			return r;
		}
		pause_briefly(-1);
	}
	r = start(session, until_us);
	close(lock);
	return r;
}
