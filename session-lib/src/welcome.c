/*
 * Hello and welcome: how a session and its leader find the newest point that
 * both know. What the session says is in its hello; the welcome resumes there,
 * or brings an image of the state, and says what became of each pending event.
 */

#include "session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"

/* ---- heads --------------------------------------------------------------------- */

struct session_heads session_read_heads(const Leaderd__Heads *heads) {
	struct session_heads ret = { 0 };

	if (!heads)
		return ret;
	ret.backend = (struct position){ heads->backend_global, heads->backend_client };
	ret.final = (struct position){ heads->final_global, heads->final_client };
	ret.generation = heads->generation;
	ret.has_backend = heads->has_backend;
	return ret;
}

/* What the machine has no use for. */
void session_keep_heads(struct lds_session *session, const Leaderd__Heads *heads) {
	if (!heads)
		return;
	if (session->opening) {
		struct position head = { heads->log_global, heads->log_client };

		if (position_is_root(session->log_head) || position_compare(head, session->log_head) < 0)
			session->log_head = head;
	}
	session->final_hash = (struct hash){ 0 };
	if (heads->final_local_hash.len == sizeof(session->final_hash.bytes))
		memcpy(session->final_hash.bytes, heads->final_local_hash.data, sizeof(session->final_hash.bytes));
	session->trouble_code = heads->trouble_code < 0 && heads->trouble_code >= ERROR_LAST ? heads->trouble_code : 0;
	strlcpy(session->trouble, heads->trouble ? heads->trouble : "", sizeof(session->trouble));
	session->status_changed = true;
}

/* ---- hello --------------------------------------------------------------------- */

static uint8_t *pack_pending_ids(const struct lds_session *session, size_t *ret_n) {
	const struct pending *pending = session_pending(&session->machine, ret_n);
	uint8_t *ids = malloc(*ret_n * sizeof(pending->entry.id.bytes) + 1);

	for (size_t i = 0; ids && i < *ret_n; i++)
		memcpy(ids + i * sizeof(pending->entry.id.bytes), pending[i].entry.id.bytes, sizeof(pending->entry.id.bytes));
	return ids;
}

/* The newest point that can never be undone, as far as this session has seen the
 * log: beyond its own head the leader's final head tells it nothing. */
static void set_points(const struct lds_session *session, Leaderd__Point *newest, Leaderd__Point *confirmed) {
	const struct session_heads *heads = &session->machine.heads;

	wire_point_set(newest, heads->leader, &session->leader_hash);
	if (position_compare(heads->final, heads->leader) < 0)
		wire_point_set(confirmed, heads->final, &session->final_hash);
	else
		wire_point_set(confirmed, heads->leader, &session->leader_hash);
}

int session_say_hello(struct lds_session *session, bool want_image) {
	const struct schema *schema = session->schema ? session->schema : session->app_schema;
	Leaderd__ToLeader message = LEADERD__TO_LEADER__INIT;
	Leaderd__Hello hello = LEADERD__HELLO__INIT;
	Leaderd__Point newest, confirmed;
	size_t n_pending;
	uint8_t *ids = pack_pending_ids(session, &n_pending);
	int r;

	if (!ids)
		return error_no_memory(&session->error);
	set_points(session, &newest, &confirmed);
	hello.protocol = WIRE_PROTOCOL_VERSION;
	hello.store = session->store;
	hello.session_id = session->session_id;
	hello.nonce = (ProtobufCBinaryData){ sizeof(session->nonce), session->nonce };
	if (schema)
		hello.fingerprint =
			(ProtobufCBinaryData){ sizeof(schema->fingerprint.bytes), (uint8_t *)schema->fingerprint.bytes };
	if (session->app_text)
		hello.schema = session->app_text;
	hello.newest = &newest;
	hello.confirmed = &confirmed;
	hello.pending = (ProtobufCBinaryData){ n_pending * sizeof(struct event_id), ids };
	hello.want_image = want_image || session->broken; /* what the machine believes in is not here */
	hello.read_only = (session->flags & LDS_READ_ONLY) != 0;
	hello.refused_seen = session->refused_seen;
	message.body_case = LEADERD__TO_LEADER__BODY_HELLO;
	message.hello = &hello;
	r = session_pack(session, &message);
	free(ids);
	return r;
}

/* ---- welcome ------------------------------------------------------------------- */

static int check_identity(struct lds_session *session, const Leaderd__Welcome *message) {
	size_t n;

	if (message->protocol != WIRE_PROTOCOL_VERSION)
		return session_fail(session, ERROR_VERSION, "the leader speaks protocol %u, this library %u", message->protocol,
		                    WIRE_PROTOCOL_VERSION);
	session_pending(&session->machine, &n);
	if (session->client_id[0] && n > 0 && strcmp(session->client_id, message->client_id) != 0)
		return session_fail(session, ERROR_CONFLICT,
		                    "the store %s was replaced by another while %zu events were pending here", session->store,
		                    n);
	return 0;
}

