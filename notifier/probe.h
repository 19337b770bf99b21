/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Asks Kafka how many partitions a topic has and where each begins and ends.
 *
 * The calls block, so they run on a thread of libuv's pool, with a consumer handle of their own
 * that no other thread touches. One question at a time. */
#include <stdint.h>
#include <uv.h>

#include "err.h"
#include "kafka.h"

struct probe;

struct probe_answer {
    int32_t n; /* partitions */
    /* Of each: the first offset that is held, and the end (of committed records). */
    const int64_t *low, *high;
};

struct probe_opts {
    uv_loop_t *loop;
    struct kafka_opts kafka; /* its texts are borrowed until the loop has run its closes */
    const char *topic;       /* copied */
    int64_t timeout_ms;      /* of each single call */
    /* On the loop thread; err NULL: answered. */
    void (*on_answer)(void *ctx, const struct probe_answer *answer, const struct err *err);
    void *ctx;
};

/* Returns owned. */
struct probe *notifier_probe_new(const struct probe_opts *opts);
/* No effect while a question is under way. */
void notifier_probe_ask(struct probe *p);
/* No answer comes after this; memory goes when the thread has ended its call. */
void notifier_probe_free(struct probe *p);
