/* SPDX-License-Identifier: Apache-2.0 */
/* The transaction of a call, and the keeping of answers for Idempotency-Keys.
 *
 * A key is a row that the first round of the call's transaction inserts: of two requests with one
 * key the second waits for the first's end at that row, so there is never a second effect. The
 * answer is stored in it by the round that commits, encrypted under the key itself: what stands in
 * the table says nothing to who does not have both the key and our secret. */
#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "call_impl.h"
#include "id.h"
#include "log.h"
#include "stats.h"

#define KEPT_MAX ((size_t)1 << 20) /* a larger answer is not kept: its key then answers 409 */

static const struct pg_stmt expire_key = {
    "api_expire_key", "DELETE FROM idempotency_keys WHERE tenant_id = $1 AND user_id = $2 "
                      "AND key = $3 AND created_at < now() - interval '24 hours'"};
static const struct pg_stmt claim_key = {
    "api_claim_key",
    "INSERT INTO idempotency_keys (tenant_id, user_id, key, operation, fingerprint) "
    "VALUES ($1, $2, $3, $4, $5)"};
static const struct pg_stmt keep_answer = {"api_keep_answer",
                                           "UPDATE idempotency_keys SET status = $4, answer = $5 "
                                           "WHERE tenant_id = $1 AND user_id = $2 AND key = $3"};
static const struct pg_stmt read_kept = {
    "api_read_kept", "SELECT fingerprint, operation, status, answer FROM idempotency_keys "
                     "WHERE tenant_id = $1 AND user_id = $2 AND key = $3"};
static const struct pg_stmt write_audit = {
    "api_write_audit",
    "INSERT INTO audit_log (tenant_id, id, actor, action, object_kind, object_id, detail) "
    "VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, '{}')::jsonb)"};
static const struct pg_stmt write_change = {
    "api_write_change",
    "INSERT INTO outbox (tenant_id, id, object_kind, object_id) VALUES ($1, $2, $3, $4)"};

static void on_round(void *ctx, struct pg_result *const *results, int n, const struct err *err,
                     const char *sqlstate, const char *constraint);

/* --- statements ------------------------------------------------------------------------------- */

static struct pg_param bytes_param(const void *p, size_t n)
{
    return (struct pg_param){.value = p, .len = (int)n, .binary = true};
}

/* The operator's calls are of no tenant, whatever its token names. */
static struct str key_tenant(const struct call *c)
{
    return c->op->roles == API_OPERATOR ? STR("00000000-0000-0000-0000-000000000000")
                                        : c->who.tenant_id;
}

static void key_params(struct call *c, struct pg_param out[3])
{
    out[0] = pg_param_str(c->arena, key_tenant(c));
    out[1] = pg_param_str(c->arena, c->who.user_id);
    out[2] = bytes_param(c->key.hash, sizeof c->key.hash);
}

static struct pg_pool *pool_of(const struct call *c)
{
    return c->op->roles == API_OPERATOR ? c->api->operators : c->api->pool;
}

struct pg_tx *call_tx(struct call *c)
{
    if (c->tx)
        return c->tx;
    c->tx = pg_begin(pool_of(c), c->who.tenant_id);
    c->is_committed = false;
    c->n_own = 0;
    if (!c->key.text.ptr || c->has_claimed)
        return c->tx;
    struct pg_param params[5];
    key_params(c, params);
    pg_tx_send(c->tx, &expire_key, params, 3);
    params[3] = (struct pg_param){.value = c->op->id};
    params[4] = bytes_param(c->key.fingerprint, sizeof c->key.fingerprint);
    pg_tx_send(c->tx, &claim_key, params, 5);
    c->n_own = 2;
    return c->tx;
}

void call_send(struct call *c, const struct pg_stmt *stmt, const struct str *params, int n)
{
    struct pg_param *out = ARENA_ARRAY(c->arena, struct pg_param, (size_t)n + 1);
    for (int i = 0; i < n; i++)
        out[i] = pg_param_str(c->arena, params[i]);
    pg_tx_send(call_tx(c), stmt, out, n);
}

