/*
 * A generated schema has two to five tables. Each has columns a, b (its key, or
 * part of it), u (unique, partly unique or free), v and w (anything), and a
 * parent that may be a row of this or an earlier table.
 */

#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "generate.h"

enum shape {
	SHAPE_ALIAS,      /* INTEGER PRIMARY KEY: another name of the rowid */
	SHAPE_TEXT,       /* a rowid of its own beside a text key */
	SHAPE_NOCASE,     /* the same, and the key ignores case */
	SHAPE_COMPOSITE,  /* two key columns, in the other order */
	SHAPE_DESCENDING, /* INTEGER PRIMARY KEY DESC: not the rowid */
	SHAPE_WITHOUT,    /* WITHOUT ROWID */
	SHAPE_WITHOUT_COMPOSITE,
	SHAPE_N
};

struct table_plan {
	enum shape shape;
	bool text_key;     /* of `a` */
	bool references;   /* `parent` is a foreign key, */
	unsigned target;   /* to this table */
	bool self;
};

uint64_t chance_next(struct chance *chance) {
	uint64_t z = chance->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

unsigned chance_below(struct chance *chance, unsigned n) {
	return (unsigned)(chance_next(chance) % n);
}

static void add(struct bytes *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct bytes *text, const char *format, ...) {
	char *piece = NULL;
	va_list list;

	va_start(list, format);
	int n = vasprintf(&piece, format, list);
	va_end(list);
	assert_true(n >= 0);
	assert_int_equal(bytes_add(text, piece, (size_t)n), 0);
	free(piece);
}

static bool is_without(enum shape shape) {
	return shape == SHAPE_WITHOUT || shape == SHAPE_WITHOUT_COMPOSITE;
}

static bool is_composite(enum shape shape) {
	return shape == SHAPE_COMPOSITE || shape == SHAPE_WITHOUT_COMPOSITE;
}

static void add_key(struct bytes *text, const struct table_plan *plan) {
	const char *type = plan->text_key ? "TEXT" : "INTEGER";

	switch (plan->shape) {
	case SHAPE_ALIAS:
		add(text, "a INTEGER PRIMARY KEY NOT NULL, b");
		break;
	case SHAPE_DESCENDING:
		add(text, "a INTEGER PRIMARY KEY DESC NOT NULL, b");
		break;
	case SHAPE_NOCASE:
		add(text, "b, a TEXT COLLATE NOCASE PRIMARY KEY NOT NULL");
		break;
	case SHAPE_TEXT:
	case SHAPE_WITHOUT:
		add(text, "b, a %s PRIMARY KEY NOT NULL", type);
		break;
	default:
		add(text, "a %s NOT NULL, b INTEGER NOT NULL", type);
	}
}

static void add_table(struct chance *chance, struct bytes *text, unsigned i, const struct table_plan *plan) {
	static const char *const actions[] = { "CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT", "NO ACTION" };
	static const char *const types[] = { "", "INTEGER", "REAL", "TEXT", "BLOB", "NUMERIC" };
	bool unique = chance_below(chance, 2);

	add(text, "CREATE TABLE t%u (", i);
	add_key(text, plan);
	add(text, ", u%s", unique ? " UNIQUE" : "");
	add(text, ", v %s DEFAULT 7, w %s, parent %s", types[chance_below(chance, 6)], types[chance_below(chance, 6)],
	    plan->text_key ? "TEXT" : "INTEGER");
	if (plan->references)
		add(text, " REFERENCES t%u (a) ON DELETE %s ON UPDATE %s", plan->target, actions[chance_below(chance, 5)],
		    actions[chance_below(chance, 5)]);
	if (is_composite(plan->shape))
		add(text, ", PRIMARY KEY (b, a)%s", plan->references || i == 0 ? ", UNIQUE (a)" : "");
	add(text, ")%s;\n", is_without(plan->shape) ? " WITHOUT ROWID" : "");
	if (!unique && chance_below(chance, 2))
		add(text, "CREATE UNIQUE INDEX i%u ON t%u (u) WHERE v > 2;\n", i, i);
	if (chance_below(chance, 3) == 0)
		add(text, "CREATE INDEX j%u ON t%u (w, u DESC);\n", i, i);
}

/* What the statements of one table are made with. */
struct words {
	unsigned i;
	const struct table_plan *plan;
	const char *key, *other_key, *parent;
	const char *replace; /* IGNORE where schemas refuse REPLACE: it takes rows along */
};

static void add_insert(struct chance *chance, struct bytes *text, const struct words *w) {
	const char *columns = "(a, b, u, v, w, parent)";

	switch (chance_below(chance, 5)) {
	case 0:
	case 1:
		add(text, "INSERT INTO t%u %s VALUES (%s, :u, :u, :v, :x, %s);\n", w->i, columns, w->key, w->parent);
		break;
	case 2:
		add(text, "INSERT OR %s INTO t%u %s VALUES (%s, 1, :u, :r, :s, %s);\n", w->replace, w->i, columns,
		    w->key, w->parent);
		break;
	case 3:
		add(text, "INSERT INTO t%u (a, b, u, v) VALUES (%s, :k2, :u, :v), (%s, :k, :v, :u)\n"
		    "  ON CONFLICT DO NOTHING;\n", w->i, w->key, w->other_key);
		break;
	default:
		add(text, "INSERT INTO t%u (a, b, u, v) VALUES (%s, 2, :u, :v)\n"
		    "  ON CONFLICT (%s) DO UPDATE SET u = excluded.u, v = t%u.v + 1, w = :x;\n", w->i, w->key,
		    is_composite(w->plan->shape) ? "b, a" : "a", w->i);
	}
}

static void add_key_change(struct chance *chance, struct bytes *text, const struct words *w) {
	switch (chance_below(chance, 5)) {
	case 0:
		add(text, "UPDATE t%u SET a = %s WHERE a = %s;\n", w->i, w->other_key, w->key);
		break;
	case 1:
		add(text, "UPDATE OR %s t%u SET a = %s, b = 3 WHERE a = %s;\n", w->replace, w->i, w->other_key, w->key);
		break;
	case 2:
		add(text, "UPDATE OR IGNORE t%u SET a = %s, u = :u, parent = %s;\n", w->i, w->key, w->parent);
		break;
	case 3:
		if (is_without(w->plan->shape))
			add(text, "UPDATE t%u SET v = x'00' WHERE a >= %s;\n", w->i, w->key);
		else
			add(text, "UPDATE OR %s t%u SET rowid = rowid + :v WHERE a >= %s;\n", w->replace, w->i, w->key);
		break;
	default:
		if (w->plan->text_key)
			add(text, "UPDATE t%u SET a = a || 'x', w = CAST(:x AS TEXT);\n", w->i);
		else
			add(text, "UPDATE t%u SET a = a + 1;\n", w->i);
	}
}

static void add_change(struct chance *chance, struct bytes *text, const struct words *w) {
	switch (chance_below(chance, 7)) {
	case 0:
		add(text, "UPDATE t%u SET v = :v WHERE a = %s;\n", w->i, w->key);
		break;
	case 1:
		add(text, "UPDATE t%u SET w = :x, u = :u WHERE a >= %s;\n", w->i, w->key);
		break;
	case 2:
		add(text, "UPDATE t%u SET u = u + :v;\n", w->i);
		break;
	case 3:
		add(text, "UPDATE OR %s t%u SET u = CASE u WHEN :u THEN :v WHEN :v THEN :u ELSE u END;\n", w->replace,
		    w->i);
		break;
	case 4:
		/* A swap that never breaks the rule. */
		add(text, "UPDATE t%u SET u = -100 WHERE u = :u;\nUPDATE t%u SET u = :u WHERE u = :v;\n"
		    "UPDATE t%u SET u = :v WHERE u = -100;\n", w->i, w->i, w->i);
		break;
	case 5:
		add(text, "UPDATE t%u SET v = v, w = w WHERE u >= :u;\n", w->i);
		break;
	default:
		/* The same number in another type, where the column lets it be. */
		add(text, "UPDATE t%u SET v = CASE typeof(v) WHEN 'real' THEN CAST(v AS INTEGER) ELSE :r END;\n", w->i);
	}
}

static void add_delete(struct chance *chance, struct bytes *text, const struct words *w) {
	switch (chance_below(chance, 3)) {
	case 0:
		add(text, "DELETE FROM t%u WHERE a = %s;\n", w->i, w->key);
		break;
	case 1:
		add(text, "DELETE FROM t%u WHERE u > :u;\n", w->i);
		break;
	default:
		add(text, "DELETE FROM t%u;\n", w->i);
	}
}

static void add_statement(struct chance *chance, struct bytes *text, unsigned i, const struct table_plan *plans,
                          unsigned n) {
	unsigned from = chance_below(chance, n);
	struct words words = {
		.i = i,
		.plan = &plans[i],
		.key = plans[i].text_key ? ":s" : ":k",
		.other_key = plans[i].text_key ? ":s2" : ":k2",
		.parent = chance_below(chance, 2) ? "NULL" : plans[i].text_key ? ":s2" : ":k2",
		.replace = plans[i].references ? "IGNORE" : "REPLACE",
	};
	unsigned what = chance_below(chance, 20);

	if (what < 8)
		add_insert(chance, text, &words);
	else if (what < 12)
		add_key_change(chance, text, &words);
	else if (what < 16)
		add_change(chance, text, &words);
	else if (what < 19)
		add_delete(chance, text, &words);
	else if (plans[from].text_key == plans[i].text_key)
		add(text, "INSERT OR IGNORE INTO t%u (a, b, u, v, w) SELECT a, 5, u, v, w FROM t%u;\n", i, from);
	else
		add(text, "UPDATE t%u SET w = (SELECT max(w) FROM t%u);\n", i, from);
}

static void plan_table(struct chance *chance, struct table_plan *plans, unsigned i) {
	struct table_plan *plan = &plans[i];

	plan->shape = (enum shape)chance_below(chance, SHAPE_N);
	plan->text_key = plan->shape == SHAPE_TEXT || plan->shape == SHAPE_NOCASE ||
	                 ((is_without(plan->shape) || is_composite(plan->shape)) && chance_below(chance, 2));
	plan->references = false;
	if (!chance_below(chance, 2))
		return;
	plan->target = chance_below(chance, i + 1);
	plan->self = plan->target == i;
	/* A parent's key must be unique on its own and of the same kind. */
	plan->references = plan->self || (plans[plan->target].text_key == plan->text_key &&
	                                  (!is_composite(plans[plan->target].shape) || plan->target == 0 ||
	                                   plans[plan->target].references));
}

#define ARGUMENTS "(k INTEGER, k2 INTEGER, s TEXT, s2 TEXT, u INTEGER?, v INTEGER, r REAL, x BLOB?, y TEXT?)"

void generate_schema(struct chance *chance, struct generated *ret) {
	struct table_plan plans[GENERATED_TABLES_MAX] = { 0 };
	unsigned n = 2 + chance_below(chance, GENERATED_TABLES_MAX - 1);
	struct bytes *text = &ret->text;

	bytes_clear(text);
	add(text, "-- store generated version 1\n");
	for (unsigned i = 0; i < n; i++) {
		plan_table(chance, plans, i);
		add_table(chance, text, i, &plans[i]);
	}
	add(text, "CREATE TABLE local (a INTEGER PRIMARY KEY NOT NULL, w UNIQUE);\n");
	ret->n_events = 24;
	for (unsigned i = 0; i < ret->n_events; i++) {
		add(text, "-- event e%u" ARGUMENTS "\n", i);
		if (chance_below(chance, 8) == 0)
			add(text, "SELECT refuse('unlucky') WHERE :v = 3;\n");
		for (unsigned j = chance_below(chance, 3) + 1; j > 0; j--)
			add_statement(chance, text, chance_below(chance, n), plans, n);
		if (chance_below(chance, 8) == 0)
			add(text, "SELECT refuse('too late') WHERE :v = 4;\n");
	}
	ret->n_client_only = 2;
	add(text, "-- event c0" ARGUMENTS " client-only\nINSERT OR REPLACE INTO local (a, w) VALUES (:k, :u);\n");
	add(text, "-- event c1" ARGUMENTS " client-only\nUPDATE local SET a = a + :v WHERE a >= :k;\n");
	add(text, "%c", '\0');
}

void generate_finish(struct generated *generated) {
	bytes_finish(&generated->text);
}

static void add_optional(struct chance *chance, struct bytes *text, const char *name, const char *value) {
	if (chance_below(chance, 5) > 0)
		add(text, ",\"%s\":%s", name, value);
}

void generate_args(struct chance *chance, struct bytes *ret) {
	static const char *const texts[] = { "\"a\"", "\"A\"", "\"b\"", "\"B\"", "\"c\"", "\"\"", "\"\\u00e4\"", "\"1\"" };
	static const char *const reals[] = { "0.0", "-0.0", "1.5", "2", "1e300", "3.0" };
	static const char *const blobs[] = { "\"\"", "\"AA==\"", "\"//8A\"", "\"YQ==\"" };
	char number[16];

	bytes_clear(ret);
	add(ret, "{\"k\":%d,\"k2\":%d", (int)chance_below(chance, 7) - 2, (int)chance_below(chance, 6));
	add(ret, ",\"s\":%s,\"s2\":%s", texts[chance_below(chance, 8)], texts[chance_below(chance, 8)]);
	snprintf(number, sizeof(number), "%d", (int)chance_below(chance, 6) - 1);
	add_optional(chance, ret, "u", number);
	add(ret, ",\"v\":%u,\"r\":%s", chance_below(chance, 6), reals[chance_below(chance, 6)]);
	add_optional(chance, ret, "x", blobs[chance_below(chance, 4)]);
	add_optional(chance, ret, "y", texts[chance_below(chance, 8)]);
	add(ret, "}%c", '\0');
	ret->n--;
}
