/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The notifier's metrics: rows from notifier_metric.def, and the cells that hot paths keep. */
#include <stddef.h>

#include "metric.h"

enum notifier_metric {
#define METRIC(id, name, type, labels, help) NOTIFIER_##id,
#include "notifier_metric.def"
#undef METRIC
    NOTIFIER_METRICS
};

extern const struct metric_row notifier_metric_rows[NOTIFIER_METRICS];

struct stats {
    struct metrics *metrics;
    struct metric_cell *clients, *slow, *updates, *deliveries, *sent_bytes, *delivery, *lag,
        *stalled, *stalls, *ring_bytes, *ring_records;
};

void notifier_stats_init(struct stats *s);
void notifier_stats_done(struct stats *s);
/* Families with one label. */
void notifier_stats_count(struct stats *s, enum notifier_metric row, const char *label);
