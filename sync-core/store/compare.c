/*
 * Comparing two states through their canonical texts, in memory that does not
 * grow with them: one hash each. Only if those differ the first differing line is
 * looked for, by halving how much of both texts is compared.
 */

#include "store/store_private.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"

/* The first lines of a text. */
struct lines {
	uint64_t limit;
	uint64_t n;
	crypto_generichash_state hash;
	struct bytes *newest; /* NULL, or what gets line number `limit` */
};

static int take_piece(const char *text, size_t n, void *data) {
	struct lines *lines = data;

	while (n > 0 && lines->n < lines->limit) {
		const char *end = memchr(text, '\n', n);
		size_t bytes = end ? (size_t)(end - text) + 1 : n;

		crypto_generichash_update(&lines->hash, (const uint8_t *)text, bytes);
		if (lines->newest && lines->n + 1 == lines->limit && bytes_add(lines->newest, text, bytes) < 0)
			return ERROR_NO_MEMORY;
		lines->n += end != NULL;
		text += bytes;
		n -= bytes;
	}
	return lines->n == lines->limit;
}

/* Hashes at most `limit` lines of the state's text. */
static int hash_lines(struct state *state, struct lines *lines, struct hash *ret, struct error *error) {
	int r;

	crypto_generichash_init(&lines->hash, NULL, 0, sizeof(ret->bytes));
	lines->n = 0;
	r = state_dump(state, false, take_piece, lines, error);
	if (r == ERROR_NO_MEMORY)
		return error_no_memory(error);
	if (r < 0)
		return r;
	crypto_generichash_final(&lines->hash, ret->bytes, sizeof(ret->bytes));
	return 0;
}

struct pair {
	struct state *states[2];
	struct lines lines[2];
};

static int equal_up_to(struct pair *pair, uint64_t limit, bool *ret, struct error *error) {
	struct hash hashes[2];
	int r = 0;

	for (size_t i = 0; r == 0 && i < 2; i++) {
		pair->lines[i].limit = limit;
		r = hash_lines(pair->states[i], &pair->lines[i], &hashes[i], error);
	}
	if (r == 0)
		*ret = pair->lines[0].n == pair->lines[1].n && hash_equal(&hashes[0], &hashes[1]);
	return r;
}

/* The number, from 1, of the first line that differs; 0: none does. */
static int find_difference(struct pair *pair, uint64_t *ret, struct error *error) {
	uint64_t equal = 0, differing;
	bool same = false;
	int r = equal_up_to(pair, UINT64_MAX, &same, error);

	if (r == 0 && same)
		*ret = 0;
	if (r < 0 || same)
		return r;
	differing = pair->lines[0].n > pair->lines[1].n ? pair->lines[0].n : pair->lines[1].n;
	while (differing - equal > 1) {
		uint64_t middle = equal + (differing - equal) / 2;

		r = equal_up_to(pair, middle, &same, error);
		if (r < 0)
			return r;
		if (same)
			equal = middle;
		else
			differing = middle;
	}
	*ret = differing;
	return 0;
}

#define ROW_BYTES 160u

/* Value `column` of a line, cut to `room`; values hold no tabs and no line ends. */
static void print_value(char *ret, size_t room, const char *line, int column) {
	for (; column >= 0 && line; column--) {
		line = strchr(line, '\t');
		line = line ? line + 1 : NULL;
	}
	if (line)
		snprintf(ret, room, "%.*s", (int)strcspn(line, "\t\n"), line);
	else
		snprintf(ret, room, "?");
}

/* "table todo, key "x"", or what is there instead of a row. */
static void print_row(char ret[ROW_BYTES], const struct schema *schema, const char *line) {
	char table[64], key[64];
	size_t n;
	int index;

	if (line[0] == '\0') {
		snprintf(ret, ROW_BYTES, "no further row");
		return;
	}
	snprintf(table, sizeof(table), "%.*s", (int)strcspn(line, "\t\n"), line);
	n = (size_t)snprintf(ret, ROW_BYTES, "table %s", table);
	index = schema_find_table(schema, table);
	for (int i = 0; index >= 0 && i < schema->tables[index].n_key_columns; i++) {
		print_value(key, sizeof(key), line, schema->tables[index].key_columns[i]);
		if (n < ROW_BYTES)
			n += (size_t)snprintf(ret + n, ROW_BYTES - n, "%s%s", i == 0 ? ", key " : ", ", key);
	}
	text_make_line(ret);
}

static int tell_difference(struct pair *pair, const struct schema *schema, uint64_t number, struct error *error) {
	struct bytes texts[2] = { { 0 }, { 0 } };
	char rows[2][ROW_BYTES];
	bool same;
	int r;

	pair->lines[0].newest = &texts[0];
	pair->lines[1].newest = &texts[1];
	r = equal_up_to(pair, number, &same, error);
	for (size_t i = 0; r == 0 && i < 2; i++)
		if (bytes_add_u8(&texts[i], '\0') < 0)
			r = error_no_memory(error);
	if (r == 0) {
		print_row(rows[0], schema, (const char *)texts[0].data);
		print_row(rows[1], schema, (const char *)texts[1].data);
		if (strcmp(rows[0], rows[1]) == 0)
			r = error_set(error, ERROR_CORRUPT, "the state differs from a replay of the log in %s", rows[0]);
		else
			r = error_set(error, ERROR_CORRUPT,
			              "the state differs from a replay of the log: %s, where the replay has %s", rows[0], rows[1]);
	}
	bytes_finish(&texts[0]);
	bytes_finish(&texts[1]);
	return r;
}

int store_compare_states(struct state *state, struct state *replayed, const struct schema *schema,
                         struct error *error) {
	struct pair pair = { .states = { state, replayed } };
	uint64_t number = 0;
	int r = find_difference(&pair, &number, error);

	if (r == 0 && number > 0)
		r = tell_difference(&pair, schema, number, error);
	if (r == 0 && state_voids(state) != state_voids(replayed))
		r = error_set(error, ERROR_CORRUPT, "the state counts %llu void events, a replay of the log %llu",
		              (unsigned long long)state_voids(state), (unsigned long long)state_voids(replayed));
	return r;
}
