#ifndef LEADERD_PROTO_CHECK_BACKEND_H
#define LEADERD_PROTO_CHECK_BACKEND_H

/* What the messages between leader and adapter must be. Private to this folder. */

#include "proto/backend_wire.h"

int backend_check_to_adapter(const Leaderd__ToAdapter *message, struct error *error);
int backend_check_from_adapter(const Leaderd__FromAdapter *message, struct error *error);
int backend_check_event(const Leaderd__Event *event, struct error *error);

#endif
