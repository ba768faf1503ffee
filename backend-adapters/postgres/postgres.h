#ifndef LEADERD_BACKEND_POSTGRES_H
#define LEADERD_BACKEND_POSTGRES_H

/*
 * The PostgreSQL backend: logs in the schema "leaderd" of a database that many
 * leaders share. log.c specifies the tables.
 *
 *   adapter.c    the program, its operations, opening and closing, hints
 *   address.c    the URL: what may stand in it, and where the password comes from
 *   connect.c    a connection, made within a time and set up
 *   statement.c  one statement within a time; its failures as ours
 *   log.c        the tables, the log's row, its head
 *   push.c       a batch
 *   pull.c       a page
 *
 * libpq is used without its blocking calls, name resolution apart: each wait has
 * the deadline of the operation under way.
 */

#include <libpq-fe.h>

#include "runtime/adapter.h"

/* What a call may take, each below the next, so that the server gives up first and says why. */
#define POSTGRES_LOCK_MS 4000u                     /* another leader's push holds the log's row */
#define POSTGRES_IDLE_MS 5000u                     /* the server waits for our next word in a transaction */
#define POSTGRES_STATEMENT_MS 10000u               /* one statement at the server */
#define POSTGRES_CONNECT_MS 10000u                 /* until the server has let us in */
#define POSTGRES_CALL_MS (ADAPTER_CALL_MS - 4000u) /* one operation */

#define POSTGRES_VERSION_MIN 120000 /* the oldest server that the tests know */
#define POSTGRES_PLACE_BYTES 200u
#define POSTGRES_CHANNEL_BYTES (8u + 2u * 16u + 1u)

struct postgres {
	PGconn *connection;
	char *log;                        /* its name; owned */
	char place[POSTGRES_PLACE_BYTES]; /* the server, for texts */
	char channel[POSTGRES_CHANNEL_BYTES];
	uint8_t lineage[16]; /* as found when it was opened */
	uint64_t epoch;
	int64_t deadline_us; /* CLOCK_MONOTONIC: the end of the operation under way */
	int news_fd;         /* always readable */
	bool listening;
	bool news; /* a hint that came along with an answer: the socket tells no more of it */
};

/* address.c */
struct address {
	PQconninfoOption *options; /* owned: libpq's own reading of the URL */
	char *passfile;            /* owned; NULL: libpq's own, PGPASSFILE or ~/.pgpass */
	int passfile_copy;         /* the descriptor behind it, or -1 */
	unsigned connect_ms;
	bool listen;
	char place[POSTGRES_PLACE_BYTES];
};
/* ERROR_INVALID, ERROR_PERMISSION (the passfile). Repeats nothing of a URL that could hold a secret. */
int address_parse(struct address *ret, const char *url, struct error *error);
const char *address_option(const struct address *address, const char *keyword); /* NULL: not given */
void address_finish(struct address *address);

/* connect.c */
int connect_open(struct postgres *postgres, const struct address *address, const char *client_id, struct error *error);
/* ERROR_PERMISSION, ERROR_INVALID or ERROR_NOT_RUNNING, from what libpq says of a connection that was not made. */
int connect_failure(const struct postgres *postgres, const char *text, struct error *error);

/* statement.c */
#define STATEMENT_VALUES_MAX 7
struct statement {
	const char *sql;
	int n;
	const char *values[STATEMENT_VALUES_MAX]; /* borrowed, in PostgreSQL's binary form */
	int bytes[STATEMENT_VALUES_MAX];
	uint8_t numbers[STATEMENT_VALUES_MAX][8];
};
void statement_add(struct statement *statement, const void *data, size_t n);
void statement_add_text(struct statement *statement, const char *text);
void statement_add_number(struct statement *statement, uint64_t value); /* a bigint */

void operation_begin(struct postgres *postgres); /* sets the deadline */
int64_t operation_now_us(void);
/* Until `descriptor` has one of `events`; ERROR_TIMEOUT at the deadline. */
int operation_wait(const struct postgres *postgres, int64_t deadline_us, short events, struct error *error);
/* The caller clears the result; its columns are in binary form. */
int statement_run(struct postgres *postgres, const struct statement *statement, PGresult **ret, struct error *error);
/* Statements without values, in one trip; what they return is dropped. */
int command_run(struct postgres *postgres, const char *sql, struct error *error);
void transaction_roll_back(struct postgres *postgres); /* if one is open */
void statement_note_hints(struct postgres *postgres);  /* other leaders' hints that have come along: postgres->news */
/* What a failure with this SQLSTATE means. */
int failure_code(const char *sqlstate, const char **ret_meaning);

uint64_t result_number(const PGresult *result, int row, int column); /* int2, int4, int8; 0 for NULL */
bool result_flag(const PGresult *result, int row, int column);
/* False if the value is NULL or has another length. */
bool result_bytes(const PGresult *result, int row, int column, void *ret, size_t n);
/* A big-endian number, as PostgreSQL has them. */
void number_put(uint8_t *ret, uint64_t value, size_t n_bytes);

/* log.c */
struct log_state {
	uint8_t lineage[16];
	uint64_t epoch;
	struct backend_point head;
	bool has_event; /* at the position that was asked for */
	struct hash chain_hash;
};
int log_open(struct postgres *postgres, const struct adapter_open *open, struct adapter_opened *ret,
             struct error *error);
/* Head and one event in one snapshot. ERROR_NOT_RUNNING: the log is not the one that was opened. */
int log_look(struct postgres *postgres, uint64_t global, struct log_state *ret, struct error *error);
/* Only the head, whose row stays locked until the transaction ends. */
int log_lock(struct postgres *postgres, struct log_state *ret, struct error *error);
/* Is `point` in the log? Else `reason` says what differs. `state` was asked for its position. */
bool log_contains(const struct log_state *state, const struct backend_point *point, char *reason, size_t reason_bytes);

int postgres_push(void *backend, const struct adapter_push *push, struct adapter_push_answer *ret, struct error *error);
int postgres_pull(void *backend, const struct adapter_pull *pull, struct adapter_page *ret, struct error *error);

#endif
