/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The sending side on its loop: commands come in, conversations are claimed in rounds, calls go
 * out, answers are stored and told. One turn (pump) does what can be done now:
 *
 *   queue -> [load channel] -> [reserve slots] -> claim -> call at its slot -> answer -> store ->
 * results
 *
 * Of each kind of database round one is under way at a time (of claims one for replies and one for
 * bulk), so that whatever comes meanwhile makes the next round: batches grow with the load, and are
 * single without. */
#include <uv.h>

#include "call.h"
#include "results.h"
#include "sender_conf.h"

struct sender_engine;

struct sender_engine_opts {
    uv_loop_t *loop;
    const struct sender_conf *conf;
    struct pg_pool *pool;
    struct vault *vault;
    struct fetch *fetch;
    const struct exchange_files *files;
    struct sender_results *results;
    struct metrics *metrics;
    void (*on_empty)(void *ctx); /* after sender_engine_stop: nothing is under way any more */
    void *ctx;
};

struct sender_engine *sender_engine_new(const struct sender_engine_opts *opts);
void sender_engine_commands(struct sender_engine *e, const struct sender_command *commands,
                            size_t n);
/* Claim no more; finish the calls that were begun, give the others back, store all answers. */
void sender_engine_stop(struct sender_engine *e);
/* After the pool and fetch are gone, so that no callback comes any more. */
void sender_engine_free(struct sender_engine *e);
