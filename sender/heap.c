/* SPDX-License-Identifier: Apache-2.0 */
#include "heap.h"

#include <stdlib.h>

#include "mem.h"

#define FIRST_CAP 64

void sender_heap_put(struct sender_heap *h, int64_t at_us, void *what)
{
    if (h->n == h->cap) {
        h->cap = h->cap ? 2 * h->cap : FIRST_CAP;
        h->items = xrealloc(h->items, h->cap * sizeof *h->items);
    }
    size_t i = h->n++;
    for (; i && h->items[(i - 1) / 2].at_us > at_us; i = (i - 1) / 2)
        h->items[i] = h->items[(i - 1) / 2];
    h->items[i] = (struct heap_item){at_us, what};
}

void *sender_heap_pop(struct sender_heap *h)
{
    if (!h->n)
        return NULL;
    void *top = h->items[0].what;
    struct heap_item last = h->items[--h->n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < h->n && h->items[child + 1].at_us < h->items[child].at_us)
            child++;
        if (child >= h->n || h->items[child].at_us >= last.at_us)
            break;
        h->items[i] = h->items[child];
        i = child;
    }
    h->items[i] = last;
    return top;
}

void *sender_heap_due(struct sender_heap *h, int64_t now_us)
{
    return h->n && h->items[0].at_us <= now_us ? sender_heap_pop(h) : NULL;
}

int64_t sender_heap_next_us(const struct sender_heap *h)
{
    return h->n ? h->items[0].at_us : INT64_MAX;
}

void sender_heap_done(struct sender_heap *h)
{
    free(h->items);
    *h = (struct sender_heap){0};
}
