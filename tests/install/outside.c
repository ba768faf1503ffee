/*
 * A program from outside: it knows the installed headers and the pkg-config file,
 * nothing else. It commits, waits, queries, is told of changed tables, and looks
 * at its state through an open SELECT while a rebase is due.
 *
 * usage: outside SCHEMA (with a leader on $LEADERD_SOCKET)
 */

#include <leaderd/session.h>

#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STORE "org.example.outside"
#define TODOS 100

#define EXPECT(condition)                                                           \
	do {                                                                            \
		if (!(condition)) {                                                         \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			exit(1);                                                                \
		}                                                                           \
	} while (0)

static const char *schema;

static char *read_file(const char *path) {
	FILE *file = fopen(path, "r");
	char *text = calloc(1, 65536);

	EXPECT(file && text && fread(text, 1, 65535, file) > 0);
	fclose(file);
	return text;
}

static struct lds_session *open_session(const char *id) {
	struct lds_options options = { .size = sizeof(options), .store = STORE, .schema = schema, .session_id = id };
	struct lds_session *session = NULL;
	char why[256] = "";
	int r = lds_open(&session, &options, why, sizeof(why));

	if (r != 0)
		fprintf(stderr, "lds_open: %d, %s\n", r, why);
	EXPECT(r == 0);
	return session;
}

static long long query_integer(struct lds_session *session, const char *sql) {
	struct lds_rows *rows;
	struct lds_value value;

	EXPECT(lds_query(session, sql, NULL, 0, &rows) == 0);
	EXPECT(lds_rows_next(rows) == LDS_ROW);
	EXPECT(lds_rows_value(rows, 0, &value) == 0 && value.type == LDS_INTEGER);
	lds_rows_close(rows);
	return value.integer;
}

/* One unit: every todo gets this title. */
static void rename_all(struct lds_session *session, const char *title) {
	struct lds_event_input events[TODOS];
	struct lds_id ids[TODOS];
	char args[TODOS][64];

	for (int i = 0; i < TODOS; i++) {
		snprintf(args[i], sizeof(args[i]), "{\"id\":\"%03d\",\"title\":\"%s\"}", i, title);
		events[i] = (struct lds_event_input){ .name = "todoRenamed", .args = args[i] };
	}
	EXPECT(lds_commit_batch(session, events, TODOS, ids) == 0);
	EXPECT(lds_wait(session, &ids[TODOS - 1], LDS_DURABLE, 10000) == 0);
}

static void create_all(struct lds_session *session) {
	char args[64];

	for (int i = 0; i < TODOS; i++) {
		snprintf(args, sizeof(args), "{\"id\":\"%03d\",\"title\":\"old\"}", i);
		EXPECT(lds_commit(session, "todoCreated", args, NULL) >= 0);
	}
	EXPECT(lds_wait(session, NULL, LDS_DURABLE, 10000) == 0);
}

/* A turn of the program's loop; answers what lds_process did. */
static int turn(struct lds_session *session) {
	struct pollfd ready = { .fd = lds_get_fd(session), .events = (short)lds_get_events(session) };

	EXPECT(poll(&ready, 1, 10000) == 1);
	return lds_process(session);
}

/* Turns until what the leader sent is held back. */
static void turn_until_held(struct lds_session *session) {
	int r;

	while ((r = turn(session)) != LDS_HELD)
		EXPECT(r >= 0);
}

struct told {
	int calls;
	int whole; /* calls that saw a state between two units */
};

/* Between two units all titles are equal, except that of "own". */
static void on_todo(struct lds_session *session, const char *const *tables, size_t n_tables, void *data) {
	struct told *told = data;

	EXPECT(n_tables == 1 && strcmp(tables[0], "todo") == 0);
	EXPECT(lds_process(session) == LDS_INVALID && lds_close(session) == LDS_INVALID);
	told->calls++;
	told->whole += query_integer(session, "SELECT count(DISTINCT title) FROM todo WHERE id <> 'own'") == 1;
}

static void a_table_change_is_told_once_it_is_whole(struct lds_session *reader, struct lds_session *writer) {
	const char *const tables[] = { "todo" };
	struct lds_subscription *subscription;
	struct told told = { 0, 0 };

	EXPECT(lds_subscribe(reader, tables, 1, on_todo, &told, &subscription) == 0);
	rename_all(writer, "renamed once");
	while (query_integer(reader, "SELECT count(*) FROM todo WHERE title = 'renamed once'") == 0)
		EXPECT(turn(reader) >= 0);
	EXPECT(told.calls == 1 && told.whole == 1);
	EXPECT(query_integer(reader, "SELECT count(*) FROM todo WHERE title = 'renamed once'") == TODOS);
	lds_unsubscribe(subscription);
}

static int is_text(const struct lds_value *value, const char *text) {
	return value->type == LDS_TEXT && strcmp(value->text, text) == 0;
}

/* The writer's unit stands before the reader's own event, which therefore moves: the
 * reader has to undo, apply, and replay. While its rows are open nothing of that is seen. */
