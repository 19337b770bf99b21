/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include <stdlib.h>
#include <string.h>

#include "auth.h"
#include "call_impl.h"
#include "clock.h"
#include "handlers.h"
#include "id.h"
#include "origin.h"
#include "rate.h"
#include "standing.h"
#include "stats.h"

#define ANSWER_MAX     ((size_t)16 << 20)
#define ARENA_FACTOR   64 /* of the largest body: json.h says why */
#define ARENA_MORE     ((size_t)8 << 20)
#define KEPT_CALLS     64
#define REQUEST_ID_MAX 64
#define BURST          4 /* of a second's calls */
#define KEY_MAX        160
#define CLIENT_GONE    499 /* in the metrics alone */

struct calls {
    struct api *api;
    struct call *idle, *done; /* done: its memory may still be looked at until this turn ends */
    struct call *live;
    int n_idle, n_under_way, max;
    struct metric_cell *duration, *under_way;
};

struct calls *api_calls_new(struct api *api, int calls_max)
{
    struct calls *s = xalloc(sizeof *s);
    s->api = api;
    s->max = calls_max;
    s->duration = metric_cell(api->metrics, API_METRIC_DURATION);
    s->under_way = metric_cell(api->metrics, API_METRIC_CALLS);
    return s;
}

int api_calls_under_way(const struct calls *s)
{
    return s->n_under_way;
}

/* --- life of a call --------------------------------------------------------------------------- */

static void call_free(struct call *c)
{
    if (c->op && c->op->is_secret) {
        arena_free_wiped(c->arena);
        if (c->buf.cap)
            crypto_wipe(c->buf.ptr, c->buf.cap);
    } else {
        arena_free(c->arena);
    }
    buf_done(&c->buf);
    free(c);
}

void api_calls_reap(struct calls *s)
{
    while (s->done) {
        struct call *c = s->done;
        s->done = c->next;
        if (s->n_idle >= KEPT_CALLS || (c->op && c->op->is_secret)) {
            call_free(c);
            continue;
        }
        arena_reset(c->arena);
        if (c->buf.cap > HTTP_BODY_SMALL) {
            buf_done(&c->buf);
            buf_init(&c->buf, ANSWER_MAX);
        }
        c->next = s->idle;
        s->idle = c;
        s->n_idle++;
    }
}

void api_calls_free(struct calls *s)
{
    if (!s)
        return;
    api_calls_reap(s);
    while (s->live) { // their work was cut off by the end
        struct call *c = s->live;
        s->live = c->live_next;
        call_free(c);
    }
    while (s->idle) {
        struct call *c = s->idle;
        s->idle = c->next;
        call_free(c);
    }
    free(s);
}

static struct call *take(struct calls *s)
{
    struct call *c = s->idle;
    if (c) {
        s->idle = c->next;
        s->n_idle--;
    } else {
        c = xalloc(sizeof *c);
        c->arena = arena_new((size_t)s->api->conf->body_max * ARENA_FACTOR + ARENA_MORE);
        buf_init(&c->buf, ANSWER_MAX);
    }
    *c = (struct call){.calls = s, .api = s->api, .arena = c->arena, .buf = c->buf};
    call_clear(c);
    c->live_next = s->live;
    if (s->live)
        s->live->live_prev = c;
    s->live = c;
    s->n_under_way++;
    metric_add(s->under_way, 1);
    return c;
}

static void drop_body(struct call *c)
{
    const struct api_body *taker = c->body_taker;
    c->body_taker = NULL;
    if (taker)
        taker->drop(c);
}

void api_calls_drop_bodies(struct calls *s)
{
    for (struct call *c = s->live; c; c = c->live_next)
        drop_body(c);
}

void api_call_done(struct call *c)
{
    struct calls *s = c->calls;
    drop_body(c);
    char code[8];
    (void)snprintf(code, sizeof code, "%d", c->status);
    metric_add(metric_cell(s->api->metrics, API_METRIC_REQUESTS, c->op ? c->op->id : "none", code),
               1);
    metric_observe_us(s->duration, clock_us() - c->since_us);
    metric_add(s->under_way, -1);
    s->n_under_way--;
    if (c->http) {
        *http_user(c->http) = NULL;
        if (c->op && c->op->is_secret)
            http_wipe_body(c->http);
    }
    c->http = NULL;
    c->ended = true;
    *(c->live_prev ? &c->live_prev->live_next : &s->live) = c->live_next;
    if (c->live_next)
        c->live_next->live_prev = c->live_prev;
    c->next = s->done;
    s->done = c;
}

