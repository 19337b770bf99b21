/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka_producer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "mem.h"

#define QUEUE_FULL_RETRY_MS 50
#define CLOSE_REPORTS_MS    1000

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *ctx)
{
    struct producer *p = ctx;
    p->n_reports++;
    if (!p->opts.on_delivery)
        return;
    if (!message->err) {
        p->opts.on_delivery(p->opts.ctx, message->_private, NULL);
        return;
    }
    struct err err = {0};
    kafka_fail(&err, rk, message->err, "record not delivered");
    if (err.kind == ERR_BUSY && p->last_error[0])
        err_wrap(&err, "%s", p->last_error);
    p->opts.on_delivery(p->opts.ctx, message->_private, &err);
}

/* librdkafka retries by itself; the text is kept as the reason that a later failure gives. */
static void on_error(rd_kafka_t *rk, int code, const char *reason, void *ctx)
{
    struct producer *p = ctx;
    (void)rk;
    if (code == RD_KAFKA_RESP_ERR__FATAL)
        p->is_broken = true;
    size_t n = strnlen(reason, sizeof p->last_error - 1);
    memcpy(p->last_error, reason, n);
    p->last_error[n] = '\0';
}

static bool configure(const struct producer *p, rd_kafka_conf_t *conf, struct err *err)
{
    const struct producer_opts *o = &p->opts;
    const struct kafka_setting settings[] = {
        {"linger.ms", o->linger_ms},
        {"message.timeout.ms", o->delivery_timeout_ms},
        {"queue.buffering.max.kbytes", o->queue_max_bytes / 1024 + 1},
        {"queue.buffering.max.messages", 0}, // bytes are the limit
        {"message.max.bytes", KAFKA_MESSAGE_MAX_BYTES},
    };
    // Java's partitioner, so that other clients find a key in the same partition.
    return kafka_conf_set(conf, "partitioner", "murmur2_random", err) &&
           kafka_conf_set(conf, "compression.codec", o->compression ? o->compression : "none",
                          err) &&
           kafka_conf_set_all(conf, settings, ARRAY_LEN(settings), err) &&
           kafka_conf_properties(conf, &o->kafka, err) &&
           kafka_conf_set(conf, "acks", "all", err) &&
           kafka_conf_set(conf, "enable.idempotence", "true", err);
}

static bool configure_transactions(const struct producer *p, rd_kafka_conf_t *conf, struct err *err)
{
    if (!p->opts.transactional_id)
        return true;
    int64_t timeout_ms = p->opts.delivery_timeout_ms;
    const struct kafka_setting settings[] = {
        {"transaction.timeout.ms", TRANSACTION_TIMEOUT_MS},
        // librdkafka refuses records and requests that may outlive their transaction.
        {"message.timeout.ms", timeout_ms > 0 && timeout_ms < TRANSACTION_TIMEOUT_MS
                                   ? timeout_ms
                                   : TRANSACTION_TIMEOUT_MS},
        {"socket.timeout.ms", TRANSACTION_TIMEOUT_MS - 100},
        // A transaction that begins right after another is told to come again until the markers of
        // the first are written: milliseconds, where librdkafka would wait for a tenth of a second.
        {"retry.backoff.ms", 20},
    };
    return kafka_conf_set(conf, "transactional.id", p->opts.transactional_id, err) &&
           kafka_conf_set_all(conf, settings, ARRAY_LEN(settings), err);
}

