/* SPDX-License-Identifier: Apache-2.0 */
#include "publisher.h"

#include <pthread.h>
#include <stdlib.h>

#include "backoff.h"
#include "clock.h"
#include "log.h"
#include "stats.h"

/* One that is being published, and one that the database has: a third would only wait in line
 * between them, which makes updates older and nothing faster. */
#define BATCHES             2
#define COMMIT_TIMEOUT_MS   30000
#define DELIVERY_TIMEOUT_MS 4000 /* below the transaction's own timeout of 5 s */
#define QUEUE_BYTES_MAX     (512 << 20)
#define POLL_MS             10

struct router_publisher {
    struct metric_cell *duration, *updates, *retries;
    struct producer *producer;
    struct consumer *consumer;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* under the mutex */
    struct batch *queue, *queue_end, *unused;
    bool busy, broken, stopping;
};

static void wait_until(struct router_publisher *p, int64_t until_ms)
{
    struct timespec t = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    pthread_cond_timedwait(&p->changed, &p->mutex, &t);
}

/* --- the transaction -------------------------------------------------------------------------- */

static bool send_one(struct router_publisher *p, const struct batch *b, const struct publication *o,
                     struct err *err)
{
    struct record_out rec = {
        .topic = o->topic,
        .key = o->key,
        .value = {b->values.ptr + o->value_at, o->value_len},
        .headers = {{"traceparent", o->trace},
                    {"postrider-provider", o->provider},
                    {"postrider-schema", str_of(o->schema)}},
        .n_headers = 3,
        .partition = -1,
    };
    while (!producer_send(p->producer, &rec, NULL, err)) {
        if (err->kind != ERR_LIMITED || !producer_queued(p->producer))
            return false;
        (void)producer_poll(p->producer, POLL_MS); // its queue is full
    }
    return true;
}

static bool is_given_up(struct router_publisher *p)
{
    pthread_mutex_lock(&p->mutex);
    bool given_up = p->stopping || p->broken;
    pthread_mutex_unlock(&p->mutex);
    return given_up;
}

static bool publish(struct router_publisher *p, const struct batch *b, struct err *err)
{
    if (!producer_begin(p->producer, err))
        return false;
    for (const struct publication *o = b->first; o; o = o->next) {
        if (send_one(p, b, o, err))
            continue;
        producer_abort(p->producer);
        return err_wrap(err, "sending updates");
    }
    // Later the group may have met anew: its new generation would let offsets of the old one pass.
    if (is_given_up(p)) {
        producer_abort(p->producer);
        return err_set(err, ERR_CONFLICT, "given up before the commit");
    }
    return producer_commit(p->producer, p->consumer, b->offsets, b->n_offsets, COMMIT_TIMEOUT_MS,
                           err);
}

static void pause_for(struct router_publisher *p, int64_t ms)
{
    int64_t until_ms = clock_ms() + ms;
    pthread_mutex_lock(&p->mutex);
    while (!p->stopping && !p->broken && clock_ms() < until_ms)
        wait_until(p, until_ms);
    pthread_mutex_unlock(&p->mutex);
}

/* False: dropped. */
static bool publish_surely(struct router_publisher *p, const struct batch *b)
{
    struct backoff wait = {.base_ms = 50, .cap_ms = 2000};
    for (;;) {
        struct err err = {0};
        int64_t from_us = clock_us();
        if (publish(p, b, &err)) {
            metric_observe_us(p->duration, clock_us() - from_us);
            metric_add(p->updates, (int64_t)b->n_outgoing);
            return true;
        }
        metric_add(p->retries, 1);
        log_warn("the Kafka transaction failed", kv_c("kind", err_kind_name(err.kind)),
                 kv_c("why", err.msg), kv_int("records", (int64_t)b->n_outgoing));
        if (err.kind == ERR_CONFLICT || is_given_up(p))
            return false;
        pause_for(p, backoff_next_ms(&wait));
    }
}

/* --- the thread ------------------------------------------------------------------------------- */

static struct batch *next_batch(struct router_publisher *p)
{
    struct batch *b = p->queue;
    if (!b)
        return NULL;
    p->queue = b->next;
    if (!p->queue)
        p->queue_end = NULL;
    b->next = NULL;
    return b;
}

