/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* PostgreSQL for loop threads: a bounded pool of connections on a libuv loop, never blocking.
 *
 * Work is a transaction: statements are sent in one pipeline, their results come in a callback. A
 * transaction of one round (BEGIN, settings, statements, COMMIT in a single write) is pg_once(); one that
 * has to look before it writes is begun, run in rounds and ended. Beyond the pool's connections
 * transactions wait in order; past `queue_max` they fail with ERR_BUSY. Works behind PgBouncer in
 * transaction mode: no session state, no LISTEN, statements by name only when `is_prepared`. Error kinds
 * as in pg.h. A lost connection fails what was under way (ERR_BUSY; whether a COMMIT took effect is then
 * unknown) and is made anew with backoff. */
#include <uv.h>

#include "pg.h"

struct pg_pool;
struct pg_tx;

struct pg_pool_opts {
    uv_loop_t *loop;
    const char *url;
    const char *application_name;
    int connections;
    int queue_max;
    int64_t timeout_ms; /* of a round, its time in the queue included */
    bool is_prepared;   /* named statements are prepared once per connection */
};

struct pg_pool *pg_pool_new(const struct pg_pool_opts *opts, struct err *err); /* returns owned */
void pg_pool_free(struct pg_pool *p); /* what waits gets ERR_BUSY; handles close in the next turns */
bool pg_pool_is_connected(const struct pg_pool *p);

/* results: one per statement sent, in order, borrowed for the call; err NULL: all went well. After an
 * error the transaction is over (rolled back). */
typedef void pg_on_results(void *ctx, struct pg_result *const *results, int n, const struct err *err,
                           const char *sqlstate, const char *constraint);

/* `tenant_id` absent: no tenant is set (login, sender). */
struct pg_tx *pg_begin(struct pg_pool *p, struct str tenant_id);
/* Queue a statement of the next round; params are copied. The limits of a round are the caller's. */
void pg_tx_send(struct pg_tx *tx, const struct pg_stmt *stmt, const struct pg_param *params, int n_params);
/* Send the round. In the callback: send more and run again, or pg_tx_end; returning with neither rolls
 * back. */
void pg_tx_run(struct pg_tx *tx, pg_on_results *on_results, void *ctx);
/* The round and COMMIT with it: results come when it is committed. */
void pg_tx_commit(struct pg_tx *tx, pg_on_results *on_results, void *ctx);
void pg_tx_rollback(struct pg_tx *tx);
/* The one who asked is gone: no callback comes; what was sent may or may not take effect. */
void pg_tx_forget(struct pg_tx *tx);
