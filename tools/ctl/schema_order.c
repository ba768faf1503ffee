/* leaderctl schema check --order; see schema_order.h. */

#include "schema_order.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "model/event.h"
#include "report.h"
#include "store/schema.h"
#include "store/state.h"

#define ROUNDS 4000u   /* events; enough for a few hundred of each of a dozen definitions */
#define SEED 20240607u /* the same events each time, so that a finding can be looked at again */

struct trial {
	struct schema *schema;
	struct state *states[2]; /* the second one reads backwards */
	struct position head;
	uint64_t random;
};

/* xorshift64*: good enough to choose by, and the same everywhere. */
static uint32_t chance(struct trial *trial, uint32_t below) {
	trial->random ^= trial->random >> 12;
	trial->random ^= trial->random << 25;
	trial->random ^= trial->random >> 27;
	return (uint32_t)((trial->random * 2685821657736338717u) >> 33) % below;
}

/* ---- events ------------------------------------------------------------------------- */

static int add_text(struct bytes *to, const char *text) {
	return bytes_add(to, text, strlen(text));
}

/* From few values, so that events meet the rows of others. */
static int add_value(struct trial *trial, struct bytes *to, enum argument_type type) {
	static const char *const texts[] = { "\"a\"", "\"b\"", "\"c\"", "\"d\"", "\"e\"", "\"1\"", "\"2\"", "\"\"" };
	static const char *const numbers[] = { "0", "1", "2", "3", "4", "5", "-1", "1000000" };
	static const char *const reals[] = { "0.5", "1.0", "-2.25", "3.0", "1e10", "0.0", "7.75", "2.5" };
	static const char *const blobs[] = { "\"\"", "\"AA==\"", "\"AQI=\"", "\"YWJj\"" };
	static const char *const jsons[] = { "[]",
		                                 "[1,2,3]",
		                                 "[\"a\",\"b\",\"c\"]",
		                                 "{\"a\":1}",
		                                 "\"a\"",
		                                 "[{\"id\":\"a\"},{\"id\":\"b\"}]",
		                                 "{\"a\":[1],\"b\":[2]}" };

	switch (type) {
	case ARGUMENT_TEXT:
		return add_text(to, texts[chance(trial, 8)]);
	case ARGUMENT_INTEGER:
		return add_text(to, numbers[chance(trial, 8)]);
	case ARGUMENT_REAL:
		return add_text(to, reals[chance(trial, 8)]);
	case ARGUMENT_BOOLEAN:
		return add_text(to, chance(trial, 2) ? "true" : "false");
	case ARGUMENT_BLOB:
		return add_text(to, blobs[chance(trial, 4)]);
	case ARGUMENT_JSON:
		return add_text(to, jsons[chance(trial, 7)]);
	}
	return 0;
}

static int make_args(struct trial *trial, const struct schema_event *definition, struct bytes *ret) {
	int r = add_text(ret, "{");
	bool is_first = true;

	for (size_t i = 0; r == 0 && i < definition->n_arguments; i++) {
		const struct schema_argument *argument = &definition->arguments[i];

		if (argument->optional && chance(trial, 4) == 0)
			continue;
		r = add_text(ret, is_first ? "\"" : ",\"");
		is_first = false;
		if (r == 0)
			r = add_text(ret, argument->name);
		if (r == 0)
			r = add_text(ret, "\":");
		if (r == 0)
			r = add_value(trial, ret, argument->type);
	}
	return r == 0 ? add_text(ret, "}") : r;
}

static struct event *make_event(struct trial *trial, const struct schema_event *definition, uint32_t number) {
	struct bytes args = { 0 };
	struct event *event = NULL;

	if (make_args(trial, definition, &args) == 0)
		event = event_create(definition->name, (const char *)args.data, args.n);
	bytes_finish(&args);
	must_have(event);
	event->version = definition->version;
	event->entry.client_only = definition->client_only;
	event->entry.at = position_next(trial->head, definition->client_only);
	event->entry.unit_count = 1;
	memcpy(event->entry.id.bytes, &number, sizeof(number));
	event->entry.id.bytes[15] = 1;
	event->entry.unit = event->entry.id;
	event->hlc.time_ms = 1700000000000u + number;
	memset(event->client_id, 'a', CLIENT_ID_BYTES);
	snprintf(event->session_id, sizeof(event->session_id), "s%u", chance(trial, 3));
	return event;
}

