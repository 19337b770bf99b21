/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The api's metrics. Any thread. */
#include "metric.h"

enum api_metric {
#define METRIC(id, name, type, labels, help) API_METRIC_##id,
#include "api_metric.def"
#undef METRIC
    API_METRICS
};

extern const struct metric_row api_metric_rows[API_METRICS];
