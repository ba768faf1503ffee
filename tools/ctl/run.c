/*
 * leaderctl run: a private leader in a temporary folder for as long as a
 * command runs.
 *
 * The leader has a process group of its own, so that Ctrl-C at a terminal
 * reaches the command and not the leader that it is using. Signals wait in a
 * signalfd: whatever ends the command, the folder is removed afterwards.
 */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "connect.h"
#include "file.h"
#include "parse.h"
#include "report.h"

#define READY_MS 30000 /* a leader that is not ready by then never will be */
#define STOP_MS 15000  /* it drains for five seconds at most */
#define LOG_LINE_BYTES 400
#define SOCKET_BYTES sizeof(((struct sockaddr_un *)NULL)->sun_path)
#define FOLDER_BYTES (SOCKET_BYTES - sizeof("/leaderd.conf") + 1)

struct private_leader {
	char folder[FOLDER_BYTES];
	char socket[SOCKET_BYTES];
	char log[SOCKET_BYTES];
	pid_t pid;       /* 0: not started, or gone */
	int wait_status; /* once it is gone */
	int signals;     /* signalfd */
	sigset_t old_signals;
};

/* ---- the folder ------------------------------------------------------------------ */

static int make_folder(struct private_leader *leader) {
	const char *parent = getenv("TMPDIR");

	if (!parent || !*parent)
		parent = "/tmp";
	if (strlen(parent) + sizeof("/leaderctl-XXXXXX") > FOLDER_BYTES)
		return report(STATUS_FAILURE, "the path %s is too long for sockets below it; choose another with TMPDIR",
		              parent);
	snprintf(leader->folder, sizeof(leader->folder), "%s/leaderctl-XXXXXX", parent);
	if (!mkdtemp(leader->folder)) {
		leader->folder[0] = '\0';
		return report(STATUS_FAILURE, "cannot make a folder in %s: %s", parent, strerror(errno));
	}
	snprintf(leader->socket, sizeof(leader->socket), "%s/socket", leader->folder);
	snprintf(leader->log, sizeof(leader->log), "%s/log", leader->folder);
	return 0;
}

static int remove_one(const char *path, const struct stat *found, int kind, struct FTW *where) {
	(void)found;
	(void)kind;
	(void)where;
	return remove(path);
}

