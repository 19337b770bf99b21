/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "crypto.h"
#include "fetch.h"
#include "mem.h"

#define ARENA_MAX        ((size_t)64 << 20)
#define CONNECTIONS      4096
#define HEADER_POOL      16384
#define JSON_TYPE        "application/json; charset=utf-8"
#define UPLOADS_MAX      100000
#define FETCH_MAX        16
#define IDLE_MS          120000
#define BODIES_MAX       ((int64_t)512 << 20)
#define COUNTS_MAX       10000
#define NUMBERS_SINCE_MS INT64_C(1767225600000) /* 2026 */
#define TOKEN_PREFIX     STR("sim-")

/* An answer that waits: for its time, or for who makes it. */
struct sim_later {
    uv_timer_t timer;
    struct sim_server *server;
    const struct sim_api *api;
    struct http_request *http; /* NULL: the client has gone */
    struct sim_later *previous, *next;
    const char *content_type;
    struct str body; /* owned */
    int status;
    bool drops;
};

/* --- answers ---------------------------------------------------------------------------------- */

void sim_header(struct sim_call *c, const char *name, struct str value)
{
    http_set_header(c->http, name, value);
}

static void give(struct http_request *r, int status, const char *content_type, struct str body,
                 bool drops)
{
    if (drops)
        http_drop(r);
    else
        http_answer(r, status, content_type, body);
}

static void on_later_closed(uv_handle_t *handle)
{
    struct sim_later *l = handle->data;
    *(l->previous ? &l->previous->next : &l->server->later) = l->next;
    if (l->next)
        l->next->previous = l->previous;
    free((void *)l->body.ptr);
    free(l);
}

static void later_end(struct sim_later *l, int status, const char *content_type, struct str body)
{
    struct http_request *r = l->http;
    if (r) {
        l->http = NULL;
        *http_user(r) = NULL;
        give(r, status, content_type, body, l->drops);
    }
    if (!uv_is_closing((uv_handle_t *)&l->timer))
        uv_close((uv_handle_t *)&l->timer, on_later_closed);
}

static void on_time(uv_timer_t *timer)
{
    struct sim_later *l = timer->data;
    later_end(l, l->status, l->content_type, l->body);
}

struct sim_later *sim_answer_later(struct sim_call *c)
{
    struct sim_server *s = c->server;
    struct sim_later *l = xalloc(sizeof *l);
    *l = (struct sim_later){
        .server = s, .api = c->api, .http = c->http, .next = s->later, .drops = c->drops};
    if (s->later)
        s->later->previous = l;
    s->later = l;
    c->is_answered = true;
    *http_user(c->http) = l;
    http_defer(c->http);
    (void)uv_timer_init(s->loop, &l->timer);
    l->timer.data = l;
    return l;
}

static void answer_in_time(struct sim_call *c, int status, const char *content_type,
                           struct str body)
{
    struct sim_later *l = sim_answer_later(c);
    l->content_type = content_type;
    l->body = (struct str){xstrndup(body.len ? body.ptr : "", body.len), body.len};
    l->status = status;
    (void)uv_timer_start(&l->timer, on_time, (uint64_t)c->slow_ms, 0);
}

static void count(struct sim_server *s, const char *provider, int status)
{
    char name[64];
    int len = snprintf(name, sizeof name, "%s %d", provider, status);
    int64_t *n = sim_table_get(s->counts, (struct str){name, (size_t)len}, true);
    if (n)
        ++*n;
}

void sim_answer_as(struct sim_call *c, int status, const char *content_type, struct str body)
{
    if (c->is_answered)
        return; // the first word counts
    c->is_answered = true;
    if (c->api->finish)
        c->api->finish(c);
    if (c->is_garbled)
        body = body.len > 2 ? (struct str){body.ptr, body.len / 2} : STR("<html>");
    count(c->server, c->api->name, c->drops ? 0 : status);
    if (c->slow_ms)
        answer_in_time(c, status, content_type, body);
    else
        give(c->http, status, content_type, body, c->drops);
}

