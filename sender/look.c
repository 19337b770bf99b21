/* SPDX-License-Identifier: Apache-2.0 */
#include "look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "credentials.h"
#include "exchange.h"
#include "log.h"
#include "mem.h"
#include "stats.h"
#include "store_sql.h"

#define ARENA_BYTES ((size_t)4 << 20)
#define PAUSE_MS    1000 /* between two questions */
#define IDLE_MS     5000 /* with nobody to ask: look again */

struct sender_look {
    struct sender_beside given;
    struct exchange_opts exchange;
    uv_timer_t *timer;
    bool is_stopping;
    /* Of the account that is being asked about. */
    struct arena *arena;
    struct str id, tenant_id;
    const struct provider *provider;
    struct send_account account;
    struct sender_credentials credentials;
};

/* What is to be stored; absent texts leave what is there. */
struct report {
    const char *result; /* for the metric */
    struct str type, health, detail, status, provider_status;
    const char *is_absent; /* "true", "false"; NULL: nobody knows */
};

static void on_time(uv_timer_t *timer);

static void wait_ms(struct sender_look *l, int64_t ms)
{
    if (!l->is_stopping)
        (void)uv_timer_start(l->timer, on_time, (uint64_t)ms, 0);
}

static void forget(struct sender_look *l)
{
    sender_credentials_wipe(&l->credentials, &l->account);
    l->account = (struct send_account){0};
}

/* --- what was said -------------------------------------------------------------------------- */

static void on_stored(void *ctx, struct pg_result *const *results, int n, const struct err *err,
                      const char *sqlstate, const char *constraint)
{
    struct sender_look *l = ctx;
    (void)results, (void)n, (void)sqlstate, (void)constraint;
    if (err)
        log_debug("what a provider said of an account was not stored",
                  kv_str("tenant", l->tenant_id), kv_c("why", err->msg));
    wait_ms(l, PAUSE_MS);
}

static struct pg_param param_of(struct arena *a, struct str s)
{
    return pg_param_str(a, s.len ? str_utf8(a, s) : STR_NONE);
}

static void store(struct sender_look *l, const struct report *r)
{
    struct arena *a = l->arena;
    struct str digest = {(const char *)l->credentials.sha256, sizeof l->credentials.sha256};
    const struct pg_param params[] = {
        param_of(a, l->id),     param_of(a, hex_encode(a, digest)),
        param_of(a, r->type),   param_of(a, r->is_absent ? str_of(r->is_absent) : STR_NONE),
        param_of(a, r->health), param_of(a, r->detail),
        param_of(a, r->status), param_of(a, r->provider_status)};
    metric_add(metric_cell(l->given.metrics, SENDER_METRIC_LOOKS, l->provider->name, r->result), 1);
    struct pg_tx *tx = pg_begin(l->given.pool, STR_NONE);
    pg_tx_send(tx, &sender_sql_looked, params, ARRAY_LEN(params));
    pg_tx_commit(tx, on_stored, l);
}

static struct report report_of(struct sender_look *l, const struct exchange_done *d)
{
    const struct judgement *j = &d->judgement;
    if (j->outcome == OUTCOME_SENT && d->accounts.n == 1) {
        const struct found_account *f = &d->accounts.items[0];
        return (struct report){.result = "there",
                               .type = f->type.len ? l->provider->normal_type(f->type) : STR_NONE,
                               .health = STR("valid"),
                               .status = f->status,
                               .provider_status = f->provider_status,
                               .is_absent = "false"};
    }
    if (j->outcome == OUTCOME_AUTH)
        return (struct report){.result = "refused",
                               .health = j->is_expired ? STR("expired") : STR("revoked"),
                               .detail = j->reason,
                               .status = STR("auth_required"),
                               .provider_status = j->code};
    // An answer that nobody understands is no such word.
    if (j->outcome == OUTCOME_PERMANENT && d->status >= 400)
        return (struct report){.result = "absent", .is_absent = "true"};
    return (struct report){.result = "unknown"};
}

