/* SPDX-License-Identifier: Apache-2.0 */
#include "reports.h"

#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "clock.h"
#include "crypto.h"
#include "log.h"
#include "mem.h"
#include "post.h"

#define PENDING_MAX 200000
#define BATCH_MAX   1000
#define TICK_MS     5
#define BODY_MAX    ((size_t)4 << 20)
#define HEAD_MAX    ((size_t)16 << 10)
#define BATCH_MS    100 /* with batches, reports of one such span leave together */

struct pending {
    int64_t due_ms;
    uint64_t number; /* keeps order among equals */
    const struct sim_api *api;
    const struct sim_known *account;
    struct sim_report report;
    char *texts; /* owned, the report's */
};

struct sim_reports {
    uv_loop_t *loop;
    const struct sim_serve_conf *conf;
    const struct sim_hooks *hooks;
    struct sim_manners manners;
    struct sim_client *client; /* NULL: no ingest */
    uv_poll_t poll;
    uv_timer_t tick;
    bool has_handles;
    struct hmac *master, *apps[SIM_APP_X + 1]; /* NULL: no secret */
    struct sim_random random;
    struct pending *heap; /* by due_ms, number */
    size_t n, cap;
    struct sim_post **ready; /* ring: to be written */
    size_t head, n_ready;
    struct sim_post_list posts;
    struct buf body, line;
    struct str host;
    uint64_t numbers;
    int64_t made, unreportable, n_posts, tries, duplicates, acknowledged, refused;
};

/* --- life ------------------------------------------------------------------------------------- */

static struct sim_post *next_post(void *ctx)
{
    struct sim_reports *r = ctx;
    if (!r->n_ready || r->manners.paused)
        return NULL;
    struct sim_post *p = r->ready[r->head];
    r->head = (r->head + 1) % PENDING_MAX;
    r->n_ready--;
    return p;
}

static void on_try(void *ctx, struct sim_post *p, int status, int64_t latency_us)
{
    struct sim_reports *r = ctx;
    (void)p;
    (void)latency_us;
    r->tries++;
    log_debug("a webhook was tried", kv_int("status", status));
}

static void on_done(void *ctx, struct sim_post *p, bool acknowledged)
{
    struct sim_reports *r = ctx;
    r->acknowledged += acknowledged;
    r->refused += !acknowledged;
    if (--p->copies == 0)
        sim_post_free(&r->posts, p);
}

static struct hmac *first_secret(const char *settings)
{
    struct str secret, rest;
    (void)str_cut(str_of(settings), ',', &secret, &rest);
    return secret.len ? hmac_new(secret) : NULL;
}

static void on_readable(uv_poll_t *poll, int status, int events);
static void on_tick(uv_timer_t *tick);

static bool open_client(struct sim_reports *r, struct err *err)
{
    const struct sim_serve_conf *conf = r->conf;
    r->client =
        sim_client_new(&(struct sim_client_opts){.url = str_of(conf->ingest_url),
                                                 .connections = (int)conf->webhook_connections,
                                                 .timeout_ms = conf->webhook_timeout,
                                                 .retry_base_ms = conf->webhook_retry_base,
                                                 .retry_cap_ms = conf->webhook_retry_cap,
                                                 .next = next_post,
                                                 .on_try = on_try,
                                                 .on_done = on_done,
                                                 .ctx = r},
                       err);
    if (!r->client)
        return err_wrap(err, "ingest_url");
    r->host = str_skip(str_of(conf->ingest_url), strlen("http://"));
    if (str_ends(r->host, STR("/")))
        r->host.len--;
    (void)uv_poll_init(r->loop, &r->poll, sim_client_fd(r->client));
    (void)uv_timer_init(r->loop, &r->tick);
    r->poll.data = r->tick.data = r;
    r->has_handles = true;
    (void)uv_poll_start(&r->poll, UV_READABLE, on_readable);
    return true;
}

struct sim_reports *sim_reports_new(uv_loop_t *loop, const struct sim_serve_conf *conf,
                                    const struct sim_hooks *hooks, struct err *err)
{
    struct sim_reports *r = xalloc(sizeof *r);
    r->loop = loop;
    r->conf = conf;
    r->hooks = hooks;
    r->manners = (struct sim_manners){
        .echo = true, .delivered = true, .read = true, .delay_ms = conf->webhook_delay, .batch = 1};
    r->random = (struct sim_random){(uint64_t)conf->seed};
    buf_init(&r->body, BODY_MAX);
    buf_init(&r->line, HEAD_MAX);
    r->master = first_secret(conf->webhook_master_key);
    r->apps[SIM_APP_META] = first_secret(conf->meta_app_secret);
    r->apps[SIM_APP_INSTAGRAM] = first_secret(conf->instagram_app_secret);
    r->apps[SIM_APP_X] = first_secret(conf->x_consumer_secret);
    r->ready = xalloc(PENDING_MAX * sizeof(struct sim_post *));
    if (conf->ingest_url[0] && !open_client(r, err)) {
        sim_reports_free(r);
        return NULL;
    }
    return r;
}

