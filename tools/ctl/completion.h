#ifndef LEADERCTL_COMPLETION_H
#define LEADERCTL_COMPLETION_H

/* What the build calls to make the file that bash-completion reads. */
#define COMPLETION_WORD "--completion-bash"

/* Prints a bash completion made from the table of sub-commands. */
void completion_print_bash(void);

#endif
