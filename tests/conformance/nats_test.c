/* usage: nats-test single|cluster ADAPTER SERVER FOLDER [TEXT]: runs the stories whose name contains TEXT. */

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "nats_test.h"

#define DEFAULT_SEED 20240617

struct nats_tests *tests_of(const struct trial *trial) {
	return (struct nats_tests *)trial->options;
}

/* The first line that a command prints; false: it failed. */
static bool read_command(char *ret, size_t n, const char *format, ...) {
	char command[URL_BYTES];
	va_list arguments;

	va_start(arguments, format);
	must(vsnprintf(command, sizeof(command), format, arguments) < (int)sizeof(command));
	va_end(arguments);
	FILE *pipe = popen(command, "re");
	must(pipe != NULL);
	bool there = fgets(ret, (int)n, pipe) != NULL;
	if (pclose(pipe) != 0 || !there)
		return false;
	ret[strcspn(ret, "\n")] = '\0';
	return true;
}

void server_make(struct trial *trial, const char *options) {
	struct nats_tests *tests = tests_of(trial);
	char folder[FOLDER_BYTES];

	expect(trial, read_command(folder, sizeof(folder), "'%s' make %s", tests->script, options),
	       "cannot make a server %s", options);
	strcpy(tests->own, folder);
	expect(trial, read_command(tests->own_url, sizeof(tests->own_url), "'%s' '%s' url", tests->script, folder),
	       "the server has no address");
}

void server_command(struct trial *trial, const char *verb) {
	const struct nats_tests *tests = tests_of(trial);
	const char *folder = tests->own[0] == '\0' ? tests->folder : tests->own;
	char command[URL_BYTES];

	snprintf(command, sizeof(command), "'%s' '%s' %s", tests->script, folder, verb);
	trial_command(trial, command, verb);
}

void server_url(struct trial *trial, char ret[URL_BYTES], const char *format, ...) {
	va_list arguments;
	int n = snprintf(ret, URL_BYTES, "%s", tests_of(trial)->own_url);

	va_start(arguments, format);
	n += vsnprintf(ret + n, URL_BYTES - (size_t)n, format, arguments);
	va_end(arguments);
	must((size_t)n < URL_BYTES);
}

struct client *open_device(struct trial *trial, unsigned poll_ms) {
	struct client *client = client_start(trial, poll_ms);

	client_open(client);
	return client;
}

struct client *open_at(struct trial *trial, const char *url) {
	struct client *client = client_start(trial, 0);

	client_open_knowing(client, &(struct knowledge){ .url = url });
	return client;
}

struct problem expect_problem(struct trial *trial, const char *url, int code) {
	struct client *client = client_start(trial, 0);
	struct problem problem = { 0 };

	expect(trial, !client_try_open(client, &(struct knowledge){ .url = url }, &problem), "%s was opened", url);
	expect(trial, problem.code == code, "%s: problem %d (%s), expected %d", url, problem.code, problem.text, code);
	bool permanent =
		code == ERROR_PERMISSION || code == ERROR_INVALID || code == ERROR_CONFLICT || code == ERROR_VERSION;
	expect(trial, problem.permanent == permanent, "%s: a problem of the wrong duration: %s", url, problem.text);
	client_destroy(client);
	return problem;
}

void expect_text(struct trial *trial, const struct problem *problem, const char *part) {
	expect(trial, strstr(problem->text, part) != NULL, "the problem did not speak of \"%s\": %s", part, problem->text);
}

void admin_open(struct trial *trial, struct admin *ret) {
	char *token = place_token(trial->store);
	char url[URL_BYTES];

	must(token != NULL);
	snprintf(url, sizeof(url), "%.*s", (int)strcspn(tests_of(trial)->url, "?"), tests_of(trial)->url);
	snprintf(ret->stream, sizeof(ret->stream), "leaderd-%s", token);
	snprintf(ret->subject, sizeof(ret->subject), "leaderd.%s", token);
	free(token);
	expect(trial,
	       natsConnection_ConnectTo(&ret->connection, url) == NATS_OK &&
	           natsConnection_JetStream(&ret->js, ret->connection, NULL) == NATS_OK,
	       "the administrator was not let in");
}

void admin_close(struct admin *admin) {
	jsCtx_Destroy(admin->js);
	natsConnection_Destroy(admin->connection);
}

static int run_story(const struct story *story, struct nats_tests *tests) {
	struct trial trial = { .options = &tests->options, .chance = tests->options.seed | 1 };
	int64_t start = now_ms();
	char command[URL_BYTES];
	jmp_buf end;

	trial_new_store(&trial);
	trial.end = &end;
	if (setjmp(end) == 0)
		story->run(&trial);
	while (trial.n_clients > 0)
		client_destroy(trial.clients[0]);
	if (tests->own[0] != '\0') {
		snprintf(command, sizeof(command), "'%s' '%s' remove", tests->script, tests->own);
		if (system(command) != 0)
			fprintf(stderr, "nats-test: cannot remove %s\n", tests->own);
		tests->own[0] = '\0';
	}
	if (trial.failure[0] == '\0')
		printf("ok        %s (%" PRId64 " ms)\n", story->name, now_ms() - start);
	else
		printf("FAILED    %s: %s\n", story->name, trial.failure);
	fflush(stdout);
	return trial.failure[0] == '\0' ? 0 : 1;
}

int main(int argc, char **argv) {
	static const struct story *const single[] = { stories_of_access, stories_of_streams, stories_of_memory, NULL };
	static const struct story *const cluster[] = { stories_of_clusters, NULL };
	const char *seed = getenv("LEADERD_SEED");
	struct nats_tests tests = { 0 };
	int n_failed = 0, n_run = 0;

	must(argc == 5 || argc == 6);
	tests.script = argv[3];
	must((size_t)snprintf(tests.folder, sizeof(tests.folder), "%s", argv[4]) < sizeof(tests.folder));
	must(read_command(tests.url, sizeof(tests.url), "'%s' '%s' url", argv[3], argv[4]));
	tests.options = (struct options){
		.program = argv[2],
		.url = tests.url,
		.seed = seed == NULL ? DEFAULT_SEED : strtoull(seed, NULL, 0),
	};
	bool many = strcmp(argv[1], "cluster") == 0;
	if (many)
		strcat(tests.url, "?replicas=3");
	for (const struct story *const *list = many ? cluster : single; *list != NULL; list++)
		for (const struct story *story = *list; story->name != NULL; story++)
			if (argc == 5 || strstr(story->name, argv[5]) != NULL) {
				n_run++;
				n_failed += run_story(story, &tests);
			}
	printf("%d stories, %d failed (seed %" PRIu64 ")\n", n_run, n_failed, tests.options.seed);
	return n_failed > 0 || n_run == 0 ? 1 : 0;
}
