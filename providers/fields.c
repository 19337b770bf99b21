/* SPDX-License-Identifier: Apache-2.0 */
#include "fields.h"

#include <inttypes.h>
#include <string.h>

#include "clock.h"

#define EXTRA_MAX    ((size_t)1 << 20)
#define TIME_MS_FROM 100000000000LL    /* smaller ones are seconds: 1973 in ms, 5138 in s */
#define TIME_MS_MAX  253402300799999LL /* end of the year 9999 */
#define SECONDS_MAX  100000000LL
#define NAME_SHOWN   80
#define NUMBER_MAX   40 /* digits that a number keeps; longer ones become text */
#define E164_MIN     7
#define E164_MAX     15

struct str field_text(struct arena *a, const struct json *obj, const char *key)
{
    return json_text(a, json_get(obj, key));
}

struct str field_id(struct arena *a, const struct json *obj, const char *key)
{
    struct str id = field_text(a, obj, key);
    return id.len ? id : STR_NONE;
}

int64_t field_time(struct arena *a, const struct json *v)
{
    int64_t t = 0;
    if (json_i64(v, &t)) {
        if (t < TIME_MS_FROM)
            t = t > 0 ? t * 1000 : 0;
    } else if (!clock_parse(json_text(a, v), &t)) {
        return 0;
    }
    return t > 0 && t <= TIME_MS_MAX ? t : 0;
}

struct str str_or(struct str a, struct str b)
{
    return a.ptr ? a : b;
}

struct str key_time(struct arena *a, const struct event *ev)
{
    return ev->at_ms ? str_fmt(a, "%" PRId64, ev->at_ms) : STR_NONE;
}

struct str str_shorten(struct str s, size_t max_bytes)
{
    if (s.len <= max_bytes)
        return s;
    size_t len = max_bytes;
    while (len > 0 && ((unsigned char)s.ptr[len] & 0xC0) == 0x80)
        len--;
    return (struct str){s.ptr, len};
}

void event_set_unknown(struct arena *a, struct event *ev, struct str bytes, const char *what,
                       struct str name)
{
    name = str_shorten(name, NAME_SHOWN);
    ev->kind = EVENT_UNKNOWN;
    ev->direction = DIR_NONE;
    ev->reason = name.ptr ? str_fmt(a, "%s %.*s", what, STR_ARG(name)) : str_of(what);
    struct str parts[] = {event_key_of_bytes(a, bytes, 0), key_time(a, ev)};
    ev->key = event_key(a, "unknown", parts, ARRAY_LEN(parts));
}

struct str phone_e164(struct arena *a, struct str digits)
{
    if (digits.len && digits.ptr[0] == '+')
        digits = str_skip(digits, 1);
    if (digits.len < E164_MIN || digits.len > E164_MAX || digits.ptr[0] == '0')
        return STR_NONE;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return STR_NONE;
    }
    return str_fmt(a, "+%.*s", STR_ARG(digits));
}

struct str phone_written(struct arena *a, struct str text)
{
    char digits[E164_MAX + 1];
    size_t n = 0;
    text = str_trim(text);
    if (!text.len || text.ptr[0] != '+')
        return STR_NONE;
    for (size_t i = 1; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_trunk = c == '(' && str_starts(str_skip(text, i), STR("(0)"));
        if (is_trunk)
            i += 2;
        else if (c >= '0' && c <= '9' && n < sizeof digits)
            digits[n++] = c;
        else if (!c || !strchr(" ()-./", c))
            return STR_NONE;
    }
    return phone_e164(a, (struct str){digits, n});
}

bool is_http_url(struct str url)
{
    return str_starts(url, STR("https://")) || str_starts(url, STR("http://"));
}

void extra_init(struct extra *x)
{
    *x = (struct extra){0};
    buf_init(&x->buf, EXTRA_MAX);
    x->out.buf = &x->buf;
}

static void extra_member(struct extra *x)
{
    if (x->n++ == 0)
        json_open(&x->out, '{');
}

void extra_str(struct extra *x, const char *key, struct str v)
{
    if (!v.len)
        return;
    extra_member(x);
    json_put_str(&x->out, key, v);
}

void extra_int(struct extra *x, const char *key, const struct json *v)
{
    int64_t n = 0;
    if (!json_i64(v, &n))
        return;
    extra_member(x);
    json_put_int(&x->out, key, n);
}

void extra_true(struct extra *x, const char *key, bool v)
{
    if (!v)
        return;
    extra_member(x);
    json_put_bool(&x->out, key, true);
}

