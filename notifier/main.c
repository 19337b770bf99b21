/* SPDX-License-Identifier: Apache-2.0 */
/* The notifier: updates from Kafka to websockets. This file wires, the modules do. */
#include <string.h>

#include "app.h"
#include "feed.h"
#include "hub.h"
#include "log.h"
#include "notifier_main.h"
#include "stream.h"

#define DRAIN_MS       3000 /* for the clients' answers to our close frames */
#define KEY_WEAK_BYTES 32   /* RFC 7518 §3.2 */

struct notifier {
    struct notifier_conf conf;
    char client_id[320];
    struct stats stats;
    struct app *app;
    struct token_keys *keys;
    struct codec *codec;
    struct history *history;
    struct hub *hub;
    struct feed *feed;
    struct stream *stream;
    uv_timer_t drain;
};

/* --- from part to part -------------------------------------------------------------------- */

static size_t on_update(void *ctx, struct packet *p)
{
    struct notifier *n = ctx;
    return notifier_hub_deliver(n->hub, p);
}

static bool may_go_on(void *ctx)
{
    struct notifier *n = ctx;
    return notifier_hub_is_flushed(n->hub);
}

static void on_stall(void *ctx, bool stalled)
{
    struct notifier *n = ctx;
    notifier_hub_set_stalled(n->hub, stalled);
}

static void on_restart(void *ctx, int32_t partition, const char *reason)
{
    struct notifier *n = ctx;
    notifier_hub_resync(n->hub, partition, reason);
}

static void on_grow(void *ctx)
{
    struct notifier *n = ctx;
    notifier_hub_rehome(n->hub);
}

static void on_fatal(void *ctx)
{
    struct notifier *n = ctx;
    app_quit(n->app, 1);
}

static bool is_open(void *ctx)
{
    struct notifier *n = ctx;
    return notifier_feed_is_filled(n->feed);
}

static void not_ready(void *ctx, struct buf *why)
{
    struct notifier *n = ctx;
    if (n->feed)
        notifier_feed_not_ready(n->feed, why);
    else
        buf_put_c(why, "starting\n");
}

/* --- stop --------------------------------------------------------------------------------- */

static void on_empty(void *ctx)
{
    struct notifier *n = ctx;
    app_quit(n->app, 0);
}

static void on_drain(uv_timer_t *timer)
{
    on_empty(timer->data);
}

static void on_stop(void *ctx)
{
    struct notifier *n = ctx;
    int64_t drain_ms = n->conf.stop_timeout / 2 < DRAIN_MS ? n->conf.stop_timeout / 2 : DRAIN_MS;
    (void)uv_timer_start(&n->drain, on_drain, (uint64_t)drain_ms, 0);
    log_info("closing clients", kv_int("clients", (int64_t)notifier_hub_clients(n->hub)));
    notifier_stream_quiesce(n->stream);
    notifier_hub_stop(n->hub);
}

/* --- life --------------------------------------------------------------------------------- */

static bool start_app(struct notifier *n, struct err *err)
{
    n->keys =
        token_keys_new(str_of(n->conf.jwt_secret), n->conf.jwt_keys, n->conf.jwt_keys_issuer, err);
    if (!n->keys)
        return false;
    n->codec = codec_new(n->conf.schema_registry_url, n->conf.topic_prefix, err);
    if (!n->codec)
        return err_wrap(err, "schemas");
    n->app = app_new(&(struct app_opts){.name = "notifier",
                                        .admin_host = n->conf.admin_host,
                                        .core_dumps = n->conf.core_dumps,
                                        .admin_port = (int)n->conf.admin_port,
                                        .stop_timeout_ms = n->conf.stop_timeout,
                                        .metrics = n->stats.metrics,
                                        .not_ready = not_ready,
                                        .on_stop = on_stop,
                                        .ctx = n},
                     err);
    if (!n->app)
        return false;
    notifier_conf_client_id(&n->conf, n->client_id, sizeof n->client_id);
    if (strlen(n->conf.jwt_secret) < KEY_WEAK_BYTES)
        log_warn("jwt_secret is short, tokens could be forged: use 32 random bytes or more");
    return true;
}

static bool start_parts(struct notifier *n, struct err *err)
{
    uv_loop_t *loop = app_loop(n->app);
    (void)uv_timer_init(loop, &n->drain);
    n->drain.data = n;
    n->history = notifier_history_new((size_t)n->conf.ring_bytes, (size_t)n->conf.ring_records);
    n->hub = notifier_hub_new(&(struct hub_opts){.loop = loop,
                                                 .conf = &n->conf,
                                                 .keys = n->keys,
                                                 .history = n->history,
                                                 .stats = &n->stats,
                                                 .on_empty = on_empty,
                                                 .ctx = n});
    n->stream = notifier_stream_new(&(struct stream_opts){.loop = loop,
                                                          .conf = &n->conf,
                                                          .keys = n->keys,
                                                          .hub = n->hub,
                                                          .stats = &n->stats,
                                                          .is_open = is_open,
                                                          .ctx = n},
                                    err);
    if (!n->stream)
        return err_wrap(err, "stream port");
    n->feed = notifier_feed_new(&(struct feed_opts){.loop = loop,
                                                    .conf = &n->conf,
                                                    .client_id = n->client_id,
                                                    .history = n->history,
                                                    .codec = n->codec,
                                                    .stats = &n->stats,
                                                    .on_update = on_update,
                                                    .may_go_on = may_go_on,
                                                    .on_stall = on_stall,
                                                    .on_restart = on_restart,
                                                    .on_grow = on_grow,
                                                    .on_fatal = on_fatal,
                                                    .ctx = n});
    log_info("notifier listens", kv_c("host", n->conf.listen_host),
             kv_int("port", notifier_stream_port(n->stream)),
             kv_int("admin_port", app_admin_port(n->app)));
    return true;
}

/* In the order that lets each part use what it refers to until it is gone. */
static void end_parts(struct notifier *n)
{
    notifier_feed_free(n->feed);
    notifier_stream_free(n->stream);
    notifier_hub_free(n->hub);
    if (n->hub)
        uv_close((uv_handle_t *)&n->drain, NULL);
    app_free(n->app);
    notifier_history_free(n->history);
    codec_free(n->codec);
    token_keys_free(n->keys);
}

static int notifier_main(int argc, char **argv)
{
    struct notifier n = {0};
    struct err err = {0};
    int status = 1;
    log_init("notifier", LOG_INFO, LOG_AUTO);
    notifier_stats_init(&n.stats);
    if (!conf_load(&notifier_conf_table, &n.conf, argc, argv, NULL, &err) ||
        !daemon_start_log("notifier", n.conf.log_level, n.conf.log_format, &err) ||
        !start_app(&n, &err) || !start_parts(&n, &err))
        log_error("notifier cannot start", kv_c("why", err.msg));
    else
        status = app_run(n.app);
    end_parts(&n);
    notifier_stats_done(&n.stats);
    conf_done(&notifier_conf_table, &n.conf);
    return status;
}

const struct daemon notifier_daemon = {
    .name = "notifier",
    .summary = "push updates from Kafka to websockets",
    .main = notifier_main,
    .conf = &notifier_conf_table,
    .metrics = notifier_metric_rows,
    .n_metrics = NOTIFIER_METRICS,
};
