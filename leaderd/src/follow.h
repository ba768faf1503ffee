#ifndef LEADERD_FOLLOW_H
#define LEADERD_FOLLOW_H

/*
 * Follow: an event stream of one connection. Each page is one bounded keyset
 * query from a cursor; a page costs one credit, so a reader that stops asking
 * costs a cursor. A rebase lowers the cursor and leaves a mark; the next page
 * says behind which position all that was sent is off.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/error.h"
#include "model/event.h"
#include "proto/wire.h"

struct leader;
struct peer;

struct follow {
	LIST_ENTRY(follow) of_peer;
	LIST_ENTRY(follow) of_leader;
	struct peer *peer;
	struct leader *leader;
	uint64_t number;
	uint64_t credit; /* pages that may be sent */
	uint64_t left;   /* events; UINT64_MAX: no limit */
	bool follows, reverse, include_client_only, has_until;
	char name[EVENT_NAME_BYTES_MAX + 1];
	char client_id[CLIENT_ID_BYTES + 1];
	struct position cursor; /* searched up to here */
	struct position until;
	struct position sent; /* forward: newest event that was sent */
	bool rebased;
	struct position back; /* if rebased: what was sent behind it is off */
};

LIST_HEAD(follow_list, follow);

int follow_open(struct peer *peer, const Leaderd__EventsOpen *open, struct error *error);
/* A number that names no stream is one that has ended already: nothing happens. */
void follow_credit(struct peer *peer, uint64_t number, uint32_t credit);
void follow_close(struct peer *peer, uint64_t number);
struct follow *follow_destroy(struct follow *follow); /* returns NULL */

/* The leader undid everything behind `to`. */
void follow_rebased(struct follow *follow, struct position to);

/* Sends the next page if there is one, credit and room. Answers whether there may
 * be more to do at once. The stream is gone after its end. */
bool follow_pump(struct follow *follow);

/* Ends the stream with an error. */
void follow_fail(struct follow *follow, const struct error *why);

#endif
