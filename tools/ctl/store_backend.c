/* leaderctl store backend */

#include <string.h>

#include "command.h"
#include "connect.h"
#include "output.h"
#include "parse.h"
#include "report.h"

static const char *done_word(const struct call *call, const char *url) {
	if (call_has(call, OPTION_REPAIR))
		return "repaired";
	if (call_has(call, OPTION_ADOPT))
		return "adopted";
	return url ? "attached" : "detached";
}

static int perform(const struct call *call, struct lda_connection *connection, const char *url) {
	int timeout_ms = call->timeout_ms < 0 ? 0 : call->timeout_ms;
	int r;

	if (call_has(call, OPTION_REPAIR))
		r = lda_backend_repair(connection, call->words[0], url, timeout_ms);
	else if (call_has(call, OPTION_ADOPT))
		r = lda_backend_adopt(connection, call->words[0], url, timeout_ms);
	else
		r = lda_backend_set(connection, call->words[0], url);
	return r < 0 ? admin_failed(connection, r) : 0;
}

static void print_done(const struct call *call, const char *url) {
	const char *store = call->words[0], *done = done_word(call, url);

	if (call->json)
		output_json(json_pack("{s:s, s:b, s:s?}", "store", store, done, 1, "backend", url));
	else if (call_has(call, OPTION_REPAIR))
		printf("the backend of store %s holds all confirmed events again; 'leaderctl online %s' ends the hold\n", store,
		       store);
	else if (call_has(call, OPTION_ADOPT))
		printf("store %s has taken its backend's history; the old log stands in its folder\n", store);
	else
		printf("store %s is %s%s%s\n", store, url ? "attached to " : "without a backend", url ? url : "",
		       url ? "; 'leaderctl status' says whether it is reached" : "");
}

static int take_url(const struct call *call, const char **ret) {
	bool has_errand = call_has(call, OPTION_REPAIR) || call_has(call, OPTION_ADOPT);

	if (call_has(call, OPTION_REPAIR) && call_has(call, OPTION_ADOPT))
		return usage_error(call, "--repair and --adopt do not go together");
	if (call->n_words < 2 && !has_errand)
		return usage_error(call, "give the URL of a backend, or \"none\"");
	*ret = call->n_words < 2 || strcmp(call->words[1], "none") == 0 ? NULL : call->words[1];
	if (call->n_words == 2 && !*ret && has_errand)
		return usage_error(call, "--%s needs a backend", call_has(call, OPTION_REPAIR) ? "repair" : "adopt");
	return 0;
}

static int run(const struct call *call) {
	struct lda_connection *connection;
	const char *url = NULL;
	int r = take_url(call, &url);

	if (r == 0)
		r = connect_admin(call, &connection);
	if (r != 0)
		return r;
	r = perform(call, connection, url);
	lda_close(connection);
	if (r == 0)
		print_done(call, url);
	return r;
}

const struct command command_store_backend = {
	.name = "store backend",
	.synopsis = "NAME URL|none [--repair|--adopt]",
	.summary = "Attach a store to a backend, or to none; end a hold",
	.details = "URL is file:/PATH, postgres://USER@HOST/DATABASE or nats://HOST:PORT; its parameter store=\n"
	           "names the log there if that is not the store's name. A backend that forgot or forked puts\n"
	           "the store on hold. --repair writes to it the confirmed events that it lacks, if it has no\n"
	           "other ones; the store stays on hold until 'leaderctl online'. --adopt takes its history\n"
	           "instead of ours: the old log is exported into the store's folder, and every event that the\n"
	           "new history lacks becomes pending again. Both work on the present backend without URL.",
	.examples = "  leaderctl store backend org.example.todos postgres://me@db.example.org/todos\n"
	            "  leaderctl store backend org.example.todos --repair",
	.words = { "NAME", "URL" },
	.n_required = 1,
	.options = { OPTION_REPAIR, OPTION_ADOPT, OPTION_TIMEOUT },
	.timeout_s = 0,
	.run = run,
};
