/*
 * Backwards through one event's images (journal.c specifies them): a row that
 * came is deleted, a row that went is inserted with its rowid, a row that changed
 * is changed back by UPDATE. Never REPLACE, which could take other rows along:
 * going back in exact reverse, each step stands on the very state that the hook
 * saw, so no key can collide, however the statement shuffled them.
 */

#include "store/undo.h"

#include <stdlib.h>
#include <string.h>

#include "store/database.h"
#include "store/journal.h"

/* Images are our own, but they come from a file: nothing is read past `end`. */
struct cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool bad;
};

struct image {
	const struct schema_table *of;
	const struct table *table;
	struct undo_table *undo;
};

static uint8_t take_u8(struct cursor *cursor) {
	if (cursor->at == cursor->end) {
		cursor->bad = true;
		return 0;
	}
	return *cursor->at++;
}

static const uint8_t *take_run(struct cursor *cursor, uint64_t n) {
	const uint8_t *run = cursor->at;

	if (n > (uint64_t)(cursor->end - cursor->at)) {
		cursor->bad = true;
		return NULL;
	}
	cursor->at += n;
	return run;
}

static uint64_t take_number(struct cursor *cursor) {
	uint64_t number = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte = take_u8(cursor);

		number |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return number;
	}
	cursor->bad = true;
	return 0;
}

static int64_t take_signed(struct cursor *cursor) {
	uint64_t number = take_number(cursor);

	return (int64_t)(number >> 1 ^ (number & 1 ? UINT64_MAX : 0));
}

static double take_real(struct cursor *cursor) {
	const uint8_t *run = take_run(cursor, 8);
	uint64_t bits = 0;
	double real;

	for (int i = 0; run && i < 8; i++)
		bits |= (uint64_t)run[i] << 8 * i;
	memcpy(&real, &bits, sizeof(real));
	return real;
}

/* The memory of a text or blob is borrowed from the image until the step. */
static int bind_value(struct cursor *cursor, sqlite3_stmt *statement, int parameter) {
	uint8_t kind = take_u8(cursor);
	const uint8_t *run;
	uint64_t n;

	switch (kind) {
	case VALUE_NULL:
		return sqlite3_bind_null(statement, parameter);
	case VALUE_INTEGER:
		return sqlite3_bind_int64(statement, parameter, take_signed(cursor));
	case VALUE_REAL:
		return sqlite3_bind_double(statement, parameter, take_real(cursor));
	case VALUE_TEXT:
	case VALUE_BLOB:
		n = take_number(cursor);
		run = take_run(cursor, n);
		if (!run)
			return SQLITE_OK;
		if (kind == VALUE_TEXT)
			return sqlite3_bind_text64(statement, parameter, (const char *)run, n, SQLITE_STATIC, SQLITE_UTF8);
		return sqlite3_bind_blob64(statement, parameter, run, n, SQLITE_STATIC);
	default:
		cursor->bad = true;
		return SQLITE_OK;
	}
}

static void pass_value(struct cursor *cursor) {
	switch (take_u8(cursor)) {
	case VALUE_NULL:
		break;
	case VALUE_INTEGER:
		take_number(cursor);
		break;
	case VALUE_REAL:
		take_run(cursor, 8);
		break;
	case VALUE_TEXT:
	case VALUE_BLOB:
		take_run(cursor, take_number(cursor));
		break;
	default:
		cursor->bad = true;
	}
}

/* A key that the image tells: a rowid, or the primary key's values. */
static int bind_key(const struct image *image, struct cursor *cursor, sqlite3_stmt *statement, int parameter) {
	int rc = SQLITE_OK;

	if (!image->of->without_rowid)
		return sqlite3_bind_int64(statement, parameter, take_signed(cursor));
	for (int i = 0; rc == SQLITE_OK && i < image->of->n_key_columns; i++)
		rc = bind_value(cursor, statement, parameter + i);
	return rc;
}

