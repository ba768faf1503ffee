/*
 * Hello; see hello.h. Verdicts on pending events are given after the open group
 * has been flushed: an event is in the log, known as refused, or not here.
 */

#include "leaderd/src/hello.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "leaderd/src/leader.h"
#include "leaderd/src/peer.h"
#include "leaderd/src/stores.h"
#include "store/hash.h"

enum verdict { VERDICT_BYTE_UNKNOWN = 0, VERDICT_BYTE_LOGGED = 1, VERDICT_BYTE_REFUSED = 2 };

/* ---- which store, under which schema ----------------------------------------------- */

static int check_usable(const struct leader *leader, struct error *error) {
	if (leader->retired)
		return error_set(error, ERROR_CONFLICT, "the store %s was removed", leader->name);
	if (leader->store->hold.code != 0)
		return error_set(error, leader->store->hold.code, "the store %s is on hold: %s", leader->name,
		                 leader->store->hold.text);
	return 0;
}

static int find_store(struct leader **ret, struct peer *peer, const Leaderd__Hello *hello, struct error *error) {
	struct leader *leader;
	int r = stores_get(&leader, peer->daemon, hello->store, error);

	if (r == ERROR_NOT_FOUND && hello->schema[0] != '\0' && !hello->read_only)
		r = stores_create(&leader, peer->daemon, hello->store, hello->schema, error);
	if (r == 0)
		r = check_usable(leader, error);
	if (r < 0)
		return r;
	*ret = leader;
	return 0;
}

static bool is_in_force(const struct leader *leader, const char *schema) {
	struct hash fingerprint;

	hash_bytes(&fingerprint, schema, strlen(schema));
	return hash_equal(&fingerprint, &leader->store->schema->fingerprint);
}

/* A higher version is put in force, a lower one is told of the newer. Who only
 * reads takes what is in force. */
static int agree_on_schema(struct leader *leader, const Leaderd__Hello *hello, bool *ret_newer, struct error *error) {
	const char *text = hello->schema;
	struct schema *schema = NULL;

	*ret_newer = false;
	if (text[0] == '\0' || is_in_force(leader, text))
		return 0;
	int r = schema_load(&schema, text, strlen(text), "schema", error);
	if (r < 0)
		return r;
	uint32_t version = schema->version;
	schema_destroy(schema);
	if (version < leader->store->schema->version) {
		*ret_newer = true;
		return 0;
	}
	return hello->read_only ? 0 : leader_install_schema(leader, text, error);
}

/* ---- who holds the session id -------------------------------------------------------- */

/* The old connection is read as far as possible first: what its process sent
 * before it died must be in the log when verdicts are given. */
static int free_session_id(struct leader *leader, const struct peer *peer, const Leaderd__Hello *hello,
                           struct error *error) {
	struct leader_session *old = leader_find_session(leader, hello->session_id);

	if (!old || old->peer == peer)
		return 0;
	peer_read(old->peer);
	/* It may have asked for anything, the store's removal included. */
	int r = check_usable(leader, error);
	if (r < 0)
		return r;
	old = leader_find_session(leader, hello->session_id);
	if (!old || old->peer == peer)
		return 0;
	if (memcmp(old->nonce, hello->nonce.data, sizeof(old->nonce)) != 0 && !peer_has_hung_up(old->peer))
		return error_set(error, ERROR_CONFLICT, "session %s is open in process %ld", old->id,
		                 (long)old->peer->process_id);
	/* What it has sent and we have not read stays readable. */
	old->replaced = true;
	peer_end_output(old->peer);
	return 0;
}

/* A later hello on the same connection is the same session's. */
static int check_same(const struct leader_session *session, const struct leader *leader, const Leaderd__Hello *hello,
                      struct error *error) {
	if (session->leader != leader || strcmp(session->id, hello->session_id) != 0 ||
	    memcmp(session->nonce, hello->nonce.data, sizeof(session->nonce)) != 0)
		return error_set(error, ERROR_PROTOCOL, "session %s said hello as another one on the same connection",
		                 session->id);
	return 0;
}

