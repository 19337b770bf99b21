/* SPDX-License-Identifier: Apache-2.0 */
#include "metric.h"

#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* From a local call to a client that waits a minute. The text is what Prometheus shows as `le`. */
static const struct {
    int64_t us;
    const char *le;
} bounds[] = {
    {100, "0.0001"},  {250, "0.00025"}, {500, "0.0005"},  {1000, "0.001"},  {2500, "0.0025"},
    {5000, "0.005"},  {10000, "0.01"},  {25000, "0.025"}, {50000, "0.05"},  {100000, "0.1"},
    {250000, "0.25"}, {500000, "0.5"},  {1000000, "1"},   {2500000, "2.5"}, {5000000, "5"},
    {10000000, "10"}, {30000000, "30"}, {60000000, "60"},
};
#define N_BOUNDS ARRAY_LEN(bounds)

#define LABELS_MAX 8

struct metric_cell {
    _Atomic int64_t value;   /* counter, gauge; histogram: sum in microseconds */
    _Atomic int64_t *counts; /* histogram: one a bound and one past the last */
    char *labels;            /* `a="x",b="y"`, escaped; "" for none */
    uint64_t hash;
};

struct family {
    const struct metric_row *row;
    struct metric_cell **cells;
    size_t n, cap;
    struct metric_cell *other; /* what all values past METRIC_CELLS_MAX share */
};

struct metrics {
    pthread_mutex_t lock; /* guards the families' lists of cells, not the cells */
    size_t n;
    struct family families[];
};

static struct metric_cell *cell_new(const struct metric_row *row, struct str labels)
{
    struct metric_cell *c = xalloc(sizeof(*c));
    c->labels = xstrndup(labels.ptr, labels.len);
    c->hash = str_hash(labels);
    if (row->type == METRIC_HISTOGRAM)
        c->counts = xalloc(sizeof(*c->counts) * (N_BOUNDS + 1));
    return c;
}

static void cell_free(struct metric_cell *c)
{
    if (!c)
        return;
    free(c->counts);
    free(c->labels);
    free(c);
}

static void put_label(struct buf *b, struct str name, struct str value)
{
    if (b->len > 0)
        buf_putc(b, ',');
    buf_put_str(b, name);
    buf_put_c(b, "=\"");
    while (value.len > 0) {
        uint32_t cp;
        bool valid;
        char bytes[4];
        value = str_skip(value, utf8_next(value, &cp, &valid));
        if (cp == '\\' || cp == '"')
            buf_putc(b, '\\');
        if (cp == '\n')
            buf_put_c(b, "\\n");
        else
            buf_put(b, bytes, utf8_put(cp, bytes));
    }
    buf_putc(b, '"');
}

/* Appends `a="x",b="y"` for the row's names and these values; "other" for each if values is NULL.
 */
static void put_labels(struct buf *b, const struct metric_row *row, const char *const *values)
{
    struct str rest = str_of(row->labels), name;
    for (size_t i = 0; rest.len > 0; i++) {
        str_cut(rest, ',', &name, &rest);
        put_label(b, name, values ? str_of(values[i]) : STR("other"));
    }
}

static size_t count_labels(const struct metric_row *row)
{
    struct str rest = str_of(row->labels), name;
    size_t n = 0;
    for (; rest.len > 0; n++)
        str_cut(rest, ',', &name, &rest);
    return n;
}

/* The set's lock is held, or the set is not yet shared. */
static struct metric_cell *family_cell(struct family *f, struct str labels)
{
    uint64_t hash = str_hash(labels);
    for (size_t i = 0; i < f->n; i++) {
        struct metric_cell *c = f->cells[i];
        if (c->hash == hash && str_eq_c(labels, c->labels))
            return c;
    }
    if (f->n == METRIC_CELLS_MAX)
        return NULL;
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 4;
        f->cells = xrealloc(f->cells, sizeof(struct metric_cell *) * f->cap);
    }
    f->cells[f->n] = cell_new(f->row, labels);
    return f->cells[f->n++];
}

struct metrics *metrics_new(const struct metric_row *rows, size_t n)
{
    struct metrics *m = xalloc(sizeof(*m) + n * sizeof(m->families[0]));
    m->n = n;
    (void)pthread_mutex_init(&m->lock, NULL);
    for (size_t i = 0; i < n; i++) {
        assert(count_labels(&rows[i]) <= LABELS_MAX);
        m->families[i].row = &rows[i];
        // Without labels it is shown from the start, so that a rate over it has a beginning.
        if (rows[i].labels[0] == '\0')
            family_cell(&m->families[i], STR(""));
    }
    return m;
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n; i++) {
        struct family *f = &m->families[i];
        for (size_t k = 0; k < f->n; k++)
            cell_free(f->cells[k]);
        cell_free(f->other);
        free(f->cells);
    }
    (void)pthread_mutex_destroy(&m->lock);
    free(m);
}

