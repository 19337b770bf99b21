/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "clock.h"
#include "json.h"
#include "json_scan.h"

static void comma(struct json_out *o)
{
    if (o->comma)
        buf_putc(o->buf, ',');
    o->comma = true;
}

void json_open(struct json_out *o, char bracket)
{
    comma(o);
    buf_putc(o->buf, bracket);
    o->comma = false;
}

void json_close(struct json_out *o, char bracket)
{
    buf_putc(o->buf, bracket);
    o->comma = true;
}

static void put_escape(struct buf *b, char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *known = memchr(from, c, sizeof(from) - 1);
    if (known) {
        char pair[] = {'\\', to[known - from]};
        buf_put(b, pair, sizeof(pair));
        return;
    }
    char u[] = {'\\', 'u', '0', '0', hex[(c >> 4) & 15], hex[c & 15]};
    buf_put(b, u, sizeof(u));
}

static void put_quoted(struct buf *b, struct str s)
{
    const char *p = s.ptr, *end = s.ptr + s.len;
    bool high = false; // only the reader wants it
    buf_putc(b, '"');
    while (p < end) {
        const char *stop = json_scan(p, end, &high);
        buf_put(b, p, (size_t)(stop - p));
        if (stop < end)
            put_escape(b, *stop++);
        p = stop;
    }
    buf_putc(b, '"');
}

void json_key_out(struct json_out *o, const char *key)
{
    comma(o);
    put_quoted(o->buf, str_of(key));
    buf_putc(o->buf, ':');
    o->comma = false;
}

void json_str(struct json_out *o, struct str s)
{
    if (!s.ptr) {
        json_null(o);
        return;
    }
    comma(o);
    put_quoted(o->buf, s);
}

void json_int(struct json_out *o, int64_t v)
{
    comma(o);
    char digits[20];
    char *p = digits + sizeof(digits);
    uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (v < 0)
        *--p = '-';
    buf_put(o->buf, p, (size_t)(digits + sizeof(digits) - p));
}

void json_bool(struct json_out *o, bool v)
{
    comma(o);
    buf_put_c(o->buf, v ? "true" : "false");
}

void json_null(struct json_out *o)
{
    comma(o);
    buf_put_c(o->buf, "null");
}

void json_raw(struct json_out *o, struct str json)
{
    comma(o);
    buf_put_str(o->buf, json);
}

void json_put_str(struct json_out *o, const char *key, struct str v)
{
    json_key_out(o, key);
    json_str(o, v);
}

void json_put_int(struct json_out *o, const char *key, int64_t v)
{
    json_key_out(o, key);
    json_int(o, v);
}

void json_put_bool(struct json_out *o, const char *key, bool v)
{
    json_key_out(o, key);
    json_bool(o, v);
}

void json_put_raw(struct json_out *o, const char *key, struct str json)
{
    json_key_out(o, key);
    if (json.ptr)
        json_raw(o, json);
    else
        json_null(o);
}

void json_put_time(struct json_out *o, const char *key, int64_t at_ms)
{
    json_key_out(o, key);
    if (at_ms == 0) {
        json_null(o);
        return;
    }
    char text[CLOCK_TEXT_MAX];
    size_t n = clock_format(at_ms, text);
    json_str(o, (struct str){text, n});
}
