/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One webhook to deliver: the HTTP request, ready to be written as often as it takes, and the
 * events in it. */
#include <stdint.h>

#include "plan.h"

struct sim_post {
    char *request; /* owned, head and body */
    size_t request_len;
    struct sim_event *events; /* owned */
    size_t n_events;
    int copies;                       /* deliveries that are planned or under way; 0: settled */
    int sent;                         /* times it was written, retries included */
    int acknowledged;                 /* times the answer was 2xx */
    struct sim_post *previous, *next; /* list of those that are not settled */
};

struct sim_post_list {
    struct sim_post *first;
};

/* Copies events and request; copies is 1. Returns owned, in the list. */
struct sim_post *sim_post_new(struct sim_post_list *list, const struct sim_event *events,
                              size_t n_events, struct str head, struct str body);
/* Leaves the list. */
void sim_post_free(struct sim_post_list *list, struct sim_post *p);
