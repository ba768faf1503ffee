#include "crash.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int __real_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __wrap_rename(const char *from, const char *to);
int __wrap_unlink(const char *path);

static unsigned long countdown;
static bool is_torn;

static ssize_t (*real_pwrite)(int fd, const void *data, size_t n, off_t at);
static int (*real_ftruncate)(int fd, off_t n);
static int (*real_unlink)(const char *path);

static bool is_last(void) {
	return countdown > 0 && --countdown == 0;
}

static ssize_t counted_pwrite(int fd, const void *data, size_t n, off_t at) {
	if (is_last()) {
		if (is_torn)
			real_pwrite(fd, data, n / 2, at);
		_exit(CRASHED);
	}
	return real_pwrite(fd, data, n, at);
}

static int counted_ftruncate(int fd, off_t n) {
	if (is_last())
		_exit(CRASHED);
	return real_ftruncate(fd, n);
}

static int counted_unlink(const char *path) {
	if (is_last())
		_exit(CRASHED);
	return real_unlink(path);
}

int __wrap_rename(const char *from, const char *to) {
	if (is_last())
		_exit(CRASHED);
	return __real_rename(from, to);
}

int __wrap_unlink(const char *path) {
	if (is_last())
		_exit(CRASHED);
	return __real_unlink(path);
}

static sqlite3_syscall_ptr replace(sqlite3_vfs *vfs, const char *name, sqlite3_syscall_ptr by) {
	sqlite3_syscall_ptr real = vfs->xGetSystemCall(vfs, name);

	if (real && vfs->xSetSystemCall(vfs, name, by) != SQLITE_OK)
		abort();
	return real;
}

void crash_install(void) {
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
	sqlite3_syscall_ptr real = replace(vfs, "pwrite64", (sqlite3_syscall_ptr)counted_pwrite);

	/* Which of the two SQLite uses depends on how it was built. */
	if (!real)
		real = replace(vfs, "pwrite", (sqlite3_syscall_ptr)counted_pwrite);
	if (!real)
		abort();
	real_pwrite = (ssize_t(*)(int, const void *, size_t, off_t))real;
	real_ftruncate = (int (*)(int, off_t))replace(vfs, "ftruncate", (sqlite3_syscall_ptr)counted_ftruncate);
	real_unlink = (int (*)(const char *))replace(vfs, "unlink", (sqlite3_syscall_ptr)counted_unlink);
}

void crash_at(unsigned long k, bool torn) {
	countdown = k;
	is_torn = torn;
}
