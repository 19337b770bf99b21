/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "app.h"
#include "backoff.h"
#include "clock.h"
#include "log.h"
#include "scheduling.h"

#define CLEAN_MS      60000
#define STATISTICS_MS 1000
#define BULK_MS       100 /* a bulk's next messages are made as the first of them leave */
#define PEEK_SHARE    4   /* looking for work takes at most one part in so many and one */
#define PEEK_REST_MS  1000

/* Each statement reads the head of one index in every partition, whatever the tables' statistics
 * say. Names of statements and settings belong to a connection: this one is direct, not through a
 * pooler. */
static const char *const session_sql[] = {
    "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; "
    "SET plan_cache_mode = force_generic_plan; SET jit = off; SET row_security = on; "
    "SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '60s'",
};

struct sender_scheduler {
    struct sender_scheduler_opts opts;
    struct scheduling world;
    char name[256];
    pthread_t thread;
    uv_loop_t loop;
    uv_timer_t tick;
    struct mailbox *mailbox; /* to be told to stop */
    struct backoff wait;
    int64_t next_clean_ms, next_statistics_ms, next_bulk_ms;
    struct metric_cell *outbox_age;
    atomic_bool stopping, stopped, failed, database_up, kafka_up;
};

/* --- one turn --------------------------------------------------------------------------------- */

static void note_database(struct sender_scheduler *s, const struct err *err)
{
    bool up = !err;
    if (atomic_exchange(&s->database_up, up) == up)
        return;
    if (up)
        log_info("the scheduler has the database");
    else
        log_error("the scheduler cannot use the database, waiting for it", kv_c("why", err->msg));
}

/* True: there may be more. */
static bool run_duty(struct sender_scheduler *s, const char *name, scheduling_duty *duty, int most)
{
    struct err err = {0};
    int done = 0;
    arena_reset(s->world.arena);
    if (duty(&s->world, &done, &err))
        return done >= most;
    metric_add(metric_cell(s->opts.metrics, SENDER_METRIC_SCHEDULER_ERRORS, name), 1);
    log_warn("a duty of the scheduler has to be done again", kv_c("duty", name),
             kv_c("kind", err_kind_name(err.kind)), kv_c("why", err.msg));
    return false;
}

static bool is_time(int64_t *next_ms, int64_t pause_ms)
{
    if (clock_ms() < *next_ms)
        return false;
    *next_ms = clock_ms() + pause_ms;
    return true;
}

/* Looking is cheap, unless the router is away and much is under way. */
static int64_t rest_after(const struct sender_scheduler *s, int64_t peek_ms)
{
    int64_t rest_ms = PEEK_SHARE * peek_ms;
    if (rest_ms > PEEK_REST_MS)
        rest_ms = PEEK_REST_MS;
    return rest_ms > s->opts.conf->scheduler_poll ? rest_ms : s->opts.conf->scheduler_poll;
}

/* Milliseconds until the next turn. */
static int64_t turn(struct sender_scheduler *s)
{
    struct err err = {0};
    struct scheduling_work work;
    arena_reset(s->world.arena);
    bool is_up = pg_connect(s->world.pg, &err);
    int64_t began_ms = clock_ms();
    if (!is_up || !sender_scheduling_peek(&s->world, &work, &err)) {
        note_database(s, &err);
        return backoff_next_ms(&s->wait);
    }
    note_database(s, NULL);
    backoff_reset(&s->wait);
    int64_t rest_ms = rest_after(s, clock_ms() - began_ms);
    metric_set(s->outbox_age, work.outbox_age_s);
    bool more = false;
    if (work.outbox)
        more |= run_duty(s, "outbox", sender_outbox_drain, SCHEDULING_ROWS_MAX);
    if (work.due)
        more |= run_duty(s, "due", sender_due_command, SCHEDULING_ROWS_MAX);
    if (work.sending)
        run_duty(s, "lease", sender_leases_expire, SCHEDULING_ROWS_MAX);
    if (work.uncertain)
        run_duty(s, "uncertain", sender_uncertain_settle, SCHEDULING_ROWS_MAX);
    if (work.replay)
        run_duty(s, "replay", sender_outbox_replay, SCHEDULING_ROWS_MAX);
    if (work.bulk && is_time(&s->next_bulk_ms, BULK_MS))
        run_duty(s, "bulk", sender_bulk_hand_out, SCHEDULING_ROWS_MAX);
    if (is_time(&s->next_statistics_ms, STATISTICS_MS) &&
        run_duty(s, "statistics", sender_statistics_renew, 1))
        s->next_statistics_ms = 0;
    if (is_time(&s->next_clean_ms, CLEAN_MS))
        run_duty(s, "clean", sender_clean_up, SCHEDULING_ROWS_MAX);
    return more ? 0 : rest_ms;
}

/* A registry that does not answer yet is waited for. */
static bool open_records(struct sender_scheduler *s, struct err *err)
{
    const struct sender_conf *conf = s->opts.conf;
    struct sender_records_opts opts = {.kafka = {.brokers = conf->kafka_brokers,
                                                 .properties = conf->kafka_properties,
                                                 .client_id = s->name},
                                       .schema_registry_url = conf->schema_registry_url,
                                       .topic_prefix = conf->topic_prefix};
    if (!s->world.records)
        s->world.records = sender_records_new(&opts, err);
    return s->world.records != NULL;
}

