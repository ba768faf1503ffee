#ifndef LEADERD_STORE_SQL_TEXT_H
#define LEADERD_STORE_SQL_TEXT_H

/*
 * SQL as text: just enough of SQLite's tokens to find where a statement begins
 * and ends, and to see the few words that its authorizer does not report. What
 * a statement means is always SQLite's to say.
 */

#include <stdbool.h>
#include <stddef.h>

enum sql_token_kind {
	SQL_END,         /* the text is over */
	SQL_WORD,        /* a keyword or an unquoted name; a number too */
	SQL_QUOTED_NAME, /* "name", `name`, [name] */
	SQL_STRING,      /* 'text' */
	SQL_SEMICOLON,
	SQL_SYMBOL,      /* any other single character */
	SQL_UNTERMINATED /* a quote or block comment that never ends */
};

struct sql_token {
	enum sql_token_kind kind;
	const char *text; /* borrowed from the SQL; with its quotes */
	size_t n;
	unsigned line; /* where it begins */
};

struct sql_reader {
	const char *at;
	const char *end;
	unsigned line; /* of `at` */
};

/* Passes over white space and comments, then reads one token. */
struct sql_token sql_next(struct sql_reader *reader);

/* Passes over one piece of white space or one comment; false when something
 * else, or the end, stands there. */
bool sql_skip_blank(struct sql_reader *reader);

/* Is the token this word, in any case? Quoted names and strings are not. */
bool sql_is(const struct sql_token *token, const char *word);
/* Is the token this name, in any case, quoted or not? */
bool sql_is_name(const struct sql_token *token, const char *name);
/* Is the token a string literal with this content, in any case? */
bool sql_is_string(const struct sql_token *token, const char *content);
bool sql_is_symbol(const struct sql_token *token, char symbol);

/* Does it ask for REPLACE when a row conflicts (OR REPLACE, REPLACE INTO, ON
 * CONFLICT REPLACE)? The function replace() does not count. */
bool sql_asks_for_replace(const char *sql);
/* Do these two words stand side by side anywhere? */
bool sql_has_words(const char *sql, const char *first, const char *second);

/* Looks for a call of a date function that names the clock or the time zone in
 * so many words: no time argument at all, or the literals 'now', 'localtime',
 * 'utc'. Returns what it found, for a message, or NULL; `line` goes from the
 * statement's first line to the call's. */
const char *sql_names_the_clock(const char *sql, unsigned *line);

#endif
