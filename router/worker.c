/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backoff.h"
#include "clock.h"
#include "log.h"
#include "publisher.h"
#include "stats.h"
#include "store.h"
#include "updates.h"

#define POLL_MS         200
#define PING_MS         1000 /* a database that nobody needs is asked this often whether it is there */
#define LAG_MS          5000
#define REVOKE_WAIT_MS  20000
#define CONFLICTS_MAX   5
#define FETCH_BYTES_MAX (8 << 20)
#define BATCH_BYTES_MAX (4u << 20) /* of record values: parsing multiplies them in memory */
#define NAME_MAX_BYTES  300
/* Of held, kept free for what may still come in while the worker waits, paused: to be polled is
 * what keeps it in the group. */
#define WAIT_ROOM 64

struct router_worker {
    struct router_worker_opts opts;
    char name[NAME_MAX_BYTES]; /* group.instance.id and transactional.id */
    char group[NAME_MAX_BYTES];
    pthread_t thread;
    struct codec *codec;
    struct store *store;
    struct consumer *consumer;
    struct router_publisher *publisher;
    struct record *held; /* what was polled and is not stored yet */
    size_t n_held, held_max;
    bool paused;
    int64_t next_ping_ms, next_lag_ms;
    struct metric_cell *lag, *behind;
    atomic_bool stopping, stopped, failed, database_up, kafka_up, joined;
};

static bool is_stopping(const struct router_worker *w)
{
    return atomic_load(&w->stopping);
}

static void sleep_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static void count_retry(struct router_worker *w, const char *why)
{
    metric_add(metric_cell(w->opts.metrics, ROUTER_METRIC_RETRIES, why), 1);
}

/* --- partitions ------------------------------------------------------------------------------- */

static bool is_of(const struct record *r, const struct partition *parts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (parts[i].partition == r->partition && !strcmp(parts[i].topic, r->topic))
            return true;
    return false;
}

/* What has been handed over is finished first: its offsets can be committed only while the
 * partitions are ours. Past the wait it is dropped, and who gets the partitions does the work
 * again.
 */
static void on_revoke(void *ctx, const struct partition *parts, size_t n)
{
    struct router_worker *w = ctx;
    if (!router_publisher_wait_idle(w->publisher, REVOKE_WAIT_MS)) {
        router_publisher_break(w->publisher);
        log_warn("partitions are given up while updates wait for Kafka",
                 kv_int("worker", w->opts.index));
    }
    for (size_t i = 0; i < w->n_held; i++)
        if (w->held[i].handle && is_of(&w->held[i], parts, n))
            record_free(&w->held[i]);
    log_info("partitions given up", kv_int("worker", w->opts.index),
             kv_int("partitions", (int64_t)n));
}

static void on_assign(void *ctx, const struct partition *parts, size_t n)
{
    struct router_worker *w = ctx;
    (void)parts;
    // librdkafka keeps a partition's pause over a rebalance: one that was paused, given up, and
    // comes back after we went on would stay silent for ever.
    if (!w->paused)
        consumer_resume(w->consumer);
    atomic_store(&w->joined, true);
    log_info("partitions assigned", kv_int("worker", w->opts.index),
             kv_int("partitions", (int64_t)n));
}

static void set_paused(struct router_worker *w, bool paused)
{
    if (w->paused == paused)
        return;
    w->paused = paused;
    if (paused)
        consumer_pause(w->consumer);
    else
        consumer_resume(w->consumer);
}

/* More records into `held`. Also the group's heartbeat of a worker that must wait: paused, there
 * are no records, but rebalances are served. False: the consumer has failed for good. */
