/* SPDX-License-Identifier: Apache-2.0 */
#include "latency.h"

/* Below 32 each value has its own slot; above, the leading bit and the five after it choose. */
static uint32_t slot_of(uint64_t us)
{
    if (us < 32)
        return (uint32_t)us;
    uint32_t shift = 58 - (uint32_t)__builtin_clzll(us);
    uint32_t slot = 32 * (shift + 1) + (uint32_t)(us >> shift) - 32;
    return slot < LATENCY_SLOTS ? slot : LATENCY_SLOTS - 1;
}

static int64_t slot_top(uint32_t slot)
{
    if (slot < 32)
        return slot;
    uint32_t shift = slot / 32 - 1;
    return (int64_t)((uint64_t)(32 + slot % 32 + 1) << shift) - 1;
}

void sim_latency_add(struct sim_latency *l, int64_t us)
{
    if (us < 0)
        us = 0;
    l->n++;
    l->max_us = us > l->max_us ? us : l->max_us;
    l->slots[slot_of((uint64_t)us)]++;
}

int64_t sim_latency_at(const struct sim_latency *l, double percent)
{
    double wanted = (double)l->n * percent / 100;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < LATENCY_SLOTS; i++) {
        seen += l->slots[i];
        if (seen && (double)seen >= wanted)
            return slot_top(i) < l->max_us ? slot_top(i) : l->max_us;
    }
    return 0;
}
