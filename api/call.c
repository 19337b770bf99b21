/* SPDX-License-Identifier: Apache-2.0 */
/* What handlers read of a call, and how they answer it. */
#include "call.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "admit.h"
#include "call_impl.h"
#include "calls.h"
#include "check.h"
#include "clock.h"
#include "cursor.h"
#include "log.h"

#define DETAIL_MAX 512

/* --- what came -------------------------------------------------------------------------------- */

struct api *call_api(struct call *c)
{
    return c->api;
}

struct arena *call_arena(struct call *c)
{
    return c->arena;
}

const struct who *call_who(const struct call *c)
{
    return &c->who;
}

const struct api_operation *call_operation(const struct call *c)
{
    return c->op;
}

struct str call_path(const struct call *c, const char *name)
{
    return api_route_value(&c->route, str_of(name));
}

struct str call_query(const struct call *c, const char *name)
{
    for (int i = 0; i < c->n_values; i++)
        if (c->values[i].param->in == API_IN_QUERY && str_eq_c(c->values[i].param->name, name))
            return c->values[i].value;
    for (int i = 0; i < c->op->n_params; i++)
        if (c->op->params[i].in == API_IN_QUERY && str_eq_c(c->op->params[i].name, name))
            return c->op->params[i].preset;
    return STR_NONE;
}

bool call_query_i64(const struct call *c, const char *name, int64_t *out)
{
    struct str text = call_query(c, name);
    return text.ptr && str_i64(text, out);
}

struct str call_header(const struct call *c, const char *name)
{
    return c->http ? http_header(c->http, name) : STR_NONE;
}

const struct json *call_body(const struct call *c)
{
    return c->body;
}

struct str call_raw_body(const struct call *c)
{
    if (c->kept_body.ptr)
        return c->kept_body;
    return c->http ? http_body(c->http) : STR_NONE;
}

void call_set_raw_body(struct call *c, struct str body)
{
    c->kept_body = body;
}

void **call_state(struct call *c)
{
    return &c->state;
}

struct str call_peer(const struct call *c)
{
    return c->peer;
}

struct str call_request_id(const struct call *c)
{
    return c->request_id;
}

int64_t call_now_at_ms(const struct call *c)
{
    return c->now_at_ms;
}

/* --- revisions and pages ---------------------------------------------------------------------- */

void call_set_rev(struct call *c, int64_t rev)
{
    call_set_header(c, "ETag", str_fmt(c->arena, "\"%lld\"", (long long)rev));
}

bool call_if_match(struct call *c, int64_t *rev)
{
    struct str text = STR_NONE;
    for (int i = 0; i < c->n_values; i++)
        if (c->values[i].param->in == API_IN_HEADER &&
            str_ieq(c->values[i].param->name, STR("If-Match")))
            text = c->values[i].value;
    *rev = -1;
    if (!text.ptr || str_eq_c(text, "*"))
        return true;
    bool quoted = text.len >= 3 && text.ptr[0] == '"' && text.ptr[text.len - 1] == '"';
    if (quoted && str_i64((struct str){text.ptr + 1, text.len - 2}, rev) && *rev >= 0)
        return true;
    call_problem(c, 412, "precondition_failed", STR_NONE,
                 "If-Match is no ETag of this object: read it again");
    return false;
}

struct str call_cursor_make(struct call *c, const struct str *parts, int n)
{
    return api_cursor_join(c->arena, parts, n);
}

bool call_cursor_read(struct call *c, struct str *parts, int n)
{
    struct str text = call_query(c, "cursor");
    for (int i = 0; i < n; i++)
        parts[i] = STR_NONE;
    if (!text.ptr || api_cursor_split(c->arena, text, parts, n))
        return true;
    call_cursor_refuse(c);
    return false;
}

void call_cursor_refuse(struct call *c)
{
    call_problem(c, 422, "invalid_cursor", STR_NONE, "cursor: not one that this list has given");
}

/* --- the answer ------------------------------------------------------------------------------- */

void call_clear(struct call *c)
{
    buf_clear(&c->buf);
    c->out = (struct json_out){.buf = &c->buf};
}

struct json_out *call_out(struct call *c)
{
    return &c->out;
}

void call_set_header(struct call *c, const char *name, struct str value)
{
    struct call_header_out *h = ARENA_NEW(c->arena, struct call_header_out);
    *h = (struct call_header_out){name, str_dup(c->arena, value), c->headers};
    c->headers = h;
}

void call_answer(struct call *c, int status)
{
    assert(!c->status);
    if (c->buf.overflow) {
        log_error("an answer is too large", kv_c("operation", c->op->id),
                  kv_str("request_id", c->request_id));
        call_problem(c, 500, "fault", STR_NONE, "the answer is too large");
        return;
    }
    c->status = status;
    if (call_keep(c))
        return;
    call_drop_tx(c);
    call_run_after_commit(c);
    call_deliver(c);
}

void call_end(struct call *c, int status)
{
    assert(!c->status);
    c->status = status;
    call_drop_tx(c);
    call_run_after_commit(c);
    api_call_done(c);
}

