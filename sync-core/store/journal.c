/*
 * The format of row images. One event's images stand side by side in one blob,
 * in the order in which its rows changed:
 *
 *   image      body, then its length (u32, little-endian): read from the end
 *   body       kind (u8: 1 INSERT, 2 DELETE, 3 UPDATE), table (number: its index
 *              in the schema's list), then
 *     INSERT   new key
 *     DELETE   old key, all old values in column order
 *     UPDATE   new key, old key, a bit for each changed column (lowest bit of
 *              the first byte: column 0; ceil(columns / 8) bytes), the old
 *              values of those columns
 *   key        a table with a rowid: the rowid (signed number)
 *              WITHOUT ROWID: the new primary key's values in key order; where
 *              an old key is asked for, nothing: the old values hold it
 *   value      kind (u8), then NULL: nothing; INTEGER: signed number; REAL: 8
 *              bytes of the double, little-endian; TEXT, BLOB: n bytes (number),
 *              the bytes
 *   number     7 bits a byte, lowest first, the top bit set in all but the last;
 *              a signed number is first turned into 2n or -2n - 1
 *
 * The digest of an event covers its images and, as those need only what undo
 * puts back, the new values beside them. It is compared between programs of one
 * device, so it uses the machine's byte order.
 */

/* Debian's SQLite has the hook; its header shows it on request only. */
#define SQLITE_ENABLE_PREUPDATE_HOOK 1

#include "store/journal.h"

#include <string.h>

#include "base/must.h"

#define KEPT_BYTES (1024u * 1024u) /* a larger buffer is given back with the next event */
#define DIGEST_START 0x6c65616465726421u

/* A row as the hook sees it. */
struct row {
	sqlite3 *db;
	const struct schema_table *table;
	int index;
	enum image_kind kind;
	int64_t old_rowid, new_rowid;
};

static uint64_t digest_word(uint64_t digest, uint64_t word) {
	digest = (digest ^ word) * 0x9e3779b97f4a7c15u;
	return digest ^ digest >> 31;
}

static uint64_t digest_bytes(uint64_t digest, const void *data, size_t n) {
	const uint8_t *at = data;

	digest = digest_word(digest, n);
	for (; n >= sizeof(uint64_t); n -= sizeof(uint64_t), at += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, at, sizeof(word));
		digest = digest_word(digest, word);
	}
	if (n > 0) {
		uint64_t word = 0;

		memcpy(&word, at, n);
		digest = digest_word(digest, word);
	}
	return digest;
}

static int add_number(struct bytes *b, uint64_t number) {
	uint8_t data[10];
	size_t n = 0;

	while (number >= 0x80) {
		data[n++] = (uint8_t)(number | 0x80);
		number >>= 7;
	}
	data[n++] = (uint8_t)number;
	return bytes_add(b, data, n);
}

static int add_signed(struct bytes *b, int64_t number) {
	return add_number(b, (uint64_t)number << 1 ^ (number < 0 ? UINT64_MAX : 0));
}

static enum value_kind kind_of(sqlite3_value *value) {
	switch (sqlite3_value_type(value)) {
	case SQLITE_INTEGER:
		return VALUE_INTEGER;
	case SQLITE_FLOAT:
		return VALUE_REAL;
	case SQLITE_TEXT:
		return VALUE_TEXT;
	case SQLITE_BLOB:
		return VALUE_BLOB;
	default:
		return VALUE_NULL;
	}
}

static uint64_t real_bits(sqlite3_value *value) {
	double real = sqlite3_value_double(value);
	uint64_t bits;

	memcpy(&bits, &real, sizeof(bits));
	return bits;
}

/* The bytes of a text or blob; false when SQLite ran out of memory. */
static bool value_run(sqlite3_value *value, const void **ret, size_t *ret_n) {
	const void *data =
		sqlite3_value_type(value) == SQLITE_TEXT ? (const void *)sqlite3_value_text(value) : sqlite3_value_blob(value);

	*ret = data;
	*ret_n = (size_t)sqlite3_value_bytes(value);
	return data || *ret_n == 0;
}

