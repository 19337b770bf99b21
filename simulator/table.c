/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

struct row {
    uint64_t hash;
    struct str name; /* owned, before the value */
    char *value;
};

struct sim_table {
    size_t size, max, n;
    struct row *rows; /* in order of coming */
    uint32_t *slots;  /* row + 1; 0: free */
    size_t rows_cap, mask;
};

struct sim_table *sim_table_new(size_t size, size_t max)
{
    struct sim_table *t = xalloc(sizeof *t);
    t->size = size;
    t->max = max;
    return t;
}

void sim_table_clear(struct sim_table *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->rows[i].value);
    free(t->rows);
    free(t->slots);
    *t = (struct sim_table){.size = t->size, .max = t->max};
}

void sim_table_free(struct sim_table *t)
{
    if (!t)
        return;
    sim_table_clear(t);
    free(t);
}

static void index_all(struct sim_table *t)
{
    free(t->slots);
    t->slots = xalloc((t->mask + 1) * sizeof *t->slots);
    for (size_t i = 0; i < t->n; i++) {
        size_t at = t->rows[i].hash & t->mask;
        while (t->slots[at])
            at = (at + 1) & t->mask;
        t->slots[at] = (uint32_t)i + 1;
    }
}

static void *row_add(struct sim_table *t, struct str name, uint64_t hash)
{
    if (t->n == t->max)
        return NULL;
    if (!t->slots || t->n == t->rows_cap) {
        t->rows_cap = t->rows_cap ? 2 * t->rows_cap : 64;
        t->rows = xrealloc(t->rows, t->rows_cap * sizeof *t->rows);
        t->mask = 2 * t->rows_cap - 1;
        index_all(t);
    }
    struct row *r = &t->rows[t->n];
    r->value = xalloc(t->size + name.len + 1);
    if (name.len)
        memcpy(r->value + t->size, name.ptr, name.len);
    r->name = (struct str){r->value + t->size, name.len};
    r->hash = hash;
    size_t at = hash & t->mask;
    while (t->slots[at])
        at = (at + 1) & t->mask;
    t->slots[at] = (uint32_t)++t->n;
    return r->value;
}

void *sim_table_get(struct sim_table *t, struct str name, bool make)
{
    uint64_t hash = str_hash(name);
    if (!t->slots)
        return make ? row_add(t, name, hash) : NULL;
    for (size_t at = hash & t->mask; t->slots[at]; at = (at + 1) & t->mask) {
        struct row *r = &t->rows[t->slots[at] - 1];
        if (r->hash == hash && str_eq(r->name, name))
            return r->value;
    }
    return make ? row_add(t, name, hash) : NULL;
}

size_t sim_table_n(const struct sim_table *t)
{
    return t->n;
}

void *sim_table_at(const struct sim_table *t, size_t i, struct str *name)
{
    if (name)
        *name = t->rows[i].name;
    return t->rows[i].value;
}
