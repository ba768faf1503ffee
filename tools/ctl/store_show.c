/* leaderctl store show */

#include "command.h"
#include "connect.h"
#include "output.h"
#include "report.h"
#include "store_text.h"

static int run(const struct call *call) {
	struct lda_stores *stores;
	int r = ask_status(call, call->words[0], &stores);

	if (r != 0)
		return r;
	for (size_t i = 0; i < stores->n; i++) {
		if (call->json)
			output_json(json_store(&stores->items[i]));
		else
			print_store(&stores->items[i]);
	}
	lda_stores_free(stores);
	return 0;
}

const struct command command_store_show = {
	.name = "store show",
	.synopsis = "NAME",
	.summary = "Show what a store is: schema, folder, heads, counts",
	.examples = "  leaderctl store show org.example.todos",
	.words = { "NAME" },
	.n_required = 1,
	.options = { OPTION_TIMEOUT },
	.timeout_s = 10,
	.run = run,
};
