/* SPDX-License-Identifier: Apache-2.0 */
#include "pattern.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define ATOMS_MAX 32
#define ASCII     128

struct atom {
    bool has[ASCII];
    bool others; /* all that is not ASCII */
    int min, max;
};

struct api_pattern {
    int n;
    struct atom atoms[ATOMS_MAX];
};

struct reader {
    struct str left;
    struct err *err;
};

static bool fail(struct reader *r, const char *why)
{
    return err_set(r->err, ERR_INVALID, "pattern: %s at '%.*s'", why, STR_ARG(r->left));
}

static char next(struct reader *r)
{
    char c = r->left.len ? r->left.ptr[0] : 0;
    r->left = str_skip(r->left, 1);
    return c;
}

static char peek(const struct reader *r)
{
    return r->left.len ? r->left.ptr[0] : 0;
}

static void put_range(struct atom *x, char from, char to)
{
    for (int c = (unsigned char)from; c <= (unsigned char)to && c < ASCII; c++)
        x->has[c] = true;
}

static void negate(struct atom *x)
{
    for (int c = 0; c < ASCII; c++)
        x->has[c] = !x->has[c];
    x->others = true;
}

/* Two digits of hex behind "\x". */
static bool read_hex(struct reader *r, char *out)
{
    char digits[3] = {0};
    digits[0] = next(r);
    digits[1] = next(r);
    if (strspn(digits, "0123456789abcdefABCDEF") != 2 || digits[0] > '7')
        return fail(r, "want two digits of hex, of ASCII");
    *out = (char)strtol(digits, NULL, 16);
    return true;
}

/* One character, or what a backslash makes of the next. */
static bool read_char(struct reader *r, struct atom *x, char c, char *out)
{
    if ((unsigned char)c >= ASCII || c == 0)
        return fail(r, "only ASCII is understood");
    *out = c;
    if (c != '\\')
        return true;
    *out = next(r);
    if (*out == 'd') {
        put_range(x, '0', '9');
        *out = '9';
        return true;
    }
    if (*out == 'x')
        return read_hex(r, out);
    if (*out == 0 || strchr("\\/.-[](){}?*+^$|", *out) == NULL)
        return fail(r, "this escape is not understood");
    return true;
}

static bool read_class(struct reader *r, struct atom *x)
{
    bool negated = peek(r) == '^';
    if (negated)
        (void)next(r);
    for (char c; (c = next(r)) != ']';) {
        char from = 0, to = 0;
        if (!read_char(r, x, c, &from))
            return false;
        to = from;
        bool is_range = peek(r) == '-' && r->left.len > 1 && r->left.ptr[1] != ']';
        if (is_range) {
            (void)next(r);
            if (!read_char(r, x, next(r), &to))
                return false;
        }
        put_range(x, from, to);
    }
    if (negated)
        negate(x);
    return true;
}

static bool read_number(struct reader *r, int *out)
{
    int n = 0, digits = 0;
    for (; peek(r) >= '0' && peek(r) <= '9' && digits < 6; digits++)
        n = n * 10 + (next(r) - '0');
    *out = n;
    return digits > 0;
}

static bool read_times(struct reader *r, struct atom *x)
{
    x->min = x->max = 1;
    switch (peek(r)) {
    case '?':
        x->min = 0;
        break;
    case '*':
        x->min = 0;
        x->max = INT_MAX;
        break;
    case '+':
        x->max = INT_MAX;
        break;
    case '{':
        (void)next(r);
        if (!read_number(r, &x->min))
            return fail(r, "want a number");
        x->max = x->min;
        if (peek(r) == ',') {
            (void)next(r);
            if (!read_number(r, &x->max))
                x->max = INT_MAX;
        }
        if (peek(r) != '}' || x->max < x->min)
            return fail(r, "want '}'");
        break;
    default:
        return true;
    }
    (void)next(r);
    return true;
}

static bool read_atom(struct reader *r, struct atom *x)
{
    char c = next(r), literal = 0;
    if (c == '[')
        return read_class(r, x) && read_times(r, x);
    if (c == '.') {
        x->has['\n'] = x->has['\r'] = true;
        negate(x);
        return read_times(r, x);
    }
    if (strchr("(){}|*+?^$]", c))
        return fail(r, "groups, alternatives and anchors within are not understood");
    if (!read_char(r, x, c, &literal))
        return false;
    x->has[(unsigned char)literal] = true;
    return read_times(r, x);
}

static bool have_common(const struct atom *x, const struct atom *y)
{
    for (int c = 0; c < ASCII; c++)
        if (x->has[c] && y->has[c])
            return true;
    return x->others && y->others;
}

static bool check_one_way(const struct api_pattern *p, struct reader *r)
{
    for (int i = 0; i < p->n; i++) {
        if (p->atoms[i].min == p->atoms[i].max)
            continue;
        for (int j = i + 1; j < p->n; j++) {
            if (have_common(&p->atoms[i], &p->atoms[j]))
                return fail(r, "a repeated class shares characters with what follows it");
            if (p->atoms[j].min > 0)
                break;
        }
    }
    return true;
}

const struct api_pattern *api_pattern_new(struct arena *a, struct str text, struct err *err)
{
    struct reader r = {.left = text, .err = err};
    struct api_pattern *p = ARENA_NEW(a, struct api_pattern);
    bool ok = text.len >= 2 && text.ptr[0] == '^' && text.ptr[text.len - 1] == '$' &&
              text.ptr[text.len - 2] != '\\';
    if (!ok) {
        fail(&r, "want '^' first and '$' last");
        return NULL;
    }
    r.left = (struct str){text.ptr + 1, text.len - 2};
    while (r.left.len) {
        if (p->n == ATOMS_MAX) {
            fail(&r, "it is too long");
            return NULL;
        }
        if (!read_atom(&r, &p->atoms[p->n++]))
            return NULL;
    }
    return check_one_way(p, &r) ? p : NULL;
}

static bool takes(const struct atom *x, uint32_t cp)
{
    return cp < ASCII ? x->has[cp] : x->others;
}

bool api_pattern_matches(const struct api_pattern *p, struct str text)
{
    for (int i = 0; i < p->n; i++) {
        const struct atom *x = &p->atoms[i];
        int n = 0;
        while (n < x->max && text.len) {
            uint32_t cp;
            bool valid;
            size_t bytes = utf8_next(text, &cp, &valid);
            if (!takes(x, cp))
                break;
            text = str_skip(text, bytes);
            n++;
        }
        if (n < x->min)
            return false;
    }
    return text.len == 0;
}
