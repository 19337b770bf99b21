/* SPDX-License-Identifier: Apache-2.0 */
#include "schema.h"

#include <math.h>
#include <stdlib.h>

#define NAMED_MAX 512

struct named {
    struct str name;
    struct api_schema *schema;
};

struct api_schemas {
    struct arena *a;
    const struct json *document;
    struct named named[NAMED_MAX]; /* components/schemas that were met */
    int n_named;
};

/* What is being compiled, and where it stands, for messages. */
struct place {
    struct api_schemas *s;
    struct api_schema *out;
    struct str where;
    struct err *err;
};

static bool compile(struct api_schemas *s, const struct json *node, struct str where,
                    struct api_schema *out, struct err *err);

struct api_schemas *api_schemas_new(struct arena *a, const struct json *document)
{
    struct api_schemas *s = ARENA_NEW(a, struct api_schemas);
    s->a = a;
    s->document = document;
    return s;
}

static bool fail(const struct place *p, const char *keyword, const char *why)
{
    return err_set(p->err, ERR_INVALID, "%.*s: '%s' %s", STR_ARG(p->where), keyword, why);
}

static const struct json *component(const struct api_schemas *s, const char *kind, struct str name)
{
    const struct json *all = json_get(json_get(s->document, "components"), kind);
    for (const struct json *v = json_first(all); v; v = json_next(all, v))
        if (str_eq(json_key(v)->raw, name))
            return v;
    return NULL;
}

const struct json *api_schemas_deref(const struct api_schemas *s, const char *kind,
                                     const struct json *node, struct err *err)
{
    const struct json *ref = json_get(node, "$ref");
    if (!ref)
        return node;
    struct str prefix = str_fmt(s->a, "#/components/%s/", kind);
    const struct json *found = NULL;
    if (str_starts(ref->raw, prefix))
        found = component(s, kind, str_skip(ref->raw, prefix.len));
    if (!found)
        err_set(err, ERR_INVALID, "'%.*s' names nothing in components/%s", STR_ARG(ref->raw), kind);
    return found;
}

/* --- keywords --------------------------------------------------------------------------------- */

static bool on_ref(struct place *p, const struct json *v)
{
    static const char prefix[] = "#/components/schemas/";
    if (!str_starts(v->raw, str_of(prefix)))
        return fail(p, "$ref", "must name one of components/schemas");
    struct str name = str_skip(v->raw, sizeof prefix - 1);
    for (int i = 0; i < p->s->n_named; i++)
        if (str_eq(p->s->named[i].name, name)) {
            p->out->ref = p->s->named[i].schema;
            return true;
        }
    const struct json *node = component(p->s, "schemas", name);
    if (!node)
        return err_set(p->err, ERR_INVALID, "%.*s: there is no schema '%.*s'", STR_ARG(p->where),
                       STR_ARG(name));
    if (p->s->n_named == NAMED_MAX)
        return fail(p, "$ref", "is one too many");
    // It is known before it is compiled: it may hold itself.
    struct api_schema *schema = ARENA_NEW(p->s->a, struct api_schema);
    p->s->named[p->s->n_named++] = (struct named){name, schema};
    p->out->ref = schema;
    return compile(p->s, node, v->raw, schema, p->err);
}

static unsigned type_of(struct str name)
{
    static const struct {
        const char *name;
        unsigned bit;
    } types[] = {{"null", API_NULL},     {"boolean", API_BOOLEAN}, {"integer", API_INTEGER},
                 {"number", API_NUMBER}, {"string", API_STRING},   {"array", API_ARRAY},
                 {"object", API_OBJECT}};
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_eq_c(name, types[i].name))
            return types[i].bit;
    return 0;
}

static bool on_type(struct place *p, const struct json *v)
{
    if (json_is(v, JSON_STRING)) {
        p->out->types = type_of(v->raw);
        return p->out->types || fail(p, "type", "is none that is understood");
    }
    for (const struct json *t = json_first(v); t; t = json_next(v, t)) {
        unsigned bit = type_of(t->raw);
        if (!bit)
            return fail(p, "type", "is none that is understood");
        p->out->types |= bit;
    }
    return p->out->types || fail(p, "type", "is empty");
}

