#ifndef LEADERD_LOCK_H
#define LEADERD_LOCK_H

/*
 * Lock: one leader for each data directory. The kernel drops it with the process
 * that holds it, however that ends; the file stays.
 */

#include "base/error.h"

/* Takes <data_dir>/lock. Closing *ret_fd gives it back. ERROR_CONFLICT names the
 * process that has it; IO, PERMISSION, FULL. */
int lock_take(int *ret_fd, const char *data_dir, struct error *error);

#endif