void sim_answer(struct sim_call *c, int status, struct str body)
{
    sim_answer_as(c, status, JSON_TYPE, body);
}

void sim_later_answer(struct sim_later *l, int status, struct str body)
{
    count(l->server, l->api->name, status);
    later_end(l, status, JSON_TYPE, body);
}

static void fail(struct sim_call *c, const struct sim_failure *f)
{
    if (!c->is_answered)
        c->api->fail(c, f);
}

void sim_fail(struct sim_call *c, enum sim_why why, const char *detail)
{
    fail(c, &(struct sim_failure){.why = why, .status = 500, .detail = detail});
}

static void hang_up(struct sim_call *c)
{
    c->drops = true;
    sim_answer(c, 503, STR_NONE);
}

/* --- what handlers use ---------------------------------------------------------------------------
 */

bool sim_body(struct sim_call *c, unsigned allowed, struct sim_body *out)
{
    struct err why = {0};
    struct str type = http_header(c->http, "Content-Type");
    enum sim_body_read r = sim_body_parse(c->a, type, http_body(c->http), allowed, out, &why);
    if (r == SIM_READ_OK)
        return true;
    sim_fail(c, r == SIM_READ_TYPE ? SIM_WHY_TYPE : SIM_WHY_BODY,
             str_c(c->a, str_utf8(c->a, str_of(why.msg))));
    return false;
}

struct str sim_bearer(const struct sim_call *c)
{
    struct str value = http_header(c->http, "Authorization"), scheme, token;
    if (!str_cut(value, ' ', &scheme, &token) || !str_ieq(scheme, STR("Bearer")))
        return STR_NONE;
    return str_trim(token);
}

struct str sim_token_account(struct arena *a, struct str token)
{
    struct str rest = str_skip(token, TOKEN_PREFIX.len);
    static const char *const words[] = {"expired-", "revoked-"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_starts(rest, str_of(words[i])))
            rest = str_skip(rest, strlen(words[i]));
    size_t n = 0;
    while (n < rest.len && rest.ptr[n] >= '0' && rest.ptr[n] <= '9')
        n++;
    if (n && n <= 19)
        return (struct str){rest.ptr, n};
    return str_fmt(a, "%llu", (unsigned long long)(1000000000u + str_hash(token) % 9000000000u));
}

static struct sim_target target_of(const struct sim_call *c, struct str to)
{
    return (struct sim_target){.provider = str_of(c->api->name),
                               .account = c->account,
                               .to = to,
                               .path = c->path,
                               .is_send = c->is_send};
}

static bool token_fault(struct sim_call *c, const struct sim_target *t)
{
    if (sim_faults_strike(&c->server->faults, SIM_FAULT_EXPIRED, t))
        sim_fail(c, SIM_WHY_EXPIRED, NULL);
    else if (sim_faults_strike(&c->server->faults, SIM_FAULT_REVOKED, t))
        sim_fail(c, SIM_WHY_REVOKED, NULL);
    return !c->is_answered;
}

bool sim_token_check(struct sim_call *c, struct str token)
{
    struct sim_target t = target_of(c, STR_NONE);
    if (!token.len)
        sim_fail(c, SIM_WHY_NO_TOKEN, NULL);
    else if (str_starts(token, STR("sim-expired")))
        sim_fail(c, SIM_WHY_EXPIRED, NULL);
    else if (str_starts(token, STR("sim-revoked")))
        sim_fail(c, SIM_WHY_REVOKED, NULL);
    else if (!str_starts(token, TOKEN_PREFIX))
        sim_fail(c, SIM_WHY_BAD_TOKEN, NULL);
    else if (token_fault(c, &t))
        c->token = token;
    return !c->is_answered;
}

uint64_t sim_unique(struct sim_call *c)
{
    return ++c->server->unique;
}

