/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions, and how they come to a connection; see pg_pool_conn.c for the connection. */
#include "pg_pool.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mem.h"
#include "pg_pool_impl.h"

#define TICK_MS       50
#define RETRY_BASE_MS 50
#define RETRY_CAP_MS  2000

/* --- transactions ----------------------------------------------------------------------------- */

struct pg_tx *pg_begin(struct pg_pool *p, struct str tenant_id)
{
    struct pg_tx *tx = xalloc(sizeof *tx);
    tx->pool = p;
    (void)snprintf(tx->tenant_id, sizeof tx->tenant_id, "%.*s", STR_ARG(tenant_id));
    return tx;
}

void pg_tx_free(struct pg_tx *tx)
{
    for (struct statement *s = tx->first, *next; s; s = next) {
        next = s->next;
        free(s);
    }
    free(tx);
}

void pg_tx_fail(struct pg_tx *tx, const struct err *err, const char *sqlstate,
                const char *constraint)
{
    tx->wanted = true; // nothing that its owner calls in the callback frees it
    if (!tx->forgotten)
        tx->on_results(tx->ctx, NULL, 0, err, sqlstate, constraint);
    pg_tx_free(tx);
}

static size_t param_bytes(const struct pg_param *x)
{
    if (!x->value)
        return 0;
    return x->binary ? (size_t)x->len : strlen(x->value) + 1;
}

void pg_tx_send(struct pg_tx *tx, const struct pg_stmt *stmt, const struct pg_param *params,
                int n_params)
{
    if (tx->n_statements == STATEMENTS_MAX || n_params > PG_PARAMS_MAX) {
        tx->too_long = true;
        return;
    }
    size_t bytes = 0;
    for (int i = 0; i < n_params; i++)
        bytes += param_bytes(&params[i]);
    struct statement *s = xalloc(sizeof *s + sizeof *params * (size_t)n_params + bytes);
    s->stmt = *stmt;
    s->n_params = n_params;
    char *at = (char *)&s->params[n_params];
    for (int i = 0; i < n_params; i++) {
        size_t n = param_bytes(&params[i]);
        s->params[i] = params[i];
        if (!params[i].value)
            continue;
        memcpy(at, params[i].value, n);
        s->params[i].value = at;
        at += n;
    }
    *(tx->last ? &tx->last->next : &tx->first) = s;
    tx->last = s;
    tx->n_statements++;
}

/* --- who waits -------------------------------------------------------------------------------- */

static void on_soon(uv_timer_t *soon)
{
    struct pg_pool *p = soon->data;
    struct pg_tx *list = p->refused;
    p->refused = NULL;
    for (struct pg_tx *tx = list, *next; tx; tx = next) {
        next = tx->next;
        struct err err = tx->err;
        pg_tx_fail(tx, &err, "", "");
    }
}

void pg_pool_refuse(struct pg_pool *p, struct pg_tx *tx)
{
    tx->next = p->refused;
    p->refused = tx;
    if (!p->closing)
        (void)uv_timer_start(&p->soon, on_soon, 0, 0);
}

/* False: it cannot wait here, and tx->err says why. */
static bool may_wait(struct pg_pool *p, struct pg_tx *tx)
{
    if (tx->too_long)
        return err_set(&tx->err, ERR_FAULT,
                       "PostgreSQL: too many statements or parameters in a round");
    if (p->closing)
        return err_set(&tx->err, ERR_BUSY, "PostgreSQL: stopping");
    if (p->n_waiting >= p->opts.queue_max)
        return err_set(&tx->err, ERR_BUSY,
                       "PostgreSQL: too many transactions wait for a connection");
    return true;
}

static struct pool_conn *idle_conn(struct pg_pool *p)
{
    for (int i = 0; i < p->opts.connections; i++)
        if (p->conns[i].state == CONN_IDLE)
            return &p->conns[i];
    return NULL;
}

/* More connections are made only while there is more to do than those that are there can take. */
static void grow(struct pg_pool *p, int64_t now_ms)
{
    int coming = 0, up = 0;
    for (int i = 0; i < p->opts.connections; i++) {
        coming += p->conns[i].state == CONN_CONNECTING;
        up += p->conns[i].state > CONN_CONNECTING;
    }
    int wanted = p->n_waiting ? p->n_waiting : !up;
    for (int i = 0; i < p->opts.connections && coming < wanted; i++)
        if (p->conns[i].state == CONN_DOWN && now_ms >= p->conns[i].retry_ms) {
            pg_conn_connect(&p->conns[i]);
            coming++;
        }
}

static struct pg_tx *take_waiting(struct pg_pool *p)
{
    struct pg_tx *tx = p->waiting;
    p->waiting = tx->next;
    if (!p->waiting)
        p->waiting_end = &p->waiting;
    p->n_waiting--;
    tx->next = NULL;
    return tx;
}

void pg_pool_dispatch(struct pg_pool *p)
{
    struct pool_conn *c;
    while (p->waiting && !p->closing && (c = idle_conn(p))) {
        struct pg_tx *tx = take_waiting(p);
        if (tx->forgotten)
            pg_tx_free(tx);
        else
            pg_conn_start(c, tx);
    }
}

