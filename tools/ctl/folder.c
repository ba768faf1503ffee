/* A store's folder; see folder.h. */

#include "folder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <leaderd/admin.h>

#include "connect.h"
#include "report.h"

static bool is_store_name(const char *name) {
	size_t n = strlen(name);

	return n > 0 && n <= 64 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == n && !strchr("._-", name[0]);
}

static int find_below(const char *data_dir, const char *store, char **ret) {
	struct stat found;
	char *path;

	if (!is_store_name(store))
		return report(STATUS_FAILURE,
		              "\"%s\" is no name of a store: a-z, 0-9, '.', '_' and '-', at most 64 of them, a "
		              "letter or digit first",
		              store);
	if (asprintf(&path, "%s/stores/%s", data_dir, store) < 0)
		must_have(NULL);
	if (stat(path, &found) == 0 && S_ISDIR(found.st_mode)) {
		*ret = path;
		return 0;
	}
	report(STATUS_NOT_FOUND, "there is no store %s: no folder %s", store, path);
	free(path);
	return STATUS_NOT_FOUND;
}

int folder_find(const struct call *call, const char *store, char **ret) {
	struct lda_stores *stores;
	int r;

	if (call_has(call, OPTION_DATA_DIR))
		return find_below(call->values[OPTION_DATA_DIR], store, ret);
	r = ask_status(call, store, &stores);
	if (r != 0)
		return r;
	if (stores->n == 0)
		r = report(STATUS_NOT_FOUND, "there is no store %s", store);
	else if (!*stores->items[0].path)
		r = report(status_of_code(stores->items[0].trouble_code), "%s; --data-dir D looks into its folder",
		           stores->items[0].trouble);
	else
		*ret = must_have(strdup(stores->items[0].path));
	lda_stores_free(stores);
	return r;
}

int folder_failed(const struct error *error, int code) {
	return report_code(code, error->text);
}
