/* SPDX-License-Identifier: Apache-2.0 */
/* One connection of the pool: connect, write a round, read its answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "pg_pool_impl.h"

static void on_socket(uv_poll_t *poll, int status, int events);

/* --- the socket ------------------------------------------------------------------------------- */

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

static void unwatch(struct pool_conn *c)
{
    if (!c->poll)
        return;
    (void)uv_poll_stop(c->poll);
    uv_close((uv_handle_t *)c->poll, on_poll_closed);
    c->poll = NULL;
}

static bool watch(struct pool_conn *c, int events)
{
    if (!c->poll) {
        c->poll = xalloc(sizeof *c->poll);
        if (uv_poll_init(c->pool->opts.loop, c->poll, PQsocket(c->pg)) != 0) {
            free(c->poll);
            c->poll = NULL;
            return false;
        }
        c->poll->data = c;
    }
    c->wants_write = events & UV_WRITABLE;
    return uv_poll_start(c->poll, events, on_socket) == 0;
}

static void forget_round(struct pool_conn *c)
{
    for (int i = 0; i < c->n_results; i++)
        PQclear(c->results[i]);
    c->n_results = c->n_expected = c->at = 0;
    c->in_result = c->failed = false;
}

void pg_conn_close(struct pool_conn *c)
{
    unwatch(c);
    PQfinish(c->pg);
    c->pg = NULL;
    memset(c->prepared, 0, sizeof c->prepared);
    c->n_prepared = 0;
    forget_round(c);
    c->state = CONN_DOWN;
}

void pg_conn_lost(struct pool_conn *c, const char *doing)
{
    char line[200];
    struct pg_tx *tx = c->tx;
    pg_first_line(c->pg ? PQerrorMessage(c->pg) : "", line, sizeof line);
    if (tx)
        err_set(&tx->err, ERR_BUSY, "PostgreSQL: %s: %s", doing,
                *line ? line : "no answer in time");
    else
        log_debug("database connection lost", kv_c("while", doing), kv_c("why", line));
    c->tx = NULL;
    pg_conn_close(c);
    c->retry_ms = clock_ms() + backoff_next_ms(&c->backoff);
    if (tx)
        pg_pool_refuse(c->pool, tx);
}

/* --- connect ---------------------------------------------------------------------------------- */

/* libpq may try several addresses and closes its sockets by itself, so the socket is watched anew
 * at each step. */
static void go_on_connecting(struct pool_conn *c, PostgresPollingStatusType want)
{
    if (want == PGRES_POLLING_FAILED ||
        (want != PGRES_POLLING_OK &&
         !watch(c, want == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE))) {
        pg_conn_lost(c, "connecting");
        return;
    }
    if (want != PGRES_POLLING_OK)
        return;
    PQsetNoticeProcessor(c->pg, pg_on_notice, NULL);
    if (PQsetnonblocking(c->pg, 1) || !PQenterPipelineMode(c->pg) || !watch(c, UV_READABLE)) {
        pg_conn_lost(c, "connecting");
        return;
    }
    backoff_reset(&c->backoff);
    c->state = CONN_IDLE;
    pg_pool_dispatch(c->pool);
}

void pg_conn_connect(struct pool_conn *c)
{
    const struct pg_pool *p = c->pool;
    const char *keys[] = {"dbname", "fallback_application_name", "client_encoding",
                          "keepalives_idle", NULL};
    const char *values[] = {p->url, p->application_name, "UTF8", "10", NULL};
    c->state = CONN_CONNECTING;
    c->deadline_ms = clock_ms() + p->opts.timeout_ms;
    c->pg = PQconnectStartParams(keys, values, 1);
    if (!c->pg || PQstatus(c->pg) == CONNECTION_BAD)
        pg_conn_lost(c, "connecting");
    else
        go_on_connecting(c, PGRES_POLLING_WRITING);
}

/* --- write a round ---------------------------------------------------------------------------- */

static void expect(struct pool_conn *c, int kind, const char *name)
{
    c->expected[c->n_expected++] = (struct expected){.kind = kind, .name = name};
}

/* The name's place: where it stands, or where it would. NULL: it is not there, and the table is
 * full. */