static void remove_folder(const struct private_leader *leader) {
	if (leader->folder[0] && nftw(leader->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
		report(STATUS_FAILURE, "cannot remove %s: %s", leader->folder, strerror(errno));
}

/* ---- the program ------------------------------------------------------------------- */

static bool is_program(const char *path) {
	struct stat found;

	return stat(path, &found) == 0 && S_ISREG(found.st_mode) && access(path, X_OK) == 0;
}

/* $LEADERD_PROGRAM, else the one beside this program, else the one on PATH. */
static const char *find_program(char ret[PATH_MAX]) {
	const char *chosen = getenv("LEADERD_PROGRAM");
	ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - sizeof("leaderd"));

	if (chosen && *chosen)
		return chosen;
	if (n > 0) {
		ret[n] = '\0';
		strcpy(strrchr(ret, '/') + 1, "leaderd");
		if (is_program(ret))
			return ret;
	}
	return "leaderd";
}

static _Noreturn void be_leader(const struct private_leader *leader, const char *notify_path) {
	char program[PATH_MAX], data_dir[SOCKET_BYTES], config[SOCKET_BYTES];
	const char *path = find_program(program);
	int log = open(leader->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	snprintf(data_dir, sizeof(data_dir), "%s/data", leader->folder);
	snprintf(config, sizeof(config), "%s/leaderd.conf", leader->folder);
	sigprocmask(SIG_SETMASK, &leader->old_signals, NULL);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	setenv("NOTIFY_SOCKET", notify_path, 1);
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("JOURNAL_STREAM");
	dup2(log, STDERR_FILENO);
	dup2(log, STDOUT_FILENO);
	close(STDIN_FILENO);
	open("/dev/null", O_RDONLY);
	execlp(path, path, "--data-dir", data_dir, "--socket", leader->socket, "--config", config, (char *)NULL);
	fprintf(stderr, "cannot run %s: %s\n", path, strerror(errno));
	_exit(127);
}

/* ---- messages from its log ------------------------------------------------------------ */

static void last_log_line(const struct private_leader *leader, char ret[LOG_LINE_BYTES]) {
	FILE *file = fopen(leader->log, "re");
	char line[LOG_LINE_BYTES];

	ret[0] = '\0';
	while (file && fgets(line, sizeof(line), file))
		if (line[0] != '\n')
			memcpy(ret, line, sizeof(line));
	if (file)
		fclose(file);
	ret[strcspn(ret, "\n")] = '\0';
}

static int leader_failed(const struct private_leader *leader, const char *what) {
	char line[LOG_LINE_BYTES];

	last_log_line(leader, line);
	return report(STATUS_FAILURE, "the private leader %s: %s", what, line[0] ? line : "it has logged nothing");
}

/* ---- start ---------------------------------------------------------------------------- */

static int open_notify(const struct private_leader *leader, char ret_path[SOCKET_BYTES]) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(ret_path, SOCKET_BYTES, "%s/ready", leader->folder);
	memcpy(address.sun_path, ret_path, sizeof(address.sun_path));
	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool says_ready(int notify) {
	char text[256];
	ssize_t n = recv(notify, text, sizeof(text) - 1, MSG_DONTWAIT);

	if (n <= 0)
		return false;
	text[n] = '\0';
	return strstr(text, "READY=1") != NULL;
}

static bool has_ended(struct private_leader *leader) {
	if (leader->pid > 0 && waitpid(leader->pid, &leader->wait_status, WNOHANG) == leader->pid)
		leader->pid = 0;
	return leader->pid <= 0;
}

/* Taken from the signalfd; false when none waits. */
static bool next_signal(const struct private_leader *leader, struct signalfd_siginfo *ret) {
	return read(leader->signals, ret, sizeof(*ret)) == sizeof(*ret);
}

static int wait_until_ready(struct private_leader *leader, int notify) {
	uint64_t until_us = clock_us() + READY_MS * UINT64_C(1000);

	for (;;) {
		struct pollfd fds[2] = { { .fd = notify, .events = POLLIN }, { .fd = leader->signals, .events = POLLIN } };
		struct signalfd_siginfo signal;

		if (poll(fds, 2, clock_ms_until(until_us)) == 0)
			return leader_failed(leader, "was not ready in time");
		if (says_ready(notify))
			return 0;
		while (next_signal(leader, &signal))
			if (signal.ssi_signo != SIGCHLD)
				return 128 + (int)signal.ssi_signo;
		if (has_ended(leader))
			return leader_failed(leader, "did not start");
	}
}

static int start_leader(struct private_leader *leader) {
	char notify_path[SOCKET_BYTES], config[SOCKET_BYTES];
	int notify, r, fd;

	/* Not the user's own configuration. */
	snprintf(config, sizeof(config), "%s/leaderd.conf", leader->folder);
	fd = open(config, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	notify = open_notify(leader, notify_path);
	if (fd < 0 || notify < 0)
		return report(STATUS_FAILURE, "cannot write into %s: %s", leader->folder, strerror(errno));
	close(fd);
	leader->pid = fork();
	if (leader->pid == 0)
		be_leader(leader, notify_path);
	r = leader->pid < 0 ? report(STATUS_FAILURE, "cannot start a leader: %s", strerror(errno))
	                    : wait_until_ready(leader, notify);
	close(notify);
	return r;
}

/* A leader that does not end by itself is ended; one that ended badly is told of. */
static int stop_leader(struct private_leader *leader) {
	uint64_t until_us = clock_us() + STOP_MS * UINT64_C(1000);
	bool was_killed = false;

	if (!has_ended(leader))
		kill(leader->pid, SIGTERM);
	while (!has_ended(leader)) {
		struct pollfd fd = { .fd = leader->signals, .events = POLLIN };
		struct signalfd_siginfo signal;

		if (poll(&fd, 1, clock_ms_until(until_us)) == 0 && !was_killed) {
			was_killed = true;
			kill(leader->pid, SIGKILL);
			until_us = UINT64_MAX;
		}
		next_signal(leader, &signal);
	}
	if (was_killed)
		return leader_failed(leader, "did not stop in time");
	if (WIFEXITED(leader->wait_status) && WEXITSTATUS(leader->wait_status) == 0)
		return 0;
	return leader_failed(leader, "ended with a failure");
}

/* ---- the command -------------------------------------------------------------------------- */

static _Noreturn void be_command(const struct private_leader *leader, char **words) {
	int status;

	sigprocmask(SIG_SETMASK, &leader->old_signals, NULL);
	setenv("LEADERD_SOCKET", leader->socket, 1);
	execvp(words[0], words);
	status = errno == ENOENT ? 127 : 126;
	report(status, "cannot run %s: %s", words[0], strerror(errno));
	_exit(status);
}

/* Signals for us are meant for the command, and the second one ends it. What a
 * terminal sends (its code is positive) the command has got by itself. */
static void pass_signals(const struct private_leader *leader, pid_t command, unsigned *n_passed) {
	struct signalfd_siginfo signal;

	while (next_signal(leader, &signal)) {
		if (signal.ssi_signo == SIGCHLD || signal.ssi_code > 0)
			continue;
		kill(command, (*n_passed)++ > 0 ? SIGKILL : (int)signal.ssi_signo);
	}
}

static int run_command(const struct private_leader *leader, char **words) {
	pid_t command = fork();
	unsigned n_passed = 0;
	int status;

	if (command == 0)
		be_command(leader, words);
	if (command < 0)
		return report(STATUS_FAILURE, "cannot run %s: %s", words[0], strerror(errno));
	while (waitpid(command, &status, WNOHANG) != command) {
		struct pollfd fd = { .fd = leader->signals, .events = POLLIN };

		poll(&fd, 1, -1);
		pass_signals(leader, command, &n_passed);
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- all of it ------------------------------------------------------------------------------ */

static int create_store(const struct call *call, const struct private_leader *leader) {
	struct lda_options options = { .size = sizeof(options), .socket = leader->socket, .timeout_ms = call->timeout_ms };
	const char *file = call->values[OPTION_SCHEMA];
	struct lda_connection *connection;
	char error[512] = "";
	char *schema;
	int r;

	if (!file)
		return 0;
	r = file_read(file, SCHEMA_FILE_BYTES_MAX, &schema);
	if (r != 0)
		return r;
	r = lda_open(&connection, &options, error, sizeof(error));
	if (r < 0) {
		free(schema);
		return report_code(r, error);
	}
	r = lda_store_create(connection, call->values[OPTION_STORE], schema, file_label(file), NULL);
	free(schema);
	if (r < 0)
		r = admin_failed(connection, r);
	lda_close(connection);
	return r;
}

static int take_signals(struct private_leader *leader) {
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, &leader->old_signals);
	leader->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return leader->signals < 0 ? report(STATUS_FAILURE, "cannot wait for signals: %s", strerror(errno)) : 0;
}

static int run(const struct call *call) {
	struct private_leader leader = { .signals = -1 };
	int r, stopped;

	if (call_has(call, OPTION_STORE) != call_has(call, OPTION_SCHEMA))
		return usage_error(call, "--store and --schema go together");
	fflush(stdout);
	r = take_signals(&leader);
	if (r == 0)
		r = make_folder(&leader);
	if (r == 0)
		r = start_leader(&leader);
	if (r == 0)
		r = create_store(call, &leader);
	if (r == 0)
		r = run_command(&leader, call->words);
	if (leader.pid > 0) {
		stopped = stop_leader(&leader);
		r = r != 0 ? r : stopped;
	} else if (r == 0) {
		r = leader_failed(&leader, "ended too early");
	}
	remove_folder(&leader);
	if (leader.signals >= 0)
		close(leader.signals);
	return r;
}

const struct command command_run = {
	.name = "run",
	.synopsis = "[--store NAME --schema FILE] [--] CMD...",
	.summary = "Run a command with a private leader",
	.details = "The leader lives in a temporary folder (below TMPDIR) and LEADERD_SOCKET leads to it; when\n"
			   "CMD has ended, both are removed. The exit status is CMD's (128 + n after signal n, 126 and\n"
			   "127 as in a shell), or 1 if CMD ended with 0 and the leader did not end well. leaderd is\n"
			   "looked for at LEADERD_PROGRAM, beside leaderctl, and on PATH.",
	.examples = "  leaderctl run --store todos --schema todos.sql -- sh -c '\n"
				"    leaderctl commit todos todoCreated \"{\\\"id\\\":\\\"1\\\",\\\"title\\\":\\\"try\\\"}\"\n"
				"    leaderctl query todos \"SELECT * FROM todo\"'",
	.words = { "CMD" },
	.n_required = 1,
	.repeats = true,
	.is_wrapper = true,
	.options = { OPTION_STORE, OPTION_SCHEMA, OPTION_TIMEOUT },
	.timeout_s = 30,
	.run = run,
};
