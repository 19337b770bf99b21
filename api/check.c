/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define DEPTH_MAX   96 /* of schemas within schemas, more than JSON can nest */
#define MESSAGE_MAX 256
#define NUMBER_MAX  64

/* The way from the root to a value; a pointer is written only when it is wanted. */
struct step {
    const struct step *up;
    struct str key; /* absent: `index` */
    int index;
};

struct check {
    struct api_violations *out; /* NULL: only yes or no is wanted */
    struct arena *a;
    struct str parameter;
    int depth;
};

static bool check(struct check *c, const struct api_schema *s, const struct json *v,
                  const struct step *at);

/* --- violations ------------------------------------------------------------------------------- */

static void add(struct api_violations *out, struct str pointer, struct str parameter,
                const char *fmt, va_list args)
{
    char text[MESSAGE_MAX];
    if (out->n == API_VIOLATIONS_MAX)
        return;
    (void)vsnprintf(text, sizeof text, fmt, args);
    out->list[out->n++] =
        (struct api_violation){pointer, parameter, str_utf8(out->a, str_dup(out->a, str_of(text)))};
}

void api_violation_add(struct api_violations *out, struct str pointer, struct str parameter,
                       const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add(out, pointer, parameter, fmt, args);
    va_end(args);
}

static void put_step(struct buf *b, const struct step *at)
{
    if (!at)
        return;
    put_step(b, at->up);
    buf_putc(b, '/');
    if (!at->key.ptr)
        buf_putf(b, "%d", at->index);
    for (size_t i = 0; at->key.ptr && i < at->key.len; i++) {
        char c = at->key.ptr[i];
        if (c == '~' || c == '/')
            buf_put_c(b, c == '~' ? "~0" : "~1");
        else
            buf_putc(b, c);
    }
}

#define POINTER_MAX 512

static struct str pointer(const struct check *c, const struct step *at)
{
    struct buf b;
    buf_init(&b, POINTER_MAX);
    buf_putc(&b, '#');
    put_step(&b, at);
    struct str out = str_utf8(c->a, str_dup(c->a, buf_str(&b)));
    buf_done(&b);
    return out;
}

__attribute__((format(printf, 3, 4))) static bool wrong(struct check *c, const struct step *at,
                                                        const char *fmt, ...)
{
    if (!c->out)
        return false;
    va_list args;
    va_start(args, fmt);
    add(c->out, c->parameter.ptr ? STR_NONE : pointer(c, at), c->parameter, fmt, args);
    va_end(args);
    return false;
}

/* --- scalars ---------------------------------------------------------------------------------- */

static int64_t characters(struct str text)
{
    int64_t n = 0;
    while (text.len) {
        uint32_t cp;
        bool valid;
        text = str_skip(text, utf8_next(text, &cp, &valid));
        n++;
    }
    return n;
}

static bool is_same(struct check *c, const struct json *wanted, enum json_type type,
                    struct str text)
{
    if (wanted->type != type)
        return false;
    if (type == JSON_STRING)
        return str_eq(json_text(c->a, wanted), text);
    return type != JSON_NUMBER || str_eq(wanted->raw, text);
}

/* enum and const, of scalars. */
static bool check_allowed(struct check *c, const struct api_schema *s, enum json_type type,
                          struct str text, const struct step *at)
{
    if (s->constant && !is_same(c, s->constant, type, text))
        return wrong(c, at, "want %.*s", STR_ARG(s->constant->span));
    if (!s->allowed)
        return true;
    for (const struct json *v = json_first(s->allowed); v; v = json_next(s->allowed, v))
        if (is_same(c, v, type, text))
            return true;
    return wrong(c, at, "want one of %.*s", STR_ARG(s->allowed->span));
}

static bool check_string(struct check *c, const struct api_schema *s, struct str text,
                         const struct step *at)
{
    bool is_bounded = s->length_min > 0 || s->length_max >= 0;
    int64_t n = is_bounded ? characters(text) : 0;
    if (n < s->length_min)
        return wrong(c, at, "want at least %lld characters", (long long)s->length_min);
    if (s->length_max >= 0 && n > s->length_max)
        return wrong(c, at, "want at most %lld characters", (long long)s->length_max);
    if (s->format && !s->format->matches(text))
        return wrong(c, at, "%s", s->format->want);
    if (s->pattern && !api_pattern_matches(s->pattern, text))
        return wrong(c, at, "has characters or a form that are not taken here");
    return true;
}

