/*
 * Memory: each allocation of a whole life of a state is made to fail once. Every
 * step then answers ERROR_NO_MEMORY and has not happened, nothing leaks, and the
 * same step works when it is asked again.
 */

#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"

static const char text[] =
	"-- store s version 1\n"
	"CREATE TABLE item (id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL);\n"
	"CREATE TABLE part (id INTEGER PRIMARY KEY NOT NULL, item TEXT REFERENCES item (id) ON DELETE CASCADE) WITHOUT ROWID;\n"
	"-- event added@1(id TEXT) becomes added: SELECT :id AS id, 'name of ' || :id AS name\n"
	"-- event added@2(id TEXT, name TEXT)\n"
	"INSERT INTO item (id, name) VALUES (:id, :name);\n"
	"INSERT INTO part (id, item) VALUES (1, :id);\n"
	"-- event renamed(id TEXT, name TEXT)\n"
	"UPDATE item SET name = :name WHERE id = :id;\n"
	"UPDATE part SET id = id + 1;\n"
	"-- event removed(id TEXT)\n"
	"DELETE FROM item WHERE id = :id;\n";

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *data, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *data, size_t n);
char *__wrap_strdup(const char *s);

static unsigned long fail_at; /* 0: never */
static unsigned long calls;

static bool fails(void) {
	return fail_at != 0 && ++calls == fail_at;
}

void *__wrap_malloc(size_t n) {
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size) {
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *data, size_t n) {
	return fails() ? NULL : __real_realloc(data, n);
}

char *__wrap_strdup(const char *s) {
	return fails() ? NULL : __real_strdup(s);
}

static struct schema *schema;
static struct event *events[3];

static int load(void **data) {
	schema = make_schema(text);
	events[0] = make_event(synced(1), "added", "{\"id\":\"a\"}");
	events[1] = make_event(synced(2), "renamed", "{\"id\":\"a\",\"name\":\"b\"}");
	events[2] = make_event(synced(3), "removed", "{\"id\":\"a\"}");
	return 0;
}

static int unload(void **data) {
	for (size_t i = 0; i < 3; i++)
		event_destroy(events[i]);
	schema = schema_destroy(schema);
	return 0;
}

/* Ends the present try unless it is the expected failure. */
static bool failed(int r, const struct error *error) {
	if (r >= 0)
		return false;
	if (r != ERROR_NO_MEMORY)
		fail_msg("allocation %lu: %s", fail_at, error->text);
	assert_int_equal(error->code, ERROR_NO_MEMORY);
	return true;
}

static int ignore_line(const char *line, size_t n, void *data) {
	return 0;
}

/* One step of the life; 0, or what it failed with. */
static int step(struct state *state, unsigned i, int fd, uint64_t *bytes, struct error *error) {
	int r;

	switch (i) {
	case 0:
	case 1:
	case 2:
		r = state_begin(state, error);
		if (r == 0)
			r = state_apply(state, &events[i], 1, error);
		return r < 0 ? r : state_commit(state, error);
	case 3:
		r = state_begin(state, error);
		if (r == 0)
			r = state_undo(state, synced(1), error);
		return r < 0 ? r : state_commit(state, error);
	case 4:
		return state_dump(state, false, ignore_line, NULL, error);
	case 5:
		return state_image_write(state, fd, bytes, error);
	case 6:
		return state_image_read(state, fd, *bytes, schema, error);
	default:
		return state_reset(state, schema, error);
	}
}

#define STEPS 8

/* A step that failed is not seen in the state, and works the next time. An image
 * or reset that failed leaves it empty, or without content until the next one. */
static void live(unsigned long k, bool *ret_done) {
	struct state_options options = { .schema = schema };
	struct state *state = NULL;
	struct error error = { 0 };
	int fd = memfd_create("image", MFD_CLOEXEC);
	uint64_t bytes = 0;

	calls = 0;
	fail_at = k;
	*ret_done = true;
	if (failed(state_open(&state, &options, &error), &error)) {
		*ret_done = false;
		assert_null(state);
		fail_at = 0;
		assert_int_equal(state_open(&state, &options, &error), 0);
	}
	for (unsigned i = 0; i < STEPS; i++) {
		unsigned long before = fail_at;

		fail_at = 0;
		char *unchanged = deep_dump_of(state);

		fail_at = before;
		if (failed(step(state, i, fd, &bytes, &error), &error)) {
			*ret_done = false;
			fail_at = 0;
			if (i < 6) {
				char *found = deep_dump_of(state);

				assert_string_equal(unchanged, found);
				free(found);
			}
			if (i >= 6)
				assert_int_equal(state_reset(state, schema, &error), 0);
			if (step(state, i, fd, &bytes, &error) != 0)
				fail_msg("%s", error.text);
		}
		free(unchanged);
	}
	assert_head(state, POSITION_ROOT);
	fail_at = 0;
	close(fd);
	state_close(state);
}

static void every_allocation_may_fail(void **data) {
	unsigned long k = 1;

	for (bool done = false; !done; k++)
		live(k, &done);
	print_message("%lu allocations\n", k - 2);
	assert_true(k > 30);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
