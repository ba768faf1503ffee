#ifndef LEADERD_OPTIONS_H
#define LEADERD_OPTIONS_H

/*
 * Options: the daemon's command line, as words. What they mean together with
 * the configuration file and the environment is settings.h.
 */

#include <stdbool.h>

#include "base/error.h"

struct options {
	const char *data_dir; /* borrowed from argv; NULL: not given */
	const char *socket;
	const char *config;
	bool check_config, help, version;
};

/* ERROR_INVALID for an unknown option, a missing or empty value, or another word. */
int options_parse(struct options *ret, int argc, char **argv, struct error *error);

const char *options_help(void);

#endif
