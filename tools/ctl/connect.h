#ifndef LEADERCTL_CONNECT_H
#define LEADERCTL_CONNECT_H

/* How sub-commands reach their leader. Failures are reported; 0 or a STATUS_*. */

#include <leaderd/admin.h>
#include <leaderd/session.h>

#include "command.h"

int connect_admin(const struct call *call, struct lda_connection **ret);
/* Reports what the connection failed with; returns its exit status. */
int admin_failed(struct lda_connection *connection, int code);

/* A session on an existing store, under the schema in force. */
int connect_session(const struct call *call, const char *store, uint32_t flags, struct lds_session **ret);
int session_failed(struct lds_session *session, int code);

/* One that has taken in everything that the leader's log held when it was asked. */
int connect_current(const struct call *call, const char *store, uint32_t flags, struct lds_session **ret);

/* Sleeps until lds_process has something to do, at most until `until_us` (clock_us). */
void wait_for_turn(struct lds_session *session, uint64_t until_us);

/* The status of one store, or of all with NULL; freed with lda_stores_free. */
int ask_status(const struct call *call, const char *store, struct lda_stores **ret);

/* CLOCK_MONOTONIC. */
uint64_t clock_us(void);
/* The milliseconds until a point of it, for poll: 0 once it is past, -1 if it never comes (UINT64_MAX). */
int clock_ms_until(uint64_t at_us);

#endif
