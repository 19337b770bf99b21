/* SPDX-License-Identifier: Apache-2.0 */
/* `postrider webhooks register`: has providers deliver to us. Looks first, and creates what is
 * missing. */
#include <string.h>
#include <uv.h>

#include "access.h"
#include "crypto.h"
#include "database.h"
#include "exchange.h"
#include "guard.h"
#include "json.h"
#include "mem.h"
#include "provider.h"
#include "tenant_id.h"
#include "vault.h"
#include "webhook_target.h"

#define TIMEOUT_MS    15000
#define CALL_MS       20000
#define CONNECT_MS    5000
#define ANSWER_MAX    ((size_t)1 << 20)
#define ARENA_MAX     ((size_t)64 << 20)
#define MAX_TRANSFERS 4
#define MAX_PER_HOST  2

/* What stands on one line of the report. */
enum came { CAME_FOUND, CAME_CREATED, CAME_MISSING, CAME_FAILED };
static const char *const came_names[] = {"found", "created", "missing", "failed"};

struct registering {
    const struct cli_conf *conf;
    struct arena *a;
    struct pg *pg;
    uv_loop_t loop;
    struct guard *guard;
    struct exchange_opts exchange;
    struct buf out;
    struct json_out json;
    bool all_there;
    /* of the exchange under way */
    bool is_done;
    struct judgement judgement;
    struct webhook_found found;
};

/* --- one exchange, waited for ----------------------------------------------------------------- */

static void on_done(void *ctx, const struct exchange_done *d)
{
    struct registering *g = ctx;
    g->is_done = true;
    g->judgement = d->judgement;
    g->judgement.reason = str_dup(g->a, d->judgement.reason);
    g->judgement.detail = str_dup(g->a, d->judgement.detail);
    g->found = d->webhook;
    g->found.id = str_dup(g->a, d->webhook.id);
    g->found.complaint = str_dup(g->a, d->webhook.complaint);
    uv_stop(&g->loop);
}

/* False: err says why not. */
static bool ask(struct registering *g, const struct provider *p, const struct webhook_ask *what,
                const struct send_account *account, struct err *err)
{
    g->is_done = false;
    if (!exchange_webhook(&g->exchange, p, what, account, on_done, g, err))
        return false;
    while (!g->is_done)
        (void)uv_run(&g->loop, UV_RUN_DEFAULT);
    if (g->judgement.outcome == OUTCOME_SENT)
        return true;
    struct str detail = g->judgement.detail;
    return err_set(err, ERR_INVALID, "%.*s%s%.*s", STR_ARG(g->judgement.reason),
                   detail.len ? " " : "", STR_ARG(detail));
}

/* --- one part --------------------------------------------------------------------------------- */

/* Create it, or where it is there and does not work, have the provider try it again. */
static bool create(struct registering *g, const struct provider *p, struct webhook_ask *what,
                   const struct send_account *account, struct err *err)
{
    if (g->found.is_there && g->found.id.len) {
        what->what = WEBHOOK_VALIDATE;
        struct str before = what->id;
        what->id = g->found.id;
        if (ask(g, p, what, account, err))
            return true;
        what->id = before;
    }
    what->what = WEBHOOK_CREATE;
    *err = (struct err){0};
    return ask(g, p, what, account, err);
}

static enum came register_part(struct registering *g, const struct provider *p,
                               struct webhook_ask *what, const struct send_account *account,
                               struct str *complaint, struct err *err)
{
    what->what = WEBHOOK_CHECK;
    *complaint = STR_NONE;
    if (!ask(g, p, what, account, err))
        return CAME_FAILED;
    *complaint = g->found.complaint;
    if (g->found.is_there && g->found.is_working)
        return CAME_FOUND;
    if (g->conf->check)
        return CAME_MISSING;
    return create(g, p, what, account, err) ? CAME_CREATED : CAME_FAILED;
}

static void report(struct registering *g, const struct webhook_target *t,
                   const struct webhook_ask *what, bool is_app, enum came came,
                   struct str complaint, const struct err *err)
{
    struct str account = is_app ? STR_NONE : t->account.external_id;
    struct str words = came == CAME_FAILED ? str_of(err->msg) : complaint;
    g->all_there &= came == CAME_FOUND || came == CAME_CREATED;
    if (!g->conf->json) {
        buf_putf(&g->out, "%-8s %s", came_names[came], t->provider->name);
        buf_putf(&g->out, " %s %.*s", is_app ? "app" : "account", STR_ARG(account));
        buf_putf(&g->out, "%s%.*s", account.len ? " " : "", STR_ARG(what->url));
        if (words.len)
            buf_put_c(&g->out, ": ");
        verb_put_text(&g->out, words, false);
        buf_putc(&g->out, '\n');
        return;
    }
    json_open(&g->json, '{');
    json_put_str(&g->json, "provider", str_of(t->provider->name));
    json_put_str(&g->json, "account", account.len ? account : STR_NONE);
    json_put_int(&g->json, "part", (int64_t)what->part);
    json_put_bool(&g->json, "of_app", is_app);
    json_put_str(&g->json, "url", what->url);
    json_put_str(&g->json, "result", str_of(came_names[came]));
    json_put_str(&g->json, "id", came == CAME_FAILED || !g->found.id.len ? STR_NONE : g->found.id);
    json_put_str(&g->json, "message", words.len ? str_utf8(g->a, words) : STR_NONE);
    json_close(&g->json, '}');
}

