/* SPDX-License-Identifier: Apache-2.0 */
/* The sender: commands from Kafka, claims in PostgreSQL, calls to the providers, results to Kafka.
 * This file wires, the modules do. */
#include <string.h>

#include "app.h"
#include "asking.h"
#include "engine.h"
#include "fetch.h"
#include "files.h"
#include "guard.h"
#include "intake.h"
#include "log.h"
#include "look.h"
#include "marks.h"
#include "mem.h"
#include "pg_pool.h"
#include "scheduler.h"
#include "sender_main.h"
#include "stats.h"

#define POOL_QUEUE_MAX 1024

struct sender {
    struct sender_conf conf;
    struct metrics *metrics;
    char instance[DAEMON_INSTANCE_MAX];
    struct app *app;
    struct vault *vault;
    struct guard *guard;
    struct fetch *fetch;
    struct storage *storage; /* NULL: there are no uploads */
    struct exchange_files files;
    struct pg_pool *pool;
    struct sender_results *results;
    struct sender_engine *engine;
    struct sender_look *look;
    struct sender_marks *marks;
    struct sender_asking *asking;
    struct sender_intake *intake;
    struct sender_scheduler *scheduler;
    struct mailbox *mailbox; /* the scheduler has ended */
    bool is_empty;           /* the engine has */
    int status;
};

/* --- from part to part ---------------------------------------------------------------------- */

static void not_ready(void *ctx, struct buf *why)
{
    struct sender *s = ctx;
    if (!s->scheduler) {
        buf_put_c(why, "starting\n");
        return;
    }
    if (!pg_pool_is_connected(s->pool))
        buf_put_c(why, "PostgreSQL: not connected\n");
    sender_intake_not_ready(s->intake, why);
    sender_results_not_ready(s->results, why);
    sender_scheduler_not_ready(s->scheduler, why);
}

static void on_commands(void *ctx, const struct sender_command *commands, size_t n)
{
    struct sender *s = ctx;
    sender_engine_commands(s->engine, commands, n);
}

static void on_stop(void *ctx)
{
    struct sender *s = ctx;
    sender_intake_stop(s->intake);
    if (s->scheduler)
        sender_scheduler_stop(s->scheduler);
    if (s->look)
        sender_look_stop(s->look);
    if (s->marks)
        sender_marks_stop(s->marks);
    if (s->engine)
        sender_engine_stop(s->engine);
    if (s->asking)
        sender_asking_stop(s->asking);
}

static void on_intake_failed(void *ctx)
{
    struct sender *s = ctx;
    s->status = 1;
    on_stop(s);
}

static void end_if_all_have(struct sender *s)
{
    if (s->is_empty && (!s->asking || sender_asking_is_idle(s->asking)) &&
        (!s->scheduler || sender_scheduler_has_stopped(s->scheduler)))
        app_quit(s->app, s->status);
}

static void on_empty(void *ctx)
{
    struct sender *s = ctx;
    s->is_empty = true;
    end_if_all_have(s);
}

static void on_asking_idle(void *ctx)
{
    end_if_all_have(ctx);
}

static void on_scheduler_stopped(void *ctx) // in its thread
{
    struct sender *s = ctx;
    mailbox_ring(s->mailbox);
}

static void on_mail(void *ctx)
{
    struct sender *s = ctx;
    if (s->scheduler && sender_scheduler_has_failed(s->scheduler)) {
        s->status = 1;
        on_stop(s);
    }
    end_if_all_have(s);
}

/* What is published: a bulk is not handed out faster. In the scheduler's thread. */
static double rate_of(void *ctx, struct str provider, struct str account_type,
                      struct str channel_id)
{
    const struct sender *s = ctx;
    const struct provider *p = provider_find(provider);
    const struct send_limits *l = p && p->limits ? p->limits(account_type) : NULL;
    (void)channel_id;
    return l && l->account.step_us ? 1e6 / (double)l->account.step_us : (double)s->conf.bulk_rate;
}

/* --- life ----------------------------------------------------------------------------------- */

static bool start_app(struct sender *s, struct err *err)
{
    s->metrics = metrics_new(sender_metric_rows, SENDER_METRICS);
    daemon_instance(s->conf.instance, s->conf.admin_port, s->instance);
    s->app = app_new(&(struct app_opts){.name = "sender",
                                        .admin_host = s->conf.admin_host,
                                        .core_dumps = s->conf.core_dumps,
                                        .admin_port = (int)s->conf.admin_port,
                                        .stop_timeout_ms = s->conf.stop_timeout,
                                        .metrics = s->metrics,
                                        .not_ready = not_ready,
                                        .on_stop = on_stop,
                                        .ctx = s},
                     err);
    return s->app != NULL;
}

static bool start_clients(struct sender *s, struct err *err)
{
    const struct sender_conf *conf = &s->conf;
    uv_loop_t *loop = app_loop(s->app);
    s->vault = vault_open(conf->key_ring, err);
    if (!s->vault)
        return err_wrap(err, "key_ring");
    s->guard = guard_new(conf->allowed_hosts, err);
    if (!s->guard)
        return err_wrap(err, "allowed_hosts");
    // Calls never wait for a connection: how many there may be is decided by the claims. Besides
    // there are a look at an account, and read marks.
    s->fetch =
        fetch_new(&(struct fetch_opts){.loop = loop,
                                       .ca_file = conf->ca_file,
                                       .max_per_host = (int)conf->in_flight,
                                       .max_transfers = (int)conf->in_flight + 1 + SENDER_MARKS_MAX,
                                       .connect_timeout_ms = conf->connect_timeout,
                                       .guard = s->guard},
                  err);
    if (!s->fetch)
        return false;
    s->pool = pg_pool_new(&(struct pg_pool_opts){.loop = loop,
                                                 .url = conf->database_url,
                                                 .application_name = "postrider sender",
                                                 .connections = (int)conf->database_connections,
                                                 .queue_max = POOL_QUEUE_MAX,
                                                 .timeout_ms = conf->database_timeout,
                                                 .is_prepared = conf->database_prepared},
                          err);
    return s->pool != NULL;
}

