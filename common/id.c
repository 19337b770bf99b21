/* SPDX-License-Identifier: Apache-2.0 */
#include "id.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Random bytes of this thread: one getrandom() serves many ids. */
static _Thread_local struct {
    size_t left;
    uint8_t bytes[1024];
} pool;

static void pool_forget(void)
{
    pool.left = 0;
}

/* Parent and child of a fork would otherwise hand out the same ids. */
__attribute__((constructor)) static void pool_watch_fork(void)
{
    (void)pthread_atfork(NULL, NULL, pool_forget);
}

static void pool_fill(void)
{
    size_t n = 0;
    while (n < sizeof(pool.bytes)) {
        ssize_t got = getrandom(pool.bytes + n, sizeof(pool.bytes) - n, 0);
        if (got > 0)
            n += (size_t)got;
        else if (errno != EINTR)
            abort(); // no kernel we support refuses it
    }
    pool.left = n;
}

/* n is far smaller than the pool. */
static void draw(uint8_t *out, size_t n)
{
    if (pool.left < n)
        pool_fill();
    pool.left -= n;
    memcpy(out, pool.bytes + pool.left, n);
}

static char *put_hex(char *out, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    return out;
}

struct uuid uuid_v7(int64_t at_ms)
{
    struct uuid u;
    uint64_t t = (uint64_t)at_ms;
    for (size_t i = 0; i < 6; i++)
        u.b[i] = (uint8_t)(t >> (40 - 8 * i));
    draw(u.b + 6, 10);
    u.b[6] = (uint8_t)((u.b[6] & 0x0F) | 0x70);
    u.b[8] = (uint8_t)((u.b[8] & 0x3F) | 0x80);
    return u;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool uuid_parse(struct str text, struct uuid *out)
{
    if (text.len != UUID_TEXT)
        return false;
    struct uuid u;
    const char *p = text.ptr;
    for (size_t i = 0; i < sizeof(u.b); i++) {
        bool is_after_dash = i == 4 || i == 6 || i == 8 || i == 10;
        if (is_after_dash && *p++ != '-')
            return false;
        int high = hex_value(p[0]), low = hex_value(p[1]);
        if (high < 0 || low < 0)
            return false;
        u.b[i] = (uint8_t)(high << 4 | low);
        p += 2;
    }
    *out = u;
    return true;
}

void uuid_format(struct uuid u, char out[UUID_TEXT + 1])
{
    static const uint8_t groups[] = {4, 2, 2, 2, 6};
    const uint8_t *from = u.b;
    for (size_t i = 0; i < sizeof(groups); i++) {
        if (i > 0)
            *out++ = '-';
        out = put_hex(out, from, groups[i]);
        from += groups[i];
    }
    *out = '\0';
}

bool uuid_eq(struct uuid a, struct uuid b)
{
    return memcmp(a.b, b.b, sizeof(a.b)) == 0;
}

bool uuid_is_nil(struct uuid u)
{
    return uuid_eq(u, (struct uuid){{0}});
}

#define TRACE_ID_AT  3
#define TRACE_ID_LEN 32
#define SPAN_ID_AT   36
#define SPAN_ID_LEN  16
#define FLAGS_AT     53

static bool is_lower_hex(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (hex_value(p[i]) < 0 || (p[i] >= 'A' && p[i] <= 'F'))
            return false;
    }
    return true;
}

static bool is_zeros(const char *p, size_t n)
{
    while (n > 0 && p[n - 1] == '0')
        n--;
    return n == 0;
}

struct str traceparent_trace_id(struct str text)
{
    const char *p = text.ptr;
    if (text.len < TRACEPARENT_TEXT || p[2] != '-' || p[SPAN_ID_AT - 1] != '-' ||
        p[FLAGS_AT - 1] != '-')
        return STR_NONE;
    if (!is_lower_hex(p, 2) || !is_lower_hex(p + TRACE_ID_AT, TRACE_ID_LEN) ||
        !is_lower_hex(p + SPAN_ID_AT, SPAN_ID_LEN) || !is_lower_hex(p + FLAGS_AT, 2))
        return STR_NONE;
    // Version ff is forbidden. Version 00 ends here; a later one may go on after another dash.
    if (p[0] == 'f' && p[1] == 'f')
        return STR_NONE;
    if (text.len > TRACEPARENT_TEXT && (is_zeros(p, 2) || p[TRACEPARENT_TEXT] != '-'))
        return STR_NONE;
    if (is_zeros(p + TRACE_ID_AT, TRACE_ID_LEN) || is_zeros(p + SPAN_ID_AT, SPAN_ID_LEN))
        return STR_NONE;
    return (struct str){p + TRACE_ID_AT, TRACE_ID_LEN};
}

void traceparent_next(struct str parent, char out[TRACEPARENT_TEXT + 1])
{
    uint8_t span[8];
    draw(span, sizeof(span));
    span[0] |= 1; // all zeros are not an id

    struct str trace = traceparent_trace_id(parent);
    out[0] = out[1] = '0';
    out[2] = '-';
    char *p = out + TRACE_ID_AT;
    if (trace.ptr) {
        // `parent` may be `out` itself.
        memmove(p, trace.ptr, TRACE_ID_LEN);
        p += TRACE_ID_LEN;
    } else {
        uint8_t fresh[16];
        draw(fresh, sizeof(fresh));
        fresh[0] |= 1;
        p = put_hex(p, fresh, sizeof(fresh));
    }
    *p++ = '-';
    p = put_hex(p, span, sizeof(span));
    memcpy(p, "-01", 4);
}