static struct str new_id(struct call *c)
{
    char text[UUID_TEXT + 1];
    uuid_format(uuid_v7(c->now_at_ms), text);
    return str_dup(c->arena, str_of(text));
}

void call_audit(struct call *c, const char *action, const char *object_kind, struct str object_id,
                struct str detail)
{
    call_audit_of(c, c->who.tenant_id, action, object_kind, object_id, detail);
}

void call_audit_of(struct call *c, struct str tenant_id, const char *action,
                   const char *object_kind, struct str object_id, struct str detail)
{
    const struct str params[] = {
        tenant_id,      new_id(c),           c->who.subject.len ? c->who.subject : STR("nobody"),
        str_of(action), str_of(object_kind), object_id,
        detail};
    call_send(c, &write_audit, params, ARRAY_LEN(params));
}

void call_changed(struct call *c, const char *object_kind, struct str object_id)
{
    const struct str params[] = {c->who.tenant_id, new_id(c), str_of(object_kind), object_id};
    call_send(c, &write_change, params, ARRAY_LEN(params));
}

void call_become(struct call *c, struct str tenant_id, struct str user_id, const char *role)
{
    assert(!c->tx || str_eq(c->who.tenant_id, tenant_id)); // it is the transaction's
    c->who = (struct who){.tenant_id = str_dup(c->arena, tenant_id),
                          .user_id = str_dup(c->arena, user_id),
                          .subject = str_dup(c->arena, user_id),
                          .role = str_of(role)};
}

/* --- rounds ----------------------------------------------------------------------------------- */

void call_on_conflict(struct call *c, const char *constraint, void (*then)(struct call *c))
{
    assert(c->n_conflicts < CALL_CONFLICTS_MAX);
    c->conflicts[c->n_conflicts++] = (struct call_conflict){constraint, then};
}

void call_after_commit(struct call *c, void (*then)(struct call *c))
{
    c->after_commit = then;
}

void call_run_after_commit(struct call *c)
{
    void (*then)(struct call * c) = c->after_commit;
    if (!c->is_committed || !then)
        return;
    c->after_commit = NULL;
    then(c);
}

void call_run(struct call *c, call_then *then)
{
    struct pg_tx *tx = call_tx(c);
    c->then = then;
    c->round = CALL_RUN;
    pg_tx_run(tx, on_round, c);
}

void call_commit(struct call *c, call_then *then)
{
    struct pg_tx *tx = call_tx(c);
    bool is_keyed = c->key.text.ptr != NULL && (c->n_own || c->has_claimed);
    c->then = then;
    c->round = is_keyed ? CALL_BEFORE_COMMIT : CALL_COMMIT;
    if (is_keyed)
        pg_tx_run(tx, on_round, c);
    else
        pg_tx_commit(tx, on_round, c);
}

void call_drop_tx(struct call *c)
{
    if (c->tx)
        pg_tx_rollback(c->tx); // in a callback: when that returns
    c->tx = NULL;
}

/* --- answers that are kept -------------------------------------------------------------------- */

static void seal_key(const struct call *c, unsigned char out[SHA256_BYTES])
{
    struct hmac *h = hmac_new(str_of(c->api->conf->jwt_secret));
    hmac_sha256(h,
                str_fmt(c->arena, "idempotency\n%.*s\n%.*s\n%.*s", STR_ARG(key_tenant(c)),
                        STR_ARG(c->who.user_id), STR_ARG(c->key.text)),
                out);
    hmac_free(h);
}

static struct str seal(struct call *c, struct str plain)
{
    unsigned char key[SHA256_BYTES];
    size_t n = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + plain.len;
    unsigned char *out = arena_alloc(c->arena, n);
    seal_key(c, key);
    crypto_random(out, crypto_secretbox_NONCEBYTES);
    (void)crypto_secretbox_easy(out + crypto_secretbox_NONCEBYTES, (const unsigned char *)plain.ptr,
                                plain.len, out, key);
    crypto_wipe(key, sizeof key);
    return (struct str){(const char *)out, n};
}

