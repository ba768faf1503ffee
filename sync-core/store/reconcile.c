/*
 * Reconciling state and log when a store is opened, or when the state could
 * not be committed behind the log.
 *
 * The log is made durable first, so a state may lag but never lead. A state that
 * leads therefore proves that the log is not the one that it was made from: an
 * older copy, or a new one. That is looked for before anything is opened for
 * writing, and also in a state that another schema or SQLite made, because such
 * a state is thrown away as soon as it is opened. To be able to, this file reads
 * leaderd_state and leaderd_journal (state_file.c) by itself.
 */

#include "store/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/notation.h"
#include "store/database.h"

/* What the state knows of one event. */
struct mark {
	struct position at;
	struct hash local_hash;
};

/* Does this very event, with this very history, stand in the log? */
static int stands(struct eventlog *log, const struct mark *mark, bool *ret, struct error *error) {
	struct hash hash;
	int r = eventlog_local_hash(log, mark->at, &hash, error);

	if (r < 0 && r != ERROR_NOT_FOUND)
		return r;
	*ret = r == 0 && hash_equal(&hash, &mark->local_hash);
	return 0;
}

/* -- Lost logs -- */

static bool column_mark(sqlite3_stmt *statement, struct mark *ret) {
	const void *hash = sqlite3_column_blob(statement, 2);

	if (!hash || sqlite3_column_bytes(statement, 2) != (int)sizeof(ret->local_hash.bytes))
		return false;
	ret->at.global = (uint64_t)sqlite3_column_int64(statement, 0);
	ret->at.client = (uint64_t)sqlite3_column_int64(statement, 1);
	memcpy(ret->local_hash.bytes, hash, sizeof(ret->local_hash.bytes));
	return true;
}

/* 1: read; 0: this is no state that could prove anything. */
static int read_head(sqlite3 *db, struct mark *ret, uint64_t *ret_generation, struct error *error) {
	sqlite3_stmt *statement = NULL;
	int found = 0;
	int r = database_prepare(&statement, db,
	                         "SELECT head_global, head_client, head_hash, head_generation "
	                         "FROM leaderd_state WHERE one = 1",
	                         error);

	if (r == 0 && sqlite3_step(statement) == SQLITE_ROW && column_mark(statement, ret)) {
		*ret_generation = (uint64_t)sqlite3_column_int64(statement, 3);
		found = 1;
	}
	sqlite3_finalize(statement);
	return r == ERROR_NO_MEMORY ? r : found;
}

/* The oldest event of the state that the log does not hold, as far as the
 * journal tells; root: the journal does not reach back to where they part. */
static int find_first_missing(struct eventlog *log, sqlite3 *db, struct position *ret, struct error *error) {
	struct position first = POSITION_ROOT;
	sqlite3_stmt *statement = NULL;
	struct mark mark;
	bool standing = false;
	int r = database_prepare(&statement, db,
	                         "SELECT global, client, local_hash FROM (SELECT global, client, local_hash, ordinal "
	                         "FROM leaderd_journal UNION ALL SELECT base_global, base_client, base_hash, -1 "
	                         "FROM leaderd_state) ORDER BY ordinal DESC",
	                         error);

	while (r == 0 && !standing && sqlite3_step(statement) == SQLITE_ROW && column_mark(statement, &mark)) {
		r = stands(log, &mark, &standing, error);
		if (!standing)
			first = mark.at;
	}
	sqlite3_finalize(statement);
	if (r < 0)
		return r;
	*ret = standing ? first : POSITION_ROOT;
	return 0;
}

static void tell_loss(struct loss *loss, const struct eventlog_status *log, struct position first, struct position head,
                      bool head_stands) {
	char from[POSITION_TEXT_BYTES], to[POSITION_TEXT_BYTES], end[POSITION_TEXT_BYTES], what[160];

	position_print(from, first);
	position_print(to, head);
	position_print(end, log->head);
	if (head_stands)
		snprintf(what, sizeof(what), "is older than its state, which stands at %s", to);
	else if (position_equal(first, head))
		snprintf(what, sizeof(what), "has lost %s, which its state holds", to);
	else if (position_is_root(first))
		snprintf(what, sizeof(what), "has lost events up to %s, which its state holds", to);
	else
		snprintf(what, sizeof(what), "has lost %s to %s, which its state holds", from, to);
	error_set(&loss->why, ERROR_CORRUPT, "the event log %s in generation %llu; the log ends at %s in generation %llu",
	          what, (unsigned long long)loss->generation, end, (unsigned long long)log->generation);
}

static int judge(struct store *store, sqlite3 *db, struct loss *ret, struct error *error) {
	struct eventlog_status status;
	struct loss loss = { 0 };
	struct position first = POSITION_ROOT;
	struct mark head;
	bool head_stands = false;
	int r = read_head(db, &head, &loss.generation, error);

	if (r <= 0)
		return r;
	eventlog_status(store->log, &status);
	r = stands(store->log, &head, &head_stands, error);
	if (r < 0)
		return r;
	loss.is_lost = loss.generation > status.generation || (loss.generation == status.generation && !head_stands);
	if (loss.is_lost && !head_stands)
		r = find_first_missing(store->log, db, &first, error);
	if (r < 0)
		return r;
	if (loss.is_lost)
		tell_loss(&loss, &status, first, head.at, head_stands);
	*ret = loss;
	return 0;
}

