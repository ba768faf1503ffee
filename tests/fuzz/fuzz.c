/* What the fuzz targets share; see fuzz.h. */

#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void fuzz_expect_told(int r, const struct error *error) {
	if (r >= 0)
		return;
	fuzz_expect(r >= ERROR_LAST);
	fuzz_expect(error->code == r);
	fuzz_expect(error->text[0] != '\0');
	fuzz_expect(strchr(error->text, '\n') == NULL);
}

uint8_t fuzz_u8(struct fuzz_input *input) {
	if (input->n == 0)
		return 0;
	input->n--;
	return *input->at++;
}

uint32_t fuzz_u32(struct fuzz_input *input) {
	uint32_t value = 0;

	for (int i = 0; i < 4; i++)
		value |= (uint32_t)fuzz_u8(input) << 8 * i;
	return value;
}

uint64_t fuzz_u64(struct fuzz_input *input) {
	uint64_t low = fuzz_u32(input);

	return low | (uint64_t)fuzz_u32(input) << 32;
}

unsigned fuzz_below(struct fuzz_input *input, unsigned n) {
	return fuzz_u8(input) % n;
}

uint64_t fuzz_number(struct fuzz_input *input) {
	static const uint64_t edges[] = { INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX, INT64_MAX - 1, UINT32_MAX };
	uint8_t kind = fuzz_u8(input);

	if (kind < 240)
		return kind % 16;
	if (kind < 250)
		return edges[kind % 5];
	return fuzz_u64(input);
}

char *fuzz_text(struct fuzz_input *input) {
	char *text = malloc(input->n + 1);

	must(text != NULL);
	if (input->n > 0)
		memcpy(text, input->at, input->n);
	text[input->n] = '\0';
	input->at += input->n;
	input->n = 0;
	return text;
}

void fuzz_patch(struct fuzz_input *input, uint8_t *data, size_t n) {
	while (input->n > 0 && n > 0) {
		size_t at = fuzz_u8(input);

		at = (at | (size_t)fuzz_u8(input) << 8) % n;
		for (unsigned count = fuzz_u8(input); count > 0 && at < n && input->n > 0; count--)
			data[at++] = fuzz_u8(input);
	}
}

int fuzz_file(const void *data, size_t n, char ret_path[FUZZ_PATH_BYTES]) {
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	must(fd >= 0);
	for (size_t done = 0; done < n;) {
		ssize_t written = write(fd, (const uint8_t *)data + done, n - done);

		must(written > 0);
		done += (size_t)written;
	}
	if (ret_path)
		snprintf(ret_path, FUZZ_PATH_BYTES, "/proc/self/fd/%d", fd);
	return fd;
}

static char folder[256];

static void remove_folder(void) {
	static const char *const names[] = { "eventlog.db", "eventlog.db-wal", "eventlog.db-shm", "eventlog.db-journal" };
	char path[sizeof(folder) + 32];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
}

const char *fuzz_folder(void) {
	const char *parent = getenv("TMPDIR");

	if (folder[0] != '\0')
		return folder;
	if (!parent)
		parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : P_tmpdir;
	snprintf(folder, sizeof(folder), "%s/leaderd-fuzz-XXXXXX", parent);
	must(mkdtemp(folder) != NULL);
	atexit(remove_folder);
	return folder;
}
