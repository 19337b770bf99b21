/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What pg_pool.c (who waits for a connection) and pg_pool_conn.c (one connection) share; nobody
 * else includes this. */
#include "backoff.h"
#include "pg_impl.h"
#include "pg_pool.h"

#define STATEMENTS_MAX 64 /* of a round */
#define PREPARED_MAX                                                             \
    512 /* names on one connection, a power of two; past three quarters: unnamed \
         */
#define EXPECTED_MAX (2 * STATEMENTS_MAX + 4)

struct statement {
    struct statement *next;
    struct pg_stmt stmt;
    int n_params;
    struct pg_param params[]; /* their bytes behind them */
};

enum tx_end { TX_ROUND, TX_COMMIT };

struct pg_tx {
    struct pg_pool *pool;
    struct pg_tx *next; /* waits */
    char tenant_id[40]; /* "": none */
    struct statement *first, *last;
    int n_statements;
    bool begun;    /* BEGIN was sent */
    bool wanted;   /* a round is to be sent */
    bool too_long; /* more than STATEMENTS_MAX: fails when it is run */
    bool forgotten;
    enum tx_end end;
    int64_t deadline_ms;
    pg_on_results *on_results;
    void *ctx;
    struct err err; /* refused: why */
};

enum conn_state {
    CONN_DOWN,       /* until retry_ms */
    CONN_CONNECTING, /* until deadline_ms */
    CONN_IDLE,
    CONN_ROUND,    /* tx's answers are awaited, until deadline_ms */
    CONN_CALLBACK, /* tx's callback runs */
    CONN_CLEANING, /* ROLLBACK's answer is awaited, until deadline_ms */
};

/* An answer of the server that is awaited. */
struct expected {
    enum { OWN, PREPARE, STATEMENT, SYNC } kind;
    const char *name;
};

struct pool_conn {
    struct pg_pool *pool;
    enum conn_state state;
    PGconn *pg;
    uv_poll_t *poll;
    bool wants_write;
    const char *prepared[PREPARED_MAX];
    size_t n_prepared;
    struct expected expected[EXPECTED_MAX];
    int n_expected, at;
    bool in_result; /* the NULL that closes a result is to be read */
    struct pg_tx *tx;
    PGresult *results[STATEMENTS_MAX];
    int n_results;
    bool failed;
    struct err err;
    char sqlstate[PG_SQLSTATE_MAX], constraint[PG_CONSTRAINT_MAX];
    struct backoff backoff;
    int64_t deadline_ms, retry_ms;
};

struct pg_pool {
    struct pg_pool_opts opts;
    char *url, *application_name, timeout[24];
    struct pool_conn *conns;
    uv_timer_t tick, soon;
    int n_handles;
    bool closing;
    struct pg_tx *waiting, **waiting_end;
    int n_waiting;
    struct pg_tx *refused; /* their callbacks come in the next turn */
};

void pg_conn_connect(struct pool_conn *c);
/* Take the transaction's round; the connection is idle. */
void pg_conn_start(struct pool_conn *c, struct pg_tx *tx);
/* Drop the connection; what was under way fails with ERR_BUSY. */
void pg_conn_lost(struct pool_conn *c, const char *doing);
void pg_conn_close(struct pool_conn *c);

/* A connection is idle: give it work. */
void pg_pool_dispatch(struct pg_pool *p);
/* tx fails with tx->err in the next turn: callbacks do not come from within the owner's own call.
 */
void pg_pool_refuse(struct pg_pool *p, struct pg_tx *tx);
void pg_tx_fail(struct pg_tx *tx, const struct err *err, const char *sqlstate,
                const char *constraint);
void pg_tx_free(struct pg_tx *tx);
