/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One thread of the api: its event loop, its server on the common port, its connections to the
 * database and its Kafka producer. Threads share the settings, the metrics, and what is bounded for
 * all of them together (rates). */
#include "api_conf.h"
#include "err.h"
#include "metric.h"

struct api_rates;
struct api_standings;
struct api_spec;
struct api_throttle;
struct api_worker;
struct token_keys;

struct api_worker_opts {
    const struct api_conf *conf;     /* borrowed, constant after start */
    struct metrics *metrics;         /* borrowed */
    const struct token_keys *keys;   /* borrowed */
    const struct api_spec *spec;     /* borrowed */
    struct api_rates *rates;         /* borrowed */
    struct api_throttle *throttle;   /* borrowed */
    struct api_standings *standings; /* borrowed */
    int index, count;
    int port;                      /* from the settings, or what the first worker got for port 0 */
    void (*on_stopped)(void *ctx); /* any thread */
    void *ctx;
};

/* Bind; nothing runs yet. NULL: err. Returns owned. */
struct api_worker *api_worker_new(const struct api_worker_opts *opts, struct err *err);
int api_worker_port(const struct api_worker *w);
bool api_worker_start(struct api_worker *w, struct err *err) NODISCARD;
/* Any thread: why it cannot serve at this moment. */
void api_worker_not_ready(const struct api_worker *w, struct buf *why);
/* Any thread: take no more requests, finish those that wait, then call on_stopped. */
void api_worker_stop(struct api_worker *w);
/* Any thread: on_stopped was, or is being, called. */
bool api_worker_has_stopped(const struct api_worker *w);
/* Waits for the thread, if it was started; it must be stopping. */
void api_worker_free(struct api_worker *w);
