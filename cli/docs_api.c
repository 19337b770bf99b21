/* SPDX-License-Identifier: Apache-2.0 */
/* docs/api.md, from the description that the api serves and checks its requests against. */
#include "docs.h"
#include "embedded.h"
#include "json.h"
#include "mem.h"

#define ARENA_BYTES ((size_t)64 << 20)
#define DEPTH_MAX   6

struct page {
    struct arena *a;
    const struct json *doc;
    struct buf *out;
};

static struct str text(const struct page *p, const struct json *node, const char *member)
{
    return json_text(p->a, json_get(node, member));
}

static struct str key(const struct page *p, const struct json *v)
{
    return json_text(p->a, json_key(v));
}

/* The last part of a $ref; absent: it is none. */
static struct str ref(const struct page *p, const struct json *node)
{
    struct str rest = text(p, node, "$ref"), head;
    while (str_cut(rest, '/', &head, &rest))
        continue;
    return head;
}

static const struct json *resolve(const struct page *p, const struct json *node, const char *kind)
{
    struct str name = ref(p, node);
    const struct json *all = json_get(json_get(p->doc, "components"), kind);
    return name.len ? json_get(all, str_c(p->a, name)) : node;
}

/* In a cell of a table: on one line, and without what would end the cell. */
static void put_cell(const struct page *p, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '|')
            buf_putc(p->out, '\\');
        buf_putc(p->out, s.ptr[i] == '\n' ? ' ' : s.ptr[i]);
    }
}

/* --- what a value may be ---------------------------------------------------------------------- */

static void put_type(const struct page *p, const struct json *schema, int depth);

static void put_list(const struct page *p, const struct json *list, const char *between, int depth)
{
    for (const struct json *v = json_first(list); v; v = json_next(list, v)) {
        if (v != json_first(list))
            buf_put_c(p->out, between);
        if (json_is(v, JSON_OBJECT))
            put_type(p, v, depth);
        else if (json_is(v, JSON_NULL))
            buf_put_c(p->out, "null");
        else
            buf_put_str(p->out, json_text(p->a, v));
    }
}

static bool is_required(const struct page *p, const struct json *schema, struct str name)
{
    const struct json *list = json_get(schema, "required");
    for (const struct json *v = json_first(list); v; v = json_next(list, v))
        if (str_eq(json_text(p->a, v), name))
            return true;
    return false;
}

static void put_members(const struct page *p, const struct json *schema, int depth)
{
    const struct json *members = json_get(schema, "properties");
    buf_put_c(p->out, "{");
    for (const struct json *v = json_first(members); v; v = json_next(members, v)) {
        struct str name = key(p, v);
        buf_putf(p->out, "%s%.*s%s: ", v == json_first(members) ? "" : ", ", STR_ARG(name),
                 is_required(p, schema, name) ? "" : "?");
        put_type(p, v, depth + 1);
    }
    buf_put_c(p->out, "}");
}

static void put_bound(const struct page *p, const struct json *schema, const char *least,
                      const char *most, const char *unit)
{
    struct str from = text(p, schema, least), to = text(p, schema, most);
    if (from.len && to.len)
        buf_putf(p->out, " (%.*s to %.*s%s)", STR_ARG(from), STR_ARG(to), unit);
    else if (to.len)
        buf_putf(p->out, " (at most %.*s%s)", STR_ARG(to), unit);
    else if (from.len)
        buf_putf(p->out, " (at least %.*s%s)", STR_ARG(from), unit);
}

static void put_plain(const struct page *p, const struct json *schema, int depth)
{
    const struct json *type = json_get(schema, "type");
    struct str format = text(p, schema, "format");
    if (json_is(type, JSON_ARRAY))
        put_list(p, type, " or ", depth);
    else
        buf_put_str(p->out, type ? json_text(p->a, type) : STR("anything"));
    if (format.len)
        buf_putf(p->out, " (%.*s)", STR_ARG(format));
    put_bound(p, schema, "minLength", "maxLength", " characters");
    put_bound(p, schema, "minimum", "maximum", "");
}

