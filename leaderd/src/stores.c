/* The stores of a data directory; see stores.h. */

#include "leaderd/src/stores.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "leaderd/src/backend.h"
#include "leaderd/src/daemon.h"
#include "leaderd/src/leader.h"
#include "model/event.h"
#include "store/store.h"

/* No store's name begins with a dot. */
#define SCRAP_NEW ".new-"
#define SCRAP_REMOVED ".removed-"

static int fail(struct error *error, const char *doing, const char *path) {
	int code = errno == ENOSPC || errno == EDQUOT ? ERROR_FULL : errno == ENOENT ? ERROR_NOT_FOUND : ERROR_IO;

	return error_set(error, code, "cannot %s %s: %s", doing, path, strerror(errno));
}

static int make_path(char **ret, struct daemon *daemon, const char *prefix, const char *name, struct error *error) {
	return asprintf(ret, "%s/%s%s", daemon->stores_dir, prefix, name) < 0 ? error_no_memory(error) : 0;
}

/* A rename or a new folder is only durable with the folder that it stands in. */
static int sync_folder(const char *path, struct error *error) {
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return fail(error, "open", path);
	if (fsync(fd) < 0)
		r = fail(error, "sync", path);
	close(fd);
	return r;
}

/* A store's folder holds files only. */
static int delete_folder(const char *path, struct error *error) {
	DIR *folder = opendir(path);
	struct dirent *entry;
	int r = 0;

	if (!folder)
		return errno == ENOENT ? 0 : fail(error, "open", path);
	while (r == 0 && (entry = readdir(folder))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(folder), entry->d_name, 0) < 0)
			r = fail(error, "delete", entry->d_name);
	}
	closedir(folder);
	if (r == 0 && rmdir(path) < 0)
		r = fail(error, "delete", path);
	return r;
}

static bool is_scrap(const char *name) {
	return strncmp(name, SCRAP_NEW, strlen(SCRAP_NEW)) == 0 || strncmp(name, SCRAP_REMOVED, strlen(SCRAP_REMOVED)) == 0;
}

static void delete_scrap(struct daemon *daemon, const char *name) {
	struct error error = { 0 };
	char *path = NULL;

	if (make_path(&path, daemon, "", name, &error) < 0 || delete_folder(path, &error) < 0)
		log_warning("store=- a scrap was left behind: %s", error.text);
	free(path);
}

int stores_prepare(struct daemon *daemon, struct error *error) {
	DIR *folder;
	struct dirent *entry;

	if (mkdir(daemon->stores_dir, 0700) < 0 && errno != EEXIST)
		return fail(error, "make", daemon->stores_dir);
	folder = opendir(daemon->stores_dir);
	if (!folder)
		return fail(error, "open", daemon->stores_dir);
	while ((entry = readdir(folder)))
		if (is_scrap(entry->d_name))
			delete_scrap(daemon, entry->d_name);
	closedir(folder);
	return 0;
}

struct leader *stores_find(struct daemon *daemon, const char *name) {
	struct leader *leader;

	LIST_FOREACH(leader, &daemon->leaders, link)
		if (strcmp(leader->name, name) == 0)
			return leader;
	return NULL;
}

static int open_store(struct leader **ret, struct daemon *daemon, const char *name, struct error *error) {
	struct leader_options options = { .daemon = daemon, .name = name };
	struct leader *leader;
	char *folder = NULL;
	int r = make_path(&folder, daemon, "", name, error);

	if (r < 0)
		return r;
	options.folder = folder;
	if (access(folder, F_OK) < 0)
		r = error_set(error, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_IO, "there is no store %s", name);
	if (r == 0)
		r = leader_open(&leader, &options, error);
	free(folder);
	if (r < 0)
		return r;
	LIST_INSERT_HEAD(&daemon->leaders, leader, link);
	*ret = leader;
	return 0;
}

int stores_get(struct leader **ret, struct daemon *daemon, const char *name, struct error *error) {
	struct leader *leader;

	if (!store_name_is_valid(name))
		return error_set(error, ERROR_INVALID, "%.*s is no store's name", (int)STORE_NAME_BYTES_MAX, name);
	leader = stores_find(daemon, name);
	if (!leader)
		return open_store(ret, daemon, name, error);
	*ret = leader;
	return 0;
}

static bool has_backend(struct daemon *daemon, const char *name) {
	char *path;
	bool found;

	if (asprintf(&path, "%s/%s/%s", daemon->stores_dir, name, BACKEND_FILE) < 0)
		return false;
	found = access(path, F_OK) == 0;
	free(path);
	return found;
}

