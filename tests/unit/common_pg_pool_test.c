/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mem.h"
#include "pg_pool.h"
#include "test.h"

#define WAIT_MS    10000
#define TENANT     "0190a000-0000-7000-8000-0000000000ab"
#define TIMEOUT_MS 1500

/* What callbacks have told. */
struct told {
    struct stage *stage;
    int n, results;
    enum err_kind kind;
    char sqlstate[8], text[64];
    int64_t number;
};

struct stage {
    uv_loop_t loop;
    struct pg_pool *pool;
};

static const char *url(void)
{
    return getenv("POSTRIDER_TEST_DATABASE_URL"); // NOLINT(concurrency-mt-unsafe): one thread
}

/* Behind a pooler in transaction mode a connection prepares nothing. */
static bool is_pooled(void)
{
    return getenv("POSTRIDER_TEST_POOLED") != NULL; // NOLINT(concurrency-mt-unsafe): one thread
}

static struct stage *open_stage(const char *where, int connections, int queue_max, bool is_prepared)
{
    struct stage *s = xalloc(sizeof *s);
    struct err err = {0};
    assert_int_equal(uv_loop_init(&s->loop), 0);
    s->pool = pg_pool_new(&(struct pg_pool_opts){.loop = &s->loop,
                                                 .url = where,
                                                 .application_name = "pool_test",
                                                 .connections = connections,
                                                 .queue_max = queue_max,
                                                 .timeout_ms = TIMEOUT_MS,
                                                 .is_prepared = is_prepared && !is_pooled()},
                          &err);
    if (!s->pool)
        fail_msg("%s", err.msg);
    return s;
}

static void close_stage(struct stage *s)
{
    pg_pool_free(s->pool);
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&s->loop), 0);
    free(s);
}

static void wait_told(struct stage *s, const struct told *t, int n)
{
    int64_t until_ms = clock_ms() + WAIT_MS;
    while (t->n < n) {
        if (clock_ms() > until_ms)
            fail_msg("%d of %d callbacks came", t->n, n);
        (void)uv_run(&s->loop, UV_RUN_ONCE);
    }
}

static void note(void *ctx, struct pg_result *const *results, int n, const struct err *err,
                 const char *sqlstate, const char *constraint)
{
    struct told *t = ctx;
    (void)constraint;
    t->n++;
    t->results = n;
    t->kind = err ? err->kind : ERR_NONE;
    (void)snprintf(t->sqlstate, sizeof t->sqlstate, "%s", sqlstate);
    if (!err && n && pg_rows(results[n - 1])) {
        t->number = pg_i64(results[n - 1], 0, 0);
        (void)snprintf(t->text, sizeof t->text, "%.*s", STR_ARG(pg_text(results[n - 1], 0, 0)));
    }
}

static void put(struct pg_tx *tx, const char *name, const char *sql, const char *param)
{
    const struct pg_stmt stmt = {name, sql};
    const struct pg_param p = {.value = param};
    pg_tx_send(tx, &stmt, &p, param ? 1 : 0);
}

static void once(struct stage *s, const char *name, const char *sql, const char *param,
                 struct told *t)
{
    struct pg_tx *tx = pg_begin(s->pool, STR(TENANT));
    put(tx, name, sql, param);
    int before = t->n;
    pg_tx_commit(tx, note, t);
    assert_int_equal(t->n, before); // never from within the call
}

/* --- without a server ------------------------------------------------------------------------- */

static void a_server_that_is_not_there_is_busy_in_time(void **state)
{
    (void)state;
    struct stage *s = open_stage("postgresql://nobody@127.0.0.1:9/none", 2, 1, true);
    struct told waits = {0}, refused = {0};
    int64_t began_ms = clock_ms();
    once(s, NULL, "SELECT 1", NULL, &waits);
    once(s, NULL, "SELECT 1", NULL, &refused); // one may wait
    wait_told(s, &refused, 1);
    assert_int_equal(refused.kind, ERR_BUSY);
    assert_true(clock_ms() - began_ms < TIMEOUT_MS);
    wait_told(s, &waits, 1);
    assert_int_equal(waits.kind, ERR_BUSY);
    assert_false(pg_pool_is_connected(s->pool));
    close_stage(s);
}

