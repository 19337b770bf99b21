/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "clock.h"
#include "daemon.h"
#include "id.h"
#include "log.h"
#include "mem.h"
#include "webhook.h"

#define TICK_MS       100
#define HEADER_POOL   8192
#define ANSWER_MS     5000 /* a request that waits for Kafka must not end as idle before its 503 */
#define CLIENT_ID_MAX 300
/* Of the time to stop, in percent: for requests that wait; the rest is for the end of the process.
 */
#define DRAIN_PERCENT 80

struct ingest_worker {
    struct ingest_worker_opts opts;
    uv_loop_t loop;
    uv_timer_t tick;
    uv_poll_t reports;
    struct mailbox *mailbox;
    struct http_server *http;
    struct producer *producer;
    struct codec *codec;
    struct ingest_webhooks *webhooks;
    struct ingest_secrets *secrets;
    struct ingest_sources *sources;
    struct ingest_stats *stats;
    pthread_t thread;
    bool has_thread, has_loop, draining;
    int64_t drain_until_ms;
    atomic_bool stopping, stopped, connected;
};

/* --- the loop --------------------------------------------------------------------------------- */

static void note_connection(struct ingest_worker *w)
{
    bool now = producer_is_connected(w->producer) &&
               !ingest_publisher_is_stalled(ingest_webhooks_publisher(w->webhooks), clock_ms());
    if (now == atomic_load(&w->connected))
        return;
    atomic_store(&w->connected, now);
    ingest_count_connected(w->stats, now ? 1 : -1);
    if (now)
        log_info("Kafka is there", kv_int("thread", w->opts.index));
    else
        log_warn("Kafka is away or does not answer: webhooks wait, then get 503",
                 kv_int("thread", w->opts.index));
}

static void drain(struct ingest_worker *w)
{
    bool is_late = clock_ms() >= w->drain_until_ms;
    if (is_late)
        ingest_publisher_give_up(ingest_webhooks_publisher(w->webhooks));
    if (is_late || http_server_requests(w->http) == 0)
        uv_stop(&w->loop);
}

static void on_tick(uv_timer_t *tick)
{
    struct ingest_worker *w = tick->data;
    (void)producer_poll(w->producer, 0);
    ingest_publisher_expire(ingest_webhooks_publisher(w->webhooks), clock_ms());
    note_connection(w);
    if (w->draining)
        drain(w);
}

static void on_reports(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct ingest_worker *w = poll->data;
    (void)producer_poll(w->producer, 0);
}

static void on_mail(void *ctx)
{
    struct ingest_worker *w = ctx;
    if (!atomic_load(&w->stopping) || w->draining)
        return;
    w->draining = true;
    w->drain_until_ms = clock_ms() + w->opts.conf->stop_timeout * DRAIN_PERCENT / 100;
    http_server_quiesce(w->http);
}

/* --- parts ------------------------------------------------------------------------------------ */

static void client_id(const struct ingest_worker *w, char out[CLIENT_ID_MAX])
{
    const struct ingest_conf *conf = w->opts.conf;
    char instance[DAEMON_INSTANCE_MAX];
    daemon_instance(conf->instance, conf->admin_port, instance);
    (void)snprintf(out, CLIENT_ID_MAX, "postrider-ingest-%s-%d", instance, w->opts.index);
}

static bool make_webhooks(struct ingest_worker *w, struct err *err)
{
    const struct ingest_conf *conf = w->opts.conf;
    w->stats = ingest_stats_new(w->opts.metrics);
    w->secrets = ingest_secrets_new(conf, err);
    w->codec = w->secrets ? codec_new(conf->schema_registry_url, conf->topic_prefix, err) : NULL;
    if (!w->codec)
        return false;
    if (conf->source_rate > 0)
        w->sources = ingest_sources_new(conf->source_rate);
    w->webhooks = ingest_webhooks_new(&(struct ingest_webhooks_opts){
        .secrets = w->secrets,
        .sources = w->sources,
        .stats = w->stats,
        .codec = w->codec,
        .topic_prefix = conf->topic_prefix,
        .ack_timeout_ms = conf->ack_timeout,
        .body_max_bytes = conf->body_max,
        .max_in_flight = (size_t)(conf->max_in_flight / w->opts.count + 1),
    });
    return true;
}

static bool make_producer(struct ingest_worker *w, struct err *err)
{
    const struct ingest_conf *conf = w->opts.conf;
    char id[CLIENT_ID_MAX];
    client_id(w, id);
    struct ingest_publisher *publisher = ingest_webhooks_publisher(w->webhooks);
    w->producer = producer_new(
        &(struct producer_opts){
            .kafka = {conf->kafka_brokers, conf->kafka_properties, id},
            .linger_ms = conf->linger,
            .delivery_timeout_ms = conf->ack_timeout,
            .compression = "lz4",
            .queue_max_bytes = conf->producer_queue / w->opts.count,
            .on_delivery = ingest_publisher_report,
            .ctx = publisher,
        },
        err);
    if (!w->producer)
        return false;
    ingest_publisher_bind(publisher, w->producer);
    return true;
}

