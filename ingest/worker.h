/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One thread of ingest: its event loop, its server on the common port, its Kafka producer.
 *
 * Threads share nothing but the settings, the metrics and the port, which the kernel divides among
 * them by SO_REUSEPORT. */
#include "err.h"
#include "ingest_conf.h"
#include "metric.h"

struct ingest_worker;

struct ingest_worker_opts {
    const struct ingest_conf *conf; /* borrowed, constant after start */
    struct metrics *metrics;        /* borrowed */
    int index, count;
    int port;                      /* from the settings, or what the first worker got for port 0 */
    void (*on_stopped)(void *ctx); /* any thread */
    void *ctx;
};

/* Bind and connect; nothing runs yet. NULL: err. Returns owned. */
struct ingest_worker *ingest_worker_new(const struct ingest_worker_opts *opts, struct err *err);
int ingest_worker_port(const struct ingest_worker *w);
bool ingest_worker_start(struct ingest_worker *w, struct err *err) NODISCARD;
/* Any thread: is there a Kafka broker at this moment? */
bool ingest_worker_is_connected(const struct ingest_worker *w);
/* Any thread: take no more requests, finish those that wait, then call on_stopped. */
void ingest_worker_stop(struct ingest_worker *w);
/* Any thread: on_stopped was, or is being, called. */
bool ingest_worker_has_stopped(const struct ingest_worker *w);
/* Waits for the thread, if it was started; it must be stopping. */
void ingest_worker_free(struct ingest_worker *w);
