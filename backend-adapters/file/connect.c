/*
 * The file, and how it is opened.
 *
 *   application_id  0x6c64626b ("ldbk"); any other file with something in it is
 *                   another program's
 *   user_version    1, the format
 *   log             one row for each log: lineage and epoch of its creation, and
 *                   its head, the last event's position and chain hash
 *   event           one row for each event: its log and position (from 1, without
 *                   a gap), chain hash, place in its unit, and the packed
 *                   leaderd.Event (adapter_event_pack)
 *
 * WAL where the file system allows it: readers and a writer do not wait for each
 * other then. Whatever the mode, a commit is on disk when it returns.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "file/file.h"
#include "proto/backend_wire.h"

#define APPLICATION_ID 0x6c64626b
#define FORMAT_VERSION 1

#define TEXT_OF(value) TEXT_OF_TOKEN(value)
#define TEXT_OF_TOKEN(token) #token

static const char create_tables[] =
	"CREATE TABLE log (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, lineage BLOB NOT NULL,"
	" epoch INTEGER NOT NULL, head INTEGER NOT NULL, chain_hash BLOB NOT NULL) STRICT;"
	"CREATE TABLE event (log INTEGER NOT NULL REFERENCES log (id), global INTEGER NOT NULL, chain_hash BLOB NOT NULL,"
	" unit_index INTEGER NOT NULL, unit_count INTEGER NOT NULL, data BLOB NOT NULL, UNIQUE (log, global)) STRICT;"
	"PRAGMA application_id = " TEXT_OF(APPLICATION_ID) ";"
													   "PRAGMA user_version = " TEXT_OF(FORMAT_VERSION) ";";

void file_close(void *data) {
	struct file_backend *backend = data;

	if (backend == NULL)
		return;
	if (backend->inotify >= 0)
		close(backend->inotify);
	sqlite3_close(backend->db);
	free(backend->path);
	free(backend);
}

static int open_database(struct file_backend *backend, struct error *error) {
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOMUTEX;
	int r = place_make(backend->path, backend, error);

	if (r < 0)
		return r;
	if (sqlite3_open_v2(backend->path, &backend->db, flags, NULL) != SQLITE_OK) {
		if (backend->db == NULL)
			return error_no_memory(error);
		return database_failed(backend, "open", error);
	}
	sqlite3_busy_timeout(backend->db, FILE_BUSY_MS);
	sqlite3_db_config(backend->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(backend->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	return place_check_same(backend, error);
}

/* 1: ours; 0: empty. */
static int check_owner(const struct file_backend *backend, struct error *error) {
	int64_t id, version = 0, n_objects = 0;
	int r = database_number(backend, "PRAGMA application_id", &id, error);

	if (r == 0)
		r = database_number(backend, "PRAGMA user_version", &version, error);
	if (r == 0)
		r = database_number(backend, "SELECT count(*) FROM sqlite_schema", &n_objects, error);
	if (r < 0)
		return r;
	if (id == 0 && version == 0 && n_objects == 0)
		return 0;
	if (id != APPLICATION_ID)
		return error_set(error, ERROR_CONFLICT, "%s belongs to another program", backend->path);
	if (version > FORMAT_VERSION)
		return error_set(error, ERROR_VERSION, "%s has format %" PRIi64 ", this program knows formats up to %d",
		                 backend->path, version, FORMAT_VERSION);
	return 1;
}

