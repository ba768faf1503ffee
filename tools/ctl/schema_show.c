/* leaderctl schema show */

#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "connect.h"
#include "output.h"
#include "report.h"

static int run(const struct call *call) {
	struct lda_connection *connection;
	char *schema;
	int r = connect_admin(call, &connection);

	if (r != 0)
		return r;
	r = lda_schema_show(connection, call->words[0], &schema);
	if (r < 0) {
		r = admin_failed(connection, r);
	} else {
		if (call->json)
			output_json(json_pack("{s:s, s:o}", "store", call->words[0], "schema", json_text(schema, strlen(schema))));
		else
			fputs(schema, stdout);
		free(schema);
	}
	lda_close(connection);
	return r;
}

const struct command command_schema_show = {
	.name = "schema show",
	.synopsis = "STORE",
	.summary = "Print the schema in force",
	.details = "Byte for byte as it was installed.",
	.examples = "  leaderctl schema show org.example.todos > todos.sql",
	.words = { "STORE" },
	.n_required = 1,
	.options = { OPTION_TIMEOUT },
	.timeout_s = 10,
	.run = run,
};