void sim_reports_close(struct sim_reports *r)
{
    if (!r || !r->has_handles)
        return;
    uv_close((uv_handle_t *)&r->poll, NULL);
    uv_close((uv_handle_t *)&r->tick, NULL);
    r->has_handles = false;
}

void sim_reports_clear(struct sim_reports *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->heap[i].texts);
    // What is being tried goes on; what waits to be written does not.
    for (struct sim_post *p; (p = next_post(r));)
        if (--p->copies == 0)
            sim_post_free(&r->posts, p);
    r->n = 0;
    r->made = r->unreportable = r->n_posts = r->tries = r->duplicates = r->acknowledged =
        r->refused = 0;
}

void sim_reports_free(struct sim_reports *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++)
        free(r->heap[i].texts);
    sim_client_free(r->client);
    while (r->posts.first)
        sim_post_free(&r->posts, r->posts.first);
    for (size_t i = 0; i < ARRAY_LEN(r->apps); i++)
        hmac_free(r->apps[i]);
    hmac_free(r->master);
    buf_done(&r->body);
    buf_done(&r->line);
    free(r->heap);
    free((void *)r->ready);
    free(r);
}

/* --- what waits for its time ------------------------------------------------------------------ */

static bool is_before(const struct pending *a, const struct pending *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->number < b->number;
}

static void heap_put(struct sim_reports *r, const struct pending *p)
{
    if (r->n == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 256;
        r->heap = xrealloc(r->heap, r->cap * sizeof *r->heap);
    }
    size_t at = r->n++;
    while (at && is_before(p, &r->heap[(at - 1) / 2])) {
        r->heap[at] = r->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    r->heap[at] = *p;
}

static struct pending heap_take(struct sim_reports *r)
{
    struct pending first = r->heap[0], last = r->heap[--r->n];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < r->n; at = child) {
        if (child + 1 < r->n && is_before(&r->heap[child + 1], &r->heap[child]))
            child++;
        if (!is_before(&r->heap[child], &last))
            break;
        r->heap[at] = r->heap[child];
    }
    if (r->n)
        r->heap[at] = last;
    return first;
}

static void wake(struct sim_reports *r)
{
    if (!uv_is_active((uv_handle_t *)&r->tick))
        (void)uv_timer_start(&r->tick, on_tick, TICK_MS, TICK_MS);
}

static void plan(struct sim_reports *r, const struct sim_api *api, const struct sim_known *k,
                 const struct sim_sent *row, enum sim_kind kind, int64_t after_ms)
{
    const struct sim_manners *m = &r->manners;
    // It is told later than it happened: what happened first may be told last.
    int64_t late_ms = m->spread_ms ? sim_random_below(&r->random, (uint32_t)m->spread_ms + 1) : 0;
    struct pending p = {.due_ms = clock_ms() + after_ms + late_ms,
                        .number = r->numbers++,
                        .api = api,
                        .account = k,
                        .report = {.kind = kind,
                                   .account = row->account,
                                   .type = k->type,
                                   .at_ms = row->at_ms + after_ms,
                                   .send = row->send}};
    if (m->batch > 1)
        p.due_ms = (p.due_ms / BATCH_MS + 1) * BATCH_MS;
    p.texts = sim_send_keep(&p.report.account, &p.report.send);
    heap_put(r, &p);
    r->made++;
}

void sim_reports_add(struct sim_reports *r, const struct sim_api *api, const struct sim_known *k,
                     const struct sim_sent *row)
{
    const struct sim_manners *m = &r->manners;
    if (!r->client || !api->style || !api->report || r->n + 3 > PENDING_MAX)
        return;
    if (m->echo && api->has_echo)
        plan(r, api, k, row, SIM_ECHO, m->delay_ms);
    if (m->delivered && api->has_delivered)
        plan(r, api, k, row, SIM_DELIVERED, 2 * m->delay_ms);
    if (m->read && api->has_read)
        plan(r, api, k, row, SIM_READ, 3 * m->delay_ms);
    wake(r);
}

/* --- posts ------------------------------------------------------------------------------------ */

static struct hmac *app_of(const struct sim_reports *r, enum sim_app app)
{
    return app == SIM_APP_INSTAGRAM && !r->apps[app] ? r->apps[SIM_APP_META] : r->apps[app];
}

/* False: a setting is missing. */
static bool secrets_of(struct sim_reports *r, struct arena *a, const struct pending *p,
                       struct sim_secrets *out)
{
    const struct sim_provider *style = p->api->style;
    *out = (struct sim_secrets){.app = app_of(r, style->app)};
    if (style->app != SIM_APP_NONE)
        return out->app != NULL;
    struct str tenant = p->account->tenant.len ? p->account->tenant : str_of(r->conf->tenant);
    if (!tenant.len || !r->master)
        return false;
    out->tenant_id = tenant;
    out->tenant_secret = webhook_secret(a, r->master, str_of(p->api->name), tenant,
                                        str_of(r->conf->webhook_secret_version));
    return true;
}