static void run(struct pg_tx *tx, enum tx_end end, pg_on_results *on_results, void *ctx)
{
    struct pg_pool *p = tx->pool;
    assert(!tx->wanted);
    tx->wanted = true;
    tx->end = end;
    tx->on_results = on_results;
    tx->ctx = ctx;
    tx->deadline_ms = clock_ms() + p->opts.timeout_ms;
    if (tx->begun)
        return; // within its callback: hand_out() goes on with it
    if (!may_wait(p, tx)) {
        pg_pool_refuse(p, tx);
        return;
    }
    *p->waiting_end = tx;
    p->waiting_end = &tx->next;
    p->n_waiting++;
    pg_pool_dispatch(p);
    if (p->waiting)
        grow(p, clock_ms());
}

void pg_tx_run(struct pg_tx *tx, pg_on_results *on_results, void *ctx)
{
    run(tx, TX_ROUND, on_results, ctx);
}

void pg_tx_commit(struct pg_tx *tx, pg_on_results *on_results, void *ctx)
{
    run(tx, TX_COMMIT, on_results, ctx);
}

void pg_tx_rollback(struct pg_tx *tx)
{
    // One that was begun is in its callback, and is rolled back when that returns.
    if (!tx->begun && !tx->wanted)
        pg_tx_free(tx);
}

void pg_tx_forget(struct pg_tx *tx)
{
    if (!tx->begun && !tx->wanted)
        pg_tx_free(tx);
    else
        tx->forgotten = true;
}

/* --- time ------------------------------------------------------------------------------------- */

static void expire_waiting(struct pg_pool *p, int64_t now_ms)
{
    struct err err = {0};
    while (p->waiting && p->waiting->deadline_ms <= now_ms) {
        struct pg_tx *tx = take_waiting(p);
        err_set(&err, ERR_BUSY, "PostgreSQL: %s",
                pg_pool_is_connected(p) ? "no connection was free in time" : "not connected");
        pg_tx_fail(tx, &err, "", "");
    }
}

static void on_tick(uv_timer_t *tick)
{
    struct pg_pool *p = tick->data;
    int64_t now_ms = clock_ms();
    for (int i = 0; i < p->opts.connections; i++) {
        struct pool_conn *c = &p->conns[i];
        bool waits =
            c->state == CONN_CONNECTING || c->state == CONN_ROUND || c->state == CONN_CLEANING;
        if (waits && c->deadline_ms <= now_ms)
            pg_conn_lost(c, c->state == CONN_CONNECTING ? "connecting" : "waiting for results");
    }
    expire_waiting(p, now_ms);
    grow(p, now_ms);
    pg_pool_dispatch(p);
}

/* --- life ------------------------------------------------------------------------------------- */

struct pg_pool *pg_pool_new(const struct pg_pool_opts *opts, struct err *err)
{
    char *why = NULL;
    PQconninfoOption *parsed = PQconninfoParse(opts->url, &why);
    if (!parsed) {
        char line[160]; // it may quote the URL, but not its password
        err_set(err, ERR_INVALID, "database_url: %s",
                pg_first_line(why ? why : "cannot be read", line, sizeof line));
        PQfreemem(why);
        return NULL;
    }
    PQconninfoFree(parsed);
    struct pg_pool *p = xalloc(sizeof *p);
    p->opts = *opts;
    p->url = xstrdup(opts->url);
    p->application_name = xstrdup(opts->application_name ? opts->application_name : "postrider");
    (void)snprintf(p->timeout, sizeof p->timeout, "%lld", (long long)opts->timeout_ms);
    p->waiting_end = &p->waiting;
    p->conns = xalloc(sizeof *p->conns * (size_t)opts->connections);
    for (int i = 0; i < opts->connections; i++)
        p->conns[i] = (struct pool_conn){
            .pool = p, .backoff = {.base_ms = RETRY_BASE_MS, .cap_ms = RETRY_CAP_MS}};
    (void)uv_timer_init(opts->loop, &p->tick);
    (void)uv_timer_init(opts->loop, &p->soon);
    p->tick.data = p->soon.data = p;
    p->n_handles = 2;
    (void)uv_timer_start(&p->tick, on_tick, 0, TICK_MS);
    return p;
}

bool pg_pool_is_connected(const struct pg_pool *p)
{
    for (int i = 0; i < p->opts.connections; i++)
        if (p->conns[i].state > CONN_CONNECTING)
            return true;
    return false;
}

static void on_closed(uv_handle_t *handle)
{
    struct pg_pool *p = handle->data;
    if (--p->n_handles)
        return;
    free(p->conns);
    free(p->url);
    free(p->application_name);
    free(p);
}

void pg_pool_free(struct pg_pool *p)
{
    if (!p)
        return;
    p->closing = true;
    while (p->waiting) {
        struct pg_tx *tx = take_waiting(p);
        err_set(&tx->err, ERR_BUSY, "PostgreSQL: stopping");
        pg_pool_refuse(p, tx);
    }
    for (int i = 0; i < p->opts.connections; i++) {
        struct pool_conn *c = &p->conns[i];
        assert(c->state != CONN_CALLBACK); // not from within one of its own callbacks
        if (c->tx) {
            err_set(&c->tx->err, ERR_BUSY, "PostgreSQL: stopping");
            pg_pool_refuse(p, c->tx);
        }
        c->tx = NULL;
        pg_conn_close(c);
    }
    while (p->refused)
        on_soon(&p->soon);
    uv_close((uv_handle_t *)&p->tick, on_closed);
    uv_close((uv_handle_t *)&p->soon, on_closed);
}
