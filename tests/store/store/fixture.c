#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "store/hash.h"
#include "store/state_private.h"

#define TABLES(more)                                                                                      \
	"CREATE TABLE task (id TEXT PRIMARY KEY NOT NULL, title TEXT NOT NULL, changes INTEGER NOT NULL" more \
	") STRICT;\n"                                                                                         \
	"CREATE TABLE ui (id TEXT PRIMARY KEY NOT NULL, looks INTEGER NOT NULL) STRICT;\n"
#define EVENTS                                                                              \
	"-- event renamed(id TEXT, title TEXT)\n"                                               \
	"SELECT refuse('no such task') WHERE NOT EXISTS (SELECT 1 FROM task WHERE id = :id);\n" \
	"UPDATE task SET title = :title, changes = changes + 1 WHERE id = :id;\n"               \
	"-- event removed(id TEXT)\n"                                                           \
	"SELECT refuse('no such task') WHERE NOT EXISTS (SELECT 1 FROM task WHERE id = :id);\n" \
	"DELETE FROM task WHERE id = :id;\n"                                                    \
	"-- event looked(id TEXT) client-only\n"                                                \
	"INSERT INTO ui VALUES (:id, 1) ON CONFLICT (id) DO UPDATE SET looks = looks + 1;\n"

/* clang-format off */
const char schema_1[] =
	"-- store tasks version 1\n"
	TABLES("")
	"-- event added(id TEXT, title TEXT)\n"
	"INSERT INTO task VALUES (:id, :title, 0);\n"
	EVENTS;

const char other_schema[] =
	"-- store tasks version 1\n"
	TABLES("")
	"-- event added(id TEXT, title TEXT)\n"
	"INSERT INTO task VALUES (:id, upper(:title), 0);\n"
	EVENTS;

const char schema_2[] =
	"-- store tasks version 2\n"
	TABLES(", weight TEXT NOT NULL")
	"-- event added@1(id TEXT, title TEXT) becomes added: "
	"SELECT :id AS id, :title AS title, 'light' AS weight\n"
	"-- event added@2(id TEXT, title TEXT, weight TEXT)\n"
	"INSERT INTO task VALUES (:id, :title, 0, :weight);\n"
	"-- event counted(id TEXT)\n"
	"UPDATE task SET changes = changes + 100 WHERE id = :id;\n"
	EVENTS;
/* clang-format on */

const char no_database[4096] = "this is a text";

/* -- Places and files -- */

void place_make(struct place *place) {
	strcpy(place->folder, "/tmp/leaderd-store-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	snprintf(place->log, sizeof(place->log), "%s/eventlog.db", place->folder);
	snprintf(place->state, sizeof(place->state), "%s/state.db", place->folder);
	snprintf(place->state_wal, sizeof(place->state_wal), "%s/state.db-wal", place->folder);
	snprintf(place->new_state, sizeof(place->new_state), "%s/state.db.new", place->folder);
}

void place_remove(struct place *place) {
	DIR *folder = opendir(place->folder);
	struct dirent *entry;

	assert_non_null(folder);
	while ((entry = readdir(folder)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(folder), entry->d_name, 0);
	closedir(folder);
	assert_int_equal(rmdir(place->folder), 0);
}

void place_copy(const struct place *from, struct place *ret) {
	DIR *folder = opendir(from->folder);
	struct dirent *entry;

	place_make(ret);
	assert_non_null(folder);
	while ((entry = readdir(folder))) {
		char old[sizeof(from->folder) + sizeof(entry->d_name) + 1], new[sizeof(old)];
		uint8_t *data;
		size_t n;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(old, sizeof(old), "%s/%s", from->folder, entry->d_name);
		snprintf(new, sizeof(new), "%s/%s", ret->folder, entry->d_name);
		data = read_file(old, &n);
		write_file(new, data, n);
		free(data);
	}
	closedir(folder);
}

bool exists(const char *path) {
	return access(path, F_OK) == 0;
}

uint8_t *read_file(const char *path, size_t *ret_n) {
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t *data;

	*ret_n = 0;
	if (fd < 0)
		return NULL;
	assert_int_equal(fstat(fd, &st), 0);
	data = malloc((size_t)st.st_size + 1);
	assert_non_null(data);
	assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
	close(fd);
	*ret_n = (size_t)st.st_size;
	return data;
}

void write_file(const char *path, const void *data, size_t n) {
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, n), (ssize_t)n);
	close(fd);
}