static int add_parameter(struct bytes *sql, int parameter) {
	char text[16];

	sqlite3_snprintf(sizeof(text), text, "?%d", parameter);
	return sql_add(sql, text);
}

static int add_where(struct bytes *sql, const struct image *image, int parameter) {
	int r = sql_add(sql, " WHERE ");

	if (!image->of->without_rowid) {
		if (r == 0)
			r = sql_add(sql, "rowid = ");
		return r < 0 ? r : add_parameter(sql, parameter);
	}
	for (int i = 0; r == 0 && i < image->of->n_key_columns; i++) {
		if (i > 0)
			r = sql_add(sql, " AND ");
		if (r == 0)
			r = sql_add_name(sql, image->table->columns[image->of->key_columns[i]]);
		if (r == 0)
			r = sql_add(sql, " = ");
		if (r == 0)
			r = add_parameter(sql, parameter + i);
	}
	return r;
}

static int add_delete_sql(struct bytes *sql, const struct image *image) {
	int r = sql_add(sql, "DELETE FROM ");

	if (r == 0)
		r = sql_add_name(sql, image->of->name);
	return r < 0 ? r : add_where(sql, image, 1);
}

/* Values are parameters 1 to n, a rowid of its own is parameter n + 1. */
static int add_insert_sql(struct bytes *sql, const struct image *image) {
	bool rowid = !image->of->without_rowid && !image->table->rowid_is_key;
	int n = image->table->n_columns;
	int r = sql_add(sql, "INSERT INTO ");

	if (r == 0)
		r = sql_add_name(sql, image->of->name);
	for (int i = 0; r == 0 && i < n; i++) {
		r = sql_add(sql, i == 0 ? " (" : ", ");
		if (r == 0)
			r = sql_add_name(sql, image->table->columns[i]);
	}
	if (r == 0)
		r = sql_add(sql, rowid ? ", rowid) VALUES (" : ") VALUES (");
	for (int i = 1; r == 0 && i <= n + rowid; i++) {
		if (i > 1)
			r = sql_add(sql, ", ");
		if (r == 0)
			r = add_parameter(sql, i);
	}
	return r < 0 ? r : sql_add(sql, ")");
}

static bool is_changed(const uint8_t *columns, int i) {
	return columns[i / 8] >> i % 8 & 1;
}

/* Changed columns are the first parameters, then the old rowid if it moves, then
 * the key. A row that was written but did not change is written again, so that
 * its step too must find exactly one row. */
static int add_update_sql(struct bytes *sql, const struct image *image, const uint8_t *columns, bool moves_rowid) {
	int parameter = 1;
	int r = sql_add(sql, "UPDATE ");

	if (r == 0)
		r = sql_add_name(sql, image->of->name);
	if (r == 0)
		r = sql_add(sql, " SET ");
	for (int i = 0; r == 0 && i < image->table->n_columns; i++) {
		if (!is_changed(columns, i))
			continue;
		if (parameter > 1)
			r = sql_add(sql, ", ");
		if (r == 0)
			r = sql_add_name(sql, image->table->columns[i]);
		if (r == 0)
			r = sql_add(sql, " = ");
		if (r == 0)
			r = add_parameter(sql, parameter++);
	}
	if (r == 0 && moves_rowid) {
		r = sql_add(sql, parameter > 1 ? ", rowid = " : "rowid = ");
		if (r == 0)
			r = add_parameter(sql, parameter++);
	} else if (r == 0 && parameter == 1) {
		r = sql_add_name(sql, image->table->columns[0]);
		if (r == 0)
			r = sql_add(sql, " = ");
		if (r == 0)
			r = sql_add_name(sql, image->table->columns[0]);
	}
	return r < 0 ? r : add_where(sql, image, parameter);
}

static int prepare_built(struct undo *undo, int built, sqlite3_stmt **ret, struct error *error) {
	if (built == 0)
		built = bytes_add_u8(&undo->sql, '\0');
	if (built < 0)
		return error_no_memory(error);
	return database_prepare(ret, undo->db, (const char *)undo->sql.data, error);
}

