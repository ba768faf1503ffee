/*
 * An app for tests that kill: one session, told what to do on standard input,
 * one line a command, answering each with one line "CODE\tID\tTEXT".
 *
 *   commit NAME ARGS          lds_commit
 *   batch N NAME ARGS         N times the same event as one unit
 *   unit NAME ARGS<tab>...    these events as one unit
 *   unit NAME ARGS<tab>...    these events as one unit
 *   commit-and-die NAME ARGS  lds_commit; if it returned 0 the process kills itself at once
 *   wait MS [confirmed]       lds_wait for everything to be durable, or confirmed
 *   query SQL                 what has come is taken in; TEXT is the first row's first value
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

struct refusals {
	unsigned n;
	char reason[200];
};

static void on_refused(struct lds_session *session, const struct lds_event *event, const char *reason, void *data) {
	struct refusals *refusals = data;

	refusals->n++;
	snprintf(refusals->reason, sizeof(refusals->reason), "%s", reason);
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

static void commit_unit(struct lds_session *session, char *rest) {
	static struct lds_event_input events[BATCH_EVENTS_MAX];
	struct lds_id id[BATCH_EVENTS_MAX];
	size_t n = 0;
	char *part;

	while (n < BATCH_EVENTS_MAX && (part = strsep(&rest, "\t")) != NULL) {
		const char *name = take_word(&part);

		events[n++] = (struct lds_event_input){ .name = name, .args = part };
	}
	answer(session, lds_commit_batch(session, events, n, id), &id[0]);
}

static void query(struct lds_session *session, const char *sql) {
	struct lds_value value = { 0 };
	struct lds_rows *rows;
	int code;

	while ((code = lds_process(session)) == LDS_MORE)
		continue;
	if (code >= 0)
		code = lds_query(session, sql, NULL, 0, &rows);
	if (code < 0) {
		answer(session, code, NULL);
		return;
	}
	if (lds_rows_next(rows) == LDS_ROW)
		lds_rows_value(rows, 0, &value);
	if (value.type == LDS_INTEGER)
		printf("ok\t\t%lld\n", (long long)value.integer);
	else
		printf("ok\t\t%s\n", value.type == LDS_TEXT ? value.text : "");
	lds_rows_close(rows);
}

static void wait_for(struct lds_session *session, char *rest) {
	const char *time = take_word(&rest), *stage = take_word(&rest);

	answer(session, lds_wait(session, NULL, stage && strcmp(stage, "confirmed") == 0 ? LDS_CONFIRMED : LDS_DURABLE,
	                         time ? atoi(time) : 0), NULL);
}

static void tell_status(struct lds_session *session) {
	static const char *const connections[] = { "disconnected", "connecting", "connected" };
	struct lds_status status = { .size = sizeof(status) };
	int code = lds_get_status(session, &status);

	printf("%s\t\t%s %llu %llu %s\n", lds_code_name(code), connections[status.connection],
	       (unsigned long long)status.pending, (unsigned long long)status.queued_bytes,
	       status.trouble ? status.trouble : "");
}

static void obey(struct lds_session *session, const struct refusals *refusals, char *line) {
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
		wait_for(session, rest);
	else if (strcmp(command, "unit") == 0)
		commit_unit(session, rest);
	else if (strcmp(command, "query") == 0)
		query(session, rest);
	else if (strcmp(command, "refused") == 0)
		printf("ok\t\t%u %s\n", refusals->n, refusals->reason);
	else if (strcmp(command, "status") == 0)
		tell_status(session);
	else
		printf("invalid\t\tno such command: %s\n", command);
}

int main(int argc, char **argv) {
	struct lds_options options = { .size = sizeof(options) };
	struct refusals refusals = { 0 };
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
	if (code >= 0)
		lds_on_refused(session, on_refused, &refusals);
	while (code >= 0 && fgets(line, LINE_BYTES, stdin)) {
		line[strcspn(line, "\n")] = '\0';
		obey(session, &refusals, line);
		fflush(stdout);
	}
	if (code >= 0)
		lds_close(session);
	free(line);
	return code < 0;
}
