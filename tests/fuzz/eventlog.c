/*
 * The event log's file, damaged: bytes patched, or values put into its rows by SQL, so
 * that SQLite has nothing to complain of. It is refused with a reason, or opened; then
 * reading answers events or a code, and what verify calls whole has the hashes that its
 * contents make.
 */

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "fuzz.h"
#include "store/eventlog.h"
#include "store/hash.h"

static char path[320];
static struct bytes image;   /* of a small log */
static char tables[16][64];  /* its tables, and how many columns they have */
static int n_columns[16];
static unsigned n_tables;

static struct event *make_event(unsigned number, struct position at) {
	struct event *event = event_create("todoCreated", "{\"id\":1}", 8);

	must(event != NULL);
	event->entry.id = (struct event_id){ { 1, 0x8f, [6] = 0x70, [8] = 0x80, [15] = (uint8_t)number } };
	event->entry.unit = event->entry.id;
	event->entry.unit_count = 1;
	event->entry.at = at;
	event->entry.client_only = at.client != 0;
	event->version = 1;
	event->hlc.time_ms = 1700000000000 + number;
	strcpy(event->client_id, "00112233445566778899aabbccddeeff");
	strcpy(event->session_id, "fuzz");
	hash_content(&event->entry.content, event);
	return event;
}

static void append(struct eventlog *log, unsigned number, bool client_only) {
	struct eventlog_status status;
	struct error error = { 0 };
	struct event *event;

	eventlog_status(log, &status);
	event = make_event(number, position_next(status.head, client_only));
	must(eventlog_append(log, event, &error) == 0);
	if (number == 3)
		must(eventlog_set_upstream(log, event->entry.at, &event->chain_hash, "cursor", 6, &error) == 0);
	event_destroy(event);
}

static void fill(struct eventlog *log) {
	static const char schema[] = "-- store fuzz version 1\n";
	struct event *refused = make_event(50, (struct position){ 9, 0 });
	struct event *staged = make_event(51, (struct position){ 4, 0 });
	struct error error = { 0 };

	must(eventlog_begin(log, &error) == 0);
	must(eventlog_install_schema(log, schema, sizeof(schema) - 1, 1, &error) == 0);
	must(eventlog_set_has_backend(log, true, &error) == 0);
	for (unsigned i = 1; i <= 8; i++)
		append(log, i, i == 5 || i == 6);
	must(eventlog_refuse(log, &refused, 1, "no such todo", &error) == 0);
	must(eventlog_stage(log, &staged, 1, "staged", 6, &error) == 0);
	must(eventlog_commit(log, &error) == 0);
	event_destroy(refused);
	event_destroy(staged);
}

static void remove_side_files(void) {
	static const char *const ends[] = { "-wal", "-shm", "-journal" };
	char side[sizeof(path) + 16];

	for (size_t i = 0; i < 3; i++) {
		snprintf(side, sizeof(side), "%s%s", path, ends[i]);
		unlink(side);
	}
}

static void list_tables(sqlite3 *db) {
	sqlite3_stmt *statement;

	must(sqlite3_prepare_v2(db, "SELECT name, (SELECT count(*) FROM pragma_table_info(s.name)) FROM sqlite_schema s"
	                            " WHERE type = 'table' ORDER BY name", -1, &statement, NULL) == SQLITE_OK);
	while (n_tables < 16 && sqlite3_step(statement) == SQLITE_ROW) {
		snprintf(tables[n_tables], sizeof(tables[0]), "%s", sqlite3_column_text(statement, 0));
		n_columns[n_tables++] = sqlite3_column_int(statement, 1);
	}
	sqlite3_finalize(statement);
	must(n_tables > 0);
}

static void read_image(void) {
	FILE *file = fopen(path, "re");
	uint8_t block[4096];
	size_t n;

	must(file != NULL);
	while ((n = fread(block, 1, sizeof(block), file)) > 0)
		must(bytes_add(&image, block, n) == 0);
	fclose(file);
}

