/* Administration of a store's backend. What takes time is waited for. */

#include "admin.h"

#include "session.h"

#define SYNC_TIMEOUT_MS 30000
#define ANSWER_MARGIN_MS 2000 /* the leader's own time-out comes first, with its reason */

static int begin(struct lda_connection *connection, Leaderd__Request *request, Leaderd__Operation operation,
                 const char *store) {
	int r = admin_enter(connection);

	if (r < 0)
		return r;
	if (!store)
		return admin_fail(connection, LDS_INVALID, "no store was named");
	admin_request_init(request, operation, store);
	return 0;
}

/* The connection's own time-out does not hold for what waits. */
static int ask_for(struct lda_connection *connection, Leaderd__Request *request, int timeout_ms) {
	int usual = connection->timeout_ms;
	int r;

	request->timeout_ms = timeout_ms > 0 ? (uint32_t)timeout_ms : 0;
	connection->timeout_ms =
		timeout_ms > 0 && timeout_ms < INT32_MAX - ANSWER_MARGIN_MS ? timeout_ms + ANSWER_MARGIN_MS : -1;
	r = admin_ask(connection, request, NULL, NULL);
	connection->timeout_ms = usual;
	return r;
}

int lda_backend_set(struct lda_connection *connection, const char *store, const char *backend) {
	Leaderd__Request request;
	int r = begin(connection, &request, LEADERD__OPERATION__BACKEND_SET, store);

	if (r < 0)
		return r;
	if (backend)
		request.backend = (char *)backend;
	return admin_ask(connection, &request, NULL, NULL);
}

int lda_backend_repair(struct lda_connection *connection, const char *store, const char *backend, int timeout_ms) {
	Leaderd__Request request;
	int r = begin(connection, &request, LEADERD__OPERATION__BACKEND_SET, store);

	if (r < 0)
		return r;
	if (backend)
		request.backend = (char *)backend;
	request.repair = true;
	return ask_for(connection, &request, timeout_ms);
}

int lda_backend_adopt(struct lda_connection *connection, const char *store, const char *backend, int timeout_ms) {
	Leaderd__Request request;
	int r = begin(connection, &request, LEADERD__OPERATION__BACKEND_SET, store);

	if (r < 0)
		return r;
	if (backend)
		request.backend = (char *)backend;
	request.adopt = true;
	return ask_for(connection, &request, timeout_ms);
}

int lda_offline(struct lda_connection *connection, const char *store, int push_only) {
	Leaderd__Request request;
	int r = begin(connection, &request, LEADERD__OPERATION__OFFLINE, store);

	if (r < 0)
		return r;
	request.push_only = push_only != 0;
	return admin_ask(connection, &request, NULL, NULL);
}

int lda_online(struct lda_connection *connection, const char *store) {
	Leaderd__Request request;
	int r = begin(connection, &request, LEADERD__OPERATION__ONLINE, store);

	return r < 0 ? r : admin_ask(connection, &request, NULL, NULL);
}

int lda_sync(struct lda_connection *connection, const char *store, int timeout_ms) {
	Leaderd__Request request;
	int r = begin(connection, &request, LEADERD__OPERATION__SYNC, store);

	return r < 0 ? r : ask_for(connection, &request, timeout_ms > 0 ? timeout_ms : SYNC_TIMEOUT_MS);
}
