/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What is to happen when: a binary heap of times. Whoever puts a thing in keeps it alive until it
 * comes out. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sender_heap {
    struct heap_item {
        int64_t at_us;
        void *what;
    } * items;
    size_t n, cap;
};

void sender_heap_put(struct sender_heap *h, int64_t at_us, void *what);
/* The earliest that is due; NULL: none. */
void *sender_heap_due(struct sender_heap *h, int64_t now_us);
/* The earliest of all; INT64_MAX: it is empty. */
int64_t sender_heap_next_us(const struct sender_heap *h);
void *sender_heap_pop(struct sender_heap *h); /* NULL: it is empty */
void sender_heap_done(struct sender_heap *h);
