/* SPDX-License-Identifier: Apache-2.0 */
#include "spec.h"

#include <stdlib.h>
#include <string.h>

#include "call.h"

#define SPEC_BYTES_MAX ((size_t)256 << 20)
#define OPERATIONS_MAX 256
#define PARAMS_MAX     32
#define RATE_COST_MAX  1000

struct api_spec {
    struct arena *a;
    struct str text;
    const struct json *root;
    struct api_schemas *schemas;
    struct api_operation operations[OPERATIONS_MAX];
    int n;
};

static const struct {
    const char *name, *key;
} methods[] = {
    [HTTP_GET] = {"GET", "get"},
    [HTTP_HEAD] = {"HEAD", "head"},
    [HTTP_POST] = {"POST", "post"},
    [HTTP_PUT] = {"PUT", "put"},
    [HTTP_PATCH] = {"PATCH", "patch"},
    [HTTP_DELETE] = {"DELETE", "delete"},
    [HTTP_OPTIONS] = {"OPTIONS", "options"},
};

bool api_role_find(struct str name, enum api_role *out)
{
    static const struct {
        const char *name;
        enum api_role role;
    } roles[] = {{"owner", API_OWNER}, {"agent", API_AGENT}, {"operator", API_OPERATOR}};
    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        if (str_eq_c(name, roles[i].name)) {
            *out = roles[i].role;
            return true;
        }
    return false;
}

/* --- operations ------------------------------------------------------------------------------- */

struct build {
    struct api_spec *s;
    struct api_operation *op;
    struct str where;
    struct err *err;
};

static bool fail(const struct build *b, const char *why)
{
    return err_set(b->err, ERR_INVALID, "%.*s %s", STR_ARG(b->where), why);
}

static struct str within(const struct build *b, const char *what)
{
    return str_fmt(b->s->a, "%.*s: %s", STR_ARG(b->where), what);
}

static bool read_roles(const struct build *b, const struct json *op)
{
    const struct json *roles = json_get(op, "x-roles");
    const struct json *security = json_get(op, "security");
    bool is_open = json_is(security, JSON_ARRAY) && security->n == 0;
    if (is_open == (roles != NULL))
        return fail(b, "wants either x-roles or `security: []`");
    for (const struct json *v = json_first(roles); v; v = json_next(roles, v)) {
        enum api_role role;
        if (!api_role_find(v->raw, &role))
            return fail(b, "has an unknown role in x-roles");
        b->op->roles |= role;
    }
    return is_open || b->op->roles || fail(b, "has no role in x-roles");
}

static bool read_cost(const struct build *b, const struct json *op)
{
    int64_t cost = 1;
    const struct json *v = json_get(op, "x-rate");
    if (v && (!json_i64(v, &cost) || cost < 1 || cost > RATE_COST_MAX))
        return fail(b, "has an x-rate that is no cost");
    b->op->cost = (int)cost;
    return true;
}

static bool read_in(const struct build *b, struct str text, enum api_in *out)
{
    if (str_eq_c(text, "path"))
        *out = API_IN_PATH;
    else if (str_eq_c(text, "query"))
        *out = API_IN_QUERY;
    else if (str_eq_c(text, "header"))
        *out = API_IN_HEADER;
    else
        return fail(b, "has a parameter that is in no path, query or header");
    return true;
}

static struct str preset_of(const struct build *b, const struct api_schema *s)
{
    while (s->ref && !s->preset)
        s = s->ref;
    if (!s->preset)
        return STR_NONE;
    return s->preset->type == JSON_STRING ? json_text(b->s->a, s->preset) : s->preset->raw;
}

static bool read_param(const struct build *b, const struct json *node, struct api_param *out)
{
    node = api_schemas_deref(b->s->schemas, "parameters", node, b->err);
    if (!node)
        return err_wrap(b->err, "%.*s", STR_ARG(b->where));
    out->name = json_text(b->s->a, json_get(node, "name"));
    out->name_c = str_c(b->s->a, out->name);
    out->is_required = json_truthy(json_get(node, "required"));
    if (!out->name.len || !read_in(b, json_text(b->s->a, json_get(node, "in")), &out->in))
        return out->name.len || fail(b, "has a parameter without a name");
    const struct json *explode = json_get(node, "explode");
    struct str where = str_fmt(b->s->a, "%.*s: parameter %s", STR_ARG(b->where), out->name_c);
    out->schema = api_schema_new(b->s->schemas, json_get(node, "schema"), where, b->err);
    if (!out->schema)
        return false;
    const struct api_schema *s = out->schema;
    while (s->ref && !s->types)
        s = s->ref;
    if ((s->types & API_ARRAY) && (!json_is(explode, JSON_FALSE) || !s->items))
        return fail(b, "has a list as parameter: it wants `items` and `explode: false`");
    out->preset = preset_of(b, out->schema);
    return true;
}

static bool read_params(const struct build *b, const struct json *list, struct api_param *out,
                        int *n)
{
    for (const struct json *v = json_first(list); v; v = json_next(list, v)) {
        if (*n == PARAMS_MAX)
            return fail(b, "has too many parameters");
        if (!read_param(b, v, &out[*n]))
            return false;
        (*n)++;
    }
    return true;
}

