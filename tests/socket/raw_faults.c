/* Faults below the file system; see raw_faults.h. */

#include "tests/socket/raw_faults.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* With 64-bit offsets pwrite is another name of pwrite64. */
#define DEFAULT __attribute__((visibility("default")))

DEFAULT ssize_t pwrite64(int fd, const void *data, size_t n, off_t at);
DEFAULT int fsync(int fd);
DEFAULT int fdatasync(int fd);

static struct raw_faults *shared;

struct raw_faults *raw_faults(void) {
	if (!shared)
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*shared = (struct raw_faults){ 0 };
	return shared;
}

static void find_path(int fd, char *ret, size_t bytes) {
	char link[64];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, ret, bytes - 1);
	ret[n > 0 ? n : 0] = '\0';
}

static bool is_meant(int fd) {
	char path[512];

	find_path(fd, path, sizeof(path));
	return strstr(path, shared->path) != NULL;
}

static ssize_t write_at(int fd, const void *data, size_t n, off_t at) {
	if (shared && shared->write_errno != 0 && is_meant(fd)) {
		errno = shared->write_errno;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, data, n, at);
}

static int sync_file(int fd, long call) {
	char path[512];

	if (shared) {
		find_path(fd, path, sizeof(path));
		shared->log_syncs += strstr(path, "eventlog.db") != NULL;
		shared->state_syncs += strstr(path, "state.db") != NULL;
		if (shared->sync_errno != 0 && strstr(path, shared->path)) {
			errno = shared->sync_errno;
			return -1;
		}
	}
	return (int)syscall(call, fd);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off_t at) {
	return write_at(fd, data, n, at);
}

int fsync(int fd) {
	return sync_file(fd, SYS_fsync);
}

int fdatasync(int fd) {
	return sync_file(fd, SYS_fdatasync);
}
