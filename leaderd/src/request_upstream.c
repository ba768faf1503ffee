/* Requests about a store's backend; see request.h. What takes time is answered later. */

#include "leaderd/src/leader.h"
#include "leaderd/src/peer.h"
#include "leaderd/src/request.h"
#include "leaderd/src/upstream.h"

static int answer(struct peer *peer, const Leaderd__Request *request, int r, const struct error *why,
                  struct error *error) {
	static const struct error none = { 0 };

	return request_answer_error(peer, request->number, r < 0 ? why : &none, error);
}

/* Answered when the errand ends: it may take as long as it takes, unless the asker names a time. */
static int start_errand(struct peer *peer, struct leader *leader, const Leaderd__Request *request, struct error *why) {
	struct upstream *upstream = leader->upstream;
	enum errand_kind kind = request->repair ? ERRAND_REPAIR : ERRAND_ADOPT;
	uint32_t timeout_ms = request->timeout_ms == 0 ? UPSTREAM_WAIT_MS_MAX : request->timeout_ms;
	int r = 0;

	if (request->repair && request->adopt)
		return error_set(why, ERROR_INVALID, "a backend is repaired or adopted, not both");
	if (upstream->errand.kind != ERRAND_NONE)
		return error_set(why, ERROR_BUSY, "store %s is %s already", leader->name, errand_name(upstream->errand.kind));
	if (request->backend[0] != '\0')
		r = upstream_set_backend(upstream, request->backend, why);
	else if (!upstream->backend.url)
		r = error_set(why, ERROR_NO_BACKEND, "store %s has no backend", leader->name);
	if (r == 0)
		r = errand_start(upstream, kind, why);
	if (r < 0)
		return r;
	r = upstream_wait_add(upstream, WAIT_ERRAND, peer, request->number, timeout_ms, why);
	if (r < 0)
		errand_fail(upstream, why);
	return r;
}

int request_backend_set(struct peer *peer, struct leader *leader, const Leaderd__Request *request,
                        struct error *error) {
	struct error why = { 0 };
	int r;

	if (request->repair || request->adopt) {
		r = start_errand(peer, leader, request, &why);
		return r < 0 ? answer(peer, request, r, &why, error) : 0;
	}
	r = upstream_set_backend(leader->upstream, request->backend[0] != '\0' ? request->backend : NULL, &why);
	return answer(peer, request, r, &why, error);
}

int request_offline(struct peer *peer, struct leader *leader, const Leaderd__Request *request, struct error *error) {
	struct error why = { 0 };
	int r = upstream_set_offline(leader->upstream, request->push_only, &why);

	return answer(peer, request, r, &why, error);
}

int request_online(struct peer *peer, struct leader *leader, const Leaderd__Request *request, struct error *error) {
	struct error why = { 0 };
	int r = upstream_set_online(leader->upstream, &why);

	return answer(peer, request, r, &why, error);
}

int request_sync(struct peer *peer, struct leader *leader, const Leaderd__Request *request, struct error *error) {
	struct upstream *upstream = leader->upstream;
	struct error why = { 0 };
	int r;

	leader_flush(leader);
	if (upstream->errand.kind == ERRAND_NONE)
		upstream_give(upstream, &(struct upstream_input){ .kind = UPSTREAM_SYNC });
	r = upstream_wait_add(upstream, WAIT_SYNC, peer, request->number, request->timeout_ms, &why);
	if (r < 0)
		return answer(peer, request, r, &why, error);
	upstream_wait_check(upstream);
	return 0;
}
