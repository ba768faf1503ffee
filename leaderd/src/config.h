#ifndef LEADERD_CONFIG_H
#define LEADERD_CONFIG_H

/*
 * The configuration file:
 *
 *     [daemon]
 *     data-dir = /absolute/path
 *     socket = /absolute/path
 *     log-level = error | warning | notice | debug
 *
 * Every key is optional and may stand once. What is unknown is refused, with
 * file and line: a misspelt key that is passed over is found too late.
 */

#include <limits.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/log.h"

struct config {
	char data_dir[PATH_MAX]; /* empty: not given */
	char socket[PATH_MAX];   /* empty: not given */
	enum log_level log_level;
	bool has_log_level;
};

/* ERROR_NOT_FOUND: no such file. ERROR_INVALID names file, line and reason. IO, PERMISSION. */
int config_read(struct config *ret, const char *file, struct error *error);

const char *config_log_level_name(enum log_level level);

#endif
