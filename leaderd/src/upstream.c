/* Upstream: the shell of the upstream machine; see upstream.h. */

#include "leaderd/src/upstream.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/must.h"
#include "leaderd/src/leader.h"
#include "leaderd/src/upstream_confirm.h"

uint64_t upstream_now_ms(void) {
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- what is told ------------------------------------------------------------------ */

const char *upstream_state(const struct upstream *upstream) {
	if (upstream->errand.kind != ERRAND_NONE)
		return errand_name(upstream->errand.kind);
	if (upstream->machine.state == UPSTREAM_OFF && upstream->backend.repaired)
		return upstream_state_name(UPSTREAM_HELD);
	return upstream_state_name(upstream->machine.state);
}

uint64_t upstream_retry_ms(const struct upstream *upstream) {
	uint64_t now = upstream_now_ms();

	if (upstream->machine.state != UPSTREAM_RESTING)
		return 0;
	return upstream->machine.timer_ms > now ? upstream->machine.timer_ms - now : 1;
}

void upstream_set_trouble(struct upstream *upstream, const struct error *why) {
	if (upstream->trouble.code == why->code && strcmp(upstream->trouble.text, why->text) == 0)
		return;
	upstream->trouble = *why;
	if (why->code != 0)
		log_warning("store=%s backend: %s", upstream->leader->name, why->text);
	else
		log_notice("store=%s backend: reached", upstream->leader->name);
	daemon_status_changed(upstream->leader->daemon);
}

int upstream_check_unit(const struct upstream *upstream, struct event *const *events, size_t n, struct error *error) {
	return upstream ? upstream_unit_check(&upstream->limits, events, n, error) : 0;
}

/* ---- requests ------------------------------------------------------------------------ */

int upstream_pull_point(struct upstream_point *ret, struct upstream *upstream, struct error *error) {
	if (!upstream->leader->machine.staged.active)
		return upstream_point_confirmed(ret, upstream->leader, error);
	*ret = upstream->staged_end;
	return 0;
}

static int send_request(struct upstream *upstream, Leaderd__ToAdapter *message, enum upstream_asked asked,
                struct error *error) {
	int r = adapter_link_send(&upstream->link, message, error);

	if (r == 0)
		upstream->asked = asked;
	return r;
}

/* A device without confirmed events takes the log that it finds, whatever it knew before. */
static void set_lineage(Leaderd__Open *open, const struct eventlog_status *status, bool any_lineage,
                        uint8_t new_lineage[UPSTREAM_LINEAGE_BYTES]) {
	static const uint8_t none[UPSTREAM_LINEAGE_BYTES];
	bool knows = memcmp(status->lineage, none, sizeof(none)) != 0;

	if (knows)
		memcpy(new_lineage, status->lineage, UPSTREAM_LINEAGE_BYTES);
	else
		arc4random_buf(new_lineage, UPSTREAM_LINEAGE_BYTES);
	open->new_lineage.data = new_lineage;
	open->new_lineage.len = UPSTREAM_LINEAGE_BYTES;
	if (knows && !any_lineage && !position_is_root(status->upstream_head)) {
		open->lineage.data = new_lineage;
		open->lineage.len = UPSTREAM_LINEAGE_BYTES;
	}
	open->epoch = status->epoch;
}

int upstream_send_open(struct upstream *upstream, bool any_lineage, struct error *error) {
	Leaderd__ToAdapter message = LEADERD__TO_ADAPTER__INIT;
	Leaderd__Open open = LEADERD__OPEN__INIT;
	Leaderd__BackendPoint confirmed;
	struct upstream_point point;
	struct eventlog_status status;
	uint8_t new_lineage[UPSTREAM_LINEAGE_BYTES];
	char scheme[BACKEND_SCHEME_BYTES_MAX + 1];
	int r;

	backend_scheme(scheme, upstream->backend.url);
	r = adapter_link_start(&upstream->link, scheme, error);
	if (r == 0)
		r = upstream_point_confirmed(&point, upstream->leader, error);
	if (r < 0)
		return r;
	eventlog_status(upstream->leader->store->log, &status);
	upstream_point_set(&confirmed, &point);
	open.number = ++upstream->number;
	open.protocol = BACKEND_PROTOCOL_VERSION;
	open.store = upstream->leader->name;
	open.url = upstream->backend.url;
	open.confirmed = &confirmed;
	open.client_id = status.client_id;
	set_lineage(&open, &status, any_lineage, new_lineage);
	message.body_case = LEADERD__TO_ADAPTER__BODY_OPEN;
	message.open = &open;
	return send_request(upstream, &message, ASKED_OPEN, error);
}

int upstream_send_pull(struct upstream *upstream, const struct upstream_point *after, bool live,
                       struct error *error) {
	Leaderd__ToAdapter message = LEADERD__TO_ADAPTER__INIT;
	Leaderd__Pull pull = LEADERD__PULL__INIT;
	Leaderd__BackendPoint point;

	upstream_point_set(&point, after);
	pull.number = upstream->pull_number = ++upstream->number;
	pull.after = &point;
	pull.live = live;
	pull.events_max = UPSTREAM_PAGE_EVENTS_MAX;
	pull.bytes_max = UNIT_BYTES_MAX;
	message.body_case = LEADERD__TO_ADAPTER__BODY_PULL;
	message.pull = &pull;
	return send_request(upstream, &message, ASKED_PULL, error);
}

int upstream_send_batch(struct upstream *upstream, const struct upstream_limits *limits,
                        const struct upstream_point *parent, uint64_t until, struct error *error) {
	Leaderd__ToAdapter message = LEADERD__TO_ADAPTER__INIT;
	Leaderd__PushBatch push;
	Leaderd__BackendPoint point;
	struct upstream_batch batch;
	int r = upstream_batch_read(&batch, upstream->leader, limits, parent->global, until, error);

	if (r < 0)
		return r;
	upstream_point_set(&point, parent);
	upstream_batch_pack(&push, &batch, &point);
	push.number = ++upstream->number;
	message.body_case = LEADERD__TO_ADAPTER__BODY_PUSH;
	message.push = &push;
	r = send_request(upstream, &message, ASKED_PUSH, error);
	if (r == 0)
		upstream->pushed_until = batch.events[batch.n - 1]->entry.at.global;
	upstream_batch_finish(&batch);
	return r;
}

/* ---- effects --------------------------------------------------------------------------- */

static void answer(struct upstream *upstream, const struct upstream_input *input) {
	must(!upstream->has_next);
	upstream->has_next = true;
	upstream->next = *input;
}

/* What could not be done is as good as an adapter that is gone: a pause, and again. */
static void answer_gone(struct upstream *upstream, int r, const struct error *why) {
	if (r >= 0 || upstream->has_next)
		return;
	upstream->why = *why;
	answer(upstream, &(struct upstream_input){ .kind = UPSTREAM_GONE });
}

static void start(struct upstream *upstream) {
	struct error why;

	answer_gone(upstream, upstream_send_open(upstream, false, &why), &why);
}

static void pull(struct upstream *upstream, bool live) {
	struct upstream_point after;
	struct error why;
	int r = upstream_pull_point(&after, upstream, &why);

	if (r == 0)
		r = upstream_send_pull(upstream, &after, live, &why);
	answer_gone(upstream, r, &why);
}

/* A unit that no batch can hold stops the pushing, and says which it is. */
static void push(struct upstream *upstream) {
	struct upstream_point parent;
	struct error why;
	int r;

	leader_flush(upstream->leader);
	r = upstream_point_confirmed(&parent, upstream->leader, &why);
	if (r == 0)
		r = upstream_send_batch(upstream, &upstream->limits, &parent, upstream->leader->told.head.global, &why);
	if (r == ERROR_TOO_LARGE) {
		upstream->why = why;
		answer(upstream, &(struct upstream_input){ .kind = UPSTREAM_ANSWER, .answer = ANSWER_REFUSED,
		                                           .permanent = true });
		return;
	}
	answer_gone(upstream, r, &why);
}

static void take_lineage(struct upstream *upstream) {
	struct error why;

	answer_gone(upstream, upstream_keep_lineage(upstream, &upstream->opened, &why), &why);
}

/* A contradiction between two logs does not pass by itself; what is only malformed
 * may be right the next time. */
static void merged(struct upstream *upstream, enum upstream_merged outcome) {
	if (outcome == MERGED_DONE)
		upstream->why = (struct error){ 0 };
	if (outcome == MERGED_WRONG && upstream->why.code == ERROR_CONFLICT) {
		answer(upstream, &(struct upstream_input){ .kind = UPSTREAM_PROBLEM, .permanent = true });
		return;
	}
	answer(upstream, &(struct upstream_input){ .kind = UPSTREAM_MERGED, .outcome = outcome });
}

/* What stops the pushing stays true, whatever the pulls bring. */
static void release(struct upstream *upstream) {
	static const struct error none = { 0 };

	if (!upstream->machine.push_blocked)
		upstream_set_trouble(upstream, &none);
}

static void set_timer(struct upstream *upstream, uint64_t at_ms) {
	uint64_t now = upstream_now_ms();

	if (at_ms == 0)
		event_del(upstream->timer);
	else
		leader_set_timer(upstream->timer, at_ms > now ? at_ms - now : 0);
}

static void perform_one(struct upstream *upstream, const struct upstream_effect *effect) {
	switch (effect->kind) {
	case UPSTREAM_DO_START:
		start(upstream);
		break;
	case UPSTREAM_DO_STOP:
		adapter_link_stop(&upstream->link);
		upstream->asked = ASKED_NOTHING;
		upstream->ping_number = 0;
		break;
	case UPSTREAM_DO_TAKE_LINEAGE:
		take_lineage(upstream);
		break;
	case UPSTREAM_DO_PULL:
		pull(upstream, effect->live);
		break;
	case UPSTREAM_DO_PUSH:
		push(upstream);
		break;
	case UPSTREAM_DO_MERGE:
		merged(upstream, upstream_merge_page(upstream, upstream->page, &upstream->why));
		break;
	case UPSTREAM_DO_CONFIRM:
		merged(upstream, upstream_confirm(upstream, upstream->answer, &upstream->why));
		break;
	case UPSTREAM_DO_REFUSE:
		merged(upstream, upstream_refuse(upstream, upstream->answer, &upstream->why));
		break;
	case UPSTREAM_DO_HOLD:
		break; /* why is told with the input */
	case UPSTREAM_DO_RELEASE:
		release(upstream);
		break;
	case UPSTREAM_DO_TIMER:
		set_timer(upstream, effect->at_ms);
		break;
	}
}

/* ---- silence ---------------------------------------------------------------------------- */

static int send_ping(struct upstream *upstream, struct error *error) {
	Leaderd__ToAdapter message = LEADERD__TO_ADAPTER__INIT;
	Leaderd__Ping ping = LEADERD__PING__INIT;

	ping.number = ++upstream->number;
	message.body_case = LEADERD__TO_ADAPTER__BODY_PING;
	message.ping = &ping;
	return adapter_link_send(&upstream->link, &message, error);
}

/* Whoever waits for news has no deadline: an adapter that hangs would never be missed. */
static void watch_silence(struct upstream *upstream) {
	if (upstream->machine.state == UPSTREAM_FOLLOWING && upstream->machine.live)
		leader_set_timer(upstream->ping, upstream->ping_number ? UPSTREAM_ANSWER_MS_MAX : UPSTREAM_PING_MS);
	else
		event_del(upstream->ping);
}

static void on_ping(evutil_socket_t fd, short what, void *data) {
	struct upstream *upstream = data;
	int r;

	if (upstream->ping_number)
		r = error_set(&upstream->why, ERROR_TIMEOUT, "the adapter did not answer within %u ms", UPSTREAM_ANSWER_MS_MAX);
	else
		r = send_ping(upstream, &upstream->why);
	upstream->ping_number = upstream->number;
	if (r < 0)
		upstream_give(upstream, &(struct upstream_input){ .kind = UPSTREAM_GONE });
	else
		watch_silence(upstream);
}

/* ---- the machine ------------------------------------------------------------------------ */

static bool is_pending(const struct leader *leader) {
	return leader->told.head.global > leader->told.upstream_head.global;
}

static void step(struct upstream *upstream, struct upstream_input *input) {
	struct upstream_effects effects;

	input->now_ms = upstream_now_ms();
	input->chance = arc4random();
	input->pending = is_pending(upstream->leader);
	upstream->has_next = false;
	upstream_step(&upstream->machine, input, &effects);
	if (effects.trace[0] != '\0')
		log_debug("store=%s %s", upstream->leader->name, effects.trace);
	if (upstream->why.code != 0)
		upstream_set_trouble(upstream, &upstream->why);
	upstream->why = (struct error){ 0 };
	for (unsigned i = 0; i < effects.n; i++)
		perform_one(upstream, &effects.list[i]);
}

void upstream_give(struct upstream *upstream, const struct upstream_input *input) {
	enum upstream_state before = upstream->machine.state;
	struct upstream_input next = *input;

	must(!upstream->stepping);
	upstream->stepping = true;
	step(upstream, &next);
	while (upstream->has_next) {
		next = upstream->next;
		step(upstream, &next);
	}
	upstream->stepping = false;
	watch_silence(upstream);
	if (before != upstream->machine.state)
		daemon_status_changed(upstream->leader->daemon);
	upstream_wait_check(upstream);
}

void upstream_configure(struct upstream *upstream) {
	const struct backend *backend = &upstream->backend;
	const struct leader *leader = upstream->leader;
	bool wanted = backend->url && !backend->offline && !backend->repaired && !leader->retired &&
	              leader->store->hold.code == 0 && upstream->errand.kind == ERRAND_NONE;

	upstream_give(upstream, &(struct upstream_input){ .kind = UPSTREAM_CONFIGURE, .wanted = wanted,
	                                                  .may_push = wanted && !backend->push_only });
}

void upstream_log_moved(struct upstream *upstream) {
	if (upstream && upstream->machine.state != UPSTREAM_OFF)
		event_active(upstream->wake, 0, 0);
}

static void on_message(const Leaderd__FromAdapter *message, void *data) {
	upstream_take_message(data, message);
}

static void on_gone(const struct error *why, void *data) {
	struct upstream *upstream = data;

	upstream->asked = ASKED_NOTHING;
	if (upstream->errand.kind != ERRAND_NONE) {
		errand_fail(upstream, why);
		return;
	}
	upstream->why = *why;
	upstream_give(upstream, &(struct upstream_input){ .kind = UPSTREAM_GONE });
}

static void on_timer(evutil_socket_t fd, short what, void *data) {
	struct upstream *upstream = data;

	/* The loop's clock is coarse: it may ring a little early. */
	if (upstream_now_ms() < upstream->machine.timer_ms) {
		set_timer(upstream, upstream->machine.timer_ms);
		return;
	}
	if (upstream->machine.started)
		error_set(&upstream->why, ERROR_TIMEOUT, "the adapter did not answer within %u ms", UPSTREAM_ANSWER_MS_MAX);
	if (upstream->machine.state == UPSTREAM_FOLLOWING)
		upstream->why = (struct error){ 0 }; /* time for a look, that is all */
	upstream_give(upstream, &(struct upstream_input){ .kind = UPSTREAM_TIMER });
}

static void on_wake(evutil_socket_t fd, short what, void *data) {
	upstream_give(data, &(struct upstream_input){ .kind = UPSTREAM_PENDING });
}

/* ---- life ----------------------------------------------------------------------------------- */

int upstream_create(struct upstream **ret, struct leader *leader, struct error *error) {
	struct event_base *base = leader->daemon->base;
	struct upstream *upstream = calloc(1, sizeof(*upstream));
	const struct adapter_link_options link = { .base = base, .on_message = on_message, .on_gone = on_gone,
		                                       .data = upstream };

	if (!upstream)
		return error_no_memory(error);
	upstream->leader = leader;
	LIST_INIT(&upstream->waits);
	upstream_machine_init(&upstream->machine);
	upstream->machine.tracing = true;
	adapter_link_init(&upstream->link, &link);
	upstream->timer = evtimer_new(base, on_timer, upstream);
	upstream->wake = event_new(base, -1, 0, on_wake, upstream);
	upstream->ping = evtimer_new(base, on_ping, upstream);
	if (!upstream->timer || !upstream->wake || !upstream->ping) {
		upstream_destroy(upstream);
		return error_no_memory(error);
	}
	*ret = upstream;
	return 0;
}

void upstream_retire(struct upstream *upstream, const struct error *why) {
	errand_fail(upstream, why);
	upstream_configure(upstream);
	upstream_wait_finish(upstream, WAIT_SYNC, why);
}

struct upstream *upstream_destroy(struct upstream *upstream) {
	if (!upstream)
		return NULL;
	upstream_wait_drop_all(upstream);
	adapter_link_finish(&upstream->link);
	if (upstream->timer)
		event_free(upstream->timer);
	if (upstream->wake)
		event_free(upstream->wake);
	if (upstream->ping)
		event_free(upstream->ping);
	if (upstream->errand.deadline)
		event_free(upstream->errand.deadline);
	backend_finish(&upstream->backend);
	free(upstream);
	return NULL;
}
