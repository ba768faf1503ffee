/*
 * The log's file: a header of 96 bytes, and events side by side, each a length
 * (u32) and a packed leaderd.Event; integers little-endian.
 *
 *   header  "leaderd script 1", lineage[16], u64 epoch, u64 changes, u64 calls of
 *           open, push, pull and look, zeros
 *
 * Every operation holds the file's lock (flock) and first reads what others
 * wrote. `changes` counts what was taken out of the file: who knew the old number
 * reads it again from its beginning. The file is touched when its events change:
 * that is what others watch, for the header is written by everyone who looks. No
 * power cut is survived, nor meant to be.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "script/script.h"

#define MAGIC "leaderd script 1"
#define MAGIC_BYTES 16u
#define HEADER_BYTES 96u

static uint64_t get_u64(const uint8_t *data) {
	uint64_t value = 0;

	for (size_t i = 0; i < 8; i++)
		value |= (uint64_t)data[i] << (8 * i);
	return value;
}

static int failed(const char *what, struct error *error) {
	return error_set(error, errno == ENOSPC || errno == EDQUOT ? ERROR_FULL : ERROR_IO,
	                 "cannot %s the script's log: %s", what, strerror(errno));
}

static void forget_events(struct script_log *log, size_t n_left) {
	while (log->n > n_left)
		event_destroy(log->events[--log->n]);
}

static int add_event(struct script_log *log, struct event *event, struct error *error) {
	if (log->n == log->allocated) {
		size_t allocated = log->allocated == 0 ? 256 : 2 * log->allocated;
		struct event **events = realloc(log->events, allocated * sizeof(struct event *));

		if (events == NULL)
			return error_no_memory(error);
		log->events = events;
		log->allocated = allocated;
	}
	log->events[log->n++] = event;
	return 0;
}

/* 1: the header was there; 0: the file is new. */
static int read_header(struct script_log *log, struct error *error) {
	uint8_t header[HEADER_BYTES];
	ssize_t n = pread(log->fd, header, sizeof(header), 0);

	if (n < 0)
		return failed("read", error);
	if (n == 0)
		return 0;
	if (n != HEADER_BYTES || memcmp(header, MAGIC, MAGIC_BYTES) != 0)
		return error_set(error, ERROR_CORRUPT, "the script's log had no header");
	memcpy(log->lineage, header + 16, sizeof(log->lineage));
	log->epoch = get_u64(header + 32);
	if (log->changes != get_u64(header + 40)) {
		forget_events(log, 0);
		log->offset = HEADER_BYTES;
	}
	log->changes = get_u64(header + 40);
	for (size_t i = 0; i < OPERATIONS; i++)
		log->calls[i] = get_u64(header + 48 + 8 * i);
	return 1;
}

static int read_events(struct script_log *log, const uint8_t *data, size_t n, struct error *error) {
	size_t at = 0;

	while (n - at >= 4) {
		size_t n_event =
			(size_t)data[at] | (size_t)data[at + 1] << 8 | (size_t)data[at + 2] << 16 | (size_t)data[at + 3] << 24;
		struct event *event;
		int r;

		if (n_event > n - at - 4)
			break; /* its writer was killed in the middle of it */
		r = adapter_event_unpack(&event, data + at + 4, n_event, error);
		if (r == 0 && (r = add_event(log, event, error)) < 0)
			event_destroy(event);
		if (r < 0)
			return r;
		at += 4 + n_event;
		log->offset += 4 + n_event;
	}
	return 0;
}

static int read_rest(struct script_log *log, struct error *error) {
	struct stat status;
	size_t n;
	int r;

	if (fstat(log->fd, &status) < 0)
		return failed("look at", error);
	n = (uint64_t)status.st_size > log->offset ? (size_t)((uint64_t)status.st_size - log->offset) : 0;
	if (n == 0)
		return 0;
	uint8_t *data = malloc(n);
	if (data == NULL)
		return error_no_memory(error);
	ssize_t n_read = pread(log->fd, data, n, (off_t)log->offset);
	r = n_read < 0 ? failed("read", error) : read_events(log, data, (size_t)n_read, error);
	free(data);
	return r;
}

int log_write_header(struct script_log *log, struct error *error) {
	struct bytes header = { 0 };
	bool ok = bytes_add(&header, MAGIC, MAGIC_BYTES) == 0 &&
	          bytes_add(&header, log->lineage, sizeof(log->lineage)) == 0 && bytes_add_u64(&header, log->epoch) == 0 &&
	          bytes_add_u64(&header, log->changes) == 0;
	int r = 0;

	for (size_t i = 0; ok && i < OPERATIONS; i++)
		ok = bytes_add_u64(&header, log->calls[i]) == 0;
	while (ok && header.n < HEADER_BYTES)
		ok = bytes_add_u64(&header, 0) == 0;
	if (!ok)
		r = error_no_memory(error);
	else if (pwrite(log->fd, header.data, header.n, 0) != (ssize_t)header.n)
		r = failed("write", error);
	bytes_finish(&header);
	return r;
}