static void put_type(const struct page *p, const struct json *schema, int depth)
{
    struct str name = ref(p, schema);
    const struct json *choice = json_get(schema, "anyOf");
    const struct json *all = json_get(schema, "allOf");
    choice = choice ? choice : json_get(schema, "oneOf");
    if (depth > DEPTH_MAX)
        buf_put_c(p->out, "...");
    else if (name.len)
        buf_put_str(p->out, name);
    else if (choice)
        put_list(p, choice, " or ", depth + 1);
    else if (all)
        put_list(p, all, " and ", depth + 1);
    else if (json_get(schema, "enum"))
        put_list(p, json_get(schema, "enum"), " or ", depth + 1);
    else if (json_get(schema, "items")) {
        buf_put_c(p->out, "array of ");
        put_type(p, json_get(schema, "items"), depth + 1);
        put_bound(p, schema, "minItems", "maxItems", " items");
    } else if (json_get(schema, "properties"))
        put_members(p, schema, depth);
    else
        put_plain(p, schema, depth);
    struct str preset = text(p, schema, "default");
    if (preset.len)
        buf_putf(p->out, " (default %.*s)", STR_ARG(preset));
}

/* --- operations ------------------------------------------------------------------------------- */

static void put_parameters(const struct page *p, const struct json *list)
{
    for (const struct json *v = json_first(list); v; v = json_next(list, v)) {
        const struct json *parameter = resolve(p, v, "parameters");
        struct str what = text(p, parameter, "description");
        buf_putf(p->out, "- %s `%.*s`: `", str_c(p->a, text(p, parameter, "in")),
                 STR_ARG(text(p, parameter, "name")));
        put_type(p, json_get(parameter, "schema"), 0);
        buf_put_c(p->out, "`");
        if (what.len)
            buf_putf(p->out, ". %.*s", STR_ARG(what));
        buf_putc(p->out, '\n');
    }
}

/* What is sent or answered: its types, with the schema of each. */
static void put_content(const struct page *p, const struct json *holder)
{
    const struct json *content = json_get(holder, "content");
    for (const struct json *v = json_first(content); v; v = json_next(content, v)) {
        struct str type = key(p, v);
        bool is_json = str_eq_c(type, "application/json");
        if (!is_json)
            buf_putf(p->out, " %.*s", STR_ARG(type));
        if (!is_json || !json_get(v, "schema"))
            continue;
        buf_put_c(p->out, " `");
        put_type(p, json_get(v, "schema"), 0);
        buf_put_c(p->out, "`");
    }
}

static void put_answers(const struct page *p, const struct json *answers)
{
    for (const struct json *v = json_first(answers); v; v = json_next(answers, v)) {
        struct str status = key(p, v);
        const struct json *answer = resolve(p, v, "responses");
        if (str_eq_c(status, "default"))
            continue; // a problem, as everywhere
        buf_putf(p->out, "- %.*s:", STR_ARG(status));
        put_content(p, answer);
        buf_putf(p->out, " %.*s\n", STR_ARG(text(p, answer, "description")));
    }
}

static void put_who(const struct page *p, const struct json *op)
{
    const struct json *roles = json_get(op, "x-roles");
    struct str rate = text(p, op, "x-rate");
    buf_put_c(p->out, "- for ");
    if (roles)
        put_list(p, roles, ", ", 0);
    else
        buf_put_c(p->out, "anybody, without a token");
    if (rate.len)
        buf_putf(p->out, "; counts as %.*s calls", STR_ARG(rate));
    buf_put_c(p->out,
              json_truthy(json_get(op, "x-idempotent")) ? "; takes an Idempotency-Key\n" : "\n");
}

