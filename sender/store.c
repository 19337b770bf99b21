/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto.h"
#include "mem.h"
#include "store_sql.h"

#define PARAMS_MAX      11
#define ARRAY_BYTES_MAX ((size_t)16 << 20)

struct sender_store {
    struct pg_pool *pool;
    int64_t lease_ms, ask_after_ms;
    struct pg_array arrays[PARAMS_MAX];
    char to_sending[SENDER_STATE_ARRAY_MAX], to_retry[SENDER_STATE_ARRAY_MAX];
};

/* What a callback needs; freed after it. */
struct asked {
    struct sender_store *store;
    size_t n;
    union {
        sender_on_channels *channels;
        sender_on_slots *slots;
        sender_on_claims *claims;
        sender_on_leases *leases;
        void (*done)(void *ctx, const struct err *err);
    } on;
    void *ctx;
    struct uuid *wanted; /* claim: the channel of each want */
};

struct sender_store *sender_store_new(struct pg_pool *pool, int64_t lease_ms, int64_t ask_after_ms)
{
    struct sender_store *s = xalloc(sizeof *s);
    s->pool = pool;
    s->lease_ms = lease_ms;
    s->ask_after_ms = ask_after_ms;
    for (size_t i = 0; i < PARAMS_MAX; i++)
        pg_array_init(&s->arrays[i], ARRAY_BYTES_MAX);
    sender_state_sources(STATE_SENDING, s->to_sending);
    sender_state_sources(STATE_RETRY, s->to_retry);
    return s;
}

void sender_store_free(struct sender_store *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < PARAMS_MAX; i++)
        pg_array_done(&s->arrays[i]);
    free(s);
}

static struct asked *ask(struct sender_store *s, size_t n, void *ctx)
{
    struct asked *a = xalloc(sizeof *a);
    a->store = s;
    a->n = n;
    a->ctx = ctx;
    return a;
}

static void asked_free(struct asked *a)
{
    free(a->wanted);
    free(a);
}

static void clear(struct sender_store *s)
{
    for (size_t i = 0; i < PARAMS_MAX; i++)
        pg_array_clear(&s->arrays[i]);
}

static void put_uuid(struct pg_array *x, struct uuid id)
{
    char text[UUID_TEXT + 1];
    uuid_format(id, text);
    pg_array_str(x, (struct str){text, UUID_TEXT});
}

static struct pg_param text_param(const char *text)
{
    return (struct pg_param){.value = text, .len = (int)strlen(text)};
}

static void send_stmt(struct sender_store *s, struct pg_tx *tx, const struct pg_stmt *stmt,
                      int n_arrays, const struct pg_param *more, int n_more)
{
    struct pg_param params[PARAMS_MAX + 4];
    for (int i = 0; i < n_arrays; i++)
        params[i] = pg_array_param(&s->arrays[i]);
    for (int i = 0; i < n_more; i++)
        params[n_arrays + i] = more[i];
    pg_tx_send(tx, stmt, params, n_arrays + n_more);
}

static struct asked *begin(struct sender_store *s, size_t n, void *ctx, struct pg_tx **tx)
{
    clear(s);
    *tx = pg_begin(s->pool, STR_NONE);
    pg_tx_send(*tx, &sender_sql_by_keys, NULL, 0);
    return ask(s, n, ctx);
}

/* The results behind the one of begin(). */
#define FIRST 1

static void on_done(void *ctx, struct pg_result *const *results, int n, const struct err *err,
                    const char *sqlstate, const char *constraint)
{
    struct asked *a = ctx;
    (void)results, (void)n, (void)sqlstate, (void)constraint;
    if (a->on.done)
        a->on.done(a->ctx, err);
    asked_free(a);
}

/* --- channels ------------------------------------------------------------------------------- */

static int64_t setting_of(const struct pg_result *r, int row, int col)
{
    int64_t v;
    return str_i64(pg_text(r, row, col), &v) && v >= 0 ? v : -1;
}

/* Returns owned. */
static struct sender_channel_row *read_channels(const struct pg_result *r, size_t *n)
{
    *n = (size_t)pg_rows(r);
    struct sender_channel_row *rows = xalloc((*n + 1) * sizeof *rows);
    for (int i = 0; i < (int)*n; i++) {
        rows[i] = (struct sender_channel_row){.account_type = pg_text(r, i, 1),
                                              .external_id = pg_text(r, i, 2),
                                              .base_url = pg_text(r, i, 3),
                                              .credentials = pg_text(r, i, 4),
                                              .credentials_key_id = pg_text(r, i, 5),
                                              .per_minute = setting_of(r, i, 6),
                                              .pair_per_minute = setting_of(r, i, 7)};
        (void)uuid_parse(pg_text(r, i, 0), &rows[i].id);
    }
    return rows;
}

