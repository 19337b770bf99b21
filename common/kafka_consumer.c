/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka_consumer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "mem.h"

#define MAX_POLL_INTERVAL_MS 300000
#define FETCH_MIN_BYTES      (1024 * 1024)

rd_kafka_t *consumer_handle(struct consumer *c)
{
    return c->rk;
}

/* --- rebalance ------------------------------------------------------------------------------ */

static void tell(struct consumer *c, void (*fn)(void *, const struct partition *, size_t),
                 const rd_kafka_topic_partition_list_t *list)
{
    if (!fn || list->cnt == 0)
        return;
    struct partition *parts = xalloc(sizeof *parts * (size_t)list->cnt);
    for (int i = 0; i < list->cnt; i++)
        parts[i] = (struct partition){list->elems[i].topic, list->elems[i].partition,
                                      list->elems[i].offset};
    fn(c->opts.ctx, parts, (size_t)list->cnt);
    free(parts);
}

/* What was fetched of partitions that are being lost is their next owner's to read. */
static void drop_records(struct consumer *c, const rd_kafka_topic_partition_list_t *list)
{
    int kept = 0;
    for (int i = 0; i < c->n_out; i++) {
        struct record *r = &c->out[i];
        if (rd_kafka_topic_partition_list_find((rd_kafka_topic_partition_list_t *)list, r->topic,
                                               r->partition))
            record_free(r);
        else
            c->out[kept++] = *r;
    }
    c->n_out = kept;
}

static void fail_later(struct consumer *c, rd_kafka_resp_err_t code, const char *what)
{
    if (c->has_failed)
        return;
    kafka_fail(&c->failure, c->rk, code, what);
    if (code == RD_KAFKA_RESP_ERR__FATAL)
        c->is_broken = true;
    // Being fenced is mended by reopen, which also tells when it no longer is.
    if (c->is_broken && c->failure.kind == ERR_CONFLICT)
        log_debug("consumer fenced", kv_c("why", c->failure.msg));
    else
        c->has_failed = true;
}

static void apply(struct consumer *c, rd_kafka_t *rk, rd_kafka_resp_err_t code,
                  rd_kafka_topic_partition_list_t *list)
{
    bool is_assign = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    if (strcmp(rd_kafka_rebalance_protocol(rk), "COOPERATIVE") == 0) {
        rd_kafka_error_t *error = is_assign ? rd_kafka_incremental_assign(rk, list)
                                            : rd_kafka_incremental_unassign(rk, list);
        if (error) {
            fail_later(c, rd_kafka_error_code(error), "rebalance");
            rd_kafka_error_destroy(error);
        }
        return;
    }
    rd_kafka_resp_err_t failed = rd_kafka_assign(rk, is_assign ? list : NULL);
    if (failed)
        fail_later(c, failed, "rebalance");
}

/* Served inside consumer_poll and consumer_free, on their thread. */
static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *ctx)
{
    struct consumer *c = ctx;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        apply(c, rk, code, list);
        // Starting to fetch is asynchronous; what arrives before the pause is discarded and fetched
        // again after it.
        if (c->is_paused)
            rd_kafka_pause_partitions(rk, list);
        tell(c, c->opts.on_assign, list);
        return;
    }
    drop_records(c, list);
    tell(c, c->opts.on_revoke, list);
    apply(c, rk, code, list);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *ctx)
{
    struct consumer *c = ctx;
    (void)rk, (void)reason;
    // Everything else librdkafka retries; consumer_is_connected tells of an outage.
    if (code == RD_KAFKA_RESP_ERR__FATAL || kafka_err_kind((rd_kafka_resp_err_t)code) == ERR_DENIED)
        fail_later(c, (rd_kafka_resp_err_t)code, "consume");
}

/* --- life ----------------------------------------------------------------------------------- */

static bool set_assignor(rd_kafka_conf_t *conf, const char *assignor, struct err *err)
{
    static const char *const known[] = {"range", "roundrobin", "cooperative-sticky"};
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcmp(assignor, known[i]) == 0)
            return kafka_conf_set(conf, "partition.assignment.strategy", assignor, err);
    }
    return err_set(err, ERR_INVALID, "assignor '%s': one of range, roundrobin, cooperative-sticky",
                   assignor);
}