/* --- one account ------------------------------------------------------------------------------ */

/* Kept where the api shows how webhooks do. */
static bool keep(struct registering *g, const struct webhook_target *t, struct str id,
                 const struct err *failed, struct err *err)
{
    const char *values[] = {str_c(g->a, t->tenant_id), t->provider->name,
                            t->account.external_id.len ? str_c(g->a, t->account.external_id) : NULL,
                            id.len ? str_c(g->a, id) : NULL, failed ? failed->msg : NULL};
    return database_do(
        g->pg,
        "INSERT INTO webhook_health AS h (tenant_id, channel_id, registered_at, provider_webhook, "
        "status, last_error, last_error_at) SELECT tenant_id, id, CASE WHEN $5::text IS NULL THEN "
        "now() END, $4, CASE WHEN $5::text IS NULL THEN 'registered' ELSE 'failed' END, $5, CASE "
        "WHEN $5::text IS NOT NULL THEN now() END FROM channels_account WHERE tenant_id = $1::uuid "
        "AND provider = $2 AND ($3::text IS NULL OR external_account_id = $3) AND status <> "
        "'disconnected' ON CONFLICT (tenant_id, channel_id) DO UPDATE SET registered_at = "
        "coalesce(excluded.registered_at, h.registered_at), provider_webhook = "
        "coalesce(excluded.provider_webhook, h.provider_webhook), status = excluded.status, "
        "last_error = coalesce(excluded.last_error, h.last_error), last_error_at = "
        "coalesce(excluded.last_error_at, h.last_error_at)",
        values, ARRAY_LEN(values), err);
}

static bool register_target(struct registering *g, const struct webhook_target *t, struct err *err)
{
    const struct send_webhook *w = t->provider->webhook;
    struct str app_hook = STR_NONE, last = STR_NONE;
    struct err failed = {0};
    bool is_ok = true;
    for (size_t part = 0; part < w->n_parts && is_ok; part++) {
        bool is_app = part < w->n_app_parts;
        struct webhook_ask what = {.part = part,
                                   .url = t->url,
                                   .secret = t->secret,
                                   .id = is_app ? STR_NONE : app_hook,
                                   .app_id = t->app_id};
        struct str complaint;
        enum came came = register_part(g, t->provider, &what, is_app ? &t->app : &t->account,
                                       &complaint, &failed);
        report(g, t, &what, is_app, came, complaint, &failed);
        last = g->found.id.len && came != CAME_FAILED ? g->found.id : last;
        app_hook = is_app ? last : app_hook;
        is_ok = came != CAME_FAILED && (came != CAME_MISSING || !is_app);
    }
    return g->conf->check || keep(g, t, last, is_ok ? NULL : &failed, err);
}

/* --- life ------------------------------------------------------------------------------------- */

static bool begin(struct registering *g, struct err *err)
{
    if (uv_loop_init(&g->loop) != 0)
        return err_set(err, ERR_BUSY, "cannot make an event loop");
    g->guard = guard_new(g->conf->allowed_hosts, err);
    if (!g->guard)
        return false;
    g->exchange = (struct exchange_opts){.timeout_ms = CALL_MS, .answer_max_bytes = ANSWER_MAX};
    g->exchange.fetch = fetch_new(&(struct fetch_opts){.loop = &g->loop,
                                                       .ca_file = g->conf->ca_file,
                                                       .max_per_host = MAX_PER_HOST,
                                                       .max_transfers = MAX_TRANSFERS,
                                                       .connect_timeout_ms = CONNECT_MS,
                                                       .guard = g->guard},
                                  err);
    return g->exchange.fetch != NULL;
}

static void end(struct registering *g)
{
    if (g->exchange.fetch)
        fetch_free(g->exchange.fetch);
    (void)uv_run(&g->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&g->loop);
    guard_free(g->guard);
    buf_done(&g->out);
}

static bool register_all(struct registering *g, const struct webhook_targets *targets,
                         struct err *err)
{
    bool ok = true;
    if (g->conf->json)
        json_open(&g->json, '[');
    for (size_t i = 0; i < targets->n && ok; i++)
        ok = register_target(g, &targets->items[i], err);
    if (g->conf->json) {
        json_close(&g->json, ']');
        buf_putc(&g->out, '\n');
    }
    return verb_print(&g->out) && ok;
}

int webhooks_register_run(const struct cli_conf *conf, int argc, char **argv)
{
    static const char name[] = "webhooks register";
    auto_arena a = arena_new(ARENA_MAX);
    struct err err = {0};
    auto_pg pg = database_open(conf->database_url, TIMEOUT_MS, &err);
    if (!pg)
        return verb_fail(name, &err);
    struct webhook_targets targets = {0};
    struct registering g = {.conf = conf, .a = a, .pg = pg, .all_there = true};
    bool ok = webhook_targets_read(a, pg, conf, argv[0], argc > 1 ? argv[1] : NULL, &targets, &err);
    if (!ok)
        return verb_fail(name, &err);
    buf_init(&g.out, VERB_OUT_MAX);
    g.json.buf = &g.out;
    ok = begin(&g, &err) && register_all(&g, &targets, &err);
    end(&g);
    webhook_targets_wipe(&targets);
    if (!ok)
        return verb_fail(name, &err);
    return g.all_there ? EXIT_OK : EXIT_FAILED;
}
