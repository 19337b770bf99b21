/* SPDX-License-Identifier: Apache-2.0 */
/* What has grown much since it was analyzed is analyzed now, one table a turn. Autovacuum comes
 * once a minute; until then plans are made, by all daemons, as if a new tenant's first thousands of
 * rows were none. */
#include "log.h"
#include "scheduling.h"

bool sender_statistics_renew(struct scheduling *s, int *done, struct err *err)
{
    static const struct pg_stmt stmt = {"analyze_grown", "SELECT analyze_grown()"};
    struct pg_result *results[1] = {0};
    if (!pg_send(s->pg, &stmt, NULL, 0, err) || !pg_run(s->pg, results, 1, err))
        return err_wrap(err, "analyzing a table that has grown");
    *done = !pg_null(results[0], 0, 0);
    if (*done)
        log_debug("a table that had grown was analyzed",
                  kv_str("table", pg_text(results[0], 0, 0)));
    pg_result_free(results[0]);
    return true;
}
