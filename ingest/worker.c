/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "daemon.h"
#include "id.h"
#include "log.h"
#include "mem.h"
#include "serve_thread.h"
#include "webhook.h"

#define HEADER_POOL   8192
#define ANSWER_MS     5000 /* a request that waits for Kafka must not end as idle before its 503 */
#define CLIENT_ID_MAX 300

struct ingest_worker {
    struct ingest_worker_opts opts;
    struct serve_thread *thread;
    struct http_server *http;
    struct producer *producer;
    struct codec *codec;
    struct ingest_webhooks *webhooks;
    struct ingest_secrets *secrets;
    struct ingest_sources *sources;
    struct ingest_stats *stats;
    atomic_bool connected;
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

static bool is_drained(void *ctx, bool is_late)
{
    struct ingest_worker *w = ctx;
    if (is_late)
        ingest_publisher_give_up(ingest_webhooks_publisher(w->webhooks));
    return http_server_requests(w->http) == 0;
}

static void on_tick(void *ctx)
{
    struct ingest_worker *w = ctx;
    ingest_publisher_expire(ingest_webhooks_publisher(w->webhooks), clock_ms());
    note_connection(w);
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
        http_server_new(serve_thread_loop(w->thread),
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

static bool make_thread(struct ingest_worker *w, struct err *err)
{
    w->thread =
        serve_thread_new(&(struct serve_thread_opts){.name = "ingest",
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

/* --- life ------------------------------------------------------------------------------------- */

struct ingest_worker *ingest_worker_new(const struct ingest_worker_opts *opts, struct err *err)
{
    struct ingest_worker *w = xalloc(sizeof *w);
    w->opts = *opts;
    if (make_thread(w, err) && make_webhooks(w, err) && make_server(w, err) &&
        make_producer(w, err))
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
    return serve_thread_has_stopped(w->thread);
}

void ingest_worker_stop(struct ingest_worker *w)
{
    serve_thread_stop(w->thread);
}

bool ingest_worker_start(struct ingest_worker *w, struct err *err)
{
    return serve_thread_start(w->thread, w->http, w->producer, err);
}

void ingest_worker_free(struct ingest_worker *w)
{
    if (!w)
        return;
    if (w->thread)
        serve_thread_join(w->thread);
    http_server_free(w->http);
    producer_free(w->producer); // reports what is left, so the webhooks must still be there
    serve_thread_free(w->thread);
    ingest_webhooks_free(w->webhooks);
    codec_free(w->codec);
    ingest_sources_free(w->sources);
    ingest_secrets_free(w->secrets);
    ingest_stats_free(w->stats);
    free(w);
}
