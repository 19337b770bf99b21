/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What ingest counts. The set of metrics is shared by all threads; a `stats` is one thread's memory
 * of the cells it has used, so that the hot path looks nothing up. */
#include "metric.h"

enum ingest_metric {
#define METRIC(id, ...) INGEST_METRIC_##id,
#include "ingest_metric.def"
#undef METRIC
    INGEST_METRICS
};
extern const struct metric_row ingest_metric_rows[INGEST_METRICS];

#define INGEST_PROVIDERS_MAX 16
#define INGEST_NO_PROVIDER   (INGEST_PROVIDERS_MAX) /* index of the row for unknown paths */

struct ingest_stats;

/* Borrows `set`. Returns owned. */
struct ingest_stats *ingest_stats_new(struct metrics *set);
void ingest_stats_free(struct ingest_stats *s);
/* `provider` is the index as in provider_at(). */
void ingest_count_answer(struct ingest_stats *s, size_t provider, int status);
void ingest_count_body(struct ingest_stats *s, size_t provider, size_t n_bytes);
void ingest_count_units(struct ingest_stats *s, size_t provider, size_t n);
void ingest_count_empty(struct ingest_stats *s, size_t provider);
void ingest_count_quarantined(struct ingest_stats *s, size_t provider, const char *reason);
void ingest_count_delivery(struct ingest_stats *s, int64_t us);
void ingest_count_in_flight(struct ingest_stats *s, int64_t change);
void ingest_count_undelivered(struct ingest_stats *s);
void ingest_count_late(struct ingest_stats *s);
void ingest_count_connected(struct ingest_stats *s, int64_t change);
