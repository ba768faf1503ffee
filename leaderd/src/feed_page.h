#ifndef LEADERD_FEED_PAGE_H
#define LEADERD_FEED_PAGE_H

/*
 * Feed pages: the next payload of one session, made from the log when the
 * session can take it.
 */

#include <stdbool.h>

#include "base/error.h"

struct leader_session;

/* Is there anything that the session has not been told? */
bool feed_page_is_due(const struct leader_session *session);

/* Sends the next payload. No group is open, and the peer has room. */
int feed_page_send(struct leader_session *session, struct error *error);

#endif
