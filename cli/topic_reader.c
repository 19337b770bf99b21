/* SPDX-License-Identifier: Apache-2.0 */
#include "topic_reader.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "topic_specs.h"

#define TIMEOUT_MS      15000
#define QUEUE_MAX_BYTES (8 << 20)
#define PARTITIONS_MAX  1000

bool reader_from_parse(const char *text, enum reader_from *from, int64_t *offset, struct err *err)
{
    int64_t n = 0;
    if (strcmp(text, "beginning") == 0)
        *from = READ_BEGINNING;
    else if (strcmp(text, "end") == 0)
        *from = READ_END;
    else if (str_i64(str_of(text), &n) && n >= 0)
        *from = READ_OFFSET;
    else
        return err_set(err, ERR_INVALID, "from '%.32s': want beginning, end, or an offset", text);
    *offset = n;
    return true;
}

static bool add_topic(struct topic_reader *r, struct partition *starts, const char *name,
                      enum reader_from from, int64_t offset, struct err *err)
{
    int n;
    if (!consumer_partitions(r->consumer, name, &n, TIMEOUT_MS, err))
        return false;
    if (r->n_parts + (size_t)n > PARTITIONS_MAX)
        return err_set(err, ERR_LIMITED, "more than %d partitions", PARTITIONS_MAX);
    for (int i = 0; i < n; i++) {
        int64_t low, high;
        if (!consumer_range(r->consumer, name, i, &low, &high, TIMEOUT_MS, err))
            return err_wrap(err, "topic %s, partition %d", name, i);
        int64_t start = from == READ_BEGINNING ? low : from == READ_END ? high : offset;
        start = start < low ? low : start > high ? high : start;
        starts[r->n_parts] = (struct partition){.topic = name, .partition = i, .offset = start};
        r->parts[r->n_parts++] = (struct partition){.topic = name, .partition = i, .offset = high};
    }
    return true;
}

bool topic_reader_open(struct topic_reader *r, const struct cli_conf *conf,
                       const char *const *names, size_t n_names, enum reader_from from,
                       int64_t offset, struct err *err)
{
    *r = (struct topic_reader){0};
    r->consumer = consumer_new(&(struct consumer_opts){.kafka = kafka_opts_of(conf),
                                                       .read_committed = true,
                                                       .fetch_wait_ms = 10,
                                                       .queue_max_bytes = QUEUE_MAX_BYTES,
                                                       .session_timeout_ms = 30000},
                               err);
    if (!r->consumer)
        return err_wrap(err, "Kafka at %s", conf->kafka_brokers);
    struct partition *starts = xalloc(sizeof *starts * PARTITIONS_MAX);
    r->parts = xalloc(sizeof *r->parts * PARTITIONS_MAX);
    bool ok = true;
    for (size_t i = 0; ok && i < n_names; i++)
        ok = add_topic(r, starts, names[i], from, offset, err);
    ok = ok && consumer_assign(r->consumer, starts, r->n_parts, err);
    free(starts);
    if (!ok)
        topic_reader_close(r);
    return ok;
}

void topic_reader_close(struct topic_reader *r)
{
    if (r->consumer)
        consumer_free(r->consumer);
    free(r->parts);
    *r = (struct topic_reader){0};
}
