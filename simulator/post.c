/* SPDX-License-Identifier: Apache-2.0 */
#include "post.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

struct sim_post *sim_post_new(struct sim_post_list *list, const struct sim_event *events,
                              size_t n_events, struct str head, struct str body)
{
    struct sim_post *p = xalloc(sizeof *p);
    p->events = xalloc(sizeof *events * n_events);
    memcpy(p->events, events, sizeof *events * n_events);
    p->n_events = n_events;
    p->request_len = head.len + body.len;
    p->request = xalloc(p->request_len);
    memcpy(p->request, head.ptr, head.len);
    memcpy(p->request + head.len, body.ptr, body.len);
    p->copies = 1;
    p->next = list->first;
    if (p->next)
        p->next->previous = p;
    list->first = p;
    return p;
}

void sim_post_free(struct sim_post_list *list, struct sim_post *p)
{
    if (p->next)
        p->next->previous = p->previous;
    if (p->previous)
        p->previous->next = p->next;
    else
        list->first = p->next;
    free(p->request);
    free(p->events);
    free(p);
}
