#include "store/database.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long a statement waits for another process's lock. Readers never block
 * the writer in WAL mode: this covers recovery and the last close only. */
#define BUSY_WAIT_MS 1000

static int error_of_errno(int number) {
	switch (number) {
	case ENOENT:
	case ENOTDIR:
		return ERROR_NOT_FOUND;
	case EACCES:
	case EPERM:
	case EROFS:
	case ELOOP:
		return ERROR_PERMISSION;
	case ENOSPC:
	case EDQUOT:
		return ERROR_FULL;
	case ENOMEM:
		return ERROR_NO_MEMORY;
	default:
		return ERROR_IO;
	}
}

static int error_of_result(int rc) {
	if (rc == SQLITE_IOERR_NOMEM)
		return ERROR_NO_MEMORY;
	if (rc == SQLITE_IOERR_CORRUPTFS)
		return ERROR_CORRUPT;
	if (database_is_event_fault(rc))
		return ERROR_REFUSED;
	switch (rc & 0xff) {
	case SQLITE_FULL:
		return ERROR_FULL;
	case SQLITE_NOMEM:
		return ERROR_NO_MEMORY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERROR_CORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_INTERRUPT:
		return ERROR_BUSY;
	default:
		return ERROR_IO;
	}
}

bool database_is_event_fault(int rc) {
	switch (rc & 0xff) {
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
	case SQLITE_TOOBIG:
		return true;
	case SQLITE_ERROR:
		/* Extended forms (a snapshot, a retry) are the library's affair. */
		return rc == SQLITE_ERROR;
	default:
		return false;
	}
}

int database_error(sqlite3 *db, int rc, const char *doing, struct error *error) {
	int code = error_of_result(rc);
	const char *reason = sqlite3_errstr(rc);

	/* The connection's text belongs to its last call, which need not be this
	 * one: an allocation that failed leaves none. */
	if (db && sqlite3_extended_errcode(db) == rc && code != ERROR_NO_MEMORY)
		reason = sqlite3_errmsg(db);
	return error_set(error, code, "cannot %s: %s", doing, reason);
}

bool database_in_transaction(sqlite3 *db) {
	return sqlite3_get_autocommit(db) == 0;
}

int database_execute(sqlite3 *db, const char *sql, struct error *error) {
	int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

	if (rc != SQLITE_OK) {
		char doing[96];

		sqlite3_snprintf(sizeof(doing), doing, "run \"%.60s\"", sql);
		return database_error(db, rc, doing, error);
	}
	return 0;
}

int database_prepare(sqlite3_stmt **ret, sqlite3 *db, const char *sql, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int rc = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);

	if (rc != SQLITE_OK) {
		char doing[96];

		sqlite3_snprintf(sizeof(doing), doing, "prepare \"%.60s\"", sql);
		return database_error(db, rc, doing, error);
	}
	*ret = statement;
	return 0;
}

/* SQLite refuses symbolic links anywhere in a path. A folder behind a link is
 * fine (homes often are), so only the file itself is kept to that rule. */
static int resolve_path(char **ret, const char *path, struct error *error) {
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t folder_bytes = slash ? (size_t)(slash - path) + 1 : 1;
	char folder[PATH_MAX];
	char real[PATH_MAX];
	char *resolved;
	size_t n;

	if (folder_bytes >= sizeof(folder) || *name == '\0')
		return error_set(error, ERROR_INVALID, "cannot open \"%.200s\": it names no file", path);
	memcpy(folder, slash ? path : ".", folder_bytes);
	folder[folder_bytes] = '\0';
	if (!realpath(folder, real)) {
		int number = errno;

		return error_set(error, error_of_errno(number), "cannot open the folder of %.200s: %s", path, strerror(number));
	}
	n = strlen(real) + strlen(name) + 2;
	resolved = malloc(n);
	if (!resolved)
		return error_no_memory(error);
	sqlite3_snprintf((int)n, resolved, "%s/%s", strcmp(real, "/") == 0 ? "" : real, name);
	*ret = resolved;
	return 0;
}

