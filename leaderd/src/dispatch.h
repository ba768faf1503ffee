#ifndef LEADERD_DISPATCH_H
#define LEADERD_DISPATCH_H

/*
 * Dispatch: which module takes which message, and what has to wait.
 */

#include "base/error.h"
#include "proto/wire.h"

struct peer;

/* 0: taken. PEER_WAITS_FOR_LEADER or PEER_WAITS_FOR_OUTPUT (positive): not taken,
 * give it again. A negative code ends the connection. */
int dispatch(struct peer *peer, const Leaderd__ToLeader *message, struct error *error);

#endif
