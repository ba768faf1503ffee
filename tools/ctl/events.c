/* leaderctl events */

#include <string.h>

#include "command.h"
#include "connect.h"
#include "event_text.h"
#include "output.h"
#include "parse.h"
#include "report.h"

static int take_position(const struct call *call, enum option_id option, struct lds_position *ret) {
	if (!call_has(call, option) || lds_position_parse(ret, call->values[option]) == 0)
		return 0;
	return usage_error(call, "--%s must be a position such as e5 or e5.1, not \"%s\"", option_words[option].name,
	                   call->values[option]);
}

static void print_one(const struct call *call, const struct lds_event *event) {
	if (call->json)
		print_event_json(event);
	else
		print_event(event);
}

/* What was printed behind the position is off; what stands there now follows. */
static void print_rebase(const struct call *call, const struct lds_event *event) {
	char position[LDS_POSITION_TEXT_BYTES];

	lds_position_print(position, event->position);
	if (call->json)
		output_json(json_pack("{s:s}", "rebased", position));
	else
		printf("-- rebased behind %s\n", position);
}

/* What was printed so far is flushed before anything is waited for. */
static int next(const struct call *call, struct lds_events *events, const struct lds_event **ret) {
	int r = lds_events_next(events, 0, ret);

	if (r != LDS_TIMEOUT)
		return r;
	if (output_finish() != 0)
		return LDS_IO;
	return lds_events_next(
		events, call_has(call, OPTION_FOLLOW) && !call_has(call, OPTION_TIMEOUT) ? -1 : call->timeout_ms, ret);
}

static int print_events(const struct call *call, struct lds_session *session, struct lds_events *events) {
	const struct lds_event *event;

	for (;;) {
		int r = next(call, events, &event);

		if (r == LDS_EVENT)
			print_one(call, event);
		else if (r == LDS_REBASED)
			print_rebase(call, event);
		else if (r == 0)
			return 0;
		/* Nothing new for the time that was given: that is how a follower ends. */
		else if (r == LDS_TIMEOUT && call_has(call, OPTION_FOLLOW))
			return 0;
		else if (ferror(stdout))
			return STATUS_FAILURE;
		else
			return session_failed(session, r);
	}
}

static int take_options(const struct call *call, struct lds_events_options *ret, struct lds_position *until) {
	int r;

	*ret = (struct lds_events_options){ .size = sizeof(*ret),
		                                .name = call->values[OPTION_NAME],
		                                .client_id = call->values[OPTION_CLIENT] };
	ret->flags = (call_has(call, OPTION_FOLLOW) ? LDS_EVENTS_FOLLOW : 0) |
	             (call_has(call, OPTION_REVERSE) ? LDS_EVENTS_REVERSE : 0) |
	             (call_has(call, OPTION_CLIENT_ONLY) ? LDS_EVENTS_CLIENT_ONLY : 0);
	if (call_has(call, OPTION_FOLLOW) && call_has(call, OPTION_REVERSE))
		return usage_error(call, "--follow and --reverse do not go together");
	r = take_position(call, OPTION_SINCE, &ret->since);
	if (r == 0)
		r = take_position(call, OPTION_UNTIL, until);
	if (r == 0 && call_has(call, OPTION_UNTIL))
		ret->until = until;
	return r == 0 ? call_number(call, OPTION_NUMBER, 1, INT64_MAX, 0, &ret->limit) : r;
}

static int run(const struct call *call) {
	struct lds_events_options options;
	struct lds_position until = { 0, 0 };
	struct lds_session *session;
	struct lds_events *events;
	int r = take_options(call, &options, &until);

	if (r == 0)
		r = connect_session(call, call->words[0], LDS_READ_ONLY, &session);
	if (r != 0)
		return r;
	r = lds_events_open(session, &options, &events);
	if (r < 0) {
		r = session_failed(session, r);
	} else {
		r = print_events(call, session, events);
		lds_events_close(events);
	}
	lds_close(session);
	return r;
}

const struct command command_events = {
	.name = "events",
	.synopsis = "STORE [--since P] [--until P] [-n N] [--reverse] [-f] [--name NAME] [--client ID]\n"
				"                        [--include-client-only]",
	.summary = "Print the events of the leader's log, or follow it",
	.details = "One event a line: its position with the mark ' as long as no backend has confirmed it and\n"
			   "the positions that it held before, its name, its arguments. Oldest first, so -n N prints\n"
			   "the first N behind --since; with --reverse the newest N. A follower that is told of a\n"
			   "rebase prints a line that says so, then what stands there now. With --follow, --timeout\n"
			   "ends it when nothing came for so long.",
	.examples = "  leaderctl events org.example.todos --reverse -n 10\n"
				"  leaderctl events org.example.todos --since e100 --follow --json",
	.words = { "STORE" },
	.n_required = 1,
	.options = { OPTION_SINCE, OPTION_UNTIL, OPTION_NUMBER, OPTION_REVERSE, OPTION_FOLLOW, OPTION_NAME, OPTION_CLIENT,
	             OPTION_CLIENT_ONLY, OPTION_TIMEOUT },
	.timeout_s = 10,
	.run = run,
};
