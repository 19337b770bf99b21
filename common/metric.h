/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Counters, gauges and histograms, printed as Prometheus text. Any thread.
 *
 * Families are rows of a table, which also generates docs/metrics.md:
 *
 *   METRIC(REQUESTS, "postrider_ingest_requests_total", COUNTER, "provider,code", "Answers given.")
 *
 * A cell (one combination of label values) is made on its first use and lives as long as its set:
 * callers on a hot path keep the pointer. Histograms are in seconds with fixed buckets. */
#include <stdint.h>

#include "buf.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_row {
    const char *name; /* with unit and _total as Prometheus wants them */
    enum metric_type type;
    const char *labels; /* names separated by commas; "" for none */
    const char *help;
};

struct metrics;     /* a set of families */
struct metric_cell; /* one time series */

/* `rows` must outlive the set. Returns owned. */
struct metrics *metrics_new(const struct metric_row *rows, size_t n);
void metrics_free(struct metrics *m);
/* The cell of family `row` (index into rows) with these label values, as many C strings as the row
 * has labels. At most METRIC_CELLS_MAX cells a family; past it all further values share one cell
 * whose labels read "other", so that an outsider cannot grow us. */
#define METRIC_CELLS_MAX 512
struct metric_cell *metric_cell(struct metrics *m, size_t row, ...);
void metric_add(struct metric_cell *c, int64_t n);
void metric_set(struct metric_cell *c, int64_t value);
void metric_observe_us(struct metric_cell *c,
                       int64_t us);                /* histogram: a duration in microseconds */
int64_t metric_value(const struct metric_cell *c); /* counter or gauge: for tests and logs */
void metrics_format(struct metrics *m, struct buf *out);
void metrics_print_docs(const struct metric_row *rows, size_t n, struct buf *out);
