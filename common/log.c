/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

/* A line fits a pipe's atomic write, so that lines of several threads and processes never mix. What
 * does not fit is cut at a field, and the line says so. */
#define LINE_MAX_BYTES  4096
#define VALUE_MAX_BYTES 1024
#define TAIL_BYTES      24 /* room for the mark of a cut line and its end */

static struct {
    const char *component;
    enum log_level level;
    bool text;
} sink = {.component = "postrider", .level = LOG_INFO};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

struct line {
    size_t len;
    bool cut;
    char bytes[LINE_MAX_BYTES];
};

void log_init(const char *component, enum log_level level, enum log_format format)
{
    sink.component = component;
    sink.level = level;
    sink.text = format == LOG_TEXT || (format == LOG_AUTO && isatty(STDERR_FILENO) == 1);
}

bool log_level_parse(struct str name, enum log_level *out)
{
    for (enum log_level l = LOG_DEBUG; l <= LOG_ERROR; l++) {
        if (str_eq_c(name, level_names[l])) {
            *out = l;
            return true;
        }
    }
    return false;
}

bool log_is_on(enum log_level level)
{
    return level >= sink.level;
}

static void put(struct line *l, const char *p, size_t n)
{
    if (n > sizeof(l->bytes) - TAIL_BYTES - l->len) {
        l->cut = true;
        return;
    }
    memcpy(l->bytes + l->len, p, n);
    l->len += n;
}

static void put_c(struct line *l, const char *s)
{
    put(l, s, strlen(s));
}

/* One character that cannot end the line or the quotes, nor drive a terminal. */
static void put_char(struct line *l, uint32_t cp)
{
    char out[8];
    if (cp == '"' || cp == '\\') {
        out[0] = '\\';
        out[1] = (char)cp;
        put(l, out, 2);
    } else if (cp < 0x20 || (cp >= 0x7F && cp < 0xA0)) {
        int n = snprintf(out, sizeof(out), "\\u%04x", (unsigned)cp);
        put(l, out, n > 0 ? (size_t)n : 0);
    } else {
        put(l, out, utf8_put(cp, out));
    }
}

static void put_quoted(struct line *l, struct str s)
{
    bool longer = s.len > VALUE_MAX_BYTES;
    if (longer)
        s.len = VALUE_MAX_BYTES;
    put(l, "\"", 1);
    while (s.len > 0) {
        uint32_t cp;
        bool valid;
        s = str_skip(s, utf8_next(s, &cp, &valid));
        put_char(l, cp);
    }
    put_c(l, longer ? "...\"" : "\"");
}

static bool is_bare(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c <= ' ' || c >= 0x7F || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return s.len > 0 && s.len <= VALUE_MAX_BYTES;
}

static void put_value(struct line *l, const struct kv *kv)
{
    char number[40];
    int n = 0;
    switch (kv->type) {
    case KV_STR:
        if (!kv->s.ptr)
            put_c(l, "null");
        else if (sink.text && is_bare(kv->s))
            put(l, kv->s.ptr, kv->s.len);
        else
            put_quoted(l, kv->s);
        return;
    case KV_BOOL:
        put_c(l, kv->i ? "true" : "false");
        return;
    case KV_INT:
        n = snprintf(number, sizeof(number), "%lld", (long long)kv->i);
        break;
    case KV_NUM:
        // JSON has no word for infinity and not-a-number.
        n = isfinite(kv->d) ? snprintf(number, sizeof(number), "%.9g", kv->d)
                            : snprintf(number, sizeof(number), "null");
        break;
    }
    put(l, number, n > 0 ? (size_t)n : 0);
}

/* A field stands whole or not at all. */
static void put_field(struct line *l, const struct kv *kv)
{
    size_t before = l->len;
    if (l->cut)
        return;
    if (sink.text) {
        put_c(l, " ");
        put_c(l, kv->key);
        put_c(l, "=");
    } else {
        put_c(l, ",");
        put_quoted(l, str_of(kv->key));
        put_c(l, ":");
    }
    put_value(l, kv);
    if (l->cut)
        l->len = before;
}

static void put_head(struct line *l, enum log_level level, const char *msg)
{
    char time[CLOCK_TEXT_MAX];
    clock_format(clock_at_ms(), time);
    if (sink.text) {
        static const char *const labels[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};
        put(l, time + 11, 12); // the clock's part: "03:04:05.678"
        put_c(l, " ");
        put_c(l, labels[level]);
        put_c(l, " ");
        put_c(l, sink.component);
        put_c(l, ": ");
        put_c(l, msg);
        return;
    }
    put_c(l, "{\"time\":\"");
    put_c(l, time);
    put_c(l, "\",\"level\":\"");
    put_c(l, level_names[level]);
    put_c(l, "\",\"component\":");
    put_quoted(l, str_of(sink.component));
    put_c(l, ",\"msg\":");
    put_quoted(l, str_of(msg));
}

void log_write(enum log_level level, const char *msg, const struct kv *kvs)
{
    int saved = errno; // logging is no reason for a caller to lose it
    struct line l;
    l.len = 0;
    l.cut = false;
    put_head(&l, level, msg);
    for (const struct kv *kv = kvs; kv && kv->key; kv++)
        put_field(&l, kv);

    // TAIL_BYTES are kept free for this.
    const char *end = sink.text ? "\n" : "}\n";
    if (l.cut)
        end = sink.text ? " cut=true\n" : ",\"cut\":true}\n";
    size_t n = strlen(end);
    memcpy(l.bytes + l.len, end, n);
    l.len += n;

    ssize_t done;
    do
        done = write(STDERR_FILENO, l.bytes, l.len);
    while (done < 0 && errno == EINTR);
    errno = saved;
}
