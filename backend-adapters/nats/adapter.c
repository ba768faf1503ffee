/* leaderd-backend-nats: the operations are the other files of this folder. */

#include "nats/jetstream.h"

int main(int argc, char **argv) {
	static const struct adapter_operations operations = {
		.name = "nats",
		.open = nats_open,
		.push = nats_push,
		.pull = nats_pull,
		.live_fd = nats_live_fd,
		.live_take = nats_live_take,
		.close = nats_close,
	};

	return adapter_run(argc, argv, &operations);
}
