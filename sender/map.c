/* SPDX-License-Identifier: Apache-2.0 */
#include "map.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define FIRST_CAP 64

static struct uuid id_of(const void *thing)
{
    struct uuid id;
    memcpy(&id, thing, sizeof id);
    return id;
}

/* The second half of our ids is random; those of others are mixed. */
static size_t home(const struct sender_map *m, struct uuid id)
{
    uint64_t a, b;
    memcpy(&a, id.b, sizeof a);
    memcpy(&b, id.b + 8, sizeof b);
    uint64_t x = (a * 0x9E3779B97F4A7C15u) ^ b;
    x ^= x >> 32;
    x *= 0xD6E8FEB86659FD93u;
    x ^= x >> 32;
    return (size_t)x & (m->cap - 1);
}

static size_t place(const struct sender_map *m, struct uuid id)
{
    size_t i = home(m, id);
    while (m->slots[i] && !uuid_eq(id_of(m->slots[i]), id))
        i = (i + 1) & (m->cap - 1);
    return i;
}

void *sender_map_find(const struct sender_map *m, struct uuid id)
{
    return m->cap ? m->slots[place(m, id)] : NULL;
}

static void grow(struct sender_map *m)
{
    struct sender_map bigger = {.cap = m->cap ? 2 * m->cap : FIRST_CAP, .n = m->n};
    bigger.slots = xalloc(bigger.cap * sizeof *bigger.slots);
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i])
            bigger.slots[place(&bigger, id_of(m->slots[i]))] = m->slots[i];
    free(m->slots);
    *m = bigger;
}

void sender_map_put(struct sender_map *m, void *thing)
{
    if (4 * (m->n + 1) > 3 * m->cap)
        grow(m);
    m->slots[place(m, id_of(thing))] = thing;
    m->n++;
}

void sender_map_remove(struct sender_map *m, struct uuid id)
{
    size_t hole = m->cap ? place(m, id) : 0;
    if (!m->cap || !m->slots[hole])
        return;
    m->slots[hole] = NULL;
    m->n--;
    // What follows may have been pushed past the hole: move it back, so that it is found.
    for (size_t i = (hole + 1) & (m->cap - 1); m->slots[i]; i = (i + 1) & (m->cap - 1)) {
        void *thing = m->slots[i];
        m->slots[i] = NULL;
        m->slots[place(m, id_of(thing))] = thing;
    }
}

void *sender_map_next(const struct sender_map *m, size_t *i)
{
    while (*i < m->cap) {
        void *thing = m->slots[(*i)++];
        if (thing)
            return thing;
    }
    return NULL;
}

void sender_map_done(struct sender_map *m)
{
    free(m->slots);
    *m = (struct sender_map){0};
}
