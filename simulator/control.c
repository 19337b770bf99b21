/* SPDX-License-Identifier: Apache-2.0 */
/* The control plane, under /_sim/: what tests and demos ask the simulator, and tell it. */
#include "json.h"
#include "server.h"

#define OUT_MAX   ((size_t)256 << 20)
#define JSON_ROOM ((size_t)32 << 20)

static void answer_json(struct http_request *r, struct buf *out)
{
    http_answer(r, out->overflow ? 500 : 200, "application/json", buf_str(out));
}

static void answer_done(struct http_request *r, bool ok, const struct err *err)
{
    if (ok)
        http_answer(r, 200, "application/json", STR("{}"));
    else
        http_answer_err(r, err);
}

/* --- what there is ---------------------------------------------------------------------------- */

static void get_ready(struct sim_server *s, struct http_request *r, struct buf *out)
{
    (void)s;
    (void)out;
    http_answer(r, 200, "application/json", STR("{\"ready\":true}"));
}

/* JSON lines; ?since=N&provider=&account= */
static void get_ledger(struct sim_server *s, struct http_request *r, struct buf *out)
{
    int64_t since = 0;
    struct str text = http_query(r, "since");
    if (text.ptr && (!str_i64(text, &since) || since < 0)) {
        http_answer_problem(r, 400, STR("since: want a number"));
        return;
    }
    sim_sends_json(s->sends, (uint64_t)since, http_query(r, "provider"), http_query(r, "account"),
                   out);
    http_answer(r, out->overflow ? 500 : 200, "application/x-ndjson", buf_str(out));
}

static void put_answers(const struct sim_server *s, struct json_out *o)
{
    json_open(o, '{');
    for (size_t i = 0; i < sim_table_n(s->counts); i++) {
        struct str name;
        const int64_t *n = sim_table_at(s->counts, i, &name);
        json_str(o, name);
        buf_putc(o->buf, ':');
        buf_putf(o->buf, "%lld", (long long)*n);
        o->comma = true;
    }
    json_close(o, '}');
}

static void get_counts(struct sim_server *s, struct http_request *r, struct buf *out)
{
    struct json_out o = {.buf = out};
    json_open(&o, '{');
    json_put_int(&o, "sends", (int64_t)sim_sends_last(s->sends));
    json_key_out(&o, "answers"); // "unipile 201": n; 0 stands for a connection that was dropped
    put_answers(s, &o);
    buf_put_c(out, ",\"accounts\":");
    sim_quotas_json(s->quotas, out);
    buf_put_c(out, ",\"webhooks\":");
    sim_reports_json(s->reports, out);
    buf_put_c(out, ",\"faults\":{");
    for (int f = 0; f < SIM_FAULTS; f++)
        buf_putf(out, "%s\"%s\":%lld", f ? "," : "", sim_fault_name((enum sim_fault)f),
                 (long long)s->faults.struck[f]);
    buf_put_c(out, "}}");
    answer_json(r, out);
}

static void get_faults(struct sim_server *s, struct http_request *r, struct buf *out)
{
    sim_faults_json(&s->faults, out);
    answer_json(r, out);
}

static void get_accounts(struct sim_server *s, struct http_request *r, struct buf *out)
{
    sim_accounts_json(s->accounts, out);
    answer_json(r, out);
}

static void get_webhooks(struct sim_server *s, struct http_request *r, struct buf *out)
{
    const struct sim_manners *m = sim_reports_manners(s->reports);
    struct json_out o = {.buf = out};
    json_open(&o, '{');
    json_put_bool(&o, "echo", m->echo);
    json_put_bool(&o, "delivered", m->delivered);
    json_put_bool(&o, "read", m->read);
    json_put_bool(&o, "paused", m->paused);
    json_put_int(&o, "delay_ms", m->delay_ms);
    json_put_int(&o, "spread_ms", m->spread_ms);
    json_put_int(&o, "duplicates", m->duplicates);
    json_put_int(&o, "batch", m->batch);
    json_close(&o, '}');
    answer_json(r, out);
}

/* --- what is told ----------------------------------------------------------------------------- */

static bool set_faults(struct sim_server *s, struct str body, struct err *err)
{
    return sim_faults_set(&s->faults, body, err);
}

static bool set_accounts(struct sim_server *s, struct str body, struct err *err)
{
    return sim_accounts_set(s->accounts, body, err);
}

static bool read_int(const struct json *v, const char *name, int64_t max, int64_t *out,
                     struct err *err)
{
    const struct json *member = json_get(v, name);
    if (!member)
        return true;
    return (json_i64(member, out) && *out >= 0 && *out <= max) ||
           err_set(err, ERR_INVALID, "%s: want a whole number from 0 to %lld", name,
                   (long long)max);
}

static bool read_bool(const struct json *v, const char *name, bool *out, struct err *err)
{
    const struct json *member = json_get(v, name);
    if (!member)
        return true;
    if (!json_is(member, JSON_TRUE) && !json_is(member, JSON_FALSE))
        return err_set(err, ERR_INVALID, "%s: want true or false", name);
    *out = json_is(member, JSON_TRUE);
    return true;
}