/* Report what is left as failed, and let go of the handle. */
static void close_handle(struct producer *p)
{
    if (!p->rk)
        return;
    rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    int64_t until_ms = clock_ms() + CLOSE_REPORTS_MS;
    do {
        rd_kafka_poll(p->rk, 10);
    } while (rd_kafka_outq_len(p->rk) > 0 && clock_ms() < until_ms);

    for (size_t i = 0; i < p->n_topics; i++)
        rd_kafka_topic_destroy(p->topics[i]);
    p->n_topics = 0;
    rd_kafka_queue_io_event_enable(p->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(p->queue);
    rd_kafka_destroy(p->rk);
    p->queue = NULL;
    p->rk = NULL;
    atomic_store(&p->link.n_up, 0);
}

bool producer_open(struct producer *p, struct err *err)
{
    close_handle(p);
    rd_kafka_conf_t *conf = kafka_conf_new(&p->opts.kafka, &p->link, p, err);
    if (!conf)
        return false;
    if (!configure(p, conf, err) || !configure_transactions(p, conf, err)) {
        rd_kafka_conf_destroy(conf);
        return false;
    }
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_conf_set_error_cb(conf, on_error);
    p->rk = kafka_open(RD_KAFKA_PRODUCER, conf, &p->link, err);
    if (!p->rk)
        return false;
    p->queue = rd_kafka_queue_get_main(p->rk);
    kafka_wake_watch(p->queue, p->wake_fd);
    p->is_broken = p->is_initialised = p->in_transaction = false;
    p->last_error[0] = '\0';
    return true;
}

static char *dup_text(const char *s)
{
    return s ? xstrdup(s) : NULL;
}

struct producer *producer_new(const struct producer_opts *opts, struct err *err)
{
    struct producer *p = xalloc(sizeof *p);
    p->opts = *opts;
    p->opts.kafka.brokers = dup_text(opts->kafka.brokers);
    p->opts.kafka.properties = dup_text(opts->kafka.properties);
    p->opts.kafka.client_id = dup_text(opts->kafka.client_id);
    p->opts.compression = dup_text(opts->compression);
    p->opts.transactional_id = dup_text(opts->transactional_id);
    p->wake_fd = kafka_wake_open(err);
    if (p->wake_fd >= 0 && producer_open(p, err) &&
        (!opts->transactional_id || producer_init_transactions(p, err)))
        return p;
    producer_free(p);
    return NULL;
}

void producer_free(struct producer *p)
{
    if (!p)
        return;
    // Left open it would hold readers of the topic back until it times out.
    if (p->in_transaction && producer_is_connected(p))
        producer_abort(p);
    close_handle(p);
    if (p->wake_fd >= 0)
        close(p->wake_fd);
    free((char *)p->opts.kafka.brokers);
    free((char *)p->opts.kafka.properties);
    free((char *)p->opts.kafka.client_id);
    free((char *)p->opts.compression);
    free((char *)p->opts.transactional_id);
    free(p);
}

/* A topic's handle. By name librdkafka would look it up, under a lock, for each record. */
static rd_kafka_topic_t *find_topic(struct producer *p, const char *name)
{
    for (size_t i = 0; i < p->n_topics; i++) {
        if (strcmp(rd_kafka_topic_name(p->topics[i]), name) == 0)
            return p->topics[i];
    }
    if (p->n_topics == TOPIC_HANDLES_MAX)
        return NULL;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(p->rk, name, NULL);
    if (topic)
        p->topics[p->n_topics++] = topic;
    return topic;
}

static rd_kafka_headers_t *make_headers(const struct record_out *rec)
{
    if (rec->n_headers == 0)
        return NULL;
    assert(rec->n_headers <= HEADERS_MAX);
    rd_kafka_headers_t *headers = rd_kafka_headers_new(rec->n_headers);
    for (size_t i = 0; i < rec->n_headers; i++) {
        const struct header *h = &rec->headers[i];
        rd_kafka_header_add(headers, h->name, -1, h->value.ptr, (ssize_t)h->value.len);
    }
    return headers;
}

static bool refuse(struct producer *p, rd_kafka_resp_err_t code, const char *topic, struct err *err)
{
    // librdkafka has given the transaction up already; the caller learns why when it aborts.
    if (code == RD_KAFKA_RESP_ERR__STATE && p->in_transaction)
        return err_set(err, ERR_BUSY, "produce to %s: the transaction has failed: %s", topic,
                       p->last_error);
    kafka_fail(err, p->rk, code, "produce");
    if (code == RD_KAFKA_RESP_ERR__FATAL)
        p->is_broken = true;
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        err->retry_after_ms = QUEUE_FULL_RETRY_MS;
    return err_wrap(err, "topic %s", topic);
}

static bool enqueue(struct producer *p, const struct record_out *rec, int flags, void *opaque,
                    struct err *err)
{
    // A plain producer that failed for good is replaced; of a transaction only begin may do that.
    if (!p->rk || (p->is_broken && !p->opts.transactional_id)) {
        if (!producer_open(p, err))
            return false;
    }
    rd_kafka_topic_t *topic = find_topic(p, rec->topic);
    rd_kafka_headers_t *headers = make_headers(rec);
    rd_kafka_vu_t vus[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = rec->topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = rec->partition},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)rec->key.ptr, rec->key.len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)rec->value.ptr, rec->value.len}},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = flags},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = opaque},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    if (topic)
        vus[0] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic};
    rd_kafka_error_t *error =
        rd_kafka_produceva(p->rk, vus, headers ? ARRAY_LEN(vus) : ARRAY_LEN(vus) - 1);
    if (!error)
        return true;
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    if (headers)
        rd_kafka_headers_destroy(headers);
    return refuse(p, code, rec->topic, err);
}

bool producer_send(struct producer *p, const struct record_out *rec, void *opaque, struct err *err)
{
    return enqueue(p, rec, RD_KAFKA_MSG_F_COPY, opaque, err);
}

bool producer_send_owned(struct producer *p, const struct record_out *rec, void *opaque,
                         struct err *err)
{
    if (enqueue(p, rec, RD_KAFKA_MSG_F_FREE, opaque, err))
        return true;
    free((char *)rec->value.ptr);
    return false;
}

int producer_poll(struct producer *p, int64_t timeout_ms)
{
    int before = p->n_reports;
    kafka_wake_drain(p->wake_fd);
    if (p->rk)
        rd_kafka_poll(p->rk, kafka_timeout(timeout_ms));
    return p->n_reports - before;
}

int producer_fd(struct producer *p)
{
    return p->wake_fd;
}

size_t producer_queued(const struct producer *p)
{
    return p->rk ? (size_t)rd_kafka_outq_len(p->rk) : 0;
}

bool producer_flush(struct producer *p, int64_t timeout_ms)
{
    return !p->rk || rd_kafka_flush(p->rk, kafka_timeout(timeout_ms)) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

bool producer_is_connected(const struct producer *p)
{
    return kafka_link_is_up(&p->link) && !p->is_broken;
}
