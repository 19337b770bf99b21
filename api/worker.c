/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "app.h"
#include "clock.h"
#include "http.h"
#include "mem.h"

#define TICK_MS     100
#define HEADER_POOL 16384 /* tokens of another issuer are long */
/* Of the time to stop, in percent: for requests that wait; the rest is for the end of the process.
 */
#define DRAIN_PERCENT 80

struct api_worker {
    struct api_worker_opts opts;
    uv_loop_t loop;
    uv_timer_t tick;
    struct mailbox *mailbox;
    struct http_server *http;
    pthread_t thread;
    bool has_thread, has_loop, draining;
    int64_t drain_until_ms;
    atomic_bool stopping, stopped;
};

/* --- the loop --------------------------------------------------------------------------------- */

static void on_tick(uv_timer_t *tick)
{
    struct api_worker *w = tick->data;
    if (w->draining && (clock_ms() >= w->drain_until_ms || http_server_requests(w->http) == 0))
        uv_stop(&w->loop);
}

static void on_mail(void *ctx)
{
    struct api_worker *w = ctx;
    if (!atomic_load(&w->stopping) || w->draining)
        return;
    w->draining = true;
    w->drain_until_ms = clock_ms() + w->opts.conf->stop_timeout * DRAIN_PERCENT / 100;
    http_server_quiesce(w->http);
}

static void on_request(void *ctx, struct http_request *r)
{
    (void)ctx;
    http_answer_problem(r, 404, STR_NONE);
}

/* --- parts ------------------------------------------------------------------------------------ */

static bool make_loop(struct api_worker *w, struct err *err)
{
    int rc = uv_loop_init(&w->loop);
    if (rc != 0)
        return err_set(err, ERR_BUSY, "cannot make an event loop: %s", uv_strerror(rc));
    w->has_loop = true;
    w->mailbox = mailbox_new(&w->loop, on_mail, w);
    return true;
}

static bool make_server(struct api_worker *w, struct err *err)
{
    const struct api_conf *conf = w->opts.conf;
    w->http =
        http_server_new(&w->loop,
                        &(struct http_server_opts){
                            .host = conf->listen_host,
                            .port = w->opts.port,
                            .reuse_port = w->opts.count > 1,
                            .max_connections = (int)(conf->max_connections / w->opts.count + 1),
                            .idle_timeout_ms = conf->idle_timeout,
                            .body_max_bytes = conf->body_max,
                            .header_pool_bytes = HEADER_POOL,
                            .on_request = on_request,
                            .ctx = w,
                        },
                        err);
    return w->http != NULL;
}

/* --- life ------------------------------------------------------------------------------------- */

struct api_worker *api_worker_new(const struct api_worker_opts *opts, struct err *err)
{
    struct api_worker *w = xalloc(sizeof *w);
    w->opts = *opts;
    if (make_loop(w, err) && make_server(w, err))
        return w;
    api_worker_free(w);
    return NULL;
}

int api_worker_port(const struct api_worker *w)
{
    return http_server_port(w->http);
}

void api_worker_not_ready(const struct api_worker *w, struct buf *why)
{
    (void)w;
    (void)why;
}

bool api_worker_has_stopped(const struct api_worker *w)
{
    return atomic_load(&w->stopped);
}

void api_worker_stop(struct api_worker *w)
{
    atomic_store(&w->stopping, true);
    mailbox_ring(w->mailbox);
}

static void *run(void *arg)
{
    struct api_worker *w = arg;
    (void)uv_timer_init(&w->loop, &w->tick);
    w->tick.data = w;
    (void)uv_timer_start(&w->tick, on_tick, 0, TICK_MS);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&w->tick, NULL);
    atomic_store(&w->stopped, true);
    w->opts.on_stopped(w->opts.ctx);
    return NULL;
}

bool api_worker_start(struct api_worker *w, struct err *err)
{
    int rc = pthread_create(&w->thread, NULL, run, w);
    if (rc != 0)
        return err_set(err, ERR_BUSY,
                       "cannot start thread %d of the api: is the limit of processes reached?",
                       w->opts.index);
    w->has_thread = true;
    return true;
}

void api_worker_free(struct api_worker *w)
{
    if (!w)
        return;
    if (w->has_thread)
        (void)pthread_join(w->thread, NULL);
    http_server_free(w->http);
    mailbox_free(w->mailbox);
    if (w->has_loop) {
        (void)uv_run(&w->loop, UV_RUN_DEFAULT);
        int rc = uv_loop_close(&w->loop);
        assert(rc == 0);
    }
    free(w);
}
