/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Commands from `outbound`, read in a thread of its own (joining a group and committing block) and
 * handed to the loop. Positions are committed once commands were handed over, not once they were
 * obeyed: the rows are the truth, and one that nobody claims is commanded again by the scheduler.
 */
#include <uv.h>

#include "buf.h"
#include "metric.h"
#include "queue.h"
#include "sender_conf.h"

struct sender_intake;

struct sender_intake_opts {
    const struct sender_conf *conf;
    const char *instance;
    uv_loop_t *loop;
    struct metrics *metrics;
    /* Loop thread. */
    void (*on_commands)(void *ctx, const struct sender_command *commands, size_t n);
    void (*on_failed)(void *ctx); /* it cannot go on */
    void *ctx;
};

struct sender_intake *sender_intake_new(const struct sender_intake_opts *opts, struct err *err);
void sender_intake_not_ready(struct sender_intake *in, struct buf *why);
void sender_intake_stop(struct sender_intake *in); /* no more commands come; any number of times */
void sender_intake_free(struct sender_intake *in); /* waits for the thread */
