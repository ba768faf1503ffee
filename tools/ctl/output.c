/* Output; see output.h. */

#include "output.h"

#include <errno.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report.h"
#include "utf8.h"

bool output_has_color(void) {
	const char *no_color = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && (!no_color || !*no_color);
}

void output_json(json_t *object) {
	must_have(object);
	json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(17));
	putchar('\n');
	json_decref(object);
}

void output_json_to(FILE *to, json_t *object, const char *args, size_t args_bytes) {
	char *text = must_have(json_dumps(must_have(object), JSON_COMPACT));

	/* Without the brace that ends it. */
	fwrite(text, 1, strlen(text) - 1, to);
	fputs(args ? ",\"args\":" : "", to);
	for (size_t i = 0; i < args_bytes; i++)
		putc(args[i] == '\n' || args[i] == '\r' ? ' ' : args[i], to);
	fputs("}\n", to);
	free(text);
	json_decref(object);
}

void output_json_with_args(json_t *object, const char *args, size_t args_bytes) {
	output_json_to(stdout, object, args, args_bytes);
}

json_t *json_position(struct lds_position position) {
	char text[LDS_POSITION_TEXT_BYTES];

	lds_position_print(text, position);
	return must_have(json_string(text));
}

json_t *json_text(const char *text, size_t n) {
	json_t *json = json_stringn(text, n);
	char *repaired;
	size_t n_repaired;

	if (json)
		return json;
	repaired = must_have(utf8_repair(text, n, &n_repaired));
	json = must_have(json_stringn(repaired, n_repaired));
	free(repaired);
	return json;
}

void output_text(const char *text, size_t n) {
	for (size_t i = 0; i < n;) {
		size_t length = utf8_character(text + i, n - i);

		if (length == 0)
			putchar('?');
		else if (utf8_is_control(text + i, length))
			putchar(' ');
		else
			fwrite(text + i, 1, length, stdout);
		i += length ? length : 1;
	}
}

int output_finish(void) {
	if (fflush(stdout) == 0 && !ferror(stdout))
		return STATUS_OK;
	return report(STATUS_FAILURE, "cannot write to standard output: %s", errno ? strerror(errno) : "it failed");
}

/* ---- tables ------------------------------------------------------------------ */

struct output_table {
	struct libscols_table *scols;
	size_t n_columns;
	size_t n_lines;
};

struct output_table *table_create(const struct output_column *columns, size_t n_columns) {
	struct output_table *table = must_have(calloc(1, sizeof(*table)));
	bool color = output_has_color();

	table->scols = must_have(scols_new_table());
	table->n_columns = n_columns;
	scols_table_enable_colors(table->scols, color);
	for (size_t i = 0; i < n_columns; i++) {
		struct libscols_column *column =
			must_have(scols_table_new_column(table->scols, columns[i].heading, 0, columns[i].is_number ? SCOLS_FL_RIGHT : 0));

		if (color)
			scols_cell_set_color(scols_column_get_header(column), "\033[1m");
	}
	return table;
}

void table_add(struct output_table *table, const char *const *cells) {
	struct libscols_line *line = must_have(scols_table_new_line(table->scols, NULL));

	for (size_t i = 0; i < table->n_columns; i++)
		if (scols_line_set_data(line, i, cells[i]) != 0)
			must_have(NULL);
	table->n_lines++;
}

void table_print(struct output_table *table) {
	if (table->n_lines == 0)
		return;
	scols_print_table(table->scols);
	scols_table_remove_lines(table->scols);
	scols_table_enable_noheadings(table->scols, 1);
	table->n_lines = 0;
}

struct output_table *table_destroy(struct output_table *table) {
	if (!table)
		return NULL;
	scols_unref_table(table->scols);
	free(table);
	return NULL;
}
