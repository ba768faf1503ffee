#ifndef LEADERD_TESTS_STORE_STATE_GENERATE_H
#define LEADERD_TESTS_STORE_STATE_GENERATE_H

/*
 * Generated schemas and events for the undo property. Values come from small
 * domains, so that keys collide, cascades hit and swaps happen all the time.
 */

#include <stdint.h>

#include "base/bytes.h"

struct chance {
	uint64_t state;
};

uint64_t chance_next(struct chance *chance);
unsigned chance_below(struct chance *chance, unsigned n);

#define GENERATED_TABLES_MAX 5

struct generated {
	struct bytes text;      /* the schema, NUL-terminated */
	unsigned n_events;      /* named e0, e1, ...; all with the same arguments */
	unsigned n_client_only; /* named c0, c1, ... */
};

void generate_schema(struct chance *chance, struct generated *ret);
void generate_finish(struct generated *generated);

/* A JSON object of arguments for any generated event. */
void generate_args(struct chance *chance, struct bytes *ret);

#endif
