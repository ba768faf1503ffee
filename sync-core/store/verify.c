/*
 * What tools do with a store's folder, beside a leader that may be running on
 * it: verify, replay into another file, dump. Nothing is written there.
 *
 * The state's snapshot is taken before the log is opened, so the state may lag
 * but never lead. The log moves on under the reader, but only what a rebase does
 * to it matters: the links between rows do not hold then, or the state's head is
 * gone, and the work is done again on the new log. A leader can also exchange the
 * state file between two steps of opening it; the file's number tells.
 */

#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/notation.h"
#include "store/store_private.h"

#define ATTEMPTS 5 /* a leader rebases, rebuilds or installs now and then, not five times in a row */
#define AGAIN 1    /* the store was changed under the reader: another attempt */

struct reader {
	char *state_path;
	char *log_path;
	struct schema *schema;
	struct state *state; /* NULL: there is none to read; inside a transaction, its snapshot */
	struct eventlog *log;
	struct state_head state_head;
};

struct progress {
	void (*call)(const char *phase, uint64_t done, uint64_t all, void *data);
	void *data;
	const char *phase;
};

static void tell(uint64_t done, uint64_t all, void *data) {
	const struct progress *progress = data;

	if (progress->call)
		progress->call(progress->phase, done, all, progress->data);
}

static bool tell_and_go_on(uint64_t done, uint64_t all, void *data) {
	tell(done, all, data);
	return false;
}

/* -- Opening -- */

static int code_of_errno(int number) {
	switch (number) {
	case EEXIST:
		return ERROR_CONFLICT;
	case ENOENT:
		return ERROR_NOT_FOUND;
	case EACCES:
		return ERROR_PERMISSION;
	default:
		return ERROR_IO;
	}
}

static void reader_close(struct reader *reader) {
	state_close(reader->state);
	eventlog_close(reader->log);
	schema_destroy(reader->schema);
	free(reader->state_path);
	free(reader->log_path);
	*reader = (struct reader){ 0 };
}

static int open_log(struct reader *reader, struct error *error) {
	const struct eventlog_options options = { .path = reader->log_path, .read_only = true };

	return eventlog_open(&reader->log, &options, error);
}

static int open_schema(struct reader *reader, const char *folder, struct error *error) {
	int r = store_path(&reader->log_path, folder, LOG_FILE, error);

	if (r == 0)
		r = store_path(&reader->state_path, folder, STATE_FILE, error);
	if (r == 0)
		r = open_log(reader, error);
	return r == 0 ? store_load_schema(&reader->schema, reader->log, "schema", error) : r;
}

static int open_snapshot(struct reader *reader, struct error *error) {
	const struct state_options options = { .path = reader->state_path, .schema = reader->schema, .read_only = true };
	struct stat before, after;
	int r;

	if (stat(reader->state_path, &before) < 0)
		return error_set(error, code_of_errno(errno), "cannot open %.200s: %s", reader->state_path, strerror(errno));
	r = state_open(&reader->state, &options, error);
	if (r == 0)
		r = state_begin(reader->state, error);
	if (stat(reader->state_path, &after) < 0 || after.st_ino != before.st_ino || after.st_dev != before.st_dev)
		r = AGAIN;
	if (r == 0)
		state_head(reader->state, &reader->state_head);
	else
		reader->state = state_close(reader->state);
	return r;
}

/* The log again, as it is after the snapshot. */
static int reopen_log(struct reader *reader, struct error *error) {
	reader->log = eventlog_close(reader->log);
	return open_log(reader, error);
}

/* -- Verifying -- */

struct verification {
	struct progress progress;
	const char *scratch_folder;
	struct store_verification result;
};

/* A state is derived: none, an unfinished one and a foreign one are no damage,
 * for the next start makes it anew. */
static int open_state_if_any(struct reader *reader, bool last_attempt, struct error *error) {
	struct error why = { 0 };
	int r = open_snapshot(reader, &why);

	if (r == 0)
		return 0;
	if (r == AGAIN || r == ERROR_NOT_FOUND || r == ERROR_BUSY || r == ERROR_VERSION)
		return last_attempt ? 0 : AGAIN;
	return error_set(error, r, "state.db: %.400s", why.text);
}