struct str sim_unique_id(struct sim_call *c)
{
    char *id = arena_alloc(c->a, SIM_ID);
    uint64_t n = sim_unique(c);
    sim_id_text(sim_mix(c->server->run ^ sim_mix(n)), n ^ c->server->run, id);
    return (struct str){id, SIM_ID};
}

struct sim_known *sim_account(struct sim_call *c, struct str id)
{
    return sim_accounts_find(c->server->accounts, str_of(c->api->name), id, true);
}

struct sim_upload *sim_upload(struct sim_call *c, struct str id, bool make)
{
    struct str name = str_fmt(c->a, "%s %.*s %.*s", c->api->name, STR_ARG(c->account), STR_ARG(id));
    return sim_table_get(c->server->uploads, name, make);
}

/* --- faults --------------------------------------------------------------------------------------
 */

/* Those that any call may meet. False: has failed, or hung up. */
static bool call_faults(struct sim_call *c, const struct sim_target *t)
{
    struct sim_faults *f = &c->server->faults;
    const struct sim_rule *r = sim_faults_strike(f, SIM_FAULT_SLOW, t);
    if (r)
        c->slow_ms = r->ms;
    if (sim_faults_strike(f, SIM_FAULT_DROP_BEFORE, t)) {
        hang_up(c);
        return false;
    }
    if ((r = sim_faults_strike(f, SIM_FAULT_ERROR, t))) {
        fail(c, &(struct sim_failure){.why = SIM_WHY_SERVER, .status = (int)r->status});
        return false;
    }
    if ((r = sim_faults_strike(f, SIM_FAULT_RATE_LIMIT, t))) {
        int64_t wait_ms = r->retry_after_s * 1000;
        sim_quotas_told_to_wait(c->server->quotas, t->provider, c->account, clock_ms() + wait_ms);
        fail(c, &(struct sim_failure){.why = SIM_WHY_RATE, .status = 429, .wait_ms = wait_ms});
        return false;
    }
    c->is_garbled = sim_faults_strike(f, SIM_FAULT_MALFORMED, t) || c->is_garbled;
    return true;
}

bool sim_send_may(struct sim_call *c, struct str account, struct str to)
{
    struct sim_server *s = c->server;
    bool was_nobody = !c->account.len;
    c->account = account;
    c->is_send = true;
    struct sim_target t = target_of(c, to);
    t.was_nobody = was_nobody;
    if (!token_fault(c, &t) || !call_faults(c, &t))
        return false;
    c->quota = sim_quotas_take(s->quotas, t.provider, account, to, clock_ms());
    if (c->quota.is_refused) {
        fail(c, &(struct sim_failure){.why = SIM_WHY_RATE,
                                      .status = 429,
                                      .wait_ms = c->quota.wait_ms,
                                      .is_pair = c->quota.is_pair});
        return false;
    }
    const struct sim_rule *r =
        c->api->can_move ? sim_faults_strike(&s->faults, SIM_FAULT_MOVED, &t) : NULL;
    if (r)
        fail(c, &(struct sim_failure){.why = SIM_WHY_MOVED, .moved_to = r->moved_to});
    else if (sim_faults_strike(&s->faults, SIM_FAULT_WINDOW, &t))
        sim_fail(c, SIM_WHY_WINDOW, NULL);
    else if (sim_faults_strike(&s->faults, SIM_FAULT_REFUSED, &t))
        sim_fail(c, SIM_WHY_REFUSED, NULL);
    else
        c->drops = sim_faults_strike(&s->faults, SIM_FAULT_DROP_AFTER, &t) != NULL;
    return !c->is_answered;
}