void extra_ms(struct extra *x, const char *key, struct str seconds)
{
    struct str whole, fraction;
    (void)str_cut(seconds, '.', &whole, &fraction);
    int64_t s = 0;
    if (!str_i64(whole, &s) || s < 0 || s > SECONDS_MAX)
        return;
    int64_t ms = s * 1000, unit = 100;
    for (size_t i = 0; i < fraction.len && unit; i++, unit /= 10) {
        if (fraction.ptr[i] < '0' || fraction.ptr[i] > '9')
            return;
        ms += (fraction.ptr[i] - '0') * unit;
    }
    extra_member(x);
    json_put_int(&x->out, key, ms);
}

/* A JSON number without exponent: 1e999999 is one too, and no database takes it. */
static bool is_plain_number(struct str s)
{
    size_t i = s.len && s.ptr[0] == '-', digits = 0, dots = 0, start = i;
    for (; i < s.len; i++) {
        bool is_dot = s.ptr[i] == '.' && digits && i + 1 < s.len;
        dots += is_dot;
        digits += s.ptr[i] >= '0' && s.ptr[i] <= '9';
        if (!is_dot && (s.ptr[i] < '0' || s.ptr[i] > '9'))
            return false;
    }
    bool leads_zero = s.len > start + 1 && s.ptr[start] == '0' && s.ptr[start + 1] != '.';
    return digits && dots <= 1 && !leads_zero && s.len <= NUMBER_MAX;
}

void extra_number(struct extra *x, const char *key, const struct json *v)
{
    if (!v || !(v->type == JSON_NUMBER || v->type == JSON_STRING) || !is_plain_number(v->raw))
        return;
    extra_member(x);
    json_put_raw(&x->out, key, v->raw);
}

static void copy_value(struct extra *x, struct arena *a, const struct json *v);

static void copy_children(struct extra *x, struct arena *a, const struct json *v)
{
    json_open(&x->out, v->type == JSON_OBJECT ? '{' : '[');
    for (const struct json *c = json_first(v); c; c = json_next(v, c)) {
        if (v->type == JSON_OBJECT && c->type == JSON_NULL)
            continue;
        if (v->type == JSON_OBJECT)
            json_key_out(&x->out, str_c(a, json_text(a, json_key(c))));
        copy_value(x, a, c);
    }
    json_close(&x->out, v->type == JSON_OBJECT ? '}' : ']');
}

/* Recursion ends: the parser refuses more than JSON_DEPTH_MAX levels. */
static void copy_value(struct extra *x, struct arena *a, const struct json *v)
{
    switch (v->type) {
    case JSON_NULL:
        json_null(&x->out);
        break;
    case JSON_FALSE:
    case JSON_TRUE:
        json_bool(&x->out, v->type == JSON_TRUE);
        break;
    case JSON_NUMBER:
        if (is_plain_number(v->raw))
            json_raw(&x->out, v->raw);
        else
            json_str(&x->out, json_text(a, v));
        break;
    case JSON_STRING:
        json_str(&x->out, json_text(a, v));
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        copy_children(x, a, v);
        break;
    }
}

void extra_copy(struct extra *x, struct arena *a, const char *key, const struct json *v)
{
    bool is_empty = !v || v->type == JSON_NULL ||
                    ((v->type == JSON_ARRAY || v->type == JSON_OBJECT) && !v->n) ||
                    (v->type == JSON_STRING && !v->raw.len);
    if (is_empty)
        return;
    extra_member(x);
    json_key_out(&x->out, key);
    copy_value(x, a, v);
}

bool extra_done(struct extra *x, struct arena *a, struct str *out, struct err *err)
{
    *out = STR_NONE;
    if (x->n)
        json_close(&x->out, '}');
    bool ok = !x->buf.overflow;
    if (ok && x->n) {
        char *copy = arena_try(a, x->buf.len);
        ok = copy != NULL;
        if (ok) {
            memcpy(copy, x->buf.ptr, x->buf.len);
            *out = (struct str){copy, x->buf.len};
        }
    }
    buf_done(&x->buf);
    return ok || err_set(err, ERR_LIMITED, "details of more than %zu bytes", EXTRA_MAX);
}

bool units_single(struct arena *a, const struct unit *unit, struct units *out)
{
    out->items = ARENA_NEW(a, struct unit);
    out->items[0] = *unit;
    out->n = 1;
    return true;
}

void *unit_array(struct arena *a, size_t n, size_t max, size_t size, const char *what,
                 struct err *err)
{
    void *p = n <= max ? arena_try(a, n * size) : NULL;
    if (!p) {
        err_set(err, ERR_LIMITED, "%zu %s in one webhook: more than the %zu that we take", n, what,
                max);
        return NULL;
    }
    memset(p, 0, n * size);
    return p;
}
