/* leaderctl refused list, retry, drop */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "connect.h"
#include "event_text.h"
#include "output.h"
#include "parse.h"
#include "report.h"

/* ---- list -------------------------------------------------------------------- */

static void print_refused(const struct call *call, const struct lda_refused *refused) {
	char id[LDS_ID_TEXT_BYTES];
	json_t *json;

	if (call->json) {
		json = json_event(&refused->event);
		json_object_set_new(json, "reason", json_text(refused->reason, strlen(refused->reason)));
		json_object_set_new(json, "ordinal", json_integer((json_int_t)refused->ordinal));
		output_json_with_args(json, refused->event.args, refused->event.args_bytes);
		return;
	}
	lds_id_print(id, &refused->event.id);
	printf("%s ", id);
	print_event(&refused->event);
	printf("  ");
	output_text(refused->reason, strlen(refused->reason));
	putchar('\n');
}

static int list(const struct call *call) {
	struct lda_connection *connection;
	struct lda_refusals *refusals;
	int r = connect_admin(call, &connection);

	if (r != 0)
		return r;
	r = lda_refused_list(connection, call->words[0], &refusals);
	if (r < 0) {
		r = admin_failed(connection, r);
	} else {
		for (size_t i = 0; i < refusals->n; i++)
			print_refused(call, &refusals->items[i]);
		lda_refusals_free(refusals);
	}
	lda_close(connection);
	return r;
}

/* ---- retry and drop ------------------------------------------------------------ */

struct selection {
	struct lds_id *ids; /* owned */
	size_t n;
	bool all;
};

static int select_ids(const struct call *call, struct selection *ret) {
	*ret = (struct selection){ .n = (size_t)call->n_words - 1, .all = call_has(call, OPTION_ALL) };
	if (ret->all == (ret->n > 0))
		return usage_error(call, "give the ids of refused events, or --all");
	ret->ids = must_have(calloc(ret->n + 1, sizeof(*ret->ids)));
	for (size_t i = 0; i < ret->n; i++) {
		if (lds_id_parse(&ret->ids[i], call->words[i + 1]) == 0)
			continue;
		free(ret->ids);
		return usage_error(call, "\"%s\" is no event id; 'leaderctl refused list %s' prints them", call->words[i + 1],
		                   call->words[0]);
	}
	return 0;
}

typedef int change_function(struct lda_connection *connection, const char *store, const struct lds_id *ids,
                            size_t n_ids, int all);

static int change(const struct call *call, change_function *perform, const char *done) {
	struct lda_connection *connection;
	struct selection selection;
	int r = select_ids(call, &selection);

	if (r != 0)
		return r;
	r = connect_admin(call, &connection);
	if (r == 0) {
		r = perform(connection, call->words[0], selection.ids, selection.n, selection.all);
		if (r < 0)
			r = admin_failed(connection, r);
		lda_close(connection);
	}
	free(selection.ids);
	if (r != 0)
		return r;
	if (call->json)
		output_json(json_pack("{s:s, s:b}", "store", call->words[0], done, 1));
	else
		printf("%s\n", done);
	return 0;
}

static int retry(const struct call *call) {
	return change(call, lda_refused_retry, "retried");
}

static int drop(const struct call *call) {
	return change(call, lda_refused_drop, "dropped");
}

const struct command command_refused_list = {
	.name = "refused list",
	.synopsis = "STORE",
	.summary = "List the refused events that a store keeps, with their reasons",
	.details = "Two lines for each: id, position, name and arguments; then the reason.",
	.examples = "  leaderctl refused list org.example.todos",
	.words = { "STORE" },
	.n_required = 1,
	.options = { OPTION_TIMEOUT },
	.timeout_s = 10,
	.run = list,
};

const struct command command_refused_retry = {
	.name = "refused retry",
	.synopsis = "STORE ID...|--all",
	.summary = "Commit refused events again",
	.details = "As new events with new ids, whole units, one unit after the other. If one is refused again it\n"
			   "stays, those before it are done, and the exit status is 5.",
	.examples = "  leaderctl refused retry org.example.todos --all",
	.words = { "STORE", "ID" },
	.n_required = 1,
	.repeats = true,
	.options = { OPTION_ALL, OPTION_TIMEOUT },
	.timeout_s = 60,
	.run = retry,
};

const struct command command_refused_drop = {
	.name = "refused drop",
	.synopsis = "STORE ID...|--all",
	.summary = "Delete refused events",
	.details = "Whole units, for good. Their ids stay known, so that no copy of them comes back.",
	.examples = "  leaderctl refused drop org.example.todos 0190163d-8694-739b-aea5-966c26f8ad91",
	.words = { "STORE", "ID" },
	.n_required = 1,
	.repeats = true,
	.options = { OPTION_ALL, OPTION_TIMEOUT },
	.timeout_s = 60,
	.run = drop,
};
