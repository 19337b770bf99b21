/* SPDX-License-Identifier: Apache-2.0 */
/* Records of the quarantine go to their topic again: those that the outbox names, in the order in
 * which they came, one scheduler at a time, a bounded number a second. A record is marked when
 * Kafka has it; a crash in between publishes it twice, and the router drops the second by its
 * events' keys. What its adapter does not understand, now as then, is not marked: it stays for
 * people and for a later version. */
#include "clock.h"
#include "crypto.h"
#include "json.h"
#include "log.h"
#include "provider.h"
#include "scheduling.h"

#define BYTES_MAX  (16 << 20) /* of bodies in one turn; one larger body goes alone */
#define DETAIL_MAX 1000

/* $1 rows, $2 bytes. The lock keeps two schedulers from mixing up an order. */
static const struct pg_stmt take = {
    "replay_take",
    "WITH got AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(hashtextextended('postrider.replay', 0)) AS ok), "
    "ranked AS MATERIALIZED (SELECT o.tenant_id, o.id, o.object_id, "
    "row_number() OVER w AS n, sum(octet_length(q.body)) OVER w AS bytes "
    "FROM got JOIN outbox o ON got.ok AND o.object_kind = 'quarantine' LEFT JOIN quarantine q ON q.id = o.object_id "
    "WINDOW w AS (ORDER BY q.topic, q.partition, q.\"offset\", o.id ROWS UNBOUNDED PRECEDING)) "
    "SELECT r.tenant_id, r.id, q.id, q.provider, q.tenant_id, q.account, q.topic, q.key, q.body, q.headers::text, "
    "(date_part('epoch', q.received_at) * 1000)::bigint, (q.replayed_at IS NULL AND q.dropped_at IS NULL) "
    "FROM ranked r LEFT JOIN quarantine q ON q.id = r.object_id "
    "WHERE r.n <= $1::bigint AND (r.n = 1 OR coalesce(r.bytes, 0) <= $2::bigint) ORDER BY r.n"};
static const struct pg_stmt mark = {
    "replay_mark",
    "UPDATE quarantine q SET replayed_at = CASE WHEN u.why IS NULL THEN now() END, "
    "detail = coalesce(u.why, q.detail), rev = q.rev + 1 FROM unnest($1::uuid[], $2::text[]) u(id, why) "
    "WHERE q.id = u.id AND q.replayed_at IS NULL AND q.dropped_at IS NULL"};
static const struct pg_stmt drop = {
    "replay_drop", "DELETE FROM outbox o USING unnest($1::uuid[], $2::uuid[]) u(tenant, id) "
                   "WHERE o.tenant_id = u.tenant AND o.id = u.id"};

enum {
    TENANT,
    OUTBOX_ID,
    ID,
    PROVIDER,
    RECORD_TENANT,
    ACCOUNT,
    TOPIC,
    KEY,
    BODY,
    HEADERS,
    RECEIVED,
    WANTED
};

/* --- one record ------------------------------------------------------------------------------- */

struct kept {
    struct str provider, tenant_id, account, topic, key, body;
    const struct json *headers;
    int64_t received_at_ms;
};

/* PostgreSQL's "\x0a..." */
static struct str bytes_of(struct arena *a, struct str text)
{
    struct str hex = str_skip(text, 2);
    uint8_t *out = arena_alloc(a, hex.len / 2 + 1);
    bool ok = hex_decode(hex, out, hex.len / 2);
    return ok ? (struct str){(char *)out, hex.len / 2} : STR("");
}

static struct kept read_kept(struct arena *a, const struct pg_result *r, int i)
{
    struct err ignored = {0}; // jsonb gives JSON
    return (struct kept){.provider = pg_text(r, i, PROVIDER),
                         .tenant_id = pg_text(r, i, RECORD_TENANT),
                         .account = pg_text(r, i, ACCOUNT),
                         .topic = pg_text(r, i, TOPIC),
                         .key = bytes_of(a, pg_text(r, i, KEY)),
                         .body = bytes_of(a, pg_text(r, i, BODY)),
                         .headers = json_parse(a, pg_text(r, i, HEADERS), &ignored),
                         .received_at_ms = pg_i64(r, i, RECEIVED)};
}

/* The value of a record as it travelled, or the unit that was in it? A unit is JSON, which begins
 * with neither framing's bytes. */
static bool is_framed(struct str body)
{
    return body.len && (body.ptr[0] == 0 || str_starts(body, STR("\xC3\x01")));
}

static struct str header_of(struct arena *a, const struct kept *k, const char *name)
{
    return json_text(a, json_get(k->headers, name));
}

static bool publish_raw(struct scheduling *s, const struct kept *k, struct err *err)
{
    static const char *const names[] = {"traceparent", "postrider-provider", "postrider-schema"};
    struct record_out rec = {
        .topic = str_c(s->arena, k->topic), .key = k->key, .value = k->body, .partition = -1};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct str value = header_of(s->arena, k, names[i]);
        if (value.ptr)
            rec.headers[rec.n_headers++] = (struct header){names[i], value};
    }
    return sender_records_raw(s->records, &rec, err);
}

static bool publish_unit(struct scheduling *s, const struct kept *k, struct err *err)
{
    struct webhook_event e = {.provider = k->provider,
                              .tenant_id = k->tenant_id,
                              .account = k->account,
                              .account_type = header_of(s->arena, k, "account_type"),
                              .conversation = header_of(s->arena, k, "conversation"),
                              .received_at_ms = k->received_at_ms,
                              .body = k->body};
    return sender_records_webhook(s->records, k->key, header_of(s->arena, k, "traceparent"), &e,
                                  err);
}