static bool start_storage(struct sender *s, struct err *err)
{
    const struct sender_conf *conf = &s->conf;
    if (!*conf->media_folder)
        return true;
    s->storage = storage_new(&(struct storage_opts){.loop = app_loop(s->app),
                                                    .folder = conf->media_folder,
                                                    .s3_url = conf->media_s3_url,
                                                    .s3_region = conf->media_s3_region,
                                                    .s3_key_id = conf->media_s3_key_id,
                                                    .s3_secret = conf->media_s3_secret,
                                                    .fetch = s->fetch,
                                                    .timeout_ms = conf->call_timeout},
                             err);
    if (!s->storage)
        return err_wrap(err, "media_folder");
    s->files = sender_files(s->storage);
    return true;
}

/* Who calls the providers. */
static void start_calls(struct sender *s)
{
    uv_loop_t *loop = app_loop(s->app);
    s->engine =
        sender_engine_new(&(struct sender_engine_opts){.loop = loop,
                                                       .conf = &s->conf,
                                                       .pool = s->pool,
                                                       .vault = s->vault,
                                                       .fetch = s->fetch,
                                                       .files = s->storage ? &s->files : NULL,
                                                       .results = s->results,
                                                       .metrics = s->metrics,
                                                       .on_empty = on_empty,
                                                       .ctx = s});
    const struct sender_beside beside = {.loop = loop,
                                         .conf = &s->conf,
                                         .pool = s->pool,
                                         .vault = s->vault,
                                         .fetch = s->fetch,
                                         .metrics = s->metrics};
    s->look = sender_look_new(&beside);
    s->marks = sender_marks_new(&beside);
    s->asking = sender_asking_new(&(struct sender_asking_opts){.loop = loop,
                                                               .conf = &s->conf,
                                                               .pool = s->pool,
                                                               .vault = s->vault,
                                                               .fetch = s->fetch,
                                                               .results = s->results,
                                                               .metrics = s->metrics,
                                                               .on_idle = on_asking_idle,
                                                               .ctx = s});
}

static bool start_parts(struct sender *s, struct err *err)
{
    uv_loop_t *loop = app_loop(s->app);
    s->results = sender_results_new(
        &(struct sender_results_opts){
            .conf = &s->conf, .instance = s->instance, .loop = loop, .metrics = s->metrics},
        err);
    if (!s->results)
        return err_wrap(err, "results");
    start_calls(s);
    s->intake = sender_intake_new(&(struct sender_intake_opts){.conf = &s->conf,
                                                               .instance = s->instance,
                                                               .loop = loop,
                                                               .metrics = s->metrics,
                                                               .on_commands = on_commands,
                                                               .on_failed = on_intake_failed,
                                                               .ctx = s},
                                  err);
    if (!s->intake)
        return err_wrap(err, "outbound");
    s->mailbox = mailbox_new(loop, on_mail, s);
    s->scheduler =
        sender_scheduler_new(&(struct sender_scheduler_opts){.conf = &s->conf,
                                                             .instance = s->instance,
                                                             .metrics = s->metrics,
                                                             .rate = rate_of,
                                                             .on_stopped = on_scheduler_stopped,
                                                             .ctx = s},
                             err);
    if (!s->scheduler)
        return err_wrap(err, "scheduler");
    log_info("sender runs", kv_c("instance", s->instance),
             kv_int("admin_port", app_admin_port(s->app)));
    return true;
}

/* What calls back goes before what is called. */
static void end_parts(struct sender *s)
{
    sender_intake_free(s->intake);
    if (s->scheduler)
        sender_scheduler_free(s->scheduler);
    if (s->mailbox)
        mailbox_free(s->mailbox);
    if (s->fetch)
        fetch_free(s->fetch);
    if (s->storage)
        storage_free(s->storage);
    if (s->pool)
        pg_pool_free(s->pool);
    sender_engine_free(s->engine);
    sender_look_free(s->look);
    sender_marks_free(s->marks);
    sender_asking_free(s->asking);
    sender_results_free(s->results);
    if (s->app)
        app_free(s->app);
    guard_free(s->guard);
    vault_close(s->vault);
    metrics_free(s->metrics);
    conf_done(&sender_conf_table, &s->conf);
}

static int sender_main(int argc, char **argv)
{
    struct sender s = {0};
    struct err err = {0};
    int status = 1;
    log_init("sender", LOG_INFO, LOG_AUTO);
    if (!conf_load(&sender_conf_table, &s.conf, argc, argv, NULL, &err) ||
        !daemon_start_log("sender", s.conf.log_level, s.conf.log_format, &err) ||
        !sender_conf_check(&s.conf, &err) || !start_app(&s, &err) || !start_clients(&s, &err) ||
        !start_storage(&s, &err) || !start_parts(&s, &err))
        log_error("sender cannot start", kv_c("why", err.msg));
    else
        status = app_run(s.app);
    end_parts(&s);
    return status;
}

const struct daemon sender_daemon = {
    .name = "sender",
    .summary = "send messages to the providers, once, in order, as fast as they allow",
    .main = sender_main,
    .conf = &sender_conf_table,
    .metrics = sender_metric_rows,
    .n_metrics = SENDER_METRICS,
};
