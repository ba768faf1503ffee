/* leaderctl export */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "connect.h"
#include "folder.h"
#include "log_text.h"
#include "output.h"
#include "report.h"

/* What goes to standard output is written aside first: it cannot be taken back. */
static int open_target(const char *path, FILE **ret) {
	int fd;

	if (strcmp(path, "-") == 0) {
		*ret = tmpfile();
		return *ret ? 0 : report(STATUS_FAILURE, "cannot make a temporary file: %s", strerror(errno));
	}
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return report(errno == EEXIST ? STATUS_CONFLICT : STATUS_FAILURE, "cannot make %s: %s", path, strerror(errno));
	*ret = must_have(fdopen(fd, "w"));
	return 0;
}

static int copy_to_output(FILE *from) {
	char buffer[65536];
	size_t n;

	rewind(from);
	while ((n = fread(buffer, 1, sizeof(buffer), from)) > 0)
		if (fwrite(buffer, 1, n, stdout) != n)
			return output_finish();
	return ferror(from) ? report(STATUS_FAILURE, "cannot read the temporary file: %s", strerror(errno)) : 0;
}

static int finish_target(FILE *to, const char *path, int r) {
	bool is_file = strcmp(path, "-") != 0;

	if (r == 0 && !is_file)
		r = copy_to_output(to);
	else if (r == 0 && fsync(fileno(to)) < 0)
		r = report(STATUS_FAILURE, "cannot sync %s: %s", path, strerror(errno));
	if (fclose(to) != 0 && r == 0)
		r = report(STATUS_FAILURE, "cannot write %s: %s", path, strerror(errno));
	if (r != 0 && is_file)
		unlink(path);
	return r;
}

static int run(const struct call *call) {
	const char *store = call->words[0], *path = call->words[1];
	struct error error = { 0 };
	uint64_t n_events = 0;
	char *folder;
	FILE *to;
	int r = folder_find(call, store, &folder);

	if (r != 0)
		return r;
	r = open_target(path, &to);
	if (r == 0) {
		r = log_text_write(to, store, folder, &n_events, &error);
		if (r < 0)
			r = folder_failed(&error, r);
		r = finish_target(to, path, r);
	}
	free(folder);
	if (r != 0 || strcmp(path, "-") == 0)
		return r;
	if (call->json)
		output_json(json_pack("{s:s, s:s, s:I}", "store", store, "file", path, "events", (json_int_t)n_events));
	else
		printf("%" PRIu64 " events of store %s were written to %s\n", n_events, store, path);
	return 0;
}

const struct command command_export = {
	.name = "export",
	.synopsis = "STORE FILE|- [--data-dir D]",
	.summary = "Write the whole log as JSON lines",
	.details = "A line that says what it is, then one for each event, client-only ones included, with all\n"
	           "its fields and its chain hash, which is recomputed. FILE must not exist; \"-\" is standard\n"
	           "output. A leader may be running meanwhile; with --data-dir none has to. 'leaderctl import'\n"
	           "reads it.",
	.examples = "  leaderctl export org.example.todos todos.jsonl",
	.words = { "STORE", "FILE" },
	.n_required = 2,
	.options = { OPTION_DATA_DIR, OPTION_TIMEOUT },
	.timeout_s = 10,
	.run = run,
};
