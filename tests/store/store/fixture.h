#ifndef LEADERD_TESTS_STORE_STORE_FIXTURE_H
#define LEADERD_TESTS_STORE_STORE_FIXTURE_H

/*
 * What the store's tests share: a store in a folder of its own, and a leader of
 * a few lines that commits, is told of confirmed events, and rebases, in the
 * order of effects that the real one keeps. The oracle for every state is a
 * replay of the log that shares no code with the store's own. The helpers assert
 * that they worked; what a story is about is called directly.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/store.h"

/* Version 1 knows added, renamed, removed and looked (client-only); version 2
 * lifts added to added@2 and knows counted; other_schema is version 1 with another text. */
extern const char schema_1[], schema_2[], other_schema[];

/* Longer than SQLite's header: nobody takes it for an empty file. */
extern const char no_database[4096];

struct place {
	char folder[64];
	char log[96], state[96], state_wal[96], new_state[96];
};
void place_make(struct place *place);
void place_copy(const struct place *from, struct place *ret); /* a new place with the files of another */
void place_remove(struct place *place);                       /* with everything in it */

struct position synced(uint64_t global);
struct position client_only(uint64_t global, uint64_t client);

/* An event without a place; its id follows from `number`. */
struct event *make_event(unsigned number, const char *name, const char *args);
struct event *added(unsigned number, const char *id);
struct event *renamed(unsigned number, const char *id, const char *title);
/* Makes one unit of what were units of one. */
void join(struct event **events, size_t n);

struct store *open_store(const struct place *place); /* with schema_1 for a new one; not on hold */
struct store *try_open(const struct place *place, const char *schema);
struct store *reopen(struct store *store, const struct place *place);
struct eventlog_status status_of(struct store *store);
void set_has_backend(struct store *store, bool has_backend);
void shorten_journal(struct store *store); /* from now on it keeps one event */

/* Where the leader dies: the log of the step is durable, the state is not. */
enum death { LIVES, DIES_BEFORE_STATE };

/* Commits a unit, which is taken: 0, or STATE_REFUSED when it was refused. */
int push_unit(struct store *store, struct event **unit, size_t n, enum death death);
void push(struct store *store, struct event *event); /* accepted */
/* The backend confirmed everything up to `head`, where it stands. */
void confirm(struct store *store, struct position head);
/* The backend confirmed this unit behind the last confirmed one: what was
 * pending is replayed behind it. The unit is taken. */
void pull_unit(struct store *store, struct event **unit, size_t n, enum death death);
void pull(struct store *store, struct event *event);

/* Owned texts. */
char *dump_of(struct state *state);
char *dump_of_store(struct store *store);
char *replay_of(struct store *store); /* what the oracle says, voids included */
void assert_is_replay(struct store *store);
void assert_dump(struct store *store, const char *expected);
void assert_head(struct store *store, struct position at);
void assert_hold(struct store *store, int code, const char *part_of_text);

bool exists(const char *path);
uint8_t *read_file(const char *path, size_t *ret_n); /* owned */
void write_file(const char *path, const void *data, size_t n);
/* Copies the state with its write-ahead log aside, and back. */
struct kept {
	uint8_t *data[2];
	size_t n[2];
};
void keep_state(const struct place *place, struct kept *ret);
void put_back(const struct place *place, const struct kept *kept);
void kept_finish(struct kept *kept);
void remove_state(const struct place *place);
/* Runs SQL on a database file behind everybody's back. */
void change_file(const char *path, const char *sql);

#endif
