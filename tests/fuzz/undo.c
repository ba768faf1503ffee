/*
 * Row images of the undo journal, damaged. The first byte chooses the images of one
 * event (or none), the rest are patches, or the bytes themselves. Undo answers that
 * they are corrupt, or does what they say; the state's own tables stay whole.
 */

#include <string.h>

#include "base/bytes.h"
#include "fuzz.h"
#include "store/state_private.h"

#define EVENTS 10u

static const char schema_text[] =
	"-- store fuzz version 1\n"
	"CREATE TABLE plain (id TEXT PRIMARY KEY NOT NULL, a, b REAL, c BLOB);\n"
	"CREATE TABLE number (id INTEGER PRIMARY KEY, a TEXT UNIQUE);\n"
	"CREATE TABLE pair (a TEXT NOT NULL, b INTEGER NOT NULL, v, PRIMARY KEY (b, a)) WITHOUT ROWID;\n"
	"-- event put(id TEXT, n INTEGER, r REAL)\n"
	"INSERT INTO plain VALUES (:id, :n, :r, x'0001ff') ON CONFLICT (id) DO UPDATE SET a = excluded.a, b = excluded.b;\n"
	"INSERT OR REPLACE INTO number VALUES (:n, :id);\n"
	"INSERT INTO pair VALUES (:id, :n, :r) ON CONFLICT (b, a) DO UPDATE SET v = excluded.v;\n"
	"-- event clear(n INTEGER)\n"
	"DELETE FROM plain WHERE a <= :n;\n"
	"UPDATE number SET id = id + 100, a = a || 'x' WHERE id > :n;\n"
	"UPDATE pair SET b = b + 7 WHERE b > :n;\n";

static const char *const events[EVENTS][2] = {
	{ "put", "{\"id\":\"a\",\"n\":1,\"r\":0.5}" },  { "put", "{\"id\":\"b\",\"n\":2,\"r\":-1}" },
	{ "put", "{\"id\":\"a\",\"n\":3,\"r\":1e300}" }, { "put", "{\"id\":\"\",\"n\":-9223372036854775808,\"r\":0}" },
	{ "put", "{\"id\":\"c\",\"n\":2,\"r\":2.5}" },  { "clear", "{\"n\":2}" },
	{ "put", "{\"id\":\"d\",\"n\":300,\"r\":7}" },  { "clear", "{\"n\":-5}" },
	{ "put", "{\"id\":\"e\",\"n\":5,\"r\":8}" },    { "put", "{\"id\":\"e\",\"n\":6,\"r\":9}" },
};

struct base {
	struct schema *schema;
	struct state *state;
	struct bytes images[EVENTS];
	struct bytes dump;
};

static int add_dump(const char *text, size_t n, void *data) {
	return bytes_add(data, text, n);
}

static void dump(struct state *state, struct bytes *ret) {
	struct error error = { 0 };

	bytes_clear(ret);
	fuzz_expect(state_dump(state, false, add_dump, ret, &error) == 0);
}

static void apply(struct base *base, unsigned i) {
	struct event *event = event_create(events[i][0], events[i][1], strlen(events[i][1]));
	struct error error = { 0 };

	must(event != NULL);
	event->version = 1;
	event->entry.at.global = i + 1;
	event->entry.id.bytes[0] = (uint8_t)(i + 1);
	event->entry.unit = event->entry.id;
	event->entry.unit_count = 1;
	strcpy(event->client_id, "00112233445566778899aabbccddeeff");
	strcpy(event->session_id, "fuzz");
	must(state_apply(base->state, &event, 1, &error) == 0);
	must(bytes_add(&base->images[i], base->state->capture.images.data, base->state->capture.images.n) == 0);
	event_destroy(event);
}

/* Made once: each input works in a transaction that is rolled back. */
static struct base *make_base(void) {
	static struct base base;
	struct state_options options = { 0 };
	struct error error = { 0 };

	if (base.state)
		return &base;
	if (schema_load(&base.schema, schema_text, sizeof(schema_text) - 1, "fuzz.sql", &error) < 0)
		must_failed(error.text, __FILE__, __LINE__);
	options.schema = base.schema;
	must(state_open(&base.state, &options, &error) == 0);
	must(state_begin(base.state, &error) == 0);
	for (unsigned i = 0; i < EVENTS; i++)
		apply(&base, i);
	must(state_commit(base.state, &error) == 0);
	dump(base.state, &base.dump);
	return &base;
}

static void take(struct base *base, const struct bytes *images) {
	struct bytes after = { 0 };
	struct error error = { 0 };
	int r;

	must(state_begin(base->state, &error) == 0);
	base->state->guard.mode = AUTHORIZER_OWN;
	r = undo_images(&base->state->undo, images->data, images->n, &error);
	fuzz_expect_told(r, &error);
	fuzz_expect(r == 0 || r == ERROR_CORRUPT);
	state_rollback(base->state);
	dump(base->state, &after);
	fuzz_expect(after.n == base->dump.n && memcmp(after.data, base->dump.data, after.n) == 0);
	bytes_finish(&after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
	struct fuzz_input input = { data, n };
	struct base *base = make_base();
	unsigned choice = fuzz_below(&input, EVENTS + 1);
	struct bytes images = { 0 };
	int r;

	if (choice < EVENTS) {
		r = bytes_add(&images, base->images[choice].data, base->images[choice].n);
		if (r == 0 && fuzz_u8(&input) < 64) { /* cut, with a length that fits */
			images.n = images.n > 4 ? fuzz_below(&input, (unsigned)(images.n < 250 ? images.n - 4 : 246)) : 0;
			r = bytes_add_u32(&images, (uint32_t)images.n);
		}
		fuzz_patch(&input, images.data, images.n);
	} else { /* one image made of these bytes */
		r = bytes_add(&images, input.at, input.n);
		if (r == 0)
			r = bytes_add_u32(&images, (uint32_t)input.n);
	}
	must(r == 0);
	take(base, &images);
	bytes_finish(&images);
	return 0;
}