static bool make_server(struct ingest_worker *w, struct err *err)
{
    const struct ingest_conf *conf = w->opts.conf;
    int64_t idle_ms = conf->ack_timeout + ANSWER_MS;
    if (idle_ms < conf->idle_timeout)
        idle_ms = conf->idle_timeout;
    w->http =
        http_server_new(&w->loop,
                        &(struct http_server_opts){
                            .host = conf->listen_host,
                            .port = w->opts.port,
                            .reuse_port = w->opts.count > 1,
                            .max_connections = (int)(conf->max_connections / w->opts.count + 1),
                            .idle_timeout_ms = idle_ms,
                            .body_max_bytes = conf->body_max,
                            .header_pool_bytes = HEADER_POOL,
                            .on_request = ingest_webhooks_on_request,
                            .on_done = ingest_webhooks_on_done,
                            .on_refused = ingest_webhooks_on_refused,
                            .ctx = w->webhooks,
                        },
                        err);
    return w->http != NULL;
}

static bool make_loop(struct ingest_worker *w, struct err *err)
{
    int rc = uv_loop_init(&w->loop);
    if (rc != 0)
        return err_set(err, ERR_BUSY, "cannot make an event loop: %s", uv_strerror(rc));
    w->has_loop = true;
    w->mailbox = mailbox_new(&w->loop, on_mail, w);
    return true;
}

static void start_handles(struct ingest_worker *w)
{
    (void)uv_timer_init(&w->loop, &w->tick);
    w->tick.data = w;
    (void)uv_timer_start(&w->tick, on_tick, 0, TICK_MS);
    int rc = uv_poll_init(&w->loop, &w->reports, producer_fd(w->producer));
    assert(rc == 0); // fails only for descriptors that cannot be polled
    w->reports.data = w;
    (void)uv_poll_start(&w->reports, UV_READABLE, on_reports);
}

/* --- life ------------------------------------------------------------------------------------- */

struct ingest_worker *ingest_worker_new(const struct ingest_worker_opts *opts, struct err *err)
{
    struct ingest_worker *w = xalloc(sizeof *w);
    w->opts = *opts;
    if (make_loop(w, err) && make_webhooks(w, err) && make_server(w, err) && make_producer(w, err))
        return w;
    ingest_worker_free(w);
    return NULL;
}

int ingest_worker_port(const struct ingest_worker *w)
{
    return http_server_port(w->http);
}

bool ingest_worker_is_connected(const struct ingest_worker *w)
{
    return atomic_load(&w->connected);
}

bool ingest_worker_has_stopped(const struct ingest_worker *w)
{
    return atomic_load(&w->stopped);
}

void ingest_worker_stop(struct ingest_worker *w)
{
    atomic_store(&w->stopping, true);
    mailbox_ring(w->mailbox);
}

static void *run(void *arg)
{
    struct ingest_worker *w = arg;
    start_handles(w);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    int64_t left_ms = w->drain_until_ms - clock_ms();
    (void)producer_flush(w->producer, left_ms > 0 ? left_ms : 0);
    uv_close((uv_handle_t *)&w->tick, NULL);
    uv_close((uv_handle_t *)&w->reports, NULL);
    atomic_store(&w->stopped, true);
    w->opts.on_stopped(w->opts.ctx);
    return NULL;
}

bool ingest_worker_start(struct ingest_worker *w, struct err *err)
{
    int rc = pthread_create(&w->thread, NULL, run, w);
    if (rc != 0)
        return err_set(err, ERR_BUSY,
                       "cannot start thread %d of ingest: is the limit of processes "
                       "reached?",
                       w->opts.index);
    w->has_thread = true;
    return true;
}

void ingest_worker_free(struct ingest_worker *w)
{
    if (!w)
        return;
    if (w->has_thread)
        (void)pthread_join(w->thread, NULL);
    http_server_free(w->http);
    producer_free(w->producer); // reports what is left, so the webhooks must still be there
    mailbox_free(w->mailbox);
    if (w->has_loop) {
        (void)uv_run(&w->loop, UV_RUN_DEFAULT);
        int rc = uv_loop_close(&w->loop);
        assert(rc == 0);
    }
    ingest_webhooks_free(w->webhooks);
    codec_free(w->codec);
    ingest_sources_free(w->sources);
    ingest_secrets_free(w->secrets);
    ingest_stats_free(w->stats);
    free(w);
}
