/* SPDX-License-Identifier: Apache-2.0 */
#include "queue.h"

#include <assert.h>
#include <string.h>

#include "post.h"

void sim_queue_init(struct sim_queue *q, uint64_t seed, uint32_t duplicates, bool shuffle)
{
    memset(q, 0, sizeof *q);
    q->random.state = sim_mix(~seed);
    q->duplicates = duplicates;
    q->shuffle = shuffle;
}

uint32_t sim_queue_room(const struct sim_queue *q)
{
    return QUEUE_WINDOW - q->n_fresh;
}

void sim_queue_put(struct sim_queue *q, struct sim_post *p)
{
    assert(q->n_fresh < QUEUE_WINDOW);
    q->fresh[(q->head + q->n_fresh++) % QUEUE_WINDOW] = p;
}

static struct sim_post *take_again(struct sim_queue *q, uint64_t due)
{
    for (uint32_t i = 0; i < q->n_again; i++) {
        if (q->again[i].due > due)
            continue;
        struct sim_post *p = q->again[i].post;
        q->again[i] = q->again[--q->n_again];
        q->departures++;
        q->repeats++;
        return p;
    }
    return NULL;
}

static struct sim_post *take_fresh(struct sim_queue *q)
{
    uint32_t front = q->head % QUEUE_WINDOW;
    if (q->shuffle) {
        // Whoever is drawn changes places with the one in front, so the ring stays whole.
        uint32_t drawn = (q->head + sim_random_below(&q->random, q->n_fresh)) % QUEUE_WINDOW;
        struct sim_post *p = q->fresh[drawn];
        q->fresh[drawn] = q->fresh[front];
        q->fresh[front] = p;
    }
    q->head = (q->head + 1) % QUEUE_WINDOW;
    q->n_fresh--;
    return q->fresh[front];
}

struct sim_post *sim_queue_take(struct sim_queue *q)
{
    struct sim_post *p = take_again(q, q->departures);
    if (!p && q->n_fresh == 0)
        return take_again(q, UINT64_MAX);
    if (p)
        return p;
    p = take_fresh(q);
    q->departures++;
    if (sim_random_below(&q->random, 100) < q->duplicates && q->n_again < QUEUE_WINDOW) {
        p->copies++;
        q->again[q->n_again].post = p;
        q->again[q->n_again++].due = q->departures + sim_random_below(&q->random, QUEUE_WINDOW);
    }
    return p;
}