/* ---- the two states ----------------------------------------------------------------- */

static int open_states(struct trial *trial, const char *text, const char *label, struct error *error) {
	struct state_options options = { 0 };
	int r = schema_load(&trial->schema, text, strlen(text), label, error);

	options.schema = trial->schema;
	for (int i = 0; r == 0 && i < 2; i++)
		r = state_open(&trial->states[i], &options, error);
	if (r == 0 && sqlite3_exec(state_database(trial->states[1]), "PRAGMA reverse_unordered_selects = ON", NULL, NULL,
	                           NULL) != SQLITE_OK)
		r = error_set(error, ERROR_IO, "SQLite did not turn the order of rows: %s",
		              sqlite3_errmsg(state_database(trial->states[1])));
	return r;
}

static void close_states(struct trial *trial) {
	state_close(trial->states[0]);
	state_close(trial->states[1]);
	schema_destroy(trial->schema);
}

/* 0 or STATE_REFUSED; `error` says why. */
static int apply(struct state *state, struct event *event, struct error *error) {
	int r = state_begin(state, error), outcome;

	if (r < 0)
		return r;
	outcome = state_apply(state, &event, 1, error);
	if (outcome < 0)
		return outcome;
	r = state_commit(state, error);
	return r < 0 ? r : outcome;
}

static int add_line(const char *text, size_t n, void *data) {
	return bytes_add(data, text, n);
}

static int dumps_differ(struct trial *trial, bool *ret, struct error *error) {
	struct bytes dumps[2] = { { 0 }, { 0 } };
	int r = 0;

	for (int i = 0; r == 0 && i < 2; i++)
		r = state_dump(trial->states[i], false, add_line, &dumps[i], error);
	*ret = dumps[0].n != dumps[1].n || (dumps[0].n > 0 && memcmp(dumps[0].data, dumps[1].data, dumps[0].n) != 0);
	bytes_finish(&dumps[0]);
	bytes_finish(&dumps[1]);
	return r;
}

static int depends(const struct event *event, const struct schema_event *definition, const char *label,
                   const char *what) {
	return report(STATUS_FAILURE,
	              "%s:%u: what %s does depends on the order of rows, give its SELECT an ORDER BY: %s, "
	              "with the arguments %.300s",
	              label, definition->line, event->name, what, event->args);
}

/* One event, twice. Equal digests are equal effects; others may only have come
 * about in another order. */
static int try_event(struct trial *trial, const struct schema_event *definition, struct event *event,
                     const char *label) {
	struct error errors[2] = { { 0 }, { 0 } };
	bool differ = false;
	uint64_t digest;
	int first = apply(trial->states[0], event, &errors[0]), second, r;

	digest = event->digest;
	second = apply(trial->states[1], event, &errors[1]);
	if (first < 0 || second < 0)
		return report(STATUS_FAILURE, "%s:%u: %s, with the arguments %.300s", label, definition->line,
		              errors[first < 0 ? 0 : 1].text, event->args);
	if (first != second)
		return depends(event, definition, label, "it is refused in one order only");
	if (first == STATE_REFUSED)
		return 0;
	trial->head = event->entry.at;
	if (event->digest == digest)
		return 0;
	r = dumps_differ(trial, &differ, &errors[0]);
	if (r < 0)
		return report(STATUS_FAILURE, "%s", errors[0].text);
	return differ ? depends(event, definition, label, "the rows differ") : 0;
}

static int try_events(struct trial *trial, const char *label) {
	int r = 0;

	for (uint32_t i = 1; r == 0 && trial->schema->n_events > 0 && i <= ROUNDS; i++) {
		const struct schema_event *definition =
			&trial->schema->events[chance(trial, (uint32_t)trial->schema->n_events)];
		struct event *event = make_event(trial, definition, i);

		r = try_event(trial, definition, event, label);
		event_destroy(event);
	}
	return r;
}

int schema_order_check(const char *text, const char *label) {
	struct trial trial = { .random = SEED };
	struct error error = { 0 };
	int r = open_states(&trial, text, label, &error);

	r = r < 0 ? report_code(r, error.text) : try_events(&trial, label);
	close_states(&trial);
	return r;
}
