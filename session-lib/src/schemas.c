/*
 * The schemas that a session holds: the app's, the one in force, and one that a
 * welcome brought and whose image is still to be taken. They stay until an image
 * under the newest one is whole: until then the state may refer to any of them.
 */

#include "session.h"

#include <string.h>

#include "store/hash.h"

static bool is_used(const struct lds_session *session, const struct schema *schema) {
	return schema == session->app_schema || schema == session->schema;
}

int session_load_schema(struct lds_session *session, const char *text, const char *label, const struct schema **ret) {
	size_t n = strlen(text);
	struct schema **room = NULL;
	struct hash fingerprint;
	int r;

	hash_bytes(&fingerprint, text, n);
	for (size_t i = 0; i < SESSION_SCHEMAS_MAX; i++) {
		if (!session->schemas[i])
			room = &session->schemas[i];
		else if (hash_equal(&session->schemas[i]->fingerprint, &fingerprint)) {
			*ret = session->schemas[i];
			return 0;
		}
	}
	if (!room)
		return session_fail(session, ERROR_FULL, "too many schemas came without an image of their state");
	r = schema_load(room, text, n, label, &session->error);
	if (r == 0)
		*ret = *room;
	return r;
}

void session_use_schema(struct lds_session *session, const struct schema *schema) {
	struct pending_event *pending, *next;

	HASH_ITER(hh, session->pending.by_id, pending, next)
		pending->runs_away = false;
	session->schema = schema;
	if (!session->app_schema)
		session->app_schema = schema;
	for (size_t i = 0; i < SESSION_SCHEMAS_MAX; i++)
		if (session->schemas[i] && !is_used(session, session->schemas[i]))
			session->schemas[i] = schema_destroy(session->schemas[i]);
}
