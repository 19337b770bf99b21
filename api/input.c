/* SPDX-License-Identifier: Apache-2.0 */
#include "input.h"

#include "call_impl.h"
#include "check.h"

struct reading {
    struct call *c;
    struct api_violations *v;
};

static const struct api_param *param_of(const struct call *c, enum api_in in, struct str name)
{
    for (int i = 0; i < c->op->n_params; i++)
        if (c->op->params[i].in == in && str_eq(c->op->params[i].name, name))
            return &c->op->params[i];
    return NULL;
}

static const struct call_value *value_of(const struct call *c, const struct api_param *p)
{
    for (int i = 0; i < c->n_values; i++)
        if (c->values[i].param == p)
            return &c->values[i];
    return NULL;
}

static void take_value(struct reading *rd, const struct api_param *p, struct str value)
{
    struct call *c = rd->c;
    value = str_utf8(c->arena, str_dup(c->arena, value));
    if (c->n_values < CALL_QUERY_MAX && api_check_text(p->schema, value, p->name, rd->v))
        c->values[c->n_values++] = (struct call_value){p, value};
}

static bool on_argument(void *ctx, struct str name, struct str value)
{
    struct reading *rd = ctx;
    const struct api_param *p = param_of(rd->c, API_IN_QUERY, name);
    struct str shown = str_utf8(rd->c->arena, str_dup(rd->c->arena, name));
    if (!p)
        api_violation_add(rd->v, STR_NONE, shown, "is not known here");
    else if (value_of(rd->c, p))
        api_violation_add(rd->v, STR_NONE, shown, "is given twice");
    else
        take_value(rd, p, value);
    return rd->v->n < API_VIOLATIONS_MAX;
}

bool api_input_path(struct call *c)
{
    struct api_violations v = {.a = c->arena};
    for (int i = 0; i < c->op->n_params; i++) {
        const struct api_param *p = &c->op->params[i];
        if (p->in == API_IN_PATH)
            (void)api_check_text(p->schema, api_route_value(&c->route, p->name), p->name, &v);
    }
    if (v.n) // what cannot be an id names nothing
        call_violations(c, 404, &v);
    return v.n == 0;
}

bool api_input_params(struct call *c)
{
    struct api_violations v = {.a = c->arena};
    struct reading rd = {c, &v};
    http_query_each(c->http, on_argument, &rd);
    for (int i = 0; i < c->op->n_params; i++) {
        const struct api_param *p = &c->op->params[i];
        struct str header = p->in == API_IN_HEADER ? http_header(c->http, p->name_c) : STR_NONE;
        if (header.ptr)
            take_value(&rd, p, header);
        else if (p->is_required && p->in != API_IN_PATH && !value_of(c, p) && !v.n)
            api_violation_add(&v, STR_NONE, p->name, "is required");
    }
    if (v.n)
        call_violations(c, 400, &v);
    return v.n == 0;
}

static bool is_type(struct str is, struct str wanted)
{
    if (str_eq_c(wanted, "*/*"))
        return true;
    if (str_ends(wanted, STR("/*")))
        wanted.len--;
    else
        return str_ieq(is, wanted);
    return is.len > wanted.len && str_ieq((struct str){is.ptr, wanted.len}, wanted);
}

bool api_input_media_type(struct call *c)
{
    struct str type, rest;
    (void)str_cut(http_header(c->http, "Content-Type"), ';', &type, &rest);
    type = str_trim(type);
    for (const struct json *m = json_first(c->op->media); m; m = json_next(c->op->media, m))
        if (is_type(type, json_key(m)->raw))
            return true;
    call_problem(c, 415, "unsupported_media_type", STR_NONE, "want Content-Type: %.*s",
                 STR_ARG(json_key(json_first(c->op->media))->raw));
    return false;
}

bool api_input_body(struct call *c)
{
    struct str text = http_body(c->http);
    struct err err = {0};
    struct api_violations v = {.a = c->arena};
    if (!c->op->media || (!text.len && !c->op->needs_body))
        return true;
    if (!text.len && !c->op->has_raw_body) {
        api_violation_add(&v, STR("#"), STR_NONE, "a body is required");
        call_violations(c, 400, &v);
        return false;
    }
    if (!api_input_media_type(c))
        return false;
    if (c->op->has_raw_body)
        return true;
    c->body = json_parse(c->arena, str_dup(c->arena, text), &err);
    if (!c->body)
        api_violation_add(&v, STR("#"), STR_NONE, "%s", err.msg);
    else
        (void)api_check(c->op->body, c->body, &v);
    if (v.n)
        call_violations(c, 400, &v);
    return v.n == 0;
}

void api_input_key(struct call *c)
{
    struct str text = http_header(c->http, "Idempotency-Key");
    if (!c->op->is_idempotent || !text.len || !c->who.tenant_id.ptr)
        return;
    struct str body = call_raw_body(c);
    uint8_t digest[SHA256_BYTES];
    c->key.text = str_dup(c->arena, text);
    sha256(c->key.text, c->key.hash);
    sha256(body, digest);
    // Parameters are part of what is asked; their order is not.
    struct str all = str_fmt(c->arena, "%s %.*s", c->op->id, STR_ARG(c->path));
    for (int i = 0; i < c->op->n_params; i++) {
        const struct call_value *v = value_of(c, &c->op->params[i]);
        if (v && v->param->in == API_IN_QUERY)
            all = str_fmt(c->arena, "%.*s\n%s=%.*s", STR_ARG(all), v->param->name_c,
                          STR_ARG(v->value));
    }
    all = str_fmt(c->arena, "%.*s\n%.*s", STR_ARG(all),
                  STR_ARG(hex_encode(c->arena, (struct str){(const char *)digest, sizeof digest})));
    sha256(all, c->key.fingerprint);
}
