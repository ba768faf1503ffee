#include "store/sql_text.h"

#include <sqlite3.h>
#include <string.h>

static bool is_space(char c) {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* As SQLite sees it: every byte past ASCII may stand in a name. */
static bool is_word(char c) {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
	       (unsigned char)c >= 0x80;
}

static void move_to(struct sql_reader *reader, const char *to) {
	for (; reader->at < to; reader->at++)
		if (*reader->at == '\n')
			reader->line++;
}

static bool starts_with(const struct sql_reader *reader, const char *two) {
	return reader->end - reader->at >= 2 && reader->at[0] == two[0] && reader->at[1] == two[1];
}

static const char *find_end_of_comment(const struct sql_reader *reader) {
	for (const char *c = reader->at + 2; reader->end - c >= 2; c++)
		if (c[0] == '*' && c[1] == '/')
			return c + 2;
	return NULL;
}

bool sql_skip_blank(struct sql_reader *reader) {
	if (reader->at == reader->end)
		return false;
	if (is_space(*reader->at)) {
		move_to(reader, reader->at + 1);
		return true;
	}
	if (starts_with(reader, "--")) {
		const char *newline = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));

		reader->at = newline ? newline : reader->end;
		return true;
	}
	if (starts_with(reader, "/*")) {
		const char *end = find_end_of_comment(reader);

		if (!end)
			return false;
		move_to(reader, end);
		return true;
	}
	return false;
}

static enum sql_token_kind find_quoted(const struct sql_reader *reader, const char **ret_end) {
	char close = *reader->at == '[' ? ']' : *reader->at;
	const char *c = reader->at + 1;

	for (; c < reader->end; c++) {
		if (*c != close)
			continue;
		if (close == ']' || c + 1 == reader->end || c[1] != close)
			break;
		c++; /* a doubled quote stands for itself */
	}
	if (c >= reader->end) {
		*ret_end = reader->end;
		return SQL_UNTERMINATED;
	}
	*ret_end = c + 1;
	return close == '\'' ? SQL_STRING : SQL_QUOTED_NAME;
}

struct sql_token sql_next(struct sql_reader *reader) {
	while (sql_skip_blank(reader))
		continue;

	struct sql_token token = { .kind = SQL_SYMBOL, .text = reader->at, .line = reader->line };
	const char *end = reader->at + 1;

	if (reader->at == reader->end) {
		token.kind = SQL_END;
		return token;
	}
	if (starts_with(reader, "/*")) {
		token.kind = SQL_UNTERMINATED;
		end = reader->end;
	} else if (strchr("'\"`[", *reader->at)) {
		token.kind = find_quoted(reader, &end);
	} else if (is_word(*reader->at)) {
		token.kind = SQL_WORD;
		while (end < reader->end && is_word(*end))
			end++;
	} else if (*reader->at == ';') {
		token.kind = SQL_SEMICOLON;
	}
	token.n = (size_t)(end - reader->at);
	move_to(reader, end);
	return token;
}

static bool text_is(const char *text, size_t n, const char *other) {
	return strlen(other) == n && sqlite3_strnicmp(text, other, (int)n) == 0;
}

bool sql_is(const struct sql_token *token, const char *word) {
	return token->kind == SQL_WORD && text_is(token->text, token->n, word);
}

bool sql_is_name(const struct sql_token *token, const char *name) {
	if (token->kind == SQL_QUOTED_NAME)
		return text_is(token->text + 1, token->n - 2, name);
	return sql_is(token, name);
}

bool sql_is_string(const struct sql_token *token, const char *content) {
	return token->kind == SQL_STRING && text_is(token->text + 1, token->n - 2, content);
}

bool sql_is_symbol(const struct sql_token *token, char symbol) {
	return token->kind == SQL_SYMBOL && *token->text == symbol;
}

static struct sql_reader reader_of(const char *sql) {
	return (struct sql_reader){ .at = sql, .end = sql + strlen(sql), .line = 1 };
}

static bool is_over(const struct sql_token *token) {
	return token->kind == SQL_END || token->kind == SQL_UNTERMINATED;
}

bool sql_has_words(const char *sql, const char *first, const char *second) {
	struct sql_reader reader = reader_of(sql);
	struct sql_token before = { .kind = SQL_SYMBOL, .text = " " };

	for (struct sql_token token = sql_next(&reader); !is_over(&token); token = sql_next(&reader)) {
		if (sql_is(&before, first) && sql_is(&token, second))
			return true;
		before = token;
	}
	return false;
}

bool sql_asks_for_replace(const char *sql) {
	struct sql_reader reader = reader_of(sql);

	for (struct sql_token token = sql_next(&reader); !is_over(&token); token = sql_next(&reader)) {
		struct sql_reader behind = reader;
		struct sql_token next = sql_next(&behind);

		if (sql_is(&token, "REPLACE") && !sql_is_symbol(&next, '('))
			return true;
	}
	return false;
}

static bool is_date_function(const struct sql_token *token) {
	static const char *const names[] = { "date", "time", "datetime", "julianday", "unixepoch", "strftime" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (sql_is_name(token, names[i]))
			return true;
	return false;
}

static const char *clock_literal(const struct sql_token *token) {
	if (sql_is_string(token, "now"))
		return "'now' reads the clock";
	if (sql_is_string(token, "localtime"))
		return "'localtime' reads the time zone";
	if (sql_is_string(token, "utc"))
		return "'utc' reads the time zone";
	return NULL;
}

/* `reader` stands behind the opening parenthesis; it is a copy, so that nested
 * calls are seen again by the caller. Only a literal that is a whole argument
 * counts: what an expression makes of it is seen when it is called. */
static const char *clock_in_call(struct sql_reader reader, int n_formats) {
	int depth = 1;
	int n_arguments = 0;
	bool in_argument = false;
	const char *found = NULL;

	while (depth > 0) {
		struct sql_token token = sql_next(&reader);

		if (is_over(&token))
			return NULL; /* no call: SQLite will say what is wrong with it */
		if (depth == 1 && (sql_is_symbol(&token, ',') || sql_is_symbol(&token, ')'))) {
			if (found)
				return found;
			in_argument = false;
		} else {
			n_arguments += !in_argument;
			found = in_argument || n_arguments <= n_formats ? NULL : clock_literal(&token);
			in_argument = true;
		}
		depth += sql_is_symbol(&token, '(') - sql_is_symbol(&token, ')');
	}
	return n_arguments <= n_formats ? "a date function without a time reads the clock" : NULL;
}

const char *sql_names_the_clock(const char *sql, unsigned *line) {
	struct sql_reader reader = reader_of(sql);
	struct sql_token before = { .kind = SQL_SYMBOL, .text = " " };

	for (struct sql_token token = sql_next(&reader); !is_over(&token); token = sql_next(&reader)) {
		if (is_date_function(&before) && sql_is_symbol(&token, '(')) {
			const char *found = clock_in_call(reader, sql_is_name(&before, "strftime") ? 1 : 0);

			if (found) {
				*line += before.line - 1;
				return found;
			}
		}
		before = token;
	}
	return NULL;
}
