#ifndef LEADERD_TESTS_RAW_CLIENT_H
#define LEADERD_TESTS_RAW_CLIENT_H

/*
 * A client that speaks frames and nothing more: what it sends is what the test
 * says, right or wrong. Waiting is bounded (10 s) and a failure of the test.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/event.h"
#include "proto/wire.h"

#define RAW_SCHEMA_1                                                                                     \
	"-- store notes version 1\n"                                                                         \
	"CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, text TEXT NOT NULL) STRICT;\n"                     \
	"CREATE TABLE mark (id TEXT PRIMARY KEY NOT NULL) STRICT;\n"                                         \
	"-- event noteAdded(id TEXT, text TEXT)\n"                                                           \
	"INSERT INTO note (id, text) VALUES (:id, :text);\n"                                                 \
	"-- event noteMarked(id TEXT) client-only\n"                                                         \
	"INSERT INTO mark (id) VALUES (:id);\n"

#define RAW_SCHEMA_2                                                                                     \
	"-- store notes version 2\n"                                                                         \
	"CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, text TEXT NOT NULL, size INTEGER NOT NULL) STRICT;\n" \
	"CREATE TABLE mark (id TEXT PRIMARY KEY NOT NULL) STRICT;\n"                                         \
	"-- event noteAdded(id TEXT, text TEXT)\n"                                                           \
	"INSERT INTO note (id, text, size) VALUES (:id, :text, length(:text));\n"                            \
	"-- event noteMarked(id TEXT) client-only\n"                                                         \
	"INSERT INTO mark (id) VALUES (:id);\n"

struct raw_client {
	int fd;
	struct wire_reader input;
	struct wire_arena arena;
	int image_fd;                 /* of the newest welcome; -1: none */
	char session_id[SESSION_ID_BYTES_MAX + 1];
	char client_id[CLIENT_ID_BYTES + 1];
	uint8_t nonce[16];
	struct position head;         /* of its own view: where the next push stands */
	uint64_t n_events, n_short, n_refused; /* fed so far */
	struct event_id last_id;      /* of the newest fed event */
	struct position last_at;
	struct hash last_hash;
	char last_reason[512];        /* of the newest refusal */
	uint64_t n_rebases;
	struct position back_to;      /* of the newest rebase */
	void (*on_wait)(void *data);  /* NULL, or called before waiting: a daemon in this very process does its turn */
	void *on_wait_data;
};

void raw_connect(struct raw_client *client, const char *socket_path);
void raw_close(struct raw_client *client);

void raw_send_bytes(struct raw_client *client, const void *data, size_t n);
void raw_send(struct raw_client *client, const Leaderd__ToLeader *message);

/* The next frame, in the client's arena until the next one. */
const Leaderd__ToSession *raw_receive(struct raw_client *client);
/* Expects the connection to end; true if a failure was told before (its code and text are copied). */
bool raw_receive_end(struct raw_client *client, int *ret_code, char *ret_text, size_t text_bytes);

/* A hello with what a new session holds: nothing. Tests change what they want. */
void raw_hello_init(Leaderd__Hello *hello, struct raw_client *client, const char *session_id);
const Leaderd__Welcome *raw_hello(struct raw_client *client, Leaderd__Hello *hello);
/* Connects and says hello to the store "notes" under schema 1. */
void raw_open(struct raw_client *client, const char *socket_path, const char *session_id);

/* One event, placed behind the client's head, which moves on; `number` makes the id. */
struct event *raw_event(struct raw_client *client, uint64_t number, const char *name, const char *args);
struct event *raw_note(struct raw_client *client, uint64_t number);
void raw_push_events(struct raw_client *client, struct event *const *events, size_t n_events);
/* Pushes one event and destroys it. */
void raw_push(struct raw_client *client, struct event *event);
void raw_event_id(struct event_id *ret, uint64_t number);

/* Takes feeds until n_events more events and n_refused more refusals have come. */
void raw_take(struct raw_client *client, uint64_t n_events, uint64_t n_refused);

/* Takes feeds until the newest fed event is the one of this number. */
void raw_take_until(struct raw_client *client, uint64_t number);
/* Takes what comes until a heads message has the trouble code wanted. */
void raw_take_trouble(struct raw_client *client, int32_t code);

/* Opens a stream of events. */
void raw_events_open(struct raw_client *client, Leaderd__EventsOpen *open);
void raw_events_credit(struct raw_client *client, uint64_t number, uint32_t credit);
/* The next page, other messages passed over. */
const Leaderd__EventsPage *raw_page(struct raw_client *client);

/* A request on a connection of its own; the response is in the client's arena. */
const Leaderd__Response *raw_request(struct raw_client *client, Leaderd__Request *request);

#endif
