/* leaderctl rebuild */

#include <stdlib.h>

#include "command.h"
#include "connect.h"
#include "folder.h"
#include "output.h"
#include "parse.h"
#include "progress.h"
#include "report.h"
#include "store/store.h"

static int rebuild_to(const struct call *call) {
	struct progress progress;
	struct error error = { 0 };
	char *folder;
	int r = folder_find(call, call->words[0], &folder);

	if (r != 0)
		return r;
	progress_init(&progress);
	r = store_rebuild_to(folder, call->values[OPTION_TO], progress_on_phase, &progress, &error);
	progress_end(&progress);
	free(folder);
	return r < 0 ? folder_failed(&error, r) : 0;
}

static int rebuild(const struct call *call) {
	struct lda_connection *connection;
	int r = connect_admin(call, &connection);

	if (r != 0)
		return r;
	r = lda_rebuild(connection, call->words[0], call_has(call, OPTION_ACCEPT_LOSS));
	/* The one thing a rebuild is held for is a log that lost events. */
	if (r == LDS_HOLD || (r == LDS_CORRUPT && !call_has(call, OPTION_ACCEPT_LOSS)))
		r = report(STATUS_CORRUPT, "%s; --accept-loss goes on without what is missing", lda_last_error(connection));
	else if (r < 0)
		r = admin_failed(connection, r);
	lda_close(connection);
	return r;
}

static int run(const struct call *call) {
	const char *file = call->values[OPTION_TO];
	int r;

	if (file && call_has(call, OPTION_ACCEPT_LOSS))
		return usage_error(call, "--to and --accept-loss do not go together");
	if (!file && call_has(call, OPTION_DATA_DIR))
		return usage_error(call, "--data-dir goes with --to; a state in use is the leader's to rebuild");
	r = file ? rebuild_to(call) : rebuild(call);
	if (r != 0)
		return r;
	if (call->json)
		output_json(json_pack("{s:s, s:b, s:s?}", "store", call->words[0], "rebuilt", 1, "file", file));
	else if (file)
		printf("the log of store %s was replayed into %s\n", call->words[0], file);
	else
		printf("the state of store %s was made anew\n", call->words[0]);
	return 0;
}

const struct command command_rebuild = {
	.name = "rebuild",
	.synopsis = "STORE [--to FILE [--data-dir D] | --accept-loss]",
	.summary = "Make the state anew from the log",
	.details = "With --to the log is replayed into another file, which must not exist, and nothing else is\n"
			   "touched. A state that knows of events which the log lost keeps the store on hold, exit\n"
			   "status 6; --accept-loss goes on with what the log has.",
	.examples = "  leaderctl rebuild org.example.todos\n"
				"  leaderctl rebuild org.example.todos --to /tmp/todos.db",
	.words = { "STORE" },
	.n_required = 1,
	.options = { OPTION_TO, OPTION_ACCEPT_LOSS, OPTION_DATA_DIR, OPTION_TIMEOUT },
	.timeout_s = 3600,
	.run = run,
};
