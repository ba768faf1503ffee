/*
 * A schema file. What is accepted can be installed, and keeps its promises: each
 * of its events is tried with made-up arguments, refused or applied, and undone;
 * then the state is the empty one again.
 */

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "store/state_private.h"

#define EVENTS_TRIED_MAX 12u
#define STATEMENT_LOOKS_MAX 1u /* a statement that does not end costs a moment, not seconds */

static int add_text(struct bytes *out, const char *text) {
	return bytes_add(out, text, strlen(text));
}

static void make_args(struct bytes *ret, const struct schema_event *definition, unsigned round) {
	static const char *const values[][2] = {
		[ARGUMENT_TEXT] = { "\"a\"", "\"2024-02-29\"" },
		[ARGUMENT_INTEGER] = { "1", "-9223372036854775808" },
		[ARGUMENT_REAL] = { "1.5", "-1e300" },
		[ARGUMENT_BOOLEAN] = { "true", "false" },
		[ARGUMENT_JSON] = { "[1,{\"a\":\"b\"}]", "\"x\"" },
		[ARGUMENT_BLOB] = { "\"AAEC\"", "\"\"" },
	};
	int r = add_text(ret, "{");

	for (size_t i = 0; i < definition->n_arguments; i++) {
		r |= add_text(ret, i > 0 ? ",\"" : "\"");
		r |= add_text(ret, definition->arguments[i].name);
		r |= add_text(ret, "\":");
		r |= add_text(ret, values[definition->arguments[i].type][round % 2]);
	}
	r |= bytes_add(ret, "}", 2);
	must(r == 0);
}

static struct event *make_event(const struct schema_event *definition, struct position at, unsigned round) {
	struct bytes args = { 0 };
	struct event *event;

	make_args(&args, definition, round);
	event = event_create(definition->name, (const char *)args.data, args.n - 1);
	bytes_finish(&args);
	must(event != NULL);
	event->version = definition->version;
	event->entry.at = at;
	event->entry.client_only = at.client != 0;
	event->entry.unit_count = 1;
	memcpy(event->entry.id.bytes, &at, sizeof(event->entry.id.bytes));
	event->entry.unit = event->entry.id;
	event->hlc.time_ms = 1700000000000;
	strcpy(event->client_id, "00112233445566778899aabbccddeeff");
	strcpy(event->session_id, "fuzz");
	return event;
}

static int add_dump(const char *text, size_t n, void *data) {
	return bytes_add(data, text, n);
}

static void dump(struct state *state, struct bytes *ret) {
	struct error error = { 0 };

	fuzz_expect(state_dump(state, false, add_dump, ret, &error) == 0);
}

/* False when the transaction is over. */
static bool try_event(struct state *state, const struct schema_event *definition, unsigned round) {
	struct event *event;
	struct error error = { 0 };
	struct state_head head;
	int r;

	state_head(state, &head);
	event = make_event(definition, position_next(head.at, definition->client_only), round);
	r = state_apply(state, &event, 1, &error);
	fuzz_expect_told(r, &error);
	fuzz_expect(r == 0 || r == STATE_REFUSED || r == ERROR_HOLD || r == ERROR_FULL || r == ERROR_TOO_LARGE);
	fuzz_expect(r != 0 || event->digest != 0);
	event_destroy(event);
	return r >= 0;
}

static void use(const struct schema *schema) {
	struct state_options options = { .schema = schema };
	struct bytes before = { 0 }, after = { 0 };
	struct state *state = NULL;
	struct error error = { 0 };
	bool open = true;

	fuzz_expect(state_open(&state, &options, &error) == 0);
	state->statement_looks_max = STATEMENT_LOOKS_MAX;
	dump(state, &before);
	fuzz_expect(state_begin(state, &error) == 0);
	for (unsigned i = 0; open && i < 2 * schema->n_events && i < EVENTS_TRIED_MAX; i++)
		open = try_event(state, &schema->events[i % schema->n_events], i / (unsigned)schema->n_events);
	if (open) {
		int r = state_undo(state, POSITION_ROOT, &error);

		fuzz_expect(r == 0);
		fuzz_expect(state_commit(state, &error) == 0);
	}
	dump(state, &after);
	fuzz_expect(before.n == after.n && (before.n == 0 || memcmp(before.data, after.data, before.n) == 0));
	state_close(state);
	bytes_finish(&before);
	bytes_finish(&after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
	struct fuzz_input input = { data, n };
	struct schema *schema = NULL, *again = NULL;
	struct error error = { 0 };
	char *text = fuzz_text(&input);
	int r = schema_load(&schema, text, n, "fuzz.sql", &error);

	fuzz_expect_told(r, &error);
	fuzz_expect(r == 0 || r == ERROR_SCHEMA || r == ERROR_TOO_LARGE);
	if (r == 0) {
		fuzz_expect(schema_load(&again, schema->text, schema->text_bytes, "fuzz.sql", &error) == 0);
		fuzz_expect(hash_equal(&schema->fingerprint, &again->fingerprint));
		use(schema);
	}
	schema_destroy(schema);
	schema_destroy(again);
	free(text);
	return 0;
}
