/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Numbers that look random and are the same for the same seed, on every machine (splitmix64). */
#include <stdint.h>

struct sim_random {
    uint64_t state;
};

static inline uint64_t sim_mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static inline uint64_t sim_random_next(struct sim_random *r)
{
    r->state += 0x9E3779B97F4A7C15u;
    return sim_mix(r->state);
}

/* In [0, n); n > 0. */
static inline uint32_t sim_random_below(struct sim_random *r, uint32_t n)
{
    return (uint32_t)(((sim_random_next(r) >> 32) * n) >> 32);
}