static void *run(void *arg)
{
    struct router_publisher *p = arg;
    pthread_mutex_lock(&p->mutex);
    for (;;) {
        while (!p->queue && !p->stopping)
            wait_until(p, clock_ms() + 1000);
        struct batch *b = next_batch(p);
        if (!b)
            break;
        bool drop = p->broken || p->stopping;
        p->busy = true;
        pthread_mutex_unlock(&p->mutex);
        bool ok = !drop && publish_surely(p, b);
        pthread_mutex_lock(&p->mutex);
        p->busy = false;
        p->broken |= !ok;
        b->next = p->unused;
        p->unused = b;
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------- */

static void init_lock(struct router_publisher *p)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&p->mutex, NULL);
}

struct router_publisher *router_publisher_new(const struct router_publisher_opts *opts,
                                              struct err *err)
{
    struct router_publisher *p = xalloc(sizeof *p);
    p->duration = metric_cell(opts->metrics, ROUTER_METRIC_TRANSACTION);
    p->updates = metric_cell(opts->metrics, ROUTER_METRIC_UPDATES);
    p->retries = metric_cell(opts->metrics, ROUTER_METRIC_RETRIES, "kafka");
    init_lock(p);
    for (int i = 0; i < BATCHES; i++) {
        struct batch *b = router_batch_new();
        b->next = p->unused;
        p->unused = b;
    }
    struct producer_opts producer = {.kafka = opts->kafka,
                                     .linger_ms = 1,
                                     .delivery_timeout_ms = DELIVERY_TIMEOUT_MS,
                                     .compression = "lz4",
                                     .queue_max_bytes = QUEUE_BYTES_MAX,
                                     .transactional_id = opts->transactional_id};
    p->producer = producer_new(&producer, err);
    if (p->producer && pthread_create(&p->thread, NULL, run, p) == 0)
        p->has_thread = true;
    else if (p->producer)
        err_set(err, ERR_FAULT, "no thread for the publisher");
    if (p->has_thread)
        return p;
    router_publisher_free(p);
    return NULL;
}

void router_publisher_stop(struct router_publisher *p)
{
    pthread_mutex_lock(&p->mutex);
    p->stopping = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->mutex);
    if (p->has_thread)
        pthread_join(p->thread, NULL);
    p->has_thread = false;
}

void router_publisher_free(struct router_publisher *p)
{
    if (!p)
        return;
    router_publisher_stop(p);
    producer_free(p->producer);
    for (struct batch *b = p->unused, *next; b; b = next) {
        next = b->next;
        router_batch_free(b);
    }
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

void router_publisher_set_consumer(struct router_publisher *p, struct consumer *c)
{
    p->consumer = c;
}

struct batch *router_publisher_take(struct router_publisher *p, int64_t timeout_ms)
{
    int64_t until_ms = clock_ms() + timeout_ms;
    pthread_mutex_lock(&p->mutex);
    while (!p->unused && clock_ms() < until_ms)
        wait_until(p, until_ms);
    struct batch *b = p->unused;
    if (b)
        p->unused = b->next;
    pthread_mutex_unlock(&p->mutex);
    if (b)
        b->next = NULL;
    return b;
}

void router_publisher_give(struct router_publisher *p, struct batch *b)
{
    pthread_mutex_lock(&p->mutex);
    b->next = p->unused;
    p->unused = b;
    pthread_mutex_unlock(&p->mutex);
}

void router_publisher_push(struct router_publisher *p, struct batch *b)
{
    b->next = NULL;
    pthread_mutex_lock(&p->mutex);
    if (p->queue_end)
        p->queue_end->next = b;
    else
        p->queue = b;
    p->queue_end = b;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->mutex);
}

bool router_publisher_wait_idle(struct router_publisher *p, int64_t timeout_ms)
{
    int64_t until_ms = clock_ms() + timeout_ms;
    pthread_mutex_lock(&p->mutex);
    while ((p->queue || p->busy) && clock_ms() < until_ms)
        wait_until(p, until_ms);
    bool idle = !p->queue && !p->busy;
    pthread_mutex_unlock(&p->mutex);
    return idle;
}

bool router_publisher_is_broken(struct router_publisher *p)
{
    pthread_mutex_lock(&p->mutex);
    bool broken = p->broken;
    pthread_mutex_unlock(&p->mutex);
    return broken;
}

void router_publisher_break(struct router_publisher *p)
{
    pthread_mutex_lock(&p->mutex);
    p->broken = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->mutex);
}

bool router_publisher_mend(struct router_publisher *p, struct err *err)
{
    if (!producer_begin(p->producer, err))
        return err_wrap(err, "waiting for the end of the old transaction");
    producer_abort(p->producer);
    pthread_mutex_lock(&p->mutex);
    p->broken = false;
    pthread_mutex_unlock(&p->mutex);
    return true;
}