static bool configure(const struct consumer_opts *o, rd_kafka_conf_t *conf, struct err *err)
{
    int64_t queue_kb = o->queue_max_bytes / 1024 + 1;
    int64_t fetch_bytes =
        o->queue_max_bytes > FETCH_MIN_BYTES ? o->queue_max_bytes : FETCH_MIN_BYTES;
    const struct kafka_setting settings[] = {
        {"queued.max.messages.kbytes", queue_kb},
        {"fetch.max.bytes", fetch_bytes + KAFKA_MESSAGE_MAX_BYTES},
        {"message.max.bytes", KAFKA_MESSAGE_MAX_BYTES},
        {"fetch.wait.max.ms", o->fetch_wait_ms > 0 ? o->fetch_wait_ms : 100},
        {"fetch.error.backoff.ms", 100},
        {"max.poll.interval.ms", MAX_POLL_INTERVAL_MS},
        {"session.timeout.ms", o->session_timeout_ms > 0 ? o->session_timeout_ms : 45000},
    };
    if (!kafka_conf_set_all(conf, settings, ARRAY_LEN(settings), err) ||
        !kafka_conf_set(conf, "auto.offset.reset", "earliest", err))
        return false;
    if (o->assignor && !set_assignor(conf, o->assignor, err))
        return false;
    if (!kafka_conf_properties(conf, &o->kafka, err))
        return false;
    if (o->group && o->instance_id &&
        !kafka_conf_set(conf, "group.instance.id", o->instance_id, err))
        return false;
    // librdkafka asks for a group id also of who never joins one.
    const char *unused_group = o->kafka.client_id ? o->kafka.client_id : "postrider";
    return kafka_conf_set(conf, "group.id", o->group ? o->group : unused_group, err) &&
           kafka_conf_set(conf, "enable.auto.commit", "false", err) &&
           kafka_conf_set(conf, "enable.auto.offset.store", "false", err) &&
           kafka_conf_set(conf, "enable.partition.eof", o->group ? "false" : "true", err) &&
           kafka_conf_set(conf, "isolation.level",
                          o->read_committed ? "read_committed" : "read_uncommitted", err);
}