static int attach(struct peer *peer, struct leader *leader, const Leaderd__Hello *hello, struct error *error) {
	struct leader_session *session;

	if (peer->session)
		return check_same(peer->session, leader, hello, error);
	int r = free_session_id(leader, peer, hello, error);
	if (r == 0)
		r = leader_attach(&session, leader, peer, hello->session_id, error);
	if (r < 0)
		return r;
	memcpy(session->nonce, hello->nonce.data, sizeof(session->nonce));
	session->read_only = hello->read_only;
	return 0;
}

/* ---- what became of the pending events ------------------------------------------------ */

static int verdict_of(struct leader *leader, const struct event_id *id, enum verdict *ret, struct error *error) {
	/* No event has this content, so a known id is told as one with other content. */
	static const struct hash no_content = { { 0 } };
	struct position at;
	enum eventlog_known known;
	struct event *event = NULL;
	int r = eventlog_known(leader->store->log, id, &no_content, &known, &at, error);

	if (r < 0)
		return r;
	if (known == KNOWN_NOT) {
		*ret = VERDICT_BYTE_UNKNOWN;
		return 0;
	}
	r = eventlog_find(leader->store->log, id, &event, error);
	event_destroy(event);
	if (r < 0 && r != ERROR_NOT_FOUND)
		return r;
	*ret = r == 0 ? VERDICT_BYTE_LOGGED : VERDICT_BYTE_REFUSED;
	return 0;
}

static int note_refused(struct leader_session *session, const struct event_id *id, struct error *error) {
	size_t n = session->n_refused_pending;

	/* Grown at each power of two. */
	if ((n & (n - 1)) == 0) {
		struct event_id *ids = realloc(session->refused_pending, (n == 0 ? 1 : 2 * n) * sizeof(*ids));

		if (!ids)
			return error_no_memory(error);
		session->refused_pending = ids;
	}
	session->refused_pending[session->n_refused_pending++] = *id;
	return 0;
}

/* One byte for each pending id; the caller frees. */
static int give_verdicts(struct leader_session *session, const ProtobufCBinaryData *ids, uint8_t **ret,
                         struct error *error) {
	size_t n = ids->len / sizeof(struct event_id);
	uint8_t *verdicts = calloc(n + 1, 1);
	int r = verdicts ? 0 : error_no_memory(error);

	session->n_refused_pending = 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		enum verdict verdict;
		struct event_id id;

		wire_id_at(&id, ids, i);
		r = verdict_of(session->leader, &id, &verdict, error);
		if (r == 0)
			verdicts[i] = (uint8_t)verdict;
		if (r == 0 && verdict == VERDICT_BYTE_REFUSED)
			r = note_refused(session, &id, error);
	}
	if (r < 0) {
		free(verdicts);
		return r;
	}
	*ret = verdicts;
	return 0;
}

/* ---- from where the feed goes on --------------------------------------------------------- */

struct resume_point {
	bool image;
	struct position at;
	struct hash local_hash;
};

/* 1: the log holds this very row. */
static int holds(struct leader *leader, const Leaderd__Point *point, struct resume_point *ret, struct error *error) {
	struct hash found;

	wire_point_get(point, &ret->at, &ret->local_hash);
	/* From root the whole log would travel: past a page an image is cheaper. */
	if (position_is_root(ret->at)) {
		ret->local_hash = (struct hash){ { 0 } };
		return leader->told.n_events < PAGE_EVENTS_MAX;
	}
	if (position_compare(ret->at, leader->told.head) > 0)
		return 0;
	int r = eventlog_local_hash(leader->store->log, ret->at, &found, error);
	if (r == ERROR_NOT_FOUND)
		return 0;
	return r < 0 ? r : hash_equal(&found, &ret->local_hash);
}

static int find_resume_point(struct leader_session *session, const Leaderd__Hello *hello, struct resume_point *ret,
                             struct error *error) {
	struct leader *leader = session->leader;
	const struct hash *fingerprint = &leader->store->schema->fingerprint;
	bool same_schema = hello->fingerprint.len == sizeof(fingerprint->bytes) &&
	                   memcmp(hello->fingerprint.data, fingerprint->bytes, sizeof(fingerprint->bytes)) == 0;
	int r = 0;

	ret->image = false;
	if (same_schema && !hello->want_image && !session->needs_image) {
		r = holds(leader, hello->newest, ret, error);
		if (r == 0)
			r = holds(leader, hello->confirmed, ret, error);
	}
	if (r != 0)
		return r < 0 ? r : 0;
	r = image_cache_refresh(leader, error);
	if (r == 0)
		*ret = (struct resume_point){ true, leader->image.at, leader->image.local_hash };
	return r;
}

