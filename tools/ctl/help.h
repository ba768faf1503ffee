#ifndef LEADERCTL_HELP_H
#define LEADERCTL_HELP_H

/* Help, made from the table of sub-commands. */

#include <stdbool.h>

#include "command.h"

void help_all(void);
void help_command(const struct command *command);
void help_version(bool json);

#endif
