/* SPDX-License-Identifier: Apache-2.0 */
#include "publish.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mem.h"

#define POOL_MAX       1024 /* settled delivery objects kept for reuse */
#define STALL_MS       2000 /* a record that waits for so long: Kafka does not answer */
#define RETRY_AFTER_MS 2000 /* Kafka is away or slow: not at once */

struct ingest_delivery {
    struct ingest_delivery *prev, *next; /* of the waiting, oldest first; of the pool, next only */
    void *request;                       /* NULL: settled, or gone */
    const char *quarantine;              /* reason; NULL: units */
    size_t provider;
    size_t n_records;
    size_t n_pending; /* reports to come */
    int64_t begun_us;
};

struct ingest_publisher {
    struct ingest_publisher_opts opts;
    struct producer *producer;
    char *inbound, *quarantine; /* topics */
    struct buf value, key;
    struct ingest_delivery *oldest, *newest; /* without a verdict */
    struct ingest_delivery *pool;
    size_t n_waiting, n_pool;
    int64_t failed_ms; /* monotonic point of the last failure; 0: a success came after it */
};

struct ingest_publisher *ingest_publisher_new(const struct ingest_publisher_opts *opts)
{
    struct ingest_publisher *p = xalloc(sizeof *p);
    p->opts = *opts;
    buf_init(&p->value, (size_t)opts->value_max_bytes);
    buf_init(&p->key, (size_t)opts->value_max_bytes);
    char **const topics[] = {&p->inbound, &p->quarantine};
    const enum topic names[] = {TOPIC_INBOUND, TOPIC_QUARANTINE};
    for (size_t i = 0; i < ARRAY_LEN(topics); i++) {
        buf_clear(&p->key);
        buf_putf(&p->key, "%s%s", opts->topic_prefix, topic_name(names[i]));
        *topics[i] = xstrndup(p->key.ptr, p->key.len);
    }
    return p;
}

void ingest_publisher_bind(struct ingest_publisher *p, struct producer *producer)
{
    p->producer = producer;
}

void ingest_publisher_free(struct ingest_publisher *p)
{
    if (!p)
        return;
    assert(p->n_waiting == 0);
    while (p->pool) {
        struct ingest_delivery *d = p->pool;
        p->pool = d->next;
        free(d);
    }
    buf_done(&p->value);
    buf_done(&p->key);
    free(p->inbound);
    free(p->quarantine);
    free(p);
}

/* --- one delivery ----------------------------------------------------------------------------- */

static struct ingest_delivery *delivery_new(struct ingest_publisher *p, size_t provider,
                                            void *request)
{
    struct ingest_delivery *d = p->pool;
    if (d) {
        p->pool = d->next;
        p->n_pool--;
    } else {
        d = xalloc(sizeof *d);
    }
    *d = (struct ingest_delivery){
        .request = request,
        .provider = provider,
        .begun_us = clock_us(),
        .prev = p->newest,
    };
    *(p->newest ? &p->newest->next : &p->oldest) = d;
    p->newest = d;
    p->n_waiting++;
    ingest_count_in_flight(p->opts.stats, 1);
    return d;
}

static void delivery_release(struct ingest_publisher *p, struct ingest_delivery *d)
{
    assert(!d->request);
    if (d->n_pending)
        return; // its late reports still name it
    if (p->n_pool >= POOL_MAX) {
        free(d);
        return;
    }
    d->next = p->pool;
    p->pool = d;
    p->n_pool++;
}

/* From now on nobody waits for it. */
static void delivery_detach(struct ingest_publisher *p, struct ingest_delivery *d)
{
    if (d->prev)
        d->prev->next = d->next;
    else
        p->oldest = d->next;
    if (d->next)
        d->next->prev = d->prev;
    else
        p->newest = d->prev;
    d->request = NULL;
    p->n_waiting--;
    ingest_count_in_flight(p->opts.stats, -1);
}

static void delivery_settle(struct ingest_publisher *p, struct ingest_delivery *d,
                            const struct err *err)
{
    void *request = d->request;
    delivery_detach(p, d);
    delivery_release(p, d);
    p->opts.on_settled(p->opts.ctx, request, err);
}

static void count_durable(struct ingest_publisher *p, const struct ingest_delivery *d)
{
    struct ingest_stats *stats = p->opts.stats;
    if (d->quarantine)
        ingest_count_quarantined(stats, d->provider, d->quarantine);
    else
        ingest_count_units(stats, d->provider, d->n_records);
    ingest_count_delivery(stats, clock_us() - d->begun_us);
}

void ingest_publisher_report(void *ctx, void *opaque, const struct err *err)
{
    struct ingest_publisher *p = ctx;
    struct ingest_delivery *d = opaque;
    d->n_pending--;
    p->failed_ms = err && err->kind != ERR_LIMITED ? clock_ms() : 0;
    if (err)
        ingest_count_undelivered(p->opts.stats);
    if (!d->request) {
        ingest_count_late(p->opts.stats);
        delivery_release(p, d);
        return;
    }
    if (err) {
        // The rest of its records may still get through; the provider sends all of them again, and
        // the router knows the repeated ones by their event keys.
        struct err verdict = *err;
        if (verdict.kind != ERR_LIMITED) {
            err_set(&verdict, ERR_BUSY, "Kafka did not take the event: %s", err->msg);
            verdict.retry_after_ms = RETRY_AFTER_MS;
        }
        delivery_settle(p, d, &verdict);
    } else if (d->n_pending == 0) {
        count_durable(p, d);
        delivery_settle(p, d, NULL);
    }
}

