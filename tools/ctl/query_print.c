/* Rows; see query_print.h. */

#include "query_print.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "report.h"

#define TABLE_ROWS 1000 /* rows that are aligned with each other: memory is bounded, whatever comes */
#define BLOB_BYTES_SHOWN 16

/* The caller frees. */
static char *base64(const char *bytes, size_t n) {
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *from = (const unsigned char *)bytes;
	char *text = must_have(malloc((n + 2) / 3 * 4 + 1)), *to = text;

	for (size_t i = 0; i < n; i += 3) {
		unsigned group = (unsigned)from[i] << 16 | (i + 1 < n ? from[i + 1] : 0u) << 8 | (i + 2 < n ? from[i + 2] : 0u);

		*to++ = digits[group >> 18];
		*to++ = digits[group >> 12 & 63];
		*to++ = i + 1 < n ? digits[group >> 6 & 63] : '=';
		*to++ = i + 2 < n ? digits[group & 63] : '=';
	}
	*to = '\0';
	return text;
}

/* As short as it can be and still be read back as the same number. */
static void print_real(char *ret, size_t bytes, double real) {
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(ret, bytes, "%.*g", digits, real);
		if (strtod(ret, NULL) == real)
			break;
	}
	if (isfinite(real) && !strpbrk(ret, ".e"))
		strncat(ret, ".0", bytes - strlen(ret) - 1);
}

static char *copy(const char *text, size_t n) {
	char *cell = must_have(malloc(n + 1));

	memcpy(cell, text, n);
	cell[n] = '\0';
	return cell;
}

static char *blob_cell(const char *bytes, size_t n) {
	size_t n_shown = n < BLOB_BYTES_SHOWN ? n : BLOB_BYTES_SHOWN, at = 2;
	char *cell = must_have(malloc(2 * n_shown + 8));

	memcpy(cell, "x'", 2);
	for (size_t i = 0; i < n_shown; i++)
		at += (size_t)snprintf(cell + at, 3, "%02x", (unsigned char)bytes[i]);
	strcpy(cell + at, n_shown < n ? "…'" : "'");
	return cell;
}

/* A value as text; the caller frees. */
static char *cell_of(const struct lds_value *value, enum query_form form) {
	char number[64];

	switch (value->type) {
	case LDS_INTEGER:
		return copy(number, (size_t)snprintf(number, sizeof(number), "%" PRId64, value->integer));
	case LDS_REAL:
		print_real(number, sizeof(number), value->real);
		return copy(number, strlen(number));
	case LDS_TEXT:
		return copy(value->text, value->bytes);
	case LDS_BLOB:
		return form == QUERY_CSV ? base64(value->text, value->bytes) : blob_cell(value->text, value->bytes);
	default:
		return copy(form == QUERY_TABLE ? "NULL" : "", form == QUERY_TABLE ? 4 : 0);
	}
}

/* ---- JSON ------------------------------------------------------------------------ */

static json_t *json_value(const struct lds_value *value) {
	char *text;
	json_t *json;

	switch (value->type) {
	case LDS_INTEGER:
		return json_integer(value->integer);
	case LDS_REAL:
		/* JSON has no infinity. */
		return isfinite(value->real) ? json_real(value->real) : json_string(value->real < 0 ? "-inf" : "inf");
	case LDS_TEXT:
		return json_text(value->text, value->bytes);
	case LDS_BLOB:
		text = base64(value->text, value->bytes);
		json = json_string(text);
		free(text);
		return json;
	default:
		return json_null();
	}
}

/* Columns that share a name would share a member: the later ones get a number. */
static char *member_name(const json_t *object, const char *name) {
	size_t bytes = strlen(name) + 16;
	char *member = must_have(malloc(bytes));

	snprintf(member, bytes, "%s", name);
	for (unsigned i = 2; json_object_get(object, member); i++)
		snprintf(member, bytes, "%s:%u", name, i);
	return member;
}

