/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One worker: a thread that takes batches of records from its partitions, stores each in one
 * database transaction and hands it to its publisher. Workers share nothing but the metrics. */
#include "batch.h"
#include "metric.h"
#include "router_conf.h"

struct router_worker;

struct router_worker_opts {
    const struct router_conf *conf;
    const struct topics *topics;
    const char *instance;
    int index;
    struct metrics *metrics;
    void (*on_stopped)(void *ctx); /* from its thread: it has ended; what remains is _free */
    void *ctx;
};

/* Starts the thread; it waits for Kafka and PostgreSQL as long as it takes. Returns owned. */
struct router_worker *router_worker_new(const struct router_worker_opts *opts, struct err *err);
/* Finish what is under way, commit, end. Any thread. */
void router_worker_stop(struct router_worker *w);
bool router_worker_has_stopped(const struct router_worker *w);
/* It ended by itself: it cannot go on. Any thread. */
bool router_worker_has_failed(const struct router_worker *w);
/* Why it is not ready, a line each; any thread. */
void router_worker_not_ready(const struct router_worker *w, struct buf *why);
/* After it has stopped. */
void router_worker_free(struct router_worker *w);
