/*
 * A script: open, commit, wait until it is durable, look, leave.
 *
 *   script todos.sql 'Buy milk'
 *
 *   cc script.c $(pkg-config --cflags --libs leaderd-session) -o script
 *
 * It starts a leader if none runs.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <leaderd/session.h>

static char *read_file(const char *path) {
	FILE *file = fopen(path, "r");
	char *text = calloc(1, 256 * 1024 + 1); /* a schema is not larger */

	if (!file || !text || fread(text, 1, 256 * 1024, file) == 0) {
		fprintf(stderr, "cannot read %s\n", path);
		exit(1);
	}
	fclose(file);
	return text;
}

/* A title as a JSON string; good enough for a script. */
static void print_args(char *ret, size_t bytes, const char *id, const char *title) {
	size_t n = (size_t)snprintf(ret, bytes, "{\"id\":\"%s\",\"title\":\"", id);

	for (; *title && n + 8 < bytes; title++) {
		if (*title == '"' || *title == '\\')
			ret[n++] = '\\';
		if ((unsigned char)*title >= ' ')
			ret[n++] = *title;
	}
	snprintf(ret + n, bytes - n, "\"}");
}

static void list(struct lds_session *session) {
	struct lds_rows *rows;
	struct lds_value title, done;

	if (lds_query(session, "SELECT title, done FROM todo ORDER BY id", NULL, 0, &rows) < 0)
		return;
	while (lds_rows_next(rows) == LDS_ROW)
		if (lds_rows_value(rows, 0, &title) == 0 && lds_rows_value(rows, 1, &done) == 0)
			printf("[%c] %s\n", done.integer ? 'x' : ' ', title.text);
	lds_rows_close(rows);
}

int main(int argc, char **argv) {
	struct lds_options options = { .size = sizeof(options), .store = "org.example.todos", .flags = LDS_START_LEADER };
	struct lds_session *session = NULL;
	char error[512], args[1024], id[32];
	char *schema;
	int r;

	if (argc != 3) {
		fprintf(stderr, "usage: %s SCHEMA TITLE\n", argv[0]);
		return 2;
	}
	options.schema = schema = read_file(argv[1]);
	options.schema_label = argv[1];
	r = lds_open(&session, &options, error, sizeof(error));
	free(schema);
	if (r < 0) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}

	snprintf(id, sizeof(id), "%.24s", lds_session_id(session)); /* new with each run */
	print_args(args, sizeof(args), id, argv[2]);
	r = lds_commit(session, "todoCreated", args, NULL);
	if (r >= 0)
		r = lds_wait(session, NULL, LDS_DURABLE, 10000);
	if (r < 0)
		fprintf(stderr, "%s: %s\n", lds_code_name(r), lds_last_error(session));
	else
		list(session);
	lds_close(session);
	return r < 0;
}
