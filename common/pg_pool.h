/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* PostgreSQL for loop threads: a bounded pool of connections on a libuv loop. Nothing blocks, but
 * that libpq looks up a host's name when it connects: name addresses where a resolver may be slow.
 *
 * Work is a transaction: the statements of a round are sent in one pipeline, their results come in
 * a callback. One of a single round goes in a single write: BEGIN, the settings of the transaction
 * (postrider.tenant_id and a statement_timeout), the statements, COMMIT. One that has to look
 * before it writes is run in rounds. Beyond the pool's connections transactions wait in order; past
 * `queue_max` they fail with ERR_BUSY. Works behind PgBouncer in transaction mode when
 * `is_prepared` is false: no session state, no LISTEN. Error kinds as in pg.h. A lost connection,
 * or one that does not answer in time, fails what was under way (ERR_BUSY; whether a COMMIT took
 * effect is then unknown) and is made anew with backoff. Callbacks never come from within the call
 * that asks for them. */
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
void pg_pool_free(
    struct pg_pool *p); /* what waits gets ERR_BUSY; handles close in the next turns */
bool pg_pool_is_connected(const struct pg_pool *p);

/* results: one per statement sent, in order, borrowed for the call; err NULL: all went well. After
 * an error the transaction is over (rolled back), there are no results, and sqlstate and constraint
 * are what the server says, "" for nothing. Of a partitioned table the constraint's name is the
 * partition's. */
#define PG_CONSTRAINT_MAX 64
typedef void pg_on_results(void *ctx, struct pg_result *const *results, int n,
                           const struct err *err, const char *sqlstate, const char *constraint);

/* `tenant_id` absent: no tenant is set (login, sender). */
struct pg_tx *pg_begin(struct pg_pool *p, struct str tenant_id);
/* Queue a statement of the next round: at most 64 with 48 parameters each, past which the round
 * fails with ERR_FAULT. Parameters are copied; the statement's texts are borrowed until the round
 * is over, its name until the pool ends (a name belongs to one SQL text). */
void pg_tx_send(struct pg_tx *tx, const struct pg_stmt *stmt, const struct pg_param *params,
                int n_params);
/* Send the round. In the callback: send more and run again, or commit; returning with neither rolls
 * back. After the callback of a commit, of an error, or such a return, tx is gone. */
void pg_tx_run(struct pg_tx *tx, pg_on_results *on_results, void *ctx);
/* The round and COMMIT with it: results come when it is committed. */
void pg_tx_commit(struct pg_tx *tx, pg_on_results *on_results, void *ctx);
void pg_tx_rollback(struct pg_tx *tx); /* before its first round, or in a callback */
/* The one who asked is gone: no callback comes; what was sent may or may not take effect. */
void pg_tx_forget(struct pg_tx *tx);
