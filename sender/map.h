/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Things by their id: open addressing, linear probing. The id is the first member of the thing. */
#include <stddef.h>

#include "id.h"

struct sender_map {
    void **slots;
    size_t n, cap; /* cap: a power of two */
};

void *sender_map_find(const struct sender_map *m, struct uuid id); /* NULL: none */
void sender_map_put(struct sender_map *m, void *thing);            /* whose id is not in it */
void sender_map_remove(struct sender_map *m, struct uuid id);
/* Visit all: for (size_t i = 0; (thing = sender_map_next(m, &i));). Nothing is put or removed
 * meanwhile. */
void *sender_map_next(const struct sender_map *m, size_t *i);
void sender_map_done(struct sender_map *m);