void api_calls_on_done(void *ctx, struct http_request *r)
{
    (void)ctx;
    struct call *c = *http_user(r);
    if (c && c->op && c->op->is_secret)
        http_wipe_body(r);
    if (!c)
        return;
    c->http = NULL; // it goes on without its client
    if (!c->is_streaming)
        return;
    c->status = CLIENT_GONE; // in the middle of its body: there is nothing to go on with
    api_call_done(c);
}

/* --- what every request has ------------------------------------------------------------------- */

static bool is_request_id(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char x = s.ptr[i];
        if (!((x >= 'a' && x <= 'z') || (x >= 'A' && x <= 'Z') || (x >= '0' && x <= '9') ||
              x == '-' || x == '_' || x == '.'))
            return false;
    }
    return s.len > 0 && s.len <= REQUEST_ID_MAX;
}

static struct str request_id(struct call *c)
{
    struct str given = http_header(c->http, "X-Request-Id");
    char text[UUID_TEXT + 1];
    if (is_request_id(given))
        return str_dup(c->arena, given);
    uuid_format(uuid_v7(c->now_at_ms), text);
    return str_dup(c->arena, str_of(text));
}

/* Each proxy of ours has put the address that it saw at the end of X-Forwarded-For; what stands
 * before those may be anything that the caller wrote. */
static struct str peer(struct call *c)
{
    struct str chain = http_header(c->http, "X-Forwarded-For"), found = STR_NONE;
    for (int64_t i = c->api->conf->trusted_proxies; i > 0 && chain.len; i--) {
        const char *comma = memrchr(chain.ptr, ',', chain.len);
        size_t at = comma ? (size_t)(comma - chain.ptr) + 1 : 0;
        found = str_trim(str_skip(chain, at));
        chain.len = comma ? at - 1 : 0;
    }
    return str_dup(c->arena, found.len ? found : http_peer(c->http));
}

/* Without a setting no page of another origin may call: origin_is_allowed() would take that of the
 * very host, which needs no leave. */
static struct str allowed_origin(struct call *c)
{
    struct str origin = http_header(c->http, "Origin");
    struct str allowed = str_of(c->api->conf->allowed_origins);
    bool ok = origin.len && allowed.len && origin_is_allowed(allowed, origin, STR_NONE);
    return ok ? str_dup(c->arena, origin) : STR_NONE;
}

/* --- rates ------------------------------------------------------------------------------------ */

