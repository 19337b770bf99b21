/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "mem.h"

/* More partitions than any topic should have; Kafka names 4,000 for a whole broker. */
#define PARTITIONS_MAX 100000

struct probe {
    struct probe_opts opts;
    char *topic;
    uv_work_t work;
    struct consumer *consumer; /* of the thread while is_busy */
    struct err err;
    bool is_answered;
    int32_t n;
    int64_t *low, *high;
    bool is_busy;
    atomic_bool is_freed;
};

struct probe *notifier_probe_new(const struct probe_opts *opts)
{
    struct probe *p = xalloc(sizeof *p);
    p->opts = *opts;
    p->topic = xstrdup(opts->topic);
    p->work.data = p;
    return p;
}

static bool ask_ranges(struct probe *p, struct err *err)
{
    for (int32_t i = 0; i < p->n; i++) {
        if (atomic_load(&p->is_freed))
            return err_set(err, ERR_BUSY, "stopped");
        if (!consumer_range(p->consumer, p->topic, i, &p->low[i], &p->high[i], p->opts.timeout_ms,
                            err))
            return err_wrap(err, "partition %d", i);
    }
    return true;
}

static bool ask(struct probe *p, struct err *err)
{
    if (!p->consumer)
        p->consumer = consumer_new(
            &(struct consumer_opts){
                .kafka = p->opts.kafka,
                .read_committed = true, // the end of what was committed, not of what was written
                .queue_max_bytes = 1024 * 1024,
            },
            err);
    if (!p->consumer)
        return false;
    // Nothing is assigned: this only takes librdkafka's events off their queue.
    struct record none;
    struct err ignored = {0};
    (void)consumer_poll(p->consumer, &none, 1, 0, &ignored);

    int n = 0;
    if (!consumer_partitions(p->consumer, p->topic, &n, p->opts.timeout_ms, err))
        return false;
    if (n <= 0 || n > PARTITIONS_MAX)
        return err_set(err, ERR_ABSENT, "topic %s has %d partitions", p->topic, n);
    if (n != p->n) {
        p->n = n;
        p->low = xrealloc(p->low, (size_t)n * sizeof *p->low);
        p->high = xrealloc(p->high, (size_t)n * sizeof *p->high);
    }
    return ask_ranges(p, err);
}

static void on_thread(uv_work_t *work)
{
    struct probe *p = work->data;
    p->is_answered = ask(p, &p->err);
}

static void destroy(struct probe *p)
{
    consumer_free(p->consumer);
    free(p->topic);
    free(p->low);
    free(p->high);
    free(p);
}

static void on_done(uv_work_t *work, int status)
{
    (void)status; // nobody cancels it
    struct probe *p = work->data;
    p->is_busy = false;
    if (atomic_load(&p->is_freed)) {
        destroy(p);
        return;
    }
    const struct probe_answer answer = {.n = p->n, .low = p->low, .high = p->high};
    p->opts.on_answer(p->opts.ctx, &answer, p->is_answered ? NULL : &p->err);
}

void notifier_probe_ask(struct probe *p)
{
    if (p->is_busy)
        return;
    p->is_busy = true;
    int rc = uv_queue_work(p->opts.loop, &p->work, on_thread, on_done);
    assert(rc == 0); // only a missing function is refused
}

void notifier_probe_free(struct probe *p)
{
    if (!p)
        return;
    atomic_store(&p->is_freed, true);
    if (!p->is_busy)
        destroy(p);
}