static void what_waits_at_the_end_is_told_so(void **state)
{
    (void)state;
    struct stage *s = open_stage("postgresql://nobody@127.0.0.1:9/none", 2, 10, true);
    struct told t = {0}, forgotten = {0};
    once(s, NULL, "SELECT 1", NULL, &t);
    struct pg_tx *tx = pg_begin(s->pool, STR_NONE);
    put(tx, NULL, "SELECT 1", NULL);
    pg_tx_commit(tx, note, &forgotten);
    pg_tx_forget(tx);
    pg_tx_rollback(pg_begin(s->pool, STR_NONE)); // never run
    close_stage(s);
    assert_int_equal(t.n, 1);
    assert_int_equal(t.kind, ERR_BUSY);
    assert_int_equal(forgotten.n, 0);
}

static void a_url_that_is_none_is_refused_without_its_password(void **state)
{
    (void)state;
    struct err err = {0};
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_null(pg_pool_new(&(struct pg_pool_opts){.loop = &loop,
                                                   .url = "postgresql://u:hidden@h:x y/d?z",
                                                   .connections = 1,
                                                   .queue_max = 1,
                                                   .timeout_ms = 1000},
                            &err));
    assert_int_equal(err.kind, ERR_INVALID);
    assert_null(strstr(err.msg, "hidden"));
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* --- with one, where it is named -------------------------------------------------------------- */

static void a_round_has_its_tenant_and_its_results(void **state)
{
    (void)state;
    if (!url())
        skip();
    for (int prepared = 0; prepared < 2; prepared++) {
        struct stage *s = open_stage(url(), 1, 100, prepared);
        struct told t = {0};
        static const char ask[] = "SELECT current_setting('postrider.tenant_id', true)";
        once(s, "ask", ask, NULL, &t);
        wait_told(s, &t, 1);
        assert_int_equal(t.kind, ERR_NONE);
        assert_int_equal(t.results, 1);
        assert_string_equal(t.text, TENANT);
        struct pg_tx *tx = pg_begin(s->pool, STR_NONE);
        put(tx, "ask", ask, NULL);
        pg_tx_commit(tx, note, &t);
        wait_told(s, &t, 2);
        assert_string_equal(t.text, ""); // the one before is gone with its transaction
        close_stage(s);
    }
}

static void many_wait_for_few_connections_and_all_are_served(void **state)
{
    (void)state;
    if (!url())
        skip();
    struct stage *s = open_stage(url(), 3, 1000, true);
    struct told t = {0};
    for (int i = 0; i < 500; i++)
        once(s, "echo", "SELECT $1::bigint + pg_backend_pid() * 0", "7", &t);
    wait_told(s, &t, 500);
    assert_int_equal(t.kind, ERR_NONE);
    assert_int_equal(t.number, 7);
    close_stage(s);
}

static void look_then_write(void *ctx, struct pg_result *const *results, int n,
                            const struct err *err, const char *sqlstate, const char *constraint)
{
    struct told *t = ctx;
    (void)sqlstate, (void)constraint;
    assert_null(err);
    assert_int_equal(n, 2);
    assert_int_equal(pg_i64(results[1], 0, 0), 1);
    t->number = -1;
}

struct rounds {
    struct told told;
    struct pg_tx *tx;
};

static void second_round(void *ctx, struct pg_result *const *results, int n, const struct err *err,
                         const char *sqlstate, const char *constraint)
{
    struct rounds *r = ctx;
    (void)n, (void)sqlstate, (void)constraint;
    assert_null(err);
    int64_t seen = pg_i64(results[0], 0, 0);
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)seen + 1);
    put(r->tx, NULL, "SELECT set_config('test.x', $1, true)", text);
    put(r->tx, NULL, "SELECT current_setting('test.x')::bigint * 2", NULL);
    pg_tx_commit(r->tx, note, &r->told);
}

static void a_transaction_may_look_before_it_writes(void **state)
{
    (void)state;
    if (!url())
        skip();
    struct stage *s = open_stage(url(), 1, 10, true);
    struct rounds r = {.tx = pg_begin(s->pool, STR_NONE)};
    put(r.tx, NULL, "SELECT 20", NULL);
    pg_tx_run(r.tx, second_round, &r);
    wait_told(s, &r.told, 1);
    assert_int_equal(r.told.number, 42);
    assert_int_equal(r.told.results, 2);
    close_stage(s);
}