static void on_channels(void *ctx, struct pg_result *const *results, int n, const struct err *err,
                        const char *sqlstate, const char *constraint)
{
    struct asked *a = ctx;
    (void)n, (void)sqlstate, (void)constraint;
    size_t n_rows = 0;
    struct sender_channel_row *rows = err ? NULL : read_channels(results[FIRST], &n_rows);
    a->on.channels(a->ctx, rows, n_rows, err);
    free(rows);
    asked_free(a);
}

void sender_store_load(struct sender_store *s, const struct uuid *channels, size_t n,
                       sender_on_channels *cb, void *ctx)
{
    struct pg_tx *tx;
    struct asked *a = begin(s, n, ctx, &tx);
    char key[UUID_TEXT + 1];
    a->on.channels = cb;
    for (size_t i = 0; i < n; i++) {
        uuid_format(channels[i], key);
        pg_array_str(&s->arrays[0], (struct str){key, UUID_TEXT});
    }
    // The rows of the paces are made here, once, so that reserving only has to lock and change
    // them.
    send_stmt(s, tx, &sender_sql_channels, 1, NULL, 0);
    send_stmt(s, tx, &sender_sql_pace_rows, 1, NULL, 0);
    pg_tx_commit(tx, on_channels, a);
}

/* --- slots ---------------------------------------------------------------------------------- */

static void on_slots(void *ctx, struct pg_result *const *results, int n, const struct err *err,
                     const char *sqlstate, const char *constraint)
{
    struct asked *a = ctx;
    (void)n, (void)sqlstate, (void)constraint;
    struct sender_slots *slots = xalloc((a->n + 1) * sizeof *slots);
    for (int i = 0; !err && i < pg_rows(results[FIRST]); i++) {
        int64_t ord = pg_i64(results[FIRST], i, 0);
        if (ord >= 1 && (size_t)ord <= a->n)
            slots[ord - 1] = (struct sender_slots){pg_i64(results[FIRST], i, 1),
                                                   (int)pg_i64(results[FIRST], i, 2)};
    }
    a->on.slots(a->ctx, slots, err ? 0 : a->n, err);
    free(slots);
    asked_free(a);
}

void sender_store_reserve(struct sender_store *s, const struct sender_ask *asks, size_t n,
                          sender_on_slots *cb, void *ctx)
{
    struct pg_tx *tx;
    struct asked *a = begin(s, n, ctx, &tx);
    char ahead[24];
    a->on.slots = cb;
    for (size_t i = 0; i < n; i++) {
        put_uuid(&s->arrays[0], asks[i].channel);
        pg_array_str(&s->arrays[1], str_of(asks[i].app_key));
        pg_array_i64(&s->arrays[2], asks[i].step_us);
        pg_array_i64(&s->arrays[3], asks[i].burst_us);
        pg_array_i64(&s->arrays[4], asks[i].n);
    }
    (void)snprintf(ahead, sizeof ahead, "%d", SENDER_PACE_AHEAD_US);
    struct pg_param more = text_param(ahead);
    send_stmt(s, tx, &sender_sql_reserve, 5, &more, 1);
    pg_tx_commit(tx, on_slots, a);
}

/* --- claims --------------------------------------------------------------------------------- */

static const struct sender_channel_row *channel_row(const struct sender_channel_row *rows, size_t n,
                                                    struct uuid id)
{
    for (size_t i = 0; i < n; i++)
        if (uuid_eq(rows[i].id, id))
            return &rows[i];
    return NULL;
}

static void read_claim(const struct pg_result *r, int i, struct sender_claim *c)
{
    c->early_us = pg_i64(r, i, 1);
    if (pg_null(r, i, 2)) {
        c->verdict = c->early_us > 0 ? CLAIM_EARLY : CLAIM_LOCKED;
        return;
    }
    c->verdict = CLAIM_DONE;
    c->message_id = pg_text(r, i, 2);
    c->kind = pg_text(r, i, 3);
    c->body = pg_text(r, i, 4);
    c->outgoing = pg_text(r, i, 5);
    c->media = pg_text(r, i, 6);
    c->reply_to = pg_text(r, i, 7);
    c->client_ref = pg_text(r, i, 8);
    c->conversation = pg_text(r, i, 9);
    c->contact_id = pg_text(r, i, 10);
    c->is_group = str_eq_c(pg_text(r, i, 11), "t");
    c->has_more = str_eq_c(pg_text(r, i, 12), "t");
    c->attempt = pg_i64(r, i, 13);
    c->n_failed = pg_i64(r, i, 14);
    c->n_limited = pg_i64(r, i, 15);
    c->accepted_at_ms = pg_i64(r, i, 16);
}

