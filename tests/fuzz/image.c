/*
 * An image of the state, as a session reads it, damaged: patches in its bytes, and in
 * its length. It is refused as corrupt, or taken; what was taken can be dumped, undone
 * and closed, whatever SQLite finds in it.
 */

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "fuzz.h"
#include "store/state_private.h"

static const char schema_text[] =
	"-- store fuzz version 1\n"
	"CREATE TABLE todo (id TEXT PRIMARY KEY NOT NULL, title TEXT NOT NULL) STRICT;\n"
	"-- event put(id TEXT, title TEXT)\n"
	"INSERT INTO todo VALUES (:id, :title) ON CONFLICT (id) DO UPDATE SET title = excluded.title;\n";

static struct schema *schema;

static struct event *make_event(uint64_t global) {
	static const char args[] = "{\"id\":\"x\",\"title\":\"y\"}";
	struct event *event = event_create("put", args, sizeof(args) - 1);

	must(event != NULL);
	event->version = 1;
	event->entry.at.global = global;
	event->entry.id.bytes[0] = (uint8_t)global;
	event->entry.unit = event->entry.id;
	event->entry.unit_count = 1;
	strcpy(event->client_id, "00112233445566778899aabbccddeeff");
	strcpy(event->session_id, "fuzz");
	return event;
}

static struct state *open_state(void) {
	struct state_options options = { .schema = schema };
	struct state *state = NULL;
	struct error error = { 0 };

	must(state_open(&state, &options, &error) == 0);
	return state;
}

static void read_back(int fd, uint64_t bytes, struct bytes *ret) {
	must(bytes_reserve(ret, bytes) == 0);
	must(pread(fd, ret->data, bytes, 0) == (ssize_t)bytes);
	ret->n = bytes;
}

static const struct bytes *make_image(void) {
	static struct bytes image;
	struct error error = { 0 };
	struct state *state;
	uint64_t bytes = 0;
	int fd;

	if (image.n > 0)
		return &image;
	must(schema_load(&schema, schema_text, sizeof(schema_text) - 1, "fuzz.sql", &error) == 0);
	state = open_state();
	must(state_begin(state, &error) == 0);
	for (uint64_t i = 1; i <= 5; i++) {
		struct event *event = make_event(i);

		must(state_apply(state, &event, 1, &error) == 0);
		event_destroy(event);
	}
	must(state_set_complete(state, true, &error) == 0);
	must(state_commit(state, &error) == 0);
	fd = memfd_create("image", MFD_CLOEXEC);
	must(fd >= 0 && state_image_write(state, fd, &bytes, &error) == 0);
	read_back(fd, bytes, &image);
	close(fd);
	state_close(state);
	return &image;
}

static int drop(const char *text, size_t n, void *data) {
	return 0;
}

/* Damage deeper in the image is found when it is stepped on: any code, no crash. */
static void use(struct state *state) {
	struct event *event;
	struct error error = { 0 };
	struct state_head head;
	int r;

	fuzz_expect_told(state_dump(state, false, drop, NULL, &error), &error);
	r = state_begin(state, &error);
	fuzz_expect_told(r, &error);
	if (r < 0)
		return;
	state_head(state, &head);
	r = state_undo(state, (struct position){ 2, 0 }, &error);
	fuzz_expect_told(r, &error);
	if (r < 0)
		return;
	state_head(state, &head);
	event = make_event(head.at.global < 1000 ? head.at.global + 1 : 1000);
	r = state_apply(state, &event, 1, &error);
	event_destroy(event);
	fuzz_expect_told(r, &error);
	if (r >= 0)
		fuzz_expect_told(state_commit(state, &error), &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
	struct fuzz_input input = { data, n };
	const struct bytes *image = make_image();
	struct bytes damaged = { 0 };
	struct state *state = open_state();
	struct error error = { 0 };
	uint8_t how = fuzz_u8(&input);
	uint64_t bytes;
	int r, fd;

	must(bytes_add(&damaged, image->data, image->n) == 0);
	if (how % 4 == 1)
		damaged.n = damaged.n * fuzz_u8(&input) / 256;
	bytes = how % 4 == 2 ? fuzz_number(&input) : damaged.n;
	fuzz_patch(&input, damaged.data, damaged.n);
	fd = fuzz_file(damaged.data, damaged.n, NULL);
	r = state_image_read(state, fd, bytes, schema, &error);
	fuzz_expect_told(r, &error);
	if (r == 0)
		use(state);
	close(fd);
	state_close(state);
	bytes_finish(&damaged);
	return 0;
}
