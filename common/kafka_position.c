/* SPDX-License-Identifier: Apache-2.0 */
/* Where a consumer is: pause, seek, commit, lag. */
#include <assert.h>
#include <string.h>

#include "kafka_consumer.h"

#define REQUEST_TIMEOUT_MS 10000
#define LAG_TIMEOUT_MS     1000

rd_kafka_topic_partition_t *consumer_place(const struct consumer *c, const char *topic,
                                           int32_t partition)
{
    for (int i = 0; c->start && i < c->start->cnt; i++) {
        rd_kafka_topic_partition_t *part = &c->start->elems[i];
        if (part->partition == partition && strcmp(part->topic, topic) == 0)
            return part;
    }
    return NULL;
}

static void set_paused(struct consumer *c, bool is_paused)
{
    c->is_paused = is_paused;
    rd_kafka_topic_partition_list_t *list = NULL;
    if (rd_kafka_assignment(c->rk, &list) || !list)
        return;
    if (list->cnt > 0 && is_paused)
        rd_kafka_pause_partitions(c->rk, list);
    else if (list->cnt > 0)
        rd_kafka_resume_partitions(c->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
}

void consumer_pause(struct consumer *c)
{
    set_paused(c, true);
}

void consumer_resume(struct consumer *c)
{
    set_paused(c, false);
}

/* librdkafka before 2.1 took the timeout of a seek for microseconds. */
static int seek_timeout(void)
{
    return rd_kafka_version() < 0x02010000 ? REQUEST_TIMEOUT_MS * 1000 : REQUEST_TIMEOUT_MS;
}

static bool seek_list(struct consumer *c, rd_kafka_topic_partition_list_t *list, struct err *err)
{
    if (list->cnt == 0)
        return true;
    rd_kafka_error_t *error = rd_kafka_seek_partitions(c->rk, list, seek_timeout());
    if (error)
        return kafka_fail_error(err, c->rk, error, "seek");
    rd_kafka_resp_err_t code = kafka_list_error(list);
    return !code || kafka_fail(err, c->rk, code, "seek");
}

bool consumer_seek(struct consumer *c, const struct partition *parts, size_t n, struct err *err)
{
    rd_kafka_topic_partition_list_t *list = kafka_list(parts, n);
    bool ok = seek_list(c, list, err);
    rd_kafka_topic_partition_list_destroy(list);
    return ok;
}

bool consumer_rewind(struct consumer *c, struct err *err)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    rd_kafka_resp_err_t code = rd_kafka_assignment(c->rk, &list);
    if (code || !list)
        return kafka_fail(err, c->rk, code, "rewind");
    if (list->cnt > 0)
        code = rd_kafka_committed(c->rk, list, REQUEST_TIMEOUT_MS);
    if (!code)
        code = kafka_list_error(list);
    for (int i = 0; i < list->cnt; i++) {
        if (list->elems[i].offset < 0)
            list->elems[i].offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    bool ok = code ? kafka_fail(err, c->rk, code, "rewind to the committed positions")
                   : seek_list(c, list, err);
    rd_kafka_topic_partition_list_destroy(list);
    return ok;
}

bool consumer_assign(struct consumer *c, const struct partition *parts, size_t n, struct err *err)
{
    assert(!c->has_group);
    rd_kafka_topic_partition_list_t *list = kafka_list(parts, n);
    rd_kafka_resp_err_t code = rd_kafka_assign(c->rk, list);
    if (code) {
        rd_kafka_topic_partition_list_destroy(list);
        return kafka_fail(err, c->rk, code, "assign partitions");
    }
    if (c->is_paused)
        rd_kafka_pause_partitions(c->rk, list);
    if (c->start)
        rd_kafka_topic_partition_list_destroy(c->start);
    c->start = list;
    return true;
}

bool consumer_commit(struct consumer *c, const struct partition *parts, size_t n, struct err *err)
{
    if (n == 0)
        return true;
    rd_kafka_topic_partition_list_t *list = kafka_list(parts, n);
    rd_kafka_resp_err_t code = rd_kafka_commit(c->rk, list, false);
    if (!code)
        code = kafka_list_error(list);
    rd_kafka_topic_partition_list_destroy(list);
    return !code || kafka_fail(err, c->rk, code, "commit positions");
}

bool consumer_is_connected(const struct consumer *c)
{
    return kafka_link_is_up(&c->link);
}

/* Where nothing has been read yet, the next record is the committed one, or the start's. */
static void fill_unread(struct consumer *c, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_topic_partition_list_t *unread = rd_kafka_topic_partition_list_new(list->cnt);
    for (int i = 0; i < list->cnt; i++) {
        if (list->elems[i].offset < 0)
            rd_kafka_topic_partition_list_add(unread, list->elems[i].topic,
                                              list->elems[i].partition);
    }
    const rd_kafka_topic_partition_list_t *known = c->start;
    if (c->has_group && unread->cnt > 0 && !rd_kafka_committed(c->rk, unread, LAG_TIMEOUT_MS))
        known = unread;
    for (int i = 0; known && i < list->cnt; i++) {
        rd_kafka_topic_partition_t *part = &list->elems[i];
        const rd_kafka_topic_partition_t *k = rd_kafka_topic_partition_list_find(
            (rd_kafka_topic_partition_list_t *)known, part->topic, part->partition);
        if (k && !k->err && part->offset < k->offset)
            part->offset = k->offset;
    }
    rd_kafka_topic_partition_list_destroy(unread);
}

static int64_t sum_lag(struct consumer *c, const rd_kafka_topic_partition_list_t *list)
{
    int64_t sum = 0;
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *part = &list->elems[i];
        int64_t low = -1, high = -1;
        if (rd_kafka_get_watermark_offsets(c->rk, part->topic, part->partition, &low, &high) ||
            high < 0)
            return -1;
        int64_t next = part->offset >= 0 ? part->offset : low > 0 ? low : 0;
        if (high > next)
            sum += high - next;
    }
    return sum;
}

int64_t consumer_lag(struct consumer *c)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    if (rd_kafka_assignment(c->rk, &list) || !list)
        return -1;
    int64_t lag = -1;
    if (list->cnt == 0) {
        lag = 0;
    } else if (!rd_kafka_position(c->rk, list)) {
        fill_unread(c, list);
        lag = sum_lag(c, list);
    }
    rd_kafka_topic_partition_list_destroy(list);
    return lag;
}

int64_t consumer_position(const struct consumer *c, const char *topic, int32_t partition)
{
    const rd_kafka_topic_partition_t *at = consumer_place(c, topic, partition);
    return at ? at->offset : -1;
}

bool consumer_committed(struct consumer *c, const char *topic, int32_t partition, int64_t *offset,
                        int64_t timeout_ms, struct err *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition);
    rd_kafka_resp_err_t code = rd_kafka_committed(c->rk, list, (int)timeout_ms);
    if (!code)
        code = kafka_list_error(list);
    *offset = list->elems[0].offset >= 0 ? list->elems[0].offset : -1;
    rd_kafka_topic_partition_list_destroy(list);
    return !code || kafka_fail(err, c->rk, code, "read a committed position");
}