static int print_json_row(struct lds_rows *rows) {
	json_t *object = must_have(json_object());

	for (int i = 0; i < lds_rows_columns(rows); i++) {
		struct lds_value value;
		int r = lds_rows_value(rows, i, &value);
		char *member;

		if (r < 0) {
			json_decref(object);
			return r;
		}
		member = member_name(object, lds_rows_name(rows, i));
		if (json_object_set_new(object, member, json_value(&value)) != 0)
			must_have(NULL);
		free(member);
	}
	output_json(object);
	return 0;
}

/* ---- CSV ------------------------------------------------------------------------- */

static void print_csv_field(const char *text, size_t n, bool is_first) {
	if (!is_first)
		putchar(',');
	if (n > 0 && !memchr(text, '"', n) && !memchr(text, ',', n) && !memchr(text, '\n', n) && !memchr(text, '\r', n)) {
		fwrite(text, 1, n, stdout);
		return;
	}
	/* The empty text is quoted too: NULL is nothing at all. */
	putchar('"');
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '"')
			putchar('"');
		putchar(text[i]);
	}
	putchar('"');
}

static int print_csv_row(struct lds_rows *rows) {
	for (int i = 0; i < lds_rows_columns(rows); i++) {
		struct lds_value value;
		int r = lds_rows_value(rows, i, &value);
		char *cell;

		if (r < 0)
			return r;
		if (value.type == LDS_NULL) {
			if (i > 0)
				putchar(',');
			continue;
		}
		cell = cell_of(&value, QUERY_CSV);
		print_csv_field(cell, value.type == LDS_TEXT ? value.bytes : strlen(cell), i == 0);
		free(cell);
	}
	fputs("\r\n", stdout);
	return 0;
}

static void print_csv_heading(struct lds_rows *rows) {
	for (int i = 0; i < lds_rows_columns(rows); i++)
		print_csv_field(lds_rows_name(rows, i), strlen(lds_rows_name(rows, i)), i == 0);
	fputs("\r\n", stdout);
}

/* ---- the table --------------------------------------------------------------------- */

static int add_table_row(struct output_table *table, struct lds_rows *rows, char **cells) {
	int n = lds_rows_columns(rows), r = 0, i;

	for (i = 0; i < n; i++) {
		struct lds_value value;

		r = lds_rows_value(rows, i, &value);
		if (r < 0)
			break;
		cells[i] = cell_of(&value, QUERY_TABLE);
	}
	if (r == 0)
		table_add(table, (const char *const *)cells);
	while (i > 0)
		free(cells[--i]);
	return r;
}

static struct output_table *table_of(struct lds_rows *rows) {
	int n = lds_rows_columns(rows);
	struct output_column *columns = must_have(calloc((size_t)n + 1, sizeof(*columns)));
	struct output_table *table;

	for (int i = 0; i < n; i++)
		columns[i].heading = lds_rows_name(rows, i);
	table = table_create(columns, (size_t)n);
	free(columns);
	return table;
}

static int print_table(struct lds_rows *rows) {
	struct output_table *table = table_of(rows);
	char **cells = must_have(calloc((size_t)lds_rows_columns(rows) + 1, sizeof(*cells)));
	size_t n = 0;
	int r;

	while ((r = lds_rows_next(rows)) == LDS_ROW) {
		r = add_table_row(table, rows, cells);
		if (r < 0)
			break;
		if (++n % TABLE_ROWS == 0)
			table_print(table);
	}
	table_print(table);
	table_destroy(table);
	free(cells);
	return r;
}

int query_print(struct lds_rows *rows, enum query_form form) {
	int r;

	if (form == QUERY_TABLE)
		return print_table(rows);
	if (form == QUERY_CSV)
		print_csv_heading(rows);
	while ((r = lds_rows_next(rows)) == LDS_ROW) {
		r = form == QUERY_CSV ? print_csv_row(rows) : print_json_row(rows);
		if (r < 0)
			return r;
	}
	return r;
}
