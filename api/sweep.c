/* SPDX-License-Identifier: Apache-2.0 */
#include "sweep.h"

#include "clock.h"
#include "log.h"

#define PERIOD_MS (5 * 60 * 1000)
#define AT_MOST   1000 /* rows of a round: it holds a connection meanwhile */
#define AGAIN_MS  1000 /* when there were as many */
#define AT_MOST_C "1000"

static const struct pg_stmt sweep = {"api_sweep", "SELECT api_sweep(" AT_MOST_C ")"};

static void on_swept(void *ctx, struct pg_result *const *results, int n, const struct err *err,
                     const char *sqlstate, const char *constraint)
{
    (void)n, (void)sqlstate, (void)constraint;
    struct api_sweep *s = ctx;
    s->is_running = false;
    if (err) {
        log_debug("sweeping failed", kv_c("why", err->msg));
        return;
    }
    if (pg_i64(results[0], 0, 0) >= AT_MOST)
        s->next_ms = clock_ms() + AGAIN_MS;
}

void api_sweep_tick(struct api_sweep *s, struct pg_pool *pool, int64_t now_ms)
{
    if (s->is_running || now_ms < s->next_ms || !pg_pool_is_connected(pool))
        return;
    s->is_running = true;
    s->next_ms = now_ms + PERIOD_MS;
    struct pg_tx *tx = pg_begin(pool, STR_NONE);
    pg_tx_send(tx, &sweep, NULL, 0);
    pg_tx_commit(tx, on_swept, s);
}
