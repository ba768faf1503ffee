/* leaderctl sync */

#include "command.h"
#include "connect.h"
#include "output.h"
#include "report.h"
#include "store_text.h"

/* NOT_RUNNING is told of a leader that went away, too; then there is no status either. */
static int sync_failed(const struct call *call, struct lda_connection *connection, int code) {
	struct lda_stores *stores;
	const char *why = "does not reach its backend";

	if (code != LDS_NOT_RUNNING)
		return admin_failed(connection, code);
	code = lda_status(connection, call->words[0], &stores);
	if (code < 0)
		return admin_failed(connection, code);
	if (stores->n > 0 && stores->items[0].offline)
		why = "is offline; 'leaderctl online' ends that";
	else if (stores->n > 0 && stores->items[0].push_only)
		why = "does not push; 'leaderctl online' ends that";
	lda_stores_free(stores);
	return report(STATUS_FAILURE, "store %s %s", call->words[0], why);
}

static int print_done(const struct call *call, struct lda_connection *connection) {
	char head[LDS_POSITION_TEXT_BYTES + 1];
	struct lda_stores *stores;
	int r = lda_status(connection, call->words[0], &stores);

	if (r < 0)
		return admin_failed(connection, r);
	if (stores->n > 0) {
		mark_position(head, &stores->items[0], stores->items[0].head);
		if (call->json)
			output_json(json_pack("{s:s, s:b, s:s, s:I}", "store", call->words[0], "synced", 1, "head", head,
			                      "refused", (json_int_t)stores->items[0].refused));
		else
			printf("store %s is in sync at %s\n", call->words[0], head);
	}
	lda_stores_free(stores);
	return 0;
}

static int run(const struct call *call) {
	struct lda_connection *connection;
	int r = connect_admin(call, &connection);

	if (r != 0)
		return r;
	r = lda_sync(connection, call->words[0], call->timeout_ms < 0 ? INT32_MAX : call->timeout_ms);
	r = r < 0 ? sync_failed(call, connection, r) : print_done(call, connection);
	lda_close(connection);
	return r;
}

const struct command command_sync = {
	.name = "sync",
	.synopsis = "STORE [--timeout S]",
	.summary = "Pull and push now, and wait until nothing is left to do",
	.details = "Ends a back-off early. Done when nothing is pending and the backend has nothing new.",
	.examples = "  leaderctl sync org.example.todos --timeout 60",
	.words = { "STORE" },
	.n_required = 1,
	.options = { OPTION_TIMEOUT },
	.timeout_s = 30,
	.run = run,
};
