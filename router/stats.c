/* SPDX-License-Identifier: Apache-2.0 */
#include "stats.h"

const struct metric_row router_metric_rows[ROUTER_METRICS] = {
#define METRIC(id, name, type, labels, help) {name, METRIC_##type, labels, help},
#include "router_metric.def"
#undef METRIC
};

#define PROVIDERS_MAX 16
#define KINDS         (EVENT_UNKNOWN + 1)

static size_t provider_index(const struct provider *p)
{
    size_t i = 0;
    while (i < PROVIDERS_MAX - 1 && provider_at(i) && provider_at(i) != p)
        i++;
    return i;
}

/* Counted in the batch first, so that a metric is looked up once per batch and not once per event.
 */
static void count_events(struct metrics *set, const struct batch *b)
{
    int64_t n[PROVIDERS_MAX][KINDS][OUTCOMES] = {0};
    for (size_t i = 0; i < b->n_jobs; i++) {
        const struct job *job = &b->jobs[i];
        if (job->event)
            n[provider_index(job->item->adapter)][job->event->kind][job->outcome]++;
    }
    for (size_t p = 0; p < PROVIDERS_MAX && provider_at(p); p++)
        for (int kind = 0; kind < KINDS; kind++)
            for (int outcome = 0; outcome < OUTCOMES; outcome++)
                if (n[p][kind][outcome])
                    metric_add(metric_cell(set, ROUTER_METRIC_EVENTS, provider_at(p)->name,
                                           event_kind_name((enum event_kind)kind),
                                           router_outcome_name((enum event_outcome)outcome)),
                               n[p][kind][outcome]);
}

static const char *source_name(enum source s)
{
    static const enum topic topics[] = {[SOURCE_INBOUND] = TOPIC_INBOUND,
                                        [SOURCE_RESULTS] = TOPIC_RESULTS,
                                        [SOURCE_QUARANTINE] = TOPIC_QUARANTINE};
    return topic_name(topics[s]);
}

void router_count_batch(struct metrics *set, const struct batch *b, int64_t database_us)
{
    for (size_t i = 0; i < b->n_items; i++) {
        const struct item *it = &b->items[i];
        metric_add(metric_cell(set, ROUTER_METRIC_RECORDS, source_name(it->source)), 1);
        if (it->reason && it->source != SOURCE_QUARANTINE)
            metric_add(metric_cell(set, ROUTER_METRIC_PARKED,
                                   it->adapter ? it->adapter->name : "none", it->reason),
                       1);
    }
    count_events(set, b);
    metric_add(metric_cell(set, ROUTER_METRIC_BATCHES), 1);
    metric_observe_us(metric_cell(set, ROUTER_METRIC_DATABASE), database_us);
}
