#ifndef LEADERCTL_OUTPUT_H
#define LEADERCTL_OUTPUT_H

/*
 * What goes to standard output: text for people, or JSON lines for programs.
 * Colours only on a terminal, and never with NO_COLOR.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include <leaderd/session.h>

bool output_has_color(void);

/* One object, one line; takes `object` (NULL: memory ran out). */
void output_json(json_t *object);
/* The same with a member "args" behind the others: `args` is a JSON object that
 * is printed as it is, line ends between its tokens excepted. */
void output_json_with_args(json_t *object, const char *args, size_t args_bytes);
/* The same to any file; `args` NULL: none. */
void output_json_to(FILE *to, json_t *object, const char *args, size_t args_bytes);

json_t *json_position(struct lds_position position); /* "e5"; "e0" for root */
json_t *json_text(const char *text, size_t n);       /* bytes that are no UTF-8 become U+FFFD; a new reference */

/* Prints bytes without anything that a terminal would act on. */
void output_text(const char *text, size_t n);

/* 0, or STATUS_FAILURE if standard output has not taken everything. */
int output_finish(void);

/* ---- tables ------------------------------------------------------------------ */

struct output_table;

struct output_column {
	const char *heading;
	bool is_number; /* to the right */
};
struct output_table *table_create(const struct output_column *columns, size_t n_columns);
void table_add(struct output_table *table, const char *const *cells); /* copied */
/* Prints what was added, then forgets it; a second print has no heading. */
void table_print(struct output_table *table);
struct output_table *table_destroy(struct output_table *table); /* accepts NULL; returns NULL */

#endif
