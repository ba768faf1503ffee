/* leaderctl offline, online */

#include "command.h"
#include "connect.h"
#include "output.h"
#include "report.h"

static int change(const struct call *call, bool online) {
	struct lda_connection *connection;
	int r = connect_admin(call, &connection);

	if (r != 0)
		return r;
	r = online ? lda_online(connection, call->words[0]) :
	             lda_offline(connection, call->words[0], call_has(call, OPTION_PUSH_ONLY));
	if (r < 0)
		r = admin_failed(connection, r);
	lda_close(connection);
	return r;
}

static int go_offline(const struct call *call) {
	bool push_only = call_has(call, OPTION_PUSH_ONLY);
	int r = change(call, false);

	if (r != 0)
		return r;
	if (call->json)
		output_json(json_pack("{s:s, s:b, s:b}", "store", call->words[0], "offline", 1, "push_only", push_only));
	else
		printf("store %s %s\n", call->words[0], push_only ? "pushes no more, and goes on pulling" : "is offline");
	return 0;
}

static int go_online(const struct call *call) {
	int r = change(call, true);

	if (r != 0)
		return r;
	if (call->json)
		output_json(json_pack("{s:s, s:b}", "store", call->words[0], "offline", 0));
	else
		printf("store %s is online\n", call->words[0]);
	return 0;
}

const struct command command_offline = {
	.name = "offline",
	.synopsis = "STORE [--push-only]",
	.summary = "Keep a store from its backend",
	.details = "It neither pulls nor pushes until 'leaderctl online', over restarts too. With --push-only it\n"
	           "goes on pulling, so what others do is seen and what is done here waits.",
	.examples = "  leaderctl offline org.example.todos",
	.words = { "STORE" },
	.n_required = 1,
	.options = { OPTION_PUSH_ONLY, OPTION_TIMEOUT },
	.timeout_s = 10,
	.run = go_offline,
};

const struct command command_online = {
	.name = "online",
	.synopsis = "STORE",
	.summary = "Let a store reach its backend again",
	.details = "Also ends the hold behind 'leaderctl store backend --repair'.",
	.examples = "  leaderctl online org.example.todos",
	.words = { "STORE" },
	.n_required = 1,
	.options = { OPTION_TIMEOUT },
	.timeout_s = 10,
	.run = go_online,
};