static bool poll_records(struct router_worker *w, size_t held_max, int64_t timeout_ms)
{
    struct err err = {0};
    int room = (int)(held_max - w->n_held);
    int n = consumer_poll(w->consumer, w->held + w->n_held, room, timeout_ms, &err);
    atomic_store(&w->kafka_up, consumer_is_connected(w->consumer));
    if (n < 0 && err.kind == ERR_ABSENT) {
        // It may be on its way: librdkafka looks again by itself.
        log_warn("a topic is missing, waiting for it; `postrider topics` creates it",
                 kv_int("worker", w->opts.index), kv_c("why", err.msg));
        return true;
    }
    if (n < 0) {
        log_error("the consumer has failed", kv_int("worker", w->opts.index), kv_c("why", err.msg));
        atomic_store(&w->failed, true);
        atomic_store(&w->stopping, true);
        return false;
    }
    w->n_held += (size_t)n;
    return true;
}

/* Wait, but stay a member of the group. */
static void wait_in_group(struct router_worker *w, int64_t ms)
{
    int64_t until_ms = clock_ms() + ms;
    set_paused(w, true);
    while (!is_stopping(w) && clock_ms() < until_ms) {
        int64_t left_ms = until_ms - clock_ms();
        if (w->n_held == w->held_max)
            sleep_ms(left_ms < POLL_MS ? left_ms : POLL_MS);
        else if (!poll_records(w, w->held_max, left_ms < POLL_MS ? left_ms : POLL_MS))
            return;
    }
}

/* --- one batch -------------------------------------------------------------------------------- */

static void note_database(struct router_worker *w, const struct err *err)
{
    bool up = !err;
    if (atomic_exchange(&w->database_up, up) == up)
        return;
    if (up)
        log_info("the database is there", kv_int("worker", w->opts.index));
    else
        log_error("the database cannot be used, waiting for it", kv_int("worker", w->opts.index),
                  kv_c("kind", err_kind_name(err->kind)), kv_c("why", err->msg));
}

struct range {
    size_t from, to;    /* of w->held */
    const char *poison; /* the reason why its one record is not even tried; NULL: none */
};

/* Read, resolve, load, apply, save. */
static bool store_batch(struct router_worker *w, struct batch *b, const struct range *r,
                        struct err *err)
{
    int64_t from_us = clock_us();
    router_batch_reset(b, clock_at_ms());
    if (!router_batch_decode(b, w->codec, w->opts.topics, w->held + r->from, r->to - r->from, err))
        return false;
    if (r->poison && b->n_items) {
        b->items[0].reason = "poison";
        b->items[0].detail = str_dup(b->arena, str_of(r->poison));
    }
    if (!router_store_connect(w->store, err) || !router_store_resolve(w->store, b, err))
        return false;
    router_batch_admit(b);
    if (!router_store_load(w->store, b, err))
        return false;
    router_batch_apply(b);
    if (!router_store_save(w->store, b, err))
        return false;
    router_count_batch(w->opts.metrics, b, clock_us() - from_us);
    return true;
}

static void hand_over(struct router_worker *w, struct batch *b)
{
    int lost = router_updates_build(b, w->codec, w->opts.topics);
    metric_add(metric_cell(w->opts.metrics, ROUTER_METRIC_LOST_UPDATES), lost);
    for (size_t i = 0; i < b->n_items; i++) {
        const struct item *it = &b->items[i];
        if (it->reason)
            log_warn("record parked", kv_c("reason", it->reason), kv_c("topic", it->rec->topic),
                     kv_int("partition", it->rec->partition), kv_int("offset", it->rec->offset),
                     kv_str("tenant", it->event.tenant_id));
    }
    router_publisher_push(w->publisher, b);
}

/* An empty batch. NULL: the worker stops, or the publisher is broken. */
static struct batch *take_batch(struct router_worker *w)
{
    while (!is_stopping(w) && !router_publisher_is_broken(w->publisher)) {
        struct batch *b = router_publisher_take(w->publisher, w->paused ? 1 : 1000);
        if (b)
            return b;
        wait_in_group(w, POLL_MS); // Kafka is slow to commit
    }
    return NULL;
}

