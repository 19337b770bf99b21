/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that nobody needs any more, a bounded number of each table a minute. */
#include "scheduling.h"

static const struct {
    const char *table;
    const char *sql; /* deletes at most ROWS_MAX rows */
} tasks[] = {
    {"bulk_recipients",
     "DELETE FROM bulk_recipients r USING (SELECT k.tenant_id, k.bulk_id, k.position FROM bulks b "
     "JOIN bulk_recipients k ON k.tenant_id = b.tenant_id AND k.bulk_id = b.id WHERE b.status = 'cancelled' "
     "AND b.handed_out < b.total LIMIT 5000) g WHERE r.tenant_id = g.tenant_id AND r.bulk_id = g.bulk_id "
     "AND r.position = g.position RETURNING 1"},
};

bool sender_clean_up(struct scheduling *s, int *done, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(tasks); i++) {
        struct pg_result *r = pg_exec(s->pg, tasks[i].sql, NULL, 0, err);
        if (!r)
            return err_wrap(err, "cleaning up %s", tasks[i].table);
        metric_add(metric_cell(s->opts->metrics, SENDER_METRIC_CLEANED, tasks[i].table),
                   pg_rows(r));
        *done += pg_rows(r);
        pg_result_free(r);
    }
    return true;
}
