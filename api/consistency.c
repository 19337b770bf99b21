/* SPDX-License-Identifier: Apache-2.0 */
/* What does not fit together: of the caller's tenant, or for an operator of all. The database's
 * checks are a function of it, which runs by the caller's right and so shows a tenant its own; what
 * Kafka knows is asked first, so that no transaction waits for it. */
#include "handlers.h"
#include "lag.h"

static void checked(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    size_t n_found = 0;
    const struct finding *found =
        findings_read(call_arena(c), results[0], *call_state(c), &n_found);
    struct json_out *o = call_out(c);
    json_open(o, '{');
    json_key_out(o, "findings");
    json_open(o, '[');
    for (size_t i = 0; i < n_found; i++)
        finding_put(o, &found[i]);
    json_close(o, ']');
    json_put_time(o, "checked_at", call_now_at_ms(c));
    json_close(o, '}');
    call_answer(c, 200);
}

static void look(struct call *c, const struct finding *f, const struct pg_stmt *stmt)
{
    if (f) {
        struct finding *kept = ARENA_NEW(call_arena(c), struct finding);
        *kept = *f;
        kept->examples = str_dup(call_arena(c), f->examples);
        *call_state(c) = kept;
    }
    call_send(c, stmt, NULL, 0);
    call_run(c, checked);
}

static void on_lag(struct call *c, const struct finding *f)
{
    static const struct pg_stmt stmt = {"api_consistency", FINDINGS_SQL};
    look(c, f, &stmt);
}

static void on_lag_of_all(struct call *c, const struct finding *f)
{
    static const struct pg_stmt stmt = {"api_consistency_of_all", FINDINGS_OF_ALL_SQL};
    look(c, f, &stmt);
}

static void check(struct call *c)
{
    api_lag_ask(c, on_lag);
}

static void check_all(struct call *c)
{
    api_lag_ask(c, on_lag_of_all);
}

const struct api_handler api_consistency_handlers[] = {
    {"checkConsistency", check},
    {"checkConsistencyOfAll", check_all},
    {0},
};
