/* Import: events of another log, request by request. */

#include "admin.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "model/event.h"
#include "session.h"

#define REQUEST_EVENTS_MAX UNIT_EVENTS_MAX
#define REQUEST_BYTES_MAX UNIT_BYTES_MAX /* of arguments: with all the rest it fits a frame */
#define HLC_COUNTER_AT 25u               /* in the clock's text, behind the time: four digits */

struct import {
	struct lda_connection *connection;
	const char *store;
	Leaderd__Event *messages;
	Leaderd__Event **list;
	uint64_t n_imported, n_refused;
};

/* The clock's text says all of it; the time is given apart as well. */
static int read_clock(uint32_t *ret, const struct lds_event *event) {
	char text[HLC_TEXT_BYTES], digits[5] = "";
	struct hlc hlc = { .time_ms = event->time_ms };

	if (strlen(event->hlc) != HLC_TEXT_BYTES - 1)
		return ERROR_INVALID;
	memcpy(digits, event->hlc + HLC_COUNTER_AT, 4);
	hlc.counter = (uint32_t)strtoul(digits, NULL, 16);
	hlc_print(text, hlc, event->client_id, event->session_id);
	if (strcmp(text, event->hlc) != 0)
		return ERROR_INVALID;
	*ret = hlc.counter;
	return 0;
}

static int pack(struct import *import, size_t i, const struct lds_event *event) {
	Leaderd__Event *message = &import->messages[i];
	uint32_t counter;

	if (!event->name || !event->args || !event->client_id || !event->session_id || !event->hlc ||
	    strlen(event->client_id) != CLIENT_ID_BYTES || !session_id_is_valid(event->session_id))
		return admin_fail(import->connection, LDS_INVALID, "an event to import is not whole");
	if (read_clock(&counter, event) < 0)
		return admin_fail(import->connection, LDS_INVALID, "the clock of an event to import is not its own: %.100s",
		                  event->hlc);
	leaderd__event__init(message);
	message->id = (ProtobufCBinaryData){ sizeof(event->id.bytes), (uint8_t *)event->id.bytes };
	message->name = (char *)event->name;
	message->version = event->version;
	message->args = (ProtobufCBinaryData){ event->args_bytes, (uint8_t *)event->args };
	message->unit = (ProtobufCBinaryData){ sizeof(event->unit.bytes), (uint8_t *)event->unit.bytes };
	message->unit_index = event->unit_index;
	message->unit_count = event->unit_count;
	message->client_only = event->client_only;
	message->client_id = (char *)event->client_id;
	message->session_id = (char *)event->session_id;
	message->hlc_time_ms = event->time_ms;
	message->hlc_counter = counter;
	import->list[i] = message;
	return 0;
}

static int on_response(struct lda_connection *connection, const Leaderd__Response *response, void *data) {
	struct import *import = data;

	import->n_imported += response->n_imported;
	import->n_refused += response->n_refused;
	return 0;
}

static int send_request(struct import *import, const struct lds_event *events, size_t n) {
	Leaderd__Request request;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = pack(import, i, &events[i]);
	if (r < 0)
		return r;
	admin_request_init(&request, LEADERD__OPERATION__IMPORT, import->store);
	request.n_events = n;
	request.events = import->list;
	return admin_ask(import->connection, &request, on_response, import);
}

/* Whole units, as many as one request holds; 0: what comes next is no unit. */
static size_t count_for_request(const struct lds_event *events, size_t n_events) {
	size_t n = 0, bytes = 0;

	while (n < n_events) {
		size_t count = events[n].unit_count, unit_bytes = 0;

		if (count == 0 || count > UNIT_EVENTS_MAX || count > n_events - n)
			break;
		for (size_t i = 0; i < count; i++)
			unit_bytes += events[n + i].args_bytes;
		if (n + count > REQUEST_EVENTS_MAX || (n > 0 && bytes + unit_bytes > REQUEST_BYTES_MAX))
			break;
		n += count;
		bytes += unit_bytes;
	}
	return n;
}

static int send_all(struct import *import, const struct lds_event *events, size_t n_events) {
	size_t n;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n_events; i += n) {
		n = count_for_request(events + i, n_events - i);
		if (n == 0)
			return admin_fail(import->connection, LDS_INVALID, "an event to import stands without the rest of its unit");
		r = send_request(import, events + i, n);
	}
	return r;
}

int lda_import(struct lda_connection *connection, const char *store, const struct lds_event *events, size_t n_events,
               uint64_t *ret_imported, uint64_t *ret_refused) {
	struct import import = { .connection = connection, .store = store };
	size_t n_max = n_events < REQUEST_EVENTS_MAX ? n_events : REQUEST_EVENTS_MAX;
	int r = admin_enter(connection);

	if (r < 0)
		return r;
	if (!store || (!events && n_events > 0))
		return admin_fail(connection, LDS_INVALID, "an import needs a store and events");
	import.messages = calloc(n_max + 1, sizeof(*import.messages));
	import.list = calloc(n_max + 1, sizeof(Leaderd__Event *));
	r = import.messages && import.list ? send_all(&import, events, n_events)
	                                   : admin_fail(connection, LDS_NO_MEMORY, "out of memory");
	free(import.messages);
	free(import.list);
	if (r == 0 && ret_imported)
		*ret_imported = import.n_imported;
	if (r == 0 && ret_refused)
		*ret_refused = import.n_refused;
	return r;
}
