#ifndef LEADERD_ADAPTER_LINK_H
#define LEADERD_ADAPTER_LINK_H

/*
 * The link to an adapter: its process, and the frames in both directions. It
 * carries messages and knows nothing of what they mean; step 9 of
 * docs/ARCHITECTURE.md starts above it, in upstream.c.
 *
 * An adapter may be anyone's program. One that dies, or sends what is no message,
 * is gone: on_gone says why, once, and the link can be started again. Its input is
 * read a few frames a turn; what it does not take of our output waits here, at
 * most one request of one frame.
 */

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "leaderd/src/adapter_process.h"
#include "proto/backend_wire.h"

#define ADAPTER_TURN_FRAMES 4u /* taken of one adapter in one turn of the loop */

struct adapter_link_options {
	struct event_base *base;  /* borrowed until adapter_link_finish */
	/* A checked message; it lives until the callback returns, which may stop the link. */
	void (*on_message)(const Leaderd__FromAdapter *message, void *data);
	/* The link is stopped already. Never called from start, send or stop. */
	void (*on_gone)(const struct error *why, void *data);
	void *data;
};

struct adapter_link {
	struct adapter_link_options options;
	int fd;                           /* -1: not running */
	struct adapter_process *process;  /* NULL: it has ended; in `processes` */
	uint64_t n_starts;
	struct adapter_process_list processes;
	struct event *readable, *writable;
	struct event *again;              /* what has come is more than one turn takes */
	struct wire_reader input;
	struct wire_arena arena;
	struct bytes output;
	size_t output_at;                 /* bytes at its front that are sent */
};

void adapter_link_init(struct adapter_link *link, const struct adapter_link_options *options);
/* Starts the scheme's adapter; it must not run. NOT_FOUND, IO, NO_MEMORY, BUSY. */
int adapter_link_start(struct adapter_link *link, const char *scheme, struct error *error);
/* ERROR_TOO_LARGE, ERROR_FULL (the request before was not taken), ERROR_NO_MEMORY. */
int adapter_link_send(struct adapter_link *link, const Leaderd__ToAdapter *message, struct error *error);
/* Hangs up and kills; nothing is called back any more. */
void adapter_link_stop(struct adapter_link *link);
/* The same, and waits for the processes to end. */
void adapter_link_finish(struct adapter_link *link);

#endif