static bool read_body(const struct build *b, const struct json *op)
{
    const struct json *body = json_get(op, "requestBody");
    if (!body)
        return !b->op->has_raw_body || fail(b, "has x-raw-body and no requestBody");
    b->op->media = json_get(body, "content");
    b->op->needs_body = json_truthy(json_get(body, "required"));
    if (!b->op->media || !b->op->media->n)
        return fail(b, "has a requestBody without content");
    const struct json *json = json_get(b->op->media, "application/json");
    if (b->op->has_raw_body && !json_get(json, "schema"))
        return true;
    if (!b->op->has_raw_body && (!json || b->op->media->n != 1))
        return fail(b, "takes a body that is not application/json alone, without x-raw-body");
    b->op->body =
        api_schema_new(b->s->schemas, json_get(json, "schema"), within(b, "body"), b->err);
    return b->op->body != NULL;
}

/* Schemas of answers are for clients and tests, but what is wrong in them is better known now. */
static bool read_responses(const struct build *b, const struct json *op)
{
    const struct json *all = json_get(op, "responses");
    for (const struct json *r = json_first(all); r; r = json_next(all, r)) {
        const struct json *node = api_schemas_deref(b->s->schemas, "responses", r, b->err);
        const struct json *content = json_get(node, "content");
        if (!node)
            return err_wrap(b->err, "%.*s", STR_ARG(b->where));
        for (const struct json *m = json_first(content); m; m = json_next(content, m)) {
            const struct json *schema = json_get(m, "schema");
            if (schema && !api_schema_new(b->s->schemas, schema, within(b, "responses"), b->err))
                return false;
        }
    }
    return json_is(all, JSON_OBJECT) || fail(b, "has no responses");
}

static const struct api_handler *find_handler(const struct api_handler *const *tables,
                                              const char *id)
{
    for (; *tables; tables++)
        for (const struct api_handler *h = *tables; h->operation_id; h++)
            if (strcmp(h->operation_id, id) == 0)
                return h;
    return NULL;
}

/* Each {name} of the template is a parameter, and there are no others in the path. */
static bool check_path(const struct build *b)
{
    int n_open = 0, n_params = 0, n_segments = 0;
    for (size_t i = 0; i < b->op->path.len; i++) {
        n_open += b->op->path.ptr[i] == '{';
        n_segments += b->op->path.ptr[i] == '/';
    }
    for (int i = 0; i < b->op->n_params; i++) {
        const struct api_param *p = &b->op->params[i];
        struct str name = str_fmt(b->s->a, "/{%s}", p->name_c);
        if (p->in != API_IN_PATH)
            continue;
        n_params++;
        if (!memmem(b->op->path.ptr, b->op->path.len, name.ptr, name.len))
            return fail(b, "has a path parameter that is not in the path");
    }
    if (n_open != n_params)
        return fail(b, "has a {name} in the path that is no parameter");
    return n_segments <= API_SEGMENTS_MAX || fail(b, "has too many segments");
}

static bool read_operation(struct api_spec *s, const struct json *item, const struct json *node,
                           struct str path, enum http_method method,
                           const struct api_handler *const *tables, struct err *err)
{
    struct api_operation *op = &s->operations[s->n];
    struct build b = {.s = s, .op = op, .err = err};
    b.where = str_fmt(s->a, "%s %.*s", methods[method].name, STR_ARG(path));
    if (s->n == OPERATIONS_MAX)
        return fail(&b, "is one operation too many");
    op->method = method;
    op->path = path;
    op->id = str_c(s->a, json_text(s->a, json_get(node, "operationId")));
    op->is_idempotent = json_truthy(json_get(node, "x-idempotent"));
    op->is_secret = json_truthy(json_get(node, "x-secret"));
    op->is_streamed = json_truthy(json_get(node, "x-stream-body"));
    op->has_raw_body = op->is_streamed || json_truthy(json_get(node, "x-raw-body"));
    struct api_param *params = ARENA_ARRAY(s->a, struct api_param, PARAMS_MAX);
    op->params = params;
    if (!*op->id)
        return fail(&b, "has no operationId");
    if (!read_roles(&b, node) || !read_cost(&b, node) ||
        !read_params(&b, json_get(item, "parameters"), params, &op->n_params) ||
        !read_params(&b, json_get(node, "parameters"), params, &op->n_params) || !check_path(&b) ||
        !read_body(&b, node) || !read_responses(&b, node))
        return false;
    op->handler = find_handler(tables, op->id);
    if (!op->handler)
        return err_set(err, ERR_INVALID, "%.*s (%s) has no handler", STR_ARG(b.where), op->id);
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->operations[i].id, op->id) == 0)
            return err_set(err, ERR_INVALID, "two operations are called %s", op->id);
    s->n++;
    return true;
}

