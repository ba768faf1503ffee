/*
 * A server of a backend's kind, made and ended by its script (KIND-server, see
 * `postgres-server --help`). One server serves all the files of a run; each file
 * has a log of its own there.
 *
 * A keeper process makes the server, waits for our end of a pipe to close, however
 * that happens, and takes the server away: a run that was killed leaves none behind.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenario.h"

#define SCRIPT_MISSES_PROGRAM 77

static _Noreturn void become_script(const char *const *words, int output) {
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (nothing >= 0)
		dup2(nothing, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	execv(words[0], (char *const *)words);
	fprintf(stderr, "leader-scenario: cannot run %s: %s\n", words[0], strerror(errno));
	_exit(127);
}

/* The first line that it prints goes to `ret`; more is not expected. */
static void read_answer(int fd, char *ret, size_t bytes) {
	size_t n = 0;
	ssize_t got;

	while (n + 1 < bytes && ((got = read(fd, ret + n, bytes - 1 - n)) > 0 || (got < 0 && errno == EINTR)))
		n += got > 0 ? (size_t)got : 0;
	ret[n] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
}

static int run_script(const char *const *words, char *ret, size_t bytes, struct error *error) {
	int ends[2], status;
	pid_t process;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(error, ERROR_IO, "pipe: %s", strerror(errno));
	process = fork();
	if (process == 0)
		become_script(words, ends[1]);
	close(ends[1]);
	if (process > 0)
		read_answer(ends[0], ret, bytes);
	close(ends[0]);
	if (process < 0)
		return error_set(error, ERROR_IO, "cannot fork: %s", strerror(errno));
	while (waitpid(process, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == SCRIPT_MISSES_PROGRAM)
		return error_set(error, ERROR_SKIP, "%s lacks a program", words[0]);
	if (status != 0)
		return error_set(error, ERROR_IO, "%s %s failed (wait status %#x)", words[0], words[1], (unsigned)status);
	return 0;
}

int server_ask(const struct server *server, const char *verb, char *ret, size_t bytes, struct error *error) {
	const char *const words[] = { server->script, server->folder, verb, NULL };

	return run_script(words, ret, bytes, error);
}

static int tell(const struct server *server, const char *verb, struct error *error) {
	char ignored[256];

	return server_ask(server, verb, ignored, sizeof(ignored), error);
}

int server_stop(struct server *server, struct error *error) {
	int r = tell(server, "stop", error);

	server->stopped = r == 0;
	return r;
}

int server_start(struct server *server, struct error *error) {
	int r = server->stopped ? tell(server, "start", error) : 0;

	server->stopped = r < 0;
	return r;
}

/* ---- the keeper -------------------------------------------------------------------------- */

/* What the keeper says once the server is made, or is not. */
struct made {
	char folder[SERVER_FOLDER_BYTES];
	struct error error;
};

static int make(const struct server *server, struct made *ret) {
	const char *const words[] = { server->script, "make", NULL };

	*ret = (struct made){ 0 };
	return run_script(words, ret->folder, sizeof(ret->folder), &ret->error);
}

/* In a session of its own, so that what ends our process group does not end it. It
 * makes the server too: whoever dies meanwhile, it knows what there is to remove. */
static _Noreturn void become_keeper(const struct server *server, int answer, int life) {
	struct made made;
	char byte;
	int r;

	setsid();
	r = make(server, &made);
	if (write(answer, &made, sizeof(made)) != (ssize_t)sizeof(made))
		fprintf(stderr, "leader-scenario: nobody waits for %s any more\n", made.folder);
	close(answer);
	while (read(life, &byte, 1) < 0 && errno == EINTR)
		;
	if (r == 0)
		execl(server->script, server->script, made.folder, "remove", (char *)NULL);
	_exit(r < 0);
}

static int start_keeper(struct server *server, int *ret_answer, struct error *error) {
	int answer[2], life[2];

	if (pipe2(answer, O_CLOEXEC) < 0)
		return error_set(error, ERROR_IO, "pipe: %s", strerror(errno));
	if (pipe2(life, O_CLOEXEC) < 0) {
		error_set(error, ERROR_IO, "pipe: %s", strerror(errno));
		close(answer[0]);
		close(answer[1]);
		return ERROR_IO;
	}
	server->keeper = fork();
	if (server->keeper == 0) {
		close(answer[0]);
		close(life[1]);
		signal(SIGPIPE, SIG_IGN);
		become_keeper(server, answer[1], life[0]);
	}
	close(answer[1]);
	close(life[0]);
	server->keeper_fd = life[1];
	*ret_answer = answer[0];
	return server->keeper > 0 ? 0 : error_set(error, ERROR_IO, "cannot fork: %s", strerror(errno));
}

static int start(struct server *server, struct error *error) {
	struct made made;
	int answer = -1, r = start_keeper(server, &answer, error);

	if (r == 0 && read(answer, &made, sizeof(made)) != (ssize_t)sizeof(made))
		r = error_set(error, ERROR_IO, "the keeper of %s ended too early", server->script);
	if (r == 0 && made.error.code != 0) {
		*error = made.error;
		r = made.error.code;
	}
	if (answer >= 0)
		close(answer);
	if (r < 0)
		server_end(server);
	else
		memcpy(server->folder, made.folder, sizeof(server->folder));
	return r;
}

/* ---- life -------------------------------------------------------------------------------- */

int server_need(struct server *server, const char *scripts, const char *kind, struct error *error) {
	if (server->folder[0] != '\0' && strcmp(server->kind, kind) != 0)
		server_end(server);
	if (server->folder[0] != '\0')
		return server_start(server, error); /* the story before may have stopped it */
	if (scripts == NULL)
		return error_set(error, ERROR_INVALID, "backend %s needs a server: say where its script is, by --servers",
		                 kind);
	snprintf(server->kind, sizeof(server->kind), "%s", kind);
	snprintf(server->script, sizeof(server->script), "%s/%s-server", scripts, kind);
	return start(server, error);
}

void server_end(struct server *server) {
	if (server->keeper_fd > 0)
		close(server->keeper_fd);
	if (server->keeper > 0)
		waitpid(server->keeper, NULL, 0);
	*server = (struct server){ 0 };
}
