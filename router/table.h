/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Objects of one batch by (owner, key): open addressing in the batch's arena. No removal. */
#include "arena.h"
#include "str.h"

struct table {
    struct arena *arena;
    struct table_slot *slots;
    size_t n, cap;
};

void router_table_init(struct table *t, struct arena *a);
/* NULL: not there. */
void *router_table_find(const struct table *t, const void *owner, struct str key);
/* Add, or put in the place of what is there. `key` outlives the table. */
void router_table_put(struct table *t, const void *owner, struct str key, void *value);
