/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One of the threads of a daemon that serves requests: its event loop, which serves an HTTP server
 * and a Kafka producer, and its life from start to drained. What else runs on the loop is the
 * daemon's. */
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "err.h"

struct http_server;
struct producer;
struct serve_thread;

struct serve_thread_opts {
    const char *name; /* the daemon's, for errors */
    int index;
    int64_t stop_timeout_ms;    /* the process's: most of it is for requests that wait */
    void (*on_tick)(void *ctx); /* SERVE_TICK_MS: its thread */
    /* While it stops, each tick: has all ended that is waited for? Late: the time is up, and it
     * stops whatever is said. NULL: no request of the server waits. Its thread. */
    bool (*is_drained)(void *ctx, bool is_late);
    void *ctx;
    void (*on_stopped)(void *ctx); /* any thread */
    void *stopped_ctx;
};

#define SERVE_TICK_MS 100

/* A loop and no thread yet. NULL: err. Returns owned. */
struct serve_thread *serve_thread_new(const struct serve_thread_opts *opts, struct err *err);
uv_loop_t *serve_thread_loop(struct serve_thread *t);
/* The thread, which serves both from now on; borrowed until serve_thread_join(). producer NULL:
 * none.
 */
bool serve_thread_start(struct serve_thread *t, struct http_server *http, struct producer *producer,
                        struct err *err) NODISCARD;
/* Any thread: take no more requests, finish those that wait, then call on_stopped. */
void serve_thread_stop(struct serve_thread *t);
/* Any thread: on_stopped was, or is being, called. */
bool serve_thread_has_stopped(const struct serve_thread *t);
/* Waits for the thread, if it was started; it must be stopping. What is on its loop is then the
 * caller's to close. */
void serve_thread_join(struct serve_thread *t);
/* Runs the closes that are left. */
void serve_thread_free(struct serve_thread *t);
