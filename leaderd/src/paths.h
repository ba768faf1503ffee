#ifndef LEADERD_PATHS_H
#define LEADERD_PATHS_H

/*
 * Paths: where things are by the XDG base directory specification. A variable
 * that holds no absolute path counts as not set, as it asks.
 */

#include <limits.h>

#include "base/error.h"

/* $XDG_DATA_HOME/leaderd, else $HOME/.local/share/leaderd. */
int paths_data_dir(char ret[PATH_MAX], struct error *error);

/* $XDG_CONFIG_HOME/leaderd/leaderd.conf, else below $HOME/.config; whether it exists or not. */
int paths_config(char ret[PATH_MAX], struct error *error);

/* $XDG_RUNTIME_DIR/leaderd/socket. There is no other default: a socket in a folder
 * that outlives the login, or that others can write to, is none to choose unasked. */
int paths_socket(char ret[PATH_MAX], struct error *error);

/* Can a socket be bound there? ERROR_INVALID: empty, a folder's name, or longer than
 * a socket address holds; the text names path and limit. */
int paths_check_socket(const char *path, struct error *error);

/* Copies; ERROR_INVALID if it is longer than the system allows. `what` names it in the text. */
int paths_copy(char ret[PATH_MAX], const char *path, const char *what, struct error *error);

/* The folder in which `path` lies: "." for a plain name. `path` is shorter than PATH_MAX. */
void paths_folder_of(char ret[PATH_MAX], const char *path);

#endif