static int make_scratch(char **ret_folder, struct state **ret, const char *parent, const struct schema *schema,
                        struct error *error) {
	struct state_options options = { .schema = schema };
	char *folder = NULL, *path = NULL;
	int r = 0;

	if (parent) {
		r = store_path(&folder, parent, "leaderd-verify-XXXXXX", error);
		if (r == 0 && !mkdtemp(folder)) {
			r = error_set(error, ERROR_IO, "cannot make the folder %.200s: %s", folder, strerror(errno));
			free(folder);
			return r;
		}
		if (r == 0)
			r = store_path(&path, folder, STATE_FILE, error);
		options.path = path;
	}
	if (r == 0)
		r = state_open(ret, &options, error);
	free(path);
	*ret_folder = folder;
	return r < 0 ? r : 0;
}

static void remove_scratch(char *folder, struct state *scratch) {
	char *path = NULL;

	state_close(scratch);
	if (folder && store_path(&path, folder, STATE_FILE, NULL) == 0) {
		store_remove_database(path, NULL);
		rmdir(folder);
	}
	free(path);
	free(folder);
}

static int compare(struct reader *reader, struct verification *verification, struct state *scratch,
                   struct error *error) {
	struct state_head head;

	state_head(scratch, &head);
	if (!hash_equal(&head.local_hash, &reader->state_head.local_hash))
		return AGAIN;
	verification->progress.phase = "compare";
	tell(0, 1, &verification->progress);
	return store_compare_states(reader->state, scratch, reader->schema, error);
}

static int replay_and_compare(struct reader *reader, struct verification *verification, struct error *error) {
	struct state *scratch = NULL;
	char *folder = NULL;
	struct advance advance = {
		.log = reader->log,
		.until = reader->state_head.at,
		.on_progress = tell_and_go_on,
		.on_progress_data = &verification->progress,
		.all = verification->result.events,
	};
	int r = make_scratch(&folder, &scratch, verification->scratch_folder, reader->schema, error);

	advance.state = scratch;
	verification->progress.phase = "replay";
	if (r == 0)
		r = advance_state(&advance, error);
	if (r == ERROR_CORRUPT && advance.log_failed)
		r = AGAIN; /* the log was proved just now: it has been rebased since */
	if (r == 0)
		r = compare(reader, verification, scratch, error);
	verification->result.client_only = advance.n_client_only;
	remove_scratch(folder, scratch);
	return r;
}

/* What stands behind the state's head was proved with the log; it is counted. */
static int count_rest(struct reader *reader, struct verification *verification, struct error *error) {
	struct store_verification *result = &verification->result;
	struct replay *replay = NULL;
	struct event *const *events = NULL;
	size_t n = 0;
	int r = replay_open(&replay, reader->log, result->state_head, result->head, error);

	do {
		if (r == 0)
			r = replay_next(replay, &events, &n, error);
		for (size_t i = 0; r == 0 && i < n; i++)
			result->client_only += events[i]->entry.client_only;
	} while (r == 0 && n > 0);
	replay_close(replay);
	return r == ERROR_CORRUPT || r == ERROR_NOT_FOUND ? AGAIN : r;
}

/* Decides whether the state can be compared with this log. */
static int place_state(struct reader *reader, bool *ret_comparable, struct error *error) {
	const struct state_head *head = &reader->state_head;
	struct eventlog_status status;
	char at[POSITION_TEXT_BYTES], end[POSITION_TEXT_BYTES];
	struct hash hash;
	int r = eventlog_local_hash(reader->log, head->at, &hash, error);
	bool standing = r == 0 && hash_equal(&hash, &head->local_hash);

	if (r < 0 && r != ERROR_NOT_FOUND)
		return r;
	*ret_comparable = standing;
	eventlog_status(reader->log, &status);
	if (head->generation < status.generation || (standing && head->generation == status.generation))
		return 0;
	position_print(at, head->at);
	position_print(end, status.head);
	return error_set(error, ERROR_CORRUPT,
	                 "the event log is not the one of its state, which stands at %s in generation "
	                 "%llu; the log ends at %s in generation %llu",
	                 at, (unsigned long long)head->generation, end, (unsigned long long)status.generation);
}

static int verify_log(struct reader *reader, struct verification *verification, struct error *error) {
	struct store_verification *result = &verification->result;
	struct eventlog_status status;
	int r;

	verification->progress.phase = "log";
	r = eventlog_verify(reader->log, tell, &verification->progress, error);
	if (r == 0)
		r = eventlog_refused_count(reader->log, &result->refused, error);
	eventlog_status(reader->log, &status);
	result->events = status.n_events;
	result->head = status.head;
	return r;
}

