/* Administration of stores and their schemas; and their status, once or followed. */

#include "admin.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

/* ---- lists ------------------------------------------------------------------------- */

void lda_stores_free(struct lda_stores *stores) {
	if (!stores)
		return;
	for (size_t i = 0; i < stores->n; i++) {
		free((char *)stores->items[i].name);
		free((char *)stores->items[i].path);
		free((char *)stores->items[i].schema_name);
		free((char *)stores->items[i].client_id);
		free((char *)stores->items[i].backend);
		free((char *)stores->items[i].state);
		free((char *)stores->items[i].trouble);
		free((char *)stores->items[i].backend_state);
		free((char *)stores->items[i].backend_error);
		free((char *)stores->items[i].lineage);
	}
	free(stores->items);
	free(stores);
}

static char *copy(const char *text) {
	return strdup(text ? text : "");
}

static int read_heads(struct lda_store *store, const Leaderd__Heads *heads) {
	static const Leaderd__Heads none = LEADERD__HEADS__INIT;

	if (!heads)
		heads = &none;
	store->head = (struct lds_position){ heads->log_global, heads->log_client };
	store->backend_head = (struct lds_position){ heads->backend_global, heads->backend_client };
	store->generation = heads->generation;
	store->has_backend = heads->has_backend;
	store->trouble_code = heads->trouble_code;
	store->trouble = copy(heads->trouble);
	return store->trouble ? 0 : ERROR_NO_MEMORY;
}

static int read_backend(struct lda_store *store, const Leaderd__StoreStatus *message) {
	char lineage[2 * 16 + 1] = "";

	if (message->lineage.len == 16)
		hex_print(lineage, message->lineage.data, 16);
	store->backend = copy(message->backend);
	store->backend_state = copy(message->backend_state);
	store->backend_error = copy(message->backend_error);
	store->lineage = copy(lineage);
	store->backend_code = message->backend_code;
	store->offline = message->offline;
	store->push_only = message->push_only;
	store->backend_retry_ms = message->backend_retry_ms;
	store->epoch = message->epoch;
	return store->backend && store->backend_state && store->backend_error && store->lineage ? 0 : ERROR_NO_MEMORY;
}

static int read_store(struct lda_store *ret, const Leaderd__StoreStatus *message) {
	*ret = (struct lda_store){
		.name = copy(message->name),
		.path = copy(message->path),
		.schema_name = copy(message->schema_name),
		.client_id = copy(message->client_id),
		.state = copy(message->state),
		.schema_version = message->schema_version,
		.events = message->events,
		.pending = message->pending,
		.refused = message->refused,
		.voids = message->voids,
		.sessions = message->sessions,
		.group_commits = message->group_commits,
	};
	if (read_backend(ret, message) < 0 || read_heads(ret, message->heads) < 0)
		return ERROR_NO_MEMORY;
	return ret->name && ret->path && ret->schema_name && ret->client_id && ret->state ? 0 : ERROR_NO_MEMORY;
}

/* Appends what one response tells. */
static int add_stores(struct lda_connection *connection, const Leaderd__Response *response, void *data) {
	struct lda_stores *stores = data;
	struct lda_store *items = realloc(stores->items, (stores->n + response->n_stores + 1) * sizeof(*items));

	if (!items)
		return error_no_memory(&connection->error);
	stores->items = items;
	for (size_t i = 0; i < response->n_stores; i++)
		if (read_store(&stores->items[stores->n++], response->stores[i]) < 0)
			return error_no_memory(&connection->error);
	return 0;
}

static void hash_text(crypto_generichash_state *hash, const char *text) {
	crypto_generichash_update(hash, (const uint8_t *)text, strlen(text) + 1);
}

/* Equal hashes: nothing that a caller could see has changed. */
static void hash_stores(uint8_t ret[32], const struct lda_stores *stores) {
	crypto_generichash_state hash;

	crypto_generichash_init(&hash, NULL, 0, 32);
	for (size_t i = 0; i < stores->n; i++) {
		const struct lda_store *store = &stores->items[i];
		uint64_t numbers[] = {
			store->schema_version,
			store->head.global,
			store->head.client,
			store->backend_head.global,
			store->backend_head.client,
			store->generation,
			(uint64_t)store->has_backend,
			store->events,
			store->pending,
			store->refused,
			store->voids,
			store->sessions,
			(uint64_t)(int64_t)store->trouble_code,
			store->group_commits,
			(uint64_t)store->offline,
			(uint64_t)store->push_only,
			(uint64_t)(int64_t)store->backend_code,
			store->epoch,
		};

		crypto_generichash_update(&hash, (const uint8_t *)numbers, sizeof(numbers));
		hash_text(&hash, store->name);
		hash_text(&hash, store->schema_name);
		hash_text(&hash, store->backend);
		hash_text(&hash, store->state);
		hash_text(&hash, store->trouble);
		hash_text(&hash, store->backend_state);
		hash_text(&hash, store->backend_error);
		hash_text(&hash, store->lineage);
	}
	crypto_generichash_final(&hash, ret, 32);
}

