/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What those are given that call providers beside the engine (look.h, marks.h). Borrowed, all of
 * it, for as long as they live. */
#include <uv.h>

#include "fetch.h"
#include "metric.h"
#include "pg_pool.h"
#include "sender_conf.h"
#include "vault.h"

struct sender_beside {
    uv_loop_t *loop;
    const struct sender_conf *conf;
    struct pg_pool *pool;
    const struct vault *vault;
    struct fetch *fetch;
    struct metrics *metrics;
};