void remove_state(const struct place *place) {
	static const char *const suffixes[] = { "", "-wal", "-shm" };

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s%s", place->state, suffixes[i]);
		unlink(path);
	}
}

void keep_state(const struct place *place, struct kept *ret) {
	ret->data[0] = read_file(place->state, &ret->n[0]);
	ret->data[1] = read_file(place->state_wal, &ret->n[1]);
}

void put_back(const struct place *place, const struct kept *kept) {
	remove_state(place);
	if (kept->data[0])
		write_file(place->state, kept->data[0], kept->n[0]);
	if (kept->data[1])
		write_file(place->state_wal, kept->data[1], kept->n[1]);
}

void kept_finish(struct kept *kept) {
	free(kept->data[0]);
	free(kept->data[1]);
}

void change_file(const char *path, const char *sql) {
	sqlite3 *db = NULL;
	char *text = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &text) != SQLITE_OK)
		fail_msg("%s: %s", sql, text);
	sqlite3_close(db);
}

/* -- Events -- */

struct position synced(uint64_t global) {
	return (struct position){ global, 0 };
}

struct position client_only(uint64_t global, uint64_t client) {
	return (struct position){ global, client };
}

struct event *make_event(unsigned number, const char *name, const char *args) {
	struct event *event = event_create(name, args, strlen(args));
	struct event_id id = { { 1, 0x8f, [6] = 0x70, [8] = 0x80 } };

	assert_non_null(event);
	for (unsigned i = 0; i < 4; i++)
		id.bytes[15 - i] = (uint8_t)(number >> (8 * i));
	event->entry.id = event->entry.unit = id;
	event->entry.unit_count = 1;
	event->entry.client_only = strcmp(name, "looked") == 0;
	event->version = 1;
	event->hlc = (struct hlc){ 1700000000000 + number, 0 };
	strcpy(event->client_id, "00112233445566778899aabbccddeeff");
	strcpy(event->session_id, "app");
	hash_content(&event->entry.content, event);
	return event;
}

struct event *added(unsigned number, const char *id) {
	char args[128];

	snprintf(args, sizeof(args), "{\"id\":\"%s\",\"title\":\"title of %s\"}", id, id);
	return make_event(number, "added", args);
}

struct event *renamed(unsigned number, const char *id, const char *title) {
	char args[128];

	snprintf(args, sizeof(args), "{\"id\":\"%s\",\"title\":\"%s\"}", id, title);
	return make_event(number, "renamed", args);
}

void join(struct event **events, size_t n) {
	for (size_t i = 0; i < n; i++) {
		events[i]->entry.unit = events[0]->entry.id;
		events[i]->entry.unit_index = (uint32_t)i;
		events[i]->entry.unit_count = (uint32_t)n;
		hash_content(&events[i]->entry.content, events[i]);
	}
}

/* -- Stores -- */

static void must_succeed(int r, const struct error *error) {
	if (r < 0)
		fail_msg("%s: %s", error_name(r), error->text);
}

struct store *try_open(const struct place *place, const char *schema) {
	const struct store_options options = { .folder = place->folder, .create = schema != NULL, .schema = schema };
	struct store *store = NULL;
	struct error error = { 0 };

	must_succeed(store_open(&store, &options, &error), &error);
	return store;
}

struct store *open_store(const struct place *place) {
	struct store *store = try_open(place, schema_1);

	if (store->hold.code != 0)
		fail_msg("on hold: %s", store->hold.text);
	return store;
}

struct store *reopen(struct store *store, const struct place *place) {
	store_close(store);
	return open_store(place);
}

struct eventlog_status status_of(struct store *store) {
	struct eventlog_status status;

	eventlog_status(store->log, &status);
	return status;
}

void shorten_journal(struct store *store) {
	store->state->journal_events_max = 1;
}

