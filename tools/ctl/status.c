/* leaderctl status */

#include <inttypes.h>
#include <limits.h>

#include "command.h"
#include "connect.h"
#include "output.h"
#include "report.h"
#include "store_text.h"

static const struct output_column columns[] = {
	{ "STORE", false },   { "HEAD", false },    { "BACKEND", false }, { "EVENTS", true }, { "PENDING", true },
	{ "REFUSED", true },  { "VOID", true },     { "SESSIONS", true }, { "STATE", false },
	{ "SYNC", false },
};
#define N_COLUMNS (sizeof(columns) / sizeof(columns[0]))

struct numbers {
	char events[24], pending[24], refused[24], voids[24], sessions[24];
};

static void add_store(struct output_table *table, const struct lda_store *store) {
	char head[LDS_POSITION_TEXT_BYTES + 1], backend[LDS_POSITION_TEXT_BYTES + 1] = "none", state[600];
	char sync[BACKEND_TEXT_BYTES] = "";
	struct numbers n;

	mark_position(head, store, store->head);
	if (store->has_backend) {
		lds_position_print(backend, store->backend_head);
		backend_text(sync, store);
	}
	snprintf(n.events, sizeof(n.events), "%" PRIu64, store->events);
	snprintf(n.pending, sizeof(n.pending), "%" PRIu64, store->has_backend ? store->pending : 0);
	snprintf(n.refused, sizeof(n.refused), "%" PRIu64, store->refused);
	snprintf(n.voids, sizeof(n.voids), "%" PRIu64, store->voids);
	snprintf(n.sessions, sizeof(n.sessions), "%u", store->sessions);
	if (store->trouble_code != 0)
		snprintf(state, sizeof(state), "%s: %s", lds_code_name(store->trouble_code), store->trouble);
	else
		snprintf(state, sizeof(state), "%s", store->state);
	table_add(table, (const char *[]){ store->name, head, backend, n.events, n.pending, n.refused, n.voids, n.sessions,
	                                   state, sync });
}

/* One store is one object, all of them a list in one. */
static void print_stores(const struct call *call, struct output_table *table, const struct lda_stores *stores) {
	if (call->json) {
		if (call->n_words == 0)
			output_json(json_stores(stores));
		else if (stores->n > 0)
			output_json(json_store(&stores->items[0]));
	} else {
		for (size_t i = 0; i < stores->n; i++)
			add_store(table, &stores->items[i]);
		table_print(table);
	}
	fflush(stdout);
}

/* Until nothing has changed for the time given; for ever without one. */
static int follow(const struct call *call, struct lda_connection *connection, struct output_table *table) {
	const char *name = call->n_words > 0 ? call->words[0] : NULL;
	int timeout_ms = call_has(call, OPTION_TIMEOUT) ? call->timeout_ms : INT_MAX;

	for (;;) {
		struct lda_stores *stores;
		int r = lda_status_next(connection, name, timeout_ms, &stores);

		if (r == LDS_TIMEOUT && call_has(call, OPTION_TIMEOUT))
			return 0;
		if (r == LDS_TIMEOUT)
			continue;
		if (r < 0)
			return admin_failed(connection, r);
		print_stores(call, table, stores);
		lda_stores_free(stores);
	}
}

static int show(const struct call *call, struct lda_connection *connection, struct output_table *table) {
	struct lda_stores *stores;
	int r = lda_status(connection, call->n_words > 0 ? call->words[0] : NULL, &stores);

	if (r < 0)
		return admin_failed(connection, r);
	print_stores(call, table, stores);
	lda_stores_free(stores);
	return call_has(call, OPTION_FOLLOW) ? follow(call, connection, table) : 0;
}

static int run(const struct call *call) {
	struct lda_connection *connection;
	struct output_table *table;
	int r = connect_admin(call, &connection);

	if (r != 0)
		return r;
	table = table_create(columns, N_COLUMNS);
	r = show(call, connection, table);
	table_destroy(table);
	lda_close(connection);
	return r;
}

const struct command command_status = {
	.name = "status",
	.synopsis = "[STORE] [--follow]",
	.summary = "Show heads, counts and trouble of one store or all",
	.details = "SYNC says what goes on between store and backend, when it tries again, and what is wrong.\n"
	           "With --follow a line comes with each change; --timeout then ends it when nothing has\n"
	           "changed for so long.",
	.examples = "  leaderctl status\n"
	            "  leaderctl status org.example.todos --follow --json",
	.words = { "STORE" },
	.options = { OPTION_FOLLOW, OPTION_TIMEOUT },
	.timeout_s = 10,
	.run = run,
};
