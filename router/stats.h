/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the router counts. */
#include "batch.h"
#include "metric.h"

enum router_metric {
#define METRIC(id, ...) ROUTER_METRIC_##id,
#include "router_metric.def"
#undef METRIC
    ROUTER_METRICS
};
extern const struct metric_row router_metric_rows[ROUTER_METRICS];

/* After its database commit. */
void router_count_batch(struct metrics *set, const struct batch *b, int64_t database_us);
