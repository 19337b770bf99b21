/* SPDX-License-Identifier: Apache-2.0 */
/* Topics: create what is missing, tell what differs; partitions and their ranges. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "kafka_consumer.h"
#include "mem.h"

#define TOPICS_MAX     64
#define AWAIT_PAUSE_MS 50

/* Partitions of a topic; 0: no such topic. */
static bool count_partitions(rd_kafka_t *rk, const char *topic, int *n, int64_t timeout_ms,
                             struct err *err)
{
    rd_kafka_topic_t *handle = rd_kafka_topic_new(rk, topic, NULL);
    if (!handle)
        return kafka_fail(err, rk, rd_kafka_last_error(), topic);
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code =
        rd_kafka_metadata(rk, 0, handle, &metadata, kafka_timeout(timeout_ms));
    int found = 0;
    if (!code && metadata->topic_cnt == 1) {
        code = metadata->topics[0].err;
        found = metadata->topics[0].partition_cnt;
    }
    if (metadata)
        rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(handle);
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
        *n = 0;
        return true;
    }
    if (code)
        return kafka_fail(err, rk, code, topic);
    *n = found;
    return true;
}

bool consumer_partitions(struct consumer *c, const char *topic, int *n, int64_t timeout_ms,
                         struct err *err)
{
    int found = 0;
    if (!count_partitions(consumer_handle(c), topic, &found, timeout_ms, err))
        return false;
    if (found == 0)
        return err_set(err, ERR_ABSENT, "no topic '%s': create it with 'postrider topics'", topic);
    *n = found;
    return true;
}

bool consumer_range(struct consumer *c, const char *topic, int32_t partition, int64_t *low,
                    int64_t *high, int64_t timeout_ms, struct err *err)
{
    int64_t lo = 0, hi = 0;
    rd_kafka_t *rk = consumer_handle(c);
    rd_kafka_resp_err_t code =
        rd_kafka_query_watermark_offsets(rk, topic, partition, &lo, &hi, kafka_timeout(timeout_ms));
    if (code) {
        kafka_fail(err, rk, code, "range");
        return err_wrap(err, "%s[%" PRId32 "]", topic, partition);
    }
    *low = lo;
    *high = hi;
    return true;
}

static bool set_topic_config(rd_kafka_NewTopic_t *topic, const char *name, int64_t value,
                             struct err *err)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRId64, value);
    rd_kafka_resp_err_t code = rd_kafka_NewTopic_set_config(topic, name, text);
    return !code || kafka_fail(err, NULL, code, name);
}

static rd_kafka_NewTopic_t *describe(const struct topic_spec *spec, struct err *err)
{
    char text[256] = "";
    rd_kafka_NewTopic_t *topic =
        rd_kafka_NewTopic_new(spec->name, spec->partitions, spec->replication, text, sizeof text);
    if (!topic) {
        err_set(err, ERR_INVALID, "topic '%s': %s", spec->name, text);
        return NULL;
    }
    rd_kafka_resp_err_t code = rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "delete");
    if (code)
        kafka_fail(err, NULL, code, "cleanup.policy");
    if (!code && set_topic_config(topic, "retention.ms", spec->retention_ms, err) &&
        set_topic_config(topic, "max.message.bytes", KAFKA_MESSAGE_MAX_BYTES, err))
        return topic;
    rd_kafka_NewTopic_destroy(topic);
    return NULL;
}

/* The broker's answer for one topic. */
static bool created(rd_kafka_event_t *event, const char *name, struct err *err)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    const char *text = rd_kafka_event_error_string(event);
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    size_t n = 0;
    const rd_kafka_topic_result_t **topics =
        !code && result ? rd_kafka_CreateTopics_result_topics(result, &n) : NULL;
    if (n == 1) {
        code = rd_kafka_topic_result_error(topics[0]);
        text = rd_kafka_topic_result_error_string(topics[0]);
    }
    // Somebody else was faster.
    if (!code || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return true;
    return err_set(err, kafka_err_kind(code), "create topic '%s': %s", name,
                   text ? text : rd_kafka_err2str(code));
}

static bool create(rd_kafka_t *rk, const struct topic_spec *spec, int64_t timeout_ms,
                   struct err *err)
{
    rd_kafka_NewTopic_t *topic = describe(spec, err);
    if (!topic)
        return false;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    char text[128];
    rd_kafka_AdminOptions_set_request_timeout(options, kafka_timeout(timeout_ms), text,
                                              sizeof text);
    rd_kafka_AdminOptions_set_operation_timeout(options, kafka_timeout(timeout_ms), text,
                                                sizeof text);
    rd_kafka_CreateTopics(rk, &topic, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, kafka_timeout(timeout_ms) + 1000);
    bool ok =
        event ? created(event, spec->name, err)
              : err_set(err, ERR_BUSY, "create topic '%s': no answer from the brokers", spec->name);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(topic);
    return ok;
}

/* A broker knows of a new topic a moment after the controller has made it; whoever reads it before
 * that is told that there is none. */
static bool await_topic(rd_kafka_t *rk, const struct topic_spec *spec, int64_t until_ms,
                        struct err *err)
{
    int n = 0;
    while (count_partitions(rk, spec->name, &n, until_ms - clock_ms(), err)) {
        if (n >= spec->partitions)
            return true;
        if (clock_ms() >= until_ms)
            return err_set(err, ERR_BUSY, "topic '%s' was created, but no broker knows it yet",
                           spec->name);
        rd_kafka_poll(rk, AWAIT_PAUSE_MS);
    }
    return false;
}

static bool check_or_create(rd_kafka_t *rk, const struct topic_spec *spec, bool check_only,
                            enum topic_state *state, int64_t until_ms, struct err *err)
{
    int n = 0;
    if (!count_partitions(rk, spec->name, &n, until_ms - clock_ms(), err))
        return false;
    if (n > 0) {
        *state = n < spec->partitions   ? TOPIC_FEWER_PARTITIONS
                 : n > spec->partitions ? TOPIC_MORE_PARTITIONS
                                        : TOPIC_OK;
        return true;
    }
    if (check_only) {
        *state = TOPIC_MISSING;
        return true;
    }
    if (!create(rk, spec, until_ms - clock_ms(), err) || !await_topic(rk, spec, until_ms, err))
        return false;
    *state = TOPIC_CREATED;
    return true;
}

bool kafka_topics(const struct kafka_opts *opts, const struct topic_spec *specs, size_t n,
                  bool check_only, enum topic_state *states, int64_t timeout_ms, struct err *err)
{
    if (n > TOPICS_MAX)
        return err_set(err, ERR_LIMITED, "%zu topics at once, at most %d", n, TOPICS_MAX);
    struct kafka_link link = {0};
    rd_kafka_conf_t *conf = kafka_conf_new(opts, &link, NULL, err);
    if (!conf)
        return false;
    if (!kafka_conf_properties(conf, opts, err)) {
        rd_kafka_conf_destroy(conf);
        return false;
    }
    rd_kafka_t *rk = kafka_open(RD_KAFKA_PRODUCER, conf, &link, err);
    if (!rk)
        return false;
    enum topic_state found[TOPICS_MAX] = {0};
    int64_t until_ms = clock_ms() + timeout_ms;
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++)
        ok = check_or_create(rk, &specs[i], check_only, &found[i], until_ms, err);
    rd_kafka_destroy(rk);
    if (ok && n > 0)
        memcpy(states, found, n * sizeof *states);
    return ok;
}
