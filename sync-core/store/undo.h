#ifndef LEADERD_STORE_UNDO_H
#define LEADERD_STORE_UNDO_H

/*
 * Undoing row images, backwards, one by one. Statements are made when first
 * needed and kept; an UPDATE puts back the columns that had changed, so there is
 * one statement for each set of columns, and only the newest few are kept.
 */

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "store/schema.h"
#include "store/tables.h"

#define UNDO_UPDATES_MAX 8u

struct undo_update {
	uint8_t *columns; /* owned: a bit for each column that is put back */
	bool moves_rowid;
	sqlite3_stmt *statement;
};

struct undo_table {
	sqlite3_stmt *take_back_insert;
	sqlite3_stmt *take_back_delete;
	struct undo_update updates[UNDO_UPDATES_MAX];
	size_t n_updates;
	size_t next_update; /* the one that is replaced when all are used */
};

struct undo {
	sqlite3 *db; /* borrowed */
	const struct schema *schema;
	const struct tables *tables;
	struct undo_table *list; /* parallel to schema->tables */
	struct bytes sql;
};

int undo_init(struct undo *undo, sqlite3 *db, const struct schema *schema, const struct tables *tables,
              struct error *error);
void undo_finish(struct undo *undo); /* leaves it empty */

/* Undoes the images of one event. ERROR_CORRUPT: a step did not change exactly
 * one row, or the bytes are no images. Foreign keys must be off. */
int undo_images(struct undo *undo, const uint8_t *images, size_t n, struct error *error);

#endif
