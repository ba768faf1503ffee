/* script:/path/story opens the story at /path/story and the log at
 * /path/story.NAME.log, NAME being the log's name. */

#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "proto/backend_wire.h"
#include "script/script.h"

void script_close(void *data) {
	struct script_backend *backend = data;

	if (backend == NULL)
		return;
	if (backend->inotify >= 0)
		close(backend->inotify);
	story_finish(&backend->story);
	log_close(&backend->log);
	free(backend);
}

int script_live_fd(void *data) {
	const struct script_backend *backend = data;

	return backend->inotify;
}

int script_live_take(void *data, struct error *error) {
	const struct script_backend *backend = data;
	char buffer[4096];
	int news = 0;

	while (read(backend->inotify, buffer, sizeof(buffer)) > 0)
		news = 1;
	return news;
}

static void watch(struct script_backend *backend, const char *path) {
	backend->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (backend->inotify >= 0 && inotify_add_watch(backend->inotify, path, IN_ATTRIB) < 0) {
		close(backend->inotify);
		backend->inotify = -1;
	}
}

static int open_files(struct script_backend *backend, const struct adapter_open *open, struct error *error) {
	char *story, *name, *path = NULL;
	int r;

	if (strncmp(open->url, "script:/", strlen("script:/")) != 0)
		return error_set(error, ERROR_INVALID, "%s is no URL of a story: script:/path/story", open->url);
	story = adapter_url_path(open->url, "script");
	name = adapter_log_name(open);
	if (story == NULL || name == NULL || asprintf(&path, "%s.%s.log", story, name) < 0)
		r = error_no_memory(error);
	else
		r = story_read(&backend->story, story, error);
	if (r == 0)
		r = log_open(&backend->log, path, open, error);
	if (r == 0)
		watch(backend, path);
	free(story);
	free(name);
	free(path);
	return r;
}

static int tell(struct script_backend *backend, struct adapter_opened *ret, struct error *error) {
	const struct story_line *line;
	int r = act_before(backend, OPERATION_OPEN, NULL, &line, error);

	if (r < 0)
		return r;
	memcpy(ret->lineage, backend->log.lineage, sizeof(ret->lineage));
	if (line->action == ACTION_LINEAGE)
		ret->lineage[0] ^= 0xff;
	ret->epoch = backend->log.epoch;
	ret->head = log_point(&backend->log, backend->log.n);
	act_after(backend, line);
	return 0;
}

int script_open(void **ret_backend, const struct adapter_open *open, struct adapter_opened *ret, struct error *error) {
	struct adapter_opened opened = {
		.batch_events_max = BACKEND_BATCH_EVENTS_MAX,
		.batch_bytes_max = BACKEND_BATCH_BYTES_MAX,
		.event_bytes_max = BACKEND_BATCH_BYTES_MAX,
	};
	struct script_backend *backend = calloc(1, sizeof(*backend));
	int r;

	if (backend == NULL)
		return error_no_memory(error);
	backend->inotify = backend->log.fd = -1;
	r = open_files(backend, open, error);
	if (r == 0)
		r = tell(backend, &opened, error);
	if (r < 0) {
		script_close(backend);
		return r;
	}
	opened.live = backend->inotify >= 0;
	*ret = opened;
	*ret_backend = backend;
	return 0;
}
