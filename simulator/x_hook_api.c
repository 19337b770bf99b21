/* SPDX-License-Identifier: Apache-2.0 */
/* X's API, version 2: webhooks. Before an address is taken it is asked to prove that it knows the
 * consumer secret (CRC), at the ingest of the settings whatever its host. */
#include <inttypes.h>
#include <stdlib.h>

#include "clock.h"
#include "crypto.h"
#include "fetch.h"
#include "mem.h"
#include "x_api.h"

#define HOOKS_MAX     5
#define ANSWER_MAX    4096
#define ASKED         "postrider-crc"
#define SUBSCRIPTIONS "x subscriptions"

/* A question under way. */
struct question {
    struct sim_server *server;
    struct sim_later *later;
    char id[32];
    bool is_new; /* the answer to the client is the webhook, else whether it is valid */
};

static void put_hook(struct json_out *o, const struct sim_hook *k)
{
    char at[CLOCK_TEXT_MAX];
    json_open(o, '{');
    json_put_str(o, "id", k->id);
    json_put_str(o, "url", k->url);
    json_put_bool(o, "valid", k->is_valid);
    json_put_str(o, "created_at", (struct str){at, clock_format(k->at_ms, at)});
    json_close(o, '}');
}

/* --- the question ----------------------------------------------------------------------------- */

/* {"response_token": "sha256=<base64 of the HMAC of what was asked>"} */
static bool is_right(struct sim_server *s, struct str body)
{
    uint8_t mac[SHA256_BYTES];
    struct err err = {0};
    struct str secret, rest;
    auto_arena a = arena_new(1 << 20);
    (void)str_cut(str_of(s->conf->x_consumer_secret), ',', &secret, &rest);
    struct hmac *h = hmac_new(secret);
    hmac_sha256(h, STR(ASKED), mac);
    hmac_free(h);
    struct str wanted = str_fmt(
        a, "sha256=%.*s", STR_ARG(base64_encode(a, (struct str){(const char *)mac, sizeof mac})));
    return str_eq(json_text(a, json_get(json_parse(a, body, &err), "response_token")), wanted);
}

static void answer(struct question *q, struct sim_hook *k)
{
    struct buf out;
    buf_init(&out, 16384);
    struct json_out o = {.buf = &out};
    if (!k->is_valid && q->is_new) {
        k->is_gone = true;
        sim_later_answer(q->later, 400,
                         STR("{\"errors\":[{\"message\":\"CrcValidationFailed: the CRC was not "
                             "answered rightly\"}],\"title\":\"Invalid Request\",\"detail\":\"One "
                             "or more parameters to your request was invalid.\",\"type\":"
                             "\"https://api.twitter.com/2/problems/invalid-request\"}"));
    } else if (q->is_new) {
        buf_put_c(&out, "{\"data\":");
        put_hook(&o, k);
        buf_putc(&out, '}');
        sim_later_answer(q->later, 201, buf_str(&out));
    } else {
        buf_putf(&out, "{\"data\":{\"valid\":%s}}", k->is_valid ? "true" : "false");
        sim_later_answer(q->later, 200, buf_str(&out));
    }
    buf_done(&out);
}

static void on_answer(void *ctx, struct transfer *t)
{
    struct question *q = ctx;
    struct sim_hook *k = sim_hooks_get(q->server->hooks, STR("x"), str_of(q->id));
    if (k) {
        k->is_valid = transfer_end(t) == FETCH_WHOLE && transfer_status(t) == 200 &&
                      is_right(q->server, transfer_body(t));
        answer(q, k);
    } else {
        sim_later_answer(q->later, 404, STR("{\"title\":\"Not Found\",\"status\":404}"));
    }
    free(q);
}

/* The path of an address behind its host. */
static struct str path_of(struct str url)
{
    struct str rest = str_skip(url, STR("https://").len), host, path;
    return str_cut(rest, '/', &host, &path) ? path : STR("");
}

static void ask(struct sim_call *c, struct sim_hook *k, bool is_new)
{
    struct sim_server *s = c->server;
    struct err err = {0};
    struct transfer *t;
    struct question *q = xalloc(sizeof *q);
    *q = (struct question){.server = s, .later = sim_answer_later(c), .is_new = is_new};
    for (size_t i = 0; i < k->id.len && i + 1 < sizeof q->id; i++)
        q->id[i] = k->id.ptr[i];
    if (!s->fetch) { // nobody to ask
        k->is_valid = true;
        answer(q, k);
        free(q);
        return;
    }
    struct str base = str_of(s->conf->ingest_url);
    base.len -= str_ends(base, STR("/"));
    const struct fetch_request r = {
        .method = FETCH_GET,
        .url = str_fmt(c->a, "%.*s/%.*s?crc_token=" ASKED "&nonce=1", STR_ARG(base),
                       STR_ARG(path_of(k->url))),
        .timeout_ms = s->conf->webhook_timeout,
        .answer_max_bytes = ANSWER_MAX,
        .on_done = on_answer,
        .ctx = q,
    };
    if (fetch_start(s->fetch, &r, &t, &err))
        return;
    k->is_valid = false;
    answer(q, k);
    free(q);
}