static bool unseal(struct call *c, struct str sealed, struct str *out)
{
    unsigned char key[SHA256_BYTES];
    size_t overhead = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES;
    if (sealed.len < overhead)
        return false;
    const unsigned char *p = (const unsigned char *)sealed.ptr;
    unsigned char *plain = arena_alloc(c->arena, sealed.len - overhead + 1);
    seal_key(c, key);
    int rc = crypto_secretbox_open_easy(plain, p + crypto_secretbox_NONCEBYTES,
                                        sealed.len - crypto_secretbox_NONCEBYTES, p, key);
    crypto_wipe(key, sizeof key);
    *out = (struct str){(const char *)plain, sealed.len - overhead};
    return rc == 0;
}

/* Headers that an answer carries again when it is given again. */
static const char *const kept_headers[] = {"ETag", "Location"};

bool call_keep(struct call *c)
{
    if (c->round != CALL_BEFORE_COMMIT || !c->tx)
        return false;
    struct str plain = STR("");
    for (const struct call_header_out *h = c->headers; h; h = h->next)
        for (size_t i = 0; i < ARRAY_LEN(kept_headers); i++)
            if (strcmp(h->name, kept_headers[i]) == 0)
                plain = str_fmt(c->arena, "%.*s%zu %.*s\n", STR_ARG(plain), i, STR_ARG(h->value));
    struct pg_param params[5];
    key_params(c, params);
    params[3] = pg_param_str(c->arena, str_fmt(c->arena, "%d", c->status));
    params[4] = (struct pg_param){0};
    if (c->buf.len <= KEPT_MAX) {
        struct str sealed =
            seal(c, str_fmt(c->arena, "%.*s\n%.*s", STR_ARG(plain), STR_ARG(buf_str(&c->buf))));
        params[4] = bytes_param(sealed.ptr, sealed.len);
    }
    pg_tx_send(c->tx, &keep_answer, params, 5);
    c->round = CALL_KEEPING;
    pg_tx_commit(c->tx, on_round, c);
    return true;
}

static void give_again(struct call *c, int status, struct str plain)
{
    struct str line, rest = plain;
    while (str_cut(rest, '\n', &line, &rest) && line.len) {
        struct str number, value;
        int64_t i;
        if (str_cut(line, ' ', &number, &value) && str_i64(number, &i) && i >= 0 &&
            (size_t)i < ARRAY_LEN(kept_headers))
            call_set_header(c, kept_headers[i], value);
    }
    call_set_header(c, "Idempotency-Replayed", STR("true"));
    metric_add(metric_cell(c->api->metrics, API_METRIC_REPLAYED), 1);
    call_clear(c);
    buf_put_str(&c->buf, rest);
    call_answer(c, status);
}

/* bytea in its text form: \x and hexadecimal digits. */
static struct str bytes_of(struct call *c, struct str text)
{
    size_t n = text.len >= 2 ? (text.len - 2) / 2 : 0;
    uint8_t *out = arena_alloc(c->arena, n + 1);
    if (!text.ptr || !hex_decode(str_skip(text, 2), out, n))
        return STR_NONE;
    return (struct str){(const char *)out, n};
}

static void on_kept(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    const struct pg_result *r = results[0];
    struct str plain;
    if (pg_rows(r) == 0) { // the one that had it was rolled back in this moment
        call_problem(c, 409, "idempotency_busy", STR_NONE,
                     "another request with this Idempotency-Key has just failed: try again");
        return;
    }
    struct str fingerprint = bytes_of(c, pg_text(r, 0, 0));
    if (!str_eq(fingerprint,
                (struct str){(const char *)c->key.fingerprint, sizeof c->key.fingerprint})) {
        call_problem(c, 422, "idempotency_mismatch", STR_NONE,
                     "this Idempotency-Key was used for another request");
        return;
    }
    if (!unseal(c, bytes_of(c, pg_text(r, 0, 3)), &plain)) {
        call_problem(c, 409, "idempotency_lost", STR_NONE,
                     "this was done, but its answer can no longer be given");
        return;
    }
    give_again(c, (int)pg_i64(r, 0, 2), plain);
}