static void a_round_that_is_left_is_rolled_back(void **state)
{
    (void)state;
    if (!url())
        skip();
    struct stage *s = open_stage(url(), 1, 10, true);
    struct told left = {0}, t = {0};
    once(s, NULL, "DROP TABLE IF EXISTS pool_test_left", NULL, &t);
    struct pg_tx *tx = pg_begin(s->pool, STR_NONE);
    put(tx, NULL, "CREATE TABLE pool_test_left ()", NULL);
    put(tx, NULL, "SELECT 1", NULL);
    pg_tx_run(tx, look_then_write, &left);
    once(s, NULL, "SELECT count(*) FROM pg_class WHERE relname = 'pool_test_left'", NULL, &t);
    wait_told(s, &t, 2);
    assert_int_equal(left.number, -1);
    assert_int_equal(t.kind, ERR_NONE);
    assert_int_equal(t.number, 0);
    close_stage(s);
}

static void a_failure_is_told_and_the_connection_goes_on(void **state)
{
    (void)state;
    if (!url())
        skip();
    static const struct {
        const char *sql, *sqlstate;
        enum err_kind kind;
    } cases[] = {
        {"SELECT 1/0", "22012", ERR_INVALID},
        {"SELEC 1", "42601", ERR_FAULT},
        {"SELECT 'x'::uuid", "22P02", ERR_INVALID},
        {"SELECT pg_sleep(30)", "", ERR_BUSY}, // the server's own timeout, or ours
    };
    for (int prepared = 0; prepared < 2; prepared++) {
        struct stage *s = open_stage(url(), 1, 10, prepared);
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            struct told bad = {0}, good = {0};
            struct pg_tx *tx = pg_begin(s->pool, STR_NONE);
            put(tx, NULL, "SELECT 1", NULL);
            put(tx, cases[i].sql, cases[i].sql, NULL);
            put(tx, "behind", "SELECT 2", NULL); // skipped, and not taken for prepared
            pg_tx_commit(tx, note, &bad);
            once(s, "behind", "SELECT 2", NULL, &good);
            wait_told(s, &bad, 1);
            assert_int_equal(bad.kind, cases[i].kind);
            assert_int_equal(bad.results, 0);
            if (*cases[i].sqlstate)
                assert_string_equal(bad.sqlstate, cases[i].sqlstate);
            if (cases[i].kind == ERR_BUSY) { // what waited behind it may have run out of time too
                wait_told(s, &good, 1);
                once(s, "behind", "SELECT 2", NULL, &good);
                wait_told(s, &good, 2);
            }
            wait_told(s, &good, 1);
            assert_int_equal(good.kind, ERR_NONE);
            assert_int_equal(good.number, 2);
        }
        close_stage(s);
    }
}

static void a_connection_that_the_server_ends_is_made_anew(void **state)
{
    (void)state;
    if (!url())
        skip();
    struct stage *s = open_stage(url(), 1, 10, true);
    struct told t = {0}, killed = {0};
    once(s, "pid", "SELECT pg_backend_pid()", NULL, &t);
    wait_told(s, &t, 1);
    int64_t first = t.number;
    once(s, NULL, "SELECT pg_terminate_backend(pg_backend_pid())", NULL, &killed);
    wait_told(s, &killed, 1);
    assert_int_equal(killed.kind, ERR_BUSY);
    once(s, "pid", "SELECT pg_backend_pid()", NULL, &t);
    wait_told(s, &t, 2);
    assert_int_equal(t.kind, ERR_NONE);
    assert_int_not_equal(t.number, first);
    close_stage(s);
}

static void too_many_statements_are_a_fault_of_ours(void **state)
{
    (void)state;
    if (!url())
        skip();
    struct stage *s = open_stage(url(), 1, 10, true);
    struct told t = {0};
    struct pg_tx *tx = pg_begin(s->pool, STR_NONE);
    for (int i = 0; i < 65; i++)
        put(tx, NULL, "SELECT 1", NULL);
    pg_tx_commit(tx, note, &t);
    wait_told(s, &t, 1);
    assert_int_equal(t.kind, ERR_FAULT);
    close_stage(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_is_not_there_is_busy_in_time),
        cmocka_unit_test(what_waits_at_the_end_is_told_so),
        cmocka_unit_test(a_url_that_is_none_is_refused_without_its_password),
        cmocka_unit_test(a_round_has_its_tenant_and_its_results),
        cmocka_unit_test(many_wait_for_few_connections_and_all_are_served),
        cmocka_unit_test(a_transaction_may_look_before_it_writes),
        cmocka_unit_test(a_round_that_is_left_is_rolled_back),
        cmocka_unit_test(a_failure_is_told_and_the_connection_goes_on),
        cmocka_unit_test(a_connection_that_the_server_ends_is_made_anew),
        cmocka_unit_test(too_many_statements_are_a_fault_of_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
