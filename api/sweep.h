/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What has had its time goes: kept answers after a day, tokens that have expired, files whose
 * upload came to no row. */
#include <stdint.h>

#include "api.h"

struct api_sweep {
    struct api *api;
    int64_t next_ms; /* monotonic; 0: at once */
    bool is_running;
};

/* Begins a round of it where one is due. Loop thread. */
void api_sweep_tick(struct api_sweep *s, int64_t now_ms);
