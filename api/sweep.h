/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What has had its time goes from the database: kept answers after a day, tokens that have expired.
 */
#include <stdint.h>

#include "pg_pool.h"

struct api_sweep {
    int64_t next_ms; /* monotonic; 0: at once */
    bool is_running;
};

/* Begins a round of it where one is due. Loop thread. */
void api_sweep_tick(struct api_sweep *s, struct pg_pool *pool, int64_t now_ms);