int store_find_loss(struct store *store, struct loss *ret, struct error *error) {
	struct error ignored = { 0 };
	struct loss loss = { 0 };
	char *path = NULL;
	sqlite3 *db = NULL;
	int r;

	if (store->state) {
		r = judge(store, state_database(store->state), &loss, error);
	} else {
		r = store_path(&path, store->folder, STATE_FILE, error);
		if (r == 0)
			r = database_open(&db, path, DATABASE_READ_ONLY, &ignored);
		if (r == 0)
			r = judge(store, db, &loss, error);
		else if (path && r != ERROR_NO_MEMORY)
			r = 0; /* no file, or one that opening the state has to judge */
		else if (path)
			r = error_no_memory(error);
		database_close(db);
		free(path);
	}
	if (r == 0)
		*ret = loss;
	return r;
}

/* -- Torn files -- */

#define HEADER_BYTES 100
#define HEADER_PAGE_SIZE 16 /* big-endian numbers; 1 means 65536 */
#define HEADER_PAGES 28

static bool is_shorter_than_its_header_says(int fd) {
	uint8_t header[HEADER_BYTES];
	uint64_t page_bytes, pages;
	struct stat st;

	if (fstat(fd, &st) < 0 || pread(fd, header, sizeof(header), 0) != (ssize_t)sizeof(header))
		return false;
	page_bytes = (uint64_t)header[HEADER_PAGE_SIZE] << 8 | header[HEADER_PAGE_SIZE + 1];
	if (page_bytes == 1)
		page_bytes = 65536;
	pages = (uint64_t)header[HEADER_PAGES] << 24 | (uint64_t)header[HEADER_PAGES + 1] << 16 |
	        (uint64_t)header[HEADER_PAGES + 2] << 8 | header[HEADER_PAGES + 3];
	return pages * page_bytes > (uint64_t)st.st_size;
}

/* SQLite itself finds a database that lost its end, but not beside a
 * write-ahead log: there it reads zeros for what is missing. The same picture is
 * left by a kill inside a checkpoint that made the file longer; that state is
 * given up too, which is safe and rare. */
int store_remove_torn_state(const char *folder, struct error *error) {
	char *path = NULL;
	int fd;
	int r = store_path(&path, folder, STATE_FILE, error);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0) {
		bool torn = is_shorter_than_its_header_says(fd);

		close(fd);
		if (torn)
			r = store_remove_database(path, error);
	}
	free(path);
	return r;
}

/* -- Back to where both agree, then forward -- */

#define UNEXPLAINED 1 /* the state cannot be brought to the log's head by its journal */

static struct position just_before(struct position at) {
	if (at.client > 0)
		return (struct position){ at.global, at.client - 1 };
	return (struct position){ at.global - 1, INT64_MAX };
}

/* The newest event that the state's journal, or its base, and the log share. */
static int find_common(struct store *store, struct position *ret, struct error *error) {
	struct position base = state_journal_base(store->state);
	struct state_head row;
	bool standing = false;
	int r;

	state_head(store->state, &row);
	for (;;) {
		const struct mark mark = { row.at, row.local_hash };

		r = stands(store->log, &mark, &standing, error);
		if (r < 0)
			return r;
		if (standing) {
			*ret = row.at;
			return 0;
		}
		if (position_compare(row.at, base) <= 0 || !state_journal_row(store->state, just_before(row.at), &row))
			return UNEXPLAINED;
	}
}

static int step_back(struct store *store, struct position to, struct error *error) {
	int r = state_begin(store->state, error);

	if (r == 0)
		r = state_undo(store->state, to, error);
	if (r == 0)
		return state_commit(store->state, error);
	state_rollback(store->state);
	return r == STATE_BEYOND_JOURNAL ? UNEXPLAINED : r;
}

static int step_forward(struct store *store, bool *ret_log_failed, struct error *error) {
	struct advance advance = { .log = store->log, .state = store->state };
	struct eventlog_status status;
	int r;

	eventlog_status(store->log, &status);
	advance.until = status.head;
	r = advance_state(&advance, error);
	*ret_log_failed = advance.log_failed;
	return r;
}

/* The rebase is durable in neither file yet. A state that has to be made anew is
 * committed before the log is, so it must not say the generation that the rebase
 * will have: the log would seem lost after a kill. What it holds stands in the
 * log with and without the rebase. */
int store_undo(struct store *store, struct position to, struct error *error) {
	struct state_head head;
	int r = state_undo(store->state, to, error);

	if (r != STATE_BEYOND_JOURNAL)
		return r;
	state_rollback(store->state);
	state_head(store->state, &head);
	r = store_make_state(store, &head.generation, error);
	return r == 0 ? state_begin(store->state, error) : r;
}

int store_reconcile(struct store *store, struct error *error) {
	struct position common = POSITION_ROOT;
	struct state_head head;
	bool log_failed = false;
	int r;

	state_head(store->state, &head);
	r = find_common(store, &common, error);
	log_failed = r < 0;
	if (r == 0 && !position_equal(common, head.at))
		r = step_back(store, common, error);
	if (r == 0)
		r = step_forward(store, &log_failed, error);
	/* What is damaged is the state; if it is the log, a rebuild would find it too. */
	if (r == UNEXPLAINED || (r == ERROR_CORRUPT && !log_failed))
		r = store_make_state(store, NULL, error);
	return r;
}