static void open_rows_never_see_half_of_a_rebase(struct lds_session *reader, struct lds_session *writer) {
	struct lds_rows *rows;
	struct lds_value value;
	struct lds_status before = { .size = sizeof(before) }, status = { .size = sizeof(status) };
	int n = 1;

	rename_all(writer, "renamed twice");
	EXPECT(lds_get_status(reader, &before) == 0);
	EXPECT(lds_commit(reader, "todoCreated", "{\"id\":\"own\",\"title\":\"mine\"}", NULL) == 0);
	EXPECT(lds_query(reader, "SELECT title FROM todo WHERE id <> 'own'", NULL, 0, &rows) == 0);
	EXPECT(lds_rows_next(rows) == LDS_ROW);

	turn_until_held(reader);
	EXPECT(lds_wait(reader, NULL, LDS_DURABLE, 10000) == LDS_HELD);
	EXPECT(lds_get_status(reader, &status) == 0 && status.leader_head.global == before.leader_head.global);
	do {
		EXPECT(lds_rows_value(rows, 0, &value) == 0 && is_text(&value, "renamed once"));
		if (n == TODOS / 2)
			EXPECT(lds_process(reader) == LDS_HELD);
	} while (lds_rows_next(rows) == LDS_ROW && n++ > 0);
	EXPECT(n == TODOS);
	lds_rows_close(rows);

	EXPECT(lds_wait(reader, NULL, LDS_DURABLE, 10000) == 0);
	EXPECT(query_integer(reader, "SELECT count(*) FROM todo WHERE title = 'renamed twice'") == TODOS);
	EXPECT(query_integer(reader, "SELECT count(*) FROM todo WHERE id = 'own'") == 1);
	EXPECT(lds_get_status(reader, &status) == 0 && status.pending == 0);
	EXPECT(status.leader_head.global == before.leader_head.global + TODOS + 1);
}

/* The same through the library's own connection, for programs that link SQLite. */
static void an_open_statement_of_sqlite_holds_as_well(struct lds_session *reader, struct lds_session *writer) {
	sqlite3 *db = lds_db(reader);
	sqlite3_stmt *statement;
	int n = 0;

	EXPECT(sqlite3_prepare_v2(db, "SELECT title FROM todo WHERE id <> 'own'", -1, &statement, NULL) == SQLITE_OK);
	EXPECT(sqlite3_step(statement) == SQLITE_ROW);
	rename_all(writer, "renamed thrice");
	turn_until_held(reader);
	do {
		EXPECT(strcmp((const char *)sqlite3_column_text(statement, 0), "renamed twice") == 0);
		n++;
	} while (sqlite3_step(statement) == SQLITE_ROW);
	EXPECT(n == TODOS);
	EXPECT(sqlite3_reset(statement) == SQLITE_OK);
	while (query_integer(reader, "SELECT count(*) FROM todo WHERE title = 'renamed thrice'") == 0)
		EXPECT(lds_process(reader) >= 0);
	for (n = 0; sqlite3_step(statement) == SQLITE_ROW; n++)
		EXPECT(strcmp((const char *)sqlite3_column_text(statement, 0), "renamed thrice") == 0);
	EXPECT(n == TODOS);
	EXPECT(sqlite3_finalize(statement) == SQLITE_OK && lds_db(reader) == db);
	EXPECT(sqlite3_exec(db, "DELETE FROM todo", NULL, NULL, NULL) == SQLITE_AUTH);
}

/* What was durable before is there at once, without a turn of the loop. */
static void a_session_opens_on_all_that_is_durable(struct lds_session *writer) {
	struct lds_session *late;

	for (int i = 0; i < 20; i++) {
		EXPECT(lds_commit(writer, "todoRenamed",
		                  i % 2 ? "{\"id\":\"000\",\"title\":\"odd\"}" : "{\"id\":\"000\",\"title\":\"even\"}",
		                  NULL) == 0);
		EXPECT(lds_wait(writer, NULL, LDS_DURABLE, 10000) == 0);
		late = open_session(NULL);
		EXPECT(query_integer(late, "SELECT title = 'odd' FROM todo WHERE id = '000'") == i % 2);
		EXPECT(lds_close(late) == 0);
	}
}

static void a_commit_that_a_rule_forbids_changes_nothing(struct lds_session *session) {
	EXPECT(lds_commit(session, "todoCompleted", "{\"id\":\"none\"}", NULL) == LDS_REFUSED);
	EXPECT(strstr(lds_last_error(session), "no such todo") != NULL);
	EXPECT(lds_commit(session, "todoCompleted", "{\"id\":", NULL) == LDS_INVALID);
	EXPECT(query_integer(session, "SELECT count(*) FROM todo WHERE done") == 0);
}

int main(int argc, char **argv) {
	struct lds_session *reader, *writer;

	EXPECT(argc == 2);
	schema = read_file(argv[1]);
	reader = open_session("reader");
	writer = open_session("writer");
	create_all(writer);
	while (query_integer(reader, "SELECT count(*) FROM todo") < TODOS)
		EXPECT(turn(reader) >= 0);

	a_commit_that_a_rule_forbids_changes_nothing(reader);
	a_table_change_is_told_once_it_is_whole(reader, writer);
	open_rows_never_see_half_of_a_rebase(reader, writer);
	an_open_statement_of_sqlite_holds_as_well(reader, writer);

	a_session_opens_on_all_that_is_durable(writer);

	EXPECT(lds_close(reader) == 0 && lds_close(writer) == 0);
	free((char *)schema);
	puts("all of it was so");
	return 0;
}
