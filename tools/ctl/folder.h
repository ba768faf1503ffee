#ifndef LEADERCTL_FOLDER_H
#define LEADERCTL_FOLDER_H

/*
 * The folder of a store, for the few sub-commands that read it themselves,
 * beside a leader that may be running on it (sync-core/store/store.h).
 */

#include "base/error.h"
#include "command.h"

/* Asks the leader, or looks below --data-dir. 0 and a path that the caller
 * frees; or a STATUS_* that was reported. */
int folder_find(const struct call *call, const char *store, char **ret);

/* Reports what sync-core failed with. */
int folder_failed(const struct error *error, int code);

#endif