static bool read_paths(struct api_spec *s, const struct api_handler *const *tables, struct err *err)
{
    const struct json *paths = json_get(s->root, "paths");
    for (const struct json *item = json_first(paths); item; item = json_next(paths, item)) {
        struct str path = json_text(s->a, json_key(item));
        for (size_t m = 0; m < ARRAY_LEN(methods); m++) {
            const struct json *node = json_get(item, methods[m].key);
            if (node && !read_operation(s, item, node, path, (enum http_method)m, tables, err))
                return false;
        }
    }
    return true;
}

static bool check_handlers(const struct api_spec *s, const struct api_handler *const *tables,
                           struct err *err)
{
    for (; *tables; tables++)
        for (const struct api_handler *h = *tables; h->operation_id; h++) {
            int i = 0;
            while (i < s->n && s->operations[i].handler != h)
                i++;
            if (i == s->n)
                return err_set(err, ERR_INVALID, "the handler %s has no operation, or stands twice",
                               h->operation_id);
        }
    return true;
}

static bool check_components(const struct api_spec *s, struct err *err)
{
    const struct json *all = json_get(json_get(s->root, "components"), "schemas");
    for (const struct json *v = json_first(all); v; v = json_next(all, v))
        if (!api_schema_new(s->schemas, v, json_key(v)->raw, err))
            return false;
    return true;
}

struct api_spec *api_spec_new(struct str text, const struct api_handler *const *tables,
                              struct err *err)
{
    struct arena *a = arena_new(SPEC_BYTES_MAX);
    struct api_spec *s = xalloc(sizeof *s);
    s->a = a;
    s->text = text;
    s->root = json_parse(a, text, err);
    if (s->root) {
        s->schemas = api_schemas_new(a, s->root);
        if (check_components(s, err) && read_paths(s, tables, err) &&
            check_handlers(s, tables, err))
            return s;
    }
    err_wrap(err, "openapi");
    api_spec_free(s);
    return NULL;
}

void api_spec_free(struct api_spec *s)
{
    if (!s)
        return;
    arena_free(s->a);
    free(s);
}

struct str api_spec_text(const struct api_spec *s)
{
    return s->text;
}

int api_spec_operations(const struct api_spec *s)
{
    return s->n;
}

const struct api_operation *api_spec_operation(const struct api_spec *s, int i)
{
    return &s->operations[i];
}

/* --- routes ----------------------------------------------------------------------------------- */

static struct str segment(struct str *rest)
{
    struct str head, tail;
    (void)str_cut(str_skip(*rest, 1), '/', &head, &tail); // each begins with '/'
    *rest = tail.ptr ? (struct str){tail.ptr - 1, tail.len + 1} : STR_NONE;
    return head;
}

/* A bit for each literal segment, the first one highest: of two templates that fit, the one that is
 * literal earlier is meant. -1: it does not fit. */
static int fit(struct str template, struct str path, struct str values[API_SEGMENTS_MAX])
{
    int score = 0, n = 0;
    if (!path.len || path.ptr[0] != '/')
        return -1;
    while (template.ptr && path.ptr) {
        struct str want = segment(&template), is = segment(&path);
        bool literal = !(want.len && want.ptr[0] == '{');
        if (literal ? !str_eq(want, is) : is.len == 0)
            return -1;
        if (n == API_SEGMENTS_MAX)
            return -1;
        values[n++] = is;
        score = score * 2 + literal;
    }
    return template.ptr || path.ptr ? -1 : score;
}

void api_spec_route(const struct api_spec *s, enum http_method method, struct str path,
                    struct api_route *out)
{
    struct str best_path = STR_NONE;
    int best = -1;
    *out = (struct api_route){0};
    if (method == HTTP_HEAD)
        method = HTTP_GET;
    for (int i = 0; i < s->n; i++) {
        struct str values[API_SEGMENTS_MAX];
        int score = fit(s->operations[i].path, path, values);
        if (score < best || score < 0)
            continue;
        if (score > best || !str_eq(s->operations[i].path, best_path)) {
            best = score;
            best_path = s->operations[i].path;
            out->methods = 0;
            out->operation = NULL;
            memcpy(out->values, values, sizeof values);
        }
        out->methods |= 1U << s->operations[i].method;
        if (s->operations[i].method == method)
            out->operation = &s->operations[i];
    }
    if (out->methods & 1U << HTTP_GET)
        out->methods |= 1U << HTTP_HEAD;
}

struct str api_route_value(const struct api_route *r, struct str name)
{
    struct str template = r->operation->path;
    for (int i = 0; template.ptr; i++) {
        struct str s = segment(&template);
        if (s.len == name.len + 2 && s.ptr[0] == '{' && memcmp(s.ptr + 1, name.ptr, name.len) == 0)
            return r->values[i];
    }
    return STR_NONE;
}

struct str api_methods_text(struct arena *a, unsigned bits)
{
    struct str out = STR("OPTIONS");
    for (size_t i = ARRAY_LEN(methods); i-- > 0;)
        if (bits & 1U << i && i != HTTP_OPTIONS)
            out = str_fmt(a, "%s, %.*s", methods[i].name, STR_ARG(out));
    return out;
}