enum verdict { DONE, AGAIN, SPLIT, GIVEN_UP };

/* What a failed batch means. Data errors and repeated conflicts are some record's fault: which one,
 * is found by halves. All else is an outage, in which nothing is skipped. */
static enum verdict judge(struct router_worker *w, const struct err *err, int *conflicts,
                          struct backoff *wait)
{
    if (err->kind == ERR_INVALID) {
        count_retry(w, "data");
        return SPLIT;
    }
    if (err->kind == ERR_CONFLICT) {
        count_retry(w, "conflict");
        if (++*conflicts >= CONFLICTS_MAX)
            return SPLIT;
        if (*conflicts > 1)
            wait_in_group(w, backoff_next_ms(wait));
        return AGAIN;
    }
    count_retry(w, "outage");
    note_database(w, err);
    wait_in_group(w, backoff_next_ms(wait));
    return AGAIN;
}

static enum verdict try_range(struct router_worker *w, const struct range *r, struct err *why)
{
    int conflicts = 0;
    struct backoff wait = {.base_ms = 50, .cap_ms = 5000};
    for (;;) {
        struct batch *b = take_batch(w);
        if (!b)
            return GIVEN_UP;
        struct err err = {0};
        if (store_batch(w, b, r, &err)) {
            note_database(w, NULL);
            hand_over(w, b);
            return DONE;
        }
        router_store_rollback(w->store);
        router_publisher_give(w->publisher, b);
        enum verdict v = judge(w, &err, &conflicts, &wait);
        if (v == SPLIT)
            *why = err;
        if (v != AGAIN)
            return v;
    }
}

/* Store the records of the range; false: given up (they are read again from what is committed). */
static bool store_range(struct router_worker *w, struct range r)
{
    struct err why = {0};
    enum verdict v = try_range(w, &r, &why);
    if (v != SPLIT)
        return v == DONE;
    if (r.to - r.from > 1) {
        size_t mid = r.from + (r.to - r.from) / 2;
        return store_range(w, (struct range){.from = r.from, .to = mid}) &&
               store_range(w, (struct range){.from = mid, .to = r.to});
    }
    if (!r.poison) {
        r.poison = why.msg;
        return store_range(w, r);
    }
    log_error("a record cannot even be parked", kv_c("topic", w->held[r.from].topic),
              kv_int("partition", w->held[r.from].partition),
              kv_int("offset", w->held[r.from].offset), kv_c("why", why.msg));
    atomic_store(&w->failed, true);
    atomic_store(&w->stopping, true);
    return false;
}

/* --- the loop --------------------------------------------------------------------------------- */

static void drop_held(struct router_worker *w, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        record_free(&w->held[i]);
}

/* The end of a batch that starts at `from`: bounded by bytes too. */
static size_t extent(const struct router_worker *w, size_t from)
{
    size_t to = from, bytes = 0;
    while (to < w->n_held && (int64_t)(to - from) < w->opts.conf->batch_max) {
        bytes += w->held[to].value.len;
        if (to > from && bytes > BATCH_BYTES_MAX)
            break;
        to++;
    }
    return to;
}

static void note_lag(struct router_worker *w)
{
    int64_t now_at_ms = clock_at_ms(), oldest_at_ms = now_at_ms;
    for (size_t i = 0; i < w->n_held; i++)
        if (w->held[i].handle && w->held[i].timestamp_at_ms < oldest_at_ms)
            oldest_at_ms = w->held[i].timestamp_at_ms;
    metric_set(w->lag, (now_at_ms - oldest_at_ms) / 1000);
    if (clock_ms() < w->next_lag_ms)
        return;
    w->next_lag_ms = clock_ms() + LAG_MS;
    metric_set(w->behind, consumer_lag(w->consumer));
}

