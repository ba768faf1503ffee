#ifndef LEADERD_MODEL_PENDING_LIST_H
#define LEADERD_MODEL_PENDING_LIST_H

/*
 * A session's pending events, oldest first. They come at the back and leave at
 * the front, both in constant time.
 */

#include <stddef.h>

#include "model/merge.h"

struct pending_list {
	struct pending *items; /* owned; the list is items[first .. first + n) */
	size_t first, n, allocated;
};

/* Room for `more` behind the last one. ERROR_NO_MEMORY. */
int pending_list_reserve(struct pending_list *list, size_t more);
void pending_list_finish(struct pending_list *list);
struct pending *pending_list_at(const struct pending_list *list, size_t i);         /* i < n */
void pending_list_append(struct pending_list *list, const struct pending *pending); /* room is there */

#endif
