/* leaderd-backend-file: the operations are the other files of this folder. */

#include "file/file.h"

int main(int argc, char **argv) {
	static const struct adapter_operations operations = {
		.name = "file",
		.open = file_open,
		.push = file_push,
		.pull = file_pull,
		.live_fd = file_live_fd,
		.live_take = file_live_take,
		.close = file_close,
	};

	return adapter_run(argc, argv, &operations);
}
