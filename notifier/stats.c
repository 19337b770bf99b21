/* SPDX-License-Identifier: Apache-2.0 */
#include "stats.h"

const struct metric_row notifier_metric_rows[NOTIFIER_METRICS] = {
#define METRIC(id, name, type, labels, help) [NOTIFIER_##id] = {name, METRIC_##type, labels, help},
#include "notifier_metric.def"
#undef METRIC
};

void notifier_stats_init(struct stats *s)
{
    struct metrics *m = metrics_new(notifier_metric_rows, NOTIFIER_METRICS);
    *s = (struct stats){
        .metrics = m,
        .clients = metric_cell(m, NOTIFIER_CLIENTS),
        .slow = metric_cell(m, NOTIFIER_SLOW),
        .updates = metric_cell(m, NOTIFIER_UPDATES),
        .deliveries = metric_cell(m, NOTIFIER_DELIVERIES),
        .sent_bytes = metric_cell(m, NOTIFIER_SENT_BYTES),
        .delivery = metric_cell(m, NOTIFIER_DELIVERY),
        .lag = metric_cell(m, NOTIFIER_LAG),
        .stalled = metric_cell(m, NOTIFIER_STALLED),
        .stalls = metric_cell(m, NOTIFIER_STALLS),
        .ring_bytes = metric_cell(m, NOTIFIER_RING_BYTES),
        .ring_records = metric_cell(m, NOTIFIER_RING_RECORDS),
    };
}

void notifier_stats_done(struct stats *s)
{
    metrics_free(s->metrics);
    s->metrics = NULL;
}

void notifier_stats_count(struct stats *s, enum notifier_metric row, const char *label)
{
    metric_add(metric_cell(s->metrics, row, label), 1);
}
