#ifndef LEADERD_TESTS_STORE_STATE_FIXTURE_H
#define LEADERD_TESTS_STORE_STATE_FIXTURE_H

/*
 * What the state's tests share: a schema from text, events by name and JSON, a
 * state with one-line steps, and a dump that shows rowids too. The helpers
 * assert that they worked; what a story is about is called directly.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/state.h"

struct schema *make_schema(const char *text);

/* An owned event at `at`; its id, hash and unit follow from the position. */
struct event *make_event(struct position at, const char *name, const char *args);
struct position synced(uint64_t global);
struct position client_only(uint64_t global, uint64_t client);

struct state *open_memory(const struct schema *schema);

/* One event as a unit and a transaction of its own; 0 or STATE_REFUSED. */
int commit_event(struct state *state, struct position at, const char *name, const char *args, struct error *error);
void commit_good(struct state *state, struct position at, const char *name, const char *args);
int undo_to(struct state *state, struct position to);

/* Owned texts. */
char *dump_of(struct state *state);        /* state_dump */
char *deep_dump_of(struct state *state);   /* every row with its rowid and the types of its values */
void assert_dump(struct state *state, const char *expected);
void assert_head(struct state *state, struct position at);

/* What SQLite itself thinks of the file: indexes and foreign keys. */
void assert_sound(struct state *state);

/* The first column of the first row as a number. */
int64_t query_number(struct state *state, const char *sql);

/* A path in a fresh folder of the test's own; removed with remove_path. */
char *make_path(void);
void remove_path(char *path);

#endif
