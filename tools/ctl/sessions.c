/* leaderctl sessions */

#include <inttypes.h>

#include "command.h"
#include "connect.h"
#include "output.h"
#include "report.h"

static json_t *json_sessions(const struct lda_sessions *sessions) {
	json_t *list = must_have(json_array());

	for (size_t i = 0; i < sessions->n; i++) {
		const struct lda_session_status *s = &sessions->items[i];

		json_array_append_new(
			list, must_have(json_pack("{s:s, s:I, s:o, s:o, s:I, s:I, s:I, s:b}", "session", s->session_id, "process",
		                              (json_int_t)s->process_id, "acknowledged", json_position(s->acknowledged), "sent",
		                              json_position(s->sent), "generation", (json_int_t)s->generation, "pending",
		                              (json_int_t)s->pending, "suspended", (json_int_t)s->suspended, "read_only",
		                              s->read_only)));
	}
	return must_have(json_pack("{s:o}", "sessions", list));
}

static void print_table(const struct lda_sessions *sessions) {
	static const struct output_column columns[] = {
		{ "SESSION", false }, { "PROCESS", true },   { "ACKNOWLEDGED", false }, { "SENT", false },
		{ "PENDING", true },  { "SUSPENDED", true }, { "READ-ONLY", false },
	};
	struct output_table *table = table_create(columns, sizeof(columns) / sizeof(columns[0]));

	for (size_t i = 0; i < sessions->n; i++) {
		const struct lda_session_status *s = &sessions->items[i];
		char acknowledged[LDS_POSITION_TEXT_BYTES], sent[LDS_POSITION_TEXT_BYTES];
		char process[24], pending[16], suspended[16];

		lds_position_print(acknowledged, s->acknowledged);
		lds_position_print(sent, s->sent);
		snprintf(process, sizeof(process), "%" PRIu64, s->process_id);
		snprintf(pending, sizeof(pending), "%u", s->pending);
		snprintf(suspended, sizeof(suspended), "%u", s->suspended);
		table_add(table, (const char *[]){ s->session_id, process, acknowledged, sent, pending, suspended,
		                                   s->read_only ? "yes" : "no" });
	}
	table_print(table);
	table_destroy(table);
}

static int run(const struct call *call) {
	struct lda_connection *connection;
	struct lda_sessions *sessions;
	int r = connect_admin(call, &connection);

	if (r != 0)
		return r;
	r = lda_sessions_list(connection, call->words[0], &sessions);
	if (r < 0) {
		r = admin_failed(connection, r);
	} else {
		if (call->json)
			output_json(json_sessions(sessions));
		else
			print_table(sessions);
		lda_sessions_free(sessions);
	}
	lda_close(connection);
	return r;
}

const struct command command_sessions = {
	.name = "sessions",
	.synopsis = "STORE",
	.summary = "List a store's open sessions and how far each is",
	.examples = "  leaderctl sessions org.example.todos",
	.words = { "STORE" },
	.n_required = 1,
	.options = { OPTION_TIMEOUT },
	.timeout_s = 10,
	.run = run,
};
