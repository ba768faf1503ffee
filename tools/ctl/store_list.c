/* leaderctl store list */

#include <inttypes.h>

#include "command.h"
#include "connect.h"
#include "output.h"
#include "report.h"
#include "store_text.h"

static void print_table(const struct lda_stores *stores) {
	static const struct output_column columns[] = {
		{ "STORE", false }, { "SCHEMA", false }, { "EVENTS", true }, { "PATH", false }
	};
	struct output_table *table = table_create(columns, 4);

	for (size_t i = 0; i < stores->n; i++) {
		const struct lda_store *store = &stores->items[i];
		char schema[160], events[24];

		snprintf(schema, sizeof(schema), "%s %u", store->schema_name, store->schema_version);
		snprintf(events, sizeof(events), "%" PRIu64, store->events);
		table_add(table, (const char *[]){ store->name, schema, events, store->path });
	}
	table_print(table);
	table_destroy(table);
}

static int run(const struct call *call) {
	struct lda_connection *connection;
	struct lda_stores *stores;
	int r = connect_admin(call, &connection);

	if (r != 0)
		return r;
	r = lda_store_list(connection, &stores);
	if (r < 0) {
		r = admin_failed(connection, r);
	} else {
		if (call->json)
			output_json(json_stores(stores));
		else
			print_table(stores);
		lda_stores_free(stores);
	}
	lda_close(connection);
	return r;
}

const struct command command_store_list = {
	.name = "store list",
	.synopsis = "",
	.summary = "List the leader's stores",
	.examples = "  leaderctl store list\n"
				"  leaderctl store list --json | jq -r '.stores[].name'",
	.options = { OPTION_TIMEOUT },
	.timeout_s = 10,
	.run = run,
};
