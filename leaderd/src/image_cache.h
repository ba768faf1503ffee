#ifndef LEADERD_IMAGE_CACHE_H
#define LEADERD_IMAGE_CACHE_H

/*
 * The image cache: the newest image of a store's state, a sealed memfd that any
 * number of sessions share. It is as good as its head, its generation and its
 * schema: one that has fallen a page behind is made again, one of another
 * generation or schema is never given.
 */

#include <stdint.h>

#include "base/error.h"
#include "model/event.h"

struct leader;

struct image_cache {
	int fd; /* -1: none */
	uint64_t bytes;
	struct position at;
	struct hash local_hash;
	uint64_t generation;
	struct hash fingerprint;
};

void image_cache_init(struct image_cache *cache);
void image_cache_drop(struct image_cache *cache);

/* Makes sure that leader->image can be given; no group is open. */
int image_cache_refresh(struct leader *leader, struct error *error);
/* A descriptor of its own for one session; the caller closes it. */
int image_cache_descriptor(const struct image_cache *cache, int *ret_fd, struct error *error);

#endif
