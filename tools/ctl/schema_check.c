/* leaderctl schema check */

#include <stdlib.h>

#include <leaderd/admin.h>

#include "command.h"
#include "file.h"
#include "output.h"
#include "report.h"
#include "schema_order.h"

static int check(const struct call *call, const char *schema) {
	const char *label = file_label(call->words[0]);
	char error[512] = "";
	int r = lda_schema_check(schema, label, error, sizeof(error));

	if (r < 0)
		return report_code(r, error);
	return call_has(call, OPTION_ORDER) ? schema_order_check(schema, label) : 0;
}

static int run(const struct call *call) {
	char *schema;
	int r = file_read(call->words[0], SCHEMA_FILE_BYTES_MAX, &schema);

	if (r != 0)
		return r;
	r = check(call, schema);
	free(schema);
	if (r != 0)
		return r;
	if (call->json)
		output_json(json_pack("{s:s, s:b}", "file", call->words[0], "ok", 1));
	else
		printf("%s: no rule is broken%s\n", file_label(call->words[0]),
		       call_has(call, OPTION_ORDER) ? ", and no result depends on the order of rows" : "");
	return 0;
}

const struct command command_schema_check = {
	.name = "schema check",
	.synopsis = "[--order] FILE",
	.summary = "Check a schema, without any leader",
	.details = "A violation names file, line and reason. With --order, generated events of all kinds are\n"
			   "applied twice, the second time with SQLite returning rows that have no order backwards; an\n"
			   "event whose effect then differs is named. \"-\" is standard input.",
	.examples = "  leaderctl schema check --order todos.sql",
	.words = { "FILE" },
	.n_required = 1,
	.options = { OPTION_ORDER },
	.run = run,
};