static const char **prepared_slot(struct pool_conn *c, const char *name)
{
    size_t i = str_hash(str_of(name)) & (PREPARED_MAX - 1);
    while (c->prepared[i] && strcmp(c->prepared[i], name) != 0)
        i = (i + 1) & (PREPARED_MAX - 1);
    if (!c->prepared[i] && c->n_prepared >= PREPARED_MAX / 4 * 3)
        return NULL;
    return &c->prepared[i];
}

static bool send_params(struct pool_conn *c, const char *sql, const struct pg_param *params, int n)
{
    struct pg_wire w;
    pg_to_wire(params, n, &w);
    return PQsendQueryParams(c->pg, sql, n, NULL, w.values, w.lens, w.formats, 0);
}

static bool send_statement(struct pool_conn *c, const struct statement *s)
{
    const char *name = c->pool->opts.is_prepared ? s->stmt.name : NULL;
    const char **slot = name ? prepared_slot(c, name) : NULL;
    if (!slot) {
        expect(c, STATEMENT, s->stmt.name);
        return send_params(c, s->stmt.sql, s->params, s->n_params);
    }
    if (!*slot) {
        *slot = name;
        c->n_prepared++;
        expect(c, PREPARE, name);
        if (!PQsendPrepare(c->pg, name, s->stmt.sql, 0, NULL))
            return false;
    }
    struct pg_wire w;
    pg_to_wire(s->params, s->n_params, &w);
    expect(c, STATEMENT, name);
    return PQsendQueryPrepared(c->pg, name, s->n_params, w.values, w.lens, w.formats, 0);
}

static bool send_own(struct pool_conn *c, const char *sql, const struct pg_param *params, int n)
{
    expect(c, OWN, NULL);
    return send_params(c, sql, params, n);
}

static bool send_begin(struct pool_conn *c, struct pg_tx *tx)
{
    const struct pg_param params[] = {{.value = tx->tenant_id}, {.value = c->pool->timeout}};
    tx->begun = true;
    return send_own(c, "BEGIN", NULL, 0) &&
           send_own(c,
                    "SELECT set_config('postrider.tenant_id', $1, true), "
                    "set_config('statement_timeout', $2, true)",
                    params, 2);
}

static bool finish_write(struct pool_conn *c)
{
    expect(c, SYNC, NULL);
    if (!PQpipelineSync(c->pg))
        return false;
    int unsent = PQflush(c->pg);
    return unsent >= 0 && (!unsent || watch(c, UV_READABLE | UV_WRITABLE));
}

void pg_conn_start(struct pool_conn *c, struct pg_tx *tx)
{
    forget_round(c);
    c->state = CONN_ROUND;
    c->tx = tx;
    c->deadline_ms = tx->deadline_ms;
    tx->wanted = false;
    bool ok = tx->begun || send_begin(c, tx);
    for (const struct statement *s = tx->first; s && ok; s = s->next)
        ok = send_statement(c, s);
    if (ok && tx->end == TX_COMMIT)
        ok = send_own(c, "COMMIT", NULL, 0);
    if (!ok || !finish_write(c))
        pg_conn_lost(c, "sending");
}

static void clean(struct pool_conn *c)
{
    forget_round(c);
    c->state = CONN_CLEANING;
    c->deadline_ms = clock_ms() + c->pool->opts.timeout_ms;
    if (!send_own(c, "ROLLBACK", NULL, 0) || !finish_write(c))
        pg_conn_lost(c, "sending");
}

/* --- read its answers ------------------------------------------------------------------------- */

static void note_failure(struct pool_conn *c, const struct expected *e, const PGresult *res)
{
    if (c->failed)
        return; // what follows the first failure was only skipped
    c->failed = true;
    const char *name = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);
    (void)snprintf(c->constraint, sizeof c->constraint, "%s", name ? name : "");
    pg_result_err(res, e->name, c->sqlstate, &c->err);
}

/* Its PREPARE did not come about. Those behind it in the table may be found through its place. */
static void forget_prepared(struct pool_conn *c, const char *name)
{
    const char *kept[PREPARED_MAX];
    size_t n = 0;
    for (size_t i = 0; i < PREPARED_MAX; i++)
        if (c->prepared[i] && strcmp(c->prepared[i], name) != 0)
            kept[n++] = c->prepared[i];
    memset(c->prepared, 0, sizeof c->prepared);
    c->n_prepared = n;
    for (size_t i = 0; i < n; i++)
        *prepared_slot(c, kept[i]) = kept[i];
}

