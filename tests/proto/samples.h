#ifndef LEADERD_TESTS_SAMPLES_H
#define LEADERD_TESTS_SAMPLES_H

/*
 * One valid message of every kind, to be spoiled by a test in one place, and
 * bytes written as text.
 */

#include "proto/wire.h"

#define SAMPLE_EVENTS 3u

struct samples {
	uint8_t ids[SAMPLE_EVENTS][16]; /* the unit's id is the first */
	uint8_t hash[32];
	char args[64];
	uint64_t origins[4];
	Leaderd__Event events[SAMPLE_EVENTS];
	Leaderd__Event *list[SAMPLE_EVENTS];
	Leaderd__Point newest, confirmed;
	Leaderd__Heads heads;
	Leaderd__Hello hello;
	Leaderd__Push push;
	Leaderd__Acknowledge acknowledge;
	Leaderd__EventsOpen open;
	Leaderd__EventsCredit credit;
	Leaderd__EventsClose close;
	Leaderd__Request request;
	Leaderd__Welcome welcome;
	Leaderd__Refusal refusal, *refusals[1];
	Leaderd__Feed feed;
	Leaderd__HelloAgain again;
	Leaderd__EventsPage page;
	Leaderd__StoreStatus store, *stores[1];
	Leaderd__SessionStatus session, *sessions[1];
	Leaderd__Known known, *knowns[1];
	Leaderd__Response response;
	Leaderd__Failure failure;
	Leaderd__ToLeader to_leader;
	Leaderd__ToSession to_session;
};

/* The messages borrow from `samples`, which must stay where it is. Events are
 * as pushed; samples_to_session makes them as logged. */
void samples_init(struct samples *samples);
const Leaderd__ToLeader *samples_to_leader(struct samples *samples, Leaderd__ToLeader__BodyCase body);
const Leaderd__ToSession *samples_to_session(struct samples *samples, Leaderd__ToSession__BodyCase body);
void samples_log_events(struct samples *samples);
void samples_shorten(Leaderd__Event *event);

/* A frame of its own for each call; freed with bytes_finish. */
struct bytes samples_pack_to_leader(const Leaderd__ToLeader *message);
struct bytes samples_pack_to_session(const Leaderd__ToSession *message);

/*
 * Bytes as text: two hexadecimal digits are a byte, 'text' its characters,
 * (...) what it holds behind its length as protobuf writes it (a varint), and
 * [...] what it holds behind its length as frames write it (four bytes).
 * Blanks are passed over. Any other character fails the test.
 */
struct bytes bytes_of_text(const char *text);

/* A field of one key byte that holds `inner` behind its length. */
void bytes_add_field(struct bytes *out, uint8_t key, const struct bytes *inner);

#endif
