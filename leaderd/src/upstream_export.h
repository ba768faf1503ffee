#ifndef LEADERD_UPSTREAM_EXPORT_H
#define LEADERD_UPSTREAM_EXPORT_H

/*
 * The whole log as JSON lines, into the file adopted-TIME.jsonl of the store's
 * folder, before another history replaces a part of it. The first line says what it
 * is; then one object for each event, client-only ones included, with its hashes.
 */

#include "base/error.h"

struct leader;

/* Durable when it answers 0. FULL, IO, PERMISSION, NO_MEMORY. */
int upstream_export(struct leader *leader, struct error *error);

#endif
