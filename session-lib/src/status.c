/* What a session knows of itself and of its leader. */

#include "session.h"

#include <string.h>

static struct lds_position position_of(struct position at) {
	return (struct lds_position){ at.global, at.client };
}

static enum lds_connection connection_of(const struct lds_session *session) {
	if (session->link.fd < 0)
		return LDS_DISCONNECTED;
	return session->machine.link == SESSION_LIVE ? LDS_CONNECTED : LDS_CONNECTING;
}

int lds_get_status(const struct lds_session *session, struct lds_status *ret_status) {
	const struct session_heads *heads;
	struct lds_status status;
	size_t n_pending;

	if (session_enter(session) < 0 || !ret_status || ret_status->size < sizeof(status.size))
		return LDS_INVALID;
	heads = &session->machine.heads;
	session_pending(&session->machine, &n_pending);
	status = (struct lds_status){
		.size = ret_status->size,
		.connection = connection_of(session),
		.local_head = position_of(session->machine.local_head),
		.leader_head = position_of(heads->leader),
		.backend_head = position_of(heads->backend),
		.generation = heads->generation,
		.has_backend = heads->has_backend,
		.pending = n_pending,
		.suspended = session->n_suspended,
		.queued_bytes = session->pending.queued_bytes + leader_link_waiting(&session->link),
		.schema_version = session->schema->version,
		.trouble_code = session->trouble_code,
		.trouble = session->trouble,
	};
	memcpy(ret_status, &status, ret_status->size < sizeof(status) ? ret_status->size : sizeof(status));
	return 0;
}

void lds_on_status(struct lds_session *session, lds_status_callback callback, void *data) {
	if (session_enter(session) < 0)
		return;
	session->on_status = callback;
	session->on_status_data = data;
}

void lds_on_schema(struct lds_session *session, lds_schema_callback callback, void *data) {
	if (session_enter(session) < 0)
		return;
	session->on_schema = callback;
	session->on_schema_data = data;
}
