/* SPDX-License-Identifier: Apache-2.0 */
#include "webhook.h"

#include <assert.h>
#include <stdlib.h>

#include "clock.h"
#include "json.h"
#include "log.h"
#include "mem.h"

#define SCRATCH_FACTOR  40 /* of body_max: a parsed body is so much larger at worst */
#define SCRATCH_MIN     (1024 * 1024)
#define RECORD_OVERHEAD (64 * 1024) /* of an encoded record: names, ids, headers */
#define HEADERS_MAX_LEN 16384
#define RETRY_AFTER_MS  1000

struct ingest_webhooks {
    struct ingest_webhooks_opts opts;
    struct ingest_publisher *publisher;
    struct arena *scratch; /* of the request at hand: nothing in it outlives on_request */
};

static void on_settled(void *ctx, void *request, const struct err *err);

struct ingest_webhooks *ingest_webhooks_new(const struct ingest_webhooks_opts *opts)
{
    struct ingest_webhooks *w = xalloc(sizeof *w);
    w->opts = *opts;
    w->scratch = arena_new(SCRATCH_MIN + SCRATCH_FACTOR * (size_t)opts->body_max_bytes);
    w->publisher = ingest_publisher_new(&(struct ingest_publisher_opts){
        .topic_prefix = opts->topic_prefix,
        .ack_timeout_ms = opts->ack_timeout_ms,
        .value_max_bytes = opts->body_max_bytes + RECORD_OVERHEAD,
        .codec = opts->codec,
        .stats = opts->stats,
        .on_settled = on_settled,
        .ctx = w,
    });
    return w;
}

void ingest_webhooks_free(struct ingest_webhooks *w)
{
    if (!w)
        return;
    ingest_publisher_free(w->publisher);
    arena_free(w->scratch);
    free(w);
}

struct ingest_publisher *ingest_webhooks_publisher(struct ingest_webhooks *w)
{
    return w->publisher;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void answer_ok(struct ingest_webhooks *w, size_t provider, struct http_request *r)
{
    ingest_count_answer(w->opts.stats, provider, 200);
    http_answer(r, 200, NULL, STR_NONE);
}

static void answer_err(struct ingest_webhooks *w, size_t provider, struct http_request *r,
                       const struct err *err)
{
    ingest_count_answer(w->opts.stats, provider, err_http_status(err));
    log_debug("webhook refused", kv_int("status", err_http_status(err)), kv_c("why", err->msg));
    http_answer_err(r, err);
}

static void answer_not_allowed(struct ingest_webhooks *w, const struct ingest_route *route,
                               struct http_request *r)
{
    ingest_count_answer(w->opts.stats, route->index, 405);
    http_set_header(r, "Allow", route->provider->handshake ? STR("GET, POST") : STR("POST"));
    http_answer_problem(r, 405, STR("this path takes webhooks"));
}

/* What a request that waits for Kafka remembers of itself; lives in its arena. */
struct waiting {
    struct ingest_delivery *delivery; /* NULL: settled */
    size_t provider;
};

static void on_settled(void *ctx, void *request, const struct err *err)
{
    struct ingest_webhooks *w = ctx;
    struct http_request *r = request;
    struct waiting *state = *http_user(r);
    state->delivery = NULL;
    if (err)
        answer_err(w, state->provider, r, err);
    else
        answer_ok(w, state->provider, r);
}

void ingest_webhooks_on_done(void *ctx, struct http_request *r)
{
    struct ingest_webhooks *w = ctx;
    struct waiting *state = *http_user(r);
    if (state && state->delivery)
        ingest_publisher_forget(w->publisher, state->delivery);
}

void ingest_webhooks_on_refused(void *ctx, int status)
{
    struct ingest_webhooks *w = ctx;
    ingest_count_answer(w->opts.stats, INGEST_NO_PROVIDER, status);
}

/* --- one request ------------------------------------------------------------------------------ */

static struct str lookup_header(const void *http, const char *name)
{
    return http_header(http, name);
}

static struct str lookup_query(const void *http, const char *name)
{
    return http_query(http, name);
}

static struct webhook webhook_of(const struct ingest_route *route, const struct http_request *r)
{
    return (struct webhook){
        .body = http_body(r),
        .tenant_id = ingest_route_tenant(route),
        .path_rest = route->rest,
        .header = lookup_header,
        .query = lookup_query,
        .http = r,
    };
}

static void shake_hands(struct ingest_webhooks *w, const struct ingest_route *route,
                        struct http_request *r)
{
    struct secrets secrets;
    ingest_secrets_for(w->opts.secrets, route, &secrets);
    const struct webhook in = webhook_of(route, r);
    struct str answer = STR_NONE;
    const char *content_type = NULL;
    struct err err = {0};
    if (!route->provider->handshake(w->scratch, &in, &secrets, &answer, &content_type, &err)) {
        answer_err(w, route->index, r, &err);
        return;
    }
    ingest_count_answer(w->opts.stats, route->index, 200);
    http_answer(r, 200, content_type, answer);
}

/* Headers that say where a quarantined body came from. Never those that prove it: some are secrets.
 */
static struct str kept_headers(const struct http_request *r, struct buf *buf)
{
    static const char *const names[] = {"content-type", "user-agent", "traceparent"};
    struct json_out o = {.buf = buf};
    json_open(&o, '{');
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct str value = http_header(r, names[i]);
        if (value.ptr)
            json_put_str(&o, names[i], str_utf8(http_arena((struct http_request *)r), value));
    }
    json_close(&o, '}');
    return buf_str(buf);
}

