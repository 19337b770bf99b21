/* SPDX-License-Identifier: Apache-2.0 */
#include "stats.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "mem.h"
#include "provider.h"

const struct metric_row ingest_metric_rows[INGEST_METRICS] = {
#define METRIC(id, name, type, labels, help) {name, METRIC_##type, labels, help},
#include "ingest_metric.def"
#undef METRIC
};

/* Answers that ingest gives; the last row stands for any other. */
static const int codes[] = {200, 400, 401, 403, 404, 405, 413, 429, 500, 503, 0};
#define CODES ARRAY_LEN(codes)

struct provider_cells {
    const char *name;
    struct metric_cell *answers[CODES];
    struct metric_cell *bytes, *units, *empty;
};

struct ingest_stats {
    struct metrics *set;
    struct provider_cells providers[INGEST_PROVIDERS_MAX + 1];
    struct metric_cell *delivery, *in_flight, *undelivered, *late, *connected;
};

struct ingest_stats *ingest_stats_new(struct metrics *set)
{
    struct ingest_stats *s = xalloc(sizeof *s);
    s->set = set;
    for (size_t i = 0; provider_at(i); i++) {
        assert(i < INGEST_PROVIDERS_MAX);
        struct provider_cells *p = &s->providers[i];
        p->name = provider_at(i)->name;
        p->bytes = metric_cell(set, INGEST_METRIC_BODY_BYTES, p->name);
        p->units = metric_cell(set, INGEST_METRIC_UNITS, p->name);
        p->empty = metric_cell(set, INGEST_METRIC_EMPTY, p->name);
    }
    s->providers[INGEST_NO_PROVIDER].name = "none";
    s->delivery = metric_cell(set, INGEST_METRIC_DELIVERY);
    s->in_flight = metric_cell(set, INGEST_METRIC_IN_FLIGHT);
    s->undelivered = metric_cell(set, INGEST_METRIC_UNDELIVERED);
    s->late = metric_cell(set, INGEST_METRIC_LATE);
    s->connected = metric_cell(set, INGEST_METRIC_CONNECTED);
    return s;
}

void ingest_stats_free(struct ingest_stats *s)
{
    free(s);
}

void ingest_count_answer(struct ingest_stats *s, size_t provider, int status)
{
    struct provider_cells *p = &s->providers[provider];
    size_t i = 0;
    while (i < CODES - 1 && codes[i] != status)
        i++;
    if (!p->answers[i]) {
        char text[16];
        (void)snprintf(text, sizeof text, "%d", codes[i]);
        p->answers[i] =
            metric_cell(s->set, INGEST_METRIC_REQUESTS, p->name, codes[i] ? text : "other");
    }
    metric_add(p->answers[i], 1);
}

void ingest_count_body(struct ingest_stats *s, size_t provider, size_t n_bytes)
{
    metric_add(s->providers[provider].bytes, (int64_t)n_bytes);
}

void ingest_count_units(struct ingest_stats *s, size_t provider, size_t n)
{
    metric_add(s->providers[provider].units, (int64_t)n);
}

void ingest_count_empty(struct ingest_stats *s, size_t provider)
{
    metric_add(s->providers[provider].empty, 1);
}

void ingest_count_quarantined(struct ingest_stats *s, size_t provider, const char *reason)
{
    metric_add(metric_cell(s->set, INGEST_METRIC_QUARANTINED, s->providers[provider].name, reason),
               1);
}

void ingest_count_delivery(struct ingest_stats *s, int64_t us)
{
    metric_observe_us(s->delivery, us);
}

void ingest_count_in_flight(struct ingest_stats *s, int64_t change)
{
    metric_add(s->in_flight, change);
}

void ingest_count_undelivered(struct ingest_stats *s)
{
    metric_add(s->undelivered, 1);
}

void ingest_count_late(struct ingest_stats *s)
{
    metric_add(s->late, 1);
}

void ingest_count_connected(struct ingest_stats *s, int64_t change)
{
    metric_add(s->connected, change);
}
