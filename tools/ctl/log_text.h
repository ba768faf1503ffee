#ifndef LEADERCTL_LOG_TEXT_H
#define LEADERCTL_LOG_TEXT_H

/*
 * A log as JSON lines. The first says what it is:
 *
 *   {"leaderd":"log","format":1,"store":…,"client":…,"lineage":…,"epoch":…,
 *    "head":"e5.1","confirmed":"e3","schema":{"version":1,"fingerprint":…}}
 *
 * then one object for each event, in log order, client-only ones included:
 *
 *   {"position":"e5","id":…,"name":…,"version":1,"unit":{"id":…,"index":0,"count":1},
 *    "client":…,"session":…,"time_ms":…,"counter":0,"chain_hash":…,"args":{…}}
 *
 * The arguments stand there byte for byte, line ends between their tokens excepted.
 * Hashes and the lineage are hexadecimal.
 */

#include <stdio.h>

#include "base/error.h"

#define LOG_TEXT_FORMAT 1

/* Writes the log in a store's folder, beside a leader that may be running on it.
 * Each row's hashes are recomputed; what does not agree is CORRUPT, unless the log
 * was rebased meanwhile: then `to` is truncated and written again. Not synced. */
int log_text_write(FILE *to, const char *store, const char *folder, uint64_t *ret_events, struct error *error);

#endif
