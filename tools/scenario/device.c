/* A device: a leaderd of its own, and what it says when it is asked. */

#include <errno.h>
#include <fcntl.h>
#include <leaderd/admin.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scenario.h"
#include "store/store.h"

#define LOG_TAIL_BYTES 4000

struct device *device_find(struct scenario *scenario, const char *name) {
	for (unsigned i = 0; i < scenario->n_devices; i++)
		if (strcmp(scenario->devices[i].name, name) == 0)
			return &scenario->devices[i];
	return NULL;
}

const char *device_name_of(const struct scenario *scenario, const char *client_id) {
	for (unsigned i = 0; i < scenario->n_devices; i++)
		if (strcmp(scenario->devices[i].client_id, client_id) == 0)
			return scenario->devices[i].name;
	return NULL;
}

static void path_in(const struct device *device, const char *name, char ret[320]) {
	snprintf(ret, 320, "%s/%s", device->folder, name);
}

static int connect_to(struct device *device, struct lda_connection **ret, struct error *error) {
	const struct lda_options options = { .size = sizeof(options), .socket = device->socket };
	char text[256];
	int r = lda_open(ret, &options, text, sizeof(text));

	return r < 0 ? error_set(error, r, "device %s: %s", device->name, text) : 0;
}

static int failed(struct device *device, struct lda_connection *connection, int code, struct error *error) {
	error_set(error, code, "device %s: %s", device->name, lda_last_error(connection));
	lda_close(connection);
	return code;
}

/* ---- its life --------------------------------------------------------------------------- */

static _Noreturn void become_leaderd(const struct scenario *scenario, const struct device *device) {
	char data[320], log[320];
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* whatever ends the scenario ends its leaders */
	path_in(device, "data", data);
	path_in(device, "log", log);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd >= 0)
		dup2(fd, STDERR_FILENO);
	execlp(scenario->leaderd, "leaderd", "--data-dir", data, "--socket", device->socket, (char *)NULL);
	fprintf(stderr, "leader-scenario: cannot run %s: %s\n", scenario->leaderd, strerror(errno));
	_exit(127);
}

/* The leader is there as soon as it can be asked something. */
static int wait_until_it_answers(struct device *device, struct error *error) {
	struct lda_connection *connection;
	struct timespec start, now;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		if (waitpid(device->process, NULL, WNOHANG) == device->process) {
			device->process = 0;
			return error_set(error, ERROR_NOT_RUNNING, "device %s: leaderd ended at once", device->name);
		}
		r = connect_to(device, &connection, error);
		if (r == 0) {
			lda_close(connection);
			return 0;
		}
		poll(NULL, 0, 5);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < SETTLE_MS);
	return r;
}

static int learn_client_id(struct scenario *scenario, struct device *device, struct error *error) {
	struct lda_connection *connection;
	struct lda_stores *stores;
	int r = connect_to(device, &connection, error);

	if (r < 0)
		return r;
	r = lda_status(connection, STORE, &stores);
	if (r == LDS_NOT_FOUND) {
		r = lda_store_create(connection, STORE, scenario->schema, scenario->schema_path, backend_url(scenario));
		if (r == 0)
			r = lda_status(connection, STORE, &stores);
	}
	if (r < 0)
		return failed(device, connection, r, error);
	snprintf(device->client_id, sizeof(device->client_id), "%s", stores->items[0].client_id);
	lda_stores_free(stores);
	lda_close(connection);
	return 0;
}

int device_start(struct scenario *scenario, struct device *device, struct error *error) {
	int r;

	if (device->process != 0)
		return error_set(error, ERROR_INVALID, "device %s runs already", device->name);
	device->process = fork();
	if (device->process == 0)
		become_leaderd(scenario, device);
	if (device->process < 0) {
		device->process = 0;
		return error_set(error, ERROR_IO, "cannot fork: %s", strerror(errno));
	}
	r = wait_until_it_answers(device, error);
	return r < 0 ? r : learn_client_id(scenario, device, error);
}

