/* leaderctl dump */

#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "connect.h"
#include "folder.h"
#include "output.h"
#include "report.h"
#include "store/store.h"

static int write_line(const char *text, size_t n, void *data) {
	(void)data;
	return fwrite(text, 1, n, stdout) == n ? 0 : ERROR_IO;
}

/* One object with the whole dump: what is compared byte for byte stays so. */
static int add_line(const char *text, size_t n, void *data) {
	return bytes_add(data, text, n);
}

static int dump_text(const char *folder, bool synced_only, struct error *error) {
	return store_dump(folder, synced_only, write_line, NULL, error);
}

static int dump_json(const struct call *call, const char *folder, bool synced_only, struct error *error) {
	struct bytes dump = { 0 };
	int r = store_dump(folder, synced_only, add_line, &dump, error);

	if (r == 0)
		output_json(json_pack("{s:s, s:o}", "store", call->words[0], "dump",
		                      json_text(dump.data ? (const char *)dump.data : "", dump.n)));
	bytes_finish(&dump);
	return r;
}

static int run(const struct call *call) {
	bool synced_only = call_has(call, OPTION_SYNCED);
	struct error error = { 0 };
	char *folder;
	int r = folder_find(call, call->words[0], &folder);

	if (r != 0)
		return r;
	r = call->json ? dump_json(call, folder, synced_only, &error) : dump_text(folder, synced_only, &error);
	free(folder);
	if (r < 0 && ferror(stdout))
		return output_finish();
	return r < 0 ? folder_failed(&error, r) : 0;
}

const struct command command_dump = {
	.name = "dump",
	.synopsis = "STORE [--synced] [--data-dir D]",
	.summary = "Print the state canonically",
	.details = "Tables by name, rows by primary key, one line a row, so that two dumps can be compared byte\n"
			   "for byte. --synced leaves out what never leaves the device.",
	.examples = "  diff <(leaderctl dump todos) <(leaderctl --socket /run/other/socket dump todos)",
	.words = { "STORE" },
	.n_required = 1,
	.options = { OPTION_SYNCED, OPTION_DATA_DIR, OPTION_TIMEOUT },
	.timeout_s = 10,
	.run = run,
};