static void on_claims(void *ctx, struct pg_result *const *results, int n, const struct err *err,
                      const char *sqlstate, const char *constraint)
{
    struct asked *a = ctx;
    (void)n, (void)sqlstate, (void)constraint;
    size_t n_rows = 0;
    struct sender_channel_row *rows = err ? NULL : read_channels(results[FIRST + 1], &n_rows);
    struct sender_claim *claims = xalloc((a->n + 1) * sizeof *claims);
    for (int i = 0; !err && i < pg_rows(results[FIRST]); i++) {
        int64_t ord = pg_i64(results[FIRST], i, 0);
        if (ord < 1 || (size_t)ord > a->n)
            continue;
        read_claim(results[FIRST], i, &claims[ord - 1]);
        claims[ord - 1].channel = channel_row(rows, n_rows, a->wanted[ord - 1]);
    }
    a->on.claims(a->ctx, claims, err ? 0 : a->n, err);
    free(claims);
    free(rows);
    asked_free(a);
}

static void put_wants(struct sender_store *s, const struct sender_want *wants, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct sender_conversation *c = wants[i].conversation;
        put_uuid(&s->arrays[0], c->channel->tenant->id);
        put_uuid(&s->arrays[1], c->channel->id);
        put_uuid(&s->arrays[2], c->id);
    }
}

static int64_t burst_us(const struct send_rate *r)
{
    return r->burst > 1 ? (r->burst - 1) * r->step_us : 0;
}

static void put_paces(struct sender_store *s, const struct sender_want *wants, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct sender_pace *p = &wants[i].conversation->channel->pace;
        pg_array_i64(&s->arrays[3], wants[i].in_us > 0 ? wants[i].in_us : 0);
        pg_array_i64(&s->arrays[4], p->pair.step_us);
        pg_array_i64(&s->arrays[5], burst_us(&p->pair));
        pg_array_i64(&s->arrays[6], p->group.step_us);
        pg_array_i64(&s->arrays[7], burst_us(&p->group));
    }
}

/* Each channel once, into arrays[8]. */
static void put_channels(struct sender_store *s, struct asked *a)
{
    for (size_t i = 0; i < a->n; i++) {
        size_t j = 0;
        while (j < i && !uuid_eq(a->wanted[j], a->wanted[i]))
            j++;
        if (j == i)
            put_uuid(&s->arrays[8], a->wanted[i]);
    }
}

void sender_store_claim(struct sender_store *s, struct uuid claim_id,
                        const struct sender_want *wants, size_t n, sender_on_claims *cb, void *ctx)
{
    struct pg_tx *tx;
    struct asked *a = begin(s, n, ctx, &tx);
    char lease[24], id[UUID_TEXT + 1];
    a->on.claims = cb;
    a->wanted = xalloc(n * sizeof *a->wanted);
    for (size_t i = 0; i < n; i++)
        a->wanted[i] = wants[i].conversation->channel->id;
    put_wants(s, wants, n);
    put_paces(s, wants, n);
    put_channels(s, a);
    (void)snprintf(lease, sizeof lease, "%lld", (long long)s->lease_ms);
    uuid_format(claim_id, id);
    struct pg_param more[] = {text_param(lease), text_param(id), text_param(s->to_sending)};
    send_stmt(s, tx, &sender_sql_claim, 8, more, 3);
    struct pg_param channels = pg_array_param(&s->arrays[8]);
    pg_tx_send(tx, &sender_sql_channels, &channels, 1);
    pg_tx_commit(tx, on_claims, a);
}

/* --- leases --------------------------------------------------------------------------------- */

static void on_leases(void *ctx, struct pg_result *const *results, int n, const struct err *err,
                      const char *sqlstate, const char *constraint)
{
    struct asked *a = ctx;
    (void)n, (void)sqlstate, (void)constraint;
    bool *is_ours = xalloc(a->n + 1);
    for (int i = 0; !err && i < pg_rows(results[FIRST]); i++) {
        int64_t ord = pg_i64(results[FIRST], i, 0);
        if (ord >= 1 && (size_t)ord <= a->n)
            is_ours[ord - 1] = true;
    }
    a->on.leases(a->ctx, is_ours, a->n, err);
    free(is_ours);
    asked_free(a);
}

void sender_store_renew(struct sender_store *s, const struct sender_lease *leases, size_t n,
                        sender_on_leases *cb, void *ctx)
{
    struct pg_tx *tx;
    struct asked *a = begin(s, n, ctx, &tx);
    char lease[24];
    a->on.leases = cb;
    for (size_t i = 0; i < n; i++) {
        put_uuid(&s->arrays[0], leases[i].tenant_id);
        pg_array_str(&s->arrays[1], leases[i].message_id);
        pg_array_i64(&s->arrays[2], leases[i].attempt);
    }
    (void)snprintf(lease, sizeof lease, "%lld", (long long)s->lease_ms);
    struct pg_param more = text_param(lease);
    send_stmt(s, tx, &sender_sql_renew, 3, &more, 1);
    pg_tx_commit(tx, on_leases, a);
}

