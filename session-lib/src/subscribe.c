/*
 * Subscriptions: to tables, and to the rows of a query. A query is run again
 * whenever any row changed, and its callback called when the rows are others
 * than before: told by a hash of all their values.
 */

#include "query.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* ---- making and ending ----------------------------------------------------------- */

static struct lds_subscription *subscription_free(struct lds_subscription *subscription) {
	if (!subscription)
		return NULL;
	for (size_t i = 0; subscription->tables && i < subscription->n_tables; i++)
		free(subscription->tables[i]);
	for (size_t i = 0; subscription->parameters && i < subscription->n_parameters; i++) {
		free((char *)subscription->parameters[i].name);
		free((char *)subscription->parameters[i].value.text);
	}
	free(subscription->tables);
	free(subscription->parameters);
	free(subscription->sql);
	free(subscription);
	return NULL;
}

static int check_room(struct lds_session *session) {
	if (session->n_subscriptions >= SESSION_SUBSCRIPTIONS_MAX)
		return session_fail(session, LDS_FULL, "a session has at most %u subscriptions", SESSION_SUBSCRIPTIONS_MAX);
	return 0;
}

static int add(struct lds_session *session, struct lds_subscription *subscription, void *data,
               struct lds_subscription **ret_subscription) {
	subscription->session = session;
	subscription->data = data;
	subscription->round = session->round;
	TAILQ_INSERT_TAIL(&session->subscriptions, subscription, list);
	session->n_subscriptions++;
	if (ret_subscription)
		*ret_subscription = subscription;
	return 0;
}

static int copy_tables(struct lds_session *session, struct lds_subscription *subscription, const char *const *tables,
                       size_t n_tables) {
	subscription->tables = calloc(n_tables + 1, sizeof(*subscription->tables));
	if (!subscription->tables)
		return error_no_memory(&session->error);
	for (size_t i = 0; i < n_tables; i++) {
		if (!tables[i] || schema_find_table(session->schema, tables[i]) < 0)
			return session_fail(session, LDS_INVALID, "the schema has no table %s",
			                    tables[i] ? tables[i] : "without a name");
		subscription->tables[i] = strdup(tables[i]);
		if (!subscription->tables[i])
			return error_no_memory(&session->error);
		subscription->n_tables++;
	}
	return 0;
}

int lds_subscribe(struct lds_session *session, const char *const *tables, size_t n_tables, lds_table_callback callback,
                  void *data, struct lds_subscription **ret_subscription) {
	struct lds_subscription *subscription;
	int r = session_enter(session);

	if (r < 0)
		return r;
	if (!callback || (n_tables > 0 && !tables) || n_tables > SCHEMA_TABLES_MAX)
		return session_fail(session, LDS_INVALID, "a subscription without a callback, or without its tables");
	r = check_room(session);
	if (r < 0)
		return r;
	subscription = calloc(1, sizeof(*subscription));
	r = subscription ? copy_tables(session, subscription, tables, n_tables) : error_no_memory(&session->error);
	if (r < 0) {
		subscription_free(subscription);
		return r;
	}
	subscription->on_tables = callback;
	return add(session, subscription, data, ret_subscription);
}

static char *copy_bytes(const char *data, size_t n) {
	char *copy = malloc(n + 1);

	if (copy) {
		if (n > 0)
			memcpy(copy, data, n);
		copy[n] = '\0';
	}
	return copy;
}

static int copy_parameters(struct lds_subscription *subscription, const struct lds_parameter *parameters, size_t n) {
	subscription->parameters = calloc(n + 1, sizeof(*subscription->parameters));
	if (!subscription->parameters)
		return ERROR_NO_MEMORY;
	for (size_t i = 0; i < n; i++) {
		struct lds_parameter *copy = &subscription->parameters[subscription->n_parameters++];
		const struct lds_value *value = &parameters[i].value;
		bool has_bytes = (value->type == LDS_TEXT || value->type == LDS_BLOB) && value->text;

		copy->value = *value;
		copy->value.text = has_bytes ? copy_bytes(value->text, value->bytes) : NULL;
		copy->name = parameters[i].name ? strdup(parameters[i].name) : NULL;
		if ((has_bytes && !copy->value.text) || (parameters[i].name && !copy->name))
			return ERROR_NO_MEMORY;
	}
	return 0;
}

static int copy_query(struct lds_session *session, struct lds_subscription *subscription, const char *sql,
                      const struct lds_parameter *parameters, size_t n_parameters) {
	struct lds_rows *rows;
	int r;

	subscription->sql = strdup(sql);
	if (!subscription->sql || copy_parameters(subscription, parameters, n_parameters) < 0)
		return error_no_memory(&session->error);
	r = rows_open(session, sql, parameters, n_parameters, &rows); /* is it a query at all? */
	if (r == 0)
		rows_free(rows);
	return r;
}

int lds_subscribe_query(struct lds_session *session, const char *sql, const struct lds_parameter *parameters,
                        size_t n_parameters, lds_query_callback callback, void *data,
                        struct lds_subscription **ret_subscription) {
	struct lds_subscription *subscription;
	int r = session_enter(session);

	if (r < 0)
		return r;
	if (!sql || !callback || (n_parameters > 0 && !parameters))
		return session_fail(session, LDS_INVALID, "a subscription without its query or callback");
	r = check_room(session);
	if (r < 0)
		return r;
	subscription = calloc(1, sizeof(*subscription));
	r = subscription ? copy_query(session, subscription, sql, parameters, n_parameters)
	                 : error_no_memory(&session->error);
	if (r < 0) {
		subscription_free(subscription);
		return r;
	}
	subscription->on_rows = callback;
	subscription->fresh = subscription->due = true;
	return add(session, subscription, data, ret_subscription);
}