/* The path of an address: all behind the host. */
static struct str url_path(struct str url)
{
    struct str rest = url, head, tail;
    for (int slashes = 0; slashes < 3; slashes++) {
        if (!str_cut(rest, '/', &head, &tail))
            return STR("/");
        rest = tail;
    }
    return (struct str){rest.ptr - 1, rest.len + 1};
}

static bool put_head(struct sim_reports *r, const struct pending *p, struct str body)
{
    auto_arena a = arena_new(64 << 10);
    const struct sim_hook *hook = sim_hooks_of(r->hooks, str_of(p->api->name), p->report.account);
    const struct sim_provider *style = p->api->style;
    bool has_headers = hook && hook->headers.len;
    struct sim_secrets secrets;
    if (!secrets_of(r, a, p, &secrets) && !has_headers)
        return false;
    buf_clear(&r->line);
    buf_put_c(&r->line, "POST ");
    if (hook)
        buf_put_str(&r->line, url_path(hook->url));
    else
        style->path(&r->line, &secrets,
                    &(struct sim_account){style, p->report.account, p->report.type});
    buf_put_c(&r->line, " HTTP/1.1\r\nHost: ");
    buf_put_str(&r->line, r->host);
    buf_put_c(&r->line, "\r\n");
    if (has_headers)
        buf_put_str(&r->line, hook->headers);
    else
        style->proof(&r->line, &secrets, body);
    buf_putf(&r->line, "Content-Length: %zu\r\n\r\n", body.len);
    return !r->line.overflow;
}

static void ready_put(struct sim_reports *r, struct sim_post *p)
{
    if (r->n_ready == PENDING_MAX) {
        r->unreportable++;
        if (--p->copies == 0)
            sim_post_free(&r->posts, p);
        return;
    }
    r->ready[(r->head + r->n_ready++) % PENDING_MAX] = p;
}

static void post(struct sim_reports *r, const struct pending *items, size_t n)
{
    struct sim_report reports[BATCH_MAX];
    for (size_t i = 0; i < n; i++)
        reports[i] = items[i].report;
    buf_clear(&r->body);
    items[0].api->report(&r->body, reports, n);
    if (r->body.overflow || !put_head(r, &items[0], buf_str(&r->body))) {
        r->unreportable += (int64_t)n;
        return;
    }
    struct sim_event none = {0};
    struct sim_post *p = sim_post_new(&r->posts, &none, 1, buf_str(&r->line), buf_str(&r->body));
    bool twice = sim_random_below(&r->random, 100) < (uint32_t)r->manners.duplicates;
    p->copies = twice ? 2 : 1;
    r->duplicates += twice;
    r->n_posts += p->copies;
    for (int i = p->copies; i > 0; i--)
        ready_put(r, p);
}

static bool may_share(const struct pending *a, const struct pending *b)
{
    return a->api == b->api &&
           (a->api->style->app != SIM_APP_NONE || str_eq(a->account->tenant, b->account->tenant));
}

/* What is due leaves, several in one body where that is asked for. */
static void post_due(struct sim_reports *r)
{
    int64_t now_ms = clock_ms();
    while (r->n && r->heap[0].due_ms <= now_ms && r->n_ready < PENDING_MAX) {
        struct pending items[BATCH_MAX];
        size_t n = 0, max = (size_t)r->manners.batch;
        size_t most = r->heap[0].api->style->batch_max;
        max = max < most ? max : most;
        max = max < BATCH_MAX ? max : BATCH_MAX;
        do
            items[n++] = heap_take(r);
        while (n < max && r->n && r->heap[0].due_ms <= now_ms && may_share(&items[0], &r->heap[0]));
        post(r, items, n);
        for (size_t i = 0; i < n; i++)
            free(items[i].texts);
    }
}

static void turn(struct sim_reports *r)
{
    if (!r->manners.paused)
        post_due(r);
    sim_client_turn(r->client, 0);
    if (!r->n && !r->n_ready && !sim_client_busy(r->client))
        (void)uv_timer_stop(&r->tick);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    turn(poll->data);
}

static void on_tick(uv_timer_t *tick)
{
    turn(tick->data);
}

/* --- control ---------------------------------------------------------------------------------- */

const struct sim_manners *sim_reports_manners(const struct sim_reports *r)
{
    return &r->manners;
}

void sim_reports_behave(struct sim_reports *r, const struct sim_manners *m)
{
    r->manners = *m;
    if (r->client)
        wake(r);
}

void sim_reports_json(const struct sim_reports *r, struct buf *out)
{
    const struct {
        const char *name;
        int64_t n;
    } counts[] = {
        {"made", r->made},
        {"unreportable", r->unreportable},
        {"pending", (int64_t)(r->n + r->n_ready) + (r->client ? sim_client_busy(r->client) : 0)},
        {"posts", r->n_posts},
        {"tries", r->tries},
        {"duplicates", r->duplicates},
        {"acknowledged", r->acknowledged},
        {"refused", r->refused}};
    struct json_out o = {.buf = out};
    json_open(&o, '{');
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        json_put_int(&o, counts[i].name, counts[i].n);
    json_close(&o, '}');
}