/* Verified, but not understood: kept whole for people and for a later version of us. */
static struct ingest_delivery *quarantine(struct ingest_webhooks *w,
                                          const struct ingest_envelope *e, struct http_request *r,
                                          const struct err *why, struct err *err)
{
    struct err ignored = {0};
    bool is_json = json_parse(w->scratch, http_body(r), &ignored) || ignored.kind != ERR_INVALID;
    struct buf headers;
    buf_init(&headers, HEADERS_MAX_LEN);
    struct ingest_delivery *d = ingest_publish_quarantine(
        w->publisher, e, is_json ? "not_understood" : "not_json", str_of(why->msg), http_body(r),
        kept_headers(r, &headers), r, err);
    buf_done(&headers);
    return d;
}

/* Split the verified body and hand it to Kafka; the answer comes with the last report. */
static void publish(struct ingest_webhooks *w, const struct ingest_route *route,
                    const struct webhook *in, struct http_request *r)
{
    struct units units = {0};
    struct err why = {0}, err = {0};
    bool understood = route->provider->split(w->scratch, in, &units, &why);
    if (!understood && !err_is_parked(why.kind)) {
        answer_err(w, route->index, r, &why);
        return;
    }
    if (understood && units.n == 0) {
        ingest_count_empty(w->opts.stats, route->index);
        answer_ok(w, route->index, r);
        return;
    }
    char trace[TRACEPARENT_TEXT + 1];
    traceparent_next(http_header(r, "traceparent"), trace);
    const struct ingest_envelope e = {
        .route = route,
        .traceparent = {trace, TRACEPARENT_TEXT},
        .received_at_ms = clock_at_ms(),
    };
    struct waiting *state = ARENA_NEW(http_arena(r), struct waiting);
    state->provider = route->index;
    *http_user(r) = state;
    http_defer(r); // before the records are handed over: their reports may come at once
    state->delivery = understood ? ingest_publish_units(w->publisher, &e, &units, r, &err)
                                 : quarantine(w, &e, r, &why, &err);
    if (!state->delivery)
        answer_err(w, route->index, r, &err);
}

static bool may_come(struct ingest_webhooks *w, struct http_request *r, struct err *err)
{
    int64_t wait_ms = 0;
    if (w->opts.sources &&
        !ingest_sources_take(w->opts.sources, http_peer(r), clock_ms(), &wait_ms)) {
        err_set(err, ERR_LIMITED, "too many requests from this address");
        err->retry_after_ms = wait_ms;
        return false;
    }
    if (ingest_publisher_waiting(w->publisher) >= w->opts.max_in_flight) {
        err_set(err, ERR_BUSY, "too many requests wait for Kafka");
        err->retry_after_ms = RETRY_AFTER_MS;
        return false;
    }
    return true;
}

static void take_webhook(struct ingest_webhooks *w, const struct ingest_route *route,
                         struct http_request *r)
{
    struct secrets secrets;
    ingest_secrets_for(w->opts.secrets, route, &secrets);
    const struct webhook in = webhook_of(route, r);
    struct err err = {0};
    if (!route->provider->verify(&in, &secrets, &err)) {
        answer_err(w, route->index, r, &err);
        return;
    }
    ingest_count_body(w->opts.stats, route->index, in.body.len);
    publish(w, route, &in, r);
}

void ingest_webhooks_on_request(void *ctx, struct http_request *r)
{
    struct ingest_webhooks *w = ctx;
    struct ingest_route route;
    struct err err = {0};
    if (!ingest_route_find(http_path(r), &route)) {
        err_set(&err, ERR_ABSENT, "no webhook has this path");
        answer_err(w, INGEST_NO_PROVIDER, r, &err);
        return;
    }
    enum http_method method = http_method(r);
    bool is_handshake = method == HTTP_GET && route.provider->handshake;
    if (method != HTTP_POST && !is_handshake)
        answer_not_allowed(w, &route, r);
    else if (!may_come(w, r, &err))
        answer_err(w, route.index, r, &err);
    else if (is_handshake)
        shake_hands(w, &route, r);
    else
        take_webhook(w, &route, r);
    arena_reset(w->scratch);
}