static bool check_range(struct check *c, const struct api_schema *s, struct str digits,
                        const struct step *at)
{
    char text[NUMBER_MAX];
    (void)snprintf(text, sizeof text, "%.*s", STR_ARG(digits));
    double x = strtod(text, NULL);
    if (digits.len >= sizeof text || !isfinite(x))
        return wrong(c, at, "the number is out of range");
    if (x < s->minimum)
        return wrong(c, at, "want %.17g or more", s->minimum);
    if (x > s->maximum)
        return wrong(c, at, "want %.17g or less", s->maximum);
    return true;
}

/* --- containers ------------------------------------------------------------------------------- */

static bool check_array(struct check *c, const struct api_schema *s, const struct json *v,
                        const struct step *at)
{
    if (v->n < (uint64_t)s->items_min)
        return wrong(c, at, "want at least %lld items", (long long)s->items_min);
    if (s->items_max >= 0 && v->n > (uint64_t)s->items_max)
        return wrong(c, at, "want at most %lld items", (long long)s->items_max);
    bool ok = true;
    struct step step = {.up = at};
    if (s->items)
        for (const struct json *m = json_first(v); m; m = json_next(v, m), step.index++)
            ok &= check(c, s->items, m, &step);
    return ok;
}

static const struct api_property *property(const struct api_schema *s, struct str name)
{
    for (int i = 0; i < s->n_properties; i++)
        if (str_eq(s->properties[i].name, name))
            return &s->properties[i];
    return NULL;
}

static bool has_member(struct check *c, const struct json *v, struct str name)
{
    for (const struct json *m = json_first(v); m; m = json_next(v, m))
        if (str_eq(json_text(c->a, json_key(m)), name))
            return true;
    return false;
}

static bool check_object(struct check *c, const struct api_schema *s, const struct json *v,
                         const struct step *at)
{
    bool ok = true;
    for (int i = 0; i < s->n_properties; i++)
        if (s->properties[i].is_required && !has_member(c, v, s->properties[i].name)) {
            struct step step = {.up = at, .key = s->properties[i].name};
            ok = wrong(c, &step, "is required");
        }
    for (const struct json *m = json_first(v); m; m = json_next(v, m)) {
        struct step step = {.up = at, .key = json_text(c->a, json_key(m))};
        const struct api_property *p = property(s, step.key);
        if (p)
            ok &= check(c, p->schema, m, &step);
        else if (s->additional)
            ok &= check(c, s->additional, m, &step);
        else if (s->closed)
            ok = wrong(c, &step, "is not known here");
    }
    return ok;
}

/* --- several schemas -------------------------------------------------------------------------- */

static bool matches(struct check *c, const struct api_schema *s, const struct json *v)
{
    struct check silent = {.a = c->a, .depth = c->depth};
    return check(&silent, s, v, NULL);
}

/* Of several forms, the one that the value says it has: a member whose const it meets. */
static const struct api_schema *meant(struct check *c, const struct api_schema_list *l,
                                      const struct json *v)
{
    for (int i = 0; i < l->n; i++) {
        const struct api_schema *s = l->items[i];
        while (s->ref)
            s = s->ref;
        for (int j = 0; j < s->n_properties; j++) {
            const struct api_property *p = &s->properties[j];
            for (const struct json *m = json_first(v); m && p->schema->constant;
                 m = json_next(v, m))
                if (json_is(v, JSON_OBJECT) && str_eq(json_text(c->a, json_key(m)), p->name) &&
                    matches(c, p->schema, m))
                    return s;
        }
    }
    return l->n == 1 ? l->items[0] : NULL;
}

static bool check_choice(struct check *c, const struct api_schema_list *l, bool only_one,
                         const struct json *v, const struct step *at)
{
    int n = 0;
    for (int i = 0; i < l->n && n < 2; i++)
        n += matches(c, l->items[i], v);
    if (n == 1 || (n > 1 && !only_one))
        return true;
    if (n > 1)
        return wrong(c, at, "fits more than one of the forms that it may have");
    const struct api_schema *s = c->out ? meant(c, l, v) : NULL;
    return s ? check(c, s, v, at) : wrong(c, at, "has none of the forms that it may have");
}

