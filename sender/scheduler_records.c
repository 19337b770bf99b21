/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler_records.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "id.h"
#include "mem.h"

#define LINGER_MS           2
#define DELIVERY_TIMEOUT_MS 10000
#define QUEUE_MAX_BYTES     (64 << 20)
#define VALUE_MAX           (4u << 20)
#define NAME_OF_TOPIC       300
#define ROUNDS              256 /* reports of a round that was given up come within the next few */

struct sender_records {
    struct producer *producer;
    struct codec *codec;
    char topics[TOPICS][NAME_OF_TOPIC];
    struct buf value;
    char rounds[ROUNDS]; /* what is handed over between two waits has the place of its round as mark
                          */
    size_t round;
    size_t n_pending;
    struct err failure; /* first of the round */
};

static void on_delivery(void *ctx, void *opaque, const struct err *err)
{
    struct sender_records *r = ctx;
    if (opaque != &r->rounds[r->round])
        return; // of a round that was given up
    r->n_pending--;
    if (err && !r->failure.kind)
        r->failure = *err;
}

struct sender_records *sender_records_new(const struct sender_records_opts *opts, struct err *err)
{
    struct sender_records *r = xalloc(sizeof *r);
    struct producer_opts producer = {.kafka = opts->kafka,
                                     .linger_ms = LINGER_MS,
                                     .delivery_timeout_ms = DELIVERY_TIMEOUT_MS,
                                     .compression = "lz4",
                                     .queue_max_bytes = QUEUE_MAX_BYTES,
                                     .on_delivery = on_delivery,
                                     .ctx = r};
    buf_init(&r->value, VALUE_MAX);
    for (int t = 0; t < TOPICS; t++)
        (void)snprintf(r->topics[t], sizeof r->topics[t], "%s%s", opts->topic_prefix,
                       topic_name((enum topic)t));
    r->codec = codec_new(opts->schema_registry_url, opts->topic_prefix, err);
    r->producer = r->codec ? producer_new(&producer, err) : NULL;
    if (r->producer)
        return r;
    sender_records_free(r);
    return NULL;
}

void sender_records_free(struct sender_records *r)
{
    if (!r)
        return;
    producer_free(r->producer);
    codec_free(r->codec);
    buf_done(&r->value);
    free(r);
}

bool sender_records_is_connected(const struct sender_records *r)
{
    return producer_is_connected(r->producer);
}

const char *sender_records_topic(const struct sender_records *r, enum topic t)
{
    return r->topics[t];
}

/* A full queue empties as reports come: wait for them. */
bool sender_records_raw(struct sender_records *r, const struct record_out *rec, struct err *err)
{
    int64_t until_ms = clock_ms() + DELIVERY_TIMEOUT_MS;
    for (;;) {
        *err = (struct err){0};
        // Counted first: reports may come from within.
        r->n_pending++;
        if (producer_send(r->producer, rec, &r->rounds[r->round], err))
            return true;
        r->n_pending--;
        if (!err->retry_after_ms || clock_ms() > until_ms)
            return false;
        (void)producer_poll(r->producer, err->retry_after_ms);
    }
}

static bool send_value(struct sender_records *r, enum topic t, struct str key, struct str provider,
                       struct str parent, struct err *err)
{
    char trace[TRACEPARENT_TEXT + 1];
    traceparent_next(parent, trace);
    if (r->value.overflow)
        return err_set(err, ERR_LIMITED, "a record of more than %u bytes", VALUE_MAX);
    struct record_out rec = {
        .topic = r->topics[t], .key = key, .value = buf_str(&r->value), .partition = -1};
    rec.headers[rec.n_headers++] = (struct header){"traceparent", {trace, TRACEPARENT_TEXT}};
    if (provider.len)
        rec.headers[rec.n_headers++] = (struct header){"postrider-provider", provider};
    rec.headers[rec.n_headers++] =
        (struct header){"postrider-schema", str_of(record_name(topic_record(t)))};
    return sender_records_raw(r, &rec, err);
}

bool sender_records_command(struct sender_records *r, const struct send_command *c, struct err *err)
{
    char key[2 * UUID_TEXT + 2];
    int n =
        snprintf(key, sizeof key, "%.*s:%.*s", STR_ARG(c->channel_id), STR_ARG(c->conversation_id));
    buf_clear(&r->value);
    return encode_send_command(r->codec, c, &r->value, err) &&
           send_value(r, TOPIC_OUTBOUND, (struct str){key, (size_t)n}, c->provider, STR_NONE, err);
}

bool sender_records_result(struct sender_records *r, struct str key, const struct result *v,
                           struct err *err)
{
    buf_clear(&r->value);
    return encode_result(r->codec, v, &r->value, err) &&
           send_value(r, TOPIC_RESULTS, key, STR_NONE, STR_NONE, err);
}

bool sender_records_webhook(struct sender_records *r, struct str key, struct str traceparent,
                            const struct webhook_event *e, struct err *err)
{
    buf_clear(&r->value);
    return encode_webhook_event(r->codec, e, &r->value, err) &&
           send_value(r, TOPIC_INBOUND, key, e->provider, traceparent, err);
}

bool sender_records_wait(struct sender_records *r, struct err *err)
{
    int64_t until_ms = clock_ms() + DELIVERY_TIMEOUT_MS + LINGER_MS;
    (void)producer_flush(r->producer, DELIVERY_TIMEOUT_MS);
    while (r->n_pending && clock_ms() < until_ms)
        (void)producer_poll(r->producer, 10);
    bool ok = !r->n_pending && !r->failure.kind;
    if (!ok && r->failure.kind)
        *err = r->failure;
    else if (!ok)
        err_set(err, ERR_BUSY, "Kafka did not acknowledge in time");
    r->round = (r->round + 1) % ROUNDS;
    r->n_pending = 0;
    r->failure = (struct err){0};
    return ok;
}
