#ifndef LEADERD_STORE_ARGUMENTS_MISTAKE_H
#define LEADERD_STORE_ARGUMENTS_MISTAKE_H

#include <jansson.h>

#include "base/error.h"
#include "store/schema.h"

/* Fills `error` from the library's: ERROR_INVALID, or NO_MEMORY. Nothing of the
 * arguments is quoted but the name of an argument that the definition has. */
int arguments_syntax_error(const struct schema_event *definition, const char *args, const json_error_t *json_error,
                           struct error *error);

#endif
