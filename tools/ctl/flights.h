#ifndef LEADERCTL_FLIGHTS_H
#define LEADERCTL_FLIGHTS_H

/*
 * The events that a worker has committed and that have not reached their stage,
 * oldest first. A session's events reach it in their own order, refused ones
 * excepted, so this is a queue. It is short, because the session replays what
 * is pending whenever another session's events come between.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <leaderd/session.h>

#define FLIGHTS_MAX 256u

struct flight {
	struct lds_id id;
	uint64_t line;
	struct lds_position position; /* in the leader's log; root before it is known */
	bool refused;
};

struct flights {
	struct flight list[FLIGHTS_MAX];
	size_t first, n;
	size_t n_refused; /* of the n */
};

bool flights_is_full(const struct flights *flights);
void flights_add(struct flights *flights, const struct lds_id *id, uint64_t line);
struct flight *flights_oldest(struct flights *flights); /* NULL: there is none */
struct flight *flights_find(struct flights *flights, const struct lds_id *id); /* NULL */
void flights_refuse(struct flights *flights, struct flight *flight);
void flights_drop_oldest(struct flights *flights);

#endif
