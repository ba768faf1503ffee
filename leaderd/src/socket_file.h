#ifndef LEADERD_SOCKET_FILE_H
#define LEADERD_SOCKET_FILE_H

/*
 * The socket in the file system: bound in a folder that is ours alone, in place
 * of one that a dead leader left; or handed over by the service manager.
 */

#include <stdbool.h>

#include "base/error.h"

/* Binds and listens, mode 0600. The caller closes *ret_fd, after socket_file_remove.
 * ERROR_CONFLICT: someone listens there already, or starts to; or the path holds
 * something that is no socket, which stays untouched. ERROR_INVALID: a path that
 * can be none; and as folder_open_runtime. */
int socket_file_listen(int *ret_fd, const char *path, struct error *error);

/* Removes the path. Call it while the socket still listens: so long nobody else
 * takes it for a dead one and puts another in its place. */
void socket_file_remove(const char *path);

/* The listening socket that came with LISTEN_FDS (see sd_listen_fds(3)), or -1 when
 * none did. The variables are taken out of the environment. ERROR_INVALID: more
 * than one, or no listening Unix stream socket. */
int socket_file_inherited(int *ret_fd, struct error *error);

/* Is there one? Looks only at the environment. */
bool socket_file_is_inherited(void);

#endif