/* --- the routes ------------------------------------------------------------------------------- */

static bool url_valid(struct sim_call *c, struct str url)
{
    struct str host, port, rest = str_skip(url, STR("https://").len);
    (void)str_cut(rest, '/', &host, &rest);
    if (!str_starts(url, STR("https://")) || !host.len || str_cut(host, ':', &host, &port))
        return sim_x_invalid(c, "UrlValidationFailed: an https address without port is expected");
    size_t n = 0;
    for (size_t i = 0; i < sim_hooks_n(c->server->hooks); i++) {
        const struct sim_hook *k = sim_hooks_at(c->server->hooks, i);
        if (k->is_gone || !str_eq_c(k->provider, "x"))
            continue;
        n++;
        if (str_eq(k->url, url))
            return sim_x_invalid(c, "DuplicateUrlFailed: the address is registered already");
    }
    return n < HOOKS_MAX || sim_x_invalid(c, "WebhookLimitExceeded: no more webhooks");
}

void sim_x_hook_create(struct sim_call *c)
{
    struct sim_body b;
    if (!sim_body(c, SIM_BODY_JSON, &b))
        return;
    struct str url = sim_field_text(&b, "url");
    if (!json_is(json_get(b.json, "url"), JSON_STRING)) {
        (void)sim_x_invalid(c, "$.url: string expected");
        return;
    }
    if (!url_valid(c, url))
        return;
    struct str id = str_fmt(c->a, "%" PRIu64, UINT64_C(1900000000000000000) + sim_unique(c));
    struct sim_hook *k = sim_hooks_put(
        c->server->hooks,
        &(struct sim_hook){.provider = STR("x"), .id = id, .url = url, .at_ms = c->at_ms});
    if (k)
        ask(c, k, true);
    else
        sim_x_problem(c, 503, "Service Unavailable", "too many webhooks");
}

/* NULL: has failed. */
static struct sim_hook *hook_of(struct sim_call *c)
{
    struct sim_hook *k = sim_hooks_get(c->server->hooks, STR("x"), c->args[0]);
    if (!k)
        sim_x_problem(c, 404, "Not Found", "no webhook of this id");
    return k;
}

void sim_x_hook_check(struct sim_call *c)
{
    struct sim_hook *k = hook_of(c);
    if (k)
        ask(c, k, false);
}

void sim_x_hook_delete(struct sim_call *c)
{
    struct sim_hook *k = hook_of(c);
    if (!k)
        return;
    k->is_gone = true;
    sim_x_data(c, 200, STR("{\"deleted\":true}"));
}

/* Of the user whose token it is. Subscriptions are no webhooks: they are kept under a name of their
 * own. */
static struct sim_hook *subscription_of(struct sim_call *c, struct str *id)
{
    *id = str_fmt(c->a, "%.*s %.*s", STR_ARG(c->args[0]), STR_ARG(c->account));
    return sim_hooks_get(c->server->hooks, STR(SUBSCRIPTIONS), *id);
}

static void subscribe(struct sim_call *c, bool is_new)
{
    struct str id;
    if (!hook_of(c))
        return;
    bool is_there = subscription_of(c, &id) != NULL;
    if (is_new && !is_there)
        is_there =
            sim_hooks_put(c->server->hooks, &(struct sim_hook){.provider = STR(SUBSCRIPTIONS),
                                                               .id = id,
                                                               .account = c->account,
                                                               .at_ms = c->at_ms});
    sim_x_data(c, 200, is_there ? STR("{\"subscribed\":true}") : STR("{\"subscribed\":false}"));
}

void sim_x_subscribe(struct sim_call *c)
{
    subscribe(c, true);
}

void sim_x_subscribed(struct sim_call *c)
{
    subscribe(c, false);
}

void sim_x_hooks(struct sim_call *c)
{
    struct buf out;
    long long n = 0;
    buf_init(&out, 1 << 20);
    struct json_out o = {.buf = &out};
    for (size_t i = 0; i < sim_hooks_n(c->server->hooks); i++) {
        const struct sim_hook *k = sim_hooks_at(c->server->hooks, i);
        if (k->is_gone || !str_eq_c(k->provider, "x"))
            continue;
        if (n++ == 0)
            buf_put_c(&out, "{\"data\":[");
        put_hook(&o, k);
    }
    buf_putf(&out, n ? "],\"meta\":{\"result_count\":%lld}}" : "{\"meta\":{\"result_count\":%lld}}",
             n);
    sim_answer(c, 200, buf_str(&out));
    buf_done(&out);
}
