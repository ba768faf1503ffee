/* usage: postgres-test ADAPTER SERVER FOLDER [TEXT]: runs the stories whose name contains TEXT. */

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "postgres_test.h"

#define DEFAULT_SEED 20240617

const struct postgres_server *server_of(const struct trial *trial) {
	return (const struct postgres_server *)trial->options;
}

void server_url(const struct trial *trial, char ret[URL_BYTES], const char *user, const char *format, ...) {
	va_list arguments;
	int n = snprintf(ret, URL_BYTES, "postgres://%s@127.0.0.1:%s/leaderd?", user, server_of(trial)->port);

	va_start(arguments, format);
	n += vsnprintf(ret + n, URL_BYTES - (size_t)n, format, arguments);
	va_end(arguments);
	must((size_t)n < URL_BYTES);
}

void server_command(struct trial *trial, const char *verb) {
	char command[URL_BYTES];

	snprintf(command, sizeof(command), "'%s' '%s' %s", server_of(trial)->script, server_of(trial)->folder, verb);
	trial_command(trial, command, verb);
}

PGconn *admin_open(struct trial *trial) {
	const struct postgres_server *server = server_of(trial);
	char conninfo[URL_BYTES];

	snprintf(conninfo, sizeof(conninfo),
	         "host=%s/socket port=%s user=admin dbname=leaderd"
	         " options='-c client_min_messages=warning'",
	         server->folder, server->port);
	PGconn *admin = PQconnectdb(conninfo);
	expect(trial, PQstatus(admin) == CONNECTION_OK, "the administrator was not let in: %s", PQerrorMessage(admin));
	return admin;
}

static PGresult *run(struct trial *trial, PGconn *admin, const char *sql) {
	PGresult *result = PQexec(admin, sql);
	ExecStatusType status = PQresultStatus(result);

	expect(trial, status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s: %s", sql, PQerrorMessage(admin));
	return result;
}

void admin_run(struct trial *trial, PGconn *admin, const char *sql) {
	PQclear(run(trial, admin, sql));
}

long admin_number(struct trial *trial, PGconn *admin, const char *sql) {
	PGresult *result = run(trial, admin, sql);

	expect(trial, PQntuples(result) == 1, "%s: %d rows", sql, PQntuples(result));
	long number = strtol(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return number;
}

struct client *open_device(struct trial *trial, unsigned poll_ms) {
	struct client *client = client_start(trial, poll_ms);

	client_open(client);
	return client;
}

struct problem expect_problem(struct trial *trial, const char *url, int code) {
	struct client *client = client_start(trial, 0);
	struct problem problem = { 0 };

	expect(trial, !client_try_open(client, &(struct knowledge){ .url = url }, &problem), "%s was opened", url);
	expect(trial, problem.code == code, "%s: problem %d (%s), expected %d", url, problem.code, problem.text, code);
	bool permanent = code == ERROR_PERMISSION || code == ERROR_INVALID;
	expect(trial, problem.permanent == permanent, "%s: a problem of the wrong duration: %s", url, problem.text);
	client_destroy(client);
	return problem;
}

static int run_story(const struct story *story, const struct options *options) {
	struct trial trial = { .options = options, .chance = options->seed | 1 };
	int64_t start = now_ms();
	jmp_buf end;

	trial_new_store(&trial);
	trial.end = &end;
	if (setjmp(end) == 0)
		story->run(&trial);
	while (trial.n_clients > 0)
		client_destroy(trial.clients[0]);
	if (trial.failure[0] == '\0')
		printf("ok        %s (%" PRId64 " ms)\n", story->name, now_ms() - start);
	else
		printf("FAILED    %s: %s\n", story->name, trial.failure);
	fflush(stdout);
	return trial.failure[0] == '\0' ? 0 : 1;
}

int main(int argc, char **argv) {
	static const struct story *const all[] = { stories_of_access, stories_of_rows, stories_of_memory };
	const char *seed = getenv("LEADERD_SEED");
	struct postgres_server server = { 0 };
	char url[URL_BYTES], port[8] = { 0 }, path[URL_BYTES];
	int n_failed = 0, n_run = 0;

	must(argc == 4 || argc == 5);
	server.script = argv[2];
	server.folder = argv[3];
	snprintf(path, sizeof(path), "%s/port", server.folder);
	FILE *file = fopen(path, "re");
	must(file != NULL && fscanf(file, "%7[0-9]", port) == 1);
	fclose(file);
	server.port = port;
	snprintf(url, sizeof(url), "postgres://device@127.0.0.1:%s/leaderd?sslmode=disable&passfile=%s/passfile", port,
	         server.folder);
	server.options = (struct options){
		.program = argv[1],
		.url = url,
		.seed = seed == NULL ? DEFAULT_SEED : strtoull(seed, NULL, 0),
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (const struct story *story = all[i]; story->name != NULL; story++)
			if (argc == 4 || strstr(story->name, argv[4]) != NULL) {
				n_run++;
				n_failed += run_story(story, &server.options);
			}
	printf("%d stories, %d failed (seed %" PRIu64 ")\n", n_run, n_failed, server.options.seed);
	return n_failed > 0 || n_run == 0 ? 1 : 0;
}
