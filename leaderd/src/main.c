/*
 * leaderd: the program around the daemon's core. It finds out what is wanted,
 * makes sure that it is alone, and runs the loop:
 *
 *   settings → data directory → lock → core → signals → socket → READY
 *   → loop → STOPPING → no new connections → drain → end
 *
 * The lock comes before anything else in the data directory is touched, the
 * socket when everything behind it answers.
 */

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "leaderd/src/daemon.h"
#include "leaderd/src/folder.h"
#include "leaderd/src/listener.h"
#include "leaderd/src/lock.h"
#include "leaderd/src/log_sink.h"
#include "leaderd/src/options.h"
#include "leaderd/src/ready.h"
#include "leaderd/src/settings.h"
#include "leaderd/src/signals.h"
#include "leaderd/src/socket_file.h"
#include "proto/wire.h"
#include "store/eventlog.h"

struct program {
	struct options options;
	struct settings settings;
	char data_dir[PATH_MAX]; /* settings.data_dir without symbolic links */
	bool inherited;          /* the socket is the service manager's */
	int lock_fd, socket_fd;  /* -1: none */
	struct ready ready;
	struct event_base *base;
	struct daemon *daemon;
	struct listener *listener;
	struct signals *signals;
};

/* ---- the loop's callbacks ------------------------------------------------------ */

static void on_accept(int fd, void *data) {
	struct program *program = data;

	daemon_accept(program->daemon, fd);
}

static void on_drained(void *data) {
	struct program *program = data;

	event_base_loopexit(program->base, NULL);
}

/* Takes no more connections. A socket of our own goes; an inherited one stays with
 * the service manager, and who waits in it is served by the next leader. */
static void stop_listening(struct program *program) {
	program->listener = listener_destroy(program->listener);
	if (program->socket_fd < 0)
		return;
	if (!program->inherited)
		socket_file_remove(program->settings.socket);
	close(program->socket_fd);
	program->socket_fd = -1;
}

static void on_stop(int number, void *data) {
	struct program *program = data;

	ready_tell_stopping(&program->ready);
	stop_listening(program);
	log_notice("signal=%d: ends when what was read is answered", number);
	daemon_drain(program->daemon, on_drained, program);
}

static void tell_unchanged(const char *key, const char *running, const char *wanted) {
	if (strcmp(running, wanted) != 0)
		log_warning("%s=%s: stays until a restart, although the configuration now says %s", key, running, wanted);
}

static void on_reload(void *data) {
	struct program *program = data;
	struct settings settings;
	struct error error;

	ready_tell_reloading(&program->ready);
	if (settings_load(&settings, &program->options, !program->inherited, &error) < 0) {
		log_error("the configuration was not taken, the old one stays in force: %s", error.text);
	} else {
		log_sink_start(settings.log_level);
		tell_unchanged("data-dir", program->settings.data_dir, settings.data_dir);
		tell_unchanged("socket", program->settings.socket, settings.socket);
		program->settings.log_level = settings.log_level;
		log_notice("config=%s: read again", settings.config_exists ? settings.config : "-");
	}
	ready_tell_ready(&program->ready);
}

/* libevent's own complaints. */
static void on_library_line(int severity, const char *line) {
	log_line(severity == EVENT_LOG_ERR     ? LOG_LEVEL_ERROR
	         : severity == EVENT_LOG_DEBUG ? LOG_LEVEL_DEBUG
	                                       : LOG_LEVEL_WARNING,
	         "libevent: %s", line);
}

/* ---- start and end ------------------------------------------------------------- */

static int open_socket(struct program *program, struct error *error) {
	if (program->inherited)
		return socket_file_inherited(&program->socket_fd, error);
	return socket_file_listen(&program->socket_fd, program->settings.socket, error);
}

static int start_listening(struct program *program, struct error *error) {
	struct listener_options options = { .base = program->base, .on_accept = on_accept, .data = program };
	int r = open_socket(program, error);

	if (r < 0)
		return r;
	options.fd = program->socket_fd;
	return listener_create(&program->listener, &options, error);
}