static bool subscribe(struct consumer *c, struct err *err)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)c->opts.n_topics);
    for (size_t i = 0; i < c->opts.n_topics; i++)
        rd_kafka_topic_partition_list_add(list, c->opts.topics[i], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(c->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return !code || kafka_fail(err, c->rk, code, "subscribe");
}

static bool open_handle(struct consumer *c, struct err *err)
{
    rd_kafka_conf_t *conf = kafka_conf_new(&c->opts.kafka, &c->link, c, err);
    if (!conf)
        return false;
    if (!configure(&c->opts, conf, err)) {
        rd_kafka_conf_destroy(conf);
        return false;
    }
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_t *rk = kafka_open(RD_KAFKA_CONSUMER, conf, &c->link, err);
    if (!rk)
        return false;
    c->rk = rk;
    rd_kafka_poll_set_consumer(rk);
    c->queue = rd_kafka_queue_get_consumer(rk);
    kafka_wake_watch(c->queue, c->wake_fd);
    // With no topics it only asks about its group.
    return !c->has_group || c->opts.n_topics == 0 || subscribe(c, err);
}

static void close_queue(struct consumer *c)
{
    if (!c->queue)
        return;
    rd_kafka_queue_io_event_enable(c->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(c->queue);
    c->queue = NULL;
}

/* A static member is fenced when another process comes with its name, but now and then also when a
 * broker restarts in the middle of a join. librdkafka ends the consumer for good; we start anew. */
static bool reopen(struct consumer *c, struct err *err)
{
    if (c->n_fenced == FENCED_MAX)
        return err_set(err, ERR_CONFLICT,
                       "fenced %d times: is '%s' the instance name of two processes?", FENCED_MAX,
                       c->opts.instance_id ? c->opts.instance_id : "");
    rd_kafka_t *old = c->rk;
    close_queue(c);
    c->reopen_ms = clock_ms() + FENCED_PAUSE_MS;
    bool ok = open_handle(c, err);
    if (c->rk != old)
        c->fenced[c->n_fenced++] = old;
    c->is_broken = !ok;
    return ok;
}

static char *dup_text(const char *s)
{
    return s ? xstrdup(s) : NULL;
}

static void copy_opts(struct consumer_opts *to, const struct consumer_opts *from)
{
    *to = *from;
    to->kafka.brokers = dup_text(from->kafka.brokers);
    to->kafka.properties = dup_text(from->kafka.properties);
    to->kafka.client_id = dup_text(from->kafka.client_id);
    to->group = dup_text(from->group);
    to->instance_id = dup_text(from->instance_id);
    to->assignor = dup_text(from->assignor);
    const char **topics = xalloc(sizeof *topics * (from->n_topics + 1));
    for (size_t i = 0; i < from->n_topics; i++)
        topics[i] = xstrdup(from->topics[i]);
    to->topics = topics;
}

static void free_opts(struct consumer_opts *o)
{
    for (size_t i = 0; i < o->n_topics; i++)
        free((char *)o->topics[i]);
    free((void *)o->topics);
    free((char *)o->kafka.brokers);
    free((char *)o->kafka.properties);
    free((char *)o->kafka.client_id);
    free((char *)o->group);
    free((char *)o->instance_id);
    free((char *)o->assignor);
}

struct consumer *consumer_new(const struct consumer_opts *opts, struct err *err)
{
    struct consumer *c = xalloc(sizeof *c);
    copy_opts(&c->opts, opts);
    c->has_group = opts->group != NULL;
    c->wake_fd = kafka_wake_open(err);
    if (c->wake_fd >= 0 && open_handle(c, err))
        return c;
    consumer_free(c);
    return NULL;
}

void consumer_free(struct consumer *c)
{
    if (!c)
        return;
    if (c->rk) {
        // To take leave needs a broker; without one the session's end does it.
        bool takes_leave = c->has_group && consumer_is_connected(c) && !c->is_broken;
        if (takes_leave)
            rd_kafka_consumer_close(c->rk);
        close_queue(c);
        rd_kafka_destroy_flags(c->rk, takes_leave ? 0 : RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    }
    for (size_t i = 0; i < c->n_fenced; i++)
        rd_kafka_destroy_flags(c->fenced[i], RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    free_opts(&c->opts);
    if (c->start)
        rd_kafka_topic_partition_list_destroy(c->start);
    if (c->wake_fd >= 0)
        close(c->wake_fd);
    free(c);
}

/* --- reading -------------------------------------------------------------------------------- */

static bool is_transient(rd_kafka_resp_err_t code)
{
    // After too long a pause between polls the group is joined again by itself.
    return code == RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED ||
           code == RD_KAFKA_RESP_ERR__PARTITION_EOF || kafka_err_kind(code) == ERR_BUSY;
}

static void note_place(const struct consumer *c, const rd_kafka_message_t *message)
{
    if (c->has_group || !message->rkt ||
        (message->err && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF))
        return;
    rd_kafka_topic_partition_t *at =
        consumer_place(c, rd_kafka_topic_name(message->rkt), message->partition);
    // The end's offset is already the next one to read.
    int64_t next = message->err ? message->offset : message->offset + 1;
    if (at && next > at->offset)
        at->offset = next;
}

static void take(struct consumer *c, rd_kafka_message_t *message)
{
    note_place(c, message);
    if (message->err) {
        if (!is_transient(message->err))
            fail_later(c, message->err,
                       message->rkt ? rd_kafka_topic_name(message->rkt) : "consume");
        rd_kafka_message_destroy(message);
        return;
    }
    c->out[c->n_out++] = (struct record){
        .topic = rd_kafka_topic_name(message->rkt),
        .partition = message->partition,
        .offset = message->offset,
        .timestamp_at_ms = rd_kafka_message_timestamp(message, NULL),
        .key = {message->key, message->key_len},
        .value = {message->payload, message->len},
        .handle = message,
    };
}

int consumer_poll(struct consumer *c, struct record *out, int max, int64_t timeout_ms,
                  struct err *err)
{
    int64_t until_ms = clock_ms() + timeout_ms;
    if (c->is_broken && !c->has_failed && clock_ms() >= c->reopen_ms && !reopen(c, err))
        return -1;
    c->out = out;
    c->n_out = 0;
    kafka_wake_drain(c->wake_fd);
    // One at a time: librdkafka's batch call would wait for the batch to fill, and mix records from
    // before a rebalance with those after it.
    while (c->n_out < max) {
        int64_t left_ms = c->n_out || c->has_failed ? 0 : until_ms - clock_ms();
        rd_kafka_message_t *message = rd_kafka_consumer_poll(c->rk, kafka_timeout(left_ms));
        if (message)
            take(c, message);
        else if (c->n_out || c->has_failed || left_ms <= 0)
            break;
    }
    // The descriptor tells of the first event only, and more may be waiting.
    if (c->n_out == max || c->has_failed)
        kafka_wake_again(c->wake_fd);
    int n = c->n_out;
    c->out = NULL;
    c->n_out = 0;
    if (n == 0 && c->has_failed) {
        *err = c->failure;
        c->has_failed = false;
        return -1;
    }
    return n;
}

int consumer_fd(struct consumer *c)
{
    return c->wake_fd;
}

void record_free(struct record *r)
{
    if (r->handle)
        rd_kafka_message_destroy(r->handle);
    r->handle = NULL;
}

struct str record_header(const struct record *r, const char *name)
{
    rd_kafka_headers_t *headers = NULL;
    const void *value = NULL;
    size_t len = 0;
    if (!r->handle || rd_kafka_message_headers(r->handle, &headers) ||
        rd_kafka_header_get_last(headers, name, &value, &len))
        return STR_NONE;
    return (struct str){value, len};
}
