/*
 * Images: the whole database as bytes, made by serialize and taken by
 * deserialize and backup (state_file.c says why both). Never by VACUUM INTO, which
 * would give rows of tables without a rowid alias other rowids than the journal
 * knows.
 *
 * Bytes 18 and 19 of the header say "write-ahead log" in a state file, and a
 * database in memory cannot have one: they are set to 1, rollback journal. No
 * image is taken while a statement is busy: it would go on in other pages.
 */

#include "store/state.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/must.h"
#include "store/state_private.h"

#define HEADER_BYTES 100u
#define WRITE_VERSION 18
#define READ_VERSION 19
#define ROLLBACK_JOURNAL 1

static bool is_full(int number) {
	return number == ENOSPC || number == EDQUOT || number == EFBIG;
}

static int write_all(int fd, const uint8_t *data, uint64_t n, struct error *error) {
	for (uint64_t done = 0; done < n;) {
		ssize_t written = pwrite(fd, data + done, n - done, (off_t)done);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return error_set(error, is_full(errno) ? ERROR_FULL : ERROR_IO, "cannot write an image: %s",
			                 strerror(errno));
		done += (uint64_t)written;
	}
	return 0;
}

int state_image_write(struct state *state, int fd, uint64_t *ret_bytes, struct error *error) {
	sqlite3_int64 bytes = 0;
	unsigned char *data;
	int r;

	if (state->open)
		return error_set(error, ERROR_BUSY, "an image was asked for inside a change of the state");
	state_enter(state);
	sqlite3_serialize(state->db, "main", &bytes, SQLITE_SERIALIZE_NOCOPY);
	if (bytes < 0 || (uint64_t)bytes > SESSION_IMAGE_BYTES_MAX) {
		state_leave(state);
		return error_set(error, ERROR_TOO_LARGE, "the state has %lld bytes, too many for an image", (long long)bytes);
	}
	data = sqlite3_serialize(state->db, "main", &bytes, 0);
	state_leave(state);
	if (!data)
		return error_no_memory(error);
	must(bytes >= (sqlite3_int64)HEADER_BYTES);
	data[WRITE_VERSION] = ROLLBACK_JOURNAL;
	data[READ_VERSION] = ROLLBACK_JOURNAL;
	r = write_all(fd, data, (uint64_t)bytes, error);
	sqlite3_free(data);
	if (r == 0)
		*ret_bytes = (uint64_t)bytes;
	return r;
}

static int read_all(int fd, uint8_t *data, uint64_t n, struct error *error) {
	for (uint64_t done = 0; done < n;) {
		ssize_t got = pread(fd, data + done, n - done, (off_t)done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_set(error, ERROR_IO, "cannot read an image: %s", strerror(errno));
		if (got == 0)
			return error_set(error, ERROR_CORRUPT, "an image ended after %llu of %llu bytes", (unsigned long long)done,
			                 (unsigned long long)n);
		done += (uint64_t)got;
	}
	return 0;
}

static int check_header(const uint8_t *data, struct error *error) {
	if (memcmp(data, "SQLite format 3", 16) != 0 || data[WRITE_VERSION] != ROLLBACK_JOURNAL ||
	    data[READ_VERSION] != ROLLBACK_JOURNAL)
		return error_set(error, ERROR_CORRUPT, "these bytes are no image of a state");
	return 0;
}

/* The bytes of a checked image, from SQLite's allocator; the caller's. */
static int load_bytes(int fd, uint64_t bytes, uint8_t **ret, struct error *error) {
	struct stat st;
	uint8_t *data;
	int r;

	if (bytes > SESSION_IMAGE_BYTES_MAX)
		return error_set(error, ERROR_TOO_LARGE, "an image of %llu bytes is too large", (unsigned long long)bytes);
	if (fstat(fd, &st) < 0)
		return error_set(error, ERROR_IO, "cannot look at an image: %s", strerror(errno));
	/* Before memory is taken for bytes that are not there. */
	if (bytes < HEADER_BYTES || st.st_size < (off_t)bytes)
		return error_set(error, ERROR_CORRUPT, "an image of %llu bytes cannot be in a file of %lld",
		                 (unsigned long long)bytes, (long long)st.st_size);
	data = sqlite3_malloc64(bytes);
	if (!data)
		return error_no_memory(error);
	r = read_all(fd, data, bytes, error);
	if (r == 0)
		r = check_header(data, error);
	if (r < 0) {
		sqlite3_free(data);
		return r;
	}
	*ret = data;
	return 0;
}

static int take_image(struct state *state, int fd, uint64_t bytes, const struct schema *schema, struct error *error) {
	uint8_t *data = NULL;
	int r = load_bytes(fd, bytes, &data, error);

	state_forget_schema(state);
	state->schema = schema;
	if (r == 0)
		r = state_exchange_memory(state, data, bytes, error);
	if (r == 0)
		r = state_load(state, false, error);
	if (r == ERROR_VERSION)
		return error_set(error, ERROR_CORRUPT, "an image was made under another schema or format");
	return r;
}

int state_image_read(struct state *state, int fd, uint64_t bytes, const struct schema *schema, struct error *error) {
	struct error ignored;
	int r;

	must(!state->open);
	if (state->path)
		return error_set(error, ERROR_INVALID, "an image cannot become a state file");
	if (state_is_busy(state))
		return error_set(error, ERROR_BUSY, "a statement is under way on the state");
	r = take_image(state, fd, bytes, schema, error);
	if (r < 0)
		state_reset(state, schema, &ignored);
	state_leave(state);
	return r;
}
