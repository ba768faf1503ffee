#ifndef LEADERD_SETTINGS_H
#define LEADERD_SETTINGS_H

/*
 * Settings: what is in force. An option goes before the configuration file, and
 * that before the default.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "base/log.h"
#include "leaderd/src/options.h"

struct settings {
	char config[PATH_MAX]; /* the file asked for; empty: none, for want of a place */
	bool config_exists;
	char data_dir[PATH_MAX];
	char socket[PATH_MAX]; /* empty: not needed */
	enum log_level log_level;
};

/* Reads the file: one that --config names must exist. Without `needs_socket` (the
 * service manager hands one over) none is looked for. */
int settings_load(struct settings *ret, const struct options *options, bool needs_socket, struct error *error);

/* As a configuration file. */
void settings_print(const struct settings *settings, FILE *to);

#endif
