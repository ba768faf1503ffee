#ifndef LEADERD_HELLO_H
#define LEADERD_HELLO_H

/*
 * Hello: a session arrives, or resynchronises: which store, under which schema,
 * who holds the session id, what became of its pending events, and from where
 * the feed goes on.
 */

#include "base/error.h"
#include "proto/wire.h"

struct peer;

/* Answers with a welcome. A negative code ends the connection. */
int hello_take(struct peer *peer, const Leaderd__Hello *hello, struct error *error);

#endif