static void put_operation(const struct page *p, const struct json *path, const struct json *op)
{
    char method[8] = {0};
    struct str name = key(p, op), what = text(p, op, "description");
    for (size_t i = 0; i < name.len && i + 1 < sizeof method; i++)
        method[i] = (char)(name.ptr[i] - ('a' - 'A'));
    buf_putf(p->out, "### %s %.*s\n\n%.*s", method, STR_ARG(key(p, path)),
             STR_ARG(text(p, op, "summary")));
    if (what.len)
        buf_putf(p->out, " %.*s", STR_ARG(what));
    buf_put_c(p->out, "\n\n");
    put_who(p, op);
    put_parameters(p, json_get(path, "parameters"));
    put_parameters(p, json_get(op, "parameters"));
    if (json_get(op, "requestBody")) {
        buf_put_c(p->out, "- body:");
        put_content(p, json_get(op, "requestBody"));
        buf_putc(p->out, '\n');
    }
    put_answers(p, json_get(op, "responses"));
    buf_putc(p->out, '\n');
}

static bool is_of(const struct page *p, const struct json *op, struct str tag)
{
    const struct json *tags = json_get(op, "tags");
    return json_get(op, "operationId") && str_eq(json_text(p->a, json_first(tags)), tag);
}

static void put_area(const struct page *p, struct str tag)
{
    const struct json *paths = json_get(p->doc, "paths");
    bool is_begun = false;
    for (const struct json *path = json_first(paths); path; path = json_next(paths, path))
        for (const struct json *op = json_first(path); op; op = json_next(path, op)) {
            if (!is_of(p, op, tag))
                continue;
            if (!is_begun)
                buf_putf(p->out, "## %.*s\n\n", STR_ARG(tag));
            is_begun = true;
            put_operation(p, path, op);
        }
}

/* --- schemas ---------------------------------------------------------------------------------- */

static void put_schema(const struct page *p, const struct json *schema)
{
    const struct json *members = json_get(schema, "properties");
    struct str what = text(p, schema, "description");
    buf_putf(p->out, "### %.*s\n\n", STR_ARG(key(p, schema)));
    if (what.len)
        buf_putf(p->out, "%.*s\n\n", STR_ARG(what));
    if (!members) {
        buf_put_c(p->out, "`");
        put_type(p, schema, 0);
        buf_put_c(p->out, "`\n\n");
        return;
    }
    buf_put_c(p->out, "| member | type | |\n|---|---|---|\n");
    for (const struct json *v = json_first(members); v; v = json_next(members, v)) {
        struct str name = key(p, v);
        struct buf type;
        buf_init(&type, 1 << 16);
        struct page inner = {p->a, p->doc, &type};
        put_type(&inner, v, 0);
        buf_putf(p->out, "| `%.*s`%s | ", STR_ARG(name),
                 is_required(p, schema, name) ? "" : " (optional)");
        put_cell(p, buf_str(&type));
        buf_put_c(p->out, " | ");
        put_cell(p, text(p, v, "description"));
        buf_put_c(p->out, " |\n");
        buf_done(&type);
    }
    buf_putc(p->out, '\n');
}

void docs_api(struct buf *out)
{
    auto_arena a = arena_new(ARENA_BYTES);
    struct err err = {0};
    struct page p = {.a = a, .out = out};
    p.doc = json_parse(a, (struct str){(const char *)openapi_files[0].text, openapi_files[0].len},
                       &err);
    const struct json *tags = json_get(p.doc, "tags");
    const struct json *schemas = json_get(json_get(p.doc, "components"), "schemas");
    buf_put_c(out,
              "<!-- SPDX-License-Identifier: Apache-2.0 -->\n# The api\n\n"
              "Written by `postrider api docs` from schemas/openapi.yaml; do not edit. The api "
              "serves the same at `/api/docs`, and the description itself at "
              "`/api/openapi.json`.\n\n");
    buf_put_str(out, text(&p, json_get(p.doc, "info"), "description"));
    buf_put_c(out, "\n\nA request carries `Authorization: Bearer <access_token>`. A member with a "
                   "`?` may be left out. Answers of 400 and above are a `Problem`.\n\n");
    for (const struct json *tag = json_first(tags); tag; tag = json_next(tags, tag))
        put_area(&p, text(&p, tag, "name"));
    buf_put_c(out, "## Schemas\n\n");
    for (const struct json *v = json_first(schemas); v; v = json_next(schemas, v))
        put_schema(&p, v);
}
