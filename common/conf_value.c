/* SPDX-License-Identifier: Apache-2.0 */
#include "conf_value.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* Largest first, for printing. */
static const struct unit durations[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0},
};
static const struct unit sizes[] = {
    {"TiB", INT64_C(1) << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20},
    {"KiB", 1 << 10},          {"", 1},          {NULL, 0},
};

/* Digits and one of the units. */
static bool parse_with_unit(struct str text, const struct unit *units, int64_t *out)
{
    size_t n = 0;
    while (n < text.len && text.ptr[n] >= '0' && text.ptr[n] <= '9')
        n++;
    int64_t v;
    if (!str_i64((struct str){text.ptr, n}, &v))
        return false;
    struct str name = str_skip(text, n);
    // Nothing needs no unit.
    if (v == 0 && name.len == 0) {
        *out = 0;
        return true;
    }
    for (const struct unit *u = units; u->name; u++) {
        if (str_eq_c(name, u->name))
            return !__builtin_mul_overflow(v, u->factor, out);
    }
    return false;
}

bool conf_parse_duration(struct str text, int64_t *ms)
{
    return parse_with_unit(text, durations, ms);
}

bool conf_parse_size(struct str text, int64_t *bytes)
{
    return parse_with_unit(text, sizes, bytes);
}

static bool parse_bool(struct str text, int64_t *out)
{
    bool yes = str_eq(text, STR("true"));
    if (!yes && !str_eq(text, STR("false")))
        return false;
    *out = yes;
    return true;
}

bool conf_parse_number(enum conf_type type, struct str text, int64_t *out)
{
    switch (type) {
    case CONF_BOOL:
        return parse_bool(text, out);
    case CONF_INT:
        return str_i64(text, out);
    case CONF_SIZE:
        return conf_parse_size(text, out);
    case CONF_DURATION:
        return conf_parse_duration(text, out);
    case CONF_TEXT:
    case CONF_SECRET:
        break;
    }
    return false;
}

static void format_with_unit(int64_t v, const struct unit *u, char out[CONF_NUMBER_MAX])
{
    while (v % u->factor != 0)
        u++;
    (void)snprintf(out, CONF_NUMBER_MAX, "%lld%s", (long long)(v / u->factor), u->name);
}

void conf_format_number(enum conf_type type, int64_t v, char out[CONF_NUMBER_MAX])
{
    if (type == CONF_BOOL)
        (void)snprintf(out, CONF_NUMBER_MAX, "%s", v ? "true" : "false");
    else if (type == CONF_SIZE && v > 0)
        format_with_unit(v, sizes, out);
    else if (type == CONF_DURATION && v > 0)
        format_with_unit(v, durations, out);
    else
        (void)snprintf(out, CONF_NUMBER_MAX, "%lld", (long long)v);
}

/* A bound of the table. The length of a text is bounded by a plain number. */
static int64_t bound(const struct conf_row *row, const char *text)
{
    int64_t v = 0;
    enum conf_type type = conf_is_text(row->type) ? CONF_INT : row->type;
    bool ok = conf_parse_number(type, str_of(text), &v);
    assert(ok); // the table is ours
    (void)ok;
    return v;
}

bool conf_in_range(const struct conf_row *row, int64_t v)
{
    if (row->min && v < bound(row, row->min))
        return false;
    return !row->max || v <= bound(row, row->max);
}

void conf_describe(const struct conf_row *row, struct buf *out)
{
    static const char *const wants[] = {
        [CONF_BOOL] = "true or false",
        [CONF_INT] = "a number",
        [CONF_SIZE] = "a size such as 512, 64KiB or 1MiB,",
        [CONF_DURATION] = "a duration such as 250ms, 20s, 5m or 2h,",
        [CONF_TEXT] = "text",
        [CONF_SECRET] = "a secret",
    };
    struct str want = str_of(wants[row->type]);
    bool bounded = row->min || row->max;
    if (!bounded && str_ends(want, STR(",")))
        want.len--;
    buf_put_str(out, want);
    const char *unit = conf_is_text(row->type) ? " bytes" : "";
    if (row->min && row->max)
        buf_putf(out, " from %s to %s%s", row->min, row->max, unit);
    else if (bounded)
        buf_putf(out, " of at %s %s%s", row->min ? "least" : "most", row->min ? row->min : row->max,
                 unit);
}
