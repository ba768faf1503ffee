/* Events; see event_text.h. */

#include "event_text.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "output.h"
#include "report.h"

static json_t *json_id(const struct lds_id *id) {
	char text[LDS_ID_TEXT_BYTES];

	lds_id_print(text, id);
	return must_have(json_string(text));
}

static json_t *json_origins(const struct lds_event *event) {
	json_t *list = must_have(json_array());

	for (size_t i = 0; i < event->n_origins; i++)
		json_array_append_new(list, json_position(event->origins[i]));
	return list;
}

static json_t *json_time(uint64_t time_ms) {
	time_t seconds = (time_t)(time_ms / 1000);
	struct tm parts;
	char text[64];
	size_t n;

	if (!gmtime_r(&seconds, &parts))
		return must_have(json_null());
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(text + n, sizeof(text) - n, ".%03uZ", (unsigned)(time_ms % 1000));
	return must_have(json_string(text));
}

json_t *json_event(const struct lds_event *event) {
	char notation[NOTATION_BYTES];
	json_t *json;

	lds_event_notation(notation, sizeof(notation), event, NULL, 0);
	json = must_have(json_pack("{s:o, s:s, s:o, s:s, s:I}", "position", json_position(event->position), "notation",
	                           notation, "id", json_id(&event->id), "name", event->name, "version",
	                           (json_int_t)event->version));
	if (event->unit_count > 1)
		json_object_set_new(json, "unit",
		                    json_pack("{s:o, s:I, s:I}", "id", json_id(&event->unit), "index",
		                              (json_int_t)event->unit_index, "count", (json_int_t)event->unit_count));
	json_object_update_new(
		json, must_have(json_pack("{s:o, s:I, s:o, s:b, s:b, s:b, s:s, s:s, s:s, s:o}", "parent",
	                              json_position(event->parent), "generation", (json_int_t)event->generation, "origins",
	                              json_origins(event), "client_only", event->client_only, "confirmed", event->confirmed,
	                              "pending", event->pending, "client", event->client_id, "session", event->session_id,
	                              "hlc", event->hlc, "time", json_time(event->time_ms))));
	return json;
}

void print_event(const struct lds_event *event) {
	char notation[NOTATION_BYTES];

	lds_event_notation(notation, sizeof(notation), event, NULL, 0);
	printf("%s %s ", notation, event->name);
	output_text(event->args, event->args_bytes);
	putchar('\n');
}

void print_event_json(const struct lds_event *event) {
	output_json_with_args(json_event(event), event->args, event->args_bytes);
}
