/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A row of a statement's columns, value by value. For store_*.c only. */
#include "store_sql.h"

/* --- columns ---------------------------------------------------------------------------------- */

/* The next row's values, column by column. */
struct row {
    struct store *s;
    int col;
};

static inline void put(struct row *w, struct str v)
{
    pg_array_str(&w->s->columns[w->col++], v);
}

static inline void put_c(struct row *w, const char *v)
{
    put(w, str_of(v));
}

static inline void put_int(struct row *w, int64_t v)
{
    pg_array_i64(&w->s->columns[w->col++], v);
}

static inline void put_bool(struct row *w, bool v)
{
    put_c(w, v ? "t" : "f");
}

static inline struct row row_of(struct store *s)
{
    return (struct row){.s = s};
}
