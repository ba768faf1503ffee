/* Devices and a backend between them; see world.h. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <ftw.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store/store.h"
#include "tests/upstream/world.h"

static const char schema[] =
	"-- store notes version 1\n"
	"CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, text TEXT NOT NULL) STRICT;\n"
	"CREATE TABLE mark (id TEXT PRIMARY KEY NOT NULL) STRICT;\n"
	"-- event noteAdded(id TEXT, text TEXT)\n"
	"INSERT INTO note (id, text) VALUES (:id, :text);\n"
	"-- event noteMarked(id TEXT) client-only\n"
	"INSERT INTO mark (id) VALUES (:id);\n";

static uint64_t now_ms(void) {
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- the world ------------------------------------------------------------------- */

int world_create(void **state) {
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	strcpy(world->folder, "/tmp/leaderd-test-XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	*state = world;
	return 0;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place) {
	return remove(path);
}

static void finish(struct device *device) {
	if (device->daemon.folder[0] == '\0')
		return;
	if (device->session) {
		expect_verifies(device);
		device_stop(device);
	}
	raw_daemon_remove(&device->daemon);
}

int world_remove(void **state) {
	struct world *world = *state;

	finish(&world->a);
	finish(&world->b);
	finish(&world->c);
	nftw(world->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(world);
	return 0;
}

void world_use_file(struct world *world) {
	snprintf(world->url, sizeof(world->url), "file:%s/log.db", world->folder);
}

static void write_story(const struct world *world, const char *story) {
	char path[128];

	snprintf(path, sizeof(path), "%s/story", world->folder);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(story, file);
	fclose(file);
}

void world_use_story(struct world *world, const char *story) {
	write_story(world, story);
	snprintf(world->url, sizeof(world->url), "script:%s/story", world->folder);
}

static void copy_file(const char *from, const char *to) {
	char buffer[65536];
	size_t n;
	FILE *source = fopen(from, "r"), *target = fopen(to, "w");

	assert_non_null(source);
	assert_non_null(target);
	while ((n = fread(buffer, 1, sizeof(buffer), source)) > 0)
		assert_int_equal(fwrite(buffer, 1, n, target), n);
	fclose(source);
	assert_int_equal(fclose(target), 0);
}

static const char *const suffixes[] = { "", "-wal", "-shm" };

void world_back_up(struct world *world, const char *name) {
	for (size_t i = 0; i < 2; i++) {
		char from[128], to[128];

		snprintf(from, sizeof(from), "%s/log.db%s", world->folder, suffixes[i]);
		snprintf(to, sizeof(to), "%s/%s%s", world->folder, name, suffixes[i]);
		if (access(from, F_OK) == 0)
			copy_file(from, to);
	}
}

void world_restore(struct world *world, const char *name) {
	for (size_t i = 0; i < 3; i++) {
		char from[128], to[128];

		snprintf(to, sizeof(to), "%s/log.db%s", world->folder, suffixes[i]);
		unlink(to);
		snprintf(from, sizeof(from), "%s/%s%s", world->folder, name ? name : "", suffixes[i]);
		if (name && i < 2 && access(from, F_OK) == 0)
			copy_file(from, to);
	}
}

/* ---- devices ------------------------------------------------------------------------ */

static void on_refused(struct lds_session *session, const struct lds_event *event, const char *reason, void *data) {
	struct device *device = data;

	device->n_refused++;
	snprintf(device->last_reason, sizeof(device->last_reason), "%s", reason);
}

static void connect_device(struct device *device) {
	struct lds_options options = { .size = sizeof(options), .socket = device->daemon.socket, .store = STORE,
		                           .schema = schema, .session_id = "s1", .timeout_ms = WAIT_MS };
	struct lda_options admin = { .size = sizeof(admin), .socket = device->daemon.socket, .timeout_ms = WAIT_MS };
	char text[512];

	if (lds_open(&device->session, &options, text, sizeof(text)) < 0)
		fail_msg("open: %s", text);
	lds_on_refused(device->session, on_refused, device);
	if (lda_open(&device->admin, &admin, text, sizeof(text)) < 0)
		fail_msg("open: %s", text);
}

static void disconnect_device(struct device *device) {
	lds_close(device->session);
	lda_close(device->admin);
	device->session = NULL;
	device->admin = NULL;
}

void device_start(struct device *device) {
	raw_daemon_create(&device->daemon);
	connect_device(device);
}

static void must_do(struct device *device, int r) {
	if (r < 0)
		fail_msg("%s", lda_last_error(device->admin));
}

void device_attach(struct world *world, struct device *device) {
	must_do(device, lda_backend_set(device->admin, STORE, world->url));
}

void device_join(struct world *world, struct device *device) {
	device_start(device);
	device_attach(world, device);
}

void device_stop(struct device *device) {
	disconnect_device(device);
	raw_daemon_stop(&device->daemon);
}

void device_kill(struct device *device) {
	disconnect_device(device);
	raw_daemon_kill(&device->daemon);
}

void device_restart(struct device *device) {
	raw_daemon_start(&device->daemon);
	connect_device(device);
}

/* ---- commits --------------------------------------------------------------------------- */

static void commit(struct device *device, const char *name, const char *args) {
	int r = lds_commit(device->session, name, args, NULL);

	while (r == LDS_FULL)
		r = lds_wait(device->session, NULL, LDS_DURABLE, WAIT_MS) == 0
		        ? lds_commit(device->session, name, args, NULL)
		        : LDS_FULL;
	if (r < 0)
		fail_msg("commit: %s", lds_last_error(device->session));
}

static void wait_durable(struct device *device) {
	int r = lds_wait(device->session, NULL, LDS_DURABLE, WAIT_MS);

	if (r < 0 && r != LDS_REFUSED)
		fail_msg("wait: %s", lds_last_error(device->session));
}

static void note(struct device *device, const char *id) {
	char args[128];

	snprintf(args, sizeof(args), "{\"id\":\"%s\",\"text\":\"t\"}", id);
	commit(device, "noteAdded", args);
}

void device_note(struct device *device, const char *id) {
	note(device, id);
	wait_durable(device);
}

void device_long_note(struct device *device, const char *id, unsigned n_bytes) {
	char *args;

	assert_true(asprintf(&args, "{\"id\":\"%s\",\"text\":\"%0*d\"}", id, (int)n_bytes, 0) > 0);
	commit(device, "noteAdded", args);
	free(args);
	wait_durable(device);
}

void device_notes(struct device *device, const char *prefix, unsigned n) {
	for (unsigned i = 1; i <= n; i++) {
		char id[64];

		snprintf(id, sizeof(id), "%s%u", prefix, i);
		note(device, id);
		if (i % 512 == 0)
			wait_durable(device);
	}
	wait_durable(device);
}

void device_mark(struct device *device, const char *id) {
	char args[2048];

	snprintf(args, sizeof(args), "{\"id\":\"%s\"}", id);
	commit(device, "noteMarked", args);
	wait_durable(device);
}

void device_unit(struct device *device, const char *prefix, unsigned n) {
	struct lds_event_input *events = calloc(n, sizeof(*events));

	for (unsigned i = 0; i < n; i++) {
		char *args;

		assert_true(asprintf(&args, "{\"id\":\"%s%u\",\"text\":\"t\"}", prefix, i + 1) > 0);
		events[i] = (struct lds_event_input){ .name = "noteAdded", .args = args };
	}
	assert_true(lds_commit_batch(device->session, events, n, NULL) >= 0);
	for (unsigned i = 0; i < n; i++)
		free((char *)events[i].args);
	free(events);
	wait_durable(device);
}

/* ---- administration ---------------------------------------------------------------------- */

void device_offline(struct device *device, bool push_only) {
	must_do(device, lda_offline(device->admin, STORE, push_only));
}

void device_online(struct device *device) {
	must_do(device, lda_online(device->admin, STORE));
}

void device_sync(struct device *device) {
	must_do(device, lda_sync(device->admin, STORE, WAIT_MS));
}

int device_try_sync(struct device *device) {
	return lda_sync(device->admin, STORE, WAIT_MS);
}

struct lda_stores *device_status(struct device *device) {
	struct lda_stores *stores;

	must_do(device, lda_status(device->admin, STORE, &stores));
	assert_int_equal(stores->n, 1);
	return stores;
}

/* Asks the status until `holds` is true of it; each change wakes. */
static void await(struct device *device, bool (*holds)(const struct lda_store *store, const void *data),
                  const void *data, const char *what) {
	uint64_t until = now_ms() + WAIT_MS;
	struct lda_stores *stores = device_status(device);

	while (!holds(&stores->items[0], data)) {
		struct lda_stores *next;
		int64_t left = (int64_t)(until - now_ms());

		if (left <= 0)
			fail_msg("%s: the backend is %s, pending %" PRIu64 ", confirmed e%" PRIu64 ", refused %" PRIu64 ": %s", what,
			         stores->items[0].backend_state, stores->items[0].pending, stores->items[0].backend_head.global,
			         stores->items[0].refused, stores->items[0].backend_error);
		if (lda_status_next(device->admin, STORE, (int)left, &next) == 0) {
			lda_stores_free(stores);
			stores = next;
		}
	}
	lda_stores_free(stores);
}

static bool has_state(const struct lda_store *store, const void *data) {
	return strcmp(store->backend_state, data) == 0;
}

static bool has_error_text(const struct lda_store *store, const void *data) {
	return strstr(store->backend_error, data) != NULL;
}

static bool has_no_error(const struct lda_store *store, const void *data) {
	return store->backend_code == 0 && store->backend_error[0] == '\0';
}

static bool has_confirmed(const struct lda_store *store, const void *data) {
	return store->backend_head.global == *(const uint64_t *)data;
}

static bool has_pending(const struct lda_store *store, const void *data) {
	return store->pending == *(const uint64_t *)data;
}

static bool has_refused(const struct lda_store *store, const void *data) {
	return store->refused == *(const uint64_t *)data;
}

void expect_state(struct device *device, const char *state) {
	await(device, has_state, state, state);
}

void expect_error_text(struct device *device, const char *part) {
	await(device, has_error_text, part, part);
}

void expect_no_error(struct device *device) {
	await(device, has_no_error, NULL, "expected nothing to be wrong");
}

void expect_confirmed(struct device *device, uint64_t global) {
	await(device, has_confirmed, &global, "expected another confirmed head");
}

void expect_pending(struct device *device, uint64_t n) {
	await(device, has_pending, &n, "expected another number of pending events");
}

void expect_refused(struct device *device, uint64_t n) {
	await(device, has_refused, &n, "expected another number of refused events");
}

/* ---- states ----------------------------------------------------------------------------------- */

static int64_t count(struct device *device, const char *sql) {
	struct lds_rows *rows;
	struct lds_value value = { 0 };

	if (lds_query(device->session, sql, NULL, 0, &rows) < 0)
		fail_msg("query: %s", lds_last_error(device->session));
	assert_int_equal(lds_rows_next(rows), LDS_ROW);
	assert_int_equal(lds_rows_value(rows, 0, &value), 0);
	lds_rows_close(rows);
	return value.integer;
}

void expect_count(struct device *device, const char *sql, int64_t n) {
	uint64_t until = now_ms() + WAIT_MS;

	while (count(device, sql) != n) {
		struct pollfd poll_fd = { .fd = lds_get_fd(device->session), .events = (short)lds_get_events(device->session) };

		if (now_ms() >= until)
			fail_msg("%s: %" PRId64 ", expected %" PRId64, sql, count(device, sql), n);
		if (lds_process(device->session) == 0)
			poll(&poll_fd, 1, 100);
	}
}

void device_folder(char ret[256], const struct device *device) {
	snprintf(ret, 256, "%s/stores/" STORE, device->daemon.folder);
}

void device_find_file(char ret[512], const struct device *device, const char *prefix) {
	char folder[256];
	struct dirent *entry;

	device_folder(folder, device);
	DIR *directory = opendir(folder);
	assert_non_null(directory);
	ret[0] = '\0';
	while ((entry = readdir(directory)))
		if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
			snprintf(ret, 512, "%s/%s", folder, entry->d_name);
	closedir(directory);
	if (ret[0] == '\0')
		fail_msg("there is no file %s... in %s", prefix, folder);
}

void expect_verifies(struct device *device) {
	struct store_verification found;
	struct error error = { 0 };
	char folder[256];

	device_folder(folder, device);
	if (store_verify(folder, NULL, NULL, NULL, &found, &error) < 0)
		fail_msg("%s", error.text);
}

static void read_log(const struct device *device, struct eventlog_status *ret) {
	char path[300], folder[256];
	struct eventlog_options options = { .path = path, .read_only = true };
	struct eventlog *log;
	struct error error = { 0 };

	device_folder(folder, device);
	snprintf(path, sizeof(path), "%s/eventlog.db", folder);
	if (eventlog_open(&log, &options, &error) < 0)
		fail_msg("%s", error.text);
	eventlog_status(log, ret);
	eventlog_close(log);
}

void expect_log_confirmed(struct device *device, uint64_t global) {
	uint64_t until = now_ms() + WAIT_MS;
	struct eventlog_status status;

	for (read_log(device, &status); status.upstream_head.global != global; read_log(device, &status)) {
		if (now_ms() >= until)
			fail_msg("e%" PRIu64 " is confirmed, expected e%" PRIu64, status.upstream_head.global, global);
		poll(NULL, 0, 10);
	}
}

static int keep(const char *text, size_t n, void *data) {
	return bytes_add(data, text, n);
}

static void dump(const struct device *device, struct bytes *ret) {
	struct error error = { 0 };
	char folder[256];

	device_folder(folder, device);
	if (store_dump(folder, true, keep, ret, &error) < 0)
		fail_msg("%s", error.text);
	assert_int_equal(bytes_add_u8(ret, 0), 0);
}

void expect_same(struct device *a, struct device *b) {
	struct eventlog_status log_a, log_b;
	struct bytes dump_a = { 0 }, dump_b = { 0 };

	expect_verifies(a);
	expect_verifies(b);
	read_log(a, &log_a);
	read_log(b, &log_b);
	assert_int_equal(log_a.upstream_head.global, log_b.upstream_head.global);
	assert_memory_equal(log_a.upstream_chain_hash.bytes, log_b.upstream_chain_hash.bytes, sizeof(struct hash));
	assert_memory_equal(log_a.lineage, log_b.lineage, sizeof(log_a.lineage));
	assert_int_equal(log_a.epoch, log_b.epoch);
	dump(a, &dump_a);
	dump(b, &dump_b);
	assert_string_equal((char *)dump_a.data, (char *)dump_b.data);
	bytes_finish(&dump_a);
	bytes_finish(&dump_b);
}

uint64_t device_peak_kib(const struct device *device) {
	char path[64], line[256];
	unsigned long long kib = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)device->daemon.pid);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		sscanf(line, "VmHWM: %llu kB", &kib);
	fclose(file);
	assert_true(kib > 0);
	return kib;
}
