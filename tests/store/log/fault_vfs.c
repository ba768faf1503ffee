#include "fault_vfs.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

struct fault_file {
	sqlite3_file base;
	sqlite3_file *real; /* behind this struct, in the same memory */
};

static sqlite3_vfs fault_vfs;
static sqlite3_vfs *real_vfs;
static struct fault_counts counts;
static enum fault_kind fault;
static unsigned long countdown;
static bool forever;

void fault_set(enum fault_kind kind, unsigned long k, bool for_ever) {
	fault = kind;
	countdown = k;
	forever = for_ever;
	counts = (struct fault_counts){ 0 };
}

struct fault_counts fault_counts(void) {
	return counts;
}

static bool fires(void) {
	if (countdown == 0 || --countdown > 0)
		return false;
	if (forever)
		countdown = 1;
	counts.fired++;
	return true;
}

static sqlite3_file *real_of(sqlite3_file *file) {
	return ((struct fault_file *)file)->real;
}

static int file_close(sqlite3_file *file) {
	sqlite3_file *real = real_of(file);

	return real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *data, int n, sqlite3_int64 at) {
	return real_of(file)->pMethods->xRead(real_of(file), data, n, at);
}

static int file_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 at) {
	sqlite3_file *real = real_of(file);

	counts.writes++;
	if (fault >= FAULT_WRITE_IO && fault <= FAULT_WRITE_FULL && fires()) {
		if (fault != FAULT_WRITE_IO)
			real->pMethods->xWrite(real, data, n / 2, at);
		return fault == FAULT_WRITE_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	}
	return real->pMethods->xWrite(real, data, n, at);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 n) {
	counts.truncations++;
	if (fault == FAULT_TRUNCATE && fires())
		return SQLITE_IOERR_TRUNCATE;
	return real_of(file)->pMethods->xTruncate(real_of(file), n);
}

static int file_sync(sqlite3_file *file, int flags) {
	counts.syncs++;
	if (fault == FAULT_SYNC && fires())
		return SQLITE_IOERR_FSYNC;
	return real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret) {
	return real_of(file)->pMethods->xFileSize(real_of(file), ret);
}

static int file_lock(sqlite3_file *file, int level) {
	return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int file_unlock(sqlite3_file *file, int level) {
	return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int file_reserved(sqlite3_file *file, int *ret) {
	return real_of(file)->pMethods->xCheckReservedLock(real_of(file), ret);
}

static int file_control(sqlite3_file *file, int op, void *data) {
	return real_of(file)->pMethods->xFileControl(real_of(file), op, data);
}

static int file_sector(sqlite3_file *file) {
	return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int file_characteristics(sqlite3_file *file) {
	return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int file_shm_map(sqlite3_file *file, int page, int n, int extend, void volatile **ret) {
	return real_of(file)->pMethods->xShmMap(real_of(file), page, n, extend, ret);
}

static int file_shm_lock(sqlite3_file *file, int at, int n, int flags) {
	return real_of(file)->pMethods->xShmLock(real_of(file), at, n, flags);
}

static void file_shm_barrier(sqlite3_file *file) {
	real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int file_shm_unmap(sqlite3_file *file, int remove) {
	return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = file_reserved,
	.xFileControl = file_control,
	.xSectorSize = file_sector,
	.xDeviceCharacteristics = file_characteristics,
	.xShmMap = file_shm_map,
	.xShmLock = file_shm_lock,
	.xShmBarrier = file_shm_barrier,
	.xShmUnmap = file_shm_unmap,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags) {
	struct fault_file *wrapped = (struct fault_file *)file;

	wrapped->base.pMethods = NULL;
	wrapped->real = (sqlite3_file *)(wrapped + 1);
	int rc = real_vfs->xOpen(real_vfs, name, wrapped->real, flags, ret_flags);

	if (rc == SQLITE_OK)
		wrapped->base.pMethods = &methods;
	return rc;
}

void fault_vfs_install(void) {
	if (real_vfs)
		return;
	real_vfs = sqlite3_vfs_find(NULL);
	fault_vfs = *real_vfs;
	fault_vfs.zName = "faults";
	fault_vfs.szOsFile = (int)sizeof(struct fault_file) + real_vfs->szOsFile;
	fault_vfs.xOpen = vfs_open;
	sqlite3_vfs_register(&fault_vfs, 1);
}
