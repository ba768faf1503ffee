/* leaderd-backend-postgres: its operations, opening and closing, and hints. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "postgres/postgres.h"
#include "proto/backend_wire.h"
#include "store/hash.h"

static void postgres_close(void *backend) {
	struct postgres *postgres = backend;

	if (postgres == NULL)
		return;
	PQfinish(postgres->connection);
	if (postgres->news_fd >= 0)
		close(postgres->news_fd);
	free(postgres->log);
	free(postgres);
}

static int name_log(struct postgres *postgres, const struct adapter_open *open, struct error *error) {
	struct hash hash;
	char text[2 * 16 + 1];

	postgres->log = adapter_log_name(open);
	if (postgres->log == NULL)
		return error_no_memory(error);
	if (!store_name_is_valid(postgres->log))
		return error_set(error, ERROR_INVALID, "the parameter store of the backend's URL was no name of a store");
	/* A channel's name is an identifier, and shorter than a log's may be. */
	hash_bytes(&hash, postgres->log, strlen(postgres->log));
	hex_print(text, hash.bytes, 16);
	snprintf(postgres->channel, sizeof(postgres->channel), "leaderd_%s", text);
	return 0;
}

/* Some poolers have no LISTEN: then there is the safety poll. */
static void listen_for_hints(struct postgres *postgres) {
	char command[sizeof("LISTEN ") + POSTGRES_CHANNEL_BYTES];

	postgres->news_fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	if (postgres->news_fd < 0)
		return;
	snprintf(command, sizeof(command), "LISTEN %s", postgres->channel);
	postgres->listening = command_run(postgres, command, NULL) == 0;
}

static int open_at(struct postgres *postgres, const struct address *address, const struct adapter_open *open,
                   struct adapter_opened *ret, struct error *error) {
	int r = connect_open(postgres, address, open->client_id, error);

	if (r == 0)
		r = log_open(postgres, open, ret, error);
	if (r == 0 && address->listen)
		listen_for_hints(postgres);
	ret->live = postgres->listening;
	return r;
}

static int postgres_open(void **ret_backend, const struct adapter_open *open, struct adapter_opened *ret,
                         struct error *error) {
	struct adapter_opened opened = {
		.batch_events_max = BACKEND_BATCH_EVENTS_MAX,
		.batch_bytes_max = BACKEND_BATCH_BYTES_MAX,
		.event_bytes_max = BACKEND_BATCH_BYTES_MAX,
	};
	struct postgres *postgres = calloc(1, sizeof(*postgres));
	struct address address = { .passfile_copy = -1 };
	int r;

	if (postgres == NULL)
		return error_no_memory(error);
	postgres->news_fd = -1;
	operation_begin(postgres);
	r = name_log(postgres, open, error);
	if (r == 0)
		r = address_parse(&address, open->url, error);
	if (r == 0)
		r = open_at(postgres, &address, open, &opened, error);
	address_finish(&address);
	if (r == 0 || r == ERROR_CONFLICT)
		*ret = opened;
	if (r < 0) {
		postgres_close(postgres);
		return r;
	}
	*ret_backend = postgres;
	return 0;
}

static int postgres_live_fd(void *backend) {
	const struct postgres *postgres = backend;

	if (!postgres->listening)
		return -1;
	return postgres->news ? postgres->news_fd : PQsocket(postgres->connection);
}

static int postgres_live_take(void *backend, struct error *error) {
	struct postgres *postgres = backend;
	int news;

	if (PQconsumeInput(postgres->connection) == 0 || PQstatus(postgres->connection) != CONNECTION_OK)
		return error_set(error, ERROR_NOT_RUNNING, "%s closed the connection", postgres->place);
	statement_note_hints(postgres);
	news = postgres->news;
	postgres->news = false;
	return news;
}

int main(int argc, char **argv) {
	static const struct adapter_operations operations = {
		.name = "postgres",
		.open = postgres_open,
		.push = postgres_push,
		.pull = postgres_pull,
		.live_fd = postgres_live_fd,
		.live_take = postgres_live_take,
		.close = postgres_close,
	};

	return adapter_run(argc, argv, &operations);
}
