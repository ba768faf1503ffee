/* leaderctl store remove */

#include <inttypes.h>
#include <stdbool.h>
#include <unistd.h>

#include "command.h"
#include "connect.h"
#include "output.h"
#include "report.h"

/* Only somebody at a terminal can be asked, and answers there. */
static bool may_remove(const struct call *call, const struct lda_store *store) {
	char answer[16] = "";

	if (call_has(call, OPTION_FORCE) || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return true;
	fprintf(stderr, "Remove the store %s with its %" PRIu64 " events? [y/N] ", store->name, store->events);
	if (!fgets(answer, sizeof(answer), stdin))
		return false;
	return answer[0] == 'y' || answer[0] == 'Y';
}

static int remove_store(const struct call *call, struct lda_connection *connection) {
	int r = lda_store_remove(connection, call->words[0], call_has(call, OPTION_FORCE));

	if (r == LDS_CONFLICT)
		return report(status_of_code(r), "%s; --force removes it nevertheless", lda_last_error(connection));
	return r < 0 ? admin_failed(connection, r) : 0;
}

static int ask_and_remove(const struct call *call, struct lda_connection *connection) {
	struct lda_stores *stores;
	bool may = true;
	int r = lda_status(connection, call->words[0], &stores);

	if (r < 0)
		return admin_failed(connection, r);
	if (stores->n > 0)
		may = may_remove(call, &stores->items[0]);
	lda_stores_free(stores);
	if (!may)
		return report(STATUS_FAILURE, "the store %s was not removed", call->words[0]);
	r = remove_store(call, connection);
	if (r != 0)
		return r;
	if (call->json)
		output_json(json_pack("{s:s, s:b}", "store", call->words[0], "removed", 1));
	else
		printf("store %s was removed\n", call->words[0]);
	return 0;
}

static int run(const struct call *call) {
	struct lda_connection *connection;
	int r = connect_admin(call, &connection);

	if (r != 0)
		return r;
	r = ask_and_remove(call, connection);
	lda_close(connection);
	return r;
}

const struct command command_store_remove = {
	.name = "store remove",
	.synopsis = "NAME [--force]",
	.summary = "Remove a store with all its events",
	.details = "Refused while sessions are open or events are unsynced: no backend has confirmed them,\n"
			   "so they exist nowhere else. On a terminal it asks first. --force does neither.",
	.examples = "  leaderctl store remove org.example.todos --force",
	.words = { "NAME" },
	.n_required = 1,
	.options = { OPTION_FORCE, OPTION_TIMEOUT },
	.timeout_s = 10,
	.run = run,
};
