#ifndef LEADERD_TESTS_STORE_LOG_FIXTURE_H
#define LEADERD_TESTS_STORE_LOG_FIXTURE_H

/*
 * What the event log's tests share: a folder of their own, events by number,
 * one-line steps, and everything that a log says as one text. The helpers
 * assert that they worked; what a story is about is called directly.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/eventlog.h"

struct place {
	char folder[64];
	char path[96]; /* of the log */
	char wal[96];
};

void place_make(struct place *place);
void place_remove(struct place *place);

/* A story has a place and an open log, *state, of its own. */
extern struct place story_place;
int story_set_up(void **state);
int story_tear_down(void **state);
struct eventlog *reopen(void **state);
#define story(name) cmocka_unit_test_setup_teardown(name, story_set_up, story_tear_down)

void assert_at(struct position found, struct position expected);
struct position synced(uint64_t global);
struct position client_only(uint64_t global, uint64_t client);

/* An event is told by its number: id, arguments and clock follow from it. */
struct recipe {
	unsigned number;       /* from 1 */
	struct position at;
	const char *name;      /* "todoCreated" */
	const char *client_id; /* 32 times '0' */
	const char *session;   /* "app" */
	unsigned unit_first;   /* number of the unit's first event; 0: a unit of one */
	unsigned unit_count;
	size_t args_bytes;     /* 0: a short text */
};
struct event *make(const struct recipe *recipe);
struct event *make_at(unsigned number, struct position at);
struct event_id id_of(unsigned number);
/* A unit of n events whose numbers follow each other, from `at` on. */
void make_unit(struct event **ret, unsigned number, unsigned n, struct position at);

struct eventlog *open_log(const struct place *place);
struct eventlog_status status_of(struct eventlog *log);
void begin(struct eventlog *log);
void commit(struct eventlog *log);
/* Appends and destroys; inside a transaction. */
void append(struct eventlog *log, struct event *event);
/* Events with these numbers, each at the next synced place, as one commit. */
void commit_numbers(struct eventlog *log, unsigned first, unsigned n);

/* Every row of every table that can be read, the status included, the random
 * client id left out: an owned text. NULL, with *ret_code, if reading fails. */
char *try_content_of(struct eventlog *log, int *ret_code, struct error *error);
char *content_of(struct eventlog *log);
/* Positions in log order: "e1 e2 e2.1". Owned. */
char *chain_of(struct eventlog *log);
void assert_chain(struct eventlog *log, const char *expected);
void assert_verifies(struct eventlog *log);

/* A whole file. */
uint8_t *read_file(const char *path, size_t *ret_n); /* owned */
void write_file(const char *path, const uint8_t *data, size_t n);

#endif
