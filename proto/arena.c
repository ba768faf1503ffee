/*
 * The arena: memory for one unpacked message, taken in blocks, given back all
 * at once, and bounded by a budget.
 *
 * protobuf-c asks for memory before it knows whether the bytes make sense, and
 * small input can ask for much: an event of two bytes becomes a struct of some
 * 260. Whatever it asks for counts, what it releases in between as well, so the
 * budget bounds the sum and no input can go around it.
 */

#include <stdlib.h>

#include "proto/unpack.h"

#define BLOCK_BYTES_MIN 2048u
#define BLOCK_BYTES_MAX (256u * 1024u)

struct wire_block {
	struct wire_block *next;
	size_t used, size; /* of `data` */
	_Alignas(max_align_t) uint8_t data[];
};

/* One unpacking: the allocator's interface has no room for the cause of a NULL. */
struct unpacking {
	struct wire_arena *arena;
	bool over_budget;
};

void wire_arena_clear(struct wire_arena *arena) {
	struct wire_block *block = arena->blocks;

	while (block != NULL) {
		struct wire_block *next = block->next;

		free(block);
		block = next;
	}
	arena->blocks = NULL;
	arena->used = 0;
}

static size_t arena_budget(const struct wire_arena *arena) {
	return arena->budget == 0 ? FRAME_MEMORY_BYTES_MAX : arena->budget;
}

/* Blocks double with what is used already, so that a small message costs one
 * small block; the last ones shrink to what the budget leaves. */
static size_t block_size(const struct wire_arena *arena, size_t needed, size_t left) {
	size_t size = arena->used;

	if (size < BLOCK_BYTES_MIN)
		size = BLOCK_BYTES_MIN;
	if (size > BLOCK_BYTES_MAX)
		size = BLOCK_BYTES_MAX;
	if (size < needed)
		size = needed;
	return size < left ? size : left;
}

static struct wire_block *add_block(struct unpacking *unpacking, size_t needed) {
	struct wire_arena *arena = unpacking->arena;
	size_t left = arena_budget(arena) - arena->used;

	if (left < sizeof(struct wire_block) || needed > left - sizeof(struct wire_block)) {
		unpacking->over_budget = true;
		return NULL;
	}

	size_t size = block_size(arena, needed, left - sizeof(struct wire_block));
	struct wire_block *block = malloc(sizeof(*block) + size);
	if (block == NULL)
		return NULL;
	block->next = arena->blocks;
	block->used = 0;
	block->size = size;
	arena->blocks = block;
	arena->used += sizeof(*block) + size;
	return block;
}

static void *arena_allocate(void *data, size_t n) {
	struct unpacking *unpacking = data;
	struct wire_block *block = unpacking->arena->blocks;
	const size_t alignment = _Alignof(max_align_t);

	if (n > FRAME_MEMORY_BYTES_MAX) { /* rounding up cannot overflow then */
		unpacking->over_budget = true;
		return NULL;
	}
	n = (n + alignment - 1) / alignment * alignment;
	if (block == NULL || n > block->size - block->used) {
		block = add_block(unpacking, n);
		if (block == NULL)
			return NULL;
	}

	void *memory = block->data + block->used;
	block->used += n;
	return memory;
}

static void arena_free(void *data, void *memory) {
	(void)data;
	(void)memory; /* the arena gives everything back at once */
}

int wire_arena_unpack(struct wire_arena *arena, const ProtobufCMessageDescriptor *descriptor, const uint8_t *payload,
                      size_t n, ProtobufCMessage **ret, struct error *error) {
	struct unpacking unpacking = { .arena = arena };
	ProtobufCAllocator allocator = { .alloc = arena_allocate, .free = arena_free, .allocator_data = &unpacking };
	size_t blocks_before = arena->used;
	ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, &allocator, n, payload);

	if (message == NULL && unpacking.over_budget)
		return error_set(error, ERROR_TOO_LARGE, "%s of %zu bytes needed more than %zu bytes of memory",
		                 descriptor->short_name, n, arena_budget(arena) - blocks_before);
	/* The scan has passed the bytes, so nothing but memory can be missing. */
	if (message == NULL)
		return error_no_memory(error);
	*ret = message;
	return 0;
}
