/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Circular lists whose links stand in what is listed. A link that is in no list points to nothing.
 */
#include <stdbool.h>
#include <stddef.h>

struct ring {
    struct ring *next, *prev;
};

#define RING_OF(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void ring_init(struct ring *head)
{
    head->next = head->prev = head;
}
static inline bool ring_is_empty(const struct ring *head)
{
    return head->next == head;
}
static inline bool ring_has(const struct ring *link)
{
    return link->next != NULL;
}
static inline void ring_insert(struct ring *after, struct ring *link)
{
    link->prev = after;
    link->next = after->next;
    after->next->prev = link;
    after->next = link;
}
static inline void ring_push(struct ring *head, struct ring *link)
{
    ring_insert(head->prev, link);
}
static inline void ring_push_front(struct ring *head, struct ring *link)
{
    ring_insert(head, link);
}
static inline void ring_remove(struct ring *link)
{
    if (!link->next)
        return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = link->prev = NULL;
}