int device_add(struct scenario *scenario, const char *name, struct error *error) {
	struct device *device = &scenario->devices[scenario->n_devices];

	if (scenario->schema == NULL)
		return error_set(error, ERROR_INVALID, "a device needs a schema: put a schema line before it");
	if (scenario->n_devices == DEVICES_MAX)
		return error_set(error, ERROR_TOO_LARGE, "more than %u devices", DEVICES_MAX);
	if (strlen(name) >= NAME_BYTES || strpbrk(name, "./:") != NULL || device_find(scenario, name) != NULL ||
	    strcmp(name, "backend") == 0 || strcmp(name, "push") == 0)
		return error_set(error, ERROR_INVALID, "\"%s\" is no name for a new device", name);
	*device = (struct device){ 0 };
	snprintf(device->name, sizeof(device->name), "%s", name);
	snprintf(device->folder, sizeof(device->folder), "%s/%s", scenario->folder, name);
	snprintf(device->socket, sizeof(device->socket), "%s/%s/run/socket", scenario->folder, name);
	if (mkdir(device->folder, 0700) < 0)
		return error_set(error, ERROR_IO, "cannot make %s: %s", device->folder, strerror(errno));
	scenario->n_devices++;
	return device_start(scenario, device, error);
}

int device_end(struct device *device, int signal, struct error *error) {
	int status;

	if (device->process == 0)
		return error_set(error, ERROR_INVALID, "device %s does not run", device->name);
	kill(device->process, signal);
	waitpid(device->process, &status, 0);
	device->process = 0;
	if (signal == SIGTERM && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return error_set(error, ERROR_IO, "device %s: leaderd did not end well (wait status %#x)", device->name,
		                 (unsigned)status);
	return 0;
}

/* ---- what it says ------------------------------------------------------------------------ */

int device_chain(struct scenario *scenario, struct device *device, struct chain *ret, struct error *error) {
	struct lda_connection *connection;
	struct lda_events *events;
	int r = connect_to(device, &connection, error);

	if (r < 0)
		return r;
	r = lda_chain(connection, STORE, CHAIN_TOKENS_MAX, &events);
	if (r < 0)
		return failed(device, connection, r, error);
	ret->n = 0;
	for (size_t i = 0; i < events->n && r == 0; i++)
		r = chain_add(ret, &events->items[i], device_name_of(scenario, events->items[i].client_id), error);
	lda_events_free(events);
	lda_close(connection);
	return r;
}

int device_standing(struct device *device, struct device_standing *ret, struct error *error) {
	struct lda_connection *connection;
	struct lda_stores *stores;
	int r = connect_to(device, &connection, error);

	if (r < 0)
		return r;
	r = lda_status(connection, STORE, &stores);
	if (r < 0)
		return failed(device, connection, r, error);
	const struct lda_store *store = &stores->items[0];
	*ret = (struct device_standing){ .head = { store->head.global, store->head.client },
		                             .confirmed = { store->backend_head.global, store->backend_head.client },
		                             .generation = store->generation,
		                             .pending = store->pending,
		                             .pulls = store->has_backend && !store->offline,
		                             .pushes = store->has_backend && !store->offline && !store->push_only };
	snprintf(ret->backend_error, sizeof(ret->backend_error), "%s", store->backend_error);
	lda_stores_free(stores);
	lda_close(connection);
	return 0;
}

int device_set_offline(struct device *device, enum device_link link, struct error *error) {
	struct lda_connection *connection;
	int r = connect_to(device, &connection, error);

	if (r < 0)
		return r;
	r = link == LINK_ONLINE ? lda_online(connection, STORE) : lda_offline(connection, STORE, link == LINK_PULLS_ONLY);
	if (r < 0)
		return failed(device, connection, r, error);
	lda_close(connection);
	return 0;
}

int device_refused(struct device *device, struct refused_counts *ret, const char *reason, struct error *error) {
	struct lda_connection *connection;
	struct lda_refusals *refusals;
	int r = connect_to(device, &connection, error);

	if (r < 0)
		return r;
	r = lda_refused_list(connection, STORE, &refusals);
	if (r < 0)
		return failed(device, connection, r, error);
	*ret = (struct refused_counts){ .all = refusals->n };
	for (size_t i = 0; i < refusals->n; i++) {
		ret->for_the_reason += strstr(refusals->items[i].reason, reason) != NULL;
		snprintf(ret->newest_reason, sizeof(ret->newest_reason), "%s", refusals->items[i].reason);
	}
	lda_refusals_free(refusals);
	lda_close(connection);
	return 0;
}

/* ---- its files ------------------------------------------------------------------------------ */

static int add_piece(const char *text, size_t n, void *data) {
	return bytes_add(data, text, n);
}

int device_dump(struct device *device, struct bytes *ret, struct error *error) {
	char folder[320];
	int r;

	path_in(device, "data/stores/" STORE, folder);
	bytes_clear(ret);
	r = store_dump(folder, true, add_piece, ret, error);
	return r < 0 ? error_prefix(error, "device %s", device->name) : 0;
}

int device_verify(struct device *device, struct error *error) {
	struct store_verification verification;
	char folder[320];
	int r;

	path_in(device, "data/stores/" STORE, folder);
	r = store_verify(folder, NULL, NULL, NULL, &verification, error);
	return r < 0 ? error_prefix(error, "device %s", device->name) : 0;
}

int device_confirmed(struct device *device, struct position *ret_head, struct hash *ret_hash, struct error *error) {
	struct eventlog_status status;
	struct eventlog *log;
	char path[320];
	int r;

	path_in(device, "data/stores/" STORE "/eventlog.db", path);
	r = eventlog_open(&log, &(struct eventlog_options){ .path = path, .read_only = true }, error);
	if (r < 0)
		return error_prefix(error, "device %s", device->name);
	eventlog_status(log, &status);
	eventlog_close(log);
	*ret_head = status.upstream_head;
	*ret_hash = status.upstream_chain_hash;
	return 0;
}

int device_watch_log(const struct device *device, int *ret_fd, struct error *error) {
	char folder[320];
	int fd = inotify_init1(IN_CLOEXEC);

	path_in(device, "data/stores/" STORE, folder);
	if (fd < 0 || inotify_add_watch(fd, folder, IN_MODIFY) < 0) {
		error_set(error, ERROR_IO, "cannot watch %s: %s", folder, strerror(errno));
		if (fd >= 0)
			close(fd);
		return ERROR_IO;
	}
	*ret_fd = fd;
	return 0;
}

/* True if it is the log that was written, and not the state. */
static bool read_change(int fd) {
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(fd, buffer, sizeof(buffer));

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *change = (const struct inotify_event *)(buffer + at);

		if (change->len > 0 && strcmp(change->name, "eventlog.db-wal") == 0)
			return true;
		at += (ssize_t)(sizeof(*change) + change->len);
	}
	return false;
}

int device_wait_for_write(struct device *device, int fd, int timeout_ms, struct error *error) {
	struct pollfd ready = { fd, POLLIN, 0 };

	do {
		if (poll(&ready, 1, timeout_ms) != 1)
			return error_set(error, ERROR_TIMEOUT, "device %s wrote nothing to its log", device->name);
	} while (!read_change(fd));
	return 0;
}

void device_print_log(const struct device *device) {
	char path[320], text[LOG_TAIL_BYTES + 1];
	const char *start = text;
	FILE *log;
	size_t n;

	path_in(device, "log", path);
	log = fopen(path, "re");
	if (log == NULL)
		return;
	if (fseek(log, -LOG_TAIL_BYTES, SEEK_END) < 0)
		rewind(log);
	else
		start = NULL; /* begins inside a line */
	n = fread(text, 1, LOG_TAIL_BYTES, log);
	text[n] = '\0';
	fclose(log);
	if (start == NULL)
		start = strchr(text, '\n') != NULL ? strchr(text, '\n') + 1 : text;
	fprintf(stderr, "the log of device %s:\n%s", device->name, start);
}