static void read_again(struct call *c)
{
    struct pg_param params[3];
    c->has_claimed = true; // not to be claimed once more
    key_params(c, params);
    c->tx = pg_begin(pool_of(c), c->who.tenant_id);
    c->n_own = 0;
    pg_tx_send(c->tx, &read_kept, params, 3);
    c->then = on_kept;
    c->round = CALL_COMMIT;
    pg_tx_commit(c->tx, on_round, c);
}

/* --- what came of a round --------------------------------------------------------------------- */

/* Is `name` that constraint, or that of a partition ("users_p03_pkey" of "users_pkey")? */
static bool is_constraint(const char *name, const char *wanted)
{
    if (strcmp(name, wanted) == 0)
        return true;
    for (const char *p = strstr(name, "_p"); p; p = strstr(p + 1, "_p")) {
        bool digits = p[2] >= '0' && p[2] <= '9' && p[3] >= '0' && p[3] <= '9';
        if (digits && p[4] == '_')
            return strncmp(name, wanted, (size_t)(p - name)) == 0 &&
                   strcmp(p + 4, wanted + (p - name)) == 0;
    }
    return false;
}

static void on_failure(struct call *c, const struct err *err, const char *sqlstate,
                       const char *constraint)
{
    int n = c->n_conflicts;
    bool was_claiming = c->n_own > 0;
    c->n_conflicts = 0;
    c->tx = NULL;
    c->round = CALL_NO_ROUND;
    if (c->status) { // the answer could not be kept, so it does not stand
        c->status = 0;
        c->after_commit = NULL;
    }
    if (was_claiming && is_constraint(constraint, "idempotency_keys_pkey")) {
        read_again(c);
        return;
    }
    for (int i = 0; i < n; i++)
        if (is_constraint(constraint, c->conflicts[i].constraint)) {
            c->conflicts[i].then(c);
            return;
        }
    if (err->kind == ERR_INVALID || err->kind == ERR_CONFLICT) {
        // What the database says of the data quotes it, and names our tables.
        log_debug("the database refuses a value", kv_str("request_id", c->request_id),
                  kv_c("operation", c->op->id), kv_c("sqlstate", sqlstate),
                  kv_c("constraint", constraint));
        if (err->kind == ERR_CONFLICT)
            call_problem(c, 409, "conflict", STR_NONE, "something changed meanwhile: read again");
        else
            call_problem(c, 400, "invalid_request", STR_NONE, "a value is not taken here");
        return;
    }
    const struct err ours = {.kind = err->kind == ERR_DENIED ? ERR_FAULT : err->kind};
    struct err told = *err;
    told.kind = ours.kind; // the database's refusal of us is not the caller's
    call_problem_err(c, &told);
}

static void hand_out(struct call *c, struct pg_result *const *results, int n)
{
    int own = c->n_own;
    call_then *then = c->then;
    enum call_round before = c->round;
    c->n_own = 0;
    c->n_conflicts = 0;
    c->has_claimed = c->has_claimed || own > 0;
    if (before == CALL_COMMIT) {
        c->tx = NULL;
        c->round = CALL_NO_ROUND;
        c->is_committed = true;
    }
    if (before == CALL_RUN)
        c->round = CALL_NO_ROUND;
    then(c, results + own, n - own);
    if (before == CALL_RUN && c->round == CALL_NO_ROUND && !c->ended) {
        c->tx = NULL; // left: rolled back; the key, if any, has gone with it
        c->has_claimed = false;
    }
    if (before == CALL_BEFORE_COMMIT && !c->status) {
        log_error("an operation with an Idempotency-Key does not answer when it commits",
                  kv_c("operation", c->op->id));
        call_problem(c, 500, "fault", STR_NONE, "%s", "");
    }
    if (before == CALL_COMMIT)
        call_run_after_commit(c);
}

static void on_round(void *ctx, struct pg_result *const *results, int n, const struct err *err,
                     const char *sqlstate, const char *constraint)
{
    struct call *c = ctx;
    if (err) {
        on_failure(c, err, sqlstate, constraint);
        return;
    }
    if (c->round != CALL_KEEPING) {
        hand_out(c, results, n);
        return;
    }
    c->tx = NULL;
    c->round = CALL_NO_ROUND;
    c->is_committed = true;
    call_run_after_commit(c);
    call_deliver(c);
}
