/* SPDX-License-Identifier: Apache-2.0 */
#include "results.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "kafka.h"
#include "log.h"
#include "mem.h"
#include "records.h"
#include "stats.h"

#define QUEUE_BYTES         ((int64_t)64 << 20)
#define DELIVERY_TIMEOUT_MS 60000
// librdkafka waits for the last part of a millisecond by spinning: the longer it lingers, the less
// of that.
#define LINGER_MS 10
#define VALUE_MAX ((size_t)64 << 10)
#define TOPIC_MAX 300
#define FLUSH_MS  1000
#define KEY_TEXT  (2 * UUID_TEXT + 1)

struct sender_results {
    struct sender_results_opts opts;
    char topic[TOPIC_MAX];
    struct producer *producer;
    struct codec *codec;
    struct buf value;
    uv_poll_t poll;
    bool has_poll;
    struct metric_cell *lost;
};

static void on_delivery(void *ctx, void *opaque, const struct err *err)
{
    struct sender_results *r = ctx;
    (void)opaque;
    if (!err)
        return;
    metric_add(r->lost, 1);
    log_warn("a result did not reach Kafka", kv_c("why", err->msg));
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct sender_results *r = poll->data;
    (void)status, (void)events;
    (void)producer_poll(r->producer, 0);
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle->data);
}

struct sender_results *sender_results_new(const struct sender_results_opts *opts, struct err *err)
{
    struct sender_results *r = xalloc(sizeof *r);
    r->opts = *opts;
    r->lost = metric_cell(opts->metrics, SENDER_METRIC_LOST_RESULTS);
    buf_init(&r->value, VALUE_MAX);
    (void)snprintf(r->topic, sizeof r->topic, "%s%s", opts->conf->topic_prefix,
                   topic_name(TOPIC_RESULTS));
    struct producer_opts po = {.kafka = {.brokers = opts->conf->kafka_brokers,
                                         .properties = opts->conf->kafka_properties,
                                         .client_id = opts->instance},
                               .linger_ms = LINGER_MS,
                               .delivery_timeout_ms = DELIVERY_TIMEOUT_MS,
                               .compression = "lz4",
                               .queue_max_bytes = QUEUE_BYTES,
                               .on_delivery = on_delivery,
                               .ctx = r};
    r->codec = codec_new(opts->conf->schema_registry_url, opts->conf->topic_prefix, err);
    r->producer = r->codec ? producer_new(&po, err) : NULL;
    if (!r->producer || uv_poll_init(opts->loop, &r->poll, producer_fd(r->producer)) != 0) {
        sender_results_free(r);
        return NULL;
    }
    r->poll.data = r;
    r->has_poll = true;
    (void)uv_poll_start(&r->poll, UV_READABLE, on_readable);
    return r;
}

static bool encode(struct sender_results *r, const struct sender_result *x, struct err *err)
{
    char tenant[UUID_TEXT + 1];
    uuid_format(x->tenant_id, tenant);
    struct result v = {.kind = x->answer ? RESULT_SEND : RESULT_OBJECT_CHANGED,
                       .tenant_id = str_of(tenant),
                       .at_ms = x->at_ms};
    if (x->answer) {
        const struct sender_answer *a = x->answer;
        v.message_id = x->message_id;
        v.attempt = x->attempt;
        v.outcome = str_of(sender_state_name(a->to));
        v.external_message_id = a->external_id.len ? a->external_id : STR_NONE;
        v.conversation = a->conversation.len ? a->conversation : STR_NONE;
        v.error_code = a->code.len ? a->code : STR_NONE;
        v.error_message = a->message.len ? a->message : STR_NONE;
        v.retry_at_ms = a->retry_at_ms;
    } else {
        v.object_kind = STR("message");
        v.object_id = x->message_id;
    }
    buf_clear(&r->value);
    return encode_result(r->codec, &v, &r->value, err);
}

void sender_results_tell(struct sender_results *r, const struct sender_result *x)
{
    struct err err = {0};
    char key[KEY_TEXT + 1], trace[TRACEPARENT_TEXT + 1];
    uuid_format(x->channel_id, key);
    key[UUID_TEXT] = ':';
    uuid_format(x->conversation_id, key + UUID_TEXT + 1);
    traceparent_next(*x->trace ? str_of(x->trace) : STR_NONE, trace);
    struct record_out rec = {
        .topic = r->topic,
        .key = {key, KEY_TEXT},
        .headers = {{"traceparent", str_of(trace)},
                    {"postrider-provider", str_of(x->provider)},
                    {"postrider-schema", str_of(record_name(RECORD_RESULT))}},
        .n_headers = 3,
        .partition = -1,
    };
    bool ok = encode(r, x, &err);
    rec.value = buf_str(&r->value);
    if (ok && producer_send(r->producer, &rec, NULL, &err))
        return;
    metric_add(r->lost, 1);
    log_warn("a result was not handed to Kafka", kv_str("message_id", x->message_id),
             kv_c("why", err.msg));
}

void sender_results_not_ready(struct sender_results *r, struct buf *why)
{
    if (!producer_is_connected(r->producer))
        buf_put_c(why, "Kafka (results): no broker is connected\n");
}

size_t sender_results_waiting(const struct sender_results *r)
{
    return producer_queued(r->producer);
}

void sender_results_free(struct sender_results *r)
{
    if (!r)
        return;
    if (r->has_poll)
        uv_poll_stop(&r->poll);
    if (r->producer) {
        if (!producer_flush(r->producer, FLUSH_MS))
            log_warn("results are left to the scheduler",
                     kv_int("records", (int64_t)producer_queued(r->producer)));
        producer_free(r->producer);
    }
    codec_free(r->codec);
    buf_done(&r->value);
    if (r->has_poll)
        uv_close((uv_handle_t *)&r->poll, on_poll_closed);
    else
        free(r);
}