/* ---- stores ------------------------------------------------------------------------- */

static int misused(struct lda_connection *connection, const char *what) {
	return admin_fail(connection, LDS_INVALID, "%s", what);
}

int lda_store_create(struct lda_connection *connection, const char *store, const char *schema, const char *schema_label,
                     const char *backend) {
	Leaderd__Request request;
	int r = admin_enter(connection);

	if (r < 0)
		return r;
	if (!store || !schema)
		return misused(connection, "a store is created with a name and a schema");
	/* Told here, a mistake in the schema bears the caller's name for it. */
	r = lda_schema_check(schema, schema_label, connection->error.text, sizeof(connection->error.text));
	if (r < 0)
		return connection->error.code = r;
	admin_request_init(&request, LEADERD__OPERATION__STORE_CREATE, store);
	request.text = (char *)schema;
	if (backend)
		request.backend = (char *)backend;
	return admin_ask(connection, &request, NULL, NULL);
}

static int list_stores(struct lda_connection *connection, Leaderd__Request *request, struct lda_stores **ret_stores) {
	struct lda_stores *stores = calloc(1, sizeof(*stores));
	int r = stores ? admin_ask(connection, request, add_stores, stores) : error_no_memory(&connection->error);

	if (r < 0) {
		lda_stores_free(stores);
		return r;
	}
	*ret_stores = stores;
	return 0;
}

int lda_store_list(struct lda_connection *connection, struct lda_stores **ret_stores) {
	Leaderd__Request request;
	int r = admin_enter(connection);

	if (r < 0)
		return r;
	if (!ret_stores)
		return misused(connection, "no place for the list");
	admin_request_init(&request, LEADERD__OPERATION__STORE_LIST, NULL);
	return list_stores(connection, &request, ret_stores);
}

int lda_store_remove(struct lda_connection *connection, const char *store, int force) {
	Leaderd__Request request;
	int r = admin_enter(connection);

	if (r < 0)
		return r;
	if (!store)
		return misused(connection, "no store was named");
	admin_request_init(&request, LEADERD__OPERATION__STORE_REMOVE, store);
	request.force = force != 0;
	return admin_ask(connection, &request, NULL, NULL);
}

int lda_rebuild(struct lda_connection *connection, const char *store, int accept_loss) {
	Leaderd__Request request;
	int r = admin_enter(connection);

	if (r < 0)
		return r;
	if (!store)
		return misused(connection, "no store was named");
	admin_request_init(&request, LEADERD__OPERATION__REBUILD, store);
	request.accept_loss = accept_loss != 0;
	return admin_ask(connection, &request, NULL, NULL);
}

/* ---- status -------------------------------------------------------------------------- */

int lda_status(struct lda_connection *connection, const char *store, struct lda_stores **ret_stores) {
	Leaderd__Request request;
	int r = admin_enter(connection);

	if (r < 0)
		return r;
	if (!ret_stores)
		return misused(connection, "no place for the status");
	admin_request_init(&request, LEADERD__OPERATION__STATUS, store);
	r = list_stores(connection, &request, ret_stores);
	if (r == 0)
		hash_stores(connection->seen, *ret_stores);
	return r;
}

/* A response to nothing that was asked just now: the followed status, or late. */
int admin_take_followed(struct lda_connection *connection, const Leaderd__Response *response) {
	struct lda_stores *stores;
	int r;

	if (connection->follow_number == 0 || response->number != connection->follow_number)
		return 0;
	if (response->code < 0) {
		connection->follow_number = 0;
		connection->followed_code =
			admin_fail(connection, response->code < ERROR_LAST ? LDS_PROTOCOL : response->code, "%s", response->error);
		return 0;
	}
	stores = calloc(1, sizeof(*stores));
	r = stores ? add_stores(connection, response, stores) : error_no_memory(&connection->error);
	if (r < 0) {
		lda_stores_free(stores);
		return r;
	}
	lda_stores_free(connection->followed);
	connection->followed = stores;
	return 0;
}