void sim_send_accept(struct sim_call *c, const struct sim_send *send)
{
    struct sim_server *s = c->server;
    struct sim_send clean = *send;
    // What a request holds need not be UTF-8; what we write must.
    struct str *texts[] = {&clean.kind,       &clean.to,          &clean.conversation, &clean.text,
                           &clean.client_ref, &clean.external_id, &clean.target};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (texts[i]->ptr)
            *texts[i] = str_utf8(c->a, *texts[i]);
    c->account = str_utf8(c->a, c->account);
    const struct sim_sent *row =
        sim_sends_add(s->sends, c->api, c->account, c->at_ms, &clean, c->drops);
    sim_quotas_count(s->quotas, str_of(c->api->name), c->account, c->at_ms);
    const struct sim_known *k = sim_account(c, c->account);
    if (k && send->external_id.len)
        sim_reports_add(s->reports, c->api, k, row);
}

/* --- routes --------------------------------------------------------------------------------------
 */

/* Of the shortest stretches that fit. The path came decoded, so an id with a slash in it cannot be
 * told from two segments: `loose` lets it pass, but for a star at the end. */
static bool match(const char *pattern, struct str path, bool loose, struct str *args, size_t n)
{
    for (; *pattern != '*'; pattern++, path = str_skip(path, 1)) {
        if (!*pattern || !path.len)
            return !*pattern && !path.len;
        if (*pattern != path.ptr[0])
            return false;
    }
    bool is_last = !pattern[1];
    for (size_t len = 1; n < SIM_ARGS_MAX && len <= path.len; len++) {
        if (path.ptr[len - 1] == '/' && (!loose || is_last))
            return false;
        args[n] = (struct str){path.ptr, len};
        if (match(pattern + 1, str_skip(path, len), loose, args, n + 1))
            return true;
    }
    return false;
}

static const struct sim_route *find_route(struct sim_call *c, bool loose, bool *has_path)
{
    for (size_t i = 0; i < c->api->n_routes; i++) {
        const struct sim_route *r = &c->api->routes[i];
        struct str args[SIM_ARGS_MAX] = {0};
        if (!match(r->path, c->path, loose, args, 0))
            continue;
        *has_path = true;
        if (r->method != c->method)
            continue;
        memcpy(c->args, args, sizeof args);
        return r;
    }
    return NULL;
}

static void call(struct sim_call *c)
{
    bool has_path = false;
    const struct sim_route *r = find_route(c, false, &has_path);
    if (!has_path)
        r = find_route(c, true, &has_path);
    if (!r) {
        sim_fail(c, has_path ? SIM_WHY_METHOD : SIM_WHY_PATH, NULL);
        return;
    }
    if (!c->api->admit(c))
        return;
    struct sim_target t = target_of(c, STR_NONE);
    if (call_faults(c, &t))
        r->handle(c);
}

static const struct sim_api *find_api(struct str path, struct str *rest)
{
    struct str name, tail;
    (void)str_cut(str_skip(path, 1), '/', &name, &tail);
    for (size_t i = 0; sim_apis[i]; i++) {
        if (!str_eq_c(name, sim_apis[i]->name))
            continue;
        *rest = str_skip(path, 1 + name.len);
        return sim_apis[i];
    }
    return NULL;
}

static void on_request(void *ctx, struct http_request *r)
{
    struct sim_server *s = ctx;
    struct str path = http_path(r), rest;
    if (str_starts(path, STR("/_sim/"))) {
        sim_control(s, r);
        return;
    }
    const struct sim_api *api = find_api(path, &rest);
    if (!api) {
        http_answer_problem(r, 404, STR("the path begins with a provider's name, or with /_sim/"));
        return;
    }
    arena_reset(s->arena);
    struct sim_call c = {.server = s,
                         .api = api,
                         .http = r,
                         .a = s->arena,
                         .method = http_method(r),
                         .path = rest,
                         .at_ms = clock_at_ms()};
    call(&c);
    if (!c.is_answered)
        sim_fail(&c, SIM_WHY_SERVER, "no answer was made");
}

static void on_done(void *ctx, struct http_request *r)
{
    (void)ctx;
    struct sim_later *l = *http_user(r);
    if (l)
        l->http = NULL;
}

/* --- life ----------------------------------------------------------------------------------------
 */