static int load(struct script_log *log, struct error *error) {
	int r = read_header(log, error);

	if (r == 0)
		return error_set(error, ERROR_NOT_RUNNING, "the script's log was emptied");
	return r < 0 ? r : read_rest(log, error);
}

int log_lock(struct script_log *log, struct error *error) {
	int r;

	while (flock(log->fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return failed("lock", error);
	r = load(log, error);
	if (r < 0)
		log_unlock(log);
	return r;
}

void log_unlock(struct script_log *log) {
	flock(log->fd, LOCK_UN);
}

static int make_or_load(struct script_log *log, const struct adapter_open *open, struct error *error) {
	int r;

	while (flock(log->fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return failed("lock", error);
	r = read_header(log, error);
	if (r == 0) {
		memcpy(log->lineage, open->new_lineage, sizeof(log->lineage));
		log->epoch = open->new_epoch;
		r = log_write_header(log, error);
	} else if (r == 1) {
		r = read_rest(log, error);
	}
	log_unlock(log);
	return r;
}

int log_open(struct script_log *ret, const char *path, const struct adapter_open *open, struct error *error) {
	struct script_log log = { .offset = HEADER_BYTES };
	int r;

	log.fd = openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (log.fd < 0)
		return failed("open", error);
	r = make_or_load(&log, open, error);
	if (r < 0) {
		log_close(&log);
		return r;
	}
	*ret = log;
	return 0;
}

void log_close(struct script_log *log) {
	forget_events(log, 0);
	free(log->events);
	if (log->fd >= 0)
		close(log->fd);
	*log = (struct script_log){ .fd = -1 };
}

static int pack_events(struct bytes *out, struct event *const *events, size_t n, struct error *error) {
	for (size_t i = 0; i < n; i++) {
		size_t at = out->n;
		size_t n_event;

		if (bytes_add_u32(out, 0) < 0 || adapter_event_pack(out, events[i]) < 0)
			return error_no_memory(error);
		n_event = out->n - at - 4;
		for (size_t j = 0; j < 4; j++)
			out->data[at + j] = (uint8_t)(n_event >> (8 * j));
	}
	return 0;
}

int log_append(struct script_log *log, struct event *const *events, size_t n, struct error *error) {
	struct bytes data = { 0 };
	int r = pack_events(&data, events, n, error);

	/* A torn end of someone who was killed is overwritten. */
	if (r == 0 && ftruncate(log->fd, (off_t)log->offset) < 0)
		r = failed("cut", error);
	if (r == 0 && pwrite(log->fd, data.data, data.n, (off_t)log->offset) != (ssize_t)data.n)
		r = failed("write", error);
	bytes_finish(&data);
	if (r == 0)
		futimens(log->fd, NULL);
	return r < 0 ? r : read_rest(log, error);
}

int log_forget(struct script_log *log, size_t n, struct error *error) {
	struct bytes data = { 0 };
	size_t n_left = n < log->n ? log->n - n : 0;
	int r = pack_events(&data, log->events, n_left, error);

	if (r == 0 && ftruncate(log->fd, (off_t)(HEADER_BYTES + data.n)) < 0)
		r = failed("cut", error);
	if (r == 0) {
		forget_events(log, n_left);
		log->offset = HEADER_BYTES + data.n;
		log->changes++;
		r = log_write_header(log, error);
		futimens(log->fd, NULL);
	}
	bytes_finish(&data);
	return r;
}

struct backend_point log_point(const struct script_log *log, uint64_t global) {
	struct backend_point point = { .global = global };

	if (global > 0)
		point.chain_hash = log->events[global - 1]->chain_hash;
	return point;
}

bool log_holds(const struct script_log *log, const struct backend_point *point, char *reason, size_t reason_bytes) {
	if (point->global == 0)
		return true;
	if (point->global > log->n)
		snprintf(reason, reason_bytes, "the log ends at e%zu, e%llu is not in it", log->n,
		         (unsigned long long)point->global);
	else if (!hash_equal(&log->events[point->global - 1]->chain_hash, &point->chain_hash))
		snprintf(reason, reason_bytes, "another history stands in the log at e%llu", (unsigned long long)point->global);
	else
		return true;
	return false;
}
