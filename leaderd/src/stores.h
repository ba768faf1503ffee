#ifndef LEADERD_STORES_H
#define LEADERD_STORES_H

/*
 * The stores of a data directory: <data dir>/stores/<name>/. A store is opened
 * when it is first asked for. One that is being made, or removed, stands under a
 * name that no store can have, so a crash leaves whole stores and scraps that the
 * next start clears away.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/limits.h"

struct daemon;
struct leader;

struct store_name {
	char text[STORE_NAME_BYTES_MAX + 1];
};

/* Makes the folder if absent and removes scraps. */
int stores_prepare(struct daemon *daemon, struct error *error);

/* NULL: not open. */
struct leader *stores_find(struct daemon *daemon, const char *name);
/* Opens it if need be. ERROR_NOT_FOUND. */
int stores_get(struct leader **ret, struct daemon *daemon, const char *name, struct error *error);
/* Opens those that have a backend: they follow it whether anyone asks or not. */
void stores_open_synced(struct daemon *daemon);
/* ERROR_CONFLICT: it exists; SCHEMA; FULL: STORES_MAX. */
int stores_create(struct leader **ret, struct daemon *daemon, const char *name, const char *schema,
                  struct error *error);
/* Ends its sessions and streams, and deletes it. */
int stores_remove(struct leader *leader, struct error *error);
/* Names of all stores, open or not, sorted; the caller frees *ret. */
int stores_list(struct daemon *daemon, struct store_name **ret, size_t *ret_n, struct error *error);

#endif
