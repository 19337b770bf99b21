/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "log.h"
#include "mem.h"
#include "router_main.h"
#include "stats.h"
#include "worker.h"

#define WORKERS_MAX   64 /* as in router_conf.def */
#define NAME_OF_TOPIC 300

struct router {
    struct router_conf conf;
    struct metrics *metrics;
    struct app *app;
    struct mailbox *mailbox; /* a worker has stopped */
    char instance[DAEMON_INSTANCE_MAX];
    char names[TOPICS][NAME_OF_TOPIC];
    struct topics topics;
    struct router_worker *workers[WORKERS_MAX];
    int n_workers;
};

static void not_ready(void *ctx, struct buf *why)
{
    const struct router *r = ctx;
    for (int i = 0; i < r->n_workers; i++)
        router_worker_not_ready(r->workers[i], why);
}

static void on_stop(void *ctx)
{
    struct router *r = ctx;
    for (int i = 0; i < r->n_workers; i++)
        router_worker_stop(r->workers[i]);
}

static void on_worker_stopped(void *ctx)
{
    struct router *r = ctx;
    mailbox_ring(r->mailbox);
}

/* A worker that cannot go on ends the process: the supervisor starts a new one. */
static void on_mail(void *ctx)
{
    struct router *r = ctx;
    bool failed = false, all = true;
    for (int i = 0; i < r->n_workers; i++) {
        failed |= router_worker_has_failed(r->workers[i]);
        all &= router_worker_has_stopped(r->workers[i]);
    }
    if (failed)
        on_stop(r);
    if (all)
        app_quit(r->app, failed ? 1 : 0);
}

static void name_topics(struct router *r)
{
    for (int t = 0; t < TOPICS; t++)
        (void)snprintf(r->names[t], sizeof r->names[t], "%s%s", r->conf.topic_prefix,
                       topic_name((enum topic)t));
    r->topics = (struct topics){.inbound = r->names[TOPIC_INBOUND],
                                .results = r->names[TOPIC_RESULTS],
                                .quarantine = r->names[TOPIC_QUARANTINE],
                                .updates = r->names[TOPIC_UPDATES]};
}

static bool make_app(struct router *r, struct err *err)
{
    r->metrics = metrics_new(router_metric_rows, ROUTER_METRICS);
    struct app_opts opts = {.name = "router",
                            .admin_host = r->conf.admin_host,
                            .core_dumps = r->conf.core_dumps,
                            .admin_port = (int)r->conf.admin_port,
                            .stop_timeout_ms = r->conf.stop_timeout,
                            .metrics = r->metrics,
                            .not_ready = not_ready,
                            .on_stop = on_stop,
                            .ctx = r};
    r->app = app_new(&opts, err);
    if (!r->app)
        return false;
    r->mailbox = mailbox_new(app_loop(r->app), on_mail, r);
    return true;
}

static bool make_workers(struct router *r, struct err *err)
{
    for (int i = 0; i < (int)r->conf.workers; i++) {
        struct router_worker_opts opts = {.conf = &r->conf,
                                          .topics = &r->topics,
                                          .instance = r->instance,
                                          .index = i,
                                          .metrics = r->metrics,
                                          .on_stopped = on_worker_stopped,
                                          .ctx = r};
        r->workers[i] = router_worker_new(&opts, err);
        if (!r->workers[i])
            return false;
        r->n_workers++;
    }
    log_info("router runs", kv_int("workers", r->conf.workers), kv_c("instance", r->instance),
             kv_int("admin_port", app_admin_port(r->app)));
    return true;
}

static void close_all(struct router *r)
{
    on_stop(r); // those that run already know
    for (int i = 0; i < r->n_workers; i++)
        router_worker_free(r->workers[i]);
    mailbox_free(r->mailbox);
    app_free(r->app);
    metrics_free(r->metrics);
    conf_done(&router_conf_table, &r->conf);
    free(r);
}

static int fail(struct router *r, const struct err *err)
{
    log_error("router cannot start", kv_c("why", err->msg));
    close_all(r);
    return 1;
}

static int router_main(int argc, char **argv)
{
    struct router *r = xalloc(sizeof *r);
    struct err err = {0};
    log_init("router", LOG_INFO, LOG_AUTO);
    if (!conf_load(&router_conf_table, &r->conf, argc, argv, NULL, &err) ||
        !daemon_start_log("router", r->conf.log_level, r->conf.log_format, &err))
        return fail(r, &err);
    daemon_instance(r->conf.instance, r->conf.admin_port, r->instance);
    name_topics(r);
    if (!make_app(r, &err) || !make_workers(r, &err))
        return fail(r, &err);
    int status = app_run(r->app);
    close_all(r);
    return status;
}

const struct daemon router_daemon = {
    .name = "router",
    .summary = "store what webhooks and sends tell, once, and publish what changed",
    .main = router_main,
    .conf = &router_conf_table,
    .metrics = router_metric_rows,
    .n_metrics = ROUTER_METRICS,
};
