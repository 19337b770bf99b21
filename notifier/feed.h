/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* From Kafka's topic `updates` into the rings, and out to the clients.
 *
 *   LOCATING --ends known--> FILLING --read back to the ends--> LIVE
 *      ^-------- the consumer failed for good -------------------'
 *
 * A plain consumer without a group: all partitions, committed records only, no commits; the place
 * to start is the end of the log minus what the rings hold. It reads on only when what it read
 * before has been handed to the sockets, so that one turn's work is bounded and a crowd of clients
 * slows the reading instead of filling their queues.
 *
 * The feed is stalled when no broker answers, when the end of the log moves and we do not, or when
 * the end cannot be learned. */
#include <uv.h>

#include "history.h"
#include "kafka.h"
#include "notifier_conf.h"
#include "records.h"
#include "stats.h"

struct feed;

struct feed_opts {
    uv_loop_t *loop;
    const struct notifier_conf *conf;
    const char *client_id;
    struct history *history;
    struct codec *codec;
    struct stats *stats;
    /* A new update, already in its ring: returns to how many clients it went. */
    size_t (*on_update)(void *ctx, struct packet *p);
    /* All that on_update was given has been handed on: false holds the feed back. */
    bool (*may_go_on)(void *ctx);
    void (*on_stall)(void *ctx, bool stalled);
    /* A partition's ring was emptied, its log does not go on where it was. */
    void (*on_restart)(void *ctx, int32_t partition, const char *reason);
    /* There are more partitions than before. */
    void (*on_grow)(void *ctx);
    /* It cannot go on: end the process, so that it starts anew. */
    void (*on_fatal)(void *ctx);
    void *ctx;
};

/* Returns owned. */
struct feed *notifier_feed_new(const struct feed_opts *opts);
void notifier_feed_free(struct feed *f);
/* The rings are filled: clients may come, also while it is stalled. */
bool notifier_feed_is_filled(const struct feed *f);
/* One reason a line, for /readyz. */
void notifier_feed_not_ready(const struct feed *f, struct buf *why);