static int add_value(struct bytes *b, sqlite3_value *value) {
	enum value_kind kind = kind_of(value);
	const void *data;
	size_t n;
	int r = bytes_add_u8(b, (uint8_t)kind);

	if (r < 0 || kind == VALUE_NULL)
		return r;
	if (kind == VALUE_INTEGER)
		return add_signed(b, sqlite3_value_int64(value));
	if (kind == VALUE_REAL)
		return bytes_add_u64(b, real_bits(value));
	if (!value_run(value, &data, &n))
		return ERROR_NO_MEMORY;
	r = add_number(b, n);
	return r < 0 ? r : bytes_add(b, data, n);
}

static int digest_value(uint64_t *digest, sqlite3_value *value) {
	enum value_kind kind = kind_of(value);
	const void *data;
	size_t n;

	*digest = digest_word(*digest, kind);
	if (kind == VALUE_INTEGER) {
		*digest = digest_word(*digest, (uint64_t)sqlite3_value_int64(value));
	} else if (kind == VALUE_REAL) {
		*digest = digest_word(*digest, real_bits(value));
	} else if (kind != VALUE_NULL) {
		if (!value_run(value, &data, &n))
			return ERROR_NO_MEMORY;
		*digest = digest_bytes(*digest, data, n);
	}
	return 0;
}

/* Byte for byte: what only looks equal (1 and 1.0, 'a' and 'A') is a change. */
static int values_equal(sqlite3_value *a, sqlite3_value *b, bool *ret) {
	enum value_kind kind = kind_of(a);
	const void *data_a, *data_b;
	size_t n_a, n_b;

	*ret = false;
	if (kind_of(b) != kind)
		return 0;
	if (kind == VALUE_NULL) {
		*ret = true;
	} else if (kind == VALUE_INTEGER) {
		*ret = sqlite3_value_int64(a) == sqlite3_value_int64(b);
	} else if (kind == VALUE_REAL) {
		*ret = real_bits(a) == real_bits(b);
	} else {
		if (!value_run(a, &data_a, &n_a) || !value_run(b, &data_b, &n_b))
			return ERROR_NO_MEMORY;
		*ret = n_a == n_b && (n_a == 0 || memcmp(data_a, data_b, n_a) == 0);
	}
	return 0;
}

static int old_value(const struct row *row, int column, sqlite3_value **ret) {
	return sqlite3_preupdate_old(row->db, column, ret) == SQLITE_OK ? 0 : ERROR_NO_MEMORY;
}

static int new_value(const struct row *row, int column, sqlite3_value **ret) {
	return sqlite3_preupdate_new(row->db, column, ret) == SQLITE_OK ? 0 : ERROR_NO_MEMORY;
}