static bool on_enum(struct place *p, const struct json *v)
{
    p->out->allowed = v;
    return json_is(v, JSON_ARRAY) || fail(p, "enum", "must be a list");
}

static bool on_const(struct place *p, const struct json *v)
{
    p->out->constant = v;
    return true;
}

static bool on_default(struct place *p, const struct json *v)
{
    p->out->preset = v;
    return true;
}

static bool on_format(struct place *p, const struct json *v)
{
    // Of numbers, they only tell a client how to store them.
    if (str_eq_c(v->raw, "int32") || str_eq_c(v->raw, "int64") || str_eq_c(v->raw, "double"))
        return true;
    p->out->format = api_format_find(v->raw);
    return p->out->format || fail(p, "format", "is none that is understood");
}

static bool on_pattern(struct place *p, const struct json *v)
{
    p->out->pattern = api_pattern_new(p->s->a, json_text(p->s->a, v), p->err);
    return p->out->pattern || err_wrap(p->err, "%.*s", STR_ARG(p->where));
}

static bool limit(struct place *p, const char *keyword, const struct json *v, int64_t *out)
{
    return (json_is(v, JSON_NUMBER) && json_i64(v, out) && *out >= 0) ||
           fail(p, keyword, "must be a whole number");
}

static bool on_min_length(struct place *p, const struct json *v)
{
    return limit(p, "minLength", v, &p->out->length_min);
}

static bool on_max_length(struct place *p, const struct json *v)
{
    return limit(p, "maxLength", v, &p->out->length_max);
}

static bool on_min_items(struct place *p, const struct json *v)
{
    return limit(p, "minItems", v, &p->out->items_min);
}

static bool on_max_items(struct place *p, const struct json *v)
{
    return limit(p, "maxItems", v, &p->out->items_max);
}

static bool number(struct place *p, const char *keyword, const struct json *v, double *out)
{
    if (!json_is(v, JSON_NUMBER))
        return fail(p, keyword, "must be a number");
    *out = strtod(str_c(p->s->a, v->raw), NULL);
    return true;
}

static bool on_minimum(struct place *p, const struct json *v)
{
    return number(p, "minimum", v, &p->out->minimum);
}

static bool on_maximum(struct place *p, const struct json *v)
{
    return number(p, "maximum", v, &p->out->maximum);
}

static const struct api_schema *child(struct place *p, const struct json *v, const char *step)
{
    return api_schema_new(p->s, v, str_fmt(p->s->a, "%.*s/%s", STR_ARG(p->where), step), p->err);
}

static bool on_items(struct place *p, const struct json *v)
{
    p->out->items = child(p, v, "items");
    return p->out->items != NULL;
}

static bool on_properties(struct place *p, const struct json *v)
{
    if (!json_is(v, JSON_OBJECT))
        return fail(p, "properties", "must be an object");
    struct api_property *out = ARENA_ARRAY(p->s->a, struct api_property, v->n + 1);
    int n = 0;
    for (const struct json *m = json_first(v); m; m = json_next(v, m), n++) {
        out[n].name = json_text(p->s->a, json_key(m));
        out[n].schema = child(p, m, str_c(p->s->a, out[n].name));
        if (!out[n].schema)
            return false;
    }
    p->out->properties = out;
    p->out->n_properties = n;
    return true;
}

static bool on_additional(struct place *p, const struct json *v)
{
    p->out->closed = json_is(v, JSON_FALSE);
    if (json_is(v, JSON_OBJECT))
        p->out->additional = child(p, v, "additionalProperties");
    return !json_is(v, JSON_OBJECT) || p->out->additional;
}

static bool list(struct place *p, const char *keyword, const struct json *v,
                 struct api_schema_list *out)
{
    if (!json_is(v, JSON_ARRAY) || v->n == 0)
        return fail(p, keyword, "must be a list with something in it");
    const struct api_schema **items = ARENA_ARRAY(p->s->a, const struct api_schema *, v->n);
    int n = 0;
    for (const struct json *m = json_first(v); m; m = json_next(v, m), n++) {
        items[n] = child(p, m, keyword);
        if (!items[n])
            return false;
    }
    *out = (struct api_schema_list){items, n};
    return true;
}