/* The schema that the welcome's state is under, and a state to take it into. */
static int prepare_state(struct lds_session *session, const Leaderd__Welcome *message, const struct schema **ret) {
	struct state_options options = { .on_change = session_touch, .on_change_data = session };
	const struct schema *schema = session->schema ? session->schema : session->app_schema;
	int r = 0;

	if (message->schema && *message->schema)
		r = session_load_schema(session, message->schema, "schema in force", &schema);
	if (r < 0)
		return r;
	if (!schema)
		return session_fail(session, ERROR_PROTOCOL, "the welcome brought no schema, and none is known here");
	if (!message->image && session->schema && schema != session->schema)
		return session_fail(session, ERROR_PROTOCOL, "the welcome brought another schema, but no image");
	*ret = options.schema = schema;
	if (session->state)
		return 0;
	r = state_open(&session->state, &options, &session->error);
	if (r < 0)
		return r;
	state_set_app_mode(session->state, true);
	session_use_schema(session, schema);
	return 0;
}

static enum session_verdict *read_verdicts(const ProtobufCBinaryData *data) {
	enum session_verdict *verdicts = calloc(data->len + 1, sizeof(*verdicts));

	for (size_t i = 0; verdicts && i < data->len; i++)
		verdicts[i] = data->data[i] == 0 ? VERDICT_UNKNOWN : data->data[i] == 1 ? VERDICT_LOGGED : VERDICT_REFUSED;
	return verdicts;
}

/* A welcome that is being taken, and what was known before it. */
struct taking {
	const Leaderd__Welcome *message;
	struct session_welcome welcome;
	struct position leader, final;
};

/* Does the log still hold what this session had seen of it? */
static bool same_branch(const struct lds_session *session, const struct taking *taking) {
	return session->client_id[0] && !taking->welcome.image && position_equal(taking->welcome.at, taking->leader);
}

static void keep(struct lds_session *session, void *data) {
	const struct taking *taking = data;
	const Leaderd__Welcome *message = taking->message;
	struct hlc clock = { message->hlc_time_ms, message->hlc_counter };
	struct position ignored;

	events_welcomed(session, same_branch(session, taking), taking->final);
	strlcpy(session->client_id, message->client_id, sizeof(session->client_id));
	wire_point_get(message->at, &ignored, &session->leader_hash);
	session->hlc = hlc_later(session->hlc, clock);
	session->schema_is_newer = message->schema_is_newer;
	/* What an image holds of this session is not known one by one. */
	if (taking->welcome.image || position_compare(session->own_last, taking->welcome.at) > 0)
		session->own_last = taking->welcome.at;
	session->delay_ms = RECONNECT_DELAY_MS_MIN;
	session_keep_heads(session, message->heads);
}

static int take(struct lds_session *session, const Leaderd__Welcome *message, const struct schema *schema) {
	enum session_verdict *verdicts = read_verdicts(&message->verdicts);
	struct taking taking = {
		.message = message,
		.leader = session->machine.heads.leader,
		.final = session->machine.heads.final,
		.welcome = { .image = message->image,
		             .heads = session_read_heads(message->heads),
		             .verdicts = verdicts,
		             .n_verdicts = message->verdicts.len },
	};
	struct step step = {
		.outcome = SESSION_DONE,
		.welcome = true,
		.schema = schema,
		.image_fd = session->link.image_fd,
		.image_bytes = message->image_bytes,
		.generation = taking.welcome.heads.generation,
		.on_done = keep,
		.on_done_data = &taking,
	};
	struct session_input input = { .kind = SESSION_WELCOME };
	struct hash ignored;
	int r;

	if (!verdicts)
		return error_no_memory(&session->error);
	wire_point_get(message->at, &taking.welcome.at, &ignored);
	input.welcome = taking.welcome;
	r = session_perform(session, &input, &step);
	free(verdicts);
	return r < 0 ? r : step.outcome == SESSION_FAILED ? step.code : 0;
}

int session_take_welcome(struct lds_session *session, const Leaderd__Welcome *message) {
	const struct schema *schema = NULL;
	int r;

	if (session_is_held(session))
		return LDS_HELD;
	if (message->image && session->link.image_fd < 0)
		return session_fail(session, ERROR_PROTOCOL, "the welcome announced an image, but no descriptor came with it");
	r = check_identity(session, message);
	if (r == 0)
		r = prepare_state(session, message, &schema);
	if (r == 0)
		r = take(session, message, schema);
	if (r == 0 && session->link.image_fd >= 0)
		close(leader_link_take_image(&session->link));
	return r;
}
