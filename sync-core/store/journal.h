#ifndef LEADERD_STORE_JOURNAL_H
#define LEADERD_STORE_JOURNAL_H

/*
 * Row images: what a changeset would hold of each changed row, taken by the
 * preupdate hook in the hook's order and never merged. The format is specified
 * at the top of journal.c; undo.c reads it backwards.
 */

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "store/schema.h"

enum image_kind { IMAGE_INSERT = 1, IMAGE_DELETE = 2, IMAGE_UPDATE = 3 };

enum value_kind { VALUE_NULL = 0, VALUE_INTEGER = 1, VALUE_REAL = 2, VALUE_TEXT = 3, VALUE_BLOB = 4 };

/* One event's images while its materializer runs. */
struct capture {
	const struct schema *schema; /* borrowed */
	void (*on_change)(int table, void *data);
	void *on_change_data;
	bool running; /* rows that change now belong to an event */
	struct bytes images;
	size_t bytes_max; /* JOURNAL_BYTES_MAX */
	bool too_large;   /* past bytes_max: kept no longer, this event cannot be undone */
	uint64_t digest;
	int failure; /* of the newest event: ERROR_NO_MEMORY or ERROR_CORRUPT */
};

/* Sets the hook: before any statement is prepared on `db`, for a DELETE
 * prepared without one may empty a table unseen. */
void capture_install(struct capture *capture, sqlite3 *db);
void capture_start(struct capture *capture);
/* The event's images lie in capture->images until the next start; *ret_digest
 * is never 0. A failure inside the hook is told here. */
int capture_end(struct capture *capture, uint64_t *ret_digest, struct error *error);
void capture_finish(struct capture *capture); /* frees */

#endif
