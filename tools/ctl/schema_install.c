/* leaderctl schema install */

#include <stdlib.h>

#include "command.h"
#include "connect.h"
#include "file.h"
#include "output.h"
#include "report.h"

static int install(const struct call *call, const char *schema) {
	struct lda_connection *connection;
	int r = connect_admin(call, &connection);

	if (r != 0)
		return r;
	r = lda_schema_install(connection, call->words[0], schema, file_label(call->words[1]));
	if (r < 0)
		r = admin_failed(connection, r);
	lda_close(connection);
	return r;
}

static int run(const struct call *call) {
	char *schema;
	int r = file_read(call->words[1], SCHEMA_FILE_BYTES_MAX, &schema);

	if (r != 0)
		return r;
	r = install(call, schema);
	free(schema);
	if (r != 0)
		return r;
	if (call->json)
		output_json(json_pack("{s:s, s:b}", "store", call->words[0], "installed", 1));
	else
		printf("%s is in force in store %s\n", file_label(call->words[1]), call->words[0]);
	return 0;
}

const struct command command_schema_install = {
	.name = "schema install",
	.synopsis = "STORE FILE",
	.summary = "Put a newer schema in force",
	.details = "The state is made anew from the log, and open sessions get it. The version in FILE must be\n"
			   "above the one in force; installing what is in force already changes nothing. \"-\" is\n"
			   "standard input.",
	.examples = "  leaderctl schema check todos.sql && leaderctl schema install org.example.todos todos.sql",
	.words = { "STORE", "FILE" },
	.n_required = 2,
	.options = { OPTION_TIMEOUT },
	.timeout_s = 600,
	.run = run,
};
