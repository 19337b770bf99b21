/* SPDX-License-Identifier: Apache-2.0 */
#include "sweep.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "id.h"
#include "inbox.h"
#include "log.h"
#include "mem.h"
#include "pg_pool.h"
#include "storage.h"

#define PERIOD_MS (5 * 60 * 1000)
#define AT_MOST   1000 /* rows of a round: it holds a connection meanwhile */
#define AGAIN_MS  1000 /* when there were as many */
#define AT_MOST_C "1000"

static const struct pg_stmt sweep = {"api_sweep", "SELECT api_sweep(" AT_MOST_C ")"};

/* --- files ---------------------------------------------------------------------------------- */

/* So many at once: each is a request where they are in a bucket. */
static const struct pg_stmt stale = {"api_uploads_stale",
                                     "SELECT tenant_id, id FROM uploads_stale(20)"};
static const struct pg_stmt forget = {"api_upload_forget",
                                      "DELETE FROM uploads WHERE tenant_id = $1 AND id = $2"};

struct stray {
    struct api *api;
    char tenant_id[UUID_TEXT + 1], id[UUID_TEXT + 1];
};

static void on_forgotten(void *ctx, struct pg_result *const *results, int n, const struct err *err,
                         const char *sqlstate, const char *constraint)
{
    // Else it is removed once more.
    (void)ctx, (void)results, (void)n, (void)err, (void)sqlstate, (void)constraint;
}

static void on_removed(void *ctx, const struct err *err)
{
    struct stray *x = ctx;
    if (err) {
        log_debug("a file that belongs to nothing was not removed", kv_c("tenant", x->tenant_id),
                  kv_c("why", err->msg));
    } else {
        const struct pg_param params[] = {{.value = x->tenant_id, .len = UUID_TEXT},
                                          {.value = x->id, .len = UUID_TEXT}};
        struct pg_tx *tx = pg_begin(x->api->pool, str_of(x->tenant_id));
        pg_tx_send(tx, &forget, params, ARRAY_LEN(params));
        pg_tx_commit(tx, on_forgotten, NULL);
    }
    free(x);
}

static void remove_strays(struct api *api, struct storage *storage, const struct pg_result *r)
{
    auto_arena a = arena_new(1 << 16);
    for (int i = 0; i < pg_rows(r); i++) {
        struct stray *x = xalloc(sizeof *x);
        struct uuid tenant, id;
        x->api = api;
        if (!uuid_parse(pg_text(r, i, 0), &tenant) || !uuid_parse(pg_text(r, i, 1), &id)) {
            free(x);
            continue;
        }
        uuid_format(tenant, x->tenant_id);
        uuid_format(id, x->id);
        storage_remove(storage, storage_media_key(a, str_of(x->tenant_id), str_of(x->id)),
                       on_removed, x);
    }
}

/* --- rounds --------------------------------------------------------------------------------- */

static void on_swept(void *ctx, struct pg_result *const *results, int n, const struct err *err,
                     const char *sqlstate, const char *constraint)
{
    (void)sqlstate, (void)constraint;
    struct api_sweep *s = ctx;
    s->is_running = false;
    if (err) {
        log_debug("sweeping failed", kv_c("why", err->msg));
        return;
    }
    if (pg_i64(results[0], 0, 0) >= AT_MOST)
        s->next_ms = clock_ms() + AGAIN_MS;
    if (n > 1)
        remove_strays(s->api, api_inbox_storage(s->api->inbox), results[1]);
}

void api_sweep_tick(struct api_sweep *s, int64_t now_ms)
{
    struct pg_pool *pool = s->api->pool;
    if (s->is_running || now_ms < s->next_ms || !pg_pool_is_connected(pool))
        return;
    s->is_running = true;
    s->next_ms = now_ms + PERIOD_MS;
    struct pg_tx *tx = pg_begin(pool, STR_NONE);
    pg_tx_send(tx, &sweep, NULL, 0);
    if (api_inbox_storage(s->api->inbox))
        pg_tx_send(tx, &stale, NULL, 0);
    pg_tx_commit(tx, on_swept, s);
}
