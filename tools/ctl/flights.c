/* Events on their way; see flights.h. */

#include "flights.h"

#include <string.h>

bool flights_is_full(const struct flights *flights) {
	return flights->n == FLIGHTS_MAX;
}

static struct flight *at(struct flights *flights, size_t i) {
	return &flights->list[(flights->first + i) % FLIGHTS_MAX];
}

void flights_add(struct flights *flights, const struct lds_id *id, uint64_t line) {
	*at(flights, flights->n++) = (struct flight){ .id = *id, .line = line };
}

struct flight *flights_oldest(struct flights *flights) {
	return flights->n > 0 ? at(flights, 0) : NULL;
}

struct flight *flights_find(struct flights *flights, const struct lds_id *id) {
	for (size_t i = 0; i < flights->n; i++)
		if (memcmp(at(flights, i)->id.bytes, id->bytes, sizeof(id->bytes)) == 0)
			return at(flights, i);
	return NULL;
}

void flights_refuse(struct flights *flights, struct flight *flight) {
	if (!flight->refused)
		flights->n_refused++;
	flight->refused = true;
}

void flights_drop_oldest(struct flights *flights) {
	if (at(flights, 0)->refused)
		flights->n_refused--;
	flights->first = (flights->first + 1) % FLIGHTS_MAX;
	flights->n--;
}