/* A round of callbacks may be standing on it: then it is freed when that is over. */
void lds_unsubscribe(struct lds_subscription *subscription) {
	struct lds_session *session = subscription ? subscription->session : NULL;

	if (session_enter(session) < 0 || subscription->ended)
		return;
	session->n_subscriptions--;
	subscription->ended = true;
	if (session->calling > 0)
		return;
	TAILQ_REMOVE(&session->subscriptions, subscription, list);
	subscription_free(subscription);
}

void subscriptions_free(struct lds_session *session) {
	while (!TAILQ_EMPTY(&session->subscriptions)) {
		struct lds_subscription *subscription = TAILQ_FIRST(&session->subscriptions);

		TAILQ_REMOVE(&session->subscriptions, subscription, list);
		subscription_free(subscription);
	}
}

static void free_ended(struct lds_session *session) {
	struct lds_subscription *subscription = TAILQ_FIRST(&session->subscriptions);

	while (subscription) {
		struct lds_subscription *next = TAILQ_NEXT(subscription, list);

		if (subscription->ended) {
			TAILQ_REMOVE(&session->subscriptions, subscription, list);
			subscription_free(subscription);
		}
		subscription = next;
	}
}

/* ---- tables ------------------------------------------------------------------------ */

static bool wants(const struct lds_subscription *subscription, const char *table) {
	for (size_t i = 0; i < subscription->n_tables; i++)
		if (strcmp(subscription->tables[i], table) == 0)
			return true;
	return subscription->n_tables == 0;
}

static void call_tables(struct lds_session *session, struct lds_subscription *subscription,
                        const bool changed[SCHEMA_TABLES_MAX]) {
	const char *tables[SCHEMA_TABLES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < session->schema->n_tables; i++)
		if (changed[i] && wants(subscription, session->schema->tables[i].name))
			tables[n++] = session->schema->tables[i].name;
	if (n > 0)
		subscription->on_tables(session, tables, n, subscription->data);
}

/* What was made in this round hears of the next. */
static bool takes_part(const struct lds_session *session, const struct lds_subscription *subscription) {
	return !subscription->ended && subscription->round < session->round;
}

void subscriptions_call_tables(struct lds_session *session, const bool changed[SCHEMA_TABLES_MAX]) {
	struct lds_subscription *subscription;

	TAILQ_FOREACH(subscription, &session->subscriptions, list)
		if (subscription->on_tables && takes_part(session, subscription))
			call_tables(session, subscription, changed);
}

/* ---- queries ----------------------------------------------------------------------- */

static void hash_value(crypto_generichash_state *hash, const struct lds_value *value) {
	uint64_t bytes = value->bytes;
	uint8_t type = (uint8_t)value->type;

	crypto_generichash_update(hash, &type, sizeof(type));
	if (value->type == LDS_INTEGER)
		crypto_generichash_update(hash, (const uint8_t *)&value->integer, sizeof(value->integer));
	if (value->type == LDS_REAL)
		crypto_generichash_update(hash, (const uint8_t *)&value->real, sizeof(value->real));
	if (value->type == LDS_TEXT || value->type == LDS_BLOB) {
		crypto_generichash_update(hash, (const uint8_t *)&bytes, sizeof(bytes));
		crypto_generichash_update(hash, (const uint8_t *)value->text, value->bytes);
	}
}

static int hash_rows(struct lds_rows *rows, uint8_t ret[32]) {
	crypto_generichash_state hash;
	int columns = lds_rows_columns(rows), r;

	crypto_generichash_init(&hash, NULL, 0, 32);
	while ((r = lds_rows_next(rows)) == LDS_ROW) {
		for (int i = 0; i < columns; i++) {
			struct lds_value value;

			r = lds_rows_value(rows, i, &value);
			if (r < 0)
				return r;
			hash_value(&hash, &value);
		}
	}
	if (r == 0)
		crypto_generichash_final(&hash, ret, 32);
	return r;
}

/* A query that fails (its table is gone with the old schema, or memory is short)
 * stays as it is and is tried again at the next change. */
static void call_query(struct lds_session *session, struct lds_subscription *subscription) {
	struct lds_rows *rows;
	uint8_t hash[32];

	subscription->due = false;
	if (rows_open(session, subscription->sql, subscription->parameters, subscription->n_parameters, &rows) < 0)
		return;
	if (hash_rows(rows, hash) == 0 &&
	    (subscription->fresh || memcmp(hash, subscription->rows_hash, sizeof(hash)) != 0)) {
		subscription->fresh = false;
		memcpy(subscription->rows_hash, hash, sizeof(hash));
		rows_rewind(rows);
		rows->lent = true;
		subscription->on_rows(session, rows, subscription->data);
	}
	rows_free(rows);
}

void subscriptions_call_queries(struct lds_session *session, bool any_changed) {
	struct lds_subscription *subscription;

	TAILQ_FOREACH(subscription, &session->subscriptions, list)
		if (subscription->on_rows && (any_changed || subscription->due) && takes_part(session, subscription))
			call_query(session, subscription);
	free_ended(session);
}

bool subscriptions_are_due(const struct lds_session *session) {
	const struct lds_subscription *subscription;

	TAILQ_FOREACH(subscription, &session->subscriptions, list)
		if (subscription->due && !subscription->ended)
			return true;
	return false;
}