static void on_answer(void *ctx, const struct exchange_done *d)
{
    struct sender_look *l = ctx;
    struct report r = report_of(l, d);
    store(l, &r);
    forget(l);
}

/* --- asking --------------------------------------------------------------------------------- */

static struct str kept(struct sender_look *l, const struct pg_result *r, int col)
{
    struct str text = pg_text(r, 0, col);
    return text.ptr ? str_dup(l->arena, text) : text;
}

/* False: nobody can be asked about it. */
static bool ask(struct sender_look *l, const struct pg_result *r, struct err *err)
{
    l->id = kept(l, r, 0);
    l->tenant_id = kept(l, r, 1);
    l->provider = provider_find(pg_text(r, 0, 2));
    if (!l->provider || !l->provider->discover)
        return err_set(err, ERR_ABSENT, "its provider has nobody to ask");
    // Without its type: the answer is to name it.
    l->account = (struct send_account){.external_id = kept(l, r, 3), .base_url = kept(l, r, 4)};
    if (sender_credentials_open(l->given.vault, l->arena, l->tenant_id, pg_text(r, 0, 6),
                                pg_text(r, 0, 5), &l->credentials, &l->account, err) != OPENED)
        return false;
    return exchange_discover(&l->exchange, l->provider, DISCOVER_VALIDATE, &l->account, STR_NONE,
                             on_answer, l, err) != NULL;
}

static void on_claimed(void *ctx, struct pg_result *const *results, int n, const struct err *err,
                       const char *sqlstate, const char *constraint)
{
    struct sender_look *l = ctx;
    struct err why = {0};
    (void)n, (void)sqlstate, (void)constraint;
    int64_t period_ms = l->given.conf->account_check;
    if (err || pg_rows(results[0]) == 0) {
        wait_ms(l, period_ms < IDLE_MS ? period_ms : IDLE_MS);
    } else if (l->is_stopping || !ask(l, results[0], &why)) {
        forget(l);
        log_debug("an account is not asked about", kv_str("tenant", l->tenant_id),
                  kv_c("why", why.msg));
        wait_ms(l, PAUSE_MS);
    }
}

static void on_time(uv_timer_t *timer)
{
    struct sender_look *l = timer->data;
    char period[24];
    if (!pg_pool_is_connected(l->given.pool)) {
        wait_ms(l, PAUSE_MS);
        return;
    }
    arena_reset(l->arena);
    l->tenant_id = STR_NONE;
    int len = snprintf(period, sizeof period, "%lld", (long long)l->given.conf->account_check);
    const struct pg_param param = {.value = period, .len = len};
    struct pg_tx *tx = pg_begin(l->given.pool, STR_NONE);
    pg_tx_send(tx, &sender_sql_look, &param, 1);
    pg_tx_commit(tx, on_claimed, l);
}

/* --- life ----------------------------------------------------------------------------------- */

struct sender_look *sender_look_new(const struct sender_beside *given)
{
    struct sender_look *l = xalloc(sizeof *l);
    l->given = *given;
    l->exchange = (struct exchange_opts){.fetch = given->fetch,
                                         .timeout_ms = given->conf->call_timeout,
                                         .answer_max_bytes = (size_t)given->conf->answer_max};
    l->arena = arena_new(ARENA_BYTES);
    l->timer = xalloc(sizeof *l->timer);
    (void)uv_timer_init(given->loop, l->timer);
    l->timer->data = l;
    if (given->conf->account_check > 0)
        wait_ms(l, PAUSE_MS);
    return l;
}

void sender_look_stop(struct sender_look *l)
{
    l->is_stopping = true;
    (void)uv_timer_stop(l->timer);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

void sender_look_free(struct sender_look *l)
{
    if (!l)
        return;
    uv_close((uv_handle_t *)l->timer, on_closed);
    forget(l);
    arena_free_wiped(l->arena);
    free(l);
}