void set_has_backend(struct store *store, bool has_backend) {
	struct error error = { 0 };

	must_succeed(eventlog_begin(store->log, &error), &error);
	must_succeed(eventlog_set_has_backend(store->log, has_backend, &error), &error);
	must_succeed(eventlog_commit(store->log, &error), &error);
}

/* -- The leader -- */

static void begin(struct store *store) {
	struct error error = { 0 };

	must_succeed(state_begin(store->state, &error), &error);
	must_succeed(eventlog_begin(store->log, &error), &error);
}

static void end(struct store *store, enum death death) {
	struct eventlog_status status;
	struct error error = { 0 };

	must_succeed(eventlog_commit(store->log, &error), &error);
	if (death == DIES_BEFORE_STATE) {
		state_rollback(store->state);
		return;
	}
	status = status_of(store);
	must_succeed(store_commit_state(store, status.has_backend ? status.upstream_head : status.head, &error), &error);
}

static void place_unit(struct store *store, struct position after, struct event **unit, size_t n) {
	struct eventlog_status status = status_of(store);

	for (size_t i = 0; i < n; i++) {
		after = position_next(after, unit[i]->entry.client_only);
		if (position_is_root(unit[i]->entry.at)) {
			unit[i]->entry.at = after;
			unit[i]->generation = status.generation;
		} else {
			event_move(unit[i], after, status.generation);
		}
		eventlog_hashes(store->log, i ? unit[i - 1] : NULL, unit[i]);
	}
}

static void append_unit(struct store *store, struct event **unit, size_t n) {
	struct error error = { 0 };

	for (size_t i = 0; i < n; i++)
		must_succeed(eventlog_append(store->log, unit[i], &error), &error);
}

static void destroy_unit(struct event **unit, size_t n) {
	for (size_t i = 0; i < n; i++)
		event_destroy(unit[i]);
}

/* Inside a step: at the log's head, or among the refused. */
static int admit(struct store *store, struct event **unit, size_t n) {
	struct error error = { 0 };
	int r;

	place_unit(store, status_of(store).head, unit, n);
	r = state_apply(store->state, unit, n, &error);
	must_succeed(r, &error);
	if (r == STATE_REFUSED)
		must_succeed(eventlog_refuse(store->log, unit, n, error.text, &error), &error);
	else
		append_unit(store, unit, n);
	return r;
}

int push_unit(struct store *store, struct event **unit, size_t n, enum death death) {
	int r;

	begin(store);
	r = admit(store, unit, n);
	end(store, death);
	destroy_unit(unit, n);
	return r;
}

void push(struct store *store, struct event *event) {
	assert_int_equal(push_unit(store, &event, 1, LIVES), 0);
}

void confirm(struct store *store, struct position head) {
	struct event *event = NULL;
	struct error error = { 0 };

	must_succeed(eventlog_get(store->log, head, &event, &error), &error);
	begin(store);
	must_succeed(eventlog_set_upstream(store->log, head, &event->chain_hash, "c", 1, &error), &error);
	end(store, LIVES);
	event_destroy(event);
}

static void replay_displaced(struct store *store) {
	struct event *events[64];
	struct error error = { 0 };
	size_t n;

	do {
		must_succeed(eventlog_take_displaced(store->log, events, 64, &n, &error), &error);
		for (size_t at = 0, length; at < n; at += length) {
			length = events[at]->entry.unit_count;
			admit(store, events + at, length);
		}
		destroy_unit(events, n);
	} while (n > 0);
}

void pull_unit(struct store *store, struct event **unit, size_t n, enum death death) {
	struct eventlog_status before = status_of(store), status;
	struct error error = { 0 };

	begin(store);
	if (!position_equal(before.head, before.upstream_head)) {
		must_succeed(eventlog_displace(store->log, before.upstream_head, &error), &error);
		must_succeed(store_undo(store, before.upstream_head, &error), &error);
	}
	place_unit(store, before.upstream_head, unit, n);
	must_succeed(store_apply_confirmed(store, unit, n, &error), &error);
	append_unit(store, unit, n);
	status = status_of(store);
	must_succeed(eventlog_set_upstream(store->log, status.head, &status.chain_hash, "c", 1, &error), &error);
	if (!position_equal(before.head, before.upstream_head))
		replay_displaced(store);
	end(store, death);
	destroy_unit(unit, n);
}

