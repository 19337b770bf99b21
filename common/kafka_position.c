/* SPDX-License-Identifier: Apache-2.0 */
/* Where a consumer is: pause, seek, commit, lag. */
#include <assert.h>
#include <string.h>

#include "clock.h"
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

/* Where each partition begins or ends (RD_KAFKA_OFFSET_BEGINNING or _END), asked of all leaders at
 * once. Takes nothing; *list's offsets are what is found. */
static bool ask_edge(struct consumer *c, rd_kafka_topic_partition_list_t *list, int64_t edge,
                     int64_t timeout_ms, struct err *err)
{
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = edge;
    // ListOffsets takes these two in the place of a time.
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(c->rk, list, kafka_timeout(timeout_ms));
    if (!code)
        code = kafka_list_error(list);
    return !code || kafka_fail(err, c->rk, code, "read where partitions begin and end");
}

static bool ask_committed(struct consumer *c, rd_kafka_topic_partition_list_t *list,
                          int64_t timeout_ms, struct err *err)
{
    rd_kafka_resp_err_t code = rd_kafka_committed(c->rk, list, kafka_timeout(timeout_ms));
    if (!code)
        code = kafka_list_error(list);
    return !code || kafka_fail(err, c->rk, code, "read committed positions");
}

bool consumer_behind(struct consumer *c, const char *topic, int64_t *behind, int max, int *n,
                     int64_t timeout_ms, struct err *err)
{
    int64_t until_ms = clock_ms() + timeout_ms;
    int found = 0;
    if (!consumer_partitions(c, topic, &found, timeout_ms, err))
        return false;
    if (found > max)
        return err_set(err, ERR_LIMITED, "%s has %d partitions: more than %d are not looked at",
                       topic, found, max);
    rd_kafka_topic_partition_list_t *low = rd_kafka_topic_partition_list_new(found);
    rd_kafka_topic_partition_list_add_range(low, topic, 0, found - 1);
    rd_kafka_topic_partition_list_t *high = rd_kafka_topic_partition_list_copy(low);
    rd_kafka_topic_partition_list_t *at = rd_kafka_topic_partition_list_copy(low);
    // The position first: what comes meanwhile then only makes it look further behind.
    bool ok = ask_committed(c, at, until_ms - clock_ms(), err) &&
              ask_edge(c, low, RD_KAFKA_OFFSET_BEGINNING, until_ms - clock_ms(), err) &&
              ask_edge(c, high, RD_KAFKA_OFFSET_END, until_ms - clock_ms(), err);
    for (int i = 0; ok && i < found; i++) {
        int64_t first = low->elems[i].offset, next = at->elems[i].offset;
        behind[i] = high->elems[i].offset - (next > first ? next : first);
    }
    rd_kafka_topic_partition_list_destroy(low);
    rd_kafka_topic_partition_list_destroy(high);
    rd_kafka_topic_partition_list_destroy(at);
    if (ok)
        *n = found;
    return ok;
}
