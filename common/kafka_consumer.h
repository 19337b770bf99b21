/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The consumer's inside, shared by its two files: life and reading (kafka_consumer.c) and positions
 * (kafka_position.c). */
#include "kafka_common.h"

// How often in its life a consumer that was fenced starts anew, and how soon after the last time.
#define FENCED_MAX      16
#define FENCED_PAUSE_MS 5000

struct consumer {
    struct consumer_opts opts; /* texts are our own copies */
    struct kafka_link link;
    _Atomic(rd_kafka_t *) rk; /* producer_commit reads it from another thread */
    // Handles that were fenced. They live on because records and a commit may still refer to them.
    rd_kafka_t *fenced[FENCED_MAX];
    size_t n_fenced;
    int64_t reopen_ms; /* not before this point */
    bool is_broken;    /* rk is fenced: the next consumer_poll opens another */
    rd_kafka_queue_t *queue;
    int wake_fd;
    bool has_group;
    bool is_paused;
    // consumer_poll's result while it is being filled: a rebalance takes records out of it again.
    struct record *out;
    int n_out;
    bool has_failed; /* failure is to be told by the next consumer_poll that has no record */
    struct err failure;
    /* Without a group: where reading began, then up to where it has come (consumer_position). */
    rd_kafka_topic_partition_list_t *start;
};

rd_kafka_t *consumer_handle(struct consumer *c); /* borrowed; any thread */
/* Where a partition that consumer_assign named has come to. NULL: not assigned, or by a group. */
rd_kafka_topic_partition_t *consumer_place(const struct consumer *c, const char *topic,
                                           int32_t partition);
