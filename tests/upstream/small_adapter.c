/*
 * leaderd-backend-small: the file backend, but it takes little at once. It stands
 * for backends with tight limits, and for adapters that are not of this project.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file/file.h"

static int small_open(void **ret_backend, const struct adapter_open *open, struct adapter_opened *ret,
                      struct error *error) {
	struct adapter_open as_file = *open;
	char *url;
	int r;

	if (asprintf(&url, "file:%s", open->url + strlen("small:")) < 0)
		return error_no_memory(error);
	as_file.url = url;
	r = file_open(ret_backend, &as_file, ret, error);
	free(url);
	ret->batch_events_max = 4;
	ret->batch_bytes_max = 2000;
	ret->event_bytes_max = 1000;
	return r;
}

int main(int argc, char **argv) {
	static const struct adapter_operations operations = {
		.name = "small",
		.open = small_open,
		.push = file_push,
		.pull = file_pull,
		.live_fd = file_live_fd,
		.live_take = file_live_take,
		.close = file_close,
	};

	return adapter_run(argc, argv, &operations);
}
