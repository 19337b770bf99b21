/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <limits.h>

#include "json_scan.h"

/* The reader: one pass, a node for each value and key in the order of the text. It recurses once
 * for each level of nesting, at most JSON_DEPTH_MAX deep. */
struct reader {
    const char *p, *end; /* what is left */
    struct json *nodes;
    uint32_t n, cap;
    uint32_t cap_max; /* so many nodes fill the share of the arena that a document may take */
    int depth;
    struct arena *arena;
    const char *begin;
    struct err *err;
};

static bool fail(struct reader *r, const char *want)
{
    size_t at = (size_t)(r->p - r->begin);
    if (r->p >= r->end)
        return err_set(r->err, ERR_INVALID, "JSON ends at byte %zu: want %s", at, want);
    return err_set(r->err, ERR_INVALID, "not JSON at byte %zu: want %s", at, want);
}

static bool nodes_grow(struct reader *r)
{
    uint32_t cap = r->cap > r->cap_max / 2 ? r->cap_max : r->cap * 2;
    struct json *grown = NULL;
    if (cap > r->cap)
        grown = arena_resize(r->arena, r->nodes, r->cap * sizeof(*grown), cap * sizeof(*grown));
    if (!grown)
        return err_set(r->err, ERR_LIMITED, "JSON has more than %u values: too many for the limit",
                       r->cap);
    r->nodes = grown;
    r->cap = cap;
    return true;
}

static inline struct json *node_new(struct reader *r)
{
    if (__builtin_expect(r->n == r->cap, 0) && !nodes_grow(r))
        return NULL;
    return &r->nodes[r->n++];
}

static inline bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline const char *space_end(const char *p, const char *end)
{
    // Compact text has no spaces, indented text has runs of them.
    if (p == end || (unsigned char)*p > ' ')
        return p;
#ifdef __SSE2__
    const __m128i sp = _mm_set1_epi8(' '), nl = _mm_set1_epi8('\n');
    const __m128i cr = _mm_set1_epi8('\r'), tab = _mm_set1_epi8('\t');
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i a = _mm_or_si128(_mm_cmpeq_epi8(v, sp), _mm_cmpeq_epi8(v, nl));
        __m128i b = _mm_or_si128(_mm_cmpeq_epi8(v, cr), _mm_cmpeq_epi8(v, tab));
        unsigned other = (unsigned)_mm_movemask_epi8(_mm_or_si128(a, b)) ^ 0xFFFFu;
        if (other)
            return p + __builtin_ctz(other);
    }
#endif
    while (p < end && is_space(*p))
        p++;
    return p;
}

static inline void skip_space(struct reader *r)
{
    r->p = space_end(r->p, r->end);
}

/* The value of four hex digits, or -1. */
static int hex4(const char *p, const char *end)
{
    if (end - p < 4)
        return -1;
    int v = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        v = v << 4 | digit;
    }
    return v;
}

/* r->p is at a backslash: check what follows and step past it. */
static bool read_escape(struct reader *r)
{
    r->p++;
    if (r->p == r->end)
        return fail(r, "the end of an escape");
    if (*r->p == 'u') {
        if (hex4(r->p + 1, r->end) < 0)
            return fail(r, "four hexadecimal digits after \\u");
        r->p += 5;
        return true;
    }
    static const char known[] = {'"', '\\', '/', 'b', 'f', 'n', 'r', 't'};
    if (!memchr(known, *r->p, sizeof(known)))
        return fail(r, "an escape that JSON knows");
    r->p++;
    return true;
}

/* r->p is at the opening quote. */
static inline bool read_string(struct reader *r)
{
    struct json *node = node_new(r);
    if (!node)
        return false;
    const char *start = ++r->p;
    bool high = false, escaped = false;
    for (;;) {
        r->p = json_scan(r->p, r->end, &high);
        if (r->p == r->end)
            return fail(r, "the closing quote");
        if (*r->p == '"')
            break;
        if (*r->p != '\\')
            return fail(r, "control characters in strings escaped");
        escaped = true;
        if (!read_escape(r))
            return false;
    }
    size_t len = (size_t)(r->p++ - start);
    node->type = JSON_STRING;
    node->is_plain = !high && !escaped;
    node->n = 0;
    node->size = 1;
    node->raw = (struct str){start, len};
    node->span = (struct str){start - 1, len + 2};
    return true;
}

static bool node_leaf(struct reader *r, enum json_type type, size_t len)
{
    struct json *node = node_new(r);
    if (!node)
        return false;
    struct str raw = {r->p, len};
    *node = (struct json){.type = type, .size = 1, .raw = raw, .span = raw};
    r->p += len;
    return true;
}

