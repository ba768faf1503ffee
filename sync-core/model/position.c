/*
 * Positions: the order of a log and the steps along it. Numbers end at
 * INT64_MAX, because that is what a row of the eventlog can hold. A peer may claim
 * to stand there: the step behind it is a place that no row and no frame takes, not
 * a bug of ours.
 */

#include "base/must.h"
#include "model/position.h"

static int compare(uint64_t a, uint64_t b) {
	return (a > b) - (a < b);
}

int position_compare(struct position a, struct position b) {
	int by_global = compare(a.global, b.global);

	return by_global != 0 ? by_global : compare(a.client, b.client);
}

bool position_equal(struct position a, struct position b) {
	return a.global == b.global && a.client == b.client;
}

bool position_is_root(struct position p) {
	return p.global == 0 && p.client == 0;
}

bool position_is_client_only(struct position p) {
	return p.client != 0;
}

struct position position_parent(struct position p) {
	must(!position_is_root(p));

	if (position_is_client_only(p))
		return (struct position){ p.global, p.client - 1 };
	return (struct position){ p.global - 1, 0 };
}

struct position position_next(struct position head, bool client_only) {
	if (client_only) {
		must(head.client < UINT64_MAX);
		return (struct position){ head.global, head.client + 1 };
	}
	must(head.global < UINT64_MAX);
	return (struct position){ head.global + 1, 0 };
}
