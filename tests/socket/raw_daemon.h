#ifndef LEADERD_TESTS_RAW_DAEMON_H
#define LEADERD_TESTS_RAW_DAEMON_H

/*
 * A daemon of the core's library in a process and a folder of its own, without
 * the program around it: a listening socket, a loop, and SIGTERM to drain.
 */

#include <sys/types.h>

struct raw_daemon {
	pid_t pid;          /* 0: not running */
	char folder[64];
	char socket[96];
};

/* A fresh folder, and the daemon running in it. Fails the test if it cannot. */
void raw_daemon_create(struct raw_daemon *daemon);
/* Runs it again on the same folder. */
void raw_daemon_start(struct raw_daemon *daemon);
/* SIGTERM; it must end with 0 (leaks and worse are told by its exit status). */
void raw_daemon_stop(struct raw_daemon *daemon);
void raw_daemon_kill(struct raw_daemon *daemon); /* SIGKILL */
/* Stops it if it runs, and removes the folder. */
void raw_daemon_remove(struct raw_daemon *daemon);

/* A setup and a teardown for cmocka: *state is the daemon. */
int raw_daemon_setup(void **state);
int raw_daemon_teardown(void **state);

#endif