static bool follows(const struct lda_connection *connection, const char *store) {
	const char *followed = connection->follow_store;

	if (connection->follow_number == 0 || !store != !followed)
		return false;
	return !store || strcmp(store, followed) == 0;
}

static int start_following(struct lda_connection *connection, const char *store, uint64_t until_us) {
	Leaderd__Request request;
	char *name = NULL;
	int r;

	if (store && !(name = strdup(store)))
		return error_no_memory(&connection->error);
	admin_request_init(&request, LEADERD__OPERATION__STATUS, store);
	request.follow = true;
	r = admin_send(connection, &request, until_us);
	if (r < 0) {
		free(name);
		return r;
	}
	free(connection->follow_store);
	connection->follow_store = name;
	connection->follow_number = request.number;
	connection->followed_code = 0;
	lda_stores_free(connection->followed);
	connection->followed = NULL;
	return 0;
}

/* A status that is other than the caller's; what came meanwhile and is the same is dropped. */
static bool take_news(struct lda_connection *connection, struct lda_stores **ret_stores) {
	struct lda_stores *stores = connection->followed;
	uint8_t hash[sizeof(connection->seen)];

	connection->followed = NULL;
	if (!stores)
		return false;
	hash_stores(hash, stores);
	if (memcmp(hash, connection->seen, sizeof(hash)) == 0) {
		lda_stores_free(stores);
		return false;
	}
	memcpy(connection->seen, hash, sizeof(hash));
	*ret_stores = stores;
	return true;
}

int lda_status_next(struct lda_connection *connection, const char *store, int timeout_ms,
                    struct lda_stores **ret_stores) {
	uint64_t until_us = admin_deadline(timeout_ms);
	const Leaderd__Response *response;
	int r = admin_enter(connection);

	if (r < 0)
		return r;
	if (!ret_stores)
		return misused(connection, "no place for the status");
	if (!follows(connection, store))
		r = start_following(connection, store, admin_deadline(connection->timeout_ms));
	while (r == 0) {
		if (connection->followed_code < 0)
			return connection->followed_code;
		if (take_news(connection, ret_stores))
			return 0;
		r = admin_read(connection, &response, until_us);
		if (r == 0)
			r = admin_take_followed(connection, response);
	}
	return r;
}

/* ---- schemas -------------------------------------------------------------------------- */

int lda_schema_check(const char *schema, const char *label, char *ret_error, size_t error_bytes) {
	struct schema *loaded = NULL;
	struct error error = { 0 };
	int r = schema ? schema_load(&loaded, schema, strlen(schema), label ? label : "schema", &error)
	               : error_set(&error, LDS_INVALID, "no schema was given");

	schema_destroy(loaded);
	if (r < 0 && ret_error && error_bytes > 0)
		strlcpy(ret_error, error.text, error_bytes);
	return r;
}

static int keep_text(struct lda_connection *connection, const Leaderd__Response *response, void *data) {
	char **ret = data;

	free(*ret);
	*ret = copy(response->text);
	return *ret ? 0 : error_no_memory(&connection->error);
}

int lda_schema_show(struct lda_connection *connection, const char *store, char **ret_schema) {
	Leaderd__Request request;
	char *text = NULL;
	int r = admin_enter(connection);

	if (r < 0)
		return r;
	if (!store || !ret_schema)
		return misused(connection, "no store was named, or no place for its schema");
	admin_request_init(&request, LEADERD__OPERATION__SCHEMA_SHOW, store);
	r = admin_ask(connection, &request, keep_text, &text);
	if (r < 0) {
		free(text);
		return r;
	}
	*ret_schema = text;
	return 0;
}

int lda_schema_install(struct lda_connection *connection, const char *store, const char *schema,
                       const char *schema_label) {
	Leaderd__Request request;
	int r = admin_enter(connection);

	if (r < 0)
		return r;
	if (!store || !schema)
		return misused(connection, "no store was named, or no schema given");
	r = lda_schema_check(schema, schema_label, connection->error.text, sizeof(connection->error.text));
	if (r < 0)
		return connection->error.code = r;
	admin_request_init(&request, LEADERD__OPERATION__SCHEMA_INSTALL, store);
	request.text = (char *)schema;
	return admin_ask(connection, &request, NULL, NULL);
}
