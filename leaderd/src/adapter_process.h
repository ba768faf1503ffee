#ifndef LEADERD_ADAPTER_PROCESS_H
#define LEADERD_ADAPTER_PROCESS_H

/*
 * The process of an adapter: found, started, ended, reaped.
 *
 * A program leaderd-backend-SCHEME is looked for in the folders of
 * LEADERD_BACKEND_PATH (separated by colons), then in the libexec folder. It gets
 * one end of a socketpair as descriptor 3, our standard error, and nothing else.
 * It is ended by SIGKILL: it has nothing to lose, for what a backend accepted is
 * found again by pulling. The kernel tells of its end through a pidfd, so that a
 * process that cannot die at once (stuck in a file system) stops nobody.
 */

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/error.h"

#define ADAPTER_DESCRIPTOR 3
#define ADAPTER_PROCESSES_MAX 4u       /* of one store, those included that do not end */
#define ADAPTER_END_MS_MAX 1000u       /* for the last ones, when the leader ends itself */

struct adapter_process {
	LIST_ENTRY(adapter_process) link;
	struct adapter_process **holder; /* set to NULL when it was reaped */
	pid_t pid;
	int pidfd;
	struct event *ended, *again;
};

LIST_HEAD(adapter_process_list, adapter_process);

/* The path of the scheme's program; the caller frees it. NOT_FOUND names the folders. */
int adapter_process_find(char **ret_path, const char *scheme, struct error *error);

/* Starts it; the process is in the list until it was reaped, and *holder is NULL from
 * then on. `fd`, its end of the socketpair, stays the caller's. */
int adapter_process_start(struct adapter_process **holder, struct adapter_process_list *list, struct event_base *base,
                          const char *path, int fd, struct error *error);
/* Kills and sets *holder to NULL; it reaps itself. NULL is accepted: it has ended. */
void adapter_process_end(struct adapter_process *process);
/* Kills and reaps all that are left. */
void adapter_processes_finish(struct adapter_process_list *list);

#endif