static int fixed_statement(struct undo *undo, const struct image *image, sqlite3_stmt **kept,
                           int (*add)(struct bytes *sql, const struct image *image), struct error *error) {
	if (*kept)
		return 0;
	bytes_clear(&undo->sql);
	return prepare_built(undo, add(&undo->sql, image), kept, error);
}

static int update_statement(struct undo *undo, const struct image *image, const uint8_t *columns, bool moves_rowid,
                            sqlite3_stmt **ret, struct error *error) {
	size_t n = ((size_t)image->table->n_columns + 7) / 8;
	struct undo_table *table = image->undo;
	struct undo_update update = { .moves_rowid = moves_rowid };
	int r;

	for (size_t i = 0; i < table->n_updates; i++) {
		const struct undo_update *kept = &table->updates[i];

		if (kept->moves_rowid == moves_rowid && memcmp(kept->columns, columns, n) == 0) {
			*ret = kept->statement;
			return 0;
		}
	}
	update.columns = malloc(n);
	if (!update.columns)
		return error_no_memory(error);
	memcpy(update.columns, columns, n);
	bytes_clear(&undo->sql);
	r = prepare_built(undo, add_update_sql(&undo->sql, image, columns, moves_rowid), &update.statement, error);
	if (r < 0) {
		free(update.columns);
		return r;
	}

	size_t place = table->n_updates < UNDO_UPDATES_MAX ? table->n_updates++ : table->next_update;
	table->next_update = (place + 1) % UNDO_UPDATES_MAX;
	free(table->updates[place].columns);
	sqlite3_finalize(table->updates[place].statement);
	table->updates[place] = update;
	*ret = update.statement;
	return 0;
}

static int unreadable(struct error *error) {
	return error_set(error, ERROR_CORRUPT, "the undo journal holds an image that cannot be read");
}

static int finish_step(struct undo *undo, const struct image *image, const struct cursor *cursor, int rc,
                       sqlite3_stmt *statement, struct error *error) {
	int r = 0;

	if (rc == SQLITE_OK && (cursor->bad || cursor->at != cursor->end)) {
		r = unreadable(error);
	} else if (rc == SQLITE_OK) {
		rc = sqlite3_step(statement);
		if (rc == SQLITE_DONE && sqlite3_changes(undo->db) != 1)
			r = error_set(error, ERROR_CORRUPT, "undo found a row of %s unexplained: %d rows changed", image->of->name,
			              sqlite3_changes(undo->db));
		else if (rc != SQLITE_DONE && database_is_event_fault(rc))
			r = error_set(error, ERROR_CORRUPT, "undo found a row of %s unexplained: %s", image->of->name,
			              sqlite3_errmsg(undo->db));
		else if (rc != SQLITE_DONE)
			r = database_error(undo->db, rc, "undo an event", error);
	} else {
		r = database_error(undo->db, rc, "bind a row image", error);
	}
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return r;
}

static int take_back_insert(struct undo *undo, const struct image *image, struct cursor *cursor, struct error *error) {
	int r = fixed_statement(undo, image, &image->undo->take_back_insert, add_delete_sql, error);

	if (r < 0)
		return r;
	int rc = bind_key(image, cursor, image->undo->take_back_insert, 1);

	return finish_step(undo, image, cursor, rc, image->undo->take_back_insert, error);
}

static int take_back_delete(struct undo *undo, const struct image *image, struct cursor *cursor, struct error *error) {
	int rc = SQLITE_OK;
	int r = fixed_statement(undo, image, &image->undo->take_back_delete, add_insert_sql, error);
	sqlite3_stmt *statement = image->undo->take_back_delete;

	if (r < 0)
		return r;
	if (!image->of->without_rowid) {
		int64_t rowid = take_signed(cursor);

		if (!image->table->rowid_is_key)
			rc = sqlite3_bind_int64(statement, image->table->n_columns + 1, rowid);
	}
	for (int i = 1; rc == SQLITE_OK && i <= image->table->n_columns; i++)
		rc = bind_value(cursor, statement, i);
	return finish_step(undo, image, cursor, rc, statement, error);
}

