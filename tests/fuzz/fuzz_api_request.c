/* SPDX-License-Identifier: Apache-2.0 */
/* What clients give the api, against its own description. The first byte chooses:
 *
 *   0  a byte that chooses an operation with a JSON body, the body
 *   1  a byte that chooses an operation with parameters, the text of each
 *   2  a method's byte, a path
 *   3  a byte that is a number of parts, a cursor
 *   4  a pattern, a line break, a text
 *   5  a JSON array of a schema and a value */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "cursor.h"
#include "embedded.h"
#include "handlers.h"
#include "spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ARENA_BYTES ((size_t)256 << 20)

static const struct api_spec *the_spec(void)
{
    static struct api_spec *s; // reachable to the end: not a leak
    struct err err = {0};
    if (!s)
        s = api_spec_new((struct str){openapi_files[0].text, openapi_files[0].len},
                         api_handler_tables, &err);
    assert(s);
    return s;
}

/* Refused is told why, in texts that go into a JSON answer; and the same each time. */
static void check_violations(bool ok, const struct api_violations *v)
{
    auto_arena a = arena_new(ARENA_BYTES);
    assert(ok == (v->n == 0) && v->n <= API_VIOLATIONS_MAX);
    for (int i = 0; i < v->n; i++) {
        assert(v->list[i].detail.len);
        assert(str_eq(str_utf8(a, v->list[i].detail), v->list[i].detail));
        assert(str_eq(str_utf8(a, v->list[i].pointer), v->list[i].pointer));
    }
}

static void check_value(const struct api_schema *s, struct arena *a, const struct json *v)
{
    struct api_violations first = {.a = a}, second = {.a = a};
    bool ok = api_check(s, v, &first);
    check_violations(ok, &first);
    assert(api_check(s, v, &second) == ok && first.n == second.n);
}

/* The i-th operation, going round, of which `has` is true. */
static const struct api_operation *operation_at(size_t i,
                                                bool (*has)(const struct api_operation *o))
{
    const struct api_spec *s = the_spec();
    size_t n = (size_t)api_spec_operations(s), count = 0;
    for (size_t k = 0; k < n; k++)
        count += has(api_spec_operation(s, (int)k));
    i %= count;
    for (size_t k = 0; k < n; k++)
        if (has(api_spec_operation(s, (int)k)) && i-- == 0)
            return api_spec_operation(s, (int)k);
    return NULL;
}

static bool has_body(const struct api_operation *o)
{
    return o->body;
}

static bool has_params(const struct api_operation *o)
{
    return o->n_params > 0;
}

static void check_body(size_t which, struct str text)
{
    auto_arena a = arena_new(ARENA_BYTES);
    struct err err = {0};
    const struct json *v = json_parse(a, text, &err);
    if (v)
        check_value(operation_at(which, has_body)->body, a, v);
}

static void check_params(size_t which, struct str text)
{
    auto_arena a = arena_new(ARENA_BYTES);
    const struct api_operation *o = operation_at(which, has_params);
    for (int i = 0; i < o->n_params; i++) {
        struct api_violations v = {.a = a};
        check_violations(api_check_text(o->params[i].schema, text, o->params[i].name, &v), &v);
    }
}

static void check_path(enum http_method method, struct str path)
{
    struct api_route r = {0};
    api_spec_route(the_spec(), method, path, &r);
    assert(!r.operation || r.methods);
    for (int i = 0; r.operation && i < r.operation->n_params; i++) {
        const struct api_param *p = &r.operation->params[i];
        struct str v = p->in == API_IN_PATH ? api_route_value(&r, p->name) : path;
        assert(v.len && v.ptr >= path.ptr && v.ptr + v.len <= path.ptr + path.len);
    }
}

/* What is read of a cursor makes one that is read the same. */
static void check_cursor(int n, struct str text)
{
    auto_arena a = arena_new(ARENA_BYTES);
    struct str parts[API_CURSOR_PARTS_MAX], again[API_CURSOR_PARTS_MAX];
    if (!api_cursor_split(a, text, parts, n))
        return;
    assert(api_cursor_split(a, api_cursor_join(a, parts, n), again, n));
    for (int i = 0; i < n; i++)
        assert(parts[i].ptr && str_eq(parts[i], again[i]));
}

static void check_pattern(struct str in)
{
    auto_arena a = arena_new(ARENA_BYTES);
    struct err err = {0};
    struct str pattern, text;
    (void)str_cut(in, '\n', &pattern, &text);
    const struct api_pattern *p = api_pattern_new(a, pattern, &err);
    assert(p || err.kind != ERR_NONE);
    if (p)
        (void)api_pattern_matches(p, text);
}

static void check_schema(struct str text)
{
    auto_arena a = arena_new(ARENA_BYTES);
    struct err err = {0};
    const struct json *root = json_parse(a, text, &err), *node = json_first(root);
    const struct json *v = node ? json_next(root, node) : NULL;
    if (!json_is(root, JSON_ARRAY) || !v)
        return;
    const struct api_schema *s = api_schema_new(api_schemas_new(a, root), node, STR("fuzz"), &err);
    assert(s || err.kind != ERR_NONE);
    if (s)
        check_value(s, a, v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 1 << 16)
        return 0;
    struct str rest = {(const char *)data + 2, size - 2};
    switch (data[0]) {
    case 0:
        check_body(data[1], rest);
        break;
    case 1:
        check_params(data[1], rest);
        break;
    case 2:
        check_path((enum http_method)(data[1] % (HTTP_OTHER + 1)), rest);
        break;
    case 3:
        check_cursor(data[1] % (API_CURSOR_PARTS_MAX + 1), rest);
        break;
    case 4:
        check_pattern((struct str){(const char *)data + 1, size - 1});
        break;
    case 5:
        check_schema((struct str){(const char *)data + 1, size - 1});
        break;
    default:
        break;
    }
    return 0;
}
