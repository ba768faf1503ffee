#ifndef LEADERD_TESTS_CONFORMANCE_POSTGRES_TEST_H
#define LEADERD_TESTS_CONFORMANCE_POSTGRES_TEST_H

/*
 * What only PostgreSQL can get wrong: stories beside the conformance suite, in
 * its manner, against a server that postgres-server has made.
 *
 *   postgres_test.c    the program; the server from the stories' side
 *   postgres_access.c  who gets in: TLS, passwords, privileges, addresses
 *   postgres_rows.c    locks, limits and damage within the server; its hints
 *   postgres_memory.c  no memory
 */

#include <libpq-fe.h>

#include "conformance.h"

struct postgres_server {
	struct options options; /* first: a trial's options lead here */
	const char *script, *folder;
	const char *port;
};
const struct postgres_server *server_of(const struct trial *trial);

#define URL_BYTES 700u
/* postgres://USER@127.0.0.1:PORT/leaderd?PARAMETERS */
void server_url(const struct trial *trial, char ret[URL_BYTES], const char *user, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void server_command(struct trial *trial, const char *verb); /* of postgres-server */

/* As the administrator, outside of the adapter. */
PGconn *admin_open(struct trial *trial);
void admin_run(struct trial *trial, PGconn *admin, const char *sql);
long admin_number(struct trial *trial, PGconn *admin, const char *sql);

struct client *open_device(struct trial *trial, unsigned poll_ms); /* a client, opened as the suite does */
struct problem expect_problem(struct trial *trial, const char *url, int code);

extern const struct story stories_of_access[], stories_of_rows[], stories_of_memory[];

#endif