static void make_image(void) {
	struct eventlog_options options = { .path = path, .create = true };
	struct eventlog *log = NULL;
	struct error error = { 0 };
	sqlite3 *db;

	if (image.n > 0)
		return;
	snprintf(path, sizeof(path), "%s/eventlog.db", fuzz_folder());
	if (eventlog_open(&log, &options, &error) < 0)
		must_failed(error.text, __FILE__, __LINE__);
	fill(log);
	eventlog_close(log);
	must(sqlite3_open(path, &db) == SQLITE_OK);
	list_tables(db);
	/* Out of the WAL, and without one: a patch in the file is a patch in the log. */
	must(sqlite3_exec(db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(db);
	read_image();
}

static void write_log(const uint8_t *data, size_t n) {
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd >= 0 && write(fd, data, n) == (ssize_t)n);
	close(fd);
	remove_side_files();
}

/* ---- damage -------------------------------------------------------------------------- */

static void bind_value(struct fuzz_input *input, sqlite3_stmt *statement) {
	size_t n = fuzz_below(input, 40);

	switch (fuzz_below(input, 5)) {
	case 0:
		sqlite3_bind_int64(statement, 1, (int64_t)fuzz_number(input));
		return;
	case 1:
		sqlite3_bind_null(statement, 1);
		return;
	case 2:
		sqlite3_bind_double(statement, 1, 1.5);
		return;
	default:
		break;
	}
	if (fuzz_below(input, 2) == 0) {
		sqlite3_bind_zeroblob(statement, 1, (int)n);
		return;
	}
	if (n > input->n)
		n = input->n;
	if (n % 2 == 0)
		sqlite3_bind_text(statement, 1, (const char *)input->at, (int)n, SQLITE_TRANSIENT);
	else
		sqlite3_bind_blob(statement, 1, input->at, (int)n, SQLITE_TRANSIENT);
	input->at += n;
	input->n -= n;
}

/* One row of one table is given another value in one column, goes, or comes twice. */
static void damage_row(struct fuzz_input *input, sqlite3 *db) {
	unsigned table = fuzz_below(input, n_tables), row = fuzz_below(input, 8);
	uint8_t what = fuzz_u8(input);
	sqlite3_stmt *statement = NULL;
	char column[64] = "", *sql;

	sql = sqlite3_mprintf("SELECT name FROM pragma_table_info(%Q) LIMIT 1 OFFSET %d", tables[table],
	                      n_columns[table] > 0 ? what % n_columns[table] : 0);
	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
		snprintf(column, sizeof(column), "%s", sqlite3_column_text(statement, 0));
	sqlite3_finalize(statement);
	sqlite3_free(sql);
	if (what > 240)
		sql = sqlite3_mprintf("DELETE FROM \"%w\" WHERE rowid = (SELECT rowid FROM \"%w\" LIMIT 1 OFFSET %u)",
		                      tables[table], tables[table], row);
	else
		sql = sqlite3_mprintf("UPDATE OR IGNORE \"%w\" SET \"%w\" = ?1 WHERE rowid ="
		                      " (SELECT rowid FROM \"%w\" LIMIT 1 OFFSET %u)",
		                      tables[table], column, tables[table], row);
	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK) {
		if (what <= 240)
			bind_value(input, statement);
		sqlite3_step(statement);
	}
	sqlite3_finalize(statement);
	sqlite3_free(sql);
}

static void damage_rows(struct fuzz_input *input) {
	unsigned times = 1 + fuzz_below(input, 4);
	sqlite3 *db;

	write_log(image.data, image.n);
	must(sqlite3_open(path, &db) == SQLITE_OK);
	sqlite3_exec(db, "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF; PRAGMA ignore_check_constraints = ON",
	             NULL, NULL, NULL);
	while (times-- > 0)
		damage_row(input, db);
	sqlite3_close(db);
}

static void damage_bytes(struct fuzz_input *input) {
	struct bytes damaged = { 0 };

	must(bytes_add(&damaged, image.data, image.n) == 0);
	if (fuzz_below(input, 8) == 0)
		damaged.n = damaged.n * fuzz_u8(input) / 256;
	/* The offset of a patch has 16 bits: it is one in a window of the file. */
	if (damaged.n > 0) {
		size_t at = (size_t)fuzz_u8(input) * 4096 % damaged.n;

		fuzz_patch(input, damaged.data + at, damaged.n - at);
	}
	write_log(damaged.data, damaged.n);
	bytes_finish(&damaged);
}