static int verify_once(const char *folder, struct verification *verification, bool last_attempt, struct error *error) {
	struct reader reader = { 0 };
	bool comparable = false;
	int r = open_schema(&reader, folder, error);

	verification->result = (struct store_verification){ 0 };
	if (r == 0)
		r = open_state_if_any(&reader, last_attempt, error);
	if (r == 0)
		r = reopen_log(&reader, error);
	if (r == 0 && reader.state)
		r = place_state(&reader, &comparable, error);
	/* It may stand on a branch that the leader is just leaving. */
	if (r == 0 && reader.state && !comparable && !last_attempt)
		r = AGAIN;
	if (r == 0)
		r = verify_log(&reader, verification, error);
	if (r == 0 && comparable) {
		verification->result.state_head = reader.state_head.at;
		verification->result.voids = state_voids(reader.state);
		r = replay_and_compare(&reader, verification, error);
	}
	if (r == 0)
		r = count_rest(&reader, verification, error);
	reader_close(&reader);
	return r;
}

static int changed_too_often(const char *folder, struct error *error) {
	return error_set(error, ERROR_BUSY, "the store in %.200s was changed during each of %d attempts to read it", folder,
	                 ATTEMPTS);
}

int store_verify(const char *folder, const char *scratch_folder,
                 void (*on_progress)(const char *phase, uint64_t done, uint64_t all, void *data), void *data,
                 struct store_verification *ret, struct error *error) {
	struct verification verification = {
		.progress = { .call = on_progress, .data = data },
		.scratch_folder = scratch_folder,
	};
	int r = AGAIN;

	for (int attempt = 1; r == AGAIN && attempt <= ATTEMPTS; attempt++)
		r = verify_once(folder, &verification, attempt == ATTEMPTS, error);
	if (r == AGAIN)
		return changed_too_often(folder, error);
	if (r == 0)
		*ret = verification.result;
	return r;
}

/* -- Replaying into another file -- */

/* Nothing that exists may be lost, so the name is taken before the state is made. */
static int take_name(const char *file, struct error *error) {
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return error_set(error, code_of_errno(errno), "cannot make %.200s: %s", file, strerror(errno));
	close(fd);
	return 0;
}

static int replay_into(struct reader *reader, const char *file, struct progress *progress, struct error *error) {
	const struct state_options options = { .path = file, .schema = reader->schema };
	struct eventlog_status status;
	struct advance advance = { .log = reader->log, .on_progress = tell_and_go_on, .on_progress_data = progress };
	int r = state_open(&advance.state, &options, error);

	eventlog_status(reader->log, &status);
	advance.until = status.head;
	advance.all = status.n_events;
	progress->phase = "replay";
	if (r >= 0)
		r = advance_state(&advance, error);
	if (r == 0)
		r = store_settle_file(advance.state, error);
	state_close(advance.state);
	return r == ERROR_CORRUPT && advance.log_failed ? AGAIN : r;
}

static int rebuild_once(const char *folder, const char *file, struct progress *progress, struct error *error) {
	struct reader reader = { 0 };
	int r = open_schema(&reader, folder, error);

	if (r == 0)
		r = take_name(file, error);
	if (r == 0) {
		r = replay_into(&reader, file, progress, error);
		if (r != 0)
			store_remove_database(file, NULL);
	}
	reader_close(&reader);
	return r;
}

int store_rebuild_to(const char *folder, const char *file,
                     void (*on_progress)(const char *phase, uint64_t done, uint64_t all, void *data), void *data,
                     struct error *error) {
	struct progress progress = { .call = on_progress, .data = data };
	struct error why = { 0 };
	int r = AGAIN;

	for (int attempt = 1; r == AGAIN && attempt <= ATTEMPTS; attempt++)
		r = rebuild_once(folder, file, &progress, &why);
	/* A log whose links never hold was not rebased: it is damaged. */
	if (r == AGAIN)
		r = ERROR_CORRUPT;
	return r < 0 ? error_set(error, r, "%s", why.text) : 0;
}

/* -- Dumping -- */

int store_dump(const char *folder, bool synced_only, int (*write)(const char *text, size_t n, void *data), void *data,
               struct error *error) {
	struct reader reader = { 0 };
	struct error why = { 0 };
	int r = AGAIN;

	/* Also what a leader does while it exchanges state or schema. */
	for (int i = 0; i < ATTEMPTS && (r == AGAIN || r == ERROR_NOT_FOUND || r == ERROR_VERSION); i++) {
		reader_close(&reader);
		r = open_schema(&reader, folder, &why);
		if (r == 0)
			r = open_snapshot(&reader, &why);
	}
	if (r == AGAIN)
		r = changed_too_often(folder, &why);
	if (r == 0)
		r = state_dump(reader.state, synced_only, write, data, &why);
	reader_close(&reader);
	return r < 0 ? error_set(error, r, "%s", why.text) : r;
}
