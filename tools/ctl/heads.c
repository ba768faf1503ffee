/* leaderctl heads */

#include <inttypes.h>
#include <string.h>

#include "command.h"
#include "connect.h"
#include "event_text.h"
#include "output.h"
#include "parse.h"
#include "report.h"
#include "store_text.h"

#define CHAIN_EVENTS 8
#define CHAIN_EVENTS_MAX 256

/* Every node of a store: the leader's chain, the sessions, the backend. */
struct heads {
	struct lda_stores *stores;
	struct lda_sessions *sessions;
	struct lda_events *chain;
	const struct lda_store *store;
};

static void heads_finish(struct heads *heads) {
	lda_stores_free(heads->stores);
	lda_sessions_free(heads->sessions);
	lda_events_free(heads->chain);
}

static int heads_ask(struct heads *ret, const struct call *call, struct lda_connection *connection, uint32_t n) {
	int r = lda_status(connection, call->words[0], &ret->stores);

	if (r == 0)
		r = lda_sessions_list(connection, call->words[0], &ret->sessions);
	if (r == 0)
		r = lda_chain(connection, call->words[0], n, &ret->chain);
	if (r < 0)
		return admin_failed(connection, r);
	if (ret->stores->n == 0)
		return report(STATUS_NOT_FOUND, "there is no store %s", call->words[0]);
	ret->store = &ret->stores->items[0];
	return 0;
}

static void notation_of(char ret[NOTATION_BYTES], const struct lds_event *event) {
	lds_event_notation(ret, NOTATION_BYTES, event, NULL, 0);
}

static void print_json(const struct heads *heads) {
	const struct lda_store *store = heads->store;
	json_t *chain = must_have(json_array()), *sessions = must_have(json_array());
	char text[NOTATION_BYTES];

	for (size_t i = 0; i < heads->chain->n; i++) {
		notation_of(text, &heads->chain->items[i]);
		json_array_append_new(chain, json_string(text));
	}
	for (size_t i = 0; i < heads->sessions->n; i++) {
		const struct lda_session_status *session = &heads->sessions->items[i];

		mark_position(text, store, session->acknowledged);
		json_array_append_new(sessions, must_have(json_pack("{s:s, s:s, s:I, s:I}", "session", session->session_id,
		                                                    "acknowledged", text, "pending",
		                                                    (json_int_t)session->pending, "suspended",
		                                                    (json_int_t)session->suspended)));
	}
	mark_position(text, store, store->head);
	output_json(json_pack("{s:s, s:{s:s, s:I, s:o}, s:o, s:o}", "store", store->name, "leader", "head", text,
	                      "generation", (json_int_t)store->generation, "chain", chain, "sessions", sessions, "backend",
	                      json_backend(store)));
}

static int width_of_names(const struct heads *heads) {
	size_t width = strlen("backend");

	for (size_t i = 0; i < heads->sessions->n; i++)
		if (strlen(heads->sessions->items[i].session_id) > width)
			width = strlen(heads->sessions->items[i].session_id);
	return (int)width;
}

static void print_chain(const struct heads *heads) {
	char text[NOTATION_BYTES];

	if (heads->chain->n == 0)
		fputs("e0", stdout);
	else if (heads->chain->n < heads->store->events)
		fputs("… → ", stdout);
	for (size_t i = 0; i < heads->chain->n; i++) {
		notation_of(text, &heads->chain->items[i]);
		printf("%s%s", i > 0 ? " → " : "", text);
	}
	putchar('\n');
}

static void print_backend(const struct lda_store *store, int width) {
	char position[LDS_POSITION_TEXT_BYTES], text[BACKEND_TEXT_BYTES];

	lds_position_print(position, store->backend_head);
	backend_text(text, store);
	printf("%-*s  %s", width, "backend", store->has_backend ? position : "");
	if (store->has_backend && store->pending > 0)
		printf("  %" PRIu64 " behind", store->pending);
	fputs(store->has_backend ? "  " : "", stdout);
	output_text(text, strlen(text));
	putchar('\n');
}

static void print_text(const struct heads *heads) {
	int width = width_of_names(heads);
	char text[NOTATION_BYTES];

	printf("%-*s  ", width, "leader");
	print_chain(heads);
	for (size_t i = 0; i < heads->sessions->n; i++) {
		const struct lda_session_status *session = &heads->sessions->items[i];

		mark_position(text, heads->store, session->acknowledged);
		printf("%-*s  %s", width, session->session_id, text);
		if (session->pending > 0)
			printf("  %u pending", session->pending);
		if (session->suspended > 0)
			printf("  %u suspended", session->suspended);
		putchar('\n');
	}
	print_backend(heads->store, width);
}

static int run(const struct call *call) {
	struct lda_connection *connection;
	struct heads heads = { 0 };
	uint64_t n;
	int r = call_number(call, OPTION_NUMBER, 1, CHAIN_EVENTS_MAX, CHAIN_EVENTS, &n);

	if (r == 0)
		r = connect_admin(call, &connection);
	if (r != 0)
		return r;
	r = heads_ask(&heads, call, connection, (uint32_t)n);
	if (r == 0 && call->json)
		print_json(&heads);
	else if (r == 0)
		print_text(&heads);
	heads_finish(&heads);
	lda_close(connection);
	return r;
}

const struct command command_heads = {
	.name = "heads",
	.synopsis = "STORE [-n N]",
	.summary = "Print every node of a store and its chain",
	.details = "The newest N events (8 unless -n says otherwise) of the leader's log; for each session the\n"
	           "newest event that it said it has taken in; and the backend's head. The mark ' stands at\n"
	           "what no backend has confirmed, positions behind a slash are those an event held before.",
	.examples = "  leaderctl heads org.example.todos",
	.words = { "STORE" },
	.n_required = 1,
	.options = { OPTION_NUMBER, OPTION_TIMEOUT },
	.timeout_s = 10,
	.run = run,
};