void pull(struct store *store, struct event *event) {
	pull_unit(store, &event, 1, LIVES);
}

/* -- The oracle: everything that is in the log, applied to nothing -- */

static int add_text(const char *text, size_t n, void *data) {
	assert_int_equal(bytes_add(data, text, n), 0);
	return 0;
}

static char *finish_dump(struct state *state, struct bytes *text) {
	char voids[64];
	int n = snprintf(voids, sizeof(voids), "voids %llu\n", (unsigned long long)state_voids(state));

	add_text(voids, (size_t)n + 1, text);
	return (char *)text->data;
}

char *dump_of(struct state *state) {
	struct bytes text = { 0 };
	struct error error = { 0 };

	must_succeed(state_dump(state, false, add_text, &text, &error), &error);
	return finish_dump(state, &text);
}

char *dump_of_store(struct store *store) {
	return dump_of(store->state);
}

static struct event **read_all(struct store *store, size_t *ret_n) {
	struct eventlog_query query = { .include_client_only = true,
		                            .n_max = PAGE_EVENTS_MAX,
		                            .bytes_max = PAGE_BYTES_MAX };
	struct event **all = NULL;
	struct error error = { 0 };
	size_t n = 0, page;

	do {
		all = realloc(all, (n + PAGE_EVENTS_MAX) * sizeof(*all));
		assert_non_null(all);
		must_succeed(eventlog_read(store->log, &query, all + n, &page, &query.after, &error), &error);
		n += page;
	} while (page > 0);
	*ret_n = n;
	return all;
}

static bool has_duplicate(struct event **all, size_t at, size_t n) {
	for (size_t i = at; i < at + n; i++)
		for (size_t j = 0; j < i; j++)
			if (event_id_equal(&all[i]->entry.id, &all[j]->entry.id))
				return true;
	return false;
}

static void replay_unit(struct state *state, struct event **all, size_t at, size_t n) {
	struct error error = { 0 };
	int r = has_duplicate(all, at, n) ? STATE_REFUSED : state_apply(state, all + at, n, &error);

	must_succeed(r, &error);
	for (size_t i = at; r == STATE_REFUSED && i < at + n; i++)
		must_succeed(state_skip(state, all[i], "void", &error), &error);
}

char *replay_of(struct store *store) {
	const struct state_options options = { .schema = store->schema };
	struct state *state = NULL;
	struct error error = { 0 };
	size_t n;
	struct event **all = read_all(store, &n);
	char *text;

	must_succeed(state_open(&state, &options, &error), &error);
	must_succeed(state_begin(state, &error), &error);
	for (size_t at = 0, length; at < n; at += length) {
		length = all[at]->entry.unit_count;
		replay_unit(state, all, at, length);
	}
	must_succeed(state_commit(state, &error), &error);
	text = dump_of(state);
	state_close(state);
	destroy_unit(all, n);
	free(all);
	return text;
}

void assert_head(struct store *store, struct position at) {
	struct state_head head;

	state_head(store->state, &head);
	assert_int_equal(head.at.global, at.global);
	assert_int_equal(head.at.client, at.client);
}

void assert_is_replay(struct store *store) {
	struct eventlog_status status = status_of(store);
	struct state_head head;
	char *expected, *found;

	assert_non_null(store->state);
	expected = replay_of(store);
	found = dump_of_store(store);
	assert_string_equal(found, expected);
	free(expected);
	free(found);
	state_head(store->state, &head);
	assert_head(store, status.head);
	assert_int_equal(head.generation, status.generation);
	assert_memory_equal(&head.local_hash, &status.local_hash, sizeof(head.local_hash));
	assert_true(state_is_complete(store->state));
}

void assert_dump(struct store *store, const char *expected) {
	char *found = dump_of_store(store);

	assert_string_equal(found, expected);
	free(found);
}

void assert_hold(struct store *store, int code, const char *part_of_text) {
	assert_int_equal(store->hold.code, code);
	assert_null(store->state);
	if (!strstr(store->hold.text, part_of_text))
		fail_msg("\"%s\" does not say \"%s\"", store->hold.text, part_of_text);
}
