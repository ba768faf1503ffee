#ifndef LEADERD_TESTS_ABORTS_H
#define LEADERD_TESTS_ABORTS_H

/*
 * Does a call end the process by must()? It runs in a child whose stderr goes
 * into a pipe; what it wrote there is returned for a closer look.
 */

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static inline bool aborts(void (*call)(void), char *ret_text, size_t text_bytes) {
	int ends[2];
	int status = 0;
	size_t n = 0;
	ssize_t got;

	if (pipe(ends) < 0)
		return false;
	pid_t child = fork();
	if (child < 0)
		return false;
	if (child == 0) {
		dup2(ends[1], STDERR_FILENO);
		call();
		_exit(0);
	}
	close(ends[1]);
	while (n + 1 < text_bytes && (got = read(ends[0], ret_text + n, text_bytes - 1 - n)) > 0)
		n += (size_t)got;
	ret_text[n] = '\0';
	close(ends[0]);
	return waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
	       strstr(ret_text, "must hold but does not") != NULL;
}

#endif