/* The entry of a new file must be durable before anything in it is. */
static int sync_folder_of(const char *path) {
	char folder[PATH_MAX];
	size_t n = (size_t)(strrchr(path, '/') - path);
	int fd, rc;

	if (n >= sizeof(folder))
		return -ENAMETOOLONG;
	memcpy(folder, path, n);
	folder[n] = '\0';
	fd = open(n ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

/* Makes the file with its mode before SQLite would with one of its own. */
static int make_file(const char *path, struct error *error) {
	int number = 0;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 && errno == EEXIST)
		return 0;
	if (fd < 0 || fchmod(fd, 0600) < 0 || fsync(fd) < 0)
		number = errno;
	if (fd >= 0)
		close(fd);
	if (!number)
		number = -sync_folder_of(path);
	if (!number)
		return 0;
	return error_set(error, error_of_errno(number), "cannot create %.200s: %s", path, strerror(number));
}

static int check_file(const char *path, struct error *error) {
	struct stat st;

	if (lstat(path, &st) < 0) {
		int number = errno;

		return error_set(error, error_of_errno(number), "cannot open %.200s: %s", path, strerror(number));
	}
	if (!S_ISREG(st.st_mode))
		return error_set(error, ERROR_PERMISSION, "cannot open %.200s: it is not a regular file", path);
	return 0;
}

static int open_error(sqlite3 *db, int rc, const char *path, struct error *error) {
	int code = error_of_result(rc);
	int number = db ? sqlite3_system_errno(db) : 0;

	if ((rc & 0xff) == SQLITE_CANTOPEN && number)
		code = error_of_errno(number);
	else if ((rc & 0xff) == SQLITE_PERM || (rc & 0xff) == SQLITE_READONLY)
		code = ERROR_PERMISSION;
	return error_set(error, code, "cannot open %.200s: %s", path,
	                 db && code != ERROR_NO_MEMORY ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
}

/* What does not depend on the file, so it cannot fail on its content. */
static int configure(sqlite3 *db) {
	static const struct {
		int option;
		int value;
	} options[] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },
		{ SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
		{ SQLITE_DBCONFIG_ENABLE_FKEY, 1 },
		/* A misspelt column in double quotes is an error, not a string. */
		{ SQLITE_DBCONFIG_DQS_DDL, 0 },
		{ SQLITE_DBCONFIG_DQS_DML, 0 },
	};
	int rc = sqlite3_busy_timeout(db, BUSY_WAIT_MS);

	for (size_t i = 0; rc == SQLITE_OK && i < sizeof(options) / sizeof(options[0]); i++)
		rc = sqlite3_db_config(db, options[i].option, options[i].value, NULL);
	return rc;
}

/* SQLite answers a journal mode that it could not set with the old one. */
static int use_wal(sqlite3 *db) {
	sqlite3_stmt *statement = NULL;
	int rc = sqlite3_prepare_v2(db, "PRAGMA journal_mode = WAL", -1, &statement, NULL);

	if (rc == SQLITE_OK) {
		rc = sqlite3_step(statement);
		if (rc == SQLITE_ROW) {
			const char *mode = (const char *)sqlite3_column_text(statement, 0);

			rc = mode && strcmp(mode, "wal") == 0 ? SQLITE_OK : SQLITE_CANTOPEN;
		}
	}
	int finalized = sqlite3_finalize(statement);

	return rc == SQLITE_OK ? finalized : rc;
}

static int set_pragmas(sqlite3 *db, enum database_kind kind) {
	int rc = sqlite3_exec(db, "PRAGMA secure_delete = OFF", NULL, NULL, NULL);

	if (rc == SQLITE_OK && kind == DATABASE_READ_ONLY)
		rc = sqlite3_exec(db, "PRAGMA query_only = ON", NULL, NULL, NULL);
	if (rc == SQLITE_OK && (kind == DATABASE_DURABLE || kind == DATABASE_DERIVED))
		rc = use_wal(db);
	if (rc == SQLITE_OK && kind == DATABASE_DURABLE)
		rc = sqlite3_exec(db, "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0", NULL, NULL, NULL);
	if (rc == SQLITE_OK && kind == DATABASE_DERIVED)
		rc = sqlite3_exec(db, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
	return rc;
}

static int open_resolved(sqlite3 **ret, const char *path, enum database_kind kind, struct error *error) {
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE;
	sqlite3 *db = NULL;
	int rc;

	if (kind == DATABASE_READ_ONLY)
		flags |= SQLITE_OPEN_READONLY;
	else
		flags |= SQLITE_OPEN_READWRITE | (kind == DATABASE_MEMORY ? SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY : 0);
	rc = sqlite3_open_v2(path, &db, flags, NULL);
	if (rc == SQLITE_OK)
		rc = configure(db);
	if (rc == SQLITE_OK)
		rc = set_pragmas(db, kind);
	if (rc != SQLITE_OK) {
		int code = open_error(db, rc, path, error);

		sqlite3_close_v2(db);
		return code;
	}
	*ret = db;
	return 0;
}

int database_open(sqlite3 **ret, const char *path, enum database_kind kind, struct error *error) {
	char *resolved = NULL;
	int r;

	if (kind == DATABASE_MEMORY)
		return open_resolved(ret, ":memory:", kind, error);
	r = resolve_path(&resolved, path, error);
	if (r == 0 && kind != DATABASE_READ_ONLY)
		r = make_file(resolved, error);
	if (r == 0)
		r = check_file(resolved, error);
	if (r == 0)
		r = open_resolved(ret, resolved, kind, error);
	free(resolved);
	return r;
}

sqlite3 *database_close(sqlite3 *db) {
	sqlite3_stmt *statement = NULL;

	if (!db)
		return NULL;
	while ((statement = sqlite3_next_stmt(db, NULL)))
		sqlite3_finalize(statement);
	sqlite3_close_v2(db);
	return NULL;
}