/* Going over to WAL needs the file for oneself, and SQLite does not wait for that. */
static int set_mode(const struct file_backend *backend, struct error *error) {
	sqlite3_stmt *statement;
	int64_t wal = 0;
	int r = ERROR_BUSY;

	for (int waited_ms = 0; r == ERROR_BUSY && waited_ms < FILE_BUSY_MS; waited_ms += 10) {
		r = database_prepare(backend, &statement, "PRAGMA journal_mode = WAL", error);
		if (r == 0)
			r = database_step(backend, statement, "set the mode of", error);
		if (r == 1)
			wal = strcmp((const char *)sqlite3_column_text(statement, 0), "wal") == 0;
		sqlite3_finalize(statement);
		if (r == ERROR_BUSY)
			nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	if (r < 0)
		return r;
	/* A rollback journal's end is its removal: the folder has to be synced as well. */
	return database_run(backend, wal ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = EXTRA", "set the mode of",
	                    error);
}

static int find_log(struct file_backend *backend, const char *name, struct adapter_opened *ret, struct error *error) {
	sqlite3_stmt *statement;
	int r = database_prepare(backend, &statement, "SELECT id, lineage, epoch FROM log WHERE name = ?1", error);

	if (r < 0)
		return r;
	sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
	r = database_step(backend, statement, "read", error);
	if (r == 1 && sqlite3_column_bytes(statement, 1) != (int)sizeof(ret->lineage)) {
		r = error_set(error, ERROR_CORRUPT, "the log's lineage in %s is damaged", backend->path);
	} else if (r == 1) {
		backend->log = sqlite3_column_int64(statement, 0);
		memcpy(ret->lineage, sqlite3_column_blob(statement, 1), sizeof(ret->lineage));
		ret->epoch = (uint64_t)sqlite3_column_int64(statement, 2);
	}
	sqlite3_finalize(statement);
	return r;
}

static int add_log(const struct file_backend *backend, const char *name, const struct adapter_open *open,
                   struct error *error) {
	static const struct hash none;
	static const char sql[] = "INSERT INTO log (name, lineage, epoch, head, chain_hash) VALUES (?1, ?2, ?3, 0, ?4)";
	sqlite3_stmt *statement;
	int r = database_prepare(backend, &statement, sql, error);

	if (r < 0)
		return r;
	sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_blob(statement, 2, open->new_lineage, BACKEND_LINEAGE_BYTES, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 3, (int64_t)open->new_epoch);
	sqlite3_bind_blob(statement, 4, none.bytes, sizeof(none.bytes), SQLITE_STATIC);
	r = database_step(backend, statement, "write", error);
	sqlite3_finalize(statement);
	return r;
}

/* What was looked at without the lock may have been made by another leader since. */
static int make_log(struct file_backend *backend, const char *name, const struct adapter_open *open,
                    struct adapter_opened *ret, struct error *error) {
	int r = check_owner(backend, error);

	if (r == 0)
		r = database_run(backend, create_tables, "write", error);
	if (r >= 0)
		r = find_log(backend, name, ret, error);
	if (r != 0)
		return r;
	r = add_log(backend, name, open, error);
	return r < 0 ? r : find_log(backend, name, ret, error);
}

/* The name of a new file is on disk as well before anyone trusts in it. */
static void sync_folder(const struct file_backend *backend) {
	char *name = strrchr(backend->path, '/');

	*name = '\0';
	int fd = open(backend->path[0] == '\0' ? "/" : backend->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*name = '/';
	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

static int make_log_durably(struct file_backend *backend, const char *name, const struct adapter_open *open,
                            struct adapter_opened *ret, struct error *error) {
	int r = database_run(backend, "BEGIN IMMEDIATE", "write", error);

	if (r == 0)
		r = make_log(backend, name, open, ret, error);
	if (r >= 0)
		r = database_run(backend, "COMMIT", "write", error);
	database_roll_back(backend);
	if (r == 0)
		sync_folder(backend);
	return r;
}

/* In one transaction: another leader may be making the file, and half of what it
 * will be looks like another program's. */
static int look_at_owner(const struct file_backend *backend, struct error *error) {
	int r = database_run(backend, "BEGIN", "read", error);

	if (r == 0)
		r = check_owner(backend, error);
	database_roll_back(backend);
	return r;
}

/* Nothing is written, not even the mode, before it is known whose file it is;
 * and most who open find the log there. */
static int find_or_make_log(struct file_backend *backend, const char *name, const struct adapter_open *open,
                            struct adapter_opened *ret, struct error *error) {
	int owner = look_at_owner(backend, error);
	int r = owner < 0 ? owner : set_mode(backend, error);

	if (r == 0 && owner == 1)
		r = find_log(backend, name, ret, error);
	if (r == 0)
		r = make_log_durably(backend, name, open, ret, error);
	return r < 0 ? r : 0;
}

static int open_log(struct file_backend *backend, const struct adapter_open *open, struct adapter_opened *ret,
                    struct error *error) {
	char *name = adapter_log_name(open);
	int r = name == NULL ? error_no_memory(error) : open_database(backend, error);

	if (r == 0)
		r = find_or_make_log(backend, name, open, ret, error);
	free(name);
	if (r == 0)
		r = place_check_same(backend, error);
	if (r == 0)
		r = database_head(backend, &ret->head, error);
	return r;
}

int file_open(void **ret_backend, const struct adapter_open *open, struct adapter_opened *ret, struct error *error) {
	struct adapter_opened opened = {
		.batch_events_max = BACKEND_BATCH_EVENTS_MAX,
		.batch_bytes_max = BACKEND_BATCH_BYTES_MAX,
		.event_bytes_max = BACKEND_BATCH_BYTES_MAX,
	};
	struct file_backend *backend = calloc(1, sizeof(*backend));
	int r;

	if (backend == NULL)
		return error_no_memory(error);
	backend->inotify = -1;
	r = place_path(&backend->path, open->url, error);
	if (r == 0) {
		char *name = strrchr(backend->path, '/');

		*name = '\0';
		r = place_check_file_system(backend->path[0] == '\0' ? "/" : backend->path, error);
		*name = '/';
	}
	if (r == 0)
		r = open_log(backend, open, &opened, error);
	if (r < 0) {
		file_close(backend);
		return r;
	}
	live_watch(backend);
	opened.live = backend->inotify >= 0;
	*ret = opened;
	*ret_backend = backend;
	return 0;
}
