#ifndef LEADERD_BACKEND_H
#define LEADERD_BACKEND_H

/*
 * Backend: which backend a store has, and what its user wants of it at present.
 *
 * It stands in the file `backend` of the store's folder (mode 0600), which is
 * replaced whole: written beside, synced, renamed, and the folder synced. One JSON
 * object; a store without the file has no backend:
 *
 *   {"url": "file:/srv/log.db", "offline": false, "push_only": false, "repaired": ""}
 *
 * A URL is SCHEME:REST, and the adapter is the program leaderd-backend-SCHEME. It
 * holds no secrets: passwords are the adapter's to find, in a file of its own, and
 * a URL with one in it is turned down, so that any URL may be shown and logged.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define BACKEND_FILE "backend"
#define BACKEND_SCHEME_BYTES_MAX 32u /* of a URL; part of a program's name */
#define BACKEND_FILE_BYTES_MAX 32768u /* the file: a URL with every byte escaped, and the flags */

struct backend {
	char *url;          /* owned; NULL: none */
	bool offline;       /* neither pulls nor pushes */
	bool push_only;     /* with offline's command: only the pushing stopped */
	char *repaired;     /* owned; what a repair did: on hold until `online`. NULL: nothing was repaired */
};

/* No file: a backend without a URL. CORRUPT, NO_MEMORY, IO, PERMISSION. */
int backend_load(struct backend *ret, const char *folder, struct error *error);
/* Without a URL the file goes. On failure the old one stands. */
int backend_save(const struct backend *backend, const char *folder, struct error *error);
void backend_finish(struct backend *backend);

/* INVALID for what no adapter could take: no scheme, control characters, a password. */
int backend_check_url(const char *url, struct error *error);
/* The scheme of a URL that was checked. */
void backend_scheme(char ret[BACKEND_SCHEME_BYTES_MAX + 1], const char *url);

#endif
