/* SPDX-License-Identifier: Apache-2.0 */
#include "str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

struct str str_of(const char *cstr)
{
    return cstr ? (struct str){cstr, strlen(cstr)} : STR_NONE;
}

bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool str_eq_c(struct str a, const char *b)
{
    return str_eq(a, str_of(b));
}

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool str_ieq(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    }
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.ptr, b.ptr, n) : 0;
    if (c != 0)
        return c;
    return (a.len > b.len) - (a.len < b.len);
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq((struct str){s.ptr, prefix.len}, prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_skip(s, s.len - suffix.len), suffix);
}

struct str str_skip(struct str s, size_t n)
{
    if (n > s.len)
        n = s.len;
    return n ? (struct str){s.ptr + n, s.len - n} : s; // nothing is added to an absent pointer
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && is_space(s.ptr[0]))
        s = str_skip(s, 1);
    while (s.len > 0 && is_space(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool str_cut(struct str s, char sep, struct str *head, struct str *tail)
{
    const char *p = s.len ? memchr(s.ptr, sep, s.len) : NULL;
    if (!p) {
        *head = s;
        *tail = STR_NONE;
        return false;
    }
    size_t n = (size_t)(p - s.ptr);
    *head = (struct str){s.ptr, n};
    *tail = (struct str){p + 1, s.len - n - 1};
    return true;
}

bool str_i64(struct str s, int64_t *out)
{
    bool negative = s.len > 0 && s.ptr[0] == '-';
    s = str_skip(s, negative);
    if (s.len == 0)
        return false;
    int64_t v = 0;
    // Counted downwards, because the lowest number has no positive twin.
    for (size_t i = 0; i < s.len; i++) {
        int digit = s.ptr[i] - '0';
        if (digit < 0 || digit > 9)
            return false;
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, digit, &v))
            return false;
    }
    if (!negative && v == INT64_MIN)
        return false;
    *out = negative ? v : -v;
    return true;
}

uint64_t str_hash(struct str s)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (unsigned char)s.ptr[i]) * 1099511628211u;
    return h;
}

const char *str_c(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.len + 1);
    if (s.len > 0)
        memcpy(p, s.ptr, s.len);
    return p;
}

struct str str_dup(struct arena *a, struct str s)
{
    return s.ptr ? (struct str){str_c(a, s), s.len} : STR_NONE;
}

struct str str_fmt(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    size_t len = n > 0 ? (size_t)n : 0;
    char *p = arena_alloc(a, len + 1);
    if (len > 0 && vsnprintf(p, len + 1, fmt, again) < 0)
        len = 0;
    va_end(again);
    return (struct str){p, len};
}

/* The permitted second byte after each lead byte, Unicode Table 3-7: it excludes overlong forms,
 * surrogates and what lies past U+10FFFF. 0: no lead byte. */
static size_t utf8_lead(unsigned char c, unsigned char *lo, unsigned char *hi)
{
    *lo = 0x80;
    *hi = 0xBF;
    if (c < 0x80)
        return 1;
    if (c < 0xC2 || c > 0xF4)
        return 0;
    if (c < 0xE0)
        return 2;
    if (c == 0xE0)
        *lo = 0xA0;
    else if (c == 0xED)
        *hi = 0x9F;
    else if (c == 0xF0)
        *lo = 0x90;
    else if (c == 0xF4)
        *hi = 0x8F;
    return c < 0xF0 ? 3 : 4;
}

size_t utf8_next(struct str s, uint32_t *cp, bool *valid)
{
    unsigned char lead = (unsigned char)s.ptr[0], lo, hi;
    size_t n = utf8_lead(lead, &lo, &hi);
    *valid = true;
    *cp = lead;
    if (n == 1)
        return 1;

    *valid = false;
    *cp = CODEPOINT_BAD;
    if (n == 0)
        return 1;
    uint32_t v = lead & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        unsigned char c = i < s.len ? (unsigned char)s.ptr[i] : 0;
        if (c < lo || c > hi)
            return i;
        v = v << 6 | (c & 0x3F);
        lo = 0x80;
        hi = 0xBF;
    }
    *valid = true;
    *cp = v;
    return n;
}

size_t utf8_put(uint32_t cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xC0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3F));
        return 2;
    }
    if ((cp >= 0xD800 && cp < 0xE000) || cp > 0x10FFFF)
        cp = CODEPOINT_BAD;
    if (cp < 0x10000) {
        out[0] = (char)(0xE0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
        out[2] = (char)(0x80 | (cp & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
    out[3] = (char)(0x80 | (cp & 0x3F));
    return 4;
}

/* Bytes at the front that are plain ASCII without NUL, eight at a time. */
static size_t ascii_run(struct str s)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    size_t i = 0;
    for (; i + 8 <= s.len; i += 8) {
        uint64_t w;
        memcpy(&w, s.ptr + i, 8);
        if ((w | (w - ones)) & tops)
            break;
    }
    while (i < s.len && s.ptr[i] > 0)
        i++;
    return i;
}

/* The text with replacements, into `out` unless it is NULL. Returns its length. */
static size_t utf8_repair(struct str s, char *out)
{
    size_t n = 0;
    while (s.len > 0) {
        size_t run = ascii_run(s);
        if (run > 0) {
            if (out)
                memcpy(out + n, s.ptr, run);
            n += run;
            s = str_skip(s, run);
            continue;
        }
        uint32_t cp;
        bool valid;
        char bytes[4];
        s = str_skip(s, utf8_next(s, &cp, &valid));
        size_t len = utf8_put(cp ? cp : CODEPOINT_BAD, bytes);
        if (out)
            memcpy(out + n, bytes, len);
        n += len;
    }
    return n;
}

struct str str_utf8(struct arena *a, struct str s)
{
    struct str rest = s;
    while (rest.len > 0) {
        rest = str_skip(rest, ascii_run(rest));
        if (rest.len == 0)
            return s;
        uint32_t cp;
        bool valid;
        size_t n = utf8_next(rest, &cp, &valid);
        if (!valid || cp == 0)
            break;
        rest = str_skip(rest, n);
    }
    if (rest.len == 0)
        return s;

    size_t good = s.len - rest.len;
    size_t len = good + utf8_repair(rest, NULL);
    char *p = arena_alloc(a, len);
    if (good > 0)
        memcpy(p, s.ptr, good);
    utf8_repair(rest, p + good);
    return (struct str){p, len};
}
