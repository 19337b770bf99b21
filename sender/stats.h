/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the sender counts. */
#include "metric.h"

enum sender_metric {
#define METRIC(id, ...) SENDER_METRIC_##id,
#include "sender_metric.def"
#undef METRIC
    SENDER_METRICS
};
extern const struct metric_row sender_metric_rows[SENDER_METRICS];
