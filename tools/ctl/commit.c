/* leaderctl commit: one event, or with --jsonl many (commit_file.c). */

#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "commit_file.h"
#include "connect.h"
#include "file.h"
#include "output.h"
#include "parse.h"
#include "report.h"
#include "worker.h"

static int take_stage(const struct call *call, enum lds_stage *ret) {
	const char *text = call->values[OPTION_WAIT];

	*ret = LDS_DURABLE;
	if (!text || strcmp(text, "durable") == 0)
		return 0;
	*ret = strcmp(text, "applied") == 0 ? LDS_APPLIED : LDS_CONFIRMED;
	if (*ret == LDS_APPLIED || strcmp(text, "confirmed") == 0)
		return 0;
	return usage_error(call, "--wait must be applied, durable or confirmed, not \"%s\"", text);
}

/* "name" or "name@2"; the caller frees input->name. */
static int take_event(const struct call *call, struct lds_event_input *ret) {
	const char *text = call->words[1], *at = strrchr(text, '@');
	char *end;
	unsigned long version = 0;

	if (at) {
		version = strtoul(at + 1, &end, 10);
		if (at == text || at[1] < '0' || at[1] > '9' || *end != '\0' || version < 1 || version > UINT32_MAX)
			return usage_error(call, "EVENT must be NAME or NAME@VERSION, not \"%s\"", text);
	}
	ret->name = must_have(strndup(text, at ? (size_t)(at - text) : strlen(text)));
	ret->version = (uint32_t)version;
	return 0;
}

/* ---- waiting ---------------------------------------------------------------------- */

/* Applied is enough once the leader's socket holds it: it survives our end. */
static int hand_over(const struct call *call, struct lds_session *session) {
	uint64_t until_us = call->timeout_ms < 0 ? UINT64_MAX : clock_us() + (uint64_t)call->timeout_ms * 1000;

	for (;;) {
		struct lds_status status = { .size = sizeof(status) };
		int turn = lds_process(session), r = lds_get_status(session, &status);

		if (turn < 0 || r < 0)
			return turn < 0 ? turn : r;
		if (status.queued_bytes == 0)
			return 0;
		if (clock_us() >= until_us)
			return LDS_TIMEOUT;
		if (turn == 0)
			wait_for_turn(session, until_us);
	}
}

static int position_of(const struct call *call, const struct lds_id *id, struct lds_position *ret) {
	struct lda_connection *connection;
	enum lda_fate fate;
	int r = connect_admin(call, &connection);

	if (r != 0)
		return r;
	r = lda_lookup(connection, call->words[0], id, &fate, ret);
	if (r < 0)
		r = admin_failed(connection, r);
	lda_close(connection);
	return r;
}

/* The event is applied here; whatever fails now says so. */
static int wait_for_stage(const struct call *call, struct lds_session *session, const struct lds_id *id,
                          enum lds_stage stage) {
	char text[LDS_ID_TEXT_BYTES];
	int r = stage == LDS_APPLIED ? hand_over(call, session) : lds_wait(session, id, stage, call->timeout_ms);

	if (r == 0)
		return 0;
	lds_id_print(text, id);
	if (r == LDS_REFUSED)
		return report(STATUS_CONFLICT, "the leader refused the event %s: %s", text, lds_last_error(session));
	return report(status_of_code(r), "it is not known that the event %s is %s: %s", text, stage_name(stage),
	              r == LDS_TIMEOUT ? "the time ran out, --timeout S waits longer" : lds_last_error(session));
}

/* ---- committing -------------------------------------------------------------------- */

static void print_receipt(const struct call *call, const struct lds_id *id, struct lds_position position,
                          enum lds_stage stage) {
	char text[LDS_ID_TEXT_BYTES], at[LDS_POSITION_TEXT_BYTES];

	lds_id_print(text, id);
	lds_position_print(at, position);
	if (call->json || call_has(call, OPTION_RECEIPTS))
		output_json(json_pack("{s:s, s:s, s:s}", "id", text, "position", at, "stage", stage_name(stage)));
	else
		printf("%s %s %s\n", at, text, stage_name(stage));
}

