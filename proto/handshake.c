/*
 * The handshake: what the first frame of a connection may be, on both sides.
 * Bytes in, bytes out; who reads and writes them is the caller's business.
 */

#include "proto/wire.h"

/* A refusal that cannot be told for want of memory ends the connection all the
 * same; the code that goes up is the refusal's own. */
static int refuse(struct bytes *reply, const struct error *error) {
	Leaderd__Failure failure = LEADERD__FAILURE__INIT;
	Leaderd__ToSession message = LEADERD__TO_SESSION__INIT;

	failure.code = error->code;
	failure.error = (char *)error->text;
	message.body_case = LEADERD__TO_SESSION__BODY_FAILURE;
	message.failure = &failure;
	(void)wire_pack_to_session(reply, &message, NULL);
	return error->code;
}

static int first_frame(const Leaderd__ToLeader *message, struct error *error) {
	switch (message->body_case) {
	case LEADERD__TO_LEADER__BODY_HELLO:
		return HANDSHAKE_SESSION;
	case LEADERD__TO_LEADER__BODY_REQUEST:
		return HANDSHAKE_REQUEST;
	default:
		return error_set(error, ERROR_PROTOCOL, "a connection began with neither a hello nor a request");
	}
}

int handshake_leader(struct wire_reader *reader, struct wire_arena *arena, const Leaderd__ToLeader **ret,
                     struct bytes *reply, struct error *error) {
	struct error cause = { 0 };
	const Leaderd__ToLeader *message = NULL;
	const uint8_t *payload;
	size_t n;
	int r = wire_reader_next(reader, &payload, &n, &cause);

	if (r == 0)
		return HANDSHAKE_MORE;
	if (r == WIRE_FRAME)
		r = wire_unpack_to_leader(arena, payload, n, &message, &cause);
	if (r == 0)
		r = first_frame(message, &cause);
	if (r < 0) {
		error_set(error, cause.code, "%s", cause.text);
		return refuse(reply, &cause);
	}
	*ret = message;
	return r;
}

int handshake_session(const Leaderd__ToSession *message, struct error *error) {
	switch (message->body_case) {
	case LEADERD__TO_SESSION__BODY_WELCOME:
	case LEADERD__TO_SESSION__BODY_RESPONSE:
		return 0;
	case LEADERD__TO_SESSION__BODY_FAILURE:
		/* A newer leader may know codes that this program does not. */
		return error_set(error, message->failure->code < ERROR_LAST ? ERROR_PROTOCOL : message->failure->code, "%s",
		                 message->failure->error);
	default:
		return error_set(error, ERROR_PROTOCOL, "a leader answered with neither a welcome, a response nor a failure");
	}
}
