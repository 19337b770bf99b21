/* SPDX-License-Identifier: Apache-2.0 */
/* The api. This file wires, the modules do. */
#include <sodium.h>

#include "api_conf.h"
#include "api_main.h"
#include "app.h"
#include "embedded.h"
#include "handlers.h"
#include "http.h"
#include "jwt_keys.h"
#include "log.h"
#include "mem.h"
#include "rate.h"
#include "spec.h"
#include "standing.h"
#include "stats.h"
#include "throttle.h"
#include "worker.h"

#define THREADS_MAX 64 /* as in api_conf.def */

struct daemon_parts {
    struct api_conf conf;
    struct metrics *metrics;
    struct api_spec *spec;
    struct token_keys *keys;
    struct api_rates *rates;
    struct api_throttle *throttle;
    struct api_standings *standings;
    struct app *app;
    struct mailbox *mailbox; /* a worker has stopped */
    struct api_worker *workers[THREADS_MAX];
    int n_workers;
};

static void not_ready(void *ctx, struct buf *why)
{
    const struct daemon_parts *d = ctx;
    for (int i = 0; i < d->n_workers; i++)
        api_worker_not_ready(d->workers[i], why);
}

static void on_stop(void *ctx)
{
    struct daemon_parts *d = ctx;
    for (int i = 0; i < d->n_workers; i++)
        api_worker_stop(d->workers[i]);
}

static void on_worker_stopped(void *ctx)
{
    struct daemon_parts *d = ctx;
    mailbox_ring(d->mailbox);
}

static void on_mail(void *ctx)
{
    struct daemon_parts *d = ctx;
    for (int i = 0; i < d->n_workers; i++)
        if (!api_worker_has_stopped(d->workers[i]))
            return;
    app_quit(d->app, 0);
}

static bool make_shared(struct daemon_parts *d, struct err *err)
{
    const struct embedded *text = &openapi_files[0];
    if (sodium_init() < 0)
        return err_set(err, ERR_FAULT, "libsodium does not start");
    d->keys =
        token_keys_new(str_of(d->conf.jwt_secret), d->conf.jwt_keys, d->conf.jwt_keys_issuer, err);
    if (!d->keys)
        return false;
    d->rates = api_rates_new();
    d->throttle = api_throttle_new();
    d->standings = api_standings_new();
    d->spec = api_spec_new((struct str){text->text, text->len}, api_handler_tables, err);
    return d->spec != NULL;
}

static bool make_app(struct daemon_parts *d, struct err *err)
{
    d->metrics = metrics_new(api_metric_rows, API_METRICS);
    d->app = app_new(
        &(struct app_opts){
            .name = "api",
            .admin_host = d->conf.admin_host,
            .core_dumps = d->conf.core_dumps,
            .admin_port = (int)d->conf.admin_port,
            .stop_timeout_ms = d->conf.stop_timeout,
            .metrics = d->metrics,
            .not_ready = not_ready,
            .on_stop = on_stop,
            .ctx = d,
        },
        err);
    if (!d->app)
        return false;
    d->mailbox = mailbox_new(app_loop(d->app), on_mail, d);
    return true;
}

/* All are built before one starts, so that a failure leaves nothing running. */
static bool make_workers(struct daemon_parts *d, struct err *err)
{
    int count = (int)d->conf.threads;
    int port = (int)d->conf.listen_port;
    if (count > 1 && port && !http_port_is_free(d->conf.listen_host, port, err))
        return false;
    for (int i = 0; i < count; i++) {
        const struct api_worker_opts opts = {
            .conf = &d->conf,
            .metrics = d->metrics,
            .spec = d->spec,
            .keys = d->keys,
            .rates = d->rates,
            .throttle = d->throttle,
            .standings = d->standings,
            .index = i,
            .count = count,
            .port = port,
            .on_stopped = on_worker_stopped,
            .ctx = d,
        };
        d->workers[i] = api_worker_new(&opts, err);
        if (!d->workers[i])
            return false;
        d->n_workers++;
        port = api_worker_port(d->workers[i]);
    }
    for (int i = 0; i < count; i++)
        if (!api_worker_start(d->workers[i], err))
            return false;
    log_info("api listens", kv_c("host", d->conf.listen_host), kv_int("port", port),
             kv_int("threads", count), kv_int("admin_port", app_admin_port(d->app)));
    return true;
}

static void close_all(struct daemon_parts *d)
{
    for (int i = 0; i < d->n_workers; i++) {
        api_worker_stop(d->workers[i]); // one that runs already knows
        api_worker_free(d->workers[i]);
    }
    mailbox_free(d->mailbox);
    app_free(d->app);
    metrics_free(d->metrics);
    api_spec_free(d->spec);
    api_standings_free(d->standings);
    api_rates_free(d->rates);
    token_keys_free(d->keys);
    api_throttle_free(d->throttle);
    conf_done(&api_conf_table, &d->conf);
}

static int api_main(int argc, char **argv)
{
    struct daemon_parts d = {0};
    struct err err = {0};
    int status = 1;
    log_init("api", LOG_INFO, LOG_AUTO);
    if (!conf_load(&api_conf_table, &d.conf, argc, argv, NULL, &err) ||
        !daemon_start_log("api", d.conf.log_level, d.conf.log_format, &err) ||
        !make_shared(&d, &err) || !make_app(&d, &err) || !make_workers(&d, &err))
        log_error("api cannot start", kv_c("why", err.msg));
    else
        status = app_run(d.app);
    close_all(&d);
    return status;
}

const struct daemon api_daemon = {
    .name = "api",
    .summary = "serve the api that frontends and operators call",
    .main = api_main,
    .conf = &api_conf_table,
    .metrics = api_metric_rows,
    .n_metrics = API_METRICS,
};