static int take_back_update(struct undo *undo, const struct image *image, struct cursor *cursor, struct error *error) {
	struct cursor key = *cursor;
	int64_t new_rowid = 0, old_rowid = 0;
	sqlite3_stmt *statement = NULL;
	int parameter = 1;
	int r, rc = SQLITE_OK;

	for (int i = 0; image->of->without_rowid && i < image->of->n_key_columns; i++)
		pass_value(cursor);
	if (!image->of->without_rowid) {
		new_rowid = take_signed(cursor);
		old_rowid = take_signed(cursor);
	}
	bool moves_rowid = old_rowid != new_rowid && !image->table->rowid_is_key;
	const uint8_t *columns = take_run(cursor, ((uint64_t)image->table->n_columns + 7) / 8);

	if (!columns)
		return unreadable(error);
	r = update_statement(undo, image, columns, moves_rowid, &statement, error);
	if (r < 0)
		return r;
	for (int i = 0; rc == SQLITE_OK && i < image->table->n_columns; i++)
		if (is_changed(columns, i))
			rc = bind_value(cursor, statement, parameter++);
	if (rc == SQLITE_OK && moves_rowid)
		rc = sqlite3_bind_int64(statement, parameter++, old_rowid);
	if (rc == SQLITE_OK)
		rc = bind_key(image, &key, statement, parameter);
	return finish_step(undo, image, cursor, rc, statement, error);
}

static int undo_image(struct undo *undo, struct cursor *cursor, struct error *error) {
	uint8_t kind = take_u8(cursor);
	uint64_t index = take_number(cursor);

	if (cursor->bad || index >= undo->schema->n_tables)
		return unreadable(error);

	struct image image = {
		.of = &undo->schema->tables[index],
		.table = &undo->tables->list[index],
		.undo = &undo->list[index],
	};
	switch (kind) {
	case IMAGE_INSERT:
		return take_back_insert(undo, &image, cursor, error);
	case IMAGE_DELETE:
		return take_back_delete(undo, &image, cursor, error);
	case IMAGE_UPDATE:
		return take_back_update(undo, &image, cursor, error);
	default:
		return unreadable(error);
	}
}

int undo_images(struct undo *undo, const uint8_t *images, size_t n, struct error *error) {
	while (n > 0) {
		uint32_t body = 0;

		if (n < 4)
			return unreadable(error);
		n -= 4;
		for (int i = 0; i < 4; i++)
			body |= (uint32_t)images[n + (size_t)i] << 8 * i;
		if (body > n)
			return unreadable(error);

		struct cursor cursor = { .at = images + n - body, .end = images + n };
		int r = undo_image(undo, &cursor, error);

		if (r < 0)
			return r;
		n -= body;
	}
	return 0;
}

int undo_init(struct undo *undo, sqlite3 *db, const struct schema *schema, const struct tables *tables,
              struct error *error) {
	struct undo_table *list = calloc(schema->n_tables ? schema->n_tables : 1, sizeof(*list));

	if (!list)
		return error_no_memory(error);
	*undo = (struct undo){ .db = db, .schema = schema, .tables = tables, .list = list };
	return 0;
}

void undo_finish(struct undo *undo) {
	for (size_t i = 0; undo->list && i < undo->schema->n_tables; i++) {
		struct undo_table *table = &undo->list[i];

		sqlite3_finalize(table->take_back_insert);
		sqlite3_finalize(table->take_back_delete);
		for (size_t j = 0; j < table->n_updates; j++) {
			sqlite3_finalize(table->updates[j].statement);
			free(table->updates[j].columns);
		}
	}
	free(undo->list);
	bytes_finish(&undo->sql);
	*undo = (struct undo){ 0 };
}
