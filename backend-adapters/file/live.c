/*
 * Hints between the leaders of one machine. SQLite makes a commit visible after
 * its last write, so watching the writes would wake the others too early, and
 * nothing would wake them again. A writer therefore touches the file when its
 * commit is done; that, and the file's coming and going, is what is watched.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file/file.h"

#define WATCHED (IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR)

void live_tell(const struct file_backend *backend) {
	/* A descriptor of our own is out of the question: closing it would drop SQLite's locks. */
	utimensat(AT_FDCWD, backend->path, NULL, AT_SYMLINK_NOFOLLOW);
}

void live_watch(struct file_backend *backend) {
	char *name = strrchr(backend->path, '/');

	backend->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (backend->inotify < 0)
		return;
	*name = '\0';
	int r = inotify_add_watch(backend->inotify, backend->path[0] == '\0' ? "/" : backend->path, WATCHED);
	*name = '/';
	if (r < 0) {
		close(backend->inotify);
		backend->inotify = -1;
	}
}

int file_live_fd(void *data) {
	const struct file_backend *backend = data;

	return backend->inotify;
}

static bool is_news(const struct inotify_event *event, const char *name) {
	return (event->mask & (IN_Q_OVERFLOW | IN_IGNORED)) != 0 || (event->len > 0 && strcmp(event->name, name) == 0);
}

/* The folder itself is gone: there will be no more hints, and the pull says why. */
static void stop_watching(struct file_backend *backend) {
	close(backend->inotify);
	backend->inotify = -1;
}

int file_live_take(void *data, struct error *error) {
	struct file_backend *backend = data;
	const char *name = strrchr(backend->path, '/') + 1;
	_Alignas(struct inotify_event) char buffer[4096];
	bool news = false, gone = false;
	ssize_t n;

	while ((n = read(backend->inotify, buffer, sizeof(buffer))) > 0) {
		for (char *at = buffer; at < buffer + n;) {
			const struct inotify_event *event = (const struct inotify_event *)at;

			news = news || is_news(event, name);
			gone = gone || (event->mask & IN_IGNORED) != 0;
			at += sizeof(*event) + event->len;
		}
	}
	if (gone || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		stop_watching(backend);
		news = true;
	}
	return news ? 1 : 0;
}
