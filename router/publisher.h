/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The Kafka half of a worker, in a thread of its own: while it commits one batch's transaction (its
 * updates, its quarantined records and its offsets), the worker stores the next in the database.
 *
 * Batches go in order. A transaction that was certainly aborted is tried again with the same
 * records. When the outcome is unknown, or the partitions have moved on, the publisher breaks: it
 * drops what it has, and the worker reads again from what the group has committed; `events` tells
 * which of those records are stored already, and their updates are published then. */
#include "batch.h"
#include "metric.h"

struct router_publisher;

struct router_publisher_opts {
    struct kafka_opts kafka;
    const char *transactional_id;
    struct metrics *metrics;
};

/* Blocks up to 10 s for the end of an older transaction. NULL: err. Returns owned. */
struct router_publisher *router_publisher_new(const struct router_publisher_opts *opts,
                                              struct err *err);
/* What is in its queue is dropped. */
void router_publisher_free(struct router_publisher *p);
/* Whose group's offsets are committed; before the first push. */
void router_publisher_set_consumer(struct router_publisher *p, struct consumer *c);

/* An empty batch to fill; blocks up to `timeout_ms`, then NULL: all are under way. */
struct batch *router_publisher_take(struct router_publisher *p, int64_t timeout_ms);
/* Give one back unused. */
void router_publisher_give(struct router_publisher *p, struct batch *b);
/* Takes b. Does not block: there are no more batches than the queue holds. */
void router_publisher_push(struct router_publisher *p, struct batch *b);
/* Nothing is under way any more: all is committed or dropped. Blocks up to `timeout_ms`. */
bool router_publisher_wait_idle(struct router_publisher *p, int64_t timeout_ms);
bool router_publisher_is_broken(struct router_publisher *p);
/* The partitions are being taken away and the wait was too long: break, so that nothing that was
 * read under the old assignment is committed under the next. */
void router_publisher_break(struct router_publisher *p);
/* No more transactions: blocks until the one under way has ended, and drops the rest. After it the
 * consumer may go; push drops. */
void router_publisher_stop(struct router_publisher *p);
/* Broken and idle: wait for the end of the old transaction (blocks up to 10 s), so that the group's
 * positions are final, and be good again. */
bool router_publisher_mend(struct router_publisher *p, struct err *err) NODISCARD;
