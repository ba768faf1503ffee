#ifndef LEADERCTL_EVENT_TEXT_H
#define LEADERCTL_EVENT_TEXT_H

/* An event, as text and as JSON. */

#include <jansson.h>

#include <leaderd/session.h>

#define NOTATION_BYTES 1024

/* Everything but the arguments. */
json_t *json_event(const struct lds_event *event);
/* One line each: "e3'/e2' todoCreated {...}", and the object with "args". */
void print_event(const struct lds_event *event);
void print_event_json(const struct lds_event *event);

#endif