static bool open_ledger(struct sim_server *s, struct err *err)
{
    if (!s->conf->ledger[0])
        return true;
    s->ledger = fopen(s->conf->ledger, "we");
    return s->ledger ||
           err_set(err, ERR_DENIED, "cannot write the ledger %s: errno %d", s->conf->ledger, errno);
}

static bool open_fetch(struct sim_server *s, struct err *err)
{
    if (!s->conf->ingest_url[0])
        return true;
    s->fetch = fetch_new(&(struct fetch_opts){.loop = s->loop,
                                              .max_per_host = FETCH_MAX,
                                              .max_transfers = FETCH_MAX,
                                              .connect_timeout_ms = s->conf->webhook_timeout},
                         err);
    return s->fetch != NULL;
}

void sim_server_limit(struct sim_server *s)
{
    for (size_t i = 0; sim_apis[i]; i++)
        sim_quotas_limit(s->quotas, str_of(sim_apis[i]->name), STR(""), &sim_apis[i]->limit);
}

struct sim_server *sim_server_new(uv_loop_t *loop, const struct sim_serve_conf *conf,
                                  struct err *err)
{
    struct sim_server *s = xalloc(sizeof *s);
    s->conf = conf;
    s->loop = loop;
    s->arena = arena_new(ARENA_MAX);
    sim_faults_init(&s->faults, (uint64_t)conf->seed);
    s->quotas = sim_quotas_new();
    s->accounts = sim_accounts_new();
    s->counts = sim_table_new(sizeof(int64_t), COUNTS_MAX);
    s->hooks = sim_hooks_new();
    s->uploads = sim_table_new(sizeof(struct sim_upload), UPLOADS_MAX);
    crypto_random(&s->run, sizeof s->run);
    // Ids that are numbers go on where those of earlier runs ended.
    s->unique = (uint64_t)(clock_at_ms() - NUMBERS_SINCE_MS);
    if (conf->published_limits)
        sim_server_limit(s);
    bool ok = open_ledger(s, err);
    s->sends = sim_sends_new((size_t)conf->ledger_max, s->ledger);
    ok = ok && open_fetch(s, err);
    s->reports = ok ? sim_reports_new(loop, conf, s->hooks, err) : NULL;
    if (s->reports)
        s->http = http_server_new(loop,
                                  &(struct http_server_opts){.host = conf->listen_host,
                                                             .port = (int)conf->listen_port,
                                                             .max_connections = CONNECTIONS,
                                                             .idle_timeout_ms = IDLE_MS,
                                                             .body_max_bytes = conf->body_max,
                                                             .bodies_max_bytes = BODIES_MAX,
                                                             .header_pool_bytes = HEADER_POOL,
                                                             .on_request = on_request,
                                                             .on_done = on_done,
                                                             .ctx = s},
                                  err);
    if (s->http)
        return s;
    sim_server_close(s);
    (void)uv_run(loop, UV_RUN_DEFAULT);
    sim_server_free(s);
    return NULL;
}

int sim_server_port(const struct sim_server *s)
{
    return http_server_port(s->http);
}

void sim_server_close(struct sim_server *s)
{
    if (s->http)
        http_server_free(s->http);
    s->http = NULL;
    sim_reports_close(s->reports);
    if (s->fetch)
        fetch_free(s->fetch); // what waits for an answer of ingest ends
    s->fetch = NULL;
    for (struct sim_later *l = s->later; l; l = l->next)
        if (!uv_is_closing((uv_handle_t *)&l->timer))
            uv_close((uv_handle_t *)&l->timer, on_later_closed);
}

void sim_server_free(struct sim_server *s)
{
    sim_reports_free(s->reports);
    sim_sends_free(s->sends);
    sim_accounts_free(s->accounts);
    sim_quotas_free(s->quotas);
    sim_faults_done(&s->faults);
    sim_table_free(s->counts);
    sim_hooks_free(s->hooks);
    sim_table_free(s->uploads);
    arena_free(s->arena);
    if (s->ledger)
        (void)fclose(s->ledger);
    free(s);
}