static void open_problem(struct call *c, int status, const char *code, struct str detail)
{
    struct json_out *o = &c->out;
    call_clear(c);
    c->headers = NULL; // of an answer that did not come about
    json_open(o, '{');
    json_put_str(o, "type", str_fmt(c->arena, "/problems/%s", code));
    json_put_str(o, "title", str_of(http_reason(status)));
    json_put_int(o, "status", status);
    json_put_str(o, "code", str_of(code));
    if (detail.len)
        json_put_str(o, "detail", str_utf8(c->arena, detail));
    json_put_str(o, "instance", c->request_id);
}

static void send_problem(struct call *c, int status)
{
    assert(!c->status);
    json_close(&c->out, '}');
    c->status = status;
    c->after_commit = c->is_committed ? c->after_commit : NULL;
    call_drop_tx(c);
    call_run_after_commit(c);
    call_deliver(c);
}

static void put_violation(struct json_out *o, const struct api_violation *v)
{
    json_open(o, '{');
    if (v->pointer.ptr)
        json_put_str(o, "pointer", v->pointer);
    if (v->parameter.ptr)
        json_put_str(o, "parameter", v->parameter);
    json_put_str(o, "detail", v->detail);
    json_close(o, '}');
}

void call_violations(struct call *c, int status, const struct api_violations *v)
{
    open_problem(c, status, "invalid_request", STR("the request is not as its schema wants it"));
    json_key_out(&c->out, "errors");
    json_open(&c->out, '[');
    for (int i = 0; i < v->n; i++)
        put_violation(&c->out, &v->list[i]);
    json_close(&c->out, ']');
    send_problem(c, status);
}

void call_problem(struct call *c, int status, const char *code, struct str pointer, const char *fmt,
                  ...)
{
    char text[DETAIL_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    struct str detail = str_utf8(c->arena, str_dup(c->arena, str_of(text)));
    open_problem(c, status, code, detail);
    if (pointer.ptr) {
        const struct api_violation v = {.pointer = pointer, .detail = detail};
        json_key_out(&c->out, "errors");
        json_open(&c->out, '[');
        put_violation(&c->out, &v);
        json_close(&c->out, ']');
    }
    send_problem(c, status);
}

static const char *code_of(enum err_kind kind)
{
    static const char *const codes[] = {
        [ERR_NONE] = "fault",        [ERR_INVALID] = "invalid_request",
        [ERR_DENIED] = "forbidden",  [ERR_UNPROVEN] = "unauthorized",
        [ERR_ABSENT] = "not_found",  [ERR_LIMITED] = "limited",
        [ERR_CONFLICT] = "conflict", [ERR_BUSY] = "unavailable",
        [ERR_FAULT] = "fault",
    };
    return (size_t)kind < ARRAY_LEN(codes) ? codes[kind] : "fault";
}

#define RETRY_AFTER_MS 1000 /* where the error names no time */

static void put_retry_after(struct call *c, int64_t wait_ms)
{
    int64_t wait = wait_ms > 0 ? wait_ms : RETRY_AFTER_MS;
    call_set_header(c, "Retry-After", str_fmt(c->arena, "%lld", (long long)((wait + 999) / 1000)));
}

void call_problem_err(struct call *c, const struct err *err)
{
    int status = err_http_status(err);
    if (status >= 500)
        log_warn("a call failed", kv_str("request_id", c->request_id),
                 kv_c("operation", c->op ? c->op->id : "none"), kv_str("tenant", c->who.tenant_id),
                 kv_int("status", status), kv_c("why", err->msg));
    // Our own bugs, and what the database says of itself, are for the log.
    struct str detail = status == 500   ? STR_NONE
                        : status == 503 ? STR("not now: try again")
                                        : str_of(err->msg);
    open_problem(c, status, code_of(err->kind), detail);
    if (status == 503 || status == 429)
        put_retry_after(c, err->retry_after_ms);
    send_problem(c, status);
}

void call_absent(struct call *c)
{
    call_problem(c, 404, "not_found", STR_NONE, "there is no such object");
}

/* --- to the client ---------------------------------------------------------------------------- */

void call_common_headers(struct call *c)
{
    static const char exposed[] =
        "ETag, Location, Idempotency-Replayed, RateLimit-Limit, RateLimit-Remaining, "
        "RateLimit-Reset, Retry-After, X-Request-Id";
    for (const struct call_header_out *h = c->headers; h; h = h->next)
        http_set_header(c->http, h->name, h->value);
    http_set_header(c->http, "X-Request-Id", c->request_id);
    http_set_header(c->http, "X-Content-Type-Options", STR("nosniff"));
    if (c->origin.ptr) {
        http_set_header(c->http, "Access-Control-Allow-Origin", c->origin);
        http_set_header(c->http, "Access-Control-Expose-Headers", str_of(exposed));
        http_set_header(c->http, "Vary", STR("Origin"));
    }
    api_admit_rate_headers(c);
}

struct http_request *call_http(struct call *c)
{
    return c->http;
}

void call_deliver(struct call *c)
{
    if (c->http) {
        const char *type = c->status >= 400 ? "application/problem+json" : "application/json";
        call_common_headers(c);
        http_set_header(c->http, "Cache-Control", STR("no-store"));
        http_answer(c->http, c->status, c->buf.len ? type : NULL, buf_str(&c->buf));
    }
    api_call_done(c);
}
