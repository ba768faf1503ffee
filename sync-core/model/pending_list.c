/* The list of a session's pending events; see pending_list.h. */

#include "model/pending_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"

static void move_to_front(struct pending_list *list) {
	memmove(list->items, list->items + list->first, list->n * sizeof(*list->items));
	list->first = 0;
}

static int grow(struct pending_list *list, size_t wanted) {
	struct pending *items = malloc(wanted * sizeof(*items));

	if (!items)
		return ERROR_NO_MEMORY;
	if (list->n > 0)
		memcpy(items, list->items + list->first, list->n * sizeof(*items));
	free(list->items);
	*list = (struct pending_list){ items, 0, list->n, wanted };
	return 0;
}

int pending_list_reserve(struct pending_list *list, size_t more) {
	size_t wanted = list->n + more;

	if (list->first + wanted <= list->allocated)
		return 0;
	if (list->first > 0 && wanted <= list->allocated / 2) {
		move_to_front(list);
		return 0;
	}
	return grow(list, wanted * 2 + 16);
}

void pending_list_finish(struct pending_list *list) {
	free(list->items);
	*list = (struct pending_list){ 0 };
}

struct pending *pending_list_at(const struct pending_list *list, size_t i) {
	must(i < list->n);
	return &list->items[list->first + i];
}

void pending_list_append(struct pending_list *list, const struct pending *pending) {
	must(list->first + list->n < list->allocated);
	list->items[list->first + list->n++] = *pending;
}