struct metric_cell *metric_cell(struct metrics *m, size_t row, ...)
{
    assert(row < m->n);
    struct family *f = &m->families[row];
    size_t n = count_labels(f->row);
    const char *values[LABELS_MAX] = {NULL};
    va_list ap;
    va_start(ap, row);
    for (size_t i = 0; i < n; i++)
        values[i] = va_arg(ap, const char *);
    va_end(ap);

    struct buf labels;
    buf_init(&labels, 4096);
    put_labels(&labels, f->row, values);
    (void)pthread_mutex_lock(&m->lock);
    struct metric_cell *c = labels.overflow ? NULL : family_cell(f, buf_str(&labels));
    if (!c && !f->other) {
        buf_clear(&labels);
        put_labels(&labels, f->row, NULL);
        f->other = cell_new(f->row, buf_str(&labels));
    }
    if (!c)
        c = f->other;
    (void)pthread_mutex_unlock(&m->lock);
    buf_done(&labels);
    return c;
}

void metric_add(struct metric_cell *c, int64_t n)
{
    atomic_fetch_add_explicit(&c->value, n, memory_order_relaxed);
}

void metric_set(struct metric_cell *c, int64_t value)
{
    atomic_store_explicit(&c->value, value, memory_order_relaxed);
}

void metric_observe_us(struct metric_cell *c, int64_t us)
{
    assert(c->counts);
    if (us < 0)
        us = 0;
    size_t i = 0;
    while (i < N_BOUNDS && us > bounds[i].us)
        i++;
    atomic_fetch_add_explicit(&c->counts[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->value, us, memory_order_relaxed);
}

int64_t metric_value(const struct metric_cell *c)
{
    return atomic_load_explicit(&c->value, memory_order_relaxed);
}

static const char *type_name(enum metric_type type)
{
    static const char *const names[] = {"counter", "gauge", "histogram"};
    return names[type];
}

static void put_series(struct buf *out, const char *name, const char *suffix, const char *labels)
{
    buf_put_c(out, name);
    buf_put_c(out, suffix);
    if (labels[0] != '\0') {
        buf_putc(out, '{');
        buf_put_c(out, labels);
        buf_putc(out, '}');
    }
    buf_putc(out, ' ');
}

static void put_histogram(struct buf *out, const char *name, const struct metric_cell *c)
{
    const char *sep = c->labels[0] != '\0' ? "," : "";
    // The count is the sum of the buckets that were read here, so that the two agree whatever other
    // threads add meanwhile.
    int64_t count = 0;
    for (size_t i = 0; i <= N_BOUNDS; i++) {
        count += atomic_load_explicit(&c->counts[i], memory_order_relaxed);
        buf_putf(out, "%s_bucket{%s%sle=\"%s\"} %lld\n", name, c->labels, sep,
                 i < N_BOUNDS ? bounds[i].le : "+Inf", (long long)count);
    }
    int64_t us = metric_value(c);
    put_series(out, name, "_sum", c->labels);
    buf_putf(out, "%lld.%06lld\n", (long long)(us / 1000000), (long long)(us % 1000000));
    put_series(out, name, "_count", c->labels);
    buf_putf(out, "%lld\n", (long long)count);
}

static void put_cell(struct buf *out, const struct metric_row *row, const struct metric_cell *c)
{
    if (row->type == METRIC_HISTOGRAM) {
        put_histogram(out, row->name, c);
        return;
    }
    put_series(out, row->name, "", c->labels);
    buf_putf(out, "%lld\n", (long long)metric_value(c));
}

static void put_help(struct buf *out, const char *help)
{
    for (; *help != '\0'; help++) {
        if (*help == '\\')
            buf_put_c(out, "\\\\");
        else if (*help == '\n')
            buf_put_c(out, "\\n");
        else
            buf_putc(out, *help);
    }
}

void metrics_format(struct metrics *m, struct buf *out)
{
    (void)pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->n; i++) {
        const struct family *f = &m->families[i];
        buf_putf(out, "# HELP %s ", f->row->name);
        put_help(out, f->row->help);
        buf_putf(out, "\n# TYPE %s %s\n", f->row->name, type_name(f->row->type));
        for (size_t k = 0; k < f->n; k++)
            put_cell(out, f->row, f->cells[k]);
        if (f->other)
            put_cell(out, f->row, f->other);
    }
    (void)pthread_mutex_unlock(&m->lock);
}

void metrics_print_docs(const struct metric_row *rows, size_t n, struct buf *out)
{
    buf_put_c(out, "| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < n; i++) {
        buf_putf(out, "| `%s` | %s | ", rows[i].name, type_name(rows[i].type));
        struct str rest = str_of(rows[i].labels), name;
        for (const char *sep = ""; rest.len > 0; sep = ", ") {
            str_cut(rest, ',', &name, &rest);
            buf_putf(out, "%s`%.*s`", sep, STR_ARG(name));
        }
        buf_putf(out, " | %s |\n", rows[i].help);
    }
}