/* Members that are not named stay as they are. */
static bool set_webhooks(struct sim_server *s, struct str body, struct err *err)
{
    auto_arena a = arena_new(JSON_ROOM);
    const struct json *v = json_parse(a, body, err);
    struct sim_manners m = *sim_reports_manners(s->reports);
    if (!v || !read_bool(v, "echo", &m.echo, err) ||
        !read_bool(v, "delivered", &m.delivered, err) || !read_bool(v, "read", &m.read, err) ||
        !read_bool(v, "paused", &m.paused, err) ||
        !read_int(v, "delay_ms", 600000, &m.delay_ms, err) ||
        !read_int(v, "spread_ms", 600000, &m.spread_ms, err) ||
        !read_int(v, "duplicates", 100, &m.duplicates, err) ||
        !read_int(v, "batch", 1000, &m.batch, err))
        return false;
    m.batch = m.batch ? m.batch : 1;
    sim_reports_behave(s->reports, &m);
    return true;
}

static bool read_bucket(const struct json *v, const char *name, struct sim_bucket_size *out,
                        struct err *err)
{
    const struct json *b = json_get(v, name);
    return read_int(b, "burst", 1000000, &out->burst, err) &&
           read_int(b, "per_minute", 60000000, &out->per_minute, err) &&
           read_int(b, "window_ms", 86400000, &out->window_ms, err);
}

/* {"limits": [{"provider": "unipile", "account": "A", "bucket": {"burst": 10, "per_minute": 60},
 * "pair": {"burst": 1, "per_minute": 60}}]} takes the place of all limits; {"published": true}:
 * those that the providers publish. */
static bool set_limits(struct sim_server *s, struct str body, struct err *err)
{
    auto_arena a = arena_new(JSON_ROOM);
    const struct json *v = json_parse(a, body, err);
    const struct json *list = json_get(v, "limits");
    if (!v)
        return false;
    sim_quotas_unlimit(s->quotas);
    if (json_truthy(json_get(v, "published")))
        sim_server_limit(s);
    for (const struct json *i = json_first(list); i; i = json_next(list, i)) {
        struct sim_limit limit = {0};
        struct str provider = json_text(a, json_get(i, "provider"));
        if (!provider.len)
            return err_set(err, ERR_INVALID, "a limit names its provider");
        if (!read_bucket(i, "bucket", &limit.account, err) ||
            !read_bucket(i, "pair", &limit.pair, err))
            return false;
        struct str account = json_text(a, json_get(i, "account"));
        sim_quotas_limit(s->quotas, provider, account.len ? account : STR(""), &limit);
    }
    return true;
}

/* Faults, counts, limits, what was sent and what is still to be reported; accounts and webhooks
 * stay. */
static bool reset(struct sim_server *s, struct str body, struct err *err)
{
    (void)body;
    (void)err;
    sim_faults_clear(&s->faults);
    sim_quotas_clear(s->quotas);
    sim_quotas_unlimit(s->quotas);
    if (s->conf->published_limits)
        sim_server_limit(s);
    sim_sends_clear(s->sends);
    sim_reports_clear(s->reports);
    sim_table_clear(s->counts);
    return true;
}

static const struct {
    const char *name;
    void (*get)(struct sim_server *s, struct http_request *r, struct buf *out);
    bool (*set)(struct sim_server *s, struct str body, struct err *err);
    enum http_method set_method;
} things[] = {
    {"ready", get_ready, NULL, HTTP_OTHER},
    {"ledger", get_ledger, NULL, HTTP_OTHER},
    {"counts", get_counts, NULL, HTTP_OTHER},
    {"faults", get_faults, set_faults, HTTP_PUT},
    {"accounts", get_accounts, set_accounts, HTTP_PUT},
    {"webhooks", get_webhooks, set_webhooks, HTTP_PUT},
    {"limits", NULL, set_limits, HTTP_PUT},
    {"reset", NULL, reset, HTTP_POST},
};

void sim_control(struct sim_server *s, struct http_request *r)
{
    struct str name = str_skip(http_path(r), 6); // "/_sim/"
    struct err err = {0};
    for (size_t i = 0; i < ARRAY_LEN(things); i++) {
        if (!str_eq_c(name, things[i].name))
            continue;
        if (http_method(r) == HTTP_GET && things[i].get) {
            struct buf out;
            buf_init(&out, OUT_MAX);
            things[i].get(s, r, &out);
            buf_done(&out);
        } else if (things[i].set && http_method(r) == things[i].set_method) {
            answer_done(r, things[i].set(s, http_body(r), &err), &err);
        } else {
            http_answer_problem(r, 405, STR_NONE);
        }
        return;
    }
    http_answer_problem(r, 404,
                        STR("here are ready, ledger, counts, faults, accounts, webhooks, limits "
                            "and reset"));
}
