/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Memory of one message, request or batch: allocate forward, reset at the end. One thread. */
#include <stddef.h>

#include "mem.h"

struct arena;

/* `max_bytes` bounds the sum of the chunks. Returns owned. */
struct arena *arena_new(size_t max_bytes);
void arena_free(struct arena *a);
void arena_free_wiped(struct arena *a); /* for what held secrets */
/* Forget all allocations, keep one chunk for the next use: as large as the uses of late needed, so
 * that a steady load allocates nothing and one huge message is not held for ever. */
void arena_reset(struct arena *a);
/* Zeroed, aligned for any type. Aborts past the maximum: use it for what our own limits bound. */
void *arena_alloc(struct arena *a, size_t size);
/* The same, but NULL past the maximum: for sizes that an outsider chooses. Not zeroed. */
void *arena_try(struct arena *a, size_t size);
/* Make the allocation at `p` of `old` bytes `size` bytes large: in place if it is the latest one
 * and the chunk has room, else a copy. Gives back the tail when it shrinks the latest one. What is
 * added is not zeroed. NULL past the maximum, then `p` stands. */
void *arena_resize(struct arena *a, void *p, size_t old, size_t size);
size_t arena_used(const struct arena *a);
/* The largest allocation that still succeeds. */
size_t arena_room(const struct arena *a);

DEFINE_AUTO(arena, arena_free)
#define auto_arena AUTO(arena_free) struct arena *

#define ARENA_NEW(a, type)      ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_alloc((a), sizeof(type) * (n)))
