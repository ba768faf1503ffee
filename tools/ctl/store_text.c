/* A store's status; see store_text.h. */

#include "store_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "output.h"
#include "report.h"

static const char *offline_word(const struct lda_store *store) {
	return store->offline ? "yes" : store->push_only ? "push-only" : "no";
}

json_t *json_backend(const struct lda_store *store) {
	json_t *json;

	if (!store->has_backend)
		return must_have(json_null());
	json = must_have(json_pack("{s:s, s:o, s:s, s:s, s:I, s:I, s:s, s:I}", "url", store->backend, "head",
	                           json_position(store->backend_head), "state", store->backend_state, "offline",
	                           offline_word(store), "lag", (json_int_t)store->pending, "retry_ms",
	                           (json_int_t)store->backend_retry_ms, "lineage", store->lineage, "epoch",
	                           (json_int_t)store->epoch));
	json_object_set_new(json, "error", store->backend_code == 0 ?
	                                       must_have(json_null()) :
	                                       json_pack("{s:s, s:o}", "code", lds_code_name(store->backend_code), "text",
	                                                 json_text(store->backend_error, strlen(store->backend_error))));
	return json;
}

void backend_text(char ret[BACKEND_TEXT_BYTES], const struct lda_store *store) {
	size_t n;

	if (!store->has_backend) {
		snprintf(ret, BACKEND_TEXT_BYTES, "none");
		return;
	}
	n = (size_t)snprintf(ret, BACKEND_TEXT_BYTES, "%s%s", store->push_only ? "pushing is off, " : "",
	                     store->offline ? "offline" : store->backend_state);
	if (store->backend_retry_ms > 0 && n < BACKEND_TEXT_BYTES)
		n += (size_t)snprintf(ret + n, BACKEND_TEXT_BYTES - n, ", again in %.1f s", (double)store->backend_retry_ms / 1000);
	if (store->backend_code != 0 && n < BACKEND_TEXT_BYTES)
		snprintf(ret + n, BACKEND_TEXT_BYTES - n, ": %s", store->backend_error);
}

json_t *json_store(const struct lda_store *store) {
	json_t *json = must_have(json_pack(
		"{s:s, s:s, s:{s:s, s:I}, s:s, s:o, s:I, s:I}", "name", store->name, "path", store->path, "schema", "name",
		store->schema_name, "version", (json_int_t)store->schema_version, "client", store->client_id, "head",
		json_position(store->head), "generation", (json_int_t)store->generation, "events", (json_int_t)store->events));

	json_object_set_new(json, "backend", json_backend(store));
	json_object_update_new(
		json, must_have(json_pack("{s:I, s:I, s:I, s:I, s:s, s:I}", "pending", (json_int_t)store->pending, "refused",
	                              (json_int_t)store->refused, "voids", (json_int_t)store->voids, "sessions",
	                              (json_int_t)store->sessions, "state", store->state, "group_commits",
	                              (json_int_t)store->group_commits)));
	if (store->trouble_code != 0)
		json_object_set_new(json, "trouble", json_pack("{s:s, s:o}", "code", lds_code_name(store->trouble_code), "text",
		                                               json_text(store->trouble, strlen(store->trouble))));
	else
		json_object_set_new(json, "trouble", json_null());
	return json;
}

json_t *json_stores(const struct lda_stores *stores) {
	json_t *list = must_have(json_array());

	for (size_t i = 0; i < stores->n; i++)
		json_array_append_new(list, json_store(&stores->items[i]));
	return must_have(json_pack("{s:o}", "stores", list));
}

bool is_confirmed(const struct lda_store *store, struct lds_position position) {
	return store->has_backend && position.global <= store->backend_head.global;
}

void mark_position(char *ret, const struct lda_store *store, struct lds_position position) {
	lds_position_print(ret, position);
	if ((position.global != 0 || position.client != 0) && !is_confirmed(store, position))
		strcat(ret, "'");
}

void print_store(const struct lda_store *store) {
	char head[LDS_POSITION_TEXT_BYTES + 1], backend[LDS_POSITION_TEXT_BYTES + 1], text[BACKEND_TEXT_BYTES];

	mark_position(head, store, store->head);
	backend_text(text, store);
	lds_position_print(backend, store->backend_head);
	printf("store      %s\n", store->name);
	printf("schema     %s version %u\n", store->schema_name, store->schema_version);
	printf("folder     %s\n", store->path);
	printf("client     %s\n", store->client_id);
	printf("head       %s (generation %" PRIu64 ")\n", head, store->generation);
	printf("events     %" PRIu64 "\n", store->events);
	if (store->has_backend) {
		printf("backend    %s at %s, %" PRIu64 " pending\n", store->backend, backend, store->pending);
		printf("           ");
		output_text(text, strlen(text));
		putchar('\n');
	} else {
		printf("backend    none\n");
	}
	printf("refused    %" PRIu64 "\n", store->refused);
	printf("void       %" PRIu64 "\n", store->voids);
	printf("sessions   %u\n", store->sessions);
	printf("leader     %s, %" PRIu64 " group commits since it started\n", store->state, store->group_commits);
	if (store->trouble_code != 0) {
		printf("trouble    %s%s: ", output_has_color() ? "\033[31m" : "", lds_code_name(store->trouble_code));
		output_text(store->trouble, strlen(store->trouble));
		printf("%s\n", output_has_color() ? "\033[0m" : "");
	}
}
