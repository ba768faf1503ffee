#ifndef LEADERD_REQUEST_H
#define LEADERD_REQUEST_H

/*
 * Requests: administration. Each is answered by a response with its number; what
 * fails is the response's code, never the connection's end.
 */

#include "base/error.h"
#include "proto/wire.h"

struct leader;
struct peer;

/* A negative code (no memory for the answer) ends the connection. */
int request_take(struct peer *peer, const Leaderd__Request *request, struct error *error);

/* Sends a response that holds nothing but a code. */
int request_answer_error(struct peer *peer, uint64_t number, const struct error *why, struct error *error);
int request_answer(struct peer *peer, Leaderd__Response *response, struct error *error);

/* request_upstream.c: answered now or, what takes time, later. */
int request_backend_set(struct peer *peer, struct leader *leader, const Leaderd__Request *request, struct error *error);
int request_offline(struct peer *peer, struct leader *leader, const Leaderd__Request *request, struct error *error);
int request_online(struct peer *peer, struct leader *leader, const Leaderd__Request *request, struct error *error);
int request_sync(struct peer *peer, struct leader *leader, const Leaderd__Request *request, struct error *error);

/* request_import.c: events of another log, placed behind the head of this one. */
int request_import(struct peer *peer, struct leader *leader, const Leaderd__Request *request, struct error *error);

/* request_refused.c */
int request_refused_list(struct peer *peer, struct leader *leader, const Leaderd__Request *request,
                         struct error *error);
int request_refused_drop(struct leader *leader, const Leaderd__Request *request, struct error *error);
int request_refused_retry(struct leader *leader, const Leaderd__Request *request, struct error *error);
int request_lookup(struct peer *peer, struct leader *leader, const Leaderd__Request *request, struct error *error);

#endif
