/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The parts of one thread of the api, as handlers use them. worker.c makes and ends them. Constant
 * after start, loop thread, unless said. */
#include <uv.h>

#include "api_conf.h"
#include "metric.h"

struct api_inbox;
struct api_lag;
struct api_passwords;
struct api_rates;
struct api_standings;
struct api_spec;
struct api_outside;
struct api_throttle;
struct pg_pool;
struct producer;
struct token_keys;

struct api {
    const struct api_conf *conf;
    const struct api_spec *spec;     /* any thread */
    const struct token_keys *keys;   /* any thread */
    struct metrics *metrics;         /* any thread */
    struct api_rates *rates;         /* any thread */
    struct api_throttle *throttle;   /* any thread */
    struct api_standings *standings; /* any thread */
    uv_loop_t *loop;
    struct pg_pool *pool;
    struct pg_pool *operators; /* in the operator's role; NULL: not configured */
    struct producer *producer;
    struct api_passwords *passwords;
    struct api_outside *outside;
    struct api_inbox *inbox; /* inbox.h */
    struct api_lag *lag;     /* lag.h */
    size_t bulk_bytes;       /* of bulks' bodies that are being kept */
    int index;               /* of the thread */
};
