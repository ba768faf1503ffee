#ifndef LEADERD_FOLDER_H
#define LEADERD_FOLDER_H

/*
 * Folders: the two that the daemon trusts, made if absent, refused if another
 * user could have prepared them.
 */

#include <limits.h>

#include "base/error.h"

/* The data directory, made with its parents. It must be ours, and nobody else may
 * write to it. ret_real is the same without symbolic links, so that one which is
 * pointed elsewhere later does not part the lock from what it guards. PERMISSION,
 * INVALID (no folder), IO, FULL. */
int folder_prepare_data(char ret_real[PATH_MAX], const char *path, struct error *error);

/* The socket's folder, made if its parent exists. It must be ours, open to nobody
 * else, and no symbolic link. The caller closes *ret_fd. PERMISSION, INVALID,
 * NOT_FOUND (no parent), IO, FULL. */
int folder_open_runtime(int *ret_fd, const char *path, struct error *error);

#endif