static struct str no_lookup(const void *http, const char *name)
{
    (void)http;
    (void)name;
    return STR_NONE;
}

/* A whole body that ingest could not cut: the adapter of today may. */
static bool publish_body(struct scheduling *s, const struct kept *k, struct err *err)
{
    const struct provider *p = provider_find(k->provider);
    auto_arena a = arena_new(PROVIDER_ARENA_MAX(k->body.len)); // an outsider's body: it has its own
    struct webhook in = {.body = k->body, .header = no_lookup, .query = no_lookup};
    struct units units = {0};
    if (!p)
        return err_set(err, ERR_INVALID, "no provider %.*s", STR_ARG(k->provider));
    if (p->scope == SCOPE_TENANT)
        in.tenant_id = k->tenant_id;
    if (!p->split(a, &in, &units, err))
        return false;
    for (size_t i = 0; i < units.n; i++) {
        const struct unit *u = &units.items[i];
        struct webhook_event e = {.provider = k->provider,
                                  .tenant_id = in.tenant_id,
                                  .account = u->account,
                                  .account_type = u->account_type,
                                  .conversation = u->conversation,
                                  .received_at_ms = k->received_at_ms,
                                  .body = u->body};
        struct str key = str_fmt(a, "%.*s:%.*s:%.*s", STR_ARG(k->provider), STR_ARG(u->account),
                                 STR_ARG(u->conversation));
        if (!sender_records_webhook(s->records, key, header_of(a, k, "traceparent"), &e, err))
            return false;
    }
    return true;
}

static bool publish(struct scheduling *s, const struct kept *k, struct err *err)
{
    if (str_eq_c(k->topic, "http"))
        return publish_body(s, k, err);
    return is_framed(k->body) ? publish_raw(s, k, err) : publish_unit(s, k, err);
}

/* --- one turn --------------------------------------------------------------------------------- */

static void put_mark(struct scheduling *s, const struct pg_result *r, int i, struct str why)
{
    pg_array_str(&s->columns[0], pg_text(r, i, ID));
    pg_array_str(&s->columns[1], why);
}

/* Publishes what is wanted, and fills in the columns of `mark`. False: Kafka is away. */
static bool publish_all(struct scheduling *s, const struct pg_result *r, int *n, struct err *err)
{
    sender_columns(s, 2);
    for (int i = 0; i < pg_rows(r); i++) {
        bool is_again = i > 0 && str_eq(pg_text(r, i - 1, ID), pg_text(r, i, ID));
        if (pg_null(r, i, ID) || is_again || !str_eq_c(pg_text(r, i, WANTED), "t"))
            continue;
        struct kept k = read_kept(s->arena, r, i);
        struct err why = {0};
        if (publish(s, &k, &why)) {
            put_mark(s, r, i, STR_NONE);
            ++*n;
            continue;
        }
        if (!err_is_parked(why.kind)) {
            *err = why;
            return false;
        }
        log_warn("a quarantined record cannot be replayed",
                 kv_str("quarantine_id", pg_text(r, i, ID)), kv_c("why", why.msg));
        put_mark(s, r, i, str_utf8(s->arena, str_fmt(s->arena, "replayed in vain: %s", why.msg)));
    }
    return true;
}

/* How many may go now. */
static int64_t allowance(struct scheduling *s)
{
    int64_t now_ms = clock_ms(), rate = s->conf->replay_rate;
    if (now_ms - s->replayed_ms > 1000)
        s->replayed_ms = now_ms - 1000;
    int64_t n = (now_ms - s->replayed_ms) * rate / 1000;
    return n < SCHEDULING_ROWS_MAX ? n : SCHEDULING_ROWS_MAX;
}

static bool settle(struct scheduling *s, const struct pg_result *r, struct err *err)
{
    if (!sender_columns_send(s, &mark, NULL, 0, err))
        return sender_rollback(s);
    sender_columns(s, 2);
    for (int i = 0; i < pg_rows(r); i++) {
        pg_array_str(&s->columns[0], pg_text(r, i, TENANT));
        pg_array_str(&s->columns[1], pg_text(r, i, OUTBOX_ID));
    }
    return (sender_columns_send(s, &drop, NULL, 0, err) || sender_rollback(s)) &&
           sender_commit(s, 2, err);
}

bool sender_outbox_replay(struct scheduling *s, int *done, struct err *err)
{
    int64_t may = allowance(s);
    int n = 0;
    if (may < 1)
        return true;
    struct pg_param params[] = {sender_param_i64(s, may), sender_param_i64(s, BYTES_MAX)};
    auto_result r = sender_begin(s, &take, params, ARRAY_LEN(params), err);
    if (!r)
        return err_wrap(err, "reading what is to be replayed");
    if (!pg_rows(r)) {
        sender_rollback(s);
        return true;
    }
    bool ok = publish_all(s, r, &n, err);
    struct err late = {0};
    ok &= sender_records_wait(s->records, ok ? err : &late);
    if (!ok) {
        sender_rollback(s);
        return err_wrap(err, "replaying");
    }
    if (!settle(s, r, err))
        return err_wrap(err, "marking what was replayed");
    s->replayed_ms += pg_rows(r) * 1000 / s->conf->replay_rate;
    metric_add(metric_cell(s->opts->metrics, SENDER_METRIC_REPLAYED), n);
    *done = pg_rows(r);
    return true;
}