static bool on_all_of(struct place *p, const struct json *v)
{
    return list(p, "allOf", v, &p->out->all_of);
}

static bool on_any_of(struct place *p, const struct json *v)
{
    return list(p, "anyOf", v, &p->out->any_of);
}

static bool on_one_of(struct place *p, const struct json *v)
{
    return list(p, "oneOf", v, &p->out->one_of);
}

static bool on_note(struct place *p, const struct json *v)
{
    (void)p, (void)v; // for people and for docs
    return true;
}

static const struct {
    const char *name;
    bool (*on)(struct place *p, const struct json *v);
} keywords[] = {
    {"$ref", on_ref},
    {"type", on_type},
    {"enum", on_enum},
    {"const", on_const},
    {"default", on_default},
    {"format", on_format},
    {"pattern", on_pattern},
    {"minLength", on_min_length},
    {"maxLength", on_max_length},
    {"minItems", on_min_items},
    {"maxItems", on_max_items},
    {"minimum", on_minimum},
    {"maximum", on_maximum},
    {"items", on_items},
    {"properties", on_properties},
    {"required", on_note}, // read last, when the properties are there
    {"additionalProperties", on_additional},
    {"allOf", on_all_of},
    {"anyOf", on_any_of},
    {"oneOf", on_one_of},
    {"title", on_note},
    {"description", on_note},
    {"example", on_note},
    {"examples", on_note},
    {"deprecated", on_note},
    {"readOnly", on_note},
    {"writeOnly", on_note},
    {"contentMediaType", on_note},
};

static bool keyword(struct place *p, struct str name, const struct json *v)
{
    for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
        if (str_eq_c(name, keywords[i].name))
            return keywords[i].on(p, v);
    return str_starts(name, STR("x-")) || fail(p, str_c(p->s->a, name), "is not understood");
}

/* A name that is required and has no schema of its own gets one that takes anything. */
static bool require(struct place *p, const struct json *names)
{
    static const struct api_schema anything = {
        .length_max = -1, .items_max = -1, .minimum = -HUGE_VAL, .maximum = HUGE_VAL};
    if (!names)
        return true;
    if (!json_is(names, JSON_ARRAY))
        return fail(p, "required", "must be a list");
    int n = p->out->n_properties;
    struct api_property *all = ARENA_ARRAY(p->s->a, struct api_property, n + names->n);
    for (int i = 0; i < n; i++)
        all[i] = p->out->properties[i];
    for (const struct json *v = json_first(names); v; v = json_next(names, v)) {
        int i = 0;
        while (i < n && !str_eq(all[i].name, v->raw))
            i++;
        if (i == n)
            all[n++] = (struct api_property){.name = v->raw, .schema = &anything};
        all[i].is_required = true;
    }
    p->out->properties = all;
    p->out->n_properties = n;
    return true;
}

static bool compile(struct api_schemas *s, const struct json *node, struct str where,
                    struct api_schema *out, struct err *err)
{
    struct place p = {.s = s, .out = out, .where = where, .err = err};
    *out = (struct api_schema){
        .length_max = -1, .items_max = -1, .minimum = -HUGE_VAL, .maximum = HUGE_VAL};
    if (json_is(node, JSON_TRUE))
        return true;
    if (!json_is(node, JSON_OBJECT))
        return err_set(err, ERR_INVALID, "%.*s: a schema must be an object", STR_ARG(where));
    for (const struct json *v = json_first(node); v; v = json_next(node, v))
        if (!keyword(&p, json_key(v)->raw, v))
            return false;
    return require(&p, json_get(node, "required"));
}

const struct api_schema *api_schema_new(struct api_schemas *s, const struct json *node,
                                        struct str where, struct err *err)
{
    struct api_schema *out = ARENA_NEW(s->a, struct api_schema);
    return compile(s, node, where, out, err) ? out : NULL;
}
