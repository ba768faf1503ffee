#ifndef TESTS_STORE_SCHEMA_SUPPORT_H
#define TESTS_STORE_SCHEMA_SUPPORT_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "store/schema.h"

/* Each of these ends the test when it fails. */

/* The whole file, with a NUL behind it that is not counted. */
void read_file(struct bytes *ret, const char *path);
struct schema *load(const char *text);
struct schema *load_shipped(const char *name);
/* A plain connection with the tables of the schema. */
sqlite3 *open_tables(const struct schema *schema);
void run(sqlite3 *db, const char *sql);
/* Executes an event's materializer; returns SQLite's result: SQLITE_DONE, or
 * that of the first statement that failed. */
int materialize(sqlite3 *db, const struct schema *schema, const struct event *event);
/* Every row of a query, columns separated by '|', rows by '\n'. */
void dump(struct bytes *ret, sqlite3 *db, const char *sql);

/* An event of device `client`, `n` clock ticks after a fixed moment. */
struct event *make_event(const char *name, const char *args, char client, unsigned n);

/* Random numbers whose seed is printed, and taken from LEADERD_SEED if set. */
uint64_t seed_of_test(void);
uint64_t next_random(uint64_t *state);

#endif
