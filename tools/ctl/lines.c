/* Lines; see lines.h. */

#include "lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "file.h"
#include "report.h"

#define CHUNK_BYTES (64u * 1024u)

struct lines {
	int fd;
	const char *path;    /* borrowed */
	ZSTD_DStream *zstd;  /* NULL: the file is plain */
	size_t zstd_hint;    /* 0: a frame is whole, so the file may end here */
	char *compressed;    /* CHUNK_BYTES */
	ZSTD_inBuffer input; /* what of it is not decompressed yet */
	bool has_more;       /* zstd holds more than there was room for */
	char *text;          /* what was read and is not taken: text[first .. first + n) */
	size_t first, n, allocated;
	uint64_t number; /* of the newest line taken */
	bool at_end;
	char reason[300];
};

static bool ends_in(const char *path, const char *end) {
	size_t n = strlen(path), n_end = strlen(end);

	return n >= n_end && strcmp(path + n - n_end, end) == 0;
}

int lines_open(struct lines **ret, const char *path) {
	struct lines *lines = must_have(calloc(1, sizeof(*lines)));

	lines->path = path;
	lines->fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (lines->fd < 0) {
		int status = errno == ENOENT ? STATUS_NOT_FOUND : STATUS_FAILURE;

		report(status, "cannot open %s: %s", path, strerror(errno));
		free(lines);
		return status;
	}
	if (ends_in(path, ".zst")) {
		lines->zstd = must_have(ZSTD_createDStream());
		lines->compressed = must_have(malloc(CHUNK_BYTES));
	}
	*ret = lines;
	return 0;
}

struct lines *lines_close(struct lines *lines) {
	if (!lines)
		return NULL;
	if (lines->fd != STDIN_FILENO)
		close(lines->fd);
	ZSTD_freeDStream(lines->zstd);
	free(lines->compressed);
	free(lines->text);
	free(lines);
	return NULL;
}

int lines_fd(const struct lines *lines) {
	return lines->fd;
}

const char *lines_label(const struct lines *lines) {
	return file_label(lines->path);
}

const char *lines_reason(const struct lines *lines) {
	return lines->reason;
}

static int fail(struct lines *lines, const char *reason) {
	snprintf(lines->reason, sizeof(lines->reason), "%s", reason);
	return -1;
}

static bool is_blank(const char *text, size_t n) {
	for (size_t i = 0; i < n; i++)
		if (text[i] != ' ' && text[i] != '\t')
			return false;
	return true;
}

static char *make_room(struct lines *lines, size_t more) {
	if (lines->n > 0)
		memmove(lines->text, lines->text + lines->first, lines->n);
	lines->first = 0;
	if (lines->allocated < lines->n + more) {
		lines->allocated = 2 * (lines->n + more);
		lines->text = must_have(realloc(lines->text, lines->allocated));
	}
	return lines->text + lines->n;
}

int lines_next(struct lines *lines, const char **ret_line, size_t *ret_n, uint64_t *ret_number) {
	for (;;) {
		const char *text = lines->n > 0 ? lines->text + lines->first : "";
		const char *end = lines->n > 0 ? memchr(text, '\n', lines->n) : NULL;
		size_t n = end ? (size_t)(end - text) : lines->n;

		if (!end && n <= LINE_BYTES_MAX && !lines->at_end)
			return LINES_MORE;
		if (!end && n == 0)
			return 0;
		lines->number++;
		*ret_number = lines->number;
		if (n > LINE_BYTES_MAX)
			return fail(lines, "the line is longer than 1 MiB");
		lines->first += end ? n + 1 : n;
		lines->n -= end ? n + 1 : n;
		if (n > 0 && text[n - 1] == '\r')
			n--;
		/* Nothing stands there, so nothing is committed. */
		if (is_blank(text, n))
			continue;
		*ret_line = text;
		*ret_n = n;
		return LINES_LINE;
	}
}

static ssize_t read_some(struct lines *lines, char *ret) {
	ssize_t got;

	do {
		got = read(lines->fd, ret, CHUNK_BYTES);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		snprintf(lines->reason, sizeof(lines->reason), "cannot read: %s", strerror(errno));
	return got;
}

/* One chunk at most, however much the compressed bytes stand for. */
static int decompress(struct lines *lines) {
	ZSTD_outBuffer out = { make_room(lines, CHUNK_BYTES), CHUNK_BYTES, 0 };
	size_t r = ZSTD_decompressStream(lines->zstd, &out, &lines->input);

	if (ZSTD_isError(r)) {
		snprintf(lines->reason, sizeof(lines->reason), "cannot decompress: %s", ZSTD_getErrorName(r));
		return -1;
	}
	lines->n += out.pos;
	lines->zstd_hint = r;
	lines->has_more = lines->input.pos < lines->input.size || out.pos == out.size;
	return 0;
}

bool lines_has_input(const struct lines *lines) {
	return lines->has_more;
}

int lines_read(struct lines *lines) {
	ssize_t got;

	if (lines->has_more)
		return decompress(lines);
	got = read_some(lines, lines->zstd ? lines->compressed : make_room(lines, CHUNK_BYTES));
	if (got < 0)
		return -1;
	if (got == 0) {
		lines->at_end = true;
		return lines->zstd_hint == 0 ? 0 : fail(lines, "the compressed data ends too early");
	}
	if (lines->zstd) {
		lines->input = (ZSTD_inBuffer){ lines->compressed, (size_t)got, 0 };
		return decompress(lines);
	}
	lines->n += (size_t)got;
	return 0;
}
