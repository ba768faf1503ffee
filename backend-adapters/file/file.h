#ifndef LEADERD_BACKEND_FILE_H
#define LEADERD_BACKEND_FILE_H

/*
 * The file backend: logs in one SQLite file that many leaders of one machine
 * open at once. adapter.c has the table of its operations; connect.c specifies
 * the file.
 */

#include <sqlite3.h>
#include <sys/types.h>

#include "runtime/adapter.h"

#define FILE_BUSY_MS 10000 /* patience with other writers: half of what a call may take */

struct file_backend {
	char *path;   /* owned; its folder has no symbolic links in it */
	dev_t device; /* of the file that was opened: another one may come to stand at its path */
	ino_t inode;
	sqlite3 *db;
	int64_t log; /* the log's row */
	int inotify; /* -1: none */
};

int file_open(void **ret_backend, const struct adapter_open *open, struct adapter_opened *ret, struct error *error);
int file_push(void *backend, const struct adapter_push *push, struct adapter_push_answer *ret, struct error *error);
int file_pull(void *backend, const struct adapter_pull *pull, struct adapter_page *ret, struct error *error);
int file_live_fd(void *backend);
int file_live_take(void *backend, struct error *error);
void file_close(void *backend);

/* place.c: where the file lies. */
/* Absolute, its folder resolved; owned by the caller. */
int place_path(char **ret, const char *url, struct error *error);
int place_check_file_system(const char *folder, struct error *error);            /* ERROR_INVALID: not one for this */
const char *place_network_name(unsigned long magic);                             /* of statfs; NULL: not a shared one */
int place_make(const char *path, struct file_backend *ret, struct error *error); /* afterwards the file exists */
int place_check_same(const struct file_backend *backend, struct error *error);   /* ERROR_NOT_RUNNING: replaced */

/* live.c: hints for other leaders, and from them. */
void live_watch(struct file_backend *backend); /* without a watch there is the safety poll */
void live_tell(const struct file_backend *backend);

/* database.c: SQLite's codes as ours. ERROR_BUSY: another writer took too long. */
int database_failed(const struct file_backend *backend, const char *what, struct error *error);
int database_run(const struct file_backend *backend, const char *sql, const char *what, struct error *error);
int database_prepare(const struct file_backend *backend, sqlite3_stmt **ret, const char *sql, struct error *error);
/* 1: a row; 0: done. Binds nothing. */
int database_step(const struct file_backend *backend, sqlite3_stmt *statement, const char *what, struct error *error);
/* The number that a statement's only row holds. */
int database_number(const struct file_backend *backend, const char *sql, int64_t *ret, struct error *error);
void database_roll_back(const struct file_backend *backend); /* if a transaction is open */
/* The head of the log, in the transaction that is open. ERROR_NOT_RUNNING: the log is not there. */
int database_head(const struct file_backend *backend, struct backend_point *ret, struct error *error);
/* Where `point` stands: 1, in the log; 0, not, and `reason` says what differs. */
int database_find(const struct file_backend *backend, const struct backend_point *point,
                  const struct backend_point *head, char *reason, size_t reason_bytes, struct error *error);

#endif
