/* SPDX-License-Identifier: Apache-2.0 */
#include "app.h"
#include "http.h"
#include "ingest_conf.h"
#include "ingest_main.h"
#include "log.h"
#include "mem.h"
#include "stats.h"
#include "worker.h"

#define THREADS_MAX 64 /* as in ingest_conf.def */

struct ingest {
    struct ingest_conf conf;
    struct metrics *metrics;
    struct app *app;
    struct mailbox *mailbox; /* a worker has stopped */
    struct ingest_worker *workers[THREADS_MAX];
    int n_workers;
};

static void not_ready(void *ctx, struct buf *why)
{
    const struct ingest *in = ctx;
    for (int i = 0; i < in->n_workers; i++)
        if (!ingest_worker_is_connected(in->workers[i]))
            buf_putf(why, "thread %d: Kafka is away or does not answer\n", i);
}

static void on_stop(void *ctx)
{
    struct ingest *in = ctx;
    for (int i = 0; i < in->n_workers; i++)
        ingest_worker_stop(in->workers[i]);
}

static void on_worker_stopped(void *ctx)
{
    struct ingest *in = ctx;
    mailbox_ring(in->mailbox);
}

static void on_mail(void *ctx)
{
    struct ingest *in = ctx;
    for (int i = 0; i < in->n_workers; i++)
        if (!ingest_worker_has_stopped(in->workers[i]))
            return;
    app_quit(in->app, 0);
}

static bool make_app(struct ingest *in, struct err *err)
{
    in->metrics = metrics_new(ingest_metric_rows, INGEST_METRICS);
    in->app = app_new(
        &(struct app_opts){
            .name = "ingest",
            .admin_host = in->conf.admin_host,
            .core_dumps = in->conf.core_dumps,
            .admin_port = (int)in->conf.admin_port,
            .stop_timeout_ms = in->conf.stop_timeout,
            .metrics = in->metrics,
            .not_ready = not_ready,
            .on_stop = on_stop,
            .ctx = in,
        },
        err);
    if (!in->app)
        return false;
    in->mailbox = mailbox_new(app_loop(in->app), on_mail, in);
    return true;
}

/* All are built before one starts, so that a failure leaves nothing running. */
static bool make_workers(struct ingest *in, struct err *err)
{
    int count = (int)in->conf.threads;
    int port = (int)in->conf.listen_port;
    if (count > 1 && port && !http_port_is_free(in->conf.listen_host, port, err))
        return false;
    for (int i = 0; i < count; i++) {
        const struct ingest_worker_opts opts = {
            .conf = &in->conf,
            .metrics = in->metrics,
            .index = i,
            .count = count,
            .port = port,
            .on_stopped = on_worker_stopped,
            .ctx = in,
        };
        in->workers[i] = ingest_worker_new(&opts, err);
        if (!in->workers[i])
            return false;
        in->n_workers++;
        port = ingest_worker_port(in->workers[i]);
    }
    for (int i = 0; i < count; i++)
        if (!ingest_worker_start(in->workers[i], err))
            return false;
    log_info("ingest listens", kv_c("host", in->conf.listen_host), kv_int("port", port),
             kv_int("threads", count), kv_int("admin_port", app_admin_port(in->app)));
    return true;
}

static void close_all(struct ingest *in)
{
    for (int i = 0; i < in->n_workers; i++) {
        ingest_worker_stop(in->workers[i]); // one that runs already knows
        ingest_worker_free(in->workers[i]);
    }
    mailbox_free(in->mailbox);
    app_free(in->app);
    metrics_free(in->metrics);
    conf_done(&ingest_conf_table, &in->conf);
}

static int fail(struct ingest *in, const struct err *err)
{
    log_error("ingest cannot start", kv_c("why", err->msg));
    close_all(in);
    return 1;
}

static int ingest_main(int argc, char **argv)
{
    struct ingest in = {0};
    struct err err = {0};
    log_init("ingest", LOG_INFO, LOG_AUTO);
    if (!conf_load(&ingest_conf_table, &in.conf, argc, argv, NULL, &err) ||
        !daemon_start_log("ingest", in.conf.log_level, in.conf.log_format, &err))
        return fail(&in, &err);
    if (!make_app(&in, &err) || !make_workers(&in, &err))
        return fail(&in, &err);
    int status = app_run(in.app);
    close_all(&in);
    return status;
}

const struct daemon ingest_daemon = {
    .name = "ingest",
    .summary = "take webhooks, verify and split them, and hand them to Kafka",
    .main = ingest_main,
    .conf = &ingest_conf_table,
    .metrics = ingest_metric_rows,
    .n_metrics = INGEST_METRICS,
};
