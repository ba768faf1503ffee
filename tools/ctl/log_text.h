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

#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "model/event.h"

#define LOG_TEXT_FORMAT 1

/* Writes the log in a store's folder, beside a leader that may be running on it.
 * Each row's hashes are recomputed; what does not agree is CORRUPT, unless the log
 * was rebased meanwhile: then `to` is truncated and written again. Not synced. */
int log_text_write(FILE *to, const char *store, const char *folder, uint64_t *ret_events, struct error *error);

/* What the first line says, as far as an import needs it. */
struct log_text_header {
	char store[65];
	struct position head;
};
/* INVALID: it is no first line of an export; VERSION: of a newer format. */
int log_text_read_header(struct log_text_header *ret, const char *line, size_t n, struct error *error);

/* Another line: an event with its position, content hash and chain hash. INVALID. */
int log_text_read_event(struct event **ret, const char *line, size_t n, struct error *error);

/* Follows the chain: CORRUPT if the event's chain hash is not that of its content
 * behind *chain, which becomes its own. */
int log_text_check_chain(struct hash *chain, const struct event *event, struct error *error);

#endif