void ingest_publisher_forget(struct ingest_publisher *p, struct ingest_delivery *d)
{
    delivery_detach(p, d);
    delivery_release(p, d);
}

static void settle_oldest(struct ingest_publisher *p, const char *why)
{
    struct err err = {0};
    assert(!p->oldest->prev); // so that settling it moves p->oldest on
    err_set(&err, ERR_BUSY, "%s", why);
    err.retry_after_ms = RETRY_AFTER_MS;
    delivery_settle(p, p->oldest, &err);
}

void ingest_publisher_expire(struct ingest_publisher *p, int64_t now_ms)
{
    while (p->oldest && now_ms - p->oldest->begun_us / 1000 >= p->opts.ack_timeout_ms) {
        p->failed_ms = now_ms;
        settle_oldest(p, "Kafka did not acknowledge the event in time");
    }
}

bool ingest_publisher_is_stalled(const struct ingest_publisher *p, int64_t now_ms)
{
    if (p->oldest && now_ms - p->oldest->begun_us / 1000 >= STALL_MS)
        return true;
    return p->failed_ms && now_ms - p->failed_ms < p->opts.ack_timeout_ms;
}

void ingest_publisher_give_up(struct ingest_publisher *p)
{
    while (p->oldest)
        settle_oldest(p, "stopping before Kafka acknowledged the event");
}

size_t ingest_publisher_waiting(const struct ingest_publisher *p)
{
    return p->n_waiting;
}

/* --- records ---------------------------------------------------------------------------------- */

/* "provider:account:conversation": a conversation's events stay in order in one partition. */
static void make_key(struct ingest_publisher *p, const struct ingest_envelope *e,
                     const struct unit *unit)
{
    buf_clear(&p->key);
    buf_put_c(&p->key, e->route->provider->name);
    buf_putc(&p->key, ':');
    if (unit)
        buf_put_str(&p->key, unit->account);
    buf_putc(&p->key, ':');
    if (unit)
        buf_put_str(&p->key, unit->conversation);
}

/* Hand over p->key and p->value. */
static bool send_record(struct ingest_publisher *p, const struct ingest_envelope *e,
                        const char *topic, enum record_type type, struct ingest_delivery *d,
                        struct err *err)
{
    struct record_out rec = {
        .topic = topic,
        .key = buf_str(&p->key),
        .value = buf_str(&p->value),
        .headers = {{"traceparent", e->traceparent},
                    {"postrider-provider", str_of(e->route->provider->name)},
                    {"postrider-schema", str_of(record_name(type))}},
        .n_headers = 3,
        .partition = -1,
    };
    if (!producer_send(p->producer, &rec, d, err))
        return false;
    d->n_records++;
    d->n_pending++;
    return true;
}

static bool send_unit(struct ingest_publisher *p, const struct ingest_envelope *e,
                      const struct unit *unit, struct ingest_delivery *d, struct err *err)
{
    const struct webhook_event event = {
        .provider = str_of(e->route->provider->name),
        .tenant_id = ingest_route_tenant(e->route),
        .account = unit->account,
        .account_type = unit->account_type,
        .conversation = unit->conversation,
        .received_at_ms = e->received_at_ms,
        .body = unit->body,
    };
    buf_clear(&p->value);
    make_key(p, e, unit);
    return encode_webhook_event(p->opts.codec, &event, &p->value, err) &&
           send_record(p, e, p->inbound, RECORD_WEBHOOK_EVENT, d, err);
}

/* The verdict when records could not be handed over; those that could are reported late. */
static struct ingest_delivery *refuse(struct ingest_publisher *p, struct ingest_delivery *d,
                                      struct err *err)
{
    if (err->kind == ERR_LIMITED && err->retry_after_ms > 0)
        err->kind = ERR_BUSY; // our queue is full, that is not the sender's doing
    if (err->kind == ERR_BUSY)
        err->retry_after_ms = RETRY_AFTER_MS;
    ingest_publisher_forget(p, d);
    return NULL;
}

struct ingest_delivery *ingest_publish_units(struct ingest_publisher *p,
                                             const struct ingest_envelope *e,
                                             const struct units *units, void *request,
                                             struct err *err)
{
    struct ingest_delivery *d = delivery_new(p, e->route->index, request);
    for (size_t i = 0; i < units->n; i++)
        if (!send_unit(p, e, &units->items[i], d, err))
            return refuse(p, d, err);
    return d;
}

struct ingest_delivery *ingest_publish_quarantine(struct ingest_publisher *p,
                                                  const struct ingest_envelope *e,
                                                  const char *reason, struct str detail,
                                                  struct str body, struct str headers,
                                                  void *request, struct err *err)
{
    struct ingest_delivery *d = delivery_new(p, e->route->index, request);
    d->quarantine = reason;
    make_key(p, e, NULL);
    const struct quarantined record = {
        .provider = str_of(e->route->provider->name),
        .tenant_id = ingest_route_tenant(e->route),
        .reason = str_of(reason),
        .detail = detail,
        .topic = STR("http"),
        .partition = -1,
        .offset = -1,
        .received_at_ms = e->received_at_ms,
        .key = buf_str(&p->key),
        .body = body,
        .headers = headers,
    };
    buf_clear(&p->value);
    if (!encode_quarantined(p->opts.codec, &record, &p->value, err) ||
        !send_record(p, e, p->quarantine, RECORD_QUARANTINED, d, err))
        return refuse(p, d, err);
    return d;
}
