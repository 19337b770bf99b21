/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "api.h"
#include "calls.h"
#include "clock.h"
#include "daemon.h"
#include "frame.h"
#include "http.h"
#include "inbox.h"
#include "kafka.h"
#include "lag.h"
#include "log.h"
#include "mem.h"
#include "outside.h"
#include "password.h"
#include "pg_pool.h"
#include "serve_thread.h"
#include "stats.h"
#include "sweep.h"

#define HEADER_POOL          16384 /* tokens of another issuer are long */
#define DELIVERY_MS          30000 /* a record is only a wake-up: later the scheduler has found its row */
#define CLIENT_ID_MAX        300
#define OPERATOR_CONNECTIONS 2

struct api_worker {
    struct api_worker_opts opts;
    struct serve_thread *thread;
    struct http_server *http;
    struct api api; /* what handlers see */
    struct calls *calls;
    struct api_sweep sweep;
    struct metric_cell *undelivered, *database;
    atomic_bool connected;
};

/* --- the loop --------------------------------------------------------------------------------- */

static void note_database(struct api_worker *w)
{
    bool now = pg_pool_is_connected(w->api.pool);
    if (now == atomic_load(&w->connected))
        return;
    atomic_store(&w->connected, now);
    metric_add(w->database, now ? 1 : -1);
    if (now)
        log_info("the database is there", kv_int("thread", w->opts.index));
    else
        log_warn("the database is away: calls that need it get 503",
                 kv_int("thread", w->opts.index));
}

/* What waits for an answer is waited for, clients that only hold a connection are not. */
static bool is_drained(void *ctx, bool is_late)
{
    struct api_worker *w = ctx;
    (void)is_late;
    return api_calls_under_way(w->calls) == 0 && http_server_requests(w->http) == 0;
}

static void on_tick(void *ctx)
{
    struct api_worker *w = ctx;
    note_database(w);
    api_calls_reap(w->calls);
    if (w->opts.index == 0)
        api_sweep_tick(&w->sweep, clock_ms());
}

static void on_delivery(void *ctx, void *opaque, const struct err *err)
{
    struct api_worker *w = ctx;
    (void)opaque;
    if (!err)
        return;
    metric_add(w->undelivered, 1);
    log_debug("Kafka did not take a record", kv_c("why", err->msg));
}

/* --- parts ------------------------------------------------------------------------------------ */

static bool make_thread(struct api_worker *w, struct err *err)
{
    w->thread =
        serve_thread_new(&(struct serve_thread_opts){.name = "the api",
                                                     .index = w->opts.index,
                                                     .stop_timeout_ms = w->opts.conf->stop_timeout,
                                                     .on_tick = on_tick,
                                                     .is_drained = is_drained,
                                                     .ctx = w,
                                                     .on_stopped = w->opts.on_stopped,
                                                     .stopped_ctx = w->opts.ctx},
                         err);
    return w->thread != NULL;
}

static struct pg_pool *make_pool(struct api_worker *w, const char *url, int connections,
                                 struct err *err)
{
    const struct api_conf *conf = w->opts.conf;
    return pg_pool_new(&(struct pg_pool_opts){.loop = serve_thread_loop(w->thread),
                                              .url = url,
                                              .application_name = "postrider-api",
                                              .connections = connections,
                                              .queue_max = (int)conf->database_queue,
                                              .timeout_ms = conf->database_timeout,
                                              .is_prepared = conf->database_prepare},
                       err);
}

static bool make_producer(struct api_worker *w, struct err *err)
{
    const struct api_conf *conf = w->opts.conf;
    char instance[DAEMON_INSTANCE_MAX], id[CLIENT_ID_MAX];
    daemon_instance(conf->instance, conf->admin_port, instance);
    (void)snprintf(id, sizeof id, "postrider-api-%s-%d", instance, w->opts.index);
    w->api.producer = producer_new(
        &(struct producer_opts){
            .kafka = {conf->kafka_brokers, conf->kafka_properties, id},
            .linger_ms = conf->linger,
            .delivery_timeout_ms = DELIVERY_MS,
            .compression = "lz4",
            .queue_max_bytes = conf->producer_queue / w->opts.count,
            .on_delivery = on_delivery,
            .ctx = w,
        },
        err);
    return w->api.producer != NULL;
}