static void ping(struct router_worker *w)
{
    struct err err = {0};
    if (clock_ms() < w->next_ping_ms)
        return;
    w->next_ping_ms = clock_ms() + PING_MS;
    if (router_store_ping(w->store, &err))
        note_database(w, NULL);
    else
        note_database(w, &err);
}

/* Records may have come while we waited, behind those that we waited with: go on until all are
 * done. */
static void work(struct router_worker *w)
{
    size_t from = 0;
    while (from < w->n_held) {
        size_t to = extent(w, from);
        if (!store_range(w, (struct range){.from = from, .to = to}))
            break;
        drop_held(w, from, to);
        from = to;
    }
    drop_held(w, from, w->n_held);
    w->n_held = 0;
}

/* The publisher could not say what became of a transaction, or the group refused it. */
static void read_again(struct router_worker *w)
{
    struct err err = {0};
    struct backoff wait = {.base_ms = 100, .cap_ms = 5000};
    count_retry(w, "kafka");
    while (!is_stopping(w)) {
        drop_held(w, 0, w->n_held);
        w->n_held = 0;
        if (router_publisher_wait_idle(w->publisher, POLL_MS) &&
            router_publisher_mend(w->publisher, &err) && consumer_rewind(w->consumer, &err))
            break;
        log_warn("reading again from the committed positions has to wait",
                 kv_int("worker", w->opts.index), kv_c("why", err.msg));
        wait_in_group(w, backoff_next_ms(&wait));
    }
    drop_held(w, 0, w->n_held);
    w->n_held = 0;
    log_info("reading again from the committed positions", kv_int("worker", w->opts.index));
}