static bool check_combined(struct check *c, const struct api_schema *s, const struct json *v,
                           const struct step *at)
{
    bool ok = !s->ref || check(c, s->ref, v, at);
    for (int i = 0; i < s->all_of.n; i++)
        ok &= check(c, s->all_of.items[i], v, at);
    if (s->any_of.n)
        ok &= check_choice(c, &s->any_of, false, v, at);
    if (s->one_of.n)
        ok &= check_choice(c, &s->one_of, true, v, at);
    return ok;
}

/* --- a value ---------------------------------------------------------------------------------- */

static unsigned types_of(const struct json *v)
{
    int64_t ignored;
    switch (v->type) {
    case JSON_NULL:
        return API_NULL;
    case JSON_FALSE:
    case JSON_TRUE:
        return API_BOOLEAN;
    case JSON_NUMBER:
        return API_NUMBER | (json_i64(v, &ignored) ? API_INTEGER : 0);
    case JSON_STRING:
        return API_STRING;
    case JSON_ARRAY:
        return API_ARRAY;
    default:
        return API_OBJECT;
    }
}

static const char *type_name(unsigned types)
{
    static const char *const names[] = {"null",   "true or false", "a whole number", "a number",
                                        "a text", "a list",        "an object"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (types & ~(unsigned)API_NULL & (1U << i))
            return names[i];
    return names[0];
}

static bool check_value(struct check *c, const struct api_schema *s, const struct json *v,
                        const struct step *at)
{
    if (s->types && !(s->types & types_of(v)))
        return wrong(c, at, "want %s", type_name(s->types));
    struct str text = v->type == JSON_STRING ? json_text(c->a, v) : v->raw;
    if (v->type != JSON_OBJECT && v->type != JSON_ARRAY && !check_allowed(c, s, v->type, text, at))
        return false;
    switch (v->type) {
    case JSON_STRING:
        return check_string(c, s, text, at);
    case JSON_NUMBER:
        return check_range(c, s, v->raw, at);
    case JSON_ARRAY:
        return check_array(c, s, v, at);
    case JSON_OBJECT:
        return check_object(c, s, v, at);
    default:
        return true;
    }
}

static bool check(struct check *c, const struct api_schema *s, const struct json *v,
                  const struct step *at)
{
    if (c->depth == DEPTH_MAX)
        return wrong(c, at, "is nested too deep");
    c->depth++;
    bool ok = check_value(c, s, v, at);
    ok = check_combined(c, s, v, at) && ok;
    c->depth--;
    return ok;
}

bool api_check(const struct api_schema *s, const struct json *v, struct api_violations *out)
{
    struct check c = {.out = out, .a = out->a};
    return check(&c, s, v, NULL);
}

/* --- parameters ------------------------------------------------------------------------------- */

static bool check_word(struct check *c, const struct api_schema *s, struct str text)
{
    int64_t ignored;
    while (s->ref && !s->types)
        s = s->ref;
    if (s->types & API_INTEGER) {
        if (!str_i64(text, &ignored))
            return wrong(c, NULL, "want a whole number");
        return check_allowed(c, s, JSON_NUMBER, text, NULL) && check_range(c, s, text, NULL);
    }
    if (s->types & API_BOOLEAN)
        return str_eq_c(text, "true") || str_eq_c(text, "false") ||
               wrong(c, NULL, "want true or false");
    return check_allowed(c, s, JSON_STRING, text, NULL) && check_string(c, s, text, NULL);
}

bool api_check_text(const struct api_schema *s, struct str text, struct str parameter,
                    struct api_violations *out)
{
    struct check c = {.out = out, .a = out->a, .parameter = parameter};
    while (s->ref && !s->types)
        s = s->ref;
    if (!(s->types & API_ARRAY))
        return check_word(&c, s, text);
    int64_t n = 0;
    for (struct str word, rest = text; rest.ptr; n++) {
        struct str tail;
        (void)str_cut(rest, ',', &word, &tail);
        rest = tail;
        if (!check_word(&c, s->items, word))
            return false;
    }
    if (n < s->items_min || (s->items_max >= 0 && n > s->items_max))
        return wrong(&c, NULL, "has too few or too many items");
    return true;
}
