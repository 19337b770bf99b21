/* SPDX-License-Identifier: Apache-2.0 */
#include "serve_thread.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "app.h"
#include "clock.h"
#include "http.h"
#include "kafka.h"
#include "mem.h"

/* Of the time to stop, in percent: for requests that wait; the rest is for the end of the process.
 */
#define DRAIN_PERCENT 80

struct serve_thread {
    struct serve_thread_opts opts;
    uv_loop_t loop;
    uv_timer_t tick;
    uv_poll_t reports;
    struct mailbox *mailbox;
    struct http_server *http;
    struct producer *producer;
    pthread_t thread;
    bool has_thread, draining;
    int64_t drain_until_ms;
    atomic_bool stopping, stopped;
};

/* --- the loop --------------------------------------------------------------------------------- */

static void drain(struct serve_thread *t)
{
    bool is_late = clock_ms() >= t->drain_until_ms;
    bool is_drained = t->opts.is_drained ? t->opts.is_drained(t->opts.ctx, is_late)
                                         : http_server_requests(t->http) == 0;
    if (is_late || is_drained)
        uv_stop(&t->loop);
}

static void on_tick(uv_timer_t *tick)
{
    struct serve_thread *t = tick->data;
    if (t->producer)
        (void)producer_poll(t->producer, 0);
    t->opts.on_tick(t->opts.ctx);
    if (t->draining)
        drain(t);
}

static void on_reports(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct serve_thread *t = poll->data;
    (void)producer_poll(t->producer, 0);
}

static void on_mail(void *ctx)
{
    struct serve_thread *t = ctx;
    if (!atomic_load(&t->stopping) || t->draining)
        return;
    t->draining = true;
    t->drain_until_ms = clock_ms() + t->opts.stop_timeout_ms * DRAIN_PERCENT / 100;
    http_server_quiesce(t->http);
}

static void start_handles(struct serve_thread *t)
{
    (void)uv_timer_init(&t->loop, &t->tick);
    t->tick.data = t;
    (void)uv_timer_start(&t->tick, on_tick, 0, SERVE_TICK_MS);
    if (!t->producer)
        return;
    int rc = uv_poll_init(&t->loop, &t->reports, producer_fd(t->producer));
    assert(rc == 0); // fails only for descriptors that cannot be polled
    t->reports.data = t;
    (void)uv_poll_start(&t->reports, UV_READABLE, on_reports);
}

static void end_producer(struct serve_thread *t)
{
    int64_t left_ms = t->drain_until_ms - clock_ms();
    (void)producer_flush(t->producer, left_ms > 0 ? left_ms : 0);
    uv_close((uv_handle_t *)&t->reports, NULL);
}

static void *run(void *arg)
{
    struct serve_thread *t = arg;
    start_handles(t);
    (void)uv_run(&t->loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&t->tick, NULL);
    if (t->producer)
        end_producer(t);
    atomic_store(&t->stopped, true);
    t->opts.on_stopped(t->opts.stopped_ctx);
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------- */

struct serve_thread *serve_thread_new(const struct serve_thread_opts *opts, struct err *err)
{
    struct serve_thread *t = xalloc(sizeof *t);
    t->opts = *opts;
    int rc = uv_loop_init(&t->loop);
    if (rc != 0) {
        free(t);
        (void)err_set(err, ERR_BUSY, "cannot make an event loop: %s", uv_strerror(rc));
        return NULL;
    }
    t->mailbox = mailbox_new(&t->loop, on_mail, t);
    return t;
}

uv_loop_t *serve_thread_loop(struct serve_thread *t)
{
    return &t->loop;
}

bool serve_thread_start(struct serve_thread *t, struct http_server *http, struct producer *producer,
                        struct err *err)
{
    t->http = http;
    t->producer = producer;
    if (pthread_create(&t->thread, NULL, run, t) != 0)
        return err_set(err, ERR_BUSY,
                       "cannot start thread %d of %s: is the limit of processes reached?",
                       t->opts.index, t->opts.name);
    t->has_thread = true;
    return true;
}

void serve_thread_stop(struct serve_thread *t)
{
    atomic_store(&t->stopping, true);
    mailbox_ring(t->mailbox);
}

bool serve_thread_has_stopped(const struct serve_thread *t)
{
    return atomic_load(&t->stopped);
}

void serve_thread_join(struct serve_thread *t)
{
    if (!t->has_thread)
        return;
    (void)pthread_join(t->thread, NULL);
    t->has_thread = false;
}

void serve_thread_free(struct serve_thread *t)
{
    if (!t)
        return;
    serve_thread_join(t);
    mailbox_free(t->mailbox);
    (void)uv_run(&t->loop, UV_RUN_DEFAULT);
    int rc = uv_loop_close(&t->loop);
    assert(rc == 0);
    free(t);
}
