#ifndef LEADERD_STATUS_H
#define LEADERD_STATUS_H

/*
 * Status: what a store looks like from outside, at once or followed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/limits.h"
#include "proto/wire.h"

struct leader;
struct peer;

#define STATUS_FOLLOWS_MAX PEER_FOLLOWS_MAX

struct status_follow {
	uint64_t number;                      /* of the request */
	uint64_t seen;                        /* daemon->status_serial of the newest answer */
	char store[STORE_NAME_BYTES_MAX + 1]; /* empty: all of them */
};

/* One store's part of a response, with what it borrows. */
struct store_status {
	Leaderd__StoreStatus message;
	Leaderd__Heads heads;
};

/* Borrows from `leader` until it changes. */
int status_fill(struct store_status *ret, struct leader *leader, struct error *error);

/* STATUS and STORE_LIST: answers, and remembers who wants to follow. */
int status_request(struct peer *peer, const Leaderd__Request *request, struct error *error);

/* Answers followers for whom something has changed, as far as there is room. */
void status_pump(struct peer *peer);

#endif