void api_call_rate_headers(struct call *c)
{
    if (!c->rate.limit)
        return;
    const struct {
        const char *name;
        int64_t value;
    } rows[] = {{"RateLimit-Limit", c->rate.limit},
                {"RateLimit-Remaining", c->rate.left},
                {"RateLimit-Reset", c->rate.reset_s}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        http_set_header(c->http, rows[i].name, str_fmt(c->arena, "%lld", (long long)rows[i].value));
}

static bool take_rate(struct call *c, const char *of, struct str who, int64_t per_second)
{
    char key[KEY_MAX];
    struct api_rate rate;
    int n = snprintf(key, sizeof key, "%s %.*s", of, STR_ARG(who));
    struct str text = {key, n < (int)sizeof key ? (size_t)n : sizeof key - 1};
    int cost = c->op ? c->op->cost : 1;
    bool ok = api_rates_take(c->api->rates, text, per_second, per_second * BURST, cost, clock_ms(),
                             &rate);
    // The one that is nearest to its end is the one that the caller has to know.
    if (!c->rate.limit || rate.left < c->rate.left)
        c->rate = rate;
    if (ok)
        return true;
    metric_add(metric_cell(c->api->metrics, API_METRIC_LIMITED, of), 1);
    const struct err err = {.kind = ERR_LIMITED,
                            .retry_after_ms = rate.wait_ms > 0 ? rate.wait_ms : 1,
                            .msg = "too many calls: wait as Retry-After says"};
    call_problem_err(c, &err);
    return false;
}

static bool check_rates(struct call *c)
{
    const struct api_conf *conf = c->api->conf;
    if (!c->who.user_id.ptr)
        return take_rate(c, "address", c->peer, conf->user_rate);
    return take_rate(c, "user", c->who.user_id, conf->user_rate) &&
           take_rate(c, "tenant", c->who.tenant_id,
                     c->standing.rate ? c->standing.rate : conf->tenant_rate);
}

/* --- the token -------------------------------------------------------------------------------- */

static bool check_token(struct call *c)
{
    unsigned role = 0;
    struct err err = {0};
    if (!c->op->roles)
        return true;
    if (!api_auth(c->api, c->arena, http_header(c->http, "Authorization"), c->now_at_ms, &c->who,
                  &role, &err)) {
        bool absent = err.kind == ERR_UNPROVEN;
        // Any address may try tokens; that is bounded like its other calls.
        if (!take_rate(c, "address", c->peer, c->api->conf->user_rate))
            return false;
        http_set_header(c->http, "WWW-Authenticate",
                        absent ? STR("Bearer") : STR("Bearer error=\"invalid_token\""));
        call_problem(c, 401, absent ? "unauthorized" : "invalid_token", STR_NONE, "%s", err.msg);
        return false;
    }
    if (c->op->roles & role)
        return true;
    call_problem(c, 403, "forbidden", STR_NONE, "the role %.*s may not do this",
                 STR_ARG(c->who.role));
    return false;
}

/* --- parameters and body ---------------------------------------------------------------------- */

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

static bool check_path(struct call *c)
{
    struct api_violations v = {.a = c->arena};
    for (int i = 0; i < c->op->n_params; i++) {
        const struct api_param *p = &c->op->params[i];
        if (p->in == API_IN_PATH)
            (void)api_check_text(p->schema, api_route_value(&c->route, p->name), p->name, &v);
    }
    if (v.n) // what cannot be an id names nothing
        api_call_violations(c, 404, &v);
    return v.n == 0;
}

static bool check_params(struct call *c)
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
        api_call_violations(c, 400, &v);
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

static bool check_media_type(struct call *c)
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

static bool check_body(struct call *c)
{
    struct str text = http_body(c->http);
    struct err err = {0};
    struct api_violations v = {.a = c->arena};
    if (!c->op->media || (!text.len && !c->op->needs_body))
        return true;
    if (!text.len && !c->op->has_raw_body) {
        api_violation_add(&v, STR("#"), STR_NONE, "a body is required");
        api_call_violations(c, 400, &v);
        return false;
    }
    if (!check_media_type(c))
        return false;
    if (c->op->has_raw_body)
        return true;
    c->body = json_parse(c->arena, str_dup(c->arena, text), &err);
    if (!c->body)
        api_violation_add(&v, STR("#"), STR_NONE, "%s", err.msg);
    else
        (void)api_check(c->op->body, c->body, &v);
    if (v.n)
        api_call_violations(c, 400, &v);
    return v.n == 0;
}

static void read_key(struct call *c)
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

/* --- a request -------------------------------------------------------------------------------- */

static void preflight(struct call *c)
{
    struct str allowed = api_methods_text(c->arena, c->route.methods);
    call_set_header(c, "Allow", allowed);
    if (c->origin.ptr) {
        call_set_header(c, "Access-Control-Allow-Methods", allowed);
        call_set_header(
            c, "Access-Control-Allow-Headers",
            STR("Authorization, Content-Type, Idempotency-Key, If-Match, X-Request-Id"));
        call_set_header(c, "Access-Control-Max-Age", STR("600"));
    }
    call_answer(c, 204);
}

static void no_operation(struct call *c)
{
    if (!check_rates(c))
        return;
    if (!c->route.methods) {
        call_problem(c, 404, "not_found", STR_NONE, "there is nothing at this path");
        return;
    }
    if (http_method(c->http) == HTTP_OPTIONS) {
        preflight(c);
        return;
    }
    http_set_header(c->http, "Allow", api_methods_text(c->arena, c->route.methods));
    call_problem(c, 405, "method_not_allowed", STR_NONE, "this path does not take that method");
}

static void serve_known(struct call *c)
{
    if (c->standing.is_suspended) {
        call_problem(c, 403, "tenant_suspended", STR_NONE,
                     "the operator has suspended this tenant");
        return;
    }
    // All of a streamed one was checked before its body came.
    if (c->body_taker || (check_rates(c) && check_path(c) && check_params(c) && check_body(c))) {
        read_key(c);
        c->op->handler->run(c);
    }
}

static void on_standing(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    const struct pg_result *r = results[0];
    call_drop_tx(c);
    if (!c->http) { // gone meanwhile: nothing was begun
        call_end(c, CLIENT_GONE);
        return;
    }
    if (pg_rows(r) == 0) {
        http_set_header(c->http, "WWW-Authenticate", STR("Bearer error=\"invalid_token\""));
        call_problem(c, 401, "invalid_token", STR_NONE, "the token's tenant does not exist");
        return;
    }
    c->standing = (struct api_standing){str_eq_c(pg_text(r, 0, 0), "suspended"), pg_i64(r, 0, 1)};
    api_standing_put(c->api->standings, c->who.tenant_id, clock_ms(), &c->standing);
    serve_known(c);
}

/* What the operator said of the caller's tenant, first from memory. */
static void serve_tenant(struct call *c)
{
    static const struct pg_stmt stmt = {
        "api_standing", "SELECT status, requests_per_second FROM tenants WHERE id = $1"};
    if (api_standing_get(c->api->standings, c->who.tenant_id, clock_ms(), &c->standing)) {
        serve_known(c);
        return;
    }
    call_send(c, &stmt, &c->who.tenant_id, 1);
    call_run(c, on_standing);
}

static void serve(struct call *c)
{
    c->op = c->route.operation;
    if (!c->op) {
        no_operation(c);
        return;
    }
    if (c->op->is_secret) // growing would leave what stood in it behind
        (void)buf_reserve(&c->buf, HTTP_BODY_SMALL);
    if (!c->body_taker && !check_token(c))
        return;
    if (c->op->roles == API_OPERATOR) {
        if (c->api->operators)
            serve_known(c);
        else
            call_problem(c, 503, "operator_off", STR_NONE,
                         "the operator's part is off: set operator_database_url");
    } else if (c->who.tenant_id.ptr && !str_eq_c(c->who.role, "operator")) {
        serve_tenant(c);
    } else {
        serve_known(c);
    }
}

static struct call *begin(struct calls *s, struct http_request *r)
{
    api_calls_reap(s);
    struct call *c = take(s);
    c->http = r;
    *http_user(r) = c;
    c->since_us = clock_us();
    c->now_at_ms = clock_at_ms();
    c->request_id = request_id(c);
    c->peer = peer(c);
    c->origin = allowed_origin(c);
    c->path = str_dup(c->arena, http_path(r));
    api_spec_route(s->api->spec, http_method(r), c->path, &c->route);
    return c;
}

static bool is_too_many(struct call *c)
{
    const struct err busy = {.kind = ERR_BUSY, .msg = "too many calls are under way"};
    if (c->calls->n_under_way <= c->calls->max)
        return false;
    call_problem_err(c, &busy);
    return true;
}

/* A streamed body is taken only from who may bring one. Whether its tenant is suspended may be a
 * question to the database: that is asked when the body has come. */
bool api_calls_on_head(void *ctx, struct http_request *r)
{
    struct calls *s = ctx;
    struct api_route route;
    api_spec_route(s->api->spec, http_method(r), http_path(r), &route);
    if (!route.operation || !route.operation->is_streamed)
        return false;
    struct call *c = begin(s, r);
    c->op = c->route.operation;
    if (is_too_many(c) || !check_token(c))
        return true;
    (void)api_standing_get(s->api->standings, c->who.tenant_id, clock_ms(), &c->standing);
    if (!check_rates(c) || !check_path(c) || !check_params(c) || !check_media_type(c))
        return true;
    c->body_taker = api_body_find(c->op->id);
    c->is_streaming = c->body_taker->begin(c);
    return true;
}

bool api_calls_on_body(void *ctx, struct http_request *r, struct str piece)
{
    (void)ctx;
    struct call *c = *http_user(r);
    return c && c->body_taker->piece(c, piece);
}

void api_calls_on_request(void *ctx, struct http_request *r)
{
    struct calls *s = ctx;
    struct call *c = *http_user(r);
    bool has_streamed = c != NULL;
    if (!c)
        c = begin(s, r);
    http_defer(r);
    c->is_streaming = false;
    if (has_streamed || !is_too_many(c))
        serve(c);
}
