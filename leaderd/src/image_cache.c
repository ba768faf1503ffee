/* The image cache; see image_cache.h. */

#include "leaderd/src/image_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/limits.h"
#include "leaderd/src/leader.h"

void image_cache_init(struct image_cache *cache) {
	*cache = (struct image_cache){ .fd = -1 };
}

void image_cache_drop(struct image_cache *cache) {
	if (cache->fd >= 0)
		close(cache->fd);
	image_cache_init(cache);
}

/* A rebase, which grows the generation, may have taken the image's head out of the log. */
static bool is_good(const struct leader *leader) {
	const struct image_cache *cache = &leader->image;

	return cache->fd >= 0 && cache->generation == leader->told.generation &&
	       hash_equal(&cache->fingerprint, &leader->store->schema->fingerprint) &&
	       leader->told.head.global - cache->at.global < PAGE_EVENTS_MAX;
}

/* Nobody who holds a descriptor can change what another one has mapped. */
static int seal(int fd, struct error *error) {
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return error_set(error, ERROR_IO, "cannot seal an image: %s", strerror(errno));
	return 0;
}

int image_cache_refresh(struct leader *leader, struct error *error) {
	struct image_cache made = { .generation = leader->told.generation };
	struct state_head head;

	if (is_good(leader))
		return 0;
	if (!leader->store->state)
		return error_set(error, leader->store->hold.code, "%s", leader->store->hold.text);
	made.fd = memfd_create("leaderd-image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (made.fd < 0)
		return error_set(error, ERROR_IO, "cannot make an image: %s", strerror(errno));
	int r = state_image_write(leader->store->state, made.fd, &made.bytes, error);
	if (r == 0)
		r = seal(made.fd, error);
	if (r < 0) {
		close(made.fd);
		return r;
	}
	state_head(leader->store->state, &head);
	made.at = head.at;
	made.local_hash = head.local_hash;
	made.fingerprint = leader->store->schema->fingerprint;
	image_cache_drop(&leader->image);
	leader->image = made;
	return 0;
}

int image_cache_descriptor(const struct image_cache *cache, int *ret_fd, struct error *error) {
	int fd = fcntl(cache->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return error_set(error, ERROR_IO, "cannot give an image: %s", strerror(errno));
	*ret_fd = fd;
	return 0;
}
