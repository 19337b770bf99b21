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
#define UPLOADS_MAX      100000
#define FETCH_MAX        16
#define IDLE_MS          120000
#define BODIES_MAX       ((int64_t)512 << 20)
#define COUNTS_MAX       10000
#define NUMBERS_SINCE_MS INT64_C(1767225600000) /* 2026 */

/* --- routes ----------------------------------------------------------------------------------- */

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
    struct sim_target t = sim_target_of(c, STR_NONE);
    if (sim_call_faults(c, &t))
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
    sim_later_forget(r);
}

/* --- life ------------------------------------------------------------------------------------- */

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
    sim_later_close(s);
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