static int start(struct program *program, struct error *error) {
	struct daemon_options daemon_options = { .data_dir = program->data_dir };
	struct signals_options signals_options = { .on_stop = on_stop, .on_reload = on_reload, .data = program };
	int r = folder_prepare_data(program->data_dir, program->settings.data_dir, error);

	if (r == 0)
		r = lock_take(&program->lock_fd, program->data_dir, error);
	if (r < 0)
		return r;
	event_set_log_callback(on_library_line);
	program->base = event_base_new();
	if (!program->base)
		return error_no_memory(error);
	daemon_options.base = signals_options.base = program->base;
	r = daemon_create(&program->daemon, &daemon_options, error);
	if (r == 0)
		r = signals_create(&program->signals, &signals_options, error);
	return r < 0 ? r : start_listening(program, error);
}

static void finish(struct program *program) {
	program->signals = signals_destroy(program->signals);
	stop_listening(program);
	program->daemon = daemon_destroy(program->daemon);
	if (program->base)
		event_base_free(program->base);
	libevent_global_shutdown();
	/* Last: what was ours to change is closed by now. */
	if (program->lock_fd >= 0)
		close(program->lock_fd);
}

static int serve(struct program *program, struct error *error) {
	int r = start(program, error);

	if (r < 0)
		return r;
	log_notice("data-dir=%s socket=%s: leaderd " LEADERD_VERSION " listens", program->data_dir,
	           program->inherited ? "inherited" : program->settings.socket);
	ready_tell_ready(&program->ready);
	if (event_base_dispatch(program->base) < 0)
		return error_set(error, ERROR_IO, "the event loop failed");
	log_notice("data-dir=%s: leaderd ended", program->data_dir);
	return 0;
}

/* ---- the command --------------------------------------------------------------- */

/* The soft limit, often 1024, is for programs that use select. Without success the
 * listener rests when descriptors run out. */
static void raise_descriptor_limit(void) {
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_debug("the limit of open files stays: %s", strerror(errno));
}

/* A closed 0, 1 or 2 would be the next file that is opened: a database, into which
 * the log would then be written. */
static int keep_standard_descriptors(void) {
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return ERROR_IO;
	close(fd);
	return 0;
}

static int exit_status(int code) {
	switch (code) {
	case 0:
		return 0;
	case ERROR_INVALID:
		return 2;
	case ERROR_NOT_FOUND:
		return 4;
	case ERROR_CONFLICT:
		return 5;
	case ERROR_CORRUPT:
		return 6;
	default:
		return 1;
	}
}

static int fail(const struct error *error) {
	log_error("%s", error->text);
	return exit_status(error->code);
}

/* A text that could not be written was not told. */
static int end_of_text(void) {
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	log_error("cannot write to stdout: %s", strerror(errno));
	return 1;
}

static int check_config(const struct options *options) {
	struct settings settings;
	struct error error;

	if (settings_load(&settings, options, true, &error) < 0)
		return fail(&error);
	settings_print(&settings, stdout);
	return end_of_text();
}

static int run(struct program *program) {
	struct error error;
	int r;

	program->inherited = socket_file_is_inherited();
	r = settings_load(&program->settings, &program->options, !program->inherited, &error);
	if (r < 0)
		return fail(&error);
	log_sink_start(program->settings.log_level);
	ready_init(&program->ready);
	raise_descriptor_limit();
	r = serve(program, &error);
	finish(program);
	return r < 0 ? fail(&error) : 0;
}

int main(int argc, char **argv) {
	struct program program = { .lock_fd = -1, .socket_fd = -1 };
	struct error error;

	if (keep_standard_descriptors() < 0)
		return 1;
	umask(0077);
	log_sink_start(LOG_LEVEL_NOTICE);
	if (options_parse(&program.options, argc, argv, &error) < 0)
		return fail(&error);
	if (program.options.help) {
		fputs(options_help(), stdout);
		return end_of_text();
	}
	if (program.options.version) {
		printf("leaderd %s (protocol %u, format %d)\n", LEADERD_VERSION, WIRE_PROTOCOL_VERSION, EVENTLOG_FORMAT);
		return end_of_text();
	}
	return program.options.check_config ? check_config(&program.options) : run(&program);
}
