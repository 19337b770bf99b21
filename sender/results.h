/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What sends came to, to `results`: the router applies and publishes it. Answers are stored before
 * they come here, so a record that is lost is published again from there when its lease ends. Loop
 * thread. */
#include <uv.h>

#include "decide.h"
#include "id.h"
#include "metric.h"
#include "sender_conf.h"

struct sender_results;

struct sender_results_opts {
    const struct sender_conf *conf;
    const char *instance;
    uv_loop_t *loop;
    struct metrics *metrics;
};

struct sender_result {
    struct uuid tenant_id, channel_id, conversation_id;
    struct str message_id;
    const char *provider, *trace; /* trace "": a new one begins */
    int64_t attempt, at_ms;
    const struct sender_answer *answer; /* NULL: it is being sent */
};

struct sender_results *sender_results_new(const struct sender_results_opts *opts, struct err *err);
void sender_results_tell(struct sender_results *r, const struct sender_result *x);
void sender_results_not_ready(struct sender_results *r, struct buf *why);
/* Records that Kafka has not acknowledged. */
size_t sender_results_waiting(const struct sender_results *r);
void sender_results_free(struct sender_results *r); /* waits up to a second for what is left */