/* ---- use ----------------------------------------------------------------------------- */

static void expect_hashes(struct event *const *events, size_t n, struct hash *chain) {
	for (size_t i = 0; i < n; i++) {
		struct hash content, expected;

		hash_content(&content, events[i]);
		fuzz_expect(hash_equal(&content, &events[i]->entry.content));
		if (events[i]->entry.at.client != 0)
			continue;
		hash_chain(&expected, chain, events[i]->entry.at, &content);
		fuzz_expect(hash_equal(&expected, &events[i]->chain_hash));
		*chain = expected;
	}
}

static void read_all(struct eventlog *log, bool is_whole) {
	struct eventlog_query query = { .include_client_only = true, .n_max = 4, .bytes_max = PAGE_BYTES_MAX };
	struct hash chain = { 0 };
	bool more = true;

	for (unsigned page = 0; more && page < 10; page++) {
		struct event *events[4];
		struct error error = { 0 };
		struct position last;
		size_t n = 0;
		int r = eventlog_read(log, &query, events, &n, &last, &error);

		fuzz_expect_told(r, &error);
		fuzz_expect(!is_whole || r == 0);
		if (r < 0)
			return;
		if (is_whole)
			expect_hashes(events, n, &chain);
		for (size_t i = 0; i < n; i++)
			event_destroy(events[i]);
		more = !position_equal(last, query.after);
		query.after = last;
	}
}

static void read_refused(struct eventlog *log) {
	struct refused_event refused[4];
	struct error error = { 0 };
	size_t n = 0;
	int r = eventlog_refused(log, 0, NULL, false, refused, 4, &n, &error);

	fuzz_expect_told(r, &error);
	for (size_t i = 0; r == 0 && i < n; i++)
		refused_event_finish(&refused[i]);
}

static void read_rest(struct eventlog *log) {
	struct bytes text = { 0 };
	struct error error = { 0 };
	uint32_t version;

	fuzz_expect_told(eventlog_schema(log, &text, &version, &error), &error);
	fuzz_expect_told(eventlog_cursor(log, &text, &error), &error);
	fuzz_expect_told(eventlog_staged_cursor(log, &text, &error), &error);
	bytes_finish(&text);
	read_refused(log);
}

/* As the leader would go on: displace what is not confirmed, and take it. */
static void rebase(struct eventlog *log) {
	struct eventlog_status status;
	struct event *events[16];
	struct error error = { 0 };
	size_t n = 0;
	int r = eventlog_begin(log, &error);

	fuzz_expect_told(r, &error);
	if (r < 0)
		return;
	eventlog_status(log, &status);
	r = eventlog_displace(log, status.upstream_head, &error);
	fuzz_expect_told(r, &error);
	if (r == 0)
		r = eventlog_take_displaced(log, events, 16, &n, &error);
	for (size_t i = 0; r == 0 && i < n; i++)
		event_destroy(events[i]);
	if (r == 0)
		r = eventlog_take_staged(log, events, 16, &n, &error);
	fuzz_expect_told(r, &error);
	for (size_t i = 0; r == 0 && i < n; i++)
		event_destroy(events[i]);
	eventlog_rollback(log);
}

static void use(void) {
	struct eventlog_options options = { .path = path };
	struct eventlog *log = NULL;
	struct error error = { 0 };
	int r = eventlog_open(&log, &options, &error);

	fuzz_expect_told(r, &error);
	if (r < 0)
		return;
	r = eventlog_verify(log, NULL, NULL, &error);
	fuzz_expect_told(r, &error);
	read_all(log, r == 0);
	read_rest(log);
	rebase(log);
	eventlog_close(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
	struct fuzz_input input = { data, n };

	make_image();
	if (fuzz_below(&input, 4) == 0)
		damage_bytes(&input);
	else
		damage_rows(&input);
	use();
	return 0;
}