static bool read_word(struct reader *r, enum json_type type, struct str word)
{
    if ((size_t)(r->end - r->p) < word.len || memcmp(r->p, word.ptr, word.len) != 0)
        return fail(r, "a value (true, false and null are in lower case)");
    return node_leaf(r, type, word.len);
}

static inline const char *digits_end(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

static bool read_number(struct reader *r)
{
    const char *start = r->p, *p = r->p + (*r->p == '-');
    const char *q = digits_end(p, r->end);
    r->p = q;
    if (q == p)
        return fail(r, "a digit");
    if (*p == '0' && q - p > 1) {
        r->p = p + 1;
        return fail(r, "no digit after a leading zero");
    }
    if (q < r->end && *q == '.') {
        p = q + 1;
        r->p = q = digits_end(p, r->end);
        if (q == p)
            return fail(r, "a digit after the decimal point");
    }
    if (q < r->end && (*q == 'e' || *q == 'E')) {
        p = q + 1;
        if (p < r->end && (*p == '+' || *p == '-'))
            p++;
        r->p = q = digits_end(p, r->end);
        if (q == p)
            return fail(r, "a digit in the exponent");
    }
    r->p = start;
    return node_leaf(r, JSON_NUMBER, (size_t)(q - start));
}

static bool read_container(struct reader *r, char close);

static inline bool read_value(struct reader *r)
{
    if (r->p == r->end)
        return fail(r, "a value");
    switch (*r->p) {
    case '"':
        return read_string(r);
    case '{':
        return read_container(r, '}');
    case '[':
        return read_container(r, ']');
    case 't':
        return read_word(r, JSON_TRUE, STR("true"));
    case 'f':
        return read_word(r, JSON_FALSE, STR("false"));
    case 'n':
        return read_word(r, JSON_NULL, STR("null"));
    default:
        if (*r->p == '-' || (*r->p >= '0' && *r->p <= '9'))
            return read_number(r);
        return fail(r, "a value");
    }
}

static inline bool read_key(struct reader *r)
{
    if (r->p == r->end || *r->p != '"')
        return fail(r, "a key in quotes");
    if (!read_string(r))
        return false;
    skip_space(r);
    if (r->p == r->end || *r->p != ':')
        return fail(r, "a colon after the key");
    r->p++;
    skip_space(r);
    return true;
}

/* Items or members up to `close`; *count is how many. */
static bool read_items(struct reader *r, char close, uint32_t *count)
{
    *count = 0;
    skip_space(r);
    if (r->p < r->end && *r->p == close) {
        r->p++;
        return true;
    }
    for (;;) {
        if (close == '}' && !read_key(r))
            return false;
        if (!read_value(r))
            return false;
        ++*count;
        skip_space(r);
        if (r->p < r->end && *r->p == close) {
            r->p++;
            return true;
        }
        if (r->p == r->end || *r->p != ',')
            return fail(r, close == '}' ? "a comma or }" : "a comma or ]");
        r->p++;
        skip_space(r);
    }
}

// Recursion is bounded by JSON_DEPTH_MAX.
// NOLINTNEXTLINE(misc-no-recursion)
static bool read_container(struct reader *r, char close)
{
    if (r->depth == JSON_DEPTH_MAX)
        return fail(r, "no more than 64 levels of nesting");
    r->depth++;
    // An index, because the array may move while it grows.
    uint32_t self = r->n, count;
    if (!node_new(r))
        return false;
    const char *start = r->p++;
    if (!read_items(r, close, &count))
        return false;
    struct str raw = {start, (size_t)(r->p - start)};
    r->nodes[self] = (struct json){
        .type = close == '}' ? JSON_OBJECT : JSON_ARRAY,
        .n = count,
        .size = r->n - self,
        .raw = raw,
        .span = raw,
    };
    r->depth--;
    return true;
}

const struct json *json_parse(struct arena *a, struct str text, struct err *err)
{
    if (text.len == 0) {
        err_set(err, ERR_INVALID, "not JSON: the text is empty");
        return NULL;
    }
    struct reader r = {.p = text.ptr, .end = text.ptr + text.len, .arena = a, .err = err};
    r.begin = text.ptr;
    skip_space(&r);
    // Half of the room at most, so that what is read from the document finds room too.
    size_t most = arena_room(a) / 2 / sizeof(*r.nodes);
    // Webhooks have a value or key in 12 to 17 bytes; what is too much is given back below.
    size_t guess = text.len / 8 + 8;
    r.cap_max = most < UINT32_MAX ? (uint32_t)most : UINT32_MAX;
    r.cap = guess < r.cap_max ? (uint32_t)guess : r.cap_max;
    r.nodes = arena_try(a, r.cap * sizeof(*r.nodes));
    if (!r.nodes) {
        err_set(err, ERR_LIMITED, "no room for a JSON document of %zu bytes", text.len);
        return NULL;
    }

    if (!read_value(&r))
        return NULL;
    skip_space(&r);
    if (r.p != r.end) {
        fail(&r, "nothing after the value");
        return NULL;
    }
    return arena_resize(a, r.nodes, r.cap * sizeof(*r.nodes), r.n * sizeof(*r.nodes));
}

/* The next character of a JSON string at *p, decoded into out; returns its length. The reader has
 * checked the escapes. */
static size_t decode_next(const char **p, const char *end, char out[4])
{
    uint32_t cp;
    bool valid;
    if (**p != '\\') {
        *p += utf8_next((struct str){*p, (size_t)(end - *p)}, &cp, &valid);
        return utf8_put(cp, out);
    }
    char c = (*p)[1];
    *p += 2;
    if (c != 'u') {
        static const char from[] = {'b', 'f', 'n', 'r', 't'}, to[] = {'\b', '\f', '\n', '\r', '\t'};
        const char *known = memchr(from, c, sizeof(from));
        out[0] = known ? to[known - from] : c;
        return 1;
    }
    cp = (uint32_t)hex4(*p, end);
    *p += 4;
    if (cp >= 0xD800 && cp < 0xDC00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
        int low = hex4(*p + 2, end);
        if (low >= 0xDC00 && low < 0xE000) {
            *p += 6;
            cp = 0x10000 + ((cp - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
        }
    }
    // A surrogate that is still alone becomes U+FFFD in utf8_put.
    return utf8_put(cp ? cp : CODEPOINT_BAD, out);
}

static size_t decode(struct str raw, char *out)
{
    const char *p = raw.ptr, *end = raw.ptr + raw.len;
    size_t n = 0;
    while (p < end) {
        char c[4];
        size_t len = decode_next(&p, end, c);
        if (out)
            memcpy(out + n, c, len);
        n += len;
    }
    return n;
}

struct str json_text(struct arena *a, const struct json *v)
{
    if (!v || (v->type != JSON_STRING && v->type != JSON_NUMBER))
        return STR_NONE;
    if (v->type == JSON_NUMBER || v->is_plain)
        return v->raw;
    if (!memchr(v->raw.ptr, '\\', v->raw.len))
        return str_utf8(a, v->raw);
    size_t len = decode(v->raw, NULL);
    char *text = arena_alloc(a, len);
    decode(v->raw, text);
    return (struct str){text, len};
}

static bool key_is(const struct json *key, const char *want, size_t len)
{
    if (key->is_plain)
        return key->raw.len == len && memcmp(key->raw.ptr, want, len) == 0;
    const char *p = key->raw.ptr, *end = p + key->raw.len;
    while (p < end) {
        char c[4];
        size_t n = decode_next(&p, end, c);
        if (n > len || memcmp(want, c, n) != 0)
            return false;
        want += n;
        len -= n;
    }
    return len == 0;
}

const struct json *json_get(const struct json *obj, const char *key)
{
    if (!json_is(obj, JSON_OBJECT))
        return NULL;
    size_t len = strlen(key);
    const struct json *found = NULL, *k = obj + 1, *end = obj + obj->size;
    for (; k < end; k += 1 + k[1].size) {
        if (key_is(k, key, len))
            found = k + 1;
    }
    return found && found->type != JSON_NULL ? found : NULL;
}

bool json_is(const struct json *v, enum json_type type)
{
    return v && v->type == type;
}

static const struct json *item_at(const struct json *parent, const struct json *v)
{
    if (v >= parent + parent->size)
        return NULL;
    return parent->type == JSON_OBJECT ? v + 1 : v;
}

const struct json *json_first(const struct json *parent)
{
    if (!json_is(parent, JSON_OBJECT) && !json_is(parent, JSON_ARRAY))
        return NULL;
    return item_at(parent, parent + 1);
}

const struct json *json_next(const struct json *parent, const struct json *v)
{
    return parent && v ? item_at(parent, v + v->size) : NULL;
}

const struct json *json_key(const struct json *v)
{
    return v ? v - 1 : NULL;
}

bool json_i64(const struct json *v, int64_t *out)
{
    if (!v || (v->type != JSON_NUMBER && v->type != JSON_STRING))
        return false;
    return str_i64(v->raw, out);
}

bool json_truthy(const struct json *v)
{
    if (!v)
        return false;
    if (v->type == JSON_NUMBER)
        return str_eq(v->raw, STR("1"));
    if (v->type == JSON_STRING)
        return str_eq(v->raw, STR("1")) || str_eq(v->raw, STR("true"));
    return v->type == JSON_TRUE;
}
