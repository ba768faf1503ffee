#ifndef LEADERD_TESTS_RAW_FAULTS_H
#define LEADERD_TESTS_RAW_FAULTS_H

/*
 * Faults below the file system: in a test that is linked with this, writes and
 * syncs of every process forked from it go through here, SQLite's included. What
 * fails is said in shared memory, so it can change while the daemon runs.
 */

struct raw_faults {
	int write_errno;   /* 0: writes succeed */
	int sync_errno;    /* 0: syncs succeed */
	char path[32];     /* only files whose path contains this; empty: all */
	unsigned log_syncs; /* of eventlog.db and its side files so far */
	unsigned state_syncs;
};

/* To be called before the daemon is started. All faults are off then. */
struct raw_faults *raw_faults(void);

#endif
