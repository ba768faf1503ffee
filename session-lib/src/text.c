/* Texts: ids, positions, codes. */

#include <string.h>

#include "base/error.h"
#include "leaderd/session.h"
#include "model/event.h"
#include "model/notation.h"
#include "proto/wire.h"
#include "store/eventlog.h"

#include <assert.h>

static_assert(LDS_ID_TEXT_BYTES == EVENT_ID_TEXT_BYTES, "one text form of an id");
static_assert(LDS_POSITION_TEXT_BYTES == POSITION_TEXT_BYTES, "one text form of a position");
static_assert(WIRE_PROTOCOL_VERSION == 1 && EVENTLOG_FORMAT == 1, "lds_version names them");

void lds_id_print(char ret_text[LDS_ID_TEXT_BYTES], const struct lds_id *id) {
	struct event_id event_id;

	memcpy(event_id.bytes, id->bytes, sizeof(event_id.bytes));
	event_id_print(ret_text, &event_id);
}

int lds_id_parse(struct lds_id *ret_id, const char *text) {
	struct event_id id;

	if (!ret_id || !text || !event_id_parse(&id, text))
		return LDS_INVALID;
	memcpy(ret_id->bytes, id.bytes, sizeof(ret_id->bytes));
	return 0;
}

int lds_position_parse(struct lds_position *ret_position, const char *text) {
	struct position position;

	if (!ret_position || !text || position_parse(&position, text, NULL) < 0)
		return LDS_INVALID;
	*ret_position = (struct lds_position){ position.global, position.client };
	return 0;
}

void lds_position_print(char ret_text[LDS_POSITION_TEXT_BYTES], struct lds_position position) {
	position_print(ret_text, (struct position){ position.global, position.client });
}

const char *lds_code_name(int code) {
	static const char *const outcomes[] = { "ok", "queued", "more", "held", "row", "event", "rebased", "newer" };

	if (code >= 0 && code <= LDS_NEWER)
		return outcomes[code];
	return error_name(code);
}

const char *lds_version(void) {
	return LEADERD_VERSION " (protocol 1, format 1)";
}
