#ifndef LEADERD_SESSION_ADMIN_PRIVATE_H
#define LEADERD_SESSION_ADMIN_PRIVATE_H

/*
 * An administrative connection: one request, one answer (or some, with `more`),
 * in turn. Only a followed status comes unasked; the newest one is kept.
 */

#include <sys/types.h>

#include "leader_link.h"
#include "leaderd/admin.h"

struct lda_connection {
	uint64_t magic;
	pid_t pid;
	struct error error;
	struct leader_link link;
	struct wire_arena arena;
	int timeout_ms;
	uint64_t next_number;
	/* Status */
	uint64_t follow_number;      /* 0: nothing is followed */
	char *follow_store;          /* owned; NULL: all */
	struct lda_stores *followed; /* owned: came unasked, or NULL */
	int followed_code;           /* instead of a status: why there is none */
	uint8_t seen[32];            /* hash of the status that the caller has */
};

/* 0 or LDS_INVALID. */
int admin_enter(const struct lda_connection *connection);
int admin_fail(struct lda_connection *connection, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Called with each response to a request; a negative answer ends the reading. */
typedef int (*admin_on_response)(struct lda_connection *connection, const Leaderd__Response *response, void *data);

void admin_request_init(Leaderd__Request *request, Leaderd__Operation operation, const char *store);
/* Sends and reads until the last response. The code of the response, with its
 * text as the last error, if it is a failure. on_response may be NULL. */
int admin_ask(struct lda_connection *connection, Leaderd__Request *request, admin_on_response on_response, void *data);
int admin_send(struct lda_connection *connection, Leaderd__Request *request, uint64_t until_us);
/* Reads one response, whatever its number; it lives until the next read. */
int admin_read(struct lda_connection *connection, const Leaderd__Response **ret, uint64_t until_us);
uint64_t admin_deadline(int timeout_ms);

/* admin_stores.c */
int admin_take_followed(struct lda_connection *connection, const Leaderd__Response *response);

#endif
