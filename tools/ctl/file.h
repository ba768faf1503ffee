#ifndef LEADERCTL_FILE_H
#define LEADERCTL_FILE_H

/* Whole files, for schemas, queries and arguments. */

#include <stddef.h>

/* Reads a file, "-" for standard input, of at most bytes_max bytes as text that
 * the caller frees. A NUL inside is a failure. 0, or a STATUS_* that was reported. */
int file_read(const char *path, size_t bytes_max, char **ret_text);

/* How a file is called in messages. */
const char *file_label(const char *path);

#define SCHEMA_FILE_BYTES_MAX (1024u * 1024u) /* more than the library takes: its message names its bound */
#define TEXT_INPUT_BYTES_MAX (4u * 1024u * 1024u)

#endif
