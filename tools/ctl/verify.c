/* leaderctl verify */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "command.h"
#include "connect.h"
#include "folder.h"
#include "output.h"
#include "progress.h"
#include "report.h"
#include "store/store.h"

#define MEMORY_BYTES_MAX (256 << 20) /* a larger state is replayed into a temporary file */

/* Where the replay goes; NULL: into memory. */
static const char *scratch_folder(const char *folder) {
	const char *temporary = getenv("TMPDIR");
	struct stat found = { 0 };
	char *path;

	if (asprintf(&path, "%s/state.db", folder) < 0)
		must_have(NULL);
	if (stat(path, &found) != 0)
		found.st_size = 0;
	free(path);
	if (found.st_size < MEMORY_BYTES_MAX)
		return NULL;
	return temporary && *temporary ? temporary : "/var/tmp";
}

static void print_result(const struct call *call, const struct store_verification *found) {
	char head[LDS_POSITION_TEXT_BYTES], state_head[LDS_POSITION_TEXT_BYTES];
	struct lds_position at = { found->head.global, found->head.client };
	struct lds_position state_at = { found->state_head.global, found->state_head.client };

	lds_position_print(head, at);
	lds_position_print(state_head, state_at);
	if (call->json)
		output_json(json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:s, s:s}", "store", call->words[0], "ok", 1, "events",
		                      (json_int_t)found->events, "client_only", (json_int_t)found->client_only, "refused",
		                      (json_int_t)found->refused, "voids", (json_int_t)found->voids, "head", head, "state_head",
		                      state_head));
	else
		printf("store %s is whole: %" PRIu64 " events up to %s (%" PRIu64
		       " client-only), state at %s equal to a replay, "
		       "%" PRIu64 " refused, %" PRIu64 " void\n",
		       call->words[0], found->events, head, found->client_only, state_head, found->refused, found->voids);
}

static int run(const struct call *call) {
	struct store_verification found = { 0 };
	struct progress progress;
	struct error error = { 0 };
	char *folder;
	int r = folder_find(call, call->words[0], &folder);

	if (r != 0)
		return r;
	progress_init(&progress);
	r = store_verify(folder, scratch_folder(folder), progress_on_phase, &progress, &found, &error);
	progress_end(&progress);
	free(folder);
	if (r < 0)
		return folder_failed(&error, r);
	print_result(call, &found);
	return 0;
}

const struct command command_verify = {
	.name = "verify",
	.synopsis = "STORE [--data-dir D]",
	.summary = "Prove that log and state are whole",
	.details = "Every position, hash and unit of the log; and that the state is what a replay of the log\n"
			   "makes. Damage is named by its position, exit status 6. A leader may be running meanwhile.\n"
			   "With --data-dir none has to.",
	.examples = "  leaderctl verify org.example.todos\n"
				"  leaderctl verify org.example.todos --data-dir ~/.local/share/leaderd",
	.words = { "STORE" },
	.n_required = 1,
	.options = { OPTION_DATA_DIR, OPTION_TIMEOUT },
	.timeout_s = 10,
	.run = run,
};
