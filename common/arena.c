/* SPDX-License-Identifier: Apache-2.0 */
#include "arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __has_feature // clang
#define HAS_ASAN __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__) // gcc
#define HAS_ASAN 1
#else
#define HAS_ASAN 0
#endif
#if HAS_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   __asan_poison_memory_region((p), (n))
#define UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#define ALIGN     alignof(max_align_t)
#define CHUNK_MIN ((size_t)4096)

struct chunk {
    struct chunk *older;
    size_t cap, used;
    alignas(max_align_t) char data[];
};

struct arena {
    struct chunk *chunk; /* the one that is filled; older ones behind it */
    size_t max;          /* of the sum of the chunks' cap */
    size_t total;        /* sum of the chunks' cap */
    size_t older_used;   /* bytes used in the older chunks */
    size_t want;         /* cap for the first chunk: what the uses of late needed */
};

static size_t align_up(size_t n)
{
    return (n + (ALIGN - 1)) & ~(ALIGN - 1);
}

struct arena *arena_new(size_t max_bytes)
{
    struct arena *a = xalloc(sizeof(*a));
    a->max = max_bytes < SIZE_MAX / 2 ? align_up(max_bytes) : SIZE_MAX / 2 & ~(ALIGN - 1);
    return a;
}

static void chunks_free(struct chunk *c)
{
    while (c) {
        struct chunk *older = c->older;
        UNPOISON(c->data, c->cap);
        free(c);
        c = older;
    }
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    chunks_free(a->chunk);
    free(a);
}

void arena_free_wiped(struct arena *a)
{
    for (struct chunk *c = a ? a->chunk : NULL; c; c = c->older) {
        UNPOISON(c->data, c->cap);
        explicit_bzero(c->data, c->cap);
    }
    arena_free(a);
}

size_t arena_used(const struct arena *a)
{
    return a->older_used + (a->chunk ? a->chunk->used : 0);
}

size_t arena_room(const struct arena *a)
{
    size_t here = a->chunk ? a->chunk->cap - a->chunk->used : 0;
    size_t more = a->max - a->total;
    return here > more ? here : more;
}

void arena_reset(struct arena *a)
{
    struct chunk *c = a->chunk;
    if (!c)
        return;
    size_t used = arena_used(a);
    // A slow decay: one large message is forgotten after some dozens of small ones, and sizes that
    // swing keep their chunk.
    a->want -= a->want / 16;
    if (used > a->want)
        a->want = used;
    // More than one chunk: one chunk of the same sum would have served, so begin with that.
    if (c->older || c->cap / 4 > a->want + CHUNK_MIN) {
        chunks_free(c);
        a->chunk = NULL;
        a->total = 0;
    } else {
        c->used = 0;
        POISON(c->data, c->cap);
    }
    a->older_used = 0;
}

/* A new chunk that holds `size` bytes, a multiple of ALIGN. False: past the maximum. */
static bool chunk_push(struct arena *a, size_t size)
{
    size_t room = a->max - a->total;
    if (size > room)
        return false;
    size_t cap = a->chunk ? a->total : align_up(a->want + a->want / 8);
    if (cap < CHUNK_MIN)
        cap = CHUNK_MIN;
    if (cap < size)
        cap = size;
    if (cap > room)
        cap = room;

    struct chunk *c = xrealloc(NULL, sizeof(*c) + cap);
    *c = (struct chunk){.older = a->chunk, .cap = cap};
    POISON(c->data, c->cap);
    if (a->chunk)
        a->older_used += a->chunk->used;
    a->chunk = c;
    a->total += cap;
    return true;
}

void *arena_try(struct arena *a, size_t size)
{
    if (size > a->max)
        return NULL;
    size_t need = align_up(size ? size : 1);
    struct chunk *c = a->chunk;
    if (!c || need > c->cap - c->used) {
        if (!chunk_push(a, need))
            return NULL;
        c = a->chunk;
    }
    char *p = c->data + c->used;
    c->used += need;
    UNPOISON(p, size);
    return p;
}

void *arena_alloc(struct arena *a, size_t size)
{
    void *p = arena_try(a, size);
    if (!p) {
        (void)fprintf(stderr, "postrider: arena of %zu bytes is full: %zu used, %zu more wanted\n",
                      a->max, arena_used(a), size);
        abort();
    }
    return memset(p, 0, size);
}

void *arena_resize(struct arena *a, void *p, size_t old, size_t size)
{
    if (size > a->max)
        return NULL;
    struct chunk *c = a->chunk;
    size_t was = align_up(old ? old : 1), need = align_up(size ? size : 1);
    bool is_latest = c && c->used >= was && c->data + (c->used - was) == (char *)p;
    if (is_latest && need <= c->cap - (c->used - was)) {
        c->used += need - was;
        if (need < was)
            POISON((char *)p + need, was - need);
        UNPOISON(p, size);
        return p;
    }
    if (size <= old)
        return p;
    void *q = arena_try(a, size);
    if (q)
        memcpy(q, p, old);
    return q;
}
