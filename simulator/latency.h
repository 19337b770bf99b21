/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A histogram of durations, exact to 3 %: 32 steps to each doubling. */
#include <stdint.h>

#define LATENCY_SLOTS (32 * 40)

struct sim_latency {
    uint64_t n;
    int64_t max_us;
    uint64_t slots[LATENCY_SLOTS];
};

void sim_latency_add(struct sim_latency *l, int64_t us);
/* Of `percent` percent the duration is at most this; 0 when there are none. */
int64_t sim_latency_at(const struct sim_latency *l, double percent);