static void loop(struct router_worker *w)
{
    while (!is_stopping(w)) {
        if (router_publisher_is_broken(w->publisher))
            read_again(w);
        set_paused(w, false);
        if (!poll_records(w, w->held_max - WAIT_ROOM, POLL_MS))
            break;
        note_lag(w);
        if (w->n_held)
            work(w);
        else
            ping(w);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static struct kafka_opts kafka_opts_of(const struct router_worker *w)
{
    return (struct kafka_opts){.brokers = w->opts.conf->kafka_brokers,
                               .properties = w->opts.conf->kafka_properties,
                               .client_id = w->name};
}

static bool open_consumer(struct router_worker *w, struct err *err)
{
    const char *const topics[] = {w->opts.topics->inbound, w->opts.topics->results,
                                  w->opts.topics->quarantine};
    struct consumer_opts opts = {.kafka = kafka_opts_of(w),
                                 .group = w->group,
                                 .instance_id = w->name,
                                 .assignor = w->opts.conf->assignor,
                                 .topics = topics,
                                 .n_topics = 3,
                                 .read_committed = true,
                                 .fetch_wait_ms = 100,
                                 .queue_max_bytes = FETCH_BYTES_MAX,
                                 .session_timeout_ms = w->opts.conf->session_timeout,
                                 .on_revoke = on_revoke,
                                 .on_assign = on_assign,
                                 .ctx = w};
    w->consumer = consumer_new(&opts, err);
    return w->consumer != NULL;
}

/* The publisher first: it ends an older transaction of ours, so that the positions that the
 * consumer starts from are final. */
static bool open_kafka(struct router_worker *w, struct err *err)
{
    struct router_publisher_opts opts = {
        .kafka = kafka_opts_of(w), .transactional_id = w->name, .metrics = w->opts.metrics};
    if (!w->codec)
        w->codec = codec_new(w->opts.conf->schema_registry_url, w->opts.conf->topic_prefix, err);
    if (!w->codec)
        return err_wrap(err, "schemas");
    if (!w->publisher)
        w->publisher = router_publisher_new(&opts, err);
    if (!w->publisher)
        return err_wrap(err, "producer");
    if (!open_consumer(w, err))
        return err_wrap(err, "consumer");
    router_publisher_set_consumer(w->publisher, w->consumer);
    return true;
}

static bool open_surely(struct router_worker *w)
{
    struct backoff wait = {.base_ms = 200, .cap_ms = 3000};
    while (!is_stopping(w)) {
        struct err err = {0};
        if (open_kafka(w, &err))
            return true;
        if (err.kind == ERR_INVALID || err.kind == ERR_FAULT || err.kind == ERR_DENIED) {
            log_error("the worker cannot start", kv_int("worker", w->opts.index),
                      kv_c("why", err.msg));
            atomic_store(&w->failed, true);
            return false;
        }
        log_warn("waiting for Kafka", kv_int("worker", w->opts.index), kv_c("why", err.msg));
        sleep_ms(backoff_next_ms(&wait));
    }
    return false;
}

static void *run(void *arg)
{
    struct router_worker *w = arg;
    if (open_surely(w))
        loop(w);
    if (w->publisher && !router_publisher_wait_idle(w->publisher, w->opts.conf->stop_timeout / 2))
        log_warn("stopped while updates wait for Kafka; they are published after the next start",
                 kv_int("worker", w->opts.index));
    if (w->publisher)
        router_publisher_stop(w->publisher); // its transactions need the consumer
    consumer_free(w->consumer);              // on_revoke needs the publisher
    w->consumer = NULL;
    router_publisher_free(w->publisher);
    w->publisher = NULL;
    atomic_store(&w->stopped, true);
    w->opts.on_stopped(w->opts.ctx);
    return NULL;
}

struct router_worker *router_worker_new(const struct router_worker_opts *opts, struct err *err)
{
    struct router_worker *w = xalloc(sizeof *w);
    char index[16];
    w->opts = *opts;
    (void)snprintf(w->name, sizeof w->name, "postrider-router-%s-%d", opts->instance, opts->index);
    (void)snprintf(index, sizeof index, "%d", opts->index);
    // Two deployments that share a cluster differ by their prefix, and must not share a group.
    if (opts->conf->group[0])
        (void)snprintf(w->group, sizeof w->group, "%s", opts->conf->group);
    else
        (void)snprintf(w->group, sizeof w->group, "%srouter", opts->conf->topic_prefix);
    w->store = router_store_new(opts->conf->database_url, w->name, opts->conf->database_timeout);
    w->held_max = (size_t)opts->conf->batch_max * 2 + WAIT_ROOM;
    w->held = xalloc(w->held_max * sizeof *w->held);
    w->lag = metric_cell(opts->metrics, ROUTER_METRIC_LAG, index);
    w->behind = metric_cell(opts->metrics, ROUTER_METRIC_BEHIND, index);
    if (pthread_create(&w->thread, NULL, run, w) == 0)
        return w;
    err_set(err, ERR_FAULT, "no thread for worker %d", opts->index);
    router_store_free(w->store);
    free(w->held);
    free(w);
    return NULL;
}

void router_worker_stop(struct router_worker *w)
{
    atomic_store(&w->stopping, true);
}

bool router_worker_has_stopped(const struct router_worker *w)
{
    return atomic_load(&w->stopped);
}

bool router_worker_has_failed(const struct router_worker *w)
{
    return atomic_load(&w->failed);
}

void router_worker_not_ready(const struct router_worker *w, struct buf *why)
{
    if (!atomic_load(&w->kafka_up))
        buf_putf(why, "worker %d: no Kafka broker answers\n", w->opts.index);
    if (!atomic_load(&w->joined))
        buf_putf(why, "worker %d: no partitions assigned yet\n", w->opts.index);
    if (!atomic_load(&w->database_up))
        buf_putf(why, "worker %d: the database cannot be used\n", w->opts.index);
}

void router_worker_free(struct router_worker *w)
{
    if (!w)
        return;
    pthread_join(w->thread, NULL);
    codec_free(w->codec);
    router_store_free(w->store);
    drop_held(w, 0, w->n_held);
    free(w->held);
    free(w);
}
