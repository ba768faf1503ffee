/* leaderd-backend-script: the operations are the other files of this folder. */

#include "script/script.h"

int main(int argc, char **argv) {
	static const struct adapter_operations operations = {
		.name = "script",
		.open = script_open,
		.push = script_push,
		.pull = script_pull,
		.live_fd = script_live_fd,
		.live_take = script_live_take,
		.close = script_close,
	};

	return adapter_run(argc, argv, &operations);
}
