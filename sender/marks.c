/* SPDX-License-Identifier: Apache-2.0 */
#include "marks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compose.h"
#include "credentials.h"
#include "exchange.h"
#include "log.h"
#include "mem.h"
#include "pace.h"
#include "stats.h"

#define ARENA_BYTES   ((size_t)1 << 20)
#define POLL_MS       500
#define LEASE_MORE_MS 10000 /* beyond the call's timeout: nobody else tells it meanwhile */
#define TRIES_MAX     3
#define AGAIN_MS      30000

struct mark {
    struct sender_marks *owner; /* NULL: free */
    struct arena *arena;
    struct str tenant_id, conversation_id, target;
    int64_t tries;
    const struct provider *provider;
    struct send_account account;
    struct sender_credentials credentials;
    struct send_message message;
};

struct sender_marks {
    struct sender_beside given;
    struct exchange_opts exchange;
    uv_timer_t *timer;
    struct mark marks[SENDER_MARKS_MAX];
    int n_busy;
    bool is_stopping;
};

/* Those of an account that was told to wait stay where they are. */
static const struct pg_stmt take_sql = {
    "sender_marks_take",
    "WITH due AS MATERIALIZED (SELECT r.tenant_id, r.conversation_id FROM read_marks r"
    " WHERE r.due_at <= now() AND NOT EXISTS (SELECT FROM send_pace p WHERE p.key = r.channel_id::text"
    "  AND p.tat_us > (extract(epoch FROM now()) * 1000000)::bigint + 1000000)"
    " ORDER BY r.due_at LIMIT $1::int FOR UPDATE OF r SKIP LOCKED),"
    "taken AS (UPDATE read_marks r SET due_at = now() + $2::bigint * interval '1 millisecond', tries = r.tries + 1"
    " FROM due d WHERE r.tenant_id = d.tenant_id AND r.conversation_id = d.conversation_id"
    " RETURNING r.tenant_id, r.conversation_id, r.channel_id, r.target, r.tries)"
    "SELECT t.tenant_id, t.conversation_id, t.target, t.tries, v.provider, v.external_id, v.contact_id,"
    " v.is_group, c.account_type, c.external_account_id, c.base_url,"
    " CASE WHEN c.status NOT IN ('disconnected', 'auth_required', 'deleted') THEN encode(c.credentials, 'hex') END,"
    " c.credentials_key_id, c.settings->>'send_per_minute', c.id FROM taken t"
    " LEFT JOIN conversations v ON v.tenant_id = t.tenant_id AND v.id = t.conversation_id"
    " LEFT JOIN channels_account c ON c.id = t.channel_id"};

/* The account's next message waits a step longer. */
static const struct pg_stmt spend_sql = {
    "sender_marks_spend",
    "UPDATE send_pace p SET tat_us = greatest(p.tat_us, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)"
    " + $2::bigint WHERE p.key = $1::text"};

/* Unless it was read further meanwhile: then the new one is due. */
static const struct pg_stmt over_sql = {
    "sender_marks_over",
    "DELETE FROM read_marks WHERE tenant_id = $1::uuid AND conversation_id = $2::uuid AND target = $3"
    " AND tries = $4::int"};
static const struct pg_stmt later_sql = {
    "sender_marks_later",
    "UPDATE read_marks SET due_at = now() + $5::bigint * interval '1 millisecond'"
    " WHERE tenant_id = $1::uuid AND conversation_id = $2::uuid AND target = $3 AND tries = $4::int"};

enum {
    TENANT,
    CONVERSATION,
    TARGET,
    TRIES,
    PROVIDER,
    EXTERNAL_ID,
    CONTACT,
    IS_GROUP,
    TYPE,
    ACCOUNT,
    BASE_URL,
    SEALED,
    KEY_ID,
    PER_MINUTE,
    CHANNEL,
};

static void on_time(uv_timer_t *timer);

static void wait_ms(struct sender_marks *s, int64_t ms)
{
    if (!s->is_stopping)
        (void)uv_timer_start(s->timer, on_time, (uint64_t)ms, 0);
}

/* --- the end of one ------------------------------------------------------------------------- */

