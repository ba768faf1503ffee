/*
 * Asking the leader what became of an event: for waits on events that are not
 * pending here. One question at a time; it ends with the connection.
 */

#include "session.h"

#include <string.h>

void lookup_end(struct lds_session *session) {
	session->lookup = (struct lookup){ 0 };
}

int lookup_ask(struct lds_session *session, const struct event_id *id) {
	Leaderd__ToLeader message = LEADERD__TO_LEADER__INIT;
	Leaderd__Request request = LEADERD__REQUEST__INIT;
	uint64_t number = ++session->next_number;
	int r;

	request.number = number;
	request.operation = LEADERD__OPERATION__LOOKUP;
	request.protocol = WIRE_PROTOCOL_VERSION;
	request.store = session->store;
	request.ids = (ProtobufCBinaryData){ sizeof(id->bytes), (uint8_t *)id->bytes };
	message.body_case = LEADERD__TO_LEADER__BODY_REQUEST;
	message.request = &request;
	r = session_pack(session, &message);
	if (r < 0)
		return r;
	session->lookup = (struct lookup){ .number = number,
		                               .asked_backend = session->machine.heads.backend,
		                               .asked_generation = session->machine.heads.generation };
	return 0;
}

void lookup_answer(struct lds_session *session, const Leaderd__Response *response) {
	struct lookup *lookup = &session->lookup;

	if (lookup->number == 0 || response->number != lookup->number || lookup->answered)
		return;
	lookup->answered = true;
	lookup->code = response->code;
	strlcpy(lookup->reason, response->error ? response->error : "", sizeof(lookup->reason));
	if (response->code == 0 && response->n_known > 0) {
		const Leaderd__Known *known = response->known[0];

		lookup->what = known->what;
		lookup->at = (struct position){ known->global, known->client };
		strlcpy(lookup->reason, known->reason ? known->reason : "", sizeof(lookup->reason));
	}
}
