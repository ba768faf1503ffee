#ifndef LEADERD_TESTS_STORE_LOG_FAULT_VFS_H
#define LEADERD_TESTS_STORE_LOG_FAULT_VFS_H

/*
 * A file system below SQLite that counts and fails: every write, sync and
 * truncation goes through it. It becomes the default one.
 */

#include <stdbool.h>
#include <stddef.h>

enum fault_kind {
	FAULT_NONE,
	FAULT_WRITE_IO,   /* the write fails, nothing of it is in the file */
	FAULT_WRITE_TORN, /* the write fails, half of it is in the file */
	FAULT_WRITE_FULL, /* no space, half of it is in the file */
	FAULT_SYNC,       /* the sync fails; the data can still be read */
	FAULT_TRUNCATE
};

struct fault_counts {
	unsigned long writes;
	unsigned long syncs;
	unsigned long truncations;
	unsigned long fired; /* faults */
};

void fault_vfs_install(void);

/* The k-th operation of the kind from now on fails, k from 1, and with `forever` each
 * one after it. FAULT_NONE: none does. Counts begin at zero. */
void fault_set(enum fault_kind kind, unsigned long k, bool forever);
struct fault_counts fault_counts(void);

#endif
