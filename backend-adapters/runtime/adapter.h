#ifndef LEADERD_ADAPTER_H
#define LEADERD_ADAPTER_H

/*
 * What a backend must do, and the loop that does the rest.
 *
 * An adapter is a program, leaderd-backend-NAME, that the leader starts with one
 * end of a socketpair as descriptor 3. It may block: it serves one store and
 * nobody else. adapter_run speaks the protocol (proto/backend.proto); the
 * operations below are the backend. They are called one at a time, and each
 * answers within ADAPTER_CALL_MS or fails with ERROR_TIMEOUT.
 *
 * Failures are negative ERROR_* codes; the error's text goes to the leader's
 * status, so it must hold no secret. After IO, TIMEOUT and NOT_RUNNING the
 * runtime calls close, and the leader opens again after a pause. PERMISSION,
 * CONFLICT, INVALID and VERSION are permanent: someone must act.
 */

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "model/event.h"

#define ADAPTER_CALL_MS 20000u /* one call; the leader gives up on an adapter at twice that */
#define ADAPTER_POLL_MS 5000u  /* the slow safety poll behind live hints; the environment may set another */
#define CURSOR_BYTES_MAX 256u
#define ADAPTER_DESCRIPTOR 3

/* A point of the backend's log. */
struct backend_point {
	uint64_t global;        /* 0: before the first event */
	struct hash chain_hash; /* zero at 0 */
	uint8_t cursor[CURSOR_BYTES_MAX];
	size_t cursor_bytes;
};

struct adapter_open {
	const char *store;
	const char *url;
	const char *client_id;
	const uint8_t *lineage; /* 16 bytes, NULL: none known */
	uint64_t epoch;
	const uint8_t *new_lineage; /* if the log is to be made: `lineage` where one is known, else 16 random bytes */
	uint64_t new_epoch;         /* and its epoch: beyond the one that is known */
};

struct adapter_opened {
	uint8_t lineage[16];
	uint64_t epoch;
	struct backend_point head;
	uint32_t batch_events_max;
	uint64_t batch_bytes_max, event_bytes_max;
	bool live;
};

enum push_result { PUSH_ACCEPTED = 1, PUSH_BEHIND, PUSH_DIVERGED, PUSH_LATER, PUSH_REFUSED };

struct adapter_push {
	struct backend_point parent;
	struct event *const *events; /* whole units; at.global, chain_hash and content set */
	size_t n_events;
};

struct adapter_push_answer {
	enum push_result result;
	struct backend_point head; /* as in PushAnswer */
	char reason[256];
	struct event_id *refused; /* owned by the answer; freed by the runtime with free() */
	size_t n_refused;
	bool permanent;
};

struct adapter_pull {
	struct backend_point after;
	size_t events_max, bytes_max; /* whole units; the first one always */
};

struct adapter_page {
	struct event **events; /* owned, with their array, by the page */
	size_t n_events;
	struct backend_point end, head;
	bool more, diverged;
	char reason[256];
};

struct adapter_operations {
	const char *name; /* "file": the program is leaderd-backend-file */
	/* Connects, makes what is missing, compares the lineage: CONFLICT if it is another one, which
	 * is then left in ret->lineage. (The runtime compares it once more.) */
	int (*open)(void **ret_backend, const struct adapter_open *open, struct adapter_opened *ret, struct error *error);
	/* All or nothing, atomically against other writers, durable on ACCEPTED. The
	 * parent is compared by position and chain hash. The runtime has looked at the
	 * batch already: within the limits, no gap, each chain hash right, units whole. */
	int (*push)(void *backend, const struct adapter_push *push, struct adapter_push_answer *ret, struct error *error);
	/* Without events, `end` is `after`. */
	int (*pull)(void *backend, const struct adapter_pull *pull, struct adapter_page *ret, struct error *error);
	/* A descriptor that becomes readable when there may be news; -1: none. Asked
	 * again after each call. */
	int (*live_fd)(void *backend);
	/* Takes the hint off the descriptor. 1: there may be news; 0: nothing; or a failure. */
	int (*live_take)(void *backend, struct error *error);
	void (*close)(void *backend);
};

/* Runs until the leader hangs up; returns the program's exit status. `argv` knows
 * --help and --version. */
int adapter_run(int argc, char **argv, const struct adapter_operations *operations);

/* What an event costs of batch_bytes_max and of a page's bytes_max. */
size_t adapter_event_bytes(const struct event *event);

/* An event as bytes, the same in every backend: a packed leaderd.Event with
 * position, content and chain hash, nothing that is local to a device. */
int adapter_event_pack(struct bytes *out, const struct event *event);
int adapter_event_unpack(struct event **ret, const void *data, size_t n, struct error *error);

/* What stands between "SCHEME:" and the query, percent-decoded; NULL if the URL has
 * another scheme, or no memory. The caller frees it. */
char *adapter_url_path(const char *url, const char *scheme);
/* The value of a query parameter of a URL, percent-decoded; NULL if absent or no
 * memory. The caller frees it. */
char *adapter_url_parameter(const char *url, const char *name);
/* The log's name: the parameter `store`, else the store's own name. The caller frees it. */
char *adapter_log_name(const struct adapter_open *open);

#endif
