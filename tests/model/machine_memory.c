/* Every allocation of the machines fails once: an error value, nothing has changed, and the same input works again. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "allocation.h"
#include "chains.h"
#include "model/leader_step.h"
#include "model/session_step.h"

static struct session_machine session;
static struct leader_machine leader;

static void give_session(struct session_input input) {
	struct session_machine before = session;
	struct session_effects effects;
	struct error error;
	int r = session_step(&session, &input, &effects, &error);

	if (r == ERROR_NO_MEMORY) {
		assert_true(allocation_has_failed());
		assert_int_equal(effects.n, 0);
		assert_int_equal(session.work, before.work);
		assert_int_equal(session.pending.n, before.pending.n);
		assert_true(position_equal(session.local_head, before.local_head));
		r = session_step(&session, &input, &effects, &error);
	}
	assert_int_equal(r, 0);
}

static void commit(const char *unit) {
	struct chain chain = chain_of(unit);

	give_session((struct session_input){ .kind = SESSION_COMMIT, .unit = chain.entries, .n_unit = chain.n });
	give_session((struct session_input){ .kind = SESSION_APPLIED });
}

static void feed(const char *events, char refused_letter) {
	struct chain chain = chain_of(events);
	struct event_id refused = id_of(refused_letter);
	struct incoming incoming[CHAIN_MAX] = { 0 };
	struct session_input input = { .kind = SESSION_FEED };

	for (size_t i = 0; i < chain.n; i++)
		incoming[i].entry = chain.entries[i];
	input.feed.payload = (struct payload){
		.refused = &refused, .n_refused = refused_letter != '\0', .events = incoming, .n_events = chain.n
	};
	give_session(input);
	give_session((struct session_input){ .kind = SESSION_CHANGED });
}

static void session_story(void) {
	session_machine_init(&session);
	commit("a@e1");
	commit("(b c)@e2");
	give_session((struct session_input){ .kind = SESSION_CONNECTED });
	give_session((struct session_input){
		.kind = SESSION_WELCOME,
		.welcome = { .image = true,
	                 .at = at("e1"),
	                 .verdicts = (enum session_verdict[]){ VERDICT_LOGGED, VERDICT_UNKNOWN, VERDICT_UNKNOWN },
	                 .n_verdicts = 3 } });
	give_session((struct session_input){ .kind = SESSION_CHANGED });
	commit("d@e4");
	feed("x@e2", 'b');
	assert_int_equal(session.pending.n, 1);
	session_machine_finish(&session);
}

static void give_leader(struct leader_input input) {
	struct leader_machine before = leader;
	struct leader_effects effects;
	struct error error;
	int r = leader_step(&leader, &input, &effects, &error);

	if (r == ERROR_NO_MEMORY) {
		assert_true(allocation_has_failed());
		assert_int_equal(effects.n, 0);
		assert_int_equal(leader.state, before.state);
		r = leader_step(&leader, &input, &effects, &error);
	}
	assert_int_equal(r, 0);
}

static void leader_story(void) {
	struct chain push = chain_of("a@e1"), displaced = chain_of("a@e1 (b c)@e2"), theirs = chain_of("x@e1");
	struct incoming incoming = { .entry = theirs.entries[0] };

	leader_machine_init(&leader, &(struct leader_start){ .has_backend = true });
	give_leader((struct leader_input){ .kind = LEADER_PUSH, .unit = push.entries, .n_unit = 1 });
	give_leader((struct leader_input){ .kind = LEADER_ADMITTED });
	give_leader((struct leader_input){ .kind = LEADER_FLUSH });
	give_leader((struct leader_input){ .kind = LEADER_LOGGED });
	give_leader((struct leader_input){ .kind = LEADER_SETTLED });
	give_leader((struct leader_input){ .kind = LEADER_PAGE, .events = &incoming, .n_events = 1 });
	give_leader((struct leader_input){ .kind = LEADER_UNDONE });
	give_leader((struct leader_input){ .kind = LEADER_APPLIED });
	give_leader((struct leader_input){ .kind = LEADER_DISPLACED, .unit = displaced.entries, .n_unit = 3 });
	give_leader((struct leader_input){ .kind = LEADER_ADMITTED });
	assert_int_equal(leader.state, LEADER_REPLAYING);
	leader_machine_finish(&leader);
}

static unsigned fail_each(void (*story)(void)) {
	unsigned long k = 0;
	long live = allocation_live();

	do {
		allocation_fail_at(++k);
		story();
		assert_int_equal(allocation_live(), live);
	} while (allocation_has_failed());
	allocation_fail_at(0);
	return (unsigned)(k - 1);
}

static void a_session_survives_every_failed_allocation(void **state) {
	assert_in_range(fail_each(session_story), 8, 100);
}

static void a_leader_survives_every_failed_allocation(void **state) {
	assert_in_range(fail_each(leader_story), 2, 100);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_survives_every_failed_allocation),
		cmocka_unit_test(a_leader_survives_every_failed_allocation),
	};

	return cmocka_run_group_tests_name("machine memory", tests, NULL, NULL);
}