void sender_store_release(struct sender_store *s, struct uuid claim_id,
                          const struct sender_want *wants, size_t n,
                          void (*cb)(void *ctx, const struct err *err), void *ctx)
{
    struct pg_tx *tx;
    struct asked *a = begin(s, n, ctx, &tx);
    char id[UUID_TEXT + 1];
    a->on.done = cb;
    put_wants(s, wants, n);
    uuid_format(claim_id, id);
    struct pg_param more[] = {text_param(id), text_param(s->to_retry)};
    send_stmt(s, tx, &sender_sql_release, 3, more, 2);
    pg_tx_commit(tx, on_done, a);
}

/* --- answers -------------------------------------------------------------------------------- */

static void put_answer(struct sender_store *s, const struct sender_told *t)
{
    const struct sender_answer *r = t->answer;
    put_uuid(&s->arrays[0], t->tenant_id);
    pg_array_str(&s->arrays[1], t->message_id);
    pg_array_i64(&s->arrays[2], t->attempt);
    pg_array_str(&s->arrays[3], str_of(sender_state_name(r->to)));
    pg_array_str(&s->arrays[4], str_of(r->class));
    pg_array_i64(&s->arrays[5], t->status);
    pg_array_str(&s->arrays[6], r->external_id.len ? r->external_id : STR_NONE);
    pg_array_str(&s->arrays[7], r->conversation.len ? r->conversation : STR_NONE);
    pg_array_str(&s->arrays[8], r->code.len ? r->code : STR_NONE);
    pg_array_str(&s->arrays[9], r->message.len ? r->message : STR_NONE);
    pg_array_i64(&s->arrays[10], r->retry_at_ms);
}

static void send_pauses(struct sender_store *s, struct pg_tx *tx, const struct sender_told *told,
                        size_t n)
{
    char key[SENDER_APP_KEY_MAX] = "pair:";
    clear(s);
    for (size_t i = 0; i < n; i++) {
        const struct sender_answer *r = told[i].answer;
        int64_t us = r->pause_ms * 1000;
        if (!r->pause_ms || r->pause_scope == SEND_SCOPE_NONE)
            continue;
        if (r->pause_scope == SEND_SCOPE_ACCOUNT) {
            put_uuid(&s->arrays[0], told[i].channel_id);
            us += told[i].burst_us;
        } else if (r->pause_scope == SEND_SCOPE_APP) {
            pg_array_str(&s->arrays[0], str_of(told[i].app_key));
        } else {
            uuid_format(told[i].conversation_id, key + 5);
            pg_array_str(&s->arrays[0], str_of(key));
            us += told[i].pair_burst_us;
        }
        pg_array_i64(&s->arrays[1], us);
    }
    if (s->arrays[0].n)
        send_stmt(s, tx, &sender_sql_pause, 2, NULL, 0);
}

static void send_refusals(struct sender_store *s, struct pg_tx *tx, const struct sender_told *told,
                          size_t n)
{
    auto_arena a = arena_new((size_t)1 << 20);
    clear(s);
    for (size_t i = 0; i < n; i++) {
        const struct sender_answer *r = told[i].answer;
        if (!r->is_refused_account)
            continue;
        put_uuid(&s->arrays[0], told[i].channel_id);
        pg_array_str(
            &s->arrays[1],
            hex_encode(a, (struct str){(const char *)told[i].credentials_sha256, SHA256_BYTES}));
        pg_array_str(&s->arrays[2], r->code);
        pg_array_str(&s->arrays[3], r->message);
        pg_array_str(&s->arrays[4], r->is_expired ? STR("expired") : STR("revoked"));
    }
    if (s->arrays[0].n)
        send_stmt(s, tx, &sender_sql_refused, 5, NULL, 0);
}

void sender_store_answers(struct sender_store *s, const struct sender_told *told, size_t n,
                          void (*cb)(void *ctx, const struct err *err), void *ctx)
{
    struct pg_tx *tx;
    struct asked *a = begin(s, n, ctx, &tx);
    char after[24];
    a->on.done = cb;
    for (size_t i = 0; i < n; i++)
        put_answer(s, &told[i]);
    (void)snprintf(after, sizeof after, "%lld", (long long)s->ask_after_ms);
    struct pg_param more = text_param(after);
    send_stmt(s, tx, &sender_sql_answers, 11, &more, 1);
    send_pauses(s, tx, told, n);
    send_refusals(s, tx, told, n);
    pg_tx_commit(tx, on_done, a);
}

void sender_store_tidy(struct sender_store *s)
{
    struct pg_tx *tx;
    struct asked *a = begin(s, 0, NULL, &tx);
    pg_tx_send(tx, &sender_sql_tidy, NULL, 0);
    pg_tx_commit(tx, on_done, a);
}
