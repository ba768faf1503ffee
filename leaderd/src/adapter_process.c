/* The process of an adapter; see adapter_process.h. */

#include "leaderd/src/adapter_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

#define REAP_AGAIN_MS 10

extern char **environ;

/* ---- where it is ------------------------------------------------------------------ */

static char *path_in(const char *folder, size_t n, const char *scheme) {
	char *path;

	return asprintf(&path, "%.*s/leaderd-backend-%s", (int)n, folder, scheme) < 0 ? NULL : path;
}

static int find_in(char **ret, const char *folder, size_t n, const char *scheme, struct error *error) {
	char *path = path_in(folder, n, scheme);

	if (!path)
		return error_no_memory(error);
	if (access(path, X_OK) < 0) {
		free(path);
		return 0;
	}
	*ret = path;
	return 1;
}

int adapter_process_find(char **ret_path, const char *scheme, struct error *error) {
	const char *folders = getenv("LEADERD_BACKEND_PATH");
	int r = 0;

	for (const char *at = folders; at && r == 0; at = strchr(at, ':') ? strchr(at, ':') + 1 : NULL)
		if (at[0] == '/')
			r = find_in(ret_path, at, strcspn(at, ":"), scheme, error);
	if (r == 0)
		r = find_in(ret_path, LEADERD_LIBEXECDIR, strlen(LEADERD_LIBEXECDIR), scheme, error);
	if (r != 0)
		return r < 0 ? r : 0;
	return error_set(error, ERROR_NOT_FOUND, "there is no adapter leaderd-backend-%s in %s%s%s", scheme,
	                 folders ? folders : "", folders ? " or " : "", LEADERD_LIBEXECDIR);
}

/* ---- its end ------------------------------------------------------------------------- */

static void forget(struct adapter_process *process) {
	LIST_REMOVE(process, link);
	if (process->holder)
		*process->holder = NULL;
	if (process->ended)
		event_free(process->ended);
	if (process->again)
		event_free(process->again);
	if (process->pidfd >= 0)
		close(process->pidfd);
	free(process);
}

static void tell_status(const struct adapter_process *process, int status) {
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		log_warning("adapter=%d was ended by signal %d", (int)process->pid, WTERMSIG(status));
	else if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		log_warning("adapter=%d ended with status %d", (int)process->pid, WEXITSTATUS(status));
	else
		log_debug("adapter=%d ended", (int)process->pid);
}

static bool reap(struct adapter_process *process, int options) {
	int status = 0;
	pid_t pid = waitpid(process->pid, &status, options);

	if (pid == 0 || (pid < 0 && errno == EINTR))
		return false;
	if (pid > 0)
		tell_status(process, status);
	forget(process);
	return true;
}

/* The pidfd may tell of the end a moment before there is something to reap. */
static void on_ended(evutil_socket_t fd, short what, void *data) {
	const struct timeval a_moment = { .tv_usec = REAP_AGAIN_MS * 1000 };
	struct adapter_process *process = data;

	if (!reap(process, WNOHANG))
		event_add(process->again, &a_moment);
}

void adapter_process_end(struct adapter_process *process) {
	if (!process)
		return;
	/* By pid: it is ours and not reaped, so nobody else can have its number. */
	kill(process->pid, SIGKILL);
	if (process->holder)
		*process->holder = NULL;
	process->holder = NULL;
}

void adapter_processes_finish(struct adapter_process_list *list) {
	struct adapter_process *process, *next;

	LIST_FOREACH(process, list, link)
		adapter_process_end(process);
	LIST_FOREACH_SAFE(process, list, link, next) {
		struct pollfd ended = { .fd = process->pidfd, .events = POLLIN };
		int n;

		while ((n = poll(&ended, 1, (int)ADAPTER_END_MS_MAX)) < 0 && errno == EINTR)
			;
		if (reap(process, n == 1 ? 0 : WNOHANG))
			continue;
		log_warning("adapter=%d does not end", (int)process->pid);
		forget(process);
	}
}

/* ---- its beginning --------------------------------------------------------------------- */

static int prepare_descriptors(posix_spawn_file_actions_t *actions, int fd) {
	int r = posix_spawn_file_actions_adddup2(actions, fd, ADAPTER_DESCRIPTOR);

	if (r == 0)
		r = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	/* What it prints is for whoever reads our log. */
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(actions, STDERR_FILENO, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(actions, ADAPTER_DESCRIPTOR + 1);
	return r;
}

/* Signals as in a fresh process, and a group of its own: a Ctrl-C at the leader's
 * terminal is the leader's to answer. */
static int prepare_signals(posix_spawnattr_t *attributes) {
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	r = posix_spawnattr_setsigmask(attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(attributes, &all);
	if (r == 0)
		r = posix_spawnattr_setpgroup(attributes, 0);
	return r != 0 ? r
	              : posix_spawnattr_setflags(attributes,
	                                         POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

static int spawn(pid_t *ret, const char *path, int fd) {
	char *argv[] = { (char *)path, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r = posix_spawn_file_actions_init(&actions);

	if (r != 0)
		return r;
	r = posix_spawnattr_init(&attributes);
	if (r == 0) {
		r = prepare_descriptors(&actions, fd);
		if (r == 0)
			r = prepare_signals(&attributes);
		if (r == 0)
			r = posix_spawn(ret, path, &actions, &attributes, argv, environ);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

static int watch(struct adapter_process *process, struct event_base *base) {
	process->pidfd = pidfd_open(process->pid, 0);
	if (process->pidfd < 0)
		return errno;
	process->again = evtimer_new(base, on_ended, process);
	process->ended = event_new(base, process->pidfd, EV_READ, on_ended, process);
	return process->again && process->ended && event_add(process->ended, NULL) == 0 ? 0 : ENOMEM;
}

static bool too_many(const struct adapter_process_list *list) {
	const struct adapter_process *process;
	size_t n = 0;

	LIST_FOREACH(process, list, link)
		n++;
	return n >= ADAPTER_PROCESSES_MAX;
}

int adapter_process_start(struct adapter_process **holder, struct adapter_process_list *list, struct event_base *base,
                          const char *path, int fd, struct error *error) {
	struct adapter_process *process;
	int number;

	if (too_many(list))
		return error_set(error, ERROR_BUSY, "%u processes of the adapter were killed and do not end",
		                 ADAPTER_PROCESSES_MAX);
	process = calloc(1, sizeof(*process));
	if (!process)
		return error_no_memory(error);
	process->pidfd = -1;
	number = spawn(&process->pid, path, fd);
	if (number != 0) {
		free(process);
		return error_set(error, ERROR_IO, "cannot start %s: %s", path, strerror(number));
	}
	LIST_INSERT_HEAD(list, process, link);
	number = watch(process, base);
	if (number != 0) {
		adapter_process_end(process);
		while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
			;
		forget(process);
		return error_set(error, ERROR_IO, "cannot watch %s: %s", path, strerror(number));
	}
	process->holder = holder;
	*holder = process;
	return 0;
}