static int64_t open_or_turn(struct sender_scheduler *s)
{
    struct err err = {0};
    if (open_records(s, &err)) {
        int64_t pause_ms = turn(s);
        atomic_store(&s->kafka_up, sender_records_is_connected(s->world.records));
        return pause_ms;
    }
    if (err.kind == ERR_INVALID || err.kind == ERR_FAULT || err.kind == ERR_DENIED) {
        log_error("the scheduler cannot start", kv_c("why", err.msg));
        atomic_store(&s->failed, true);
        atomic_store(&s->stopping, true);
        uv_stop(&s->loop);
    } else {
        log_warn("the scheduler waits for Kafka", kv_c("why", err.msg));
    }
    return backoff_next_ms(&s->wait);
}

static void on_tick(uv_timer_t *timer)
{
    struct sender_scheduler *s = timer->data;
    int64_t pause_ms = open_or_turn(s);
    uv_update_time(&s->loop); // the turn may have taken long
    if (!atomic_load(&s->stopping))
        uv_timer_start(timer, on_tick, (uint64_t)pause_ms, 0);
}

/* --- life ------------------------------------------------------------------------------------- */

static void on_mail(void *ctx)
{
    struct sender_scheduler *s = ctx;
    if (atomic_load(&s->stopping))
        uv_stop(&s->loop);
}

static void close_world(struct sender_scheduler *s)
{
    sender_records_free(s->world.records);
    pg_free(s->world.pg);
    arena_free(s->world.arena);
    for (size_t i = 0; i < ARRAY_LEN(s->world.columns); i++)
        if (s->world.columns[i].buf.max)
            pg_array_done(&s->world.columns[i]);
}

static void *run(void *arg)
{
    struct sender_scheduler *s = arg;
    uv_timer_start(&s->tick, on_tick, 0, 0);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    close_world(s);
    atomic_store(&s->stopped, true);
    s->opts.on_stopped(s->opts.ctx);
    return NULL;
}

static void open_world(struct sender_scheduler *s)
{
    const struct sender_conf *conf = s->opts.conf;
    struct pg_opts pg = {.url = conf->scheduler_database_url[0] ? conf->scheduler_database_url
                                                                : conf->database_url,
                         .application_name = s->name,
                         .session_sql = session_sql,
                         .n_session = ARRAY_LEN(session_sql),
                         .timeout_ms = conf->database_timeout,
                         .replans = true};
    s->world = (struct scheduling){.opts = &s->opts,
                                   .conf = conf,
                                   .pg = pg_new(&pg),
                                   .arena = arena_new(SCHEDULING_ARENA_MAX)};
}

struct sender_scheduler *sender_scheduler_new(const struct sender_scheduler_opts *opts,
                                              struct err *err)
{
    struct sender_scheduler *s = xalloc(sizeof *s);
    s->opts = *opts;
    s->wait = (struct backoff){.base_ms = 100, .cap_ms = 3000};
    (void)snprintf(s->name, sizeof s->name, "postrider-scheduler-%s", opts->instance);
    s->outbox_age = metric_cell(opts->metrics, SENDER_METRIC_OUTBOX_AGE);
    open_world(s);
    int failed = uv_loop_init(&s->loop);
    assert(!failed);
    failed = uv_timer_init(&s->loop, &s->tick);
    assert(!failed);
    s->tick.data = s;
    s->mailbox = mailbox_new(&s->loop, on_mail, s);
    if (pthread_create(&s->thread, NULL, run, s) == 0)
        return s;
    err_set(err, ERR_FAULT, "no thread for the scheduler");
    close_world(s);
    atomic_store(&s->stopped, true);
    s->thread = 0;
    sender_scheduler_free(s);
    return NULL;
}

void sender_scheduler_stop(struct sender_scheduler *s)
{
    atomic_store(&s->stopping, true);
    mailbox_ring(s->mailbox);
}

bool sender_scheduler_has_stopped(const struct sender_scheduler *s)
{
    return atomic_load(&s->stopped);
}

bool sender_scheduler_has_failed(const struct sender_scheduler *s)
{
    return atomic_load(&s->failed);
}

void sender_scheduler_not_ready(const struct sender_scheduler *s, struct buf *why)
{
    if (!atomic_load(&s->database_up))
        buf_putf(why, "scheduler: the database cannot be used\n");
    if (!atomic_load(&s->kafka_up))
        buf_putf(why, "scheduler: no Kafka broker answers\n");
}

void sender_scheduler_free(struct sender_scheduler *s)
{
    if (!s)
        return;
    if (s->thread)
        pthread_join(s->thread, NULL);
    mailbox_free(s->mailbox);
    uv_close((uv_handle_t *)&s->tick, NULL);
    (void)uv_run(&s->loop, UV_RUN_DEFAULT); // its closes
    int busy = uv_loop_close(&s->loop);
    assert(!busy);
    free(s);
}