/* What handlers use; in the order that ends the other way round. */
static bool make_api(struct api_worker *w, struct err *err)
{
    const struct api_conf *conf = w->opts.conf;
    w->api.conf = conf;
    w->api.spec = w->opts.spec;
    w->api.keys = w->opts.keys;
    w->api.metrics = w->opts.metrics;
    w->api.rates = w->opts.rates;
    w->api.throttle = w->opts.throttle;
    w->api.standings = w->opts.standings;
    w->api.loop = serve_thread_loop(w->thread);
    w->api.index = w->opts.index;
    w->sweep.api = &w->api;
    w->undelivered = metric_cell(w->opts.metrics, API_METRIC_UNDELIVERED);
    w->database = metric_cell(w->opts.metrics, API_METRIC_DATABASE);
    w->api.passwords = api_passwords_new(
        &(struct api_passwords_opts){.loop = serve_thread_loop(w->thread),
                                     .running_max = (int)w->opts.conf->password_parallel,
                                     .waiting_max = (int)w->opts.conf->password_queue,
                                     .memory_bytes = w->opts.conf->password_memory});
    w->calls = api_calls_new(&w->api, (int)(w->opts.conf->max_calls / w->opts.count + 1));
    w->api.pool = make_pool(w, conf->database_url, (int)conf->database_connections, err);
    if (!w->api.pool)
        return false;
    if (conf->operator_database_url[0] &&
        !(w->api.operators = make_pool(w, conf->operator_database_url, OPERATOR_CONNECTIONS, err)))
        return err_wrap(err, "operator_database_url");
    w->api.lag = api_lag_new(serve_thread_loop(w->thread), conf);
    w->api.outside = api_outside_new(serve_thread_loop(w->thread), conf, err);
    if (!w->api.outside)
        return false;
    w->api.inbox = api_inbox_new(serve_thread_loop(w->thread), conf, err);
    return w->api.inbox && make_producer(w, err);
}

static bool make_server(struct api_worker *w, struct err *err)
{
    const struct api_conf *conf = w->opts.conf;
    w->http =
        http_server_new(serve_thread_loop(w->thread),
                        &(struct http_server_opts){
                            .host = conf->listen_host,
                            .port = w->opts.port,
                            .reuse_port = w->opts.count > 1,
                            .max_connections = (int)(conf->max_connections / w->opts.count + 1),
                            .idle_timeout_ms = conf->idle_timeout,
                            .body_max_bytes = conf->body_max,
                            .header_pool_bytes = HEADER_POOL,
                            .on_head = api_calls_on_head,
                            .on_body = api_calls_on_body,
                            .wipes = true,
                            .on_request = api_calls_on_request,
                            .on_done = api_calls_on_done,
                            .ctx = w->calls,
                        },
                        err);
    return w->http != NULL;
}

/* --- life ------------------------------------------------------------------------------------- */

struct api_worker *api_worker_new(const struct api_worker_opts *opts, struct err *err)
{
    struct api_worker *w = xalloc(sizeof *w);
    w->opts = *opts;
    if (make_thread(w, err) && make_api(w, err) && make_server(w, err))
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
    if (!atomic_load(&w->connected))
        buf_putf(why, "thread %d: the database is away\n", w->opts.index);
    if (!producer_is_connected(w->api.producer))
        buf_putf(why, "thread %d: Kafka is away\n", w->opts.index);
}

bool api_worker_has_stopped(const struct api_worker *w)
{
    return serve_thread_has_stopped(w->thread);
}

void api_worker_stop(struct api_worker *w)
{
    serve_thread_stop(w->thread);
}

bool api_worker_start(struct api_worker *w, struct err *err)
{
    return serve_thread_start(w->thread, w->http, w->api.producer, err);
}

void api_worker_free(struct api_worker *w)
{
    if (!w)
        return;
    if (w->thread)
        serve_thread_join(w->thread);
    // Whoever may still begin a transaction ends before the pool does.
    api_passwords_free(w->api.passwords);
    api_lag_free(w->api.lag);
    api_outside_free(w->api.outside);
    if (w->calls)
        api_calls_drop_bodies(w->calls);
    pg_pool_free(w->api.pool); // calls that wait for it end
    pg_pool_free(w->api.operators);
    http_server_free(w->http);
    api_inbox_free(w->api.inbox); // what streamed has ended
    producer_free(w->api.producer);
    serve_thread_free(w->thread);
    api_calls_free(w->calls);
    free(w);
}
