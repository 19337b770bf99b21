/* SPDX-License-Identifier: Apache-2.0 */
#include "stats.h"

const struct metric_row sender_metric_rows[SENDER_METRICS] = {
#define METRIC(id, name, type, labels, help) {name, METRIC_##type, labels, help},
#include "sender_metric.def"
#undef METRIC
};
