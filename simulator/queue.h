/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* In which order webhooks leave, and which leave twice. Pure: the same seed gives the same order.
 *
 * Holds a window of posts. In order: the oldest leaves first; shuffled: any one. A post that is to
 * leave twice goes back into the window for up to QUEUE_WINDOW further departures. */
#include <stdbool.h>
#include <stdint.h>

#include "random.h"

struct sim_post;

#define QUEUE_WINDOW 512

struct sim_queue {
    struct sim_random random;
    uint32_t duplicates; /* percent */
    bool shuffle;
    struct sim_post *fresh[QUEUE_WINDOW]; /* ring when in order, bag when shuffled */
    uint32_t head, n_fresh;
    struct {
        struct sim_post *post;
        uint64_t due; /* departures until then */
    } again[QUEUE_WINDOW];
    uint32_t n_again;
    uint64_t departures;
    uint64_t repeats; /* of those, second departures */
};

void sim_queue_init(struct sim_queue *q, uint64_t seed, uint32_t duplicates, bool shuffle);
/* Posts that fit; refill to the brim before each take, so that the order depends on the seed alone.
 */
uint32_t sim_queue_room(const struct sim_queue *q);
/* `p` leaves once; whether it leaves twice is drawn at its first departure, which adds to
 * p->copies. */
void sim_queue_put(struct sim_queue *q, struct sim_post *p);
struct sim_post *sim_queue_take(struct sim_queue *q); /* NULL: empty */
