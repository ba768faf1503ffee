/*
 * Where the file lies, and whether it may lie there.
 *
 * SQLite's locks and its shared memory hold between processes of one machine.
 * On a file system that other machines write as well, two of them could both
 * win a push: such places are refused.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "file/file.h"

#define FUSE_MAGIC 0x65735546ul

static const struct {
	unsigned long magic;
	const char *name;
} shared_file_systems[] = {
	{ 0x6969ul, "NFS" },        { 0x517bul, "SMB" },
	{ 0xff534d42ul, "CIFS" },   { 0xfe534d42ul, "SMB" },
	{ 0x01021997ul, "9P" },     { 0x564cul, "NCP" },
	{ 0x5346414ful, "AFS" },    { 0x6b414653ul, "AFS" },
	{ 0x73757245ul, "Coda" },   { 0x00c36400ul, "Ceph" },
	{ 0x0bd00bd0ul, "Lustre" }, { 0x47504653ul, "GPFS" },
	{ 0x01161970ul, "GFS2" },   { 0x7461636ful, "OCFS2" },
	{ 0x19830326ul, "BeeGFS" }, { 0x786f4256ul, "VirtualBox shared folder" },
	{ FUSE_MAGIC, "FUSE" },
};

const char *place_network_name(unsigned long magic) {
	for (size_t i = 0; i < sizeof(shared_file_systems) / sizeof(shared_file_systems[0]); i++)
		if (shared_file_systems[i].magic == (magic & 0xfffffffful))
			return shared_file_systems[i].name;
	return NULL;
}

/* A FUSE file system on a block device (fuseblk: NTFS, exFAT) has one machine only. */
static bool is_fuse_on_a_disk(dev_t device) {
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t n = 0;
	bool found = false;

	while (mounts != NULL && !found && getline(&line, &n, mounts) > 0) {
		unsigned major_number, minor_number;
		const char *type = strstr(line, " - ");

		found = type != NULL && sscanf(line, "%*u %*u %u:%u", &major_number, &minor_number) == 2 &&
		        major_number == major(device) && minor_number == minor(device) &&
		        strncmp(type, " - fuseblk ", strlen(" - fuseblk ")) == 0;
	}
	free(line);
	if (mounts != NULL)
		fclose(mounts);
	return found;
}

int place_check_file_system(const char *folder, struct error *error) {
	struct statfs system;
	struct stat status;

	if (statfs(folder, &system) < 0 || stat(folder, &status) < 0)
		return error_set(error, ERROR_IO, "cannot look at the file system of %s: %s", folder, strerror(errno));

	const char *name = place_network_name((unsigned long)system.f_type);
	if (name == NULL || ((unsigned long)system.f_type == FUSE_MAGIC && is_fuse_on_a_disk(status.st_dev)))
		return 0;
	return error_set(error, ERROR_INVALID,
	                 "%s lies on %s: locks do not hold there between machines; use a folder on a local disk, or a "
	                 "backend made for networks",
	                 folder, name);
}

/* The folder without symbolic links, for SQLite follows none; the file's own name as it is. */
static int resolve(char **ret, const char *path, struct error *error) {
	const char *name = strrchr(path, '/');
	char *folder = strndup(path, name == path ? 1 : (size_t)(name - path));
	char *resolved = folder == NULL ? NULL : realpath(folder, NULL);
	int r = 0;

	if (folder == NULL || (resolved == NULL && errno == ENOMEM))
		r = error_no_memory(error);
	else if (resolved == NULL)
		r = error_set(error, errno == EACCES ? ERROR_PERMISSION : ERROR_NOT_FOUND, "cannot reach the folder %s: %s",
		              folder, strerror(errno));
	else if (asprintf(ret, "%s%s", resolved[1] == '\0' ? "" : resolved, name) < 0)
		r = error_no_memory(error);
	free(folder);
	free(resolved);
	return r;
}

int place_path(char **ret, const char *url, struct error *error) {
	char *path;
	int r;

	if (strncmp(url, "file:", strlen("file:")) != 0)
		return error_set(error, ERROR_INVALID, "%s is no URL of a file: file:/path/log.db", url);
	path = adapter_url_path(url, "file");
	if (path == NULL)
		return error_no_memory(error);

	const char *start = path;
	if (strncmp(start, "///", 3) == 0) /* file:///path: the host between the slashes is this one */
		start += 2;
	size_t n = strlen(start);
	if (start[0] != '/' || start[1] == '/' || start[n - 1] == '/')
		r = error_set(error, ERROR_INVALID, "%s names no file by its absolute path: file:/path/log.db", url);
	else
		r = resolve(ret, start, error);
	free(path);
	return r;
}

static int check_opened(int fd, const char *path, struct file_backend *ret, struct error *error) {
	struct stat status;

	if (fstat(fd, &status) < 0)
		return error_set(error, ERROR_IO, "cannot look at %s: %s", path, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return error_set(error, ERROR_INVALID, "%s is no file", path);
	ret->device = status.st_dev;
	ret->inode = status.st_ino;
	return 0;
}

static int code_of_open(int cause) {
	switch (cause) {
	case EACCES:
	case EPERM:
	case EROFS:
		return ERROR_PERMISSION;
	case EISDIR:
	case ELOOP:
		return ERROR_INVALID;
	case ENOSPC:
	case EDQUOT:
		return ERROR_FULL;
	default:
		return ERROR_IO;
	}
}

/* O_NONBLOCK: a FIFO must not make us wait for its other end. */
int place_make(const char *path, struct file_backend *ret, struct error *error) {
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	int r;

	if (fd < 0)
		return error_set(error, code_of_open(errno), "cannot open %s: %s", path,
		                 errno == ELOOP ? "it is a symbolic link" : strerror(errno));
	r = check_opened(fd, path, ret, error);
	close(fd);
	return r;
}

int place_check_same(const struct file_backend *backend, struct error *error) {
	struct stat status;

	if (stat(backend->path, &status) < 0)
		return error_set(error, ERROR_NOT_RUNNING, "%s is gone: %s", backend->path, strerror(errno));
	if (status.st_dev != backend->device || status.st_ino != backend->inode)
		return error_set(error, ERROR_NOT_RUNNING, "another file stands at %s now", backend->path);
	return 0;
}