void stores_open_synced(struct daemon *daemon) {
	struct store_name *names = NULL;
	struct error error = { 0 };
	struct leader *leader;
	size_t n = 0;

	if (stores_list(daemon, &names, &n, &error) < 0)
		log_error("store=- the stores cannot be listed: %s", error.text);
	for (size_t i = 0; i < n; i++)
		if (has_backend(daemon, names[i].text) && stores_get(&leader, daemon, names[i].text, &error) < 0)
			log_error("store=%s cannot be opened: %s", names[i].text, error.text);
	free(names);
}

static int check_bound(struct daemon *daemon, struct error *error) {
	struct store_name *names = NULL;
	size_t n = 0;
	int r = stores_list(daemon, &names, &n, error);

	free(names);
	if (r == 0 && n >= STORES_MAX)
		r = error_set(error, ERROR_FULL, "%u stores are the most that one leader keeps", STORES_MAX);
	return r;
}

/* Made under another name, closed, and then renamed: it is whole or not there. */
static int make_store(struct daemon *daemon, const char *name, const char *schema, struct error *error) {
	struct store_options options = { .create = true, .schema = schema, .schema_label = "schema" };
	struct store *store = NULL;
	char *made = NULL, *final = NULL;
	int r = make_path(&made, daemon, SCRAP_NEW, name, error);

	if (r == 0)
		r = make_path(&final, daemon, "", name, error);
	if (r == 0)
		r = delete_folder(made, error);
	if (r == 0 && mkdir(made, 0700) < 0)
		r = fail(error, "make", made);
	options.folder = made;
	if (r == 0)
		r = store_open(&store, &options, error);
	store_close(store);
	if (r == 0 && rename(made, final) < 0)
		r = fail(error, "make", final);
	if (r == 0)
		r = sync_folder(daemon->stores_dir, error);
	else if (made)
		delete_folder(made, NULL);
	free(made);
	free(final);
	return r;
}

int stores_create(struct leader **ret, struct daemon *daemon, const char *name, const char *schema,
                  struct error *error) {
	struct leader *leader;
	int r = stores_get(&leader, daemon, name, error);

	if (r == 0)
		return error_set(error, ERROR_CONFLICT, "the store %s exists already", name);
	if (r != ERROR_NOT_FOUND)
		return r;
	r = check_bound(daemon, error);
	if (r == 0)
		r = make_store(daemon, name, schema, error);
	if (r == 0)
		r = open_store(ret, daemon, name, error);
	if (r < 0)
		return r;
	log_notice("store=%s created", name);
	daemon_status_changed(daemon);
	return 0;
}

int stores_remove(struct leader *leader, struct error *error) {
	struct daemon *daemon = leader->daemon;
	struct error why;
	char *removed = NULL;
	int r = make_path(&removed, daemon, SCRAP_REMOVED, leader->name, error);

	if (r == 0)
		r = delete_folder(removed, error);
	if (r == 0 && rename(leader->folder, removed) < 0)
		r = fail(error, "remove", leader->folder);
	if (r == 0) {
		log_notice("store=%s removed", leader->name);
		error_set(&why, ERROR_CONFLICT, "the store %s was removed", leader->name);
		leader_retire(leader, &why);
		daemon_status_changed(daemon);
		r = sync_folder(daemon->stores_dir, error);
		delete_folder(removed, NULL);
	}
	free(removed);
	return r;
}

static int compare_names(const void *a, const void *b) {
	return strcmp(((const struct store_name *)a)->text, ((const struct store_name *)b)->text);
}

static int add_name(struct store_name **names, size_t *n, size_t *allocated, const char *name) {
	if (*n == *allocated) {
		size_t larger = *allocated == 0 ? 16 : *allocated * 2;
		struct store_name *moved = realloc(*names, larger * sizeof(**names));

		if (!moved)
			return ERROR_NO_MEMORY;
		*names = moved;
		*allocated = larger;
	}
	strlcpy((*names)[(*n)++].text, name, sizeof((*names)->text));
	return 0;
}

int stores_list(struct daemon *daemon, struct store_name **ret, size_t *ret_n, struct error *error) {
	struct store_name *names = NULL;
	size_t n = 0, allocated = 0;
	struct dirent *entry;
	DIR *folder = opendir(daemon->stores_dir);
	int r = 0;

	if (!folder)
		return fail(error, "open", daemon->stores_dir);
	while (r == 0 && n < STORES_MAX && (entry = readdir(folder)))
		if (store_name_is_valid(entry->d_name))
			r = add_name(&names, &n, &allocated, entry->d_name);
	closedir(folder);
	if (r < 0) {
		free(names);
		return error_no_memory(error);
	}
	if (n > 0)
		qsort(names, n, sizeof(*names), compare_names);
	*ret = names;
	*ret_n = n;
	return 0;
}
