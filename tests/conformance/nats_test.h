#ifndef LEADERD_TESTS_CONFORMANCE_NATS_TEST_H
#define LEADERD_TESTS_CONFORMANCE_NATS_TEST_H

/*
 * What only NATS can get wrong: stories beside the conformance suite, in its
 * manner, against servers that nats-server has made.
 *
 *   nats_test.c     the program; the server from the stories' side
 *   nats_access.c   who gets in: addresses, TLS, credentials
 *   nats_stream.c   streams that are another's, lost, damaged or full
 *   nats_memory.c   the adapter's own parts, within this process: no memory
 *   nats_cluster.c  three servers, of which some are away
 */

#include "conformance.h"
#include "nats/jetstream.h"

#define URL_BYTES 900u
#define FOLDER_BYTES 200u

struct nats_tests {
	struct options options; /* first: a trial's options lead here */
	const char *script;
	char folder[FOLDER_BYTES]; /* of the server that most stories share */
	char url[URL_BYTES];
	char own[FOLDER_BYTES];    /* of the story's own server; empty: none */
	char own_url[URL_BYTES];
};
struct nats_tests *tests_of(const struct trial *trial);

/* Makes a server of the story's own, which is removed behind it. */
void server_make(struct trial *trial, const char *options);
void server_command(struct trial *trial, const char *verb); /* of nats-server: to the own server, else the shared */
/* The own server's URL, and what stands behind it. */
void server_url(struct trial *trial, char ret[URL_BYTES], const char *format, ...)
	__attribute__((format(printf, 3, 4)));

struct client *open_device(struct trial *trial, unsigned poll_ms);           /* as the suite does */
struct client *open_at(struct trial *trial, const char *url);
struct problem expect_problem(struct trial *trial, const char *url, int code);
void expect_text(struct trial *trial, const struct problem *problem, const char *part);

/* An administrator's own connection to the server that stories share. */
struct admin {
	natsConnection *connection;
	jsCtx *js;
	char stream[200], subject[200]; /* of the trial's log */
};
void admin_open(struct trial *trial, struct admin *ret);
void admin_close(struct admin *admin);

extern const struct story stories_of_access[], stories_of_streams[], stories_of_memory[], stories_of_clusters[];

#endif
