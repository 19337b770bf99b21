/* SPDX-License-Identifier: Apache-2.0 */
#include "stats.h"

const struct metric_row api_metric_rows[API_METRICS] = {
#define METRIC(id, name, type, labels, help) \
    [API_METRIC_##id] = {name, METRIC_##type, labels, help},
#include "api_metric.def"
#undef METRIC
};