/* ---- the welcome ------------------------------------------------------------------------- */

struct welcome {
	const Leaderd__Hello *hello;
	struct resume_point from;
	uint8_t *verdicts;
	bool schema_is_newer;
};

static void fill_schema(Leaderd__Welcome *message, const struct leader *leader, const struct welcome *welcome) {
	const struct schema *schema = leader->store->schema;
	const ProtobufCBinaryData *held = &welcome->hello->fingerprint;

	message->schema_is_newer = welcome->schema_is_newer;
	if (held->len != sizeof(schema->fingerprint.bytes) ||
	    memcmp(held->data, schema->fingerprint.bytes, sizeof(schema->fingerprint.bytes)) != 0)
		message->schema = schema->text;
}

static int send_welcome(struct leader_session *session, const struct welcome *welcome, struct error *error) {
	struct leader *leader = session->leader;
	Leaderd__ToSession envelope = LEADERD__TO_SESSION__INIT;
	Leaderd__Welcome message = LEADERD__WELCOME__INIT;
	Leaderd__Point at = LEADERD__POINT__INIT;
	Leaderd__Heads heads = LEADERD__HEADS__INIT;
	int fd = -1;
	int r = 0;

	leader_heads(leader, &heads);
	if (welcome->from.image)
		r = image_cache_descriptor(&leader->image, &fd, error);
	if (r < 0)
		return r;
	wire_point_set(&at, welcome->from.at, &welcome->from.local_hash);
	message.protocol = WIRE_PROTOCOL_VERSION;
	message.client_id = leader->told.client_id;
	message.image = welcome->from.image;
	message.image_bytes = welcome->from.image ? leader->image.bytes : 0;
	message.at = &at;
	message.verdicts.data = welcome->verdicts;
	message.verdicts.len = welcome->hello->pending.len / sizeof(struct event_id);
	message.heads = &heads;
	message.hlc_time_ms = leader->told.hlc.time_ms;
	message.hlc_counter = leader->told.hlc.counter;
	fill_schema(&message, leader, welcome);
	envelope.body_case = LEADERD__TO_SESSION__BODY_WELCOME;
	envelope.welcome = &message;
	r = peer_send_descriptor(session->peer, &envelope, fd, error);
	if (r < 0 && fd >= 0)
		close(fd);
	return r;
}

static void open_feed(struct leader_session *session, const struct welcome *welcome) {
	struct leader *leader = session->leader;

	feed_open(&session->feed, welcome->from.at, leader->told.head, welcome->hello->refused_seen);
	session->refused_before = leader->told.refused_ordinal;
	session->welcomed = true;
	if (welcome->from.image)
		session->needs_image = false;
	if (welcome->hello->refused_seen > session->refused_seen) {
		session->refused_seen = welcome->hello->refused_seen;
		leader->marks_refusals = true;
	}
	leader_wake(leader);
	log_debug("store=%s session=%s welcome, %s, %zu pending", leader->name, session->id,
	          welcome->from.image ? "by image" : "resumed", welcome->hello->pending.len / sizeof(struct event_id));
}

static int answer(struct leader_session *session, const Leaderd__Hello *hello, bool newer, struct error *error) {
	struct welcome welcome = { .hello = hello, .schema_is_newer = newer };
	int r = give_verdicts(session, &hello->pending, &welcome.verdicts, error);

	if (r == 0)
		r = find_resume_point(session, hello, &welcome.from, error);
	if (r == 0)
		r = send_welcome(session, &welcome, error);
	free(welcome.verdicts);
	if (r == 0)
		open_feed(session, &welcome);
	return r;
}

int hello_take(struct peer *peer, const Leaderd__Hello *hello, struct error *error) {
	struct leader *leader = NULL;
	bool newer = false;
	int r = find_store(&leader, peer, hello, error);

	if (r == 0)
		r = agree_on_schema(leader, hello, &newer, error);
	if (r == 0)
		r = attach(peer, leader, hello, error);
	if (r < 0)
		return r;
	if (leader->trouble.code != 0)
		leader_retry(leader);
	leader_flush(leader);
	return answer(peer->session, hello, newer, error);
}
