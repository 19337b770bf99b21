/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#define START_SLOTS 256

struct table_slot {
    uint64_t hash;
    const void *owner;
    struct str key;
    void *value; /* NULL: free */
};

void router_table_init(struct table *t, struct arena *a)
{
    *t = (struct table){.arena = a, .cap = START_SLOTS};
    t->slots = ARENA_ARRAY(a, struct table_slot, t->cap);
}

static uint64_t hash_of(const void *owner, struct str key)
{
    return str_hash(key) ^ ((uint64_t)(uintptr_t)owner * 0x9E3779B97F4A7C15u);
}

static struct table_slot *slot_of(struct table_slot *slots, size_t cap, uint64_t hash,
                                  const void *owner, struct str key)
{
    for (size_t i = hash & (cap - 1);; i = (i + 1) & (cap - 1)) {
        struct table_slot *s = &slots[i];
        if (!s->value || (s->hash == hash && s->owner == owner && str_eq(s->key, key)))
            return s;
    }
}

void *router_table_find(const struct table *t, const void *owner, struct str key)
{
    return slot_of(t->slots, t->cap, hash_of(owner, key), owner, key)->value;
}

static void grow(struct table *t)
{
    size_t cap = t->cap * 2;
    struct table_slot *slots = ARENA_ARRAY(t->arena, struct table_slot, cap);
    for (size_t i = 0; i < t->cap; i++) {
        struct table_slot *s = &t->slots[i];
        if (s->value)
            *slot_of(slots, cap, s->hash, s->owner, s->key) = *s;
    }
    t->slots = slots;
    t->cap = cap;
}

void router_table_put(struct table *t, const void *owner, struct str key, void *value)
{
    if (t->n * 2 >= t->cap)
        grow(t);
    uint64_t hash = hash_of(owner, key);
    struct table_slot *s = slot_of(t->slots, t->cap, hash, owner, key);
    t->n += !s->value;
    *s = (struct table_slot){.hash = hash, .owner = owner, .key = key, .value = value};
}
