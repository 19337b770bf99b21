/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include <string.h>

#include "admit.h"
#include "api_conf.h"
#include "call_impl.h"
#include "calls.h"
#include "clock.h"
#include "handlers.h"
#include "id.h"
#include "input.h"
#include "origin.h"

#define REQUEST_ID_MAX 64
#define CLIENT_GONE    499 /* in the metrics alone */

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
    if (!api_admit_rates(c))
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

static void refuse_token(struct call *c, const char *why)
{
    http_set_header(c->http, "WWW-Authenticate", STR("Bearer error=\"invalid_token\""));
    call_problem(c, 401, "invalid_token", STR_NONE, "%s", why);
}

static void serve_known(struct call *c)
{
    if (c->standing.is_removed) {
        refuse_token(c, "the token's user was taken away");
        return;
    }
    if (c->standing.is_suspended) {
        call_problem(c, 403, "tenant_suspended", STR_NONE,
                     "the operator has suspended this tenant");
        return;
    }
    // All of a streamed one was checked before its body came.
    if (c->body_taker ||
        (api_admit_rates(c) && api_input_path(c) && api_input_params(c) && api_input_body(c))) {
        api_input_key(c);
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
        refuse_token(c, "the token's tenant does not exist");
        return;
    }
    c->standing = (struct api_standing){.is_suspended = str_eq_c(pg_text(r, 0, 0), "suspended"),
                                        .is_removed = str_eq_c(pg_text(r, 0, 2), "t"),
                                        .rate = pg_i64(r, 0, 1)};
    api_standing_put(c->api->standings, c->who.tenant_id, c->who.user_id, clock_ms(), &c->standing);
    serve_known(c);
}

/* How the caller and its tenant stand, first from memory. */
static void serve_tenant(struct call *c)
{
    static const struct pg_stmt stmt = {
        "api_standing", "SELECT status, requests_per_second, EXISTS (SELECT FROM removed_users "
                        "WHERE tenant_id = $1 AND user_id = $2) FROM tenants WHERE id = $1"};
    const struct str ids[] = {c->who.tenant_id, c->who.user_id};
    if (api_standing_get(c->api->standings, ids[0], ids[1], clock_ms(), &c->standing)) {
        serve_known(c);
        return;
    }
    call_send(c, &stmt, ids, 2);
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
    if (!c->body_taker && !api_admit_token(c))
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
    struct call *c = api_calls_take(s);
    c->http = r;
    *http_user(r) = c;
    c->since_us = clock_us();
    c->now_at_ms = clock_at_ms();
    c->request_id = request_id(c);
    c->peer = peer(c);
    c->origin = allowed_origin(c);
    c->path = str_dup(c->arena, http_path(r));
    api_spec_route(c->api->spec, http_method(r), c->path, &c->route);
    return c;
}

static bool is_too_many(struct call *c)
{
    const struct err busy = {.kind = ERR_BUSY, .msg = "too many calls are under way"};
    if (!api_calls_are_too_many(c->calls))
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
    api_spec_route(api_calls_api(s)->spec, http_method(r), http_path(r), &route);
    if (!route.operation || !route.operation->is_streamed)
        return false;
    struct call *c = begin(s, r);
    c->op = c->route.operation;
    if (is_too_many(c) || !api_admit_token(c))
        return true;
    (void)api_standing_get(c->api->standings, c->who.tenant_id, c->who.user_id, clock_ms(),
                           &c->standing);
    if (!api_admit_rates(c) || !api_input_path(c) || !api_input_params(c) ||
        !api_input_media_type(c))
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