static void on_stored(void *ctx, struct pg_result *const *results, int n, const struct err *err,
                      const char *sqlstate, const char *constraint)
{
    struct mark *m = ctx;
    (void)results, (void)n, (void)sqlstate, (void)constraint;
    if (err) // its lease ends, and it is told again
        log_debug("the end of a read mark was not stored", kv_c("why", err->msg));
    arena_reset(m->arena);
    m->owner->n_busy--;
    m->owner = NULL;
}

/* later_ms 0: it is over. */
static void end(struct mark *m, int64_t later_ms)
{
    struct arena *a = m->arena;
    sender_credentials_wipe(&m->credentials, &m->account);
    const struct pg_param params[] = {
        pg_param_str(a, m->tenant_id), pg_param_str(a, m->conversation_id),
        pg_param_str(a, m->target), pg_param_str(a, str_fmt(a, "%lld", (long long)m->tries)),
        pg_param_str(a, str_fmt(a, "%lld", (long long)later_ms))};
    struct pg_tx *tx = pg_begin(m->owner->given.pool, STR_NONE);
    pg_tx_send(tx, later_ms ? &later_sql : &over_sql, params, later_ms ? 5 : 4);
    pg_tx_commit(tx, on_stored, m);
}

static void count(const struct mark *m, const char *result)
{
    metric_add(metric_cell(m->owner->given.metrics, SENDER_METRIC_MARKS, m->provider->name, result),
               1);
}

static void on_done(void *ctx, const struct exchange_done *d)
{
    struct mark *m = ctx;
    const struct judgement *j = &d->judgement;
    bool may_later = j->outcome == OUTCOME_RATE_LIMITED || j->outcome == OUTCOME_RETRY ||
                     j->outcome == OUTCOME_AMBIGUOUS;
    if (may_later && m->tries < TRIES_MAX) {
        int64_t wait = AGAIN_MS * m->tries;
        count(m, "later");
        end(m, j->wait_ms > wait ? j->wait_ms : wait);
        return;
    }
    count(m, j->outcome == OUTCOME_SENT ? "told" : "failed");
    end(m, 0);
}

/* --- the beginning of one ------------------------------------------------------------------- */

static struct str kept(struct mark *m, const struct pg_result *r, int row, int col)
{
    struct str text = pg_text(r, row, col);
    return text.ptr ? str_dup(m->arena, text) : text;
}

static bool compose(struct mark *m, const struct pg_result *r, int row, struct err *err)
{
    struct arena *a = m->arena;
    const struct send_row send = {.tenant_id = m->tenant_id,
                                  .kind = STR("read"),
                                  .outgoing = send_read_outgoing(a, m->target),
                                  .conversation = kept(m, r, row, EXTERNAL_ID),
                                  .contact_id = kept(m, r, row, CONTACT),
                                  .is_group = str_eq_c(pg_text(r, row, IS_GROUP), "t")};
    return send_compose(a, &send, &m->message, err);
}

static void on_spent(void *ctx, struct pg_result *const *results, int n, const struct err *err,
                     const char *sqlstate, const char *constraint)
{
    // Without it the account is a step ahead of its pace, and its provider says so.
    (void)ctx, (void)results, (void)n, (void)err, (void)sqlstate, (void)constraint;
}

static void spend(struct mark *m, const struct pg_result *r, int row)
{
    struct sender_pace pace;
    int64_t per_minute;
    static const struct send_limits unlimited = {.slow_from_percent = 0};
    const struct send_limits *limits =
        m->provider->limits ? m->provider->limits(m->account.type) : &unlimited;
    if (!str_i64(pg_text(r, row, PER_MINUTE), &per_minute) || per_minute < 0)
        per_minute = -1;
    sender_pace_init(&pace, limits, per_minute, -1);
    int64_t step_us = sender_pace_step_us(&pace);
    if (!step_us)
        return;
    const struct pg_param params[] = {
        pg_param_str(m->arena, pg_text(r, row, CHANNEL)),
        pg_param_str(m->arena, str_fmt(m->arena, "%lld", (long long)step_us))};
    struct pg_tx *tx = pg_begin(m->owner->given.pool, STR_NONE);
    pg_tx_send(tx, &spend_sql, params, 2);
    pg_tx_commit(tx, on_spent, NULL);
}