static int add_new_key(struct bytes *b, const struct row *row) {
	if (!row->table->without_rowid)
		return add_signed(b, row->new_rowid);
	for (int i = 0; i < row->table->n_key_columns; i++) {
		sqlite3_value *value;
		int r = new_value(row, row->table->key_columns[i], &value);

		if (r == 0)
			r = add_value(b, value);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_old_key(struct bytes *b, const struct row *row) {
	return row->table->without_rowid ? 0 : add_signed(b, row->old_rowid);
}

static int add_insert(struct capture *capture, const struct row *row) {
	int r = add_new_key(&capture->images, row);

	for (int i = 0; r == 0 && i < row->table->n_columns; i++) {
		sqlite3_value *value;

		r = new_value(row, i, &value);
		if (r == 0)
			r = digest_value(&capture->digest, value);
	}
	return r;
}

static int add_delete(struct capture *capture, const struct row *row) {
	int r = add_old_key(&capture->images, row);

	for (int i = 0; r == 0 && i < row->table->n_columns; i++) {
		sqlite3_value *value;

		r = old_value(row, i, &value);
		if (r == 0)
			r = add_value(&capture->images, value);
	}
	return r;
}

static int add_update(struct capture *capture, const struct row *row) {
	struct bytes *images = &capture->images;
	size_t n = ((size_t)row->table->n_columns + 7) / 8;
	size_t changed;
	int r = add_new_key(images, row);

	if (r == 0)
		r = add_old_key(images, row);
	if (r == 0)
		r = bytes_reserve(images, n);
	if (r < 0)
		return r;
	changed = images->n;
	memset(images->data + changed, 0, n);
	images->n += n;
	for (int i = 0; i < row->table->n_columns; i++) {
		sqlite3_value *old, *new;
		bool equal = false;

		r = old_value(row, i, &old);
		if (r == 0)
			r = new_value(row, i, &new);
		if (r == 0)
			r = values_equal(old, new, &equal);
		if (r == 0 && !equal) {
			images->data[changed + (size_t)i / 8] |= (uint8_t)(1u << i % 8);
			r = add_value(images, old);
			if (r == 0)
				r = digest_value(&capture->digest, new);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_image(struct capture *capture, const struct row *row) {
	struct bytes *images = &capture->images;
	size_t start;
	int r;

	if (capture->too_large || images->n > capture->bytes_max) {
		capture->too_large = true;
		bytes_clear(images);
	}
	start = images->n;
	r = bytes_add_u8(images, (uint8_t)row->kind);
	if (r == 0)
		r = add_number(images, (uint64_t)row->index);
	if (r == 0)
		r = row->kind == IMAGE_INSERT   ? add_insert(capture, row)
		    : row->kind == IMAGE_DELETE ? add_delete(capture, row)
		                                : add_update(capture, row);
	if (r < 0)
		return r;
	capture->digest = digest_bytes(capture->digest, images->data + start, images->n - start);
	return bytes_add_u32(images, (uint32_t)(images->n - start));
}

static void on_row(void *data, sqlite3 *db, int operation, const char *database, const char *name,
                   sqlite3_int64 old_rowid, sqlite3_int64 new_rowid) {
	struct capture *capture = data;
	int index = capture->schema ? schema_find_table(capture->schema, name) : -1;

	if (index < 0) {
		/* Only our own tables, and never while an event runs. */
		if (capture->running && capture->failure == 0)
			capture->failure = ERROR_CORRUPT;
		return;
	}
	if (capture->on_change)
		capture->on_change(index, capture->on_change_data);
	if (!capture->running || capture->failure < 0)
		return;

	struct row row = {
		.db = db,
		.table = &capture->schema->tables[index],
		.index = index,
		.kind = operation == SQLITE_INSERT   ? IMAGE_INSERT
		        : operation == SQLITE_DELETE ? IMAGE_DELETE
		                                     : IMAGE_UPDATE,
		.old_rowid = old_rowid,
		.new_rowid = new_rowid,
	};
	if (sqlite3_preupdate_count(db) != row.table->n_columns)
		capture->failure = ERROR_CORRUPT;
	else
		capture->failure = add_image(capture, &row);
}

void capture_install(struct capture *capture, sqlite3 *db) {
	sqlite3_preupdate_hook(db, on_row, capture);
}

void capture_start(struct capture *capture) {
	must(!capture->running);
	if (capture->images.allocated > KEPT_BYTES)
		bytes_finish(&capture->images);
	bytes_clear(&capture->images);
	capture->too_large = false;
	capture->digest = DIGEST_START;
	capture->failure = 0;
	capture->running = true;
}

int capture_end(struct capture *capture, uint64_t *ret_digest, struct error *error) {
	capture->running = false;
	if (capture->failure == ERROR_NO_MEMORY)
		return error_no_memory(error);
	if (capture->failure < 0)
		return error_set(error, ERROR_CORRUPT, "an event changed a table that its schema does not describe");
	if (capture->images.n > capture->bytes_max)
		capture->too_large = true;
	if (capture->too_large)
		bytes_clear(&capture->images);
	*ret_digest = capture->digest ? capture->digest : 1;
	return 0;
}

void capture_finish(struct capture *capture) {
	bytes_finish(&capture->images);
}
