#ifndef LEADERD_TESTS_SESSION_DAEMON_H
#define LEADERD_TESTS_SESSION_DAEMON_H

/*
 * The real daemon in a temporary folder, started by the session library itself
 * (LDS_START_LEADER). The program's path is the test's first argument.
 */

#include <sys/types.h>

#include "leaderd/admin.h"
#include "leaderd/session.h"

struct daemon_home {
	char folder[64], socket[96];
};

extern const char *daemon_program;

void daemon_home_make(struct daemon_home *home);
void daemon_home_remove(struct daemon_home *home); /* ends the daemon, removes everything */

/* Options for a session that starts the daemon if none runs. */
struct lds_options daemon_options(const struct daemon_home *home, const char *session_id);
struct lds_session *daemon_session(const struct daemon_home *home, const char *session_id);
struct lda_connection *daemon_connection(const struct daemon_home *home);

pid_t daemon_pid(const struct daemon_home *home);            /* of whoever listens; 0: nobody */
void daemon_end(const struct daemon_home *home, int signal); /* and waits until it is gone */

#endif
