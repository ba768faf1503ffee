/*
 * An app for tests that kill: one session, told what to do on standard input,
 * one line a command, answering each with one line "CODE\tID\tTEXT".
 *
 *   commit NAME ARGS          lds_commit
 *   batch N NAME ARGS         N times the same event as one unit
 *   commit-and-die NAME ARGS  lds_commit; if it returned 0 the process kills itself at once
 *   wait MS                   lds_wait for everything to be durable
 *   status                    TEXT is "CONNECTION PENDING QUEUED_BYTES TROUBLE"
 *
 * Between commands nothing is processed: what arrives waits in the socket.
 */

#include <leaderd/session.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES (1024 * 1024)
#define BATCH_EVENTS_MAX 1024

static void answer(const struct lds_session *session, int code, const struct lds_id *id) {
	char text[LDS_ID_TEXT_BYTES] = "";

	if (id && code >= 0)
		lds_id_print(text, id);
	printf("%s\t%s\t%s\n", lds_code_name(code), text, code < 0 ? lds_last_error(session) : "");
}

/* Cuts the first word off; NULL when there is none. */
static char *take_word(char **rest) {
	char *word = strsep(rest, " ");

	return word && *word ? word : NULL;
}

static void commit(struct lds_session *session, char *rest, int dies) {
	const char *name = take_word(&rest);
	struct lds_id id;
	int code = lds_commit(session, name, rest, &id);

	if (dies && code == 0)
		kill(getpid(), SIGKILL);
	answer(session, code, &id);
}

static void commit_batch(struct lds_session *session, char *rest) {
	static struct lds_event_input events[BATCH_EVENTS_MAX];
	static struct lds_id ids[BATCH_EVENTS_MAX];
	const char *count = take_word(&rest), *name = take_word(&rest);
	size_t n = count ? strtoul(count, NULL, 10) : 0;

	for (size_t i = 0; i < n && i < BATCH_EVENTS_MAX; i++)
		events[i] = (struct lds_event_input){ .name = name, .args = rest };
	answer(session, n <= BATCH_EVENTS_MAX ? lds_commit_batch(session, events, n, ids) : LDS_TOO_LARGE, &ids[0]);
}

static void tell_status(struct lds_session *session) {
	static const char *const connections[] = { "disconnected", "connecting", "connected" };
	struct lds_status status = { .size = sizeof(status) };
	int code = lds_get_status(session, &status);

	printf("%s\t\t%s %llu %llu %s\n", lds_code_name(code), connections[status.connection],
	       (unsigned long long)status.pending, (unsigned long long)status.queued_bytes,
	       status.trouble ? status.trouble : "");
}

static void obey(struct lds_session *session, char *line) {
	char *rest = line;
	const char *command = take_word(&rest);

	if (!command)
		answer(session, LDS_INVALID, NULL);
	else if (strcmp(command, "commit") == 0)
		commit(session, rest, 0);
	else if (strcmp(command, "commit-and-die") == 0)
		commit(session, rest, 1);
	else if (strcmp(command, "batch") == 0)
		commit_batch(session, rest);
	else if (strcmp(command, "wait") == 0)
		answer(session, lds_wait(session, NULL, LDS_DURABLE, rest ? atoi(rest) : 0), NULL);
	else if (strcmp(command, "status") == 0)
		tell_status(session);
	else
		printf("invalid\t\tno such command: %s\n", command);
}

int main(int argc, char **argv) {
	struct lds_options options = { .size = sizeof(options) };
	struct lds_session *session;
	char error[512];
	char *line = malloc(LINE_BYTES);
	int code;

	if (argc < 2 || !line) {
		fprintf(stderr, "usage: session-process STORE [SESSION_ID]\n");
		return 2;
	}
	options.store = argv[1];
	options.session_id = argc > 2 ? argv[2] : NULL;
	code = lds_open(&session, &options, error, sizeof(error));
	printf("%s\t\t%s\n", lds_code_name(code), code < 0 ? error : lds_session_id(session));
	fflush(stdout);
	while (code >= 0 && fgets(line, LINE_BYTES, stdin)) {
		line[strcspn(line, "\n")] = '\0';
		obey(session, line);
		fflush(stdout);
	}
	if (code >= 0)
		lds_close(session);
	free(line);
	return code < 0;
}
