/* leaderctl store create */

#include <stdlib.h>

#include "command.h"
#include "connect.h"
#include "file.h"
#include "output.h"
#include "parse.h"
#include "report.h"

static int create(const struct call *call, const char *schema) {
	const char *label = file_label(call->values[OPTION_SCHEMA]);
	struct lda_connection *connection;
	int r = connect_admin(call, &connection);

	if (r != 0)
		return r;
	r = lda_store_create(connection, call->words[0], schema, label, call->values[OPTION_BACKEND]);
	if (r < 0)
		r = admin_failed(connection, r);
	lda_close(connection);
	return r;
}

static int run(const struct call *call) {
	char *schema;
	int r;

	if (!call_has(call, OPTION_SCHEMA))
		return usage_error(call, "a store needs a schema: --schema FILE");
	r = file_read(call->values[OPTION_SCHEMA], SCHEMA_FILE_BYTES_MAX, &schema);
	if (r != 0)
		return r;
	r = create(call, schema);
	free(schema);
	if (r != 0)
		return r;
	if (call->json)
		output_json(json_pack("{s:s, s:b}", "store", call->words[0], "created", 1));
	else
		printf("store %s was created\n", call->words[0]);
	return 0;
}

const struct command command_store_create = {
	.name = "store create",
	.synopsis = "NAME --schema FILE [--backend URL]",
	.summary = "Make a store",
	.details = "NAME is made of a-z, 0-9, '.', '_' and '-', at most 64 of them, a letter or digit first;\n"
	           "a reverse domain name is advised. FILE is a schema: tables, and for each event the SQL\n"
	           "that turns it into state. \"-\" reads it from standard input. URL is as for\n"
	           "'leaderctl store backend'.",
	.examples = "  leaderctl store create org.example.todos --schema todos.sql\n"
	            "  leaderctl store create org.example.todos --schema todos.sql --backend file:/mnt/disk/todos.db",
	.words = { "NAME" },
	.n_required = 1,
	.options = { OPTION_SCHEMA, OPTION_BACKEND, OPTION_TIMEOUT },
	.timeout_s = 10,
	.run = run,
};
