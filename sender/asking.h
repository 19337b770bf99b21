/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Asks providers about messages of which nobody knows whether they were sent: lists what their
 * conversation has, and looks for them in it (match.h). Those that are there are settled as sent,
 * like by an answer: stored in the attempt, then told to the router. What is not there is left to
 * the tenant's policy (scheduler_uncertain.c), which waits for the asking. Nothing is sent from
 * here. Loop thread. */
#include <uv.h>

#include "exchange.h"
#include "pg_pool.h"
#include "results.h"
#include "vault.h"

struct sender_asking;

struct sender_asking_opts {
    uv_loop_t *loop;
    const struct sender_conf *conf;
    struct pg_pool *pool;
    const struct vault *vault;
    struct fetch *fetch;
    struct sender_results *results;
    struct metrics *metrics;
    void (*on_idle)(void *ctx); /* after sender_asking_stop: no request is under way any more */
    void *ctx;
};

struct sender_asking *sender_asking_new(const struct sender_asking_opts *opts);
/* Ask no more; what is under way is cut off, and asked again by whoever comes next. */
void sender_asking_stop(struct sender_asking *s);
bool sender_asking_is_idle(const struct sender_asking *s);
/* After the pool and fetch are gone, so that no callback comes any more. */
void sender_asking_free(struct sender_asking *s);