/* False: it cannot be told. */
static bool start(struct mark *m, const struct pg_result *r, int row, struct err *err)
{
    const struct sender_marks *s = m->owner;
    m->provider = provider_find(pg_text(r, row, PROVIDER));
    if (!m->provider || !m->provider->build || pg_null(r, row, SEALED))
        return err_set(err, ERR_ABSENT, "its channel sends nothing");
    m->account = (struct send_account){.type = kept(m, r, row, TYPE),
                                       .external_id = kept(m, r, row, ACCOUNT),
                                       .base_url = kept(m, r, row, BASE_URL)};
    if (sender_credentials_open(s->given.vault, m->arena, m->tenant_id, pg_text(r, row, KEY_ID),
                                pg_text(r, row, SEALED), &m->credentials, &m->account,
                                err) != OPENED)
        return false;
    if (!compose(m, r, row, err) ||
        !exchange_send(&s->exchange, m->provider, &m->account, &m->message, (unsigned)m->tries,
                       NULL, on_done, m, err))
        return false;
    spend(m, r, row);
    return true;
}

static struct mark *free_mark(struct sender_marks *s)
{
    struct mark *m = s->marks;
    while (m->owner)
        m++;
    m->owner = s;
    s->n_busy++;
    return m;
}

static void begin(struct sender_marks *s, const struct pg_result *r, int row)
{
    struct err err = {0};
    struct mark *m = free_mark(s);
    m->tenant_id = kept(m, r, row, TENANT);
    m->conversation_id = kept(m, r, row, CONVERSATION);
    m->target = kept(m, r, row, TARGET);
    m->tries = pg_i64(r, row, TRIES);
    if (start(m, r, row, &err))
        return;
    log_debug("a read mark is not told", kv_str("tenant", m->tenant_id), kv_c("why", err.msg));
    end(m, 0);
}

static void on_taken(void *ctx, struct pg_result *const *results, int n, const struct err *err,
                     const char *sqlstate, const char *constraint)
{
    struct sender_marks *s = ctx;
    (void)n, (void)sqlstate, (void)constraint;
    for (int i = 0; !err && !s->is_stopping && i < pg_rows(results[0]); i++)
        begin(s, results[0], i);
    wait_ms(s, POLL_MS);
}

static void on_time(uv_timer_t *timer)
{
    struct sender_marks *s = timer->data;
    char most[12], lease[24];
    if (s->n_busy == SENDER_MARKS_MAX || !pg_pool_is_connected(s->given.pool)) {
        wait_ms(s, POLL_MS);
        return;
    }
    int n_most = snprintf(most, sizeof most, "%d", SENDER_MARKS_MAX - s->n_busy);
    int64_t lease_ms = s->given.conf->call_timeout + LEASE_MORE_MS;
    int n_lease = snprintf(lease, sizeof lease, "%lld", (long long)lease_ms);
    const struct pg_param params[] = {{.value = most, .len = n_most},
                                      {.value = lease, .len = n_lease}};
    struct pg_tx *tx = pg_begin(s->given.pool, STR_NONE);
    pg_tx_send(tx, &take_sql, params, ARRAY_LEN(params));
    pg_tx_commit(tx, on_taken, s);
}

/* --- life ----------------------------------------------------------------------------------- */

struct sender_marks *sender_marks_new(const struct sender_beside *given)
{
    struct sender_marks *s = xalloc(sizeof *s);
    s->given = *given;
    s->exchange = (struct exchange_opts){.fetch = given->fetch,
                                         .timeout_ms = given->conf->call_timeout,
                                         .answer_max_bytes = (size_t)given->conf->answer_max};
    for (size_t i = 0; i < SENDER_MARKS_MAX; i++)
        s->marks[i].arena = arena_new(ARENA_BYTES);
    s->timer = xalloc(sizeof *s->timer);
    (void)uv_timer_init(given->loop, s->timer);
    s->timer->data = s;
    wait_ms(s, POLL_MS);
    return s;
}

void sender_marks_stop(struct sender_marks *s)
{
    s->is_stopping = true;
    (void)uv_timer_stop(s->timer);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

void sender_marks_free(struct sender_marks *s)
{
    if (!s)
        return;
    uv_close((uv_handle_t *)s->timer, on_closed);
    for (size_t i = 0; i < SENDER_MARKS_MAX; i++)
        arena_free_wiped(s->marks[i].arena);
    free(s);
}