static int commit(const struct call *call, struct lds_session *session, const struct lds_event_input *input,
                  enum lds_stage stage) {
	struct lds_status status = { .size = sizeof(status) };
	struct lds_position position = { 0, 0 };
	struct lds_id id;
	int r;

	if (lds_get_status(session, &status) == 0 && stage == LDS_CONFIRMED && !status.has_backend)
		return report(STATUS_FAILURE, "store %s has no backend that could confirm; wait for durable instead",
		              call->words[0]);
	r = lds_commit_batch(session, input, 1, &id);
	if (r < 0)
		return session_failed(session, r);
	if (lds_get_status(session, &status) == 0)
		position = status.local_head;
	r = wait_for_stage(call, session, &id, stage);
	if (r == 0 && stage != LDS_APPLIED)
		r = position_of(call, &id, &position);
	if (r == 0)
		print_receipt(call, &id, position, stage);
	return r;
}

static int commit_one(const struct call *call, enum lds_stage stage) {
	bool from_input = strcmp(call->words[2], "-") == 0;
	struct lds_event_input input = { 0 };
	struct lds_session *session;
	char *text = NULL;
	int r = take_event(call, &input);

	if (r == 0 && from_input)
		r = file_read("-", TEXT_INPUT_BYTES_MAX, &text);
	input.args = from_input ? text : call->words[2];
	if (r == 0)
		r = connect_current(call, call->words[0], 0, &session); /* what another commit left is seen */
	if (r == 0) {
		r = commit(call, session, &input, stage);
		lds_close(session);
	}
	free(text);
	free((char *)input.name);
	return r;
}

static int run(const struct call *call) {
	enum lds_stage stage;
	int r = take_stage(call, &stage);

	if (r != 0)
		return r;
	if (call_has(call, OPTION_JSONL)) {
		if (call->n_words > 1)
			return usage_error(call, "with --jsonl the events come from the file, \"%s\" is one word too many",
			                   call->words[1]);
		if (call_has(call, OPTION_SHARD_BY) && !call_has(call, OPTION_SESSIONS))
			return usage_error(call, "--shard-by goes with --sessions");
		return commit_file(call, stage);
	}
	if (call_has(call, OPTION_SESSIONS) || call_has(call, OPTION_SHARD_BY))
		return usage_error(call, "--sessions and --shard-by go with --jsonl");
	if (call->n_words < 3)
		return usage_error(call, "%s is missing", call->command->words[call->n_words]);
	return commit_one(call, stage);
}

const struct command command_commit = {
	.name = "commit",
	.synopsis = "STORE EVENT JSON [--wait STAGE]\n"
				"       leaderctl commit STORE --jsonl FILE|- [--sessions N [--shard-by ARG]] [--wait STAGE]\n"
				"                        [--receipts]",
	.summary = "Commit one event, or those of a file",
	.details = "EVENT is a name of the schema, with @n for an older version of it; JSON an object with its\n"
			   "arguments, \"-\" reads it from standard input. Prints position, id and stage.\n"
			   "\n"
			   "With --jsonl each line is {\"name\":…,\"args\":{…}}. A line that fails is named by file and\n"
			   "number; those before it are committed, and the exit status says failure. If the leader\n"
			   "goes away, an import waits for its return: --timeout says for how long nothing may move.",
	.examples = "  leaderctl commit org.example.todos todoCreated '{\"id\":\"1\",\"title\":\"write\"}'\n"
				"  leaderctl commit files --jsonl history.jsonl.zst --sessions 4 --shard-by path",
	.words = { "STORE", "EVENT", "JSON" },
	.n_required = 1,
	.options = { OPTION_JSONL, OPTION_SESSIONS, OPTION_SHARD_BY, OPTION_WAIT, OPTION_RECEIPTS, OPTION_TIMEOUT },
	.timeout_s = 60,
	.run = run,
};
