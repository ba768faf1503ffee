#ifndef LEADERD_TESTS_SCRIPTED_LEADER_H
#define LEADERD_TESTS_SCRIPTED_LEADER_H

/*
 * A leader that says what a test tells it to: it listens on a real socket and
 * keeps a log and a state like the real one, but takes every word in its own
 * time. Only lds_open needs it in a thread; everything after is one story, told
 * line by line by the test.
 *
 * Everything that cannot be fails the test.
 */

#include <stdbool.h>
#include <stdint.h>

#include "leaderd/session.h"
#include "model/event.h"
#include "proto/wire.h"
#include "store/schema.h"
#include "store/state.h"

#define SCRIPTED_LOG_MAX 4096

#define NOTES_1                                                                             \
	"-- store notes version 1\n"                                                            \
	"CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, text TEXT NOT NULL) STRICT;\n"        \
	"CREATE TABLE ui (session TEXT PRIMARY KEY NOT NULL, filter TEXT NOT NULL) STRICT;\n"   \
	"-- event noteAdded(id TEXT, text TEXT)\n"                                              \
	"INSERT INTO note (id, text) VALUES (:id, :text);\n"                                    \
	"-- event noteRemoved(id TEXT)\n"                                                       \
	"SELECT refuse('no such note') WHERE NOT EXISTS (SELECT 1 FROM note WHERE id = :id);\n" \
	"DELETE FROM note WHERE id = :id;\n"                                                    \
	"-- event filterChanged(filter TEXT) client-only\n"                                     \
	"INSERT INTO ui (session, filter) VALUES (:session_id, :filter)\n"                      \
	"  ON CONFLICT (session) DO UPDATE SET filter = excluded.filter;\n"

#define NOTES_2                                                                                                        \
	"-- store notes version 2\n"                                                                                       \
	"CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, text TEXT NOT NULL, stars INTEGER NOT NULL DEFAULT 0) STRICT;\n" \
	"-- event noteAdded(id TEXT, text TEXT)\n"                                                                         \
	"INSERT INTO note (id, text) VALUES (:id, :text);\n"                                                               \
	"-- event noteStarred(id TEXT)\n"                                                                                  \
	"UPDATE note SET stars = stars + 1 WHERE id = :id;\n"

struct scripted_leader {
	char folder[64], socket[96];
	int listen_fd, fd;
	struct wire_reader reader;
	struct wire_arena arena;
	struct bytes output;
	char client_id[CLIENT_ID_BYTES + 1];
	const char *schema_text;
	struct schema *schema;
	struct state *state;
	struct event *log[SCRIPTED_LOG_MAX];
	size_t n_log;
	uint64_t generation;
	bool has_backend;
	struct position backend;
	int trouble_code;
	const char *trouble;
	uint64_t refused_ordinal;
	unsigned *damage_seed; /* while set, some bytes of what is sent are others */
};

void scripted_start(struct scripted_leader *leader, const char *schema);
void scripted_stop(struct scripted_leader *leader); /* closes everything, removes the folder */
void scripted_change_schema(struct scripted_leader *leader, const char *schema); /* and replays the log under it */

/* ---- connections --------------------------------------------------------------- */

void scripted_accept(struct scripted_leader *leader);
void scripted_hang_up(struct scripted_leader *leader); /* closes this connection */
void scripted_leave(struct scripted_leader *leader);   /* closes the listener too: nobody listens any more */
void scripted_return(struct scripted_leader *leader);  /* listens again */

/* The next frame of the session, which must be of this kind. Borrowed until the next read. */
const Leaderd__ToLeader *scripted_read(struct scripted_leader *leader, Leaderd__ToLeader__BodyCase kind);
/* The next frame of the session, acknowledgements passed over; NULL: none has arrived. */
const Leaderd__ToLeader *scripted_try_read(struct scripted_leader *leader);
void scripted_send(struct scripted_leader *leader, const Leaderd__ToSession *message);

/* Options for a session with this leader: socket, store "notes", time-out 5 s. */
struct lds_options scripted_options(const struct scripted_leader *leader);
/* lds_open, answered by a welcome without an image at root (or with one, of the log). */
int scripted_open(struct scripted_leader *leader, const struct lds_options *options, bool image,
                  struct lds_session **ret);
/* The usual one: NOTES_1 as the app's schema, session id "mine". */
struct lds_session *scripted_session(struct scripted_leader *leader);

/* ---- words --------------------------------------------------------------------- */

struct scripted_welcome {
	bool image;
	size_t n_resumed; /* events of the log that the session keeps: the resume point is behind them */
	const uint8_t *verdicts;
	size_t n_verdicts;
	bool with_schema, schema_is_newer;
	bool no_descriptor; /* an image is announced, but does not come */
	uint32_t protocol;  /* 0: the right one */
};
void scripted_say_welcome(struct scripted_leader *leader, const struct scripted_welcome *welcome);

/* The log's head, and a feed of the log from index `first` on. Events of pushes
 * go short unless `full`. */
struct scripted_feed {
	size_t first; /* index in the log of the first event of the feed */
	bool rebase;  /* back to the event before `first` */
	bool full;
	const char *refused_reason; /* with refused: a refusal of these events goes first */
	struct event *const *refused;
	size_t n_refused;
	bool break_hash, break_digest;
	const char *short_session; /* whose events go short; NULL: "mine" */
};
void scripted_say_feed(struct scripted_leader *leader, const struct scripted_feed *feed);
void scripted_say_failure(struct scripted_leader *leader, int code, const char *text);
void scripted_say_hello_again(struct scripted_leader *leader);

/* ---- the log --------------------------------------------------------------------- */

/* Takes the events of a push behind the head; returns how many. */
size_t scripted_take_push(struct scripted_leader *leader, const Leaderd__Push *push);
/* Another session's event. */
struct event *scripted_foreign(struct scripted_leader *leader, const char *name, const char *args);
/* Takes everything from index `to` on out of the log; the taken events are the caller's. */
size_t scripted_take_back(struct scripted_leader *leader, size_t to, struct event **ret, size_t n_max);
void scripted_append(struct scripted_leader *leader, struct event *event); /* taken */

/* ---- looking at a session ---------------------------------------------------------- */

/* One integer of one row. */
int64_t session_count(struct lds_session *session, const char *sql);
/* Turns of the session until it has nothing more to do at once. */
int session_settle(struct lds_session *session);
/* Turns, at the times that the session asks for, until it has connected again and said hello. */
void session_reconnect(struct lds_session *session, struct scripted_leader *leader);
struct lds_status session_status(struct lds_session *session);

#endif