static void take_result(struct pool_conn *c, PGresult *res)
{
    const struct expected *e = &c->expected[c->at];
    bool good = pg_is_good(res);
    if (!good)
        note_failure(c, e, res);
    if (!good && e->kind == PREPARE)
        forget_prepared(c, e->name);
    if (e->kind == STATEMENT)
        c->results[c->n_results++] = res;
    else
        PQclear(res);
}

/* The transaction is over, well or not. The connection goes on before its owner hears of it: he may
 * begin the next one at once. */
static void finish(struct pool_conn *c)
{
    struct pg_tx *tx = c->tx;
    PGresult *results[STATEMENTS_MAX];
    int n = c->n_results;
    for (int i = 0; i < n; i++)
        results[i] = c->results[i];
    struct err err = c->err;
    char sqlstate[PG_SQLSTATE_MAX], constraint[PG_CONSTRAINT_MAX];
    memcpy(sqlstate, c->sqlstate, sizeof sqlstate);
    memcpy(constraint, c->constraint, sizeof constraint);
    bool failed = c->failed;
    c->n_results = 0;
    c->tx = NULL;
    if (failed)
        clean(c);
    else
        c->state = CONN_IDLE;
    if (failed) {
        pg_tx_fail(tx, &err, sqlstate, constraint);
    } else {
        if (!tx->forgotten)
            tx->on_results(tx->ctx, (struct pg_result *const *)results, n, NULL, "", "");
        pg_tx_free(tx);
    }
    for (int i = 0; i < n; i++)
        PQclear(results[i]);
}

static void drop_statements(struct pg_tx *tx)
{
    for (struct statement *s = tx->first, *next; s; s = next) {
        next = s->next;
        free(s);
    }
    tx->first = tx->last = NULL;
    tx->n_statements = 0;
}

/* A round in the middle: its owner says in the callback how it goes on. */
static void hand_out(struct pool_conn *c)
{
    struct pg_tx *tx = c->tx;
    c->state = CONN_CALLBACK;
    drop_statements(tx);
    if (!tx->forgotten)
        tx->on_results(tx->ctx, (struct pg_result *const *)c->results, c->n_results, NULL, "", "");
    if (tx->wanted && !tx->forgotten && !tx->too_long) {
        pg_conn_start(c, tx);
        return;
    }
    c->tx = NULL;
    clean(c);
    if (tx->wanted) {
        err_set(&tx->err, ERR_FAULT, "PostgreSQL: too many statements or parameters in a round");
        pg_pool_refuse(c->pool, tx);
        return;
    }
    pg_tx_free(tx);
}

static void round_ended(struct pool_conn *c)
{
    if (c->state == CONN_CLEANING) {
        forget_round(c);
        c->state = CONN_IDLE;
    } else if (c->failed || c->tx->end == TX_COMMIT) {
        finish(c);
    } else {
        hand_out(c);
    }
    if (c->state == CONN_IDLE)
        pg_pool_dispatch(c->pool);
}

/* False: the connection is of no more use. */
static bool read_answers(struct pool_conn *c)
{
    while (c->at < c->n_expected && !PQisBusy(c->pg)) {
        PGresult *res = PQgetResult(c->pg);
        if (!res) {
            if (!c->in_result)
                return false;
            c->in_result = false;
            c->at++;
            continue;
        }
        bool is_sync = PQresultStatus(res) == PGRES_PIPELINE_SYNC;
        if (is_sync != (c->expected[c->at].kind == SYNC) || c->in_result) {
            PQclear(res);
            return false;
        }
        if (!is_sync) {
            take_result(c, res);
            c->in_result = true;
            continue;
        }
        PQclear(res);
        c->at++;
        round_ended(c);
        return true; // a next round has its own answers, which come with their own event
    }
    return true;
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct pool_conn *c = poll->data;
    (void)events;
    if (c->state == CONN_CONNECTING) {
        unwatch(c);
        go_on_connecting(c, status < 0 ? PGRES_POLLING_FAILED : PQconnectPoll(c->pg));
        return;
    }
    int unsent = status < 0 || !PQconsumeInput(c->pg) ? -1 : PQflush(c->pg);
    if (unsent < 0 || (!unsent && c->wants_write && !watch(c, UV_READABLE)) || !read_answers(c))
        pg_conn_lost(c, c->state == CONN_IDLE ? "idle" : "waiting for results");
}
